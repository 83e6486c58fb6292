// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "access_source"))]
    pub struct AccessSource;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "checkout_status"))]
    pub struct CheckoutStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "checkout_ui_mode"))]
    pub struct CheckoutUiMode;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "course_section_status"))]
    pub struct CourseSectionStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "job_status"))]
    pub struct JobStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "lesson_status"))]
    pub struct LessonStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "product_status"))]
    pub struct ProductStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "refund_status"))]
    pub struct RefundStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "user_role"))]
    pub struct UserRole;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "webhook_event_status"))]
    pub struct WebhookEventStatus;

    #[derive(diesel::query_builder::QueryId, Debug, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "webhook_provider"))]
    pub struct WebhookProvider;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::AccessSource;

    /// Why somebody may open a course: access is at least one grant that has not ended.
    access_grants (id) {
        id -> Uuid,
        user_id -> Uuid,
        course_id -> Uuid,
        source -> AccessSource,
        /// A purchase gives and takes only its own grants.
        purchase_id -> Nullable<Uuid>,
        granted_by -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        ended_at -> Nullable<Timestamptz>,
        ended_because -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Who changed what, before and after. Written by triggers, in the transaction of the change.
    audit_log (id) {
        id -> Uuid,
        /// The admin; null for the operator at the command line.
        actor_id -> Nullable<Uuid>,
        request_id -> Text,
        action -> Text,
        entity -> Text,
        /// The row; null for a country's discount, whose key is the country.
        entity_id -> Nullable<Uuid>,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::CheckoutStatus;
    use super::sql_types::CheckoutUiMode;

    /// The offer behind a Stripe checkout session, frozen before Stripe hears of it; fulfilment reads this row and never today's product.
    checkouts (id) {
        id -> Uuid,
        user_id -> Uuid,
        product_id -> Uuid,
        status -> CheckoutStatus,
        ui_mode -> CheckoutUiMode,
        return_url -> Text,
        /// What the buyer saw: {name, description, imageUrl}.
        product_details -> Jsonb,
        /// What the buyer gets.
        course_ids -> Array<Nullable<Uuid>>,
        subtotal_in_cents -> Int4,
        percent_off -> Int4,
        discount_in_cents -> Int4,
        total_in_cents -> Int4,
        currency -> Text,
        /// The country whose discount was applied, ISO 3166-1 alpha-2.
        country -> Nullable<Text>,
        /// Fills in Stripe's form; kept so that a repeated call says the same, gone when the person is deleted.
        customer_email -> Nullable<Text>,
        expires_at -> Timestamptz,
        stripe_session_id -> Nullable<Text>,
        client_secret -> Nullable<Text>,
        url -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Discounts by purchasing power. A tier is the countries of one percentage; the key holds each country to one tier.
    country_discounts (country) {
        /// ISO 3166-1 alpha-2.
        country -> Text,
        percent_off -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    course_products (product_id, course_id) {
        product_id -> Uuid,
        course_id -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::CourseSectionStatus;

    course_sections (id) {
        id -> Uuid,
        name -> Text,
        status -> CourseSectionStatus,
        /// Place within the course, rising; deleted sections keep theirs, so readers count live ones.
        order -> Int4,
        course_id -> Uuid,
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// What is live in a course, deleted or not itself. Derived by triggers, never written by hand.
    course_totals (course_id) {
        course_id -> Uuid,
        section_count -> Int4,
        lesson_count -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// What is taught: sections of lessons. Sold through products.
    courses (id) {
        id -> Uuid,
        name -> Text,
        description -> Text,
        /// A deleted course hides its sections and lessons; a restore shows them as they were.
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// What a buyer's bank does about a payment.
    disputes (id) {
        id -> Uuid,
        purchase_id -> Uuid,
        stripe_dispute_id -> Text,
        amount_in_cents -> Int4,
        currency -> Text,
        /// In Stripe's words, those included that it may add.
        status -> Text,
        reason -> Text,
        evidence_due_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Requests that may be repeated without being done twice, and what they were answered.
    idempotency_keys (user_id, route, key) {
        user_id -> Uuid,
        /// Method and path.
        route -> Text,
        key -> Text,
        /// A hash of query and body: the same key with others is refused.
        fingerprint -> Bytea,
        /// Who works on it: a transaction that lost its claim to another attempt is rolled back.
        attempt -> Uuid,
        /// An attempt without an answer by then has died, and the request may be sent again.
        locked_until -> Timestamptz,
        expires_at -> Timestamptz,
        /// Of the answer; null while there is none.
        status -> Nullable<Int4>,
        headers -> Nullable<Jsonb>,
        body -> Nullable<Bytea>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::JobStatus;

    /// The outbox: calls to the outside world, written by the transaction that needs them and made after it committed, at least once.
    jobs (id) {
        id -> Uuid,
        payload -> Jsonb,
        kind -> Text,
        status -> JobStatus,
        attempts -> Int4,
        /// When it may next be worked on: now for a new one, the end of the lease for one in work, the end of the back-off for one that failed.
        due_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::LessonStatus;

    lessons (id) {
        id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        youtube_video_id -> Text,
        /// Place within the section, rising; deleted lessons keep theirs, so readers count live ones.
        order -> Int4,
        /// preview: its video is shown to everybody, as an appetizer.
        status -> LessonStatus,
        section_id -> Uuid,
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::ProductStatus;

    /// What is sold: one or more courses at a price.
    products (id) {
        id -> Uuid,
        name -> Text,
        description -> Text,
        /// https, or a path from the frontend's root.
        image_url -> Text,
        /// In the smallest unit of the store's currency; 99999999 is the most that Stripe charges at once.
        price_in_cents -> Int4,
        status -> ProductStatus,
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Money that was paid, or a free product that was claimed. Never deleted.
    purchases (id) {
        id -> Uuid,
        user_id -> Uuid,
        product_id -> Uuid,
        /// The product as it was sold: {name, description, imageUrl}.
        product_details -> Jsonb,
        subtotal_in_cents -> Int4,
        discount_in_cents -> Int4,
        /// What Stripe says was charged, in the smallest unit of the currency.
        price_paid_in_cents -> Int4,
        /// The sum of the refunds that count, kept by the transaction that changes one; the constraint forbids more than was paid.
        refunded_in_cents -> Int4,
        currency -> Text,
        /// Null for a claimed free product: no Stripe was involved.
        checkout_id -> Nullable<Uuid>,
        stripe_session_id -> Nullable<Text>,
        stripe_payment_intent_id -> Nullable<Text>,
        receipt_url -> Nullable<Text>,
        /// When Stripe was last asked for the receipt: its address is good for a while only.
        receipt_checked_at -> Nullable<Timestamptz>,
        card_country -> Nullable<Text>,
        /// What the owner should look at, such as amount-mismatch, buyer-deleted or early-fraud-warning.
        flags -> Array<Nullable<Text>>,
        /// When the whole price had gone back or was on its way, and the access gone with it.
        refunded_at -> Nullable<Timestamptz>,
        /// Since when a dispute that is open or was lost holds the payment, and with it the access.
        disputed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// How far the passes against Stripe and Clerk have come: one row, and whoever holds its lease makes the next pass.
    reconciler (id) {
        id -> Bool,
        /// When the next pass of the schedule begins.
        due_at -> Timestamptz,
        lease_until -> Timestamptz,
        /// Every event that Stripe made before this is in the inbox. Null before the first pass: Stripe keeps events for 30 days.
        stripe_events_until -> Nullable<Timestamptz>,
        /// Whatever changed at Clerk before this is known.
        clerk_users_until -> Nullable<Timestamptz>,
        /// When it was last looked who is gone at Clerk.
        clerk_swept_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::RefundStatus;

    /// Money that went back, or shall: an admin's intent, committed before Stripe hears of it, or what was done in Stripe's dashboard. Never deleted.
    refunds (id) {
        id -> Uuid,
        purchase_id -> Uuid,
        amount_in_cents -> Int4,
        currency -> Text,
        /// A pending or succeeded one counts against what was paid; a failed or canceled one gives the amount back.
        status -> RefundStatus,
        /// Takes the purchase's access away although it gives only a part back. Giving all back always does.
        revoke_access -> Bool,
        reason -> Nullable<Text>,
        /// The admin; null when the store itself or Stripe's dashboard made it.
        requested_by -> Nullable<Uuid>,
        /// Of the request that made it: a request that comes twice makes one refund.
        idempotency_key -> Nullable<Text>,
        /// Null while Stripe has not heard of it, and for ever when no payment is to be given back.
        stripe_refund_id -> Nullable<Text>,
        /// In Stripe's words.
        failure_reason -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// The one-probe answer to "may this user open this course": a row exactly when at least one grant is live. Derived by trigger, never written by hand.
    user_course_access (user_id, course_id) {
        user_id -> Uuid,
        course_id -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Lessons that were ticked off. Kept when access ends, and back with it.
    user_lesson_complete (user_id, lesson_id) {
        user_id -> Uuid,
        lesson_id -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    /// What somebody bought and may open, added up. Derived by triggers, never written by hand.
    user_totals (user_id) {
        user_id -> Uuid,
        purchase_count -> Int4,
        paid_in_cents -> Int8,
        refunded_in_cents -> Int8,
        /// Live courses that they may open; 0 once they are deleted.
        course_count -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::UserRole;

    /// People, kept locally for speed; Clerk stays the source of who they are.
    users (id) {
        id -> Uuid,
        clerk_user_id -> Text,
        /// The verified primary address at Clerk; nothing is matched by it, so it is not unique.
        email -> Nullable<Text>,
        name -> Nullable<Text>,
        image_url -> Nullable<Text>,
        /// This column alone decides; no token or metadata is trusted for it.
        role -> UserRole,
        /// Clerk's own version of the facts held here; an older one never replaces a newer one. Null until Clerk's first event.
        clerk_updated_at -> Nullable<Timestamptz>,
        /// A tombstone: personal data gone, the Clerk id kept so that a late event does not revive the person.
        deleted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::WebhookProvider;
    use super::sql_types::WebhookEventStatus;

    /// The inbox: an event is verified, stored here and committed before it is answered; its effect and the mark that it was handled share one transaction.
    webhook_events (id) {
        id -> Uuid,
        provider -> WebhookProvider,
        event_id -> Text,
        #[sql_name = "type"]
        type_ -> Text,
        status -> WebhookEventStatus,
        /// The event as received; null once its retention is over.
        payload -> Nullable<Jsonb>,
        attempts -> Int4,
        /// When it may next be worked on: now for a new one, the end of the lease for one in work, the end of the back-off for one that failed.
        due_at -> Timestamptz,
        processed_at -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::WebhookProvider;

    /// Whose events are ours: the account that the first verified event named, under the issuer that was configured then. What names another one is ignored.
    webhook_sources (provider, issuer) {
        provider -> WebhookProvider,
        issuer -> Text,
        account -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::joinable!(access_grants -> courses (course_id));
diesel::joinable!(access_grants -> purchases (purchase_id));
diesel::joinable!(audit_log -> users (actor_id));
diesel::joinable!(checkouts -> products (product_id));
diesel::joinable!(checkouts -> users (user_id));
diesel::joinable!(course_products -> courses (course_id));
diesel::joinable!(course_products -> products (product_id));
diesel::joinable!(course_sections -> courses (course_id));
diesel::joinable!(course_totals -> courses (course_id));
diesel::joinable!(disputes -> purchases (purchase_id));
diesel::joinable!(idempotency_keys -> users (user_id));
diesel::joinable!(lessons -> course_sections (section_id));
diesel::joinable!(purchases -> checkouts (checkout_id));
diesel::joinable!(purchases -> products (product_id));
diesel::joinable!(purchases -> users (user_id));
diesel::joinable!(refunds -> purchases (purchase_id));
diesel::joinable!(refunds -> users (requested_by));
diesel::joinable!(user_course_access -> courses (course_id));
diesel::joinable!(user_course_access -> users (user_id));
diesel::joinable!(user_lesson_complete -> lessons (lesson_id));
diesel::joinable!(user_lesson_complete -> users (user_id));
diesel::joinable!(user_totals -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    access_grants,
    audit_log,
    checkouts,
    country_discounts,
    course_products,
    course_sections,
    course_totals,
    courses,
    disputes,
    idempotency_keys,
    jobs,
    lessons,
    products,
    purchases,
    reconciler,
    refunds,
    user_course_access,
    user_lesson_complete,
    user_totals,
    users,
    webhook_events,
    webhook_sources,
);
