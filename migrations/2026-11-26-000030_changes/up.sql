SET LOCAL lock_timeout = '2s';

-- Every transaction names what it changes, for those who keep answers that depend on it: to all instances when it is
-- committed (NOTIFY lectern_changed), and to itself in the setting lectern.changed, until it ends. The names are tags,
-- with a space between two; `*` stands for everything, where there would be too many to name.

CREATE FUNCTION announce(tags text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- A payload is shorter than 8000 bytes.
    named text := CASE WHEN cardinality(tags) > 150 THEN '*' ELSE array_to_string(tags, ' ') END;
    before text := current_setting('lectern.changed', true);
BEGIN
    PERFORM pg_notify('lectern_changed', named);
    PERFORM set_config(
        'lectern.changed', CASE WHEN length(before) > 8000 THEN '*' ELSE concat_ws(' ', before, named) END, true
    );
END
$$;

CREATE FUNCTION announce_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tags text[];
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'users' THEN
            tags := ARRAY(SELECT 'user:' || id FROM changed);
        WHEN 'user_course_access' THEN
            tags := ARRAY(SELECT DISTINCT 'user:' || user_id FROM changed);
        WHEN 'user_lesson_complete' THEN
            tags := ARRAY(SELECT DISTINCT 'progress:' || user_id FROM changed);
        WHEN 'courses' THEN
            tags := ARRAY(SELECT 'course:' || id FROM changed);
        WHEN 'course_sections' THEN
            tags := ARRAY(SELECT DISTINCT 'course:' || course_id FROM changed);
        WHEN 'lessons' THEN
            tags := ARRAY(
                SELECT DISTINCT 'course:' || course_id FROM course_sections
                WHERE id IN (SELECT section_id FROM changed)
            );
        WHEN 'products' THEN
            tags := ARRAY(SELECT 'product:' || id FROM changed) || 'catalogue'::text;
        WHEN 'course_products' THEN
            tags := ARRAY(SELECT DISTINCT 'product:' || product_id FROM changed) || 'catalogue'::text;
    END CASE;
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM announce(tags);
    END IF;
    RETURN NULL;
END
$$;

-- What a row belonged to before an update counts too: a lesson may move.
CREATE FUNCTION add_announcements(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER announce_insert AFTER INSERT ON %s
            REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_changes()',
        target);
    EXECUTE format(
        'CREATE TRIGGER announce_update_from AFTER UPDATE ON %s
            REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_changes()',
        target);
    EXECUTE format(
        'CREATE TRIGGER announce_update_to AFTER UPDATE ON %s
            REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_changes()',
        target);
    EXECUTE format(
        'CREATE TRIGGER announce_delete AFTER DELETE ON %s
            REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION announce_changes()',
        target);
END
$$;

SELECT add_announcements(target) FROM unnest(ARRAY[
    'users', 'user_course_access', 'user_lesson_complete', 'courses', 'course_sections', 'lessons', 'products',
    'course_products'
]::regclass[]) AS target;
