-- Every table calls add_audit_columns once. The database keeps both columns, not the caller.
-- updated_at never stands still and never goes back for a row that changed, so it is also the
-- row's version: entity tags are made from it.

CREATE FUNCTION keep_audit_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_at := OLD.created_at;
    NEW.updated_at := OLD.updated_at;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION add_audit_columns(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'ALTER TABLE %s
            ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
            ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()',
        target);
    EXECUTE format(
        'CREATE TRIGGER keep_audit_columns BEFORE UPDATE ON %s
            FOR EACH ROW EXECUTE FUNCTION keep_audit_columns()',
        target);
END
$$;

-- Tells every instance what was committed: NOTIFY on the channel that the trigger names, with the row's id when it
-- fires for rows. Postgres sends nothing for what is rolled back, and the same message once for each transaction.
CREATE FUNCTION notify_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        PERFORM pg_notify(TG_ARGV[0], NEW.id::text);
    ELSE
        PERFORM pg_notify(TG_ARGV[0], '');
    END IF;
    RETURN NULL;
END
$$;
