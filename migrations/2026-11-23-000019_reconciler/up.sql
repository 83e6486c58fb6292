CREATE TABLE reconciler (
    id boolean NOT NULL DEFAULT true,
    due_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL DEFAULT now(),
    stripe_events_until timestamptz,
    clerk_users_until timestamptz,
    clerk_swept_at timestamptz,
    CONSTRAINT reconciler_pkey PRIMARY KEY (id),
    CONSTRAINT reconciler_only_row CHECK (id)
);
SELECT add_audit_columns('reconciler');
INSERT INTO reconciler DEFAULT VALUES;

COMMENT ON TABLE reconciler IS 'How far the passes against Stripe and Clerk have come: one row, and whoever holds its lease makes the next pass.';
COMMENT ON COLUMN reconciler.due_at IS 'When the next pass of the schedule begins.';
COMMENT ON COLUMN reconciler.stripe_events_until IS 'Every event that Stripe made before this is in the inbox. Null before the first pass: Stripe keeps events for 30 days.';
COMMENT ON COLUMN reconciler.clerk_users_until IS 'Whatever changed at Clerk before this is known.';
COMMENT ON COLUMN reconciler.clerk_swept_at IS 'When it was last looked who is gone at Clerk.';
