-- Restoring, erasing and listing people; preferences.

-- status_reason is what an administrator noted for a suspension; status_before
-- is the state that restoring a deleted account leads back to.
ALTER TABLE users ADD COLUMN status_reason text;
ALTER TABLE users ADD COLUMN status_before text
    CHECK (status_before IN ('pending', 'active', 'suspended'));

-- Keyset pages in the order of addresses, whatever the database's locale.
CREATE INDEX users_by_email ON users (email_key COLLATE "C", id) WHERE deleted_at IS NULL;
-- Pages of one state, which may be a few among many.
CREATE INDEX users_by_status ON users (status, created_at, id) WHERE deleted_at IS NULL;
-- The erasure of deleted accounts, and the list of those that can be restored.
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- What the applications of a person keep for it, a document for each namespace.
CREATE TABLE preferences (
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    namespace  text        NOT NULL,
    value      jsonb       NOT NULL CHECK (jsonb_typeof(value) = 'object'),
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, namespace)
);
