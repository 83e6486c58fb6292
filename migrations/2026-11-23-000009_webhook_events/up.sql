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
CREATE INDEX webhook_events_dead_idx ON webhook_events (updated_at) WHERE status = 'dead';
CREATE INDEX webhook_events_kept_idx ON webhook_events (processed_at) WHERE payload IS NOT NULL AND processed_at IS NOT NULL;
CREATE INDEX webhook_events_created_at_idx ON webhook_events (created_at, id);
CREATE INDEX webhook_events_status_idx ON webhook_events (status, created_at, id);
CREATE INDEX webhook_events_type_idx ON webhook_events (type, created_at, id);
-- Fires for a delivery that came again as well: that one may be due again.
CREATE TRIGGER notify_listeners AFTER INSERT ON webhook_events
    FOR EACH STATEMENT EXECUTE FUNCTION notify_listeners('lectern_inbox');

CREATE TABLE webhook_sources (
    provider webhook_provider NOT NULL,
    issuer text NOT NULL,
    account text NOT NULL,
    CONSTRAINT webhook_sources_pkey PRIMARY KEY (provider, issuer)
);
SELECT add_audit_columns('webhook_sources');

COMMENT ON TABLE webhook_events IS 'The inbox: an event is verified, stored here and committed before it is answered; its effect and the mark that it was handled share one transaction.';
COMMENT ON COLUMN webhook_events.due_at IS 'When it may next be worked on: now for a new one, the end of the lease for one in work, the end of the back-off for one that failed.';
COMMENT ON COLUMN webhook_events.payload IS 'The event as received; null once its retention is over.';

COMMENT ON TABLE webhook_sources IS 'Whose events are ours: the account that the first verified event named, under the issuer that was configured then. What names another one is ignored.';
