CREATE TABLE purchases (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    product_id uuid NOT NULL,
    product_details jsonb NOT NULL,
    subtotal_in_cents integer NOT NULL,
    discount_in_cents integer NOT NULL,
    price_paid_in_cents integer NOT NULL,
    refunded_in_cents integer NOT NULL DEFAULT 0,
    currency text NOT NULL,
    checkout_id uuid,
    stripe_session_id text,
    stripe_payment_intent_id text,
    receipt_url text,
    receipt_checked_at timestamptz,
    card_country text,
    flags text[] NOT NULL DEFAULT '{}',
    refunded_at timestamptz,
    disputed_at timestamptz,
    CONSTRAINT purchases_pkey PRIMARY KEY (id),
    CONSTRAINT purchases_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT purchases_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE RESTRICT,
    CONSTRAINT purchases_checkout_id_fkey FOREIGN KEY (checkout_id) REFERENCES checkouts (id) ON DELETE RESTRICT,
    CONSTRAINT purchases_checkout_id_key UNIQUE (checkout_id),
    CONSTRAINT purchases_stripe_session_id_key UNIQUE (stripe_session_id),
    CONSTRAINT purchases_stripe_payment_intent_id_key UNIQUE (stripe_payment_intent_id),
    CONSTRAINT purchases_from_checkout CHECK ((checkout_id IS NULL) = (stripe_session_id IS NULL)),
    CONSTRAINT purchases_amounts CHECK (
        subtotal_in_cents >= 0 AND discount_in_cents >= 0 AND price_paid_in_cents >= 0
        AND refunded_in_cents BETWEEN 0 AND price_paid_in_cents
    ),
    CONSTRAINT purchases_currency_format CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT purchases_card_country_format CHECK (card_country ~ '^[A-Z]{2}$')
);
SELECT add_audit_columns('purchases');
CREATE INDEX purchases_user_id_idx ON purchases (user_id, created_at, id);
CREATE INDEX purchases_product_id_idx ON purchases (product_id, created_at, id);
CREATE INDEX purchases_created_at_idx ON purchases (created_at, id);
CREATE INDEX purchases_customers_idx ON purchases (product_id, user_id);
CREATE INDEX purchases_refunded_idx ON purchases (created_at, id) WHERE refunded_at IS NOT NULL OR refunded_in_cents > 0;

COMMENT ON TABLE purchases IS 'Money that was paid, or a free product that was claimed. Never deleted.';
COMMENT ON COLUMN purchases.product_details IS 'The product as it was sold: {name, description, imageUrl}.';
COMMENT ON COLUMN purchases.price_paid_in_cents IS 'What Stripe says was charged, in the smallest unit of the currency.';
COMMENT ON COLUMN purchases.receipt_checked_at IS 'When Stripe was last asked for the receipt: its address is good for a while only.';
COMMENT ON COLUMN purchases.refunded_in_cents IS 'The sum of the refunds that count, kept by the transaction that changes one; the constraint forbids more than was paid.';
COMMENT ON COLUMN purchases.refunded_at IS 'When the whole price had gone back or was on its way, and the access gone with it.';
COMMENT ON COLUMN purchases.disputed_at IS 'Since when a dispute that is open or was lost holds the payment, and with it the access.';
COMMENT ON COLUMN purchases.checkout_id IS 'Null for a claimed free product: no Stripe was involved.';
COMMENT ON COLUMN purchases.flags IS 'What the owner should look at, such as amount-mismatch, buyer-deleted or early-fraud-warning.';
