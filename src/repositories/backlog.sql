-- The inbox, then the outbox. Each figure reads its own small index, and stops counting at 10,000.
SELECT waiting::float8, coalesce(extract(epoch FROM now() - due_at), 0)::float8 AS lag_seconds, dead::float8
FROM (
    SELECT
        1 AS place,
        (SELECT count(*) FROM (SELECT FROM webhook_events WHERE status = 'received' LIMIT 10000) AS w) AS waiting,
        (SELECT min(due_at) FROM webhook_events WHERE status = 'received' AND due_at <= now()) AS due_at,
        (SELECT count(*) FROM (SELECT FROM webhook_events WHERE status = 'dead' LIMIT 10000) AS d) AS dead
    UNION ALL SELECT
        2,
        (SELECT count(*) FROM (SELECT FROM jobs WHERE status = 'pending' LIMIT 10000) AS w),
        (SELECT min(due_at) FROM jobs WHERE status = 'pending' AND due_at <= now()),
        (SELECT count(*) FROM (SELECT FROM jobs WHERE status = 'dead' LIMIT 10000) AS d)
) AS queues
ORDER BY place
