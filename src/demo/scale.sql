-- A large store: lectern.scale 1 makes 1,000 products, 1,000 courses of 100 lessons, 20,000 people, 60,000 grants and
-- 1,200,000 ticks. The same number always makes the same store, but for the day from which its times are counted back.
-- Of everything there is some that is private, deleted, free, refunded, disputed or left half done, so that every branch is met.

CREATE FUNCTION pg_temp.times(many integer) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT greatest(1, round(many * current_setting('lectern.scale')::numeric))::integer
$$;
-- The n-th thing's id: as good as random, and a version 4 UUID.
CREATE FUNCTION pg_temp.id(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(md5(kind || n) PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid
$$;
-- A die with so many sides, from 0 on: the same for the same thing.
CREATE FUNCTION pg_temp.die(kind text, n bigint, sides integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT abs(hashint8extended(n, hashtext(kind)) % sides)::integer
$$;
CREATE FUNCTION pg_temp.pick(kind text, n bigint, words text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + pg_temp.die(kind, n, cardinality(words))]
$$;
CREATE FUNCTION pg_temp.ago(minutes bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT date_trunc('day', now()) - make_interval(mins => minutes::integer)
$$;
-- What the local Clerk calls a person of this name, so that /dev/tokens signs people in.
CREATE FUNCTION pg_temp.clerk_user_id(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'user_2' || string_agg(substr(
        '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
        1 + get_byte(sha256(name::bytea), place) % 62, 1
    ), '' ORDER BY place)
    FROM generate_series(0, 25) AS place
$$;
CREATE FUNCTION pg_temp.topic(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY[
        'Rust', 'Postgres', 'Watercolour', 'Sourdough', 'Piano', 'Kubernetes', 'Photography', 'Spanish', 'Typography',
        'Beekeeping', 'Statistics', 'Woodworking', 'Chess', 'Astronomy', 'Knitting', 'Linux', 'Public Speaking',
        'Accounting', 'Botany', 'Guitar', 'React', 'Calligraphy', 'Machine Learning', 'Pottery', 'Swimming',
        'Negotiation', 'Screenwriting', 'Electronics', 'Japanese', 'Cartography', 'Cryptography', 'Cheese Making',
        'Game Design', 'First Aid', 'Bookbinding', 'Compilers', 'Yoga', 'Bicycle Repair', 'Ornithology', 'Drumming'
    ])[1 + n % 40]
$$;
CREATE FUNCTION pg_temp.title(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat_ws(' ', pg_temp.topic(n), (ARRAY[
        'for Beginners', 'in Production', 'from Scratch', 'in Depth', 'by Example', 'for the Web', 'at Home',
        'Under Pressure', 'the Hard Way', 'the Easy Way', 'in Practice', 'for Professionals', 'on Weekends',
        'in Thirty Days', 'Without Tears', 'with Friends', 'for Teachers', 'and Its History', 'on a Budget',
        'for the Curious', 'with Confidence', 'Patiently', 'in Small Steps', 'for Teams', 'Masterclass'
    ])[1 + n / 40 % 25], 'Volume ' || nullif(n / 1000 + 1, 1))
$$;
CREATE FUNCTION pg_temp.sentence(kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.pick(kind, n, ARRAY[
        'All you need, and nothing else.', 'Made for people with little time and much patience.',
        'Every lesson ends with an exercise.', 'You learn by doing, one small success after another.',
        'We start with the tools and end with a project of your own.', 'No earlier knowledge is expected.',
        'The second half goes where other courses stop.', 'With notes to print and keep beside you.',
        'Taught by somebody who does it for a living.', 'Mistakes are shown, explained and mended.',
        'There is a workshop in the middle and a celebration at the end.', 'Questions are answered in writing.'
    ])
$$;

-- The first is the owner. Some are deleted, some have neither name nor address.
INSERT INTO users (id, clerk_user_id, role, name, email, image_url, clerk_updated_at, deleted_at, created_at, updated_at)
SELECT pg_temp.id('user', n), pg_temp.clerk_user_id(CASE n WHEN 0 THEN 'admin' ELSE 'learner-' || n END),
    CASE n WHEN 0 THEN 'admin' ELSE 'user' END::user_role,
    CASE WHEN named THEN first_name || ' ' || last_name END,
    CASE WHEN named THEN lower(first_name || '.' || last_name) || n || '@example.com' END,
    CASE WHEN named THEN 'https://images.example.com/people/' || n || '.png' END,
    CASE WHEN named THEN created END, CASE WHEN is_deleted THEN created + interval '30 days' END, created, created
FROM generate_series(0, pg_temp.times(20000) - 1) AS n
CROSS JOIN LATERAL (
    SELECT n % 97 = 13 AS is_deleted, n % 97 NOT IN (13, 14) AS named, pg_temp.ago(600000 - n * 20 % 500000) AS created,
        pg_temp.pick('first name', n, ARRAY[
            'Ana', 'Bo', 'Chidi', 'Daria', 'Emil', 'Fatima', 'Goran', 'Hana', 'Ines', 'Jun', 'Kaja', 'Luis', 'Mila',
            'Noor', 'Otto', 'Priya', 'Quentin', 'Rosa', 'Sven', 'Tomoko', 'Ursula', 'Viktor', 'Wanda', 'Ximena', 'Yusuf',
            'Zora'
        ]) AS first_name,
        pg_temp.pick('last name', n, ARRAY[
            'Andersson', 'Bakker', 'Castillo', 'Dvořák', 'Eze', 'Fischer', 'García', 'Horvat', 'Ivanova', 'Jansen',
            'Kowalski', 'Lindqvist', 'Moreau', 'Nakamura', 'Okafor', 'Petrov', 'Quispe', 'Rossi', 'Silva', 'Tanaka',
            'Umarov', 'Virtanen', 'Weber', 'Xu', 'Yılmaz', 'Zielińska'
        ]) AS last_name
) AS person;
-- Clerk knows none of them, so there is nobody to tell who they are.
DELETE FROM jobs WHERE kind = 'write_back_user';

INSERT INTO courses (id, name, description, deleted_at, created_at, updated_at)
SELECT pg_temp.id('course', n), pg_temp.title(n), concat_ws(' ', pg_temp.sentence('course', n), pg_temp.sentence('more', n), pg_temp.sentence('last', n)),
    CASE WHEN n % 50 = 9 THEN pg_temp.ago(2000) END, created, created
FROM generate_series(0, pg_temp.times(1000) - 1) AS n
CROSS JOIN LATERAL (SELECT pg_temp.ago(700000 - n * 11) AS created) AS moment;

-- One course in fifty has no public section, so that nothing of it counts.
INSERT INTO course_sections (id, name, status, "order", course_id, deleted_at, created_at, updated_at)
SELECT pg_temp.id('section', n), 'Part ' || place + 1 || ': ' || pg_temp.pick('section', n, ARRAY[
        'Tools', 'First steps', 'Foundations', 'Practice', 'A small project', 'Patterns', 'Mistakes', 'Speed', 'Depth',
        'Beyond'
    ]),
    CASE WHEN course % 50 = 3 OR pg_temp.die('private section', n, 20) = 0
        THEN 'private' ELSE 'public' END::course_section_status,
    place, pg_temp.id('course', course),
    CASE WHEN pg_temp.die('deleted section', n, 50) = 0 THEN pg_temp.ago(3000) END, created, created
FROM generate_series(0, pg_temp.times(1000) - 1) AS course
CROSS JOIN generate_series(0, 9) AS place
CROSS JOIN LATERAL (SELECT course * 10 + place AS n, pg_temp.ago(700000 - course * 11) AS created) AS section;

INSERT INTO lessons (
    id, name, description, youtube_video_id, "order", status, section_id, deleted_at, created_at, updated_at
)
SELECT pg_temp.id('lesson', n), pg_temp.pick('lesson', n, ARRAY[
        'Welcome', 'Setting up', 'A first attempt', 'What went wrong', 'Doing it again', 'The theory', 'Exercise',
        'Solution', 'Questions', 'Summary'
    ]) || ' ' || n % 100 + 1,
    CASE WHEN n % 3 > 0 THEN pg_temp.sentence('about', n) END, left(md5('video' || n), 11), place,
    CASE WHEN section % 10 = 0 AND place = 0 OR pg_temp.die('preview', n, 50) = 0 THEN 'preview'
        WHEN pg_temp.die('private lesson', n, 20) = 0 THEN 'private' ELSE 'public' END::lesson_status,
    pg_temp.id('section', section),
    CASE WHEN pg_temp.die('deleted lesson', n, 50) = 0 THEN pg_temp.ago(4000) END, created, created
FROM generate_series(0, pg_temp.times(1000) * 10 - 1) AS section
CROSS JOIN generate_series(0, 9) AS place
CROSS JOIN LATERAL (SELECT section * 10 + place AS n, pg_temp.ago(700000 - section / 10 * 11) AS created) AS lesson;

INSERT INTO products (
    id, name, description, image_url, price_in_cents, status, deleted_at, created_at, updated_at
)
SELECT pg_temp.id('product', n), pg_temp.title(n), concat_ws(' ', pg_temp.sentence('product', n), pg_temp.sentence('offer', n), pg_temp.sentence('end', n)),
    '/images/' || n || '.png',
    CASE WHEN n % 20 = 2 THEN 0 ELSE 900 + 500 * pg_temp.die('price', n, 60) END,
    CASE WHEN n % 25 = 5 THEN 'private' ELSE 'public' END::product_status,
    CASE WHEN n % 50 IN (9, 29) THEN pg_temp.ago(2500) END, created, created
FROM generate_series(0, pg_temp.times(1000) - 1) AS n
CROSS JOIN LATERAL (SELECT pg_temp.ago(690000 - n * 11) AS created) AS moment;

-- Each holds the course of its own name; one in five is a bundle. Only deleted products hold deleted courses.
INSERT INTO course_products (product_id, course_id)
SELECT DISTINCT pg_temp.id('product', product), pg_temp.id('course', course)
FROM generate_series(0, pg_temp.times(1000) - 1) AS product
CROSS JOIN generate_series(0, CASE pg_temp.die('bundle', product, 5) WHEN 0 THEN 2 ELSE 0 END) AS nth
CROSS JOIN LATERAL (SELECT (product + 7 * nth) % pg_temp.times(1000) AS course) AS held
WHERE nth = 0 OR course % 50 <> 9;

ANALYZE users, courses, course_sections, lessons, products, course_products;

-- What people set out to buy: the lower the number of a product, the more often. Nobody buys a thing twice.
CREATE TEMP TABLE orders ON COMMIT DROP AS
SELECT n, pg_temp.id('user', buyer) AS user_id, p.id AS product_id, p.price_in_cents AS price,
    CASE WHEN pg_temp.die('discount', n, 10) = 0 AND p.price_in_cents > 0 THEN 40 ELSE 0 END AS percent_off,
    jsonb_build_object('name', p.name, 'description', p.description, 'imageUrl', p.image_url) AS details,
    ARRAY(SELECT course_id FROM course_products WHERE product_id = p.id ORDER BY course_id) AS course_ids,
    pg_temp.ago(90000 - n * 2 % 89000) AS bought_at,
    CASE WHEN p.price_in_cents > 0 THEN pg_temp.die('end', n, 40) END AS ending
FROM (
    SELECT DISTINCT ON (buyer, product) *
    FROM generate_series(1, pg_temp.times(45000)) AS n
    CROSS JOIN LATERAL (
        SELECT 1 + pg_temp.die('buyer', n, pg_temp.times(20000) - 1) AS buyer,
            floor((pg_temp.die('product', n, 1000) / 1000.0) ^ 1.5 * pg_temp.times(1000))::integer AS product
    ) AS choice
    ORDER BY buyer, product, n
) AS chosen
JOIN products p ON p.id = pg_temp.id('product', product)
WHERE p.status = 'public';
ALTER TABLE orders ADD COLUMN total integer NOT NULL GENERATED ALWAYS AS (price - price * percent_off / 100) STORED;
ANALYZE orders;

-- Of forty that lead to the till, three end there.
INSERT INTO checkouts (
    id, user_id, product_id, status, ui_mode, return_url, product_details, course_ids, subtotal_in_cents, percent_off,
    discount_in_cents, total_in_cents, currency, country, expires_at, stripe_session_id, created_at, updated_at
)
SELECT pg_temp.id('checkout', n), user_id, product_id,
    CASE ending WHEN 0 THEN 'expired' WHEN 1 THEN 'failed' WHEN 2 THEN 'canceled' ELSE 'fulfilled' END::checkout_status,
    pg_temp.pick('till', n, ARRAY['embedded', 'hosted', 'elements'])::checkout_ui_mode,
    'https://store.example.com/checkout/return', details, course_ids, price, percent_off, price - total, total,
    current_setting('lectern.currency'), CASE WHEN percent_off > 0 THEN 'MX' END, bought_at + interval '28 minutes',
    'cs_test_scale_' || n, bought_at - interval '2 minutes', bought_at
FROM orders WHERE ending IS NOT NULL ORDER BY n;

-- Some went back, in full or in part.
INSERT INTO purchases (
    id, user_id, product_id, product_details, subtotal_in_cents, discount_in_cents, price_paid_in_cents,
    refunded_in_cents, currency, checkout_id, stripe_session_id, stripe_payment_intent_id, receipt_url, card_country,
    refunded_at, created_at, updated_at
)
SELECT pg_temp.id('purchase', n), user_id, product_id, details, price, price - total, total,
    CASE ending WHEN 3 THEN total WHEN 4 THEN total / 2 ELSE 0 END, current_setting('lectern.currency'),
    CASE WHEN price > 0 THEN pg_temp.id('checkout', n) END, CASE WHEN price > 0 THEN 'cs_test_scale_' || n END,
    CASE WHEN price > 0 THEN 'pi_scale_' || n END, CASE WHEN price > 0 THEN 'https://pay.example.com/receipts/' || n END,
    CASE WHEN price > 0 THEN 'US' END, CASE ending WHEN 3 THEN bought_at + interval '1 day' END, bought_at, bought_at
FROM orders WHERE ending IS NULL OR ending > 2 ORDER BY n;

INSERT INTO refunds (id, purchase_id, amount_in_cents, currency, status, stripe_refund_id, created_at, updated_at)
SELECT pg_temp.id('refund', n), pg_temp.id('purchase', n), CASE ending WHEN 3 THEN total ELSE total / 2 END,
    current_setting('lectern.currency'), 'succeeded', CASE WHEN price > 0 THEN 're_scale_' || n END,
    bought_at + interval '1 day', bought_at + interval '1 day'
FROM orders WHERE ending = 3 OR (ending = 4 AND total > 1) ORDER BY n;

-- Some who paid asked their bank for the money, and did not get it.
INSERT INTO disputes (
    id, purchase_id, stripe_dispute_id, amount_in_cents, currency, status, reason, evidence_due_at, created_at, updated_at
)
SELECT pg_temp.id('dispute', n), pg_temp.id('purchase', n), 'du_scale_' || n, total, current_setting('lectern.currency'),
    'won', pg_temp.pick('complaint', n, ARRAY['fraudulent', 'product_not_received', 'general']),
    bought_at + interval '20 days', bought_at + interval '10 days', bought_at + interval '30 days'
FROM orders WHERE ending > 4 AND pg_temp.die('dispute', n, 40) = 0 ORDER BY n;

INSERT INTO access_grants (
    id, user_id, course_id, source, purchase_id, ended_at, ended_because, created_at, updated_at
)
SELECT pg_temp.id('grant', n * 10 + nth), user_id, course_id, 'purchase', pg_temp.id('purchase', n),
    CASE ending WHEN 3 THEN bought_at + interval '1 day' END, CASE ending WHEN 3 THEN 'refund' END, bought_at, bought_at
FROM orders CROSS JOIN LATERAL unnest(course_ids) WITH ORDINALITY AS held (course_id, nth)
WHERE ending IS NULL OR ending > 2 ORDER BY n, nth;

-- The rest by hand; one in ten was taken back.
INSERT INTO access_grants (
    id, user_id, course_id, source, granted_by, reason, ended_at, ended_because, created_at, updated_at
)
SELECT pg_temp.id('manual grant', n), pg_temp.id('user', 1 + pg_temp.die('holder', n, pg_temp.times(20000) - 1)),
    pg_temp.id('course', pg_temp.die('course', n, pg_temp.times(1000))), 'manual', pg_temp.id('user', 0),
    'Prize of the spring raffle', CASE WHEN n % 10 = 0 THEN pg_temp.ago(500) END,
    CASE WHEN n % 10 = 0 THEN 'revoked' END, granted, granted
FROM generate_series(1, pg_temp.times(60000) - (SELECT count(*) FROM access_grants)) AS n
CROSS JOIN LATERAL (SELECT pg_temp.ago(40000 - n % 30000) AS granted) AS moment;

-- Everybody goes through a course in order: one in five has not begun, one in twenty is done. Ticks outlive access, and
-- lessons that were made private or deleted since.
INSERT INTO user_lesson_complete (user_id, lesson_id, created_at, updated_at)
SELECT user_id, lesson_id, ticked, ticked
FROM (
    SELECT user_id, course_id, row_number() OVER (ORDER BY user_id, course_id) AS nth
    FROM (SELECT DISTINCT user_id, course_id FROM access_grants) AS pair
) AS learner
CROSS JOIN LATERAL (
    SELECT CASE WHEN fate = 0 THEN 100 WHEN fate < 5 THEN 0 ELSE pg_temp.die('progress', nth, 49) + 1 END AS many
    FROM (SELECT pg_temp.die('fate', nth, 20) AS fate) AS thrown
) AS progress
JOIN LATERAL (
    SELECT l.id AS lesson_id FROM course_sections s JOIN lessons l ON l.section_id = s.id
    WHERE s.course_id = learner.course_id ORDER BY s."order", l."order" LIMIT many
) AS done ON true
CROSS JOIN LATERAL (SELECT pg_temp.ago(nth % 400) AS ticked) AS moment
LIMIT pg_temp.times(1200000);

-- What the paid checkouts left behind, and the owner's own work.
INSERT INTO webhook_events (
    id, provider, event_id, type, status, attempts, due_at, processed_at, created_at, updated_at
)
SELECT pg_temp.id('event', n), 'stripe', 'evt_scale_' || n, 'checkout.session.completed', 'processed', 1, bought_at,
    bought_at, bought_at, bought_at
FROM orders WHERE ending > 2 ORDER BY n;

INSERT INTO jobs (id, payload, status, attempts, due_at, finished_at, created_at, updated_at)
SELECT pg_temp.id('job', n),
    jsonb_build_object('kind', 'refresh_payment', 'purchase_id', pg_temp.id('purchase', n)),
    'done', 1, bought_at, bought_at, bought_at, bought_at
FROM orders WHERE ending > 2 ORDER BY n;

INSERT INTO audit_log (id, actor_id, request_id, action, entity, entity_id, before, after, created_at, updated_at)
SELECT pg_temp.id('change', n), pg_temp.id('user', 0), 'scale-' || n, 'update', kind, pg_temp.id(kind, thing),
    jsonb_build_object('name', 'Draft of ' || pg_temp.title(thing)), jsonb_build_object('name', pg_temp.title(thing)),
    changed, changed
FROM generate_series(1, pg_temp.times(40000)) AS n
CROSS JOIN LATERAL (
    SELECT pg_temp.pick('kind', n, ARRAY['product', 'course', 'course', 'course']) AS kind,
        pg_temp.die('thing', n, pg_temp.times(1000)) AS thing, pg_temp.ago(80000 - n * 2 % 79000) AS changed
) AS what;
