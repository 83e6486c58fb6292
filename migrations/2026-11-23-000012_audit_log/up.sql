CREATE TABLE audit_log (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    actor_id uuid,
    request_id text NOT NULL,
    action text NOT NULL,
    entity text NOT NULL,
    entity_id uuid,
    before jsonb,
    after jsonb,
    CONSTRAINT audit_log_pkey PRIMARY KEY (id),
    CONSTRAINT audit_log_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT audit_log_action CHECK (action IN ('create', 'update', 'delete')),
    CONSTRAINT audit_log_before_after CHECK (
        (before IS NULL) = (action = 'create') AND (after IS NULL) = (action = 'delete')
    )
);
SELECT add_audit_columns('audit_log');
CREATE INDEX audit_log_created_at_idx ON audit_log (created_at, id);
CREATE INDEX audit_log_actor_id_idx ON audit_log (actor_id, created_at, id);
CREATE INDEX audit_log_entity_idx ON audit_log (entity, created_at, id);
CREATE INDEX audit_log_entity_id_idx ON audit_log (entity_id, created_at, id);

-- Writes down a change of a row when somebody answers for it: the transaction names them in lectern.actor_id (empty
-- for the operator at the command line) and lectern.request_id. What learners, webhooks and jobs do has no request
-- id of that kind and is not written down. The third argument names a column that is left out.
CREATE FUNCTION write_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    request text := nullif(current_setting('lectern.request_id', true), '');
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - coalesce(TG_ARGV[2], '') END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - coalesce(TG_ARGV[2], '') END;
BEGIN
    IF request IS NOT NULL AND old_row IS DISTINCT FROM new_row THEN
        INSERT INTO audit_log (actor_id, request_id, action, entity, entity_id, before, after, created_at)
        VALUES (
            nullif(current_setting('lectern.actor_id', true), '')::uuid,
            request,
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
            TG_ARGV[0],
            (coalesce(new_row, old_row) ->> TG_ARGV[1])::uuid,
            old_row,
            new_row,
            clock_timestamp()
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON courses
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('course', 'id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON course_sections
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('course_section', 'id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON lessons
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('lesson', 'id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('product', 'id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON course_products
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('course_product', 'product_id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON country_discounts
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('country_discount', 'id');
CREATE TRIGGER write_audit_log AFTER INSERT OR UPDATE OR DELETE ON access_grants
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('access_grant', 'id');
-- The worker changes events all the time and answers to nobody, so that it is not even asked.
CREATE TRIGGER write_audit_log AFTER UPDATE ON webhook_events
    FOR EACH ROW WHEN (nullif(current_setting('lectern.request_id', true), '') IS NOT NULL)
    EXECUTE FUNCTION write_audit_log('webhook_event', 'id', 'payload');
-- Of people only what the store decides is written down, never what Clerk says about them.
CREATE FUNCTION write_role_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_log (actor_id, request_id, action, entity, entity_id, before, after, created_at)
    SELECT
        nullif(current_setting('lectern.actor_id', true), '')::uuid,
        current_setting('lectern.request_id', true),
        'update', 'user', NEW.id,
        jsonb_build_object('role', OLD.role), jsonb_build_object('role', NEW.role),
        clock_timestamp()
    WHERE nullif(current_setting('lectern.request_id', true), '') IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER write_role_audit_log AFTER UPDATE OF role ON users
    FOR EACH ROW WHEN (OLD.role IS DISTINCT FROM NEW.role) EXECUTE FUNCTION write_role_audit_log();

COMMENT ON TABLE audit_log IS 'Who changed what, before and after. Written by triggers, in the transaction of the change.';
COMMENT ON COLUMN audit_log.actor_id IS 'The admin; null for the operator at the command line.';
COMMENT ON COLUMN audit_log.entity_id IS 'The row; null for a country''s discount, whose key is the country.';
