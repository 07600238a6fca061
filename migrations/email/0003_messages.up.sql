-- Mails that events and API clients cause: their data, suppression, and the
-- account's address asked for at sending time.

ALTER TABLE messages
    DROP CONSTRAINT messages_state_check,
    ADD CONSTRAINT messages_state_check
        CHECK (state IN ('queued', 'sending', 'deferred', 'sent', 'failed', 'suppressed', 'obsolete')),
    -- Whether the mail goes to the address that the account has at sending
    -- time; recipient and locale are then those of the last attempt.
    ADD COLUMN address_of_account boolean NOT NULL DEFAULT false,
    -- What the template is filled with, an object of strings; emptied when the
    -- message is sent or obsolete. Holds no secret.
    ADD COLUMN data jsonb NOT NULL DEFAULT '{}',
    -- SHA-256 of the request of an API client; tells a repeated request from
    -- another one with the same Idempotency-Key.
    ADD COLUMN request_hash bytea,
    -- Whether the account was deleted while a sender had the message: it makes
    -- no further attempt.
    ADD COLUMN withdrawn boolean NOT NULL DEFAULT false;
CREATE INDEX messages_template ON messages (template, id);
-- What the sweeper removes.
CREATE INDEX messages_done ON messages (updated_at) WHERE state IN ('sent', 'failed', 'suppressed', 'obsolete');

-- Addresses that get no mail.
CREATE TABLE suppressions (
    -- One key for all spellings of an address.
    address_key text        COLLATE "C" PRIMARY KEY,
    id          uuid        NOT NULL UNIQUE,
    address     text        NOT NULL,
    reason      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    -- "user:ID" or "client:ID"; "service:email" where a transport refused.
    created_by  text        NOT NULL
);
