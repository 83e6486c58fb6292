-- Clerk's public metadata of a person says who they are here: a new person and a new role have to be told there.
CREATE FUNCTION write_back_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (payload) VALUES (jsonb_build_object('kind', 'write_back_user', 'user_id', NEW.id));
    RETURN NULL;
END
$$;
CREATE TRIGGER write_back_new_user AFTER INSERT ON users
    FOR EACH ROW WHEN (NEW.deleted_at IS NULL) EXECUTE FUNCTION write_back_user();
CREATE TRIGGER write_back_role AFTER UPDATE OF role ON users
    FOR EACH ROW WHEN (OLD.role <> NEW.role AND NEW.deleted_at IS NULL) EXECUTE FUNCTION write_back_user();
