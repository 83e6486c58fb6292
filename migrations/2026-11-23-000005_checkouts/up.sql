-- In the order in which a checkout moves: a later status never gives way to an earlier one.
CREATE TYPE checkout_status AS ENUM (
    'creating', 'open', 'processing', 'failed', 'expired', 'canceled', 'fulfilled'
);
CREATE TYPE checkout_ui_mode AS ENUM ('embedded', 'hosted', 'elements');

CREATE TABLE checkouts (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    product_id uuid NOT NULL,
    status checkout_status NOT NULL DEFAULT 'creating',
    ui_mode checkout_ui_mode NOT NULL,
    return_url text NOT NULL,
    product_details jsonb NOT NULL,
    course_ids uuid[] NOT NULL,
    subtotal_in_cents integer NOT NULL,
    percent_off integer NOT NULL,
    discount_in_cents integer NOT NULL,
    total_in_cents integer NOT NULL,
    currency text NOT NULL,
    country text,
    customer_email text,
    expires_at timestamptz NOT NULL,
    stripe_session_id text,
    client_secret text,
    url text,
    CONSTRAINT checkouts_pkey PRIMARY KEY (id),
    CONSTRAINT checkouts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT checkouts_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE RESTRICT,
    CONSTRAINT checkouts_stripe_session_id_key UNIQUE (stripe_session_id),
    CONSTRAINT checkouts_course_ids_not_empty CHECK (cardinality(course_ids) > 0),
    CONSTRAINT checkouts_amounts CHECK (
        subtotal_in_cents >= 0 AND discount_in_cents >= 0 AND total_in_cents >= 0
        AND total_in_cents = subtotal_in_cents - discount_in_cents
    ),
    CONSTRAINT checkouts_percent_off_range CHECK (percent_off BETWEEN 0 AND 100),
    CONSTRAINT checkouts_currency_format CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT checkouts_country_format CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT checkouts_known_at_stripe CHECK (
        stripe_session_id IS NOT NULL OR status NOT IN ('open', 'processing', 'fulfilled')
    )
);
SELECT add_audit_columns('checkouts');
CREATE UNIQUE INDEX checkouts_one_open_key ON checkouts (user_id, product_id)
    WHERE status IN ('creating', 'open', 'processing');
CREATE INDEX checkouts_user_id_idx ON checkouts (user_id);
CREATE INDEX checkouts_product_id_idx ON checkouts (product_id);
CREATE INDEX checkouts_unsettled_idx ON checkouts (created_at) WHERE status IN ('creating', 'open', 'processing');

CREATE TRIGGER notify_listeners AFTER UPDATE OF status ON checkouts
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION notify_listeners('lectern_checkout');

COMMENT ON TABLE checkouts IS 'The offer behind a Stripe checkout session, frozen before Stripe hears of it; fulfilment reads this row and never today''s product.';
COMMENT ON COLUMN checkouts.product_details IS 'What the buyer saw: {name, description, imageUrl}.';
COMMENT ON COLUMN checkouts.course_ids IS 'What the buyer gets.';
COMMENT ON COLUMN checkouts.country IS 'The country whose discount was applied, ISO 3166-1 alpha-2.';
COMMENT ON INDEX checkouts_one_open_key IS 'One live session for each buyer and product, however many tabs.';
COMMENT ON COLUMN checkouts.customer_email IS 'Fills in Stripe''s form; kept so that a repeated call says the same, gone when the person is deleted.';
