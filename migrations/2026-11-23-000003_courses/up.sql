CREATE TYPE course_section_status AS ENUM ('public', 'private');
CREATE TYPE lesson_status AS ENUM ('public', 'private', 'preview');

CREATE TABLE courses (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    description text NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT courses_pkey PRIMARY KEY (id),
    CONSTRAINT courses_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT courses_description_length CHECK (char_length(description) BETWEEN 1 AND 10000)
);
SELECT add_audit_columns('courses');
CREATE INDEX courses_created_at_idx ON courses (created_at, id);
CREATE INDEX courses_name_idx ON courses (name, id);
CREATE INDEX courses_deleted_idx ON courses (created_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE course_sections (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    status course_section_status NOT NULL DEFAULT 'private',
    "order" integer NOT NULL,
    course_id uuid NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT course_sections_pkey PRIMARY KEY (id),
    CONSTRAINT course_sections_course_id_fkey FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE CASCADE,
    CONSTRAINT course_sections_order_key UNIQUE (course_id, "order") DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT course_sections_order_range CHECK ("order" >= 0),
    CONSTRAINT course_sections_name_length CHECK (char_length(name) BETWEEN 1 AND 200)
);
SELECT add_audit_columns('course_sections');

CREATE TABLE lessons (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    description text,
    youtube_video_id text NOT NULL,
    "order" integer NOT NULL,
    status lesson_status NOT NULL DEFAULT 'private',
    section_id uuid NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT lessons_pkey PRIMARY KEY (id),
    CONSTRAINT lessons_section_id_fkey FOREIGN KEY (section_id) REFERENCES course_sections (id) ON DELETE CASCADE,
    CONSTRAINT lessons_order_key UNIQUE (section_id, "order") DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT lessons_order_range CHECK ("order" >= 0),
    CONSTRAINT lessons_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT lessons_description_length CHECK (char_length(description) BETWEEN 1 AND 10000),
    CONSTRAINT lessons_youtube_video_id_format CHECK (youtube_video_id ~ '^[A-Za-z0-9_-]{11}$')
);
SELECT add_audit_columns('lessons');

COMMENT ON TABLE courses IS 'What is taught: sections of lessons. Sold through products.';
COMMENT ON COLUMN courses.deleted_at IS 'A deleted course hides its sections and lessons; a restore shows them as they were.';
COMMENT ON COLUMN course_sections."order" IS 'Place within the course, rising; deleted sections keep theirs, so readers count live ones.';
COMMENT ON COLUMN lessons."order" IS 'Place within the section, rising; deleted lessons keep theirs, so readers count live ones.';
COMMENT ON COLUMN lessons.status IS 'preview: its video is shown to everybody, as an appetizer.';
COMMENT ON CONSTRAINT course_sections_order_key ON course_sections IS 'Deferrable, so that one UPDATE can permute the whole list.';
COMMENT ON CONSTRAINT lessons_order_key ON lessons IS 'Deferrable, so that one UPDATE can permute the whole list.';
