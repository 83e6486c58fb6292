-- $1 learner, $2 lesson: unticks it when the learner may open its course. No row when it does not count for anybody.
WITH lesson AS (
    SELECT l.id, EXISTS (
        SELECT FROM user_course_access a WHERE a.user_id = $1 AND a.course_id = c.id
    ) AS may_complete
    FROM lessons l
    JOIN course_sections s ON s.id = l.section_id
    JOIN courses c ON c.id = s.course_id
    WHERE l.id = $2 AND l.status <> 'private' AND s.status = 'public'
        AND l.deleted_at IS NULL AND s.deleted_at IS NULL AND c.deleted_at IS NULL
), unticked AS (
    DELETE FROM user_lesson_complete
    WHERE user_id = $1 AND lesson_id IN (SELECT id FROM lesson WHERE may_complete)
)
SELECT may_complete FROM lesson
