SELECT jsonb_build_object(
    'deleted', u.deleted_at IS NOT NULL,
    'access', (SELECT count(*) FROM user_course_access a WHERE a.user_id = u.id),
    'checkouts', (
        SELECT jsonb_agg(
            CASE WHEN c.status IN ('failed', 'expired', 'canceled') THEN 'over' ELSE c.status::text END
            ORDER BY c.status
        )
        FROM checkouts c WHERE c.user_id = u.id
    ),
    'purchases', (
        SELECT jsonb_agg(purchase ORDER BY purchase)
        FROM (
            SELECT jsonb_build_object(
                'paid', p.price_paid_in_cents,
                'refunded', p.refunded_in_cents,
                'all refunded', p.refunded_at IS NOT NULL,
                'disputed', p.disputed_at IS NOT NULL,
                'flags', array_remove(p.flags, 'buyer-deleted'),
                'live grants', (
                    SELECT count(*) FROM access_grants g WHERE g.purchase_id = p.id AND g.ended_at IS NULL
                ),
                'refunds', (
                    SELECT jsonb_agg(jsonb_build_object('amount', r.amount_in_cents, 'status', r.status)
                        ORDER BY r.amount_in_cents, r.status)
                    FROM refunds r WHERE r.purchase_id = p.id
                ),
                'disputes', (
                    SELECT jsonb_agg(d.status ORDER BY d.status) FROM disputes d WHERE d.purchase_id = p.id
                )
            ) AS purchase
            FROM purchases p WHERE p.user_id = u.id
        ) AS purchases
    )
) AS state
FROM users u WHERE u.id = $1::uuid
