DROP INDEX webhook_events_payment_intent_idx;
DROP TABLE disputes;
DROP FUNCTION counted_refunds(uuid);
DROP TABLE refunds;
DROP TYPE refund_status;
