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

-- Users: one row a person. email_key is the address as it is compared
-- (services/user.EmailKey), computed by the service because lower() depends on
-- the database's locale.
CREATE TABLE users (
    id             uuid        PRIMARY KEY,
    email          text        NOT NULL,
    email_key      text        NOT NULL,
    email_verified boolean     NOT NULL DEFAULT false,
    username       text,
    status         text        NOT NULL CHECK (status IN ('pending', 'active', 'suspended', 'deleted')),
    origin         text        NOT NULL CHECK (origin IN ('registration', 'administration')),
    profile        jsonb       NOT NULL DEFAULT '{}',
    version        bigint      NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    deleted_at     timestamptz,
    CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);

-- A deleted account leaves its address and username to others.
CREATE UNIQUE INDEX users_email_key ON users (email_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_username_key ON users (username) WHERE deleted_at IS NULL;
-- Keyset pages, and the search by the start of an address.
CREATE INDEX users_created ON users (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX users_email_prefix ON users (email_key text_pattern_ops) WHERE deleted_at IS NULL;
-- The sweep of unfinished registrations.
CREATE INDEX users_unfinished ON users (created_at) WHERE status = 'pending' AND origin = 'registration';

CREATE TABLE user_roles (
    user_id     uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role        text        NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role ON user_roles (role, user_id);

-- Idempotency-Key of POST /v1/users. Written before the user it points to, in
-- the same transaction, so that a concurrent twin waits for its outcome.
CREATE TABLE idempotency_keys (
    actor       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    user_id     uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
