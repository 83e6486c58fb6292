-- What is deleted, or lies in something that is, does not count; money and people do. Persons and courses come with
-- their totals, so that neither purchases nor lessons have to be counted.
SELECT people.*, content.*,
    (SELECT count(*) FROM refunds WHERE status IN ('pending', 'succeeded')) AS refund_count,
    (SELECT count(*) FROM products WHERE deleted_at IS NULL) AS product_count
FROM (
    SELECT coalesce(sum(paid_in_cents), 0)::bigint AS gross_sales_in_cents,
        coalesce(sum(refunded_in_cents), 0)::bigint AS refunded_in_cents,
        coalesce(sum(purchase_count), 0)::bigint AS purchase_count,
        count(*) FILTER (WHERE purchase_count > 0) AS customer_count,
        count(*) FILTER (WHERE course_count > 0) AS student_count
    FROM user_totals
) AS people
CROSS JOIN (
    SELECT count(*) AS course_count,
        coalesce(sum(t.section_count), 0)::bigint AS section_count,
        coalesce(sum(t.lesson_count), 0)::bigint AS lesson_count
    FROM courses c LEFT JOIN course_totals t ON t.course_id = c.id
    WHERE c.deleted_at IS NULL
) AS content
