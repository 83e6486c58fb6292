DROP FUNCTION notify_listeners();
DROP FUNCTION add_audit_columns(regclass);
DROP FUNCTION keep_audit_columns();
