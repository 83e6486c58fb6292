-- $1 learner, $2 and $3 name and id after which the page starts or null, $4 limit.
-- The page is cut first, then the progress of its courses is counted.
SELECT c.id, c.name, c.description,
    (
        SELECT count(*) FROM course_sections s
        WHERE s.course_id = c.id AND s.status = 'public' AND s.deleted_at IS NULL
    ) AS section_count,
    progress.*
FROM (
    SELECT c.id, c.name, c.description
    FROM user_course_access a JOIN courses c ON c.id = a.course_id
    WHERE a.user_id = $1 AND c.deleted_at IS NULL AND ($2 IS NULL OR (c.name, c.id) > ($2, $3))
    ORDER BY c.name, c.id
    LIMIT $4
) c
CROSS JOIN LATERAL (
    SELECT count(*) AS lesson_count,
        count(done.lesson_id) AS completed_lesson_count,
        (array_agg(l.id ORDER BY s."order", l."order") FILTER (WHERE done.lesson_id IS NULL))[1] AS next_lesson_id,
        (array_agg(l.name ORDER BY s."order", l."order") FILTER (WHERE done.lesson_id IS NULL))[1] AS next_lesson_name
    FROM course_sections s
    JOIN lessons l ON l.section_id = s.id
    LEFT JOIN user_lesson_complete done ON done.lesson_id = l.id AND done.user_id = $1
    WHERE s.course_id = c.id AND s.status = 'public' AND s.deleted_at IS NULL
        AND l.status <> 'private' AND l.deleted_at IS NULL
) progress
ORDER BY c.name, c.id
