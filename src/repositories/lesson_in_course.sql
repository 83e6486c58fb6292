-- $1 course, $2 lesson, $3 caller or null, $4 whether private sections and lessons count.
-- The window runs over the course's lessons as the caller sees them, so its neighbours are the caller's.
SELECT l.*,
    EXISTS (SELECT FROM user_course_access a WHERE a.user_id = $3 AND a.course_id = $1) AS has_access,
    EXISTS (SELECT FROM user_lesson_complete c WHERE c.user_id = $3 AND c.lesson_id = $2) AS completed
FROM (
    SELECT l.id, l.section_id, l.name, l.description, l.youtube_video_id, l.status, s.status AS section_status,
        lag(l.id) OVER course_order AS previous_id, lag(l.name) OVER course_order AS previous_name,
        lead(l.id) OVER course_order AS next_id, lead(l.name) OVER course_order AS next_name
    FROM courses c
    JOIN course_sections s ON s.course_id = c.id
    JOIN lessons l ON l.section_id = s.id
    WHERE c.id = $1 AND c.deleted_at IS NULL AND s.deleted_at IS NULL AND l.deleted_at IS NULL
        AND ($4 OR (s.status = 'public' AND l.status <> 'private'))
    WINDOW course_order AS (ORDER BY s."order", l."order")
) l
WHERE l.id = $2
