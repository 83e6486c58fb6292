CREATE TYPE user_role AS ENUM ('user', 'admin');

CREATE TABLE users (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    clerk_user_id text NOT NULL,
    email text,
    name text,
    image_url text,
    role user_role NOT NULL DEFAULT 'user',
    clerk_updated_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_clerk_user_id_key UNIQUE (clerk_user_id),
    CONSTRAINT users_clerk_user_id_length CHECK (char_length(clerk_user_id) BETWEEN 1 AND 255),
    CONSTRAINT users_tombstone_anonymous CHECK (
        deleted_at IS NULL
        OR (email IS NULL AND name IS NULL AND image_url IS NULL AND role = 'user')
    )
);
SELECT add_audit_columns('users');
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_deleted_idx ON users (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_role_idx ON users (role, created_at, id);

COMMENT ON TABLE users IS 'People, kept locally for speed; Clerk stays the source of who they are.';
COMMENT ON COLUMN users.email IS 'The verified primary address at Clerk; nothing is matched by it, so it is not unique.';
COMMENT ON COLUMN users.role IS 'This column alone decides; no token or metadata is trusted for it.';
COMMENT ON COLUMN users.clerk_updated_at IS 'Clerk''s own version of the facts held here; an older one never replaces a newer one. Null until Clerk''s first event.';
COMMENT ON COLUMN users.deleted_at IS 'A tombstone: personal data gone, the Clerk id kept so that a late event does not revive the person.';
