DROP TABLE user_course_access;
DROP TABLE access_grants;
DROP FUNCTION derive_user_course_access();
DROP TYPE access_source;
