-- Takes due events in work: nobody else gets them until the lease ends. $1: the lease in seconds, $2: how many.
WITH due AS MATERIALIZED (
    SELECT id FROM webhook_events
    WHERE status = 'received' AND due_at <= now()
    ORDER BY due_at
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_events AS e
SET attempts = e.attempts + 1, due_at = now() + make_interval(secs => $1), last_error = NULL
FROM due
WHERE e.id = due.id
RETURNING e.id, e.provider, e.event_id, e.type AS type_, e.payload, e.attempts
