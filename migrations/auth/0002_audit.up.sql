-- The audit log of a service. One migration of each service contains this text
-- unchanged; internal/audit relies on it. The service's role may insert here
-- and no more; auth's may read too, because it keeps the records of all.

CREATE TABLE audit_log (
    id           uuid        PRIMARY KEY,
    at           timestamptz NOT NULL,
    service      text        NOT NULL,
    actor_kind   text        NOT NULL,
    actor_id     text        NOT NULL,
    client_id    text        NOT NULL,
    action       text        NOT NULL,
    subject_kind text        NOT NULL,
    subject_id   text        NOT NULL,
    outcome      text        NOT NULL CHECK (outcome IN ('success', 'failure', 'denied')),
    address      text        NOT NULL,
    request_id   text        NOT NULL,
    trace_id     text        NOT NULL,
    details      jsonb       NOT NULL
);

-- Lists, newest first (ids are UUIDv7), with their usual filters.
CREATE INDEX audit_log_subject ON audit_log (subject_id, id) WHERE subject_id <> '';
CREATE INDEX audit_log_actor ON audit_log (actor_id, id) WHERE actor_id <> '';
CREATE INDEX audit_log_action ON audit_log (action, id);
