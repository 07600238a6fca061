-- The access tokens that clients got for themselves, as long as they are valid,
-- so that they end when the client may do less.
CREATE TABLE client_access_tokens (
    id         uuid        PRIMARY KEY,
    client_id  text        NOT NULL REFERENCES clients ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX client_access_tokens_client ON client_access_tokens (client_id);
CREATE INDEX client_access_tokens_expiry ON client_access_tokens (expires_at);
