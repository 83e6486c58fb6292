-- What the owner's dashboard adds up over the whole store, kept row by row: by person and by course, so that nobody who
-- buys, learns or teaches waits for anybody else. Counted afresh at every change, never added to: a total cannot drift.

CREATE TABLE user_totals (
    user_id uuid NOT NULL,
    purchase_count integer NOT NULL DEFAULT 0,
    paid_in_cents bigint NOT NULL DEFAULT 0,
    refunded_in_cents bigint NOT NULL DEFAULT 0,
    course_count integer NOT NULL DEFAULT 0,
    CONSTRAINT user_totals_pkey PRIMARY KEY (user_id),
    CONSTRAINT user_totals_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
SELECT add_audit_columns('user_totals');

CREATE TABLE course_totals (
    course_id uuid NOT NULL,
    section_count integer NOT NULL DEFAULT 0,
    lesson_count integer NOT NULL DEFAULT 0,
    CONSTRAINT course_totals_pkey PRIMARY KEY (course_id),
    CONSTRAINT course_totals_course_id_fkey FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE CASCADE
);
SELECT add_audit_columns('course_totals');

-- Both functions lock the totals first and count in a statement of its own, which sees what whoever held the lock before
-- has committed. The rows are locked in the order of their ids, so that two of them do not wait in a circle.
CREATE FUNCTION count_user_totals(the_users uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_totals (user_id) SELECT id FROM users WHERE id = ANY (the_users) ORDER BY id
    ON CONFLICT DO NOTHING;
    PERFORM FROM user_totals WHERE user_id = ANY (the_users) ORDER BY user_id FOR NO KEY UPDATE;
    UPDATE user_totals t SET
        purchase_count = bought.purchases, paid_in_cents = bought.paid, refunded_in_cents = bought.refunded,
        course_count = held.courses
    FROM users u
    CROSS JOIN LATERAL (
        SELECT count(*) AS purchases, coalesce(sum(price_paid_in_cents), 0) AS paid,
            coalesce(sum(refunded_in_cents), 0) AS refunded
        FROM purchases WHERE user_id = u.id
    ) AS bought
    CROSS JOIN LATERAL (
        SELECT count(*) AS courses FROM user_course_access a
        WHERE a.user_id = u.id AND u.deleted_at IS NULL
            AND (SELECT c.deleted_at IS NULL FROM courses c WHERE c.id = a.course_id)
    ) AS held
    WHERE t.user_id = ANY (the_users) AND u.id = t.user_id;
END
$$;

CREATE FUNCTION count_course_totals(the_courses uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO course_totals (course_id) SELECT id FROM courses WHERE id = ANY (the_courses) ORDER BY id
    ON CONFLICT DO NOTHING;
    PERFORM FROM course_totals WHERE course_id = ANY (the_courses) ORDER BY course_id FOR NO KEY UPDATE;
    UPDATE course_totals t SET
        section_count = (
            SELECT count(*) FROM course_sections s WHERE s.course_id = t.course_id AND s.deleted_at IS NULL
        ),
        lesson_count = (
            SELECT count(*) FROM course_sections s JOIN lessons l ON l.section_id = s.id
            WHERE s.course_id = t.course_id AND s.deleted_at IS NULL AND l.deleted_at IS NULL
        )
    WHERE t.course_id = ANY (the_courses);
END
$$;

CREATE FUNCTION count_totals_of_buyers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_user_totals(ARRAY(SELECT DISTINCT user_id FROM changed));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_insert AFTER INSERT ON purchases
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_buyers();
CREATE TRIGGER count_totals_after_update AFTER UPDATE ON purchases
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_buyers();

-- A course that is given is held until the end of the transaction, so that nobody deletes it unseen: whoever deletes it
-- counts those who have it.
CREATE FUNCTION count_totals_of_students() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM courses WHERE id IN (SELECT course_id FROM changed) ORDER BY id FOR SHARE;
    END IF;
    PERFORM count_user_totals(ARRAY(SELECT DISTINCT user_id FROM changed));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_insert AFTER INSERT ON user_course_access
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_students();
CREATE TRIGGER count_totals_after_delete AFTER DELETE ON user_course_access
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_students();

CREATE FUNCTION count_totals_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_user_totals(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals AFTER UPDATE OF deleted_at ON users
    FOR EACH ROW WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION count_totals_of_user();

CREATE FUNCTION count_totals_of_course() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_user_totals(ARRAY(SELECT user_id FROM user_course_access WHERE course_id = NEW.id));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals AFTER UPDATE OF deleted_at ON courses
    FOR EACH ROW WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at) EXECUTE FUNCTION count_totals_of_course();

CREATE FUNCTION count_totals_of_sections() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_course_totals(ARRAY(SELECT DISTINCT course_id FROM changed));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_insert AFTER INSERT ON course_sections
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_sections();
CREATE TRIGGER count_totals_after_delete AFTER DELETE ON course_sections
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_sections();

CREATE FUNCTION count_totals_of_section() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_course_totals(ARRAY[OLD.course_id, NEW.course_id]);
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_update AFTER UPDATE OF deleted_at, course_id ON course_sections
    FOR EACH ROW WHEN ((OLD.deleted_at, OLD.course_id) IS DISTINCT FROM (NEW.deleted_at, NEW.course_id))
    EXECUTE FUNCTION count_totals_of_section();

CREATE FUNCTION count_totals_of_lessons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_course_totals(ARRAY(
        SELECT DISTINCT course_id FROM course_sections WHERE id IN (SELECT section_id FROM changed)
    ));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_insert AFTER INSERT ON lessons
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_lessons();
CREATE TRIGGER count_totals_after_delete AFTER DELETE ON lessons
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_totals_of_lessons();

CREATE FUNCTION count_totals_of_lesson() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_course_totals(ARRAY(
        SELECT DISTINCT course_id FROM course_sections WHERE id IN (OLD.section_id, NEW.section_id)
    ));
    RETURN NULL;
END
$$;
CREATE TRIGGER count_totals_after_update AFTER UPDATE OF deleted_at, section_id ON lessons
    FOR EACH ROW WHEN ((OLD.deleted_at, OLD.section_id) IS DISTINCT FROM (NEW.deleted_at, NEW.section_id))
    EXECUTE FUNCTION count_totals_of_lesson();

SELECT count_user_totals(ARRAY(SELECT user_id FROM purchases UNION SELECT user_id FROM user_course_access));
SELECT count_course_totals(ARRAY(SELECT course_id FROM course_sections));

COMMENT ON TABLE user_totals IS 'What somebody bought and may open, added up. Derived by triggers, never written by hand.';
COMMENT ON COLUMN user_totals.course_count IS 'Live courses that they may open; 0 once they are deleted.';
COMMENT ON TABLE course_totals IS 'What is live in a course, deleted or not itself. Derived by triggers, never written by hand.';
