-- W5. Ticks a lesson off, for those who hold its course.
WITH judged AS MATERIALIZED (
    SELECT u.id AS user_id, l.id AS lesson_id,
        EXISTS (SELECT FROM user_course_access a WHERE a.user_id = u.id AND a.course_id = c.id) AS holds
    FROM users u
    CROSS JOIN lessons l
    JOIN course_sections s ON s.id = l.section_id
    JOIN courses c ON c.id = s.course_id
    WHERE u.clerk_user_id = :person AND u.deleted_at IS NULL AND l.id = :lesson AND l.status <> 'private'
        AND s.status = 'public' AND l.deleted_at IS NULL AND s.deleted_at IS NULL AND c.deleted_at IS NULL
), ticked AS (
    INSERT INTO user_lesson_complete (user_id, lesson_id) SELECT user_id, lesson_id FROM judged WHERE holds
    ON CONFLICT DO NOTHING
)
SELECT CASE WHEN holds THEN 204 ELSE 403 END AS status, NULL AS body FROM judged
