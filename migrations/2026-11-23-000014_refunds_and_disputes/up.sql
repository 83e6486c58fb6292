-- In the order in which a refund moves: a later status never gives way to an earlier one.
CREATE TYPE refund_status AS ENUM ('pending', 'succeeded', 'failed', 'canceled');

CREATE TABLE refunds (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    purchase_id uuid NOT NULL,
    amount_in_cents integer NOT NULL,
    currency text NOT NULL,
    status refund_status NOT NULL DEFAULT 'pending',
    revoke_access boolean NOT NULL DEFAULT false,
    reason text,
    requested_by uuid,
    idempotency_key text,
    stripe_refund_id text,
    failure_reason text,
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_purchase_id_fkey FOREIGN KEY (purchase_id) REFERENCES purchases (id) ON DELETE RESTRICT,
    CONSTRAINT refunds_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT refunds_stripe_refund_id_key UNIQUE (stripe_refund_id),
    CONSTRAINT refunds_idempotency_key_key UNIQUE (purchase_id, idempotency_key),
    CONSTRAINT refunds_amount CHECK (amount_in_cents >= 0),
    CONSTRAINT refunds_currency_format CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT refunds_failure CHECK (failure_reason IS NULL OR status IN ('failed', 'canceled'))
);
SELECT add_audit_columns('refunds');
CREATE INDEX refunds_purchase_id_idx ON refunds (purchase_id, created_at, id);
CREATE INDEX refunds_requested_by_idx ON refunds (requested_by);
CREATE INDEX refunds_created_at_idx ON refunds (created_at, id);
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON refunds
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('refund', 'id');

-- The refunds of a purchase that count, oldest first, as they stand on its bill.
CREATE FUNCTION counted_refunds(of_purchase uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        jsonb_agg(
            jsonb_build_object('amount_in_cents', amount_in_cents, 'status', status)
            ORDER BY created_at, id
        ),
        '[]'
    )
    FROM refunds WHERE purchase_id = of_purchase AND status IN ('pending', 'succeeded')
$$;

CREATE TABLE disputes (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    purchase_id uuid NOT NULL,
    stripe_dispute_id text NOT NULL,
    amount_in_cents integer NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    evidence_due_at timestamptz,
    CONSTRAINT disputes_pkey PRIMARY KEY (id),
    CONSTRAINT disputes_purchase_id_fkey FOREIGN KEY (purchase_id) REFERENCES purchases (id) ON DELETE RESTRICT,
    CONSTRAINT disputes_stripe_dispute_id_key UNIQUE (stripe_dispute_id),
    CONSTRAINT disputes_amount CHECK (amount_in_cents >= 0),
    CONSTRAINT disputes_currency_format CHECK (currency ~ '^[a-z]{3}$')
);
SELECT add_audit_columns('disputes');
CREATE INDEX disputes_purchase_id_idx ON disputes (purchase_id, created_at, id);
CREATE INDEX disputes_created_at_idx ON disputes (created_at, id);

-- Fulfilment looks here for what was told of its payment before there was a purchase.
CREATE INDEX webhook_events_payment_intent_idx ON webhook_events ((coalesce(
    payload #>> '{data,object,payment_intent,id}', payload #>> '{data,object,payment_intent}'
))) WHERE provider = 'stripe' AND status = 'ignored';

COMMENT ON TABLE refunds IS 'Money that went back, or shall: an admin''s intent, committed before Stripe hears of it, or what was done in Stripe''s dashboard. Never deleted.';
COMMENT ON COLUMN refunds.status IS 'A pending or succeeded one counts against what was paid; a failed or canceled one gives the amount back.';
COMMENT ON COLUMN refunds.revoke_access IS 'Takes the purchase''s access away although it gives only a part back. Giving all back always does.';
COMMENT ON COLUMN refunds.requested_by IS 'The admin; null when the store itself or Stripe''s dashboard made it.';
COMMENT ON COLUMN refunds.idempotency_key IS 'Of the request that made it: a request that comes twice makes one refund.';
COMMENT ON COLUMN refunds.stripe_refund_id IS 'Null while Stripe has not heard of it, and for ever when no payment is to be given back.';
COMMENT ON COLUMN refunds.failure_reason IS 'In Stripe''s words.';
COMMENT ON TABLE disputes IS 'What a buyer''s bank does about a payment.';
COMMENT ON COLUMN disputes.status IS 'In Stripe''s words, those included that it may add.';
