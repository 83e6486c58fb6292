-- W3. The first page of the courses that a person holds, with how far they are in each.
SELECT 200 AS status, CAST((
    SELECT json_build_object(
        'data', coalesce(json_agg(json_build_object(
            'id', id, 'name', name, 'description', description, 'sectionCount', section_count, 'lessonCount', lesson_count,
            'completedLessonCount', completed, 'percent', coalesce(completed * 100 / nullif(lesson_count, 0), 0),
            'nextLesson', next_lesson
        ) ORDER BY name, id) FILTER (WHERE nth <= 20), '[]'),
        'nextCursor', max(name || ' ' || id) FILTER (WHERE nth = 20 AND goes_on)
    )
    FROM (
        SELECT c.*, row_number() OVER (ORDER BY c.name, c.id) AS nth, count(*) OVER () > 20 AS goes_on
        FROM user_course_access a
        JOIN courses c ON c.id = a.course_id
        WHERE a.user_id = u.id AND c.deleted_at IS NULL
        ORDER BY c.name, c.id
        LIMIT 21
    ) AS held
    CROSS JOIN LATERAL (
        SELECT count(*) AS section_count FROM course_sections s
        WHERE s.course_id = held.id AND s.status = 'public' AND s.deleted_at IS NULL
    ) AS sections
    CROSS JOIN LATERAL (
        SELECT count(*) AS lesson_count, count(d.lesson_id) AS completed
        FROM course_sections s
        JOIN lessons l ON l.section_id = s.id AND l.status <> 'private' AND l.deleted_at IS NULL
        LEFT JOIN user_lesson_complete d ON d.user_id = u.id AND d.lesson_id = l.id
        WHERE s.course_id = held.id AND s.status = 'public' AND s.deleted_at IS NULL
    ) AS progress
    LEFT JOIN LATERAL (
        SELECT json_build_object('id', l.id, 'name', l.name) AS next_lesson
        FROM course_sections s
        JOIN lessons l ON l.section_id = s.id AND l.status <> 'private' AND l.deleted_at IS NULL
        WHERE s.course_id = held.id AND s.status = 'public' AND s.deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM user_lesson_complete d WHERE d.user_id = u.id AND d.lesson_id = l.id)
        ORDER BY s."order", l."order"
        LIMIT 1
    ) AS next ON true
) AS text) AS body
FROM users u
WHERE u.clerk_user_id = :person AND u.deleted_at IS NULL
