CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    attempt uuid NOT NULL,
    locked_until timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, route, key),
    CONSTRAINT idempotency_keys_attempt_key UNIQUE (attempt),
    CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_route_length CHECK (char_length(route) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_answer_whole CHECK (
        (status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL)
    ),
    CONSTRAINT idempotency_keys_status_final CHECK (status BETWEEN 200 AND 499 AND status <> 429)
);
SELECT add_audit_columns('idempotency_keys');
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

COMMENT ON TABLE idempotency_keys IS 'Requests that may be repeated without being done twice, and what they were answered.';
COMMENT ON COLUMN idempotency_keys.route IS 'Method and path.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'A hash of query and body: the same key with others is refused.';
COMMENT ON COLUMN idempotency_keys.attempt IS 'Who works on it: a transaction that lost its claim to another attempt is rolled back.';
COMMENT ON COLUMN idempotency_keys.locked_until IS 'An attempt without an answer by then has died, and the request may be sent again.';
COMMENT ON COLUMN idempotency_keys.status IS 'Of the answer; null while there is none.';
