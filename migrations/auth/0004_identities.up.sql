-- Who signs in through a provider as whom, and what is on the way there.

CREATE TABLE identities (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    provider     text        NOT NULL,
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    email        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    -- One person at the provider is one person here.
    UNIQUE (provider, subject)
);
CREATE INDEX identities_user ON identities (user_id, id);

-- A browser that was sent to a provider, or that has come back with an identity
-- whose account has to be proven first. Nonce and code verifier are not here:
-- they are derived of the cookie, of which only a hash is.
CREATE TABLE social_flows (
    state_hash   bytea       PRIMARY KEY,
    browser_hash bytea       NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('sign_in', 'link', 'prove')),
    provider     text        NOT NULL,
    user_id      text        NOT NULL,
    session_id   text        NOT NULL,
    return_to    text        NOT NULL,
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    email        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX social_flows_expiry ON social_flows (expires_at);

-- An identity that waits for its account's address to be proven by the link of
-- one certain challenge. A link that somebody else asked for does not count.
CREATE TABLE pending_identities (
    challenge_id uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    provider     text        NOT NULL,
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    email        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX pending_identities_expiry ON pending_identities (expires_at);
CREATE INDEX pending_identities_user ON pending_identities (user_id);
