DROP FUNCTION add_announcements(regclass);
DROP FUNCTION announce_changes() CASCADE;
DROP FUNCTION announce(text[]);
