-- W4. A lesson between its neighbours, for those who hold its course, or anybody if it is a preview.
SELECT CASE WHEN l.status = 'preview' OR holds THEN 200 WHEN CAST(:person AS text) IS NULL THEN 401 ELSE 403 END AS status,
    CAST(json_build_object(
        'id', l.id, 'courseId', c.id, 'sectionId', s.id, 'name', l.name, 'description', l.description,
        'youtubeVideoId', l.youtube_video_id, 'status', l.status, 'completed', holds AND EXISTS (
            SELECT FROM user_lesson_complete d WHERE d.user_id = u.id AND d.lesson_id = l.id
        ), 'canComplete', holds,
        'previousLesson', (
            SELECT json_build_object('id', other.id, 'name', other.name)
            FROM course_sections os
            JOIN lessons other ON other.section_id = os.id AND other.status <> 'private' AND other.deleted_at IS NULL
            WHERE os.course_id = c.id AND os.status = 'public' AND os.deleted_at IS NULL AND os."order" <= s."order"
                AND (os.id <> s.id OR other."order" < l."order")
            ORDER BY os."order" DESC, other."order" DESC
            LIMIT 1
        ),
        'nextLesson', (
            SELECT json_build_object('id', other.id, 'name', other.name)
            FROM course_sections os
            JOIN lessons other ON other.section_id = os.id AND other.status <> 'private' AND other.deleted_at IS NULL
            WHERE os.course_id = c.id AND os.status = 'public' AND os.deleted_at IS NULL AND os."order" >= s."order"
                AND (os.id <> s.id OR other."order" > l."order")
            ORDER BY os."order", other."order"
            LIMIT 1
        )
    ) AS text) AS body
FROM lessons l
JOIN course_sections s ON s.id = l.section_id
JOIN courses c ON c.id = s.course_id
LEFT JOIN users u ON u.clerk_user_id = CAST(:person AS text) AND u.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM user_course_access a WHERE a.user_id = u.id AND a.course_id = c.id) AS holds
) AS access
WHERE l.id = :lesson AND c.id = :course AND l.status <> 'private' AND s.status = 'public'
    AND l.deleted_at IS NULL AND s.deleted_at IS NULL AND c.deleted_at IS NULL
