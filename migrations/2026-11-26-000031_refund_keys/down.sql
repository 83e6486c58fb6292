SET LOCAL lock_timeout = '2s';

-- Where a key was used again, the latest refund has it.
UPDATE refunds r SET idempotency_key = NULL WHERE EXISTS (
    SELECT FROM refunds later WHERE later.purchase_id = r.purchase_id AND later.idempotency_key = r.idempotency_key
        AND (later.created_at, later.id) > (r.created_at, r.id)
);
ALTER TABLE refunds ADD CONSTRAINT refunds_idempotency_key_key UNIQUE (purchase_id, idempotency_key);
