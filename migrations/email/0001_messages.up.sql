-- The outbox, inbox and leases of a service. The first migration of each
-- service contains this text unchanged; internal/outbox and the leases of
-- internal/database rely on it.

CREATE TABLE outbox (
    id           uuid        PRIMARY KEY,
    seq          bigint      GENERATED ALWAYS AS IDENTITY,
    partition    int         NOT NULL,
    aggregate    text        NOT NULL,
    type         text        NOT NULL,
    event        jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (partition, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE consumed_events (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    consumed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX consumed_events_age ON consumed_events (consumed_at);

CREATE TABLE leases (
    name       text        PRIMARY KEY,
    holder     uuid        NOT NULL,
    token      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Messages: one row a mail that is or was to be sent. A mail whose body holds a
-- secret (verification, reset) is rendered at each attempt from the link that
-- auth gives out; neither link nor body is ever stored.
CREATE TABLE messages (
    id              uuid        PRIMARY KEY,
    -- One message per cause, such as challenge:ID.
    idempotency_key text        NOT NULL UNIQUE,
    template        text        NOT NULL,
    locale          text        NOT NULL,
    recipient       text        NOT NULL,
    user_id         uuid,
    challenge_id    text,
    state           text        NOT NULL CHECK (state IN ('queued', 'sending', 'deferred', 'sent', 'failed', 'obsolete')),
    -- Attempts begun, the one under way included. It also fences: who finishes
    -- an attempt names its number.
    attempts        int         NOT NULL DEFAULT 0,
    -- When the next attempt is due; while sending, when the sender's lease ends
    -- and another may take over.
    due_at          timestamptz NOT NULL,
    reason          text        NOT NULL DEFAULT '',
    transport       text        NOT NULL DEFAULT '',
    provider_id     text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    sent_at         timestamptz
);
-- What a sender claims, in order.
CREATE INDEX messages_due ON messages (due_at) WHERE state IN ('queued', 'sending', 'deferred');
-- Lists by state, newest first; ids are UUIDv7.
CREATE INDEX messages_state ON messages (state, id);
CREATE INDEX messages_user ON messages (user_id, id) WHERE user_id IS NOT NULL;

-- Dead letters: messages that were given up, until somebody deals with them.
CREATE TABLE dead_letters (
    message_id uuid        PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    reason     text        NOT NULL,
    -- Whether the transport said that no attempt would succeed; else the
    -- attempts were used up.
    permanent  boolean     NOT NULL,
    attempts   int         NOT NULL,
    failed_at  timestamptz NOT NULL
);
CREATE INDEX dead_letters_failed_at ON dead_letters (failed_at);
