CREATE TYPE access_source AS ENUM ('purchase', 'manual');

CREATE TABLE access_grants (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    course_id uuid NOT NULL,
    source access_source NOT NULL,
    purchase_id uuid,
    granted_by uuid,
    reason text,
    ended_at timestamptz,
    ended_because text,
    CONSTRAINT access_grants_pkey PRIMARY KEY (id),
    CONSTRAINT access_grants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT access_grants_course_id_fkey FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE CASCADE,
    CONSTRAINT access_grants_purchase_id_fkey FOREIGN KEY (purchase_id) REFERENCES purchases (id) ON DELETE RESTRICT,
    CONSTRAINT access_grants_granted_by_fkey FOREIGN KEY (granted_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT access_grants_purchase_course_key UNIQUE (purchase_id, course_id),
    CONSTRAINT access_grants_source_purchase CHECK ((source = 'purchase') = (purchase_id IS NOT NULL)),
    CONSTRAINT access_grants_ended CHECK ((ended_at IS NULL) = (ended_because IS NULL))
);
SELECT add_audit_columns('access_grants');
CREATE INDEX access_grants_user_course_idx ON access_grants (user_id, course_id);
CREATE INDEX access_grants_course_id_idx ON access_grants (course_id);
CREATE INDEX access_grants_granted_by_idx ON access_grants (granted_by);

CREATE TABLE user_course_access (
    user_id uuid NOT NULL,
    course_id uuid NOT NULL,
    CONSTRAINT user_course_access_pkey PRIMARY KEY (user_id, course_id),
    CONSTRAINT user_course_access_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_course_access_course_id_fkey FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE CASCADE
);
SELECT add_audit_columns('user_course_access');
CREATE INDEX user_course_access_course_id_idx ON user_course_access (course_id, user_id);

-- Holds user_course_access equal to the live grants, in the very transaction that changes a grant.
-- The access row is locked before the grants are counted: of two transactions that end the last two
-- grants, the second waits here and then, with a fresh snapshot, sees that none is left.
CREATE FUNCTION derive_user_course_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        -- One statement makes the rows or locks them: between two, an end of the last other grant could remove one.
        INSERT INTO user_course_access (user_id, course_id)
        SELECT DISTINCT user_id, course_id FROM changed WHERE ended_at IS NULL ORDER BY user_id, course_id
        ON CONFLICT (user_id, course_id) DO UPDATE SET user_id = EXCLUDED.user_id;
    END IF;
    IF TG_OP = 'DELETE' OR EXISTS (SELECT FROM changed WHERE ended_at IS NOT NULL) THEN
        PERFORM FROM user_course_access WHERE (user_id, course_id) IN (SELECT user_id, course_id FROM changed)
        ORDER BY user_id, course_id FOR UPDATE;
        DELETE FROM user_course_access a
        WHERE (user_id, course_id) IN (SELECT user_id, course_id FROM changed)
          AND NOT EXISTS (
              SELECT FROM access_grants
              WHERE user_id = a.user_id AND course_id = a.course_id AND ended_at IS NULL
          );
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER derive_user_course_access_after_insert AFTER INSERT ON access_grants
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION derive_user_course_access();
CREATE TRIGGER derive_user_course_access_after_update AFTER UPDATE ON access_grants
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION derive_user_course_access();
CREATE TRIGGER derive_user_course_access_after_delete AFTER DELETE ON access_grants
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION derive_user_course_access();

COMMENT ON TABLE access_grants IS 'Why somebody may open a course: access is at least one grant that has not ended.';
COMMENT ON COLUMN access_grants.purchase_id IS 'A purchase gives and takes only its own grants.';
COMMENT ON TABLE user_course_access IS 'The one-probe answer to "may this user open this course": a row exactly when at least one grant is live. Derived by trigger, never written by hand.';
