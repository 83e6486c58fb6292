-- What a new server gets before the store: its database, and a role that everything in it belongs to. Nobody logs in as
-- that role. Logins are its members and act as it, so that a new password is a new login and the old one still works.
-- The first is lectern_a, with POSTGRES_PASSWORD.
\getenv password POSTGRES_PASSWORD
CREATE ROLE lectern NOLOGIN;
CREATE ROLE lectern_a LOGIN PASSWORD :'password' IN ROLE lectern;
ALTER ROLE lectern_a SET role = lectern;
CREATE DATABASE lectern OWNER lectern;
-- Nobody is superuser over the network, whatever password the server was made with.
ALTER ROLE CURRENT_USER PASSWORD NULL;
