-- Takes due jobs in work: nobody else gets them until the lease ends. $1: the lease in seconds, $2: how many.
WITH due AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE status = 'pending' AND due_at <= now()
    ORDER BY due_at
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE jobs AS j
SET attempts = j.attempts + 1, due_at = now() + make_interval(secs => $1)
FROM due
WHERE j.id = due.id
RETURNING j.id, j.kind, j.payload, j.attempts
