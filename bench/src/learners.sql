-- People who may open a course, with one of its lessons: as many as there are, in an order that is neither theirs nor ours.
SELECT u.clerk_user_id, held.course_id::text, held.lesson_id::text
FROM users u
JOIN LATERAL (
    SELECT a.course_id, l.id AS lesson_id
    FROM user_course_access a
    JOIN courses c ON c.id = a.course_id
    JOIN course_sections s ON s.course_id = c.id
    JOIN lessons l ON l.section_id = s.id
    WHERE a.user_id = u.id AND c.deleted_at IS NULL
        AND s.status = 'public' AND s.deleted_at IS NULL AND l.status = 'public' AND l.deleted_at IS NULL
    ORDER BY md5(u.id::text || l.id::text)
    LIMIT 1
) AS held ON true
WHERE u.role = 'user' AND u.deleted_at IS NULL
ORDER BY md5(u.id::text)
LIMIT 2000
