CREATE TYPE webhook_provider AS ENUM ('stripe', 'clerk');
CREATE TYPE webhook_event_status AS ENUM ('received', 'processed', 'ignored', 'dead');

CREATE TABLE webhook_events (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    provider webhook_provider NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    status webhook_event_status NOT NULL DEFAULT 'received',
    payload jsonb,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    last_error text,
    CONSTRAINT webhook_events_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_events_event_id_key UNIQUE (provider, event_id),
    CONSTRAINT webhook_events_processed CHECK ((processed_at IS NOT NULL) = (status IN ('processed', 'ignored')))
);
SELECT add_audit_columns('webhook_events');
CREATE INDEX webhook_events_due_idx ON webhook_events (due_at) WHERE status = 'received';

COMMENT ON TABLE webhook_events IS 'The inbox: an event is verified, stored here and committed before it is answered; its effect and the mark that it was handled share one transaction.';
COMMENT ON COLUMN webhook_events.due_at IS 'When it may next be worked on: now for a new one, the end of the lease for one in work, the end of the back-off for one that failed.';
COMMENT ON COLUMN webhook_events.payload IS 'The event as received; null once its retention is over.';
