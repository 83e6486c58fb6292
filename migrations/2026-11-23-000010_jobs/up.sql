CREATE TYPE job_status AS ENUM ('pending', 'done', 'dead');

CREATE TABLE jobs (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    payload jsonb NOT NULL,
    kind text NOT NULL GENERATED ALWAYS AS (payload ->> 'kind') STORED,
    status job_status NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    last_error text,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_finished CHECK ((finished_at IS NOT NULL) = (status = 'done'))
);
SELECT add_audit_columns('jobs');
CREATE INDEX jobs_due_idx ON jobs (due_at) WHERE status = 'pending';
CREATE INDEX jobs_dead_idx ON jobs (updated_at) WHERE status = 'dead';
CREATE INDEX jobs_finished_idx ON jobs (finished_at) WHERE status = 'done';
CREATE TRIGGER notify_listeners AFTER INSERT ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION notify_listeners('lectern_outbox');

COMMENT ON TABLE jobs IS 'The outbox: calls to the outside world, written by the transaction that needs them and made after it committed, at least once.';
COMMENT ON COLUMN jobs.due_at IS 'When it may next be worked on: now for a new one, the end of the lease for one in work, the end of the back-off for one that failed.';
