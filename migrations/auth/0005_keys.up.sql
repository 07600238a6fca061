-- API keys that are rotated: the hash of the secret before counts until the end
-- of the overlap. version counts what is changed by hand, for If-Match;
-- last_used_at is written about once a minute and counts for nothing.
ALTER TABLE api_keys
    ADD COLUMN previous_hash       bytea,
    ADD COLUMN previous_expires_at timestamptz,
    ADD COLUMN last_used_at        timestamptz,
    ADD COLUMN version             bigint NOT NULL DEFAULT 1,
    ADD CHECK ((previous_hash IS NULL) = (previous_expires_at IS NULL));
-- Room to note the last use without touching an index.
ALTER TABLE api_keys SET (fillfactor = 80);

ALTER TABLE clients ADD COLUMN version bigint NOT NULL DEFAULT 1;
