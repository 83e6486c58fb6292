CREATE TABLE user_lesson_complete (
    user_id uuid NOT NULL,
    lesson_id uuid NOT NULL,
    CONSTRAINT user_lesson_complete_pkey PRIMARY KEY (user_id, lesson_id),
    CONSTRAINT user_lesson_complete_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_lesson_complete_lesson_id_fkey FOREIGN KEY (lesson_id) REFERENCES lessons (id) ON DELETE CASCADE
);
SELECT add_audit_columns('user_lesson_complete');
CREATE INDEX user_lesson_complete_lesson_id_idx ON user_lesson_complete (lesson_id);

COMMENT ON TABLE user_lesson_complete IS 'Lessons that were ticked off. Kept when access ends, and back with it.';
