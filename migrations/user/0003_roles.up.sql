-- Roles. What Gatehouse's own API asks for (internal/rbac) is known by the
-- program and has no row in permissions, so that a release can add to it
-- without a migration; the role admin has all of it, and all of permissions.

CREATE TABLE roles (
    name        text COLLATE "C" PRIMARY KEY,
    description text        NOT NULL DEFAULT '',
    builtin     boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

INSERT INTO roles (name, description, builtin) VALUES
    ('admin', 'Everything.', true),
    ('user', 'What every account has: nothing beyond itself.', true);

CREATE TABLE role_permissions (
    role       text COLLATE "C" NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    permission text COLLATE "C" NOT NULL,
    PRIMARY KEY (role, permission)
);
CREATE INDEX role_permissions_permission ON role_permissions (permission, role);

-- role has everything that parent has. That there is no cycle is checked by the
-- service, under the lock that every change of a definition takes.
CREATE TABLE role_inherits (
    role   text COLLATE "C" NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    parent text COLLATE "C" NOT NULL REFERENCES roles (name),
    PRIMARY KEY (role, parent),
    CHECK (role <> parent)
);
CREATE INDEX role_inherits_parent ON role_inherits (parent, role);

-- Permissions of the operator's own applications.
CREATE TABLE permissions (
    name        text COLLATE "C" PRIMARY KEY,
    description text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Idempotency-Key of the POSTs that make a role or a permission; name is what
-- was made.
CREATE TABLE definition_keys (
    actor       text        NOT NULL,
    key         text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('role', 'permission')),
    fingerprint bytea       NOT NULL,
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (actor, kind, key)
);
CREATE INDEX definition_keys_created ON definition_keys (created_at);

-- An assigned role exists, and stays as long as it is assigned.
INSERT INTO roles (name) SELECT DISTINCT role FROM user_roles ON CONFLICT DO NOTHING;
ALTER TABLE user_roles ADD CONSTRAINT user_roles_role_fkey FOREIGN KEY (role) REFERENCES roles (name);
