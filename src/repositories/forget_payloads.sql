-- The payloads of events that were handled before $1 or given up before $2, at most $3 of each.
WITH handled AS MATERIALIZED (
    SELECT id FROM webhook_events
    WHERE payload IS NOT NULL AND processed_at IS NOT NULL AND processed_at < $1
    ORDER BY processed_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
), given_up AS MATERIALIZED (
    SELECT id FROM webhook_events
    WHERE payload IS NOT NULL AND status = 'dead' AND updated_at < $2
    ORDER BY updated_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_events SET payload = NULL
WHERE id IN (SELECT id FROM handled UNION ALL SELECT id FROM given_up)
