-- Jobs that were done before $1, at most $2.
WITH old AS MATERIALIZED (
    SELECT id FROM jobs WHERE status = 'done' AND finished_at < $1
    ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs USING old WHERE jobs.id = old.id
