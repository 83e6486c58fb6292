-- What is deleted, or lies in something that is, does not count; money and people do.
SELECT sales.*, content.*,
    (
        SELECT count(DISTINCT a.user_id)
        FROM user_course_access a JOIN users u ON u.id = a.user_id JOIN courses c ON c.id = a.course_id
        WHERE u.deleted_at IS NULL AND c.deleted_at IS NULL
    ) AS student_count,
    (SELECT count(*) FROM refunds WHERE status IN ('pending', 'succeeded')) AS refund_count,
    (SELECT count(*) FROM products WHERE deleted_at IS NULL) AS product_count,
    (SELECT count(*) FROM courses WHERE deleted_at IS NULL) AS course_count
FROM (
    SELECT coalesce(sum(price_paid_in_cents), 0)::bigint AS gross_sales_in_cents,
        coalesce(sum(refunded_in_cents), 0)::bigint AS refunded_in_cents,
        count(*) AS purchase_count,
        count(DISTINCT user_id) AS customer_count
    FROM purchases
) AS sales
CROSS JOIN (
    SELECT count(DISTINCT s.id) AS section_count, count(l.id) AS lesson_count
    FROM courses c
    JOIN course_sections s ON s.course_id = c.id AND s.deleted_at IS NULL
    LEFT JOIN lessons l ON l.section_id = s.id AND l.deleted_at IS NULL
    WHERE c.deleted_at IS NULL
) AS content
