-- Takes the key for one attempt, unless it is held: by an answer, by an attempt that still works, or by another request.
INSERT INTO idempotency_keys AS held (user_id, route, key, fingerprint, attempt, locked_until, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + interval '1 minute', now() + $6)
ON CONFLICT (user_id, route, key) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    attempt = excluded.attempt,
    locked_until = excluded.locked_until,
    expires_at = excluded.expires_at,
    status = NULL,
    headers = NULL,
    body = NULL
WHERE held.expires_at <= now()
    OR (held.status IS NULL AND held.locked_until <= now() AND held.fingerprint = excluded.fingerprint)
