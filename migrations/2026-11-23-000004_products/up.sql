CREATE TYPE product_status AS ENUM ('public', 'private');

CREATE TABLE products (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    description text NOT NULL,
    image_url text NOT NULL,
    price_in_cents integer NOT NULL,
    status product_status NOT NULL DEFAULT 'private',
    deleted_at timestamptz,
    CONSTRAINT products_pkey PRIMARY KEY (id),
    CONSTRAINT products_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT products_description_length CHECK (char_length(description) BETWEEN 1 AND 10000),
    CONSTRAINT products_image_url_format CHECK (image_url ~ '^(https://|/([^/]|$))' AND char_length(image_url) <= 2048),
    CONSTRAINT products_price_in_cents_range CHECK (price_in_cents BETWEEN 0 AND 99999999)
);
SELECT add_audit_columns('products');
CREATE INDEX products_public_name_idx ON products (name, id) WHERE status = 'public' AND deleted_at IS NULL;
CREATE INDEX products_public_price_idx ON products (price_in_cents, id) WHERE status = 'public' AND deleted_at IS NULL;
CREATE INDEX products_public_created_at_idx ON products (created_at, id) WHERE status = 'public' AND deleted_at IS NULL;
CREATE INDEX products_created_at_idx ON products (created_at, id);
CREATE INDEX products_name_idx ON products (name, id);
CREATE INDEX products_price_idx ON products (price_in_cents, id);
CREATE INDEX products_status_idx ON products (status, created_at, id);
CREATE INDEX products_deleted_idx ON products (created_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE course_products (
    product_id uuid NOT NULL,
    course_id uuid NOT NULL,
    CONSTRAINT course_products_pkey PRIMARY KEY (product_id, course_id),
    CONSTRAINT course_products_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE,
    CONSTRAINT course_products_course_id_fkey FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE RESTRICT
);
SELECT add_audit_columns('course_products');
CREATE INDEX course_products_course_id_idx ON course_products (course_id);

COMMENT ON TABLE products IS 'What is sold: one or more courses at a price.';
COMMENT ON COLUMN products.price_in_cents IS 'In the smallest unit of the store''s currency; 99999999 is the most that Stripe charges at once.';
COMMENT ON COLUMN products.image_url IS 'https, or a path from the frontend''s root.';
