-- The notifications of people, what they want to be told, and where an inbox
-- stands. Texts of built-in types are not stored: they are made of type and
-- data when somebody reads, in the reader's language.

-- One row a person that ever got a notification or chose a preference. Whoever
-- adds a notification locks it first, so that the ids of one inbox grow in the
-- order of commits: a reader that has seen an id has seen all before it.
CREATE TABLE notification_inboxes (
    user_id   uuid        PRIMARY KEY,
    -- The highest id so far, also of what was deleted since.
    last_id   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    -- The person was erased: what still comes for it is dropped.
    erased_at timestamptz
);
CREATE INDEX notification_inboxes_erased ON notification_inboxes (erased_at) WHERE erased_at IS NOT NULL;

CREATE TABLE notifications (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL,
    category   text        NOT NULL,
    type       text        NOT NULL,
    -- Title and body are those of an API client; empty for built-in types.
    title      text        NOT NULL DEFAULT '',
    body       text        NOT NULL DEFAULT '',
    link       text        NOT NULL DEFAULT '',
    data       jsonb       NOT NULL DEFAULT '{}',
    -- What caused it, such as event:ID: one notification a cause. Null for what
    -- API clients create; they have notification_keys.
    cause      text,
    created_at timestamptz NOT NULL,
    read_at    timestamptz
);
CREATE INDEX notifications_inbox ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id, id) WHERE read_at IS NULL;
CREATE UNIQUE INDEX notifications_cause ON notifications (user_id, cause) WHERE cause IS NOT NULL;
CREATE INDEX notifications_age ON notifications (created_at);

-- What a person chose; what it did not choose is on.
CREATE TABLE notification_preferences (
    user_id    uuid        NOT NULL,
    category   text        NOT NULL,
    channel    text        NOT NULL CHECK (channel IN ('email', 'in_app')),
    enabled    boolean     NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, category, channel)
);

-- Idempotency-Key of the creation of a notification, for a day.
CREATE TABLE notification_keys (
    actor           text        NOT NULL,
    key             text        NOT NULL,
    fingerprint     bytea       NOT NULL,
    user_id         uuid        NOT NULL,
    -- Null where the person does not want the category.
    notification_id uuid,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX notification_keys_age ON notification_keys (created_at);
CREATE INDEX notification_keys_user ON notification_keys (user_id);
