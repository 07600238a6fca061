-- What the auth service stores. Nothing here is a secret in the clear: tokens,
-- cookies, codes and client secrets are SHA-256 hashes of random values,
-- passwords argon2id, signing keys sealed under the master key in a file.

CREATE TABLE clients (
    id                         text        PRIMARY KEY,
    name                       text        NOT NULL,
    type                       text        NOT NULL CHECK (type IN ('public', 'confidential')),
    redirect_uris              text[]      NOT NULL,
    post_logout_redirect_uris  text[]      NOT NULL,
    grant_types                text[]      NOT NULL,
    scopes                     text[]      NOT NULL,
    resources                  text[]      NOT NULL,
    token_endpoint_auth_method text        NOT NULL CHECK (token_endpoint_auth_method IN ('none', 'client_secret_basic', 'client_secret_post')),
    first_party                boolean     NOT NULL,
    admin                      boolean     NOT NULL,
    created_at                 timestamptz NOT NULL,
    updated_at                 timestamptz NOT NULL,
    CHECK ((type = 'public') = (token_endpoint_auth_method = 'none'))
);

CREATE TABLE client_secrets (
    id         uuid        PRIMARY KEY,
    client_id  text        NOT NULL REFERENCES clients ON DELETE CASCADE,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

CREATE TABLE credentials (
    user_id       uuid        PRIMARY KEY,
    password_hash text        NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE TABLE sessions (
    id              uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    cookie_hash     bytea       NOT NULL UNIQUE,
    created_at      timestamptz NOT NULL,
    auth_time       timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    ended_at        timestamptz,
    user_agent      text        NOT NULL,
    address         text        NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE authorization_codes (
    hash           bytea       PRIMARY KEY,
    grant_id       uuid        NOT NULL,
    client_id      text        NOT NULL REFERENCES clients ON DELETE CASCADE,
    user_id        uuid        NOT NULL,
    session_id     uuid        NOT NULL,
    redirect_uri   text        NOT NULL,
    code_challenge text        NOT NULL,
    nonce          text        NOT NULL,
    scopes         text[]      NOT NULL,
    audience       text[]      NOT NULL,
    auth_time      timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    consumed_at    timestamptz
);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_session ON authorization_codes (session_id);
CREATE INDEX authorization_codes_user ON authorization_codes (user_id);

-- One row for the refresh tokens of one grant. Rotation replaces the hash in
-- place; the fill factor leaves room to do so without touching an index.
CREATE TABLE refresh_families (
    id              uuid        PRIMARY KEY,
    client_id       text        NOT NULL REFERENCES clients ON DELETE CASCADE,
    user_id         uuid        NOT NULL,
    session_id      uuid        NOT NULL,
    scopes          text[]      NOT NULL,
    audience        text[]      NOT NULL,
    auth_time       timestamptz NOT NULL,
    current_hash    bytea       NOT NULL,
    previous_hash   bytea,
    rotated_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    revoked_at      timestamptz,
    revoked_reason  text
) WITH (fillfactor = 80);
CREATE INDEX refresh_families_session ON refresh_families (session_id);
CREATE INDEX refresh_families_user ON refresh_families (user_id);
CREATE INDEX refresh_families_client ON refresh_families (client_id);
CREATE INDEX refresh_families_expiry ON refresh_families (expires_at);

-- The access tokens that came of a grant, as long as they are valid, so that
-- they can be revoked with it.
CREATE TABLE issued_access_tokens (
    id         uuid        PRIMARY KEY,
    grant_id   uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX issued_access_tokens_grant ON issued_access_tokens (grant_id);
CREATE INDEX issued_access_tokens_expiry ON issued_access_tokens (expires_at);

-- What gateways were told to refuse, for introspection here.
CREATE TABLE revocations (
    kind       text        NOT NULL,
    id         text        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX revocations_expiry ON revocations (expires_at);

CREATE TABLE challenges (
    id            uuid        PRIMARY KEY,
    purpose       text        NOT NULL,
    user_id       uuid        NOT NULL,
    email         text        NOT NULL,
    locale        text        NOT NULL,
    password_hash text        NOT NULL,
    return_to     text        NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    consumed_at   timestamptz
);
CREATE INDEX challenges_user ON challenges (user_id, created_at);
CREATE INDEX challenges_expiry ON challenges (expires_at);

CREATE TABLE setup_links (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    token_hash  bytea       NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    consumed_at timestamptz
);

CREATE TABLE signing_keys (
    kid         text        PRIMARY KEY,
    algorithm   text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'retired')),
    private_key bytea       NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (algorithm) WHERE state = 'active';

CREATE TABLE api_keys (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL,
    owner_kind text        NOT NULL CHECK (owner_kind IN ('user', 'client')),
    owner_id   text        NOT NULL,
    scopes     text[]      NOT NULL,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX api_keys_owner ON api_keys (owner_kind, owner_id, id);

CREATE TABLE login_attempts (
    key          bytea       PRIMARY KEY,
    attempts     int         NOT NULL,
    last_at      timestamptz NOT NULL,
    paused_until timestamptz NOT NULL
);
CREATE INDEX login_attempts_age ON login_attempts (last_at);

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
