DROP TRIGGER write_back_role ON users;
DROP TRIGGER write_back_new_user ON users;
DROP FUNCTION write_back_user;
