-- W2. A product with the public outline of its courses.
SELECT 200 AS status, CAST(json_build_object(
    'id', p.id, 'name', p.name, 'description', p.description, 'imageUrl', p.image_url,
    'priceInCents', p.price_in_cents, 'currency', 'usd', 'status', p.status,
    'createdAt', to_char(p.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'updatedAt', to_char(p.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'courses', coalesce((
        SELECT json_agg(json_build_object(
            'id', c.id, 'name', c.name, 'description', c.description, 'sectionCount', section_count,
            'lessonCount', coalesce(lesson_count, 0), 'sections', coalesce(sections, '[]')
        ) ORDER BY c.name, c.id)
        FROM course_products cp
        JOIN courses c ON c.id = cp.course_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS section_count, sum(many) AS lesson_count,
                json_agg(json_build_object('id', id, 'name', name, 'lessons', coalesce(lessons, '[]')) ORDER BY "order") AS sections
            FROM (
                SELECT s.id, s.name, s."order", count(l.id) AS many, json_agg(
                    json_build_object('id', l.id, 'name', l.name, 'status', l.status) ORDER BY l."order"
                ) FILTER (WHERE l.id IS NOT NULL) AS lessons
                FROM course_sections s
                LEFT JOIN lessons l ON l.section_id = s.id AND l.status <> 'private' AND l.deleted_at IS NULL
                WHERE s.course_id = c.id AND s.status = 'public' AND s.deleted_at IS NULL
                GROUP BY s.id
            ) AS section
        ) AS outline
        WHERE cp.product_id = p.id AND c.deleted_at IS NULL
    ), '[]')
) AS text) AS body
FROM products p
WHERE p.id = :id AND p.status = 'public' AND p.deleted_at IS NULL
