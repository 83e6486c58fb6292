-- W6. A course with what of it a person has completed, for those who hold it.
SELECT CASE WHEN holds THEN 200 ELSE 403 END AS status, CAST(json_build_object(
    'id', c.id, 'name', c.name, 'description', c.description, 'sectionCount', section_count,
    'lessonCount', coalesce(lesson_count, 0), 'completedLessonCount', coalesce(completed, 0),
    'percent', coalesce(completed * 100 / nullif(lesson_count, 0), 0), 'nextLesson', next_lesson,
    'sections', coalesce(sections, '[]')
) AS text) AS body
FROM users u
CROSS JOIN courses c
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM user_course_access a WHERE a.user_id = u.id AND a.course_id = c.id) AS holds
) AS access
LEFT JOIN LATERAL (
    SELECT count(*) AS section_count, CAST(sum(many) AS bigint) AS lesson_count, CAST(sum(done) AS bigint) AS completed,
        json_agg(
            json_build_object('id', id, 'name', name, 'status', status, 'lessons', coalesce(lessons, '[]')) ORDER BY "order"
        ) AS sections
    FROM (
        SELECT s.id, s.name, s.status, s."order", count(l.id) AS many, count(d.lesson_id) AS done, json_agg(
            json_build_object('id', l.id, 'name', l.name, 'status', l.status, 'completed', d.lesson_id IS NOT NULL)
            ORDER BY l."order"
        ) FILTER (WHERE l.id IS NOT NULL) AS lessons
        FROM course_sections s
        LEFT JOIN lessons l ON l.section_id = s.id AND l.status <> 'private' AND l.deleted_at IS NULL
        LEFT JOIN user_lesson_complete d ON d.user_id = u.id AND d.lesson_id = l.id
        WHERE s.course_id = c.id AND s.status = 'public' AND s.deleted_at IS NULL
        GROUP BY s.id
    ) AS section
) AS outline ON holds
LEFT JOIN LATERAL (
    SELECT json_build_object('id', l.id, 'name', l.name) AS next_lesson
    FROM course_sections s
    JOIN lessons l ON l.section_id = s.id AND l.status <> 'private' AND l.deleted_at IS NULL
    WHERE s.course_id = c.id AND s.status = 'public' AND s.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM user_lesson_complete d WHERE d.user_id = u.id AND d.lesson_id = l.id)
    ORDER BY s."order", l."order"
    LIMIT 1
) AS next ON holds
WHERE u.clerk_user_id = :person AND u.deleted_at IS NULL AND c.id = :course AND c.deleted_at IS NULL
