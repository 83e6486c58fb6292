-- $1 learners, $2 lessons, $3 whether each is to be complete, $4 whether it is known that the learner may, so that nobody
-- looks; no learner and lesson twice. Says of each, in this order, whether the learner may: null where the lesson counts
-- for nobody; and the course in which it counts, where that was looked up. Two of these do not wait in a circle: rows are
-- deleted in the order of their keys, and only after all were made, since Postgres begins with the last of what changes
-- something.
WITH judged AS MATERIALIZED (
    SELECT asked.*, found.course_id, asked.allowed OR found.holds AS may_complete
    -- From sub-selects, so that Postgres expects the same of one tick as of many, and keeps one plan for all.
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::bool[]), (SELECT $4::bool[]))
        WITH ORDINALITY AS asked (user_id, lesson_id, completed, allowed, nth)
    LEFT JOIN LATERAL (
        SELECT c.id AS course_id, EXISTS (
            SELECT FROM user_course_access a WHERE a.user_id = asked.user_id AND a.course_id = c.id
        ) AS holds
        FROM lessons l
        JOIN course_sections s ON s.id = l.section_id
        JOIN courses c ON c.id = s.course_id
        -- A null finds nothing without looking; a condition beside the join would be asked after it.
        WHERE l.id = CASE WHEN NOT asked.allowed THEN asked.lesson_id END AND l.status <> 'private' AND s.status = 'public'
            AND l.deleted_at IS NULL AND s.deleted_at IS NULL AND c.deleted_at IS NULL
    ) AS found ON true
), unticked AS (
    -- By place, found once: rows of this table are made and deleted, never changed, so that none moves. (In a table
    -- with partitions there would be several rows at a place.)
    DELETE FROM user_lesson_complete WHERE ctid = ANY (ARRAY(
        SELECT done.ctid FROM user_lesson_complete done
        JOIN judged ON judged.user_id = done.user_id AND judged.lesson_id = done.lesson_id
        WHERE may_complete AND NOT completed
        ORDER BY done.user_id, done.lesson_id FOR UPDATE OF done
    ))
), ticked AS (
    INSERT INTO user_lesson_complete (user_id, lesson_id)
    SELECT user_id, lesson_id FROM judged WHERE may_complete AND completed ORDER BY user_id, lesson_id
    ON CONFLICT DO NOTHING
)
SELECT may_complete, course_id FROM judged ORDER BY nth
