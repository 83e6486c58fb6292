//! Who sees what: the public, private and deleted parts of a store, on every endpoint that could show them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::lists::{each, names, outline};
use crate::support::shop::{self, course, lesson, product, section};
use crate::support::{Client, Shop, TestApp};

/// What the four callers are answered: anonymous, learner without access, learner with access, owner.
type Answers = [u16; 4];

const EVERYBODY: Answers = [200; 4];
const NOBODY: Answers = [404; 4];
const HOLDERS: Answers = [401, 403, 200, 200];
const OWNER: Answers = [401, 403, 403, 200];
const OWNER_ONLY: Answers = [404, 404, 404, 200];
/// Completion: the owner is a learner like any other, and holds nothing.
const TICKS: Answers = [401, 403, 204, 403];
const NO_TICKS: Answers = [401, 404, 404, 404];

/// What is not for everybody's eyes is named so.
const PRIVATE_NAMES: [&str; 4] = ["Draft", "Secret", "Hidden", "Peek"];
const VIDEO: &str = "dQw4w9WgXcQ";

/// The shop's course with more in it that is private or deleted, and things around it that are.
struct World {
    shop: Shop,
    peek: String,
    deleted_lesson: String,
    deleted_section: String,
    in_deleted_section: String,
    deleted_course: String,
    in_deleted_course: String,
    private_product: String,
    deleted_product: String,
    another: Client,
    checkout: String,
    purchase: String,
}

impl World {
    async fn build(app: &TestApp, holder: &Client) -> Self {
        let shop = Shop::open(app).await;
        let admin = app.admin();
        let peek = lesson(&admin, &shop.secret, "Peek", "preview").await;
        let deleted_lesson = lesson(&admin, &shop.basics, "Deleted", "preview").await;
        let deleted_section = section(&admin, &shop.course, "Deleted", "public").await;
        let in_deleted_section = lesson(&admin, &deleted_section, "Deleted", "preview").await;
        let deleted_course = course(&admin, "Deleted").await;
        let part = section(&admin, &deleted_course, "Deleted", "public").await;
        let in_deleted_course = lesson(&admin, &part, "Deleted", "preview").await;
        let private_product = product(&admin, "Private", 0, &[&shop.course]).await;
        let path = format!("/v1/admin/products/{private_product}");
        let deleted_product = product(&admin, "Deleted", 0, &[&shop.course]).await;
        // The holder has both courses, the deleted one from before its deletion.
        holder.claim(&deleted_product).await;
        let user = shop::id(&holder.get("/v1/me").await.expect(200));
        let body = json!({ "courseId": deleted_course });
        let grants = format!("/v1/admin/users/{user}/grants");
        admin.post(&grants, body).await.expect(201);
        admin.change(&path, json!({ "status": "private" })).await;
        for path in [
            format!("/v1/admin/lessons/{deleted_lesson}"),
            format!("/v1/admin/sections/{deleted_section}"),
            format!("/v1/admin/courses/{deleted_course}"),
            format!("/v1/admin/products/{deleted_product}"),
        ] {
            admin.delete(&path).await.expect(204);
        }
        let another = app.learner("another");
        let checkout = shop.buy(app, &another).await;
        for lesson in [&shop.welcome, &shop.first_steps] {
            let path = format!("/v1/me/lessons/{lesson}/completion");
            another.put(&path).await.expect(204);
        }
        Self {
            purchase: checkout["purchaseId"].as_str().unwrap().to_owned(),
            checkout: shop::id(&checkout),
            shop,
            peek,
            deleted_lesson,
            deleted_section,
            in_deleted_section,
            deleted_course,
            in_deleted_course,
            private_product,
            deleted_product,
            another,
        }
    }

    fn table(&self) -> Vec<(&'static str, String, Answers)> {
        let shop = &self.shop;
        let mut rows = vec![
            ("GET", format!("/v1/products/{}", shop.product), EVERYBODY),
            (
                "GET",
                format!("/v1/products/{}/quote", shop.product),
                EVERYBODY,
            ),
            ("GET", format!("/v1/courses/{}", shop.course), HOLDERS),
            (
                "GET",
                format!("/v1/courses/{}", self.deleted_course),
                NO_TICKS,
            ),
            (
                "GET",
                format!("/v1/me/purchases/{}", self.purchase),
                NO_TICKS,
            ),
            (
                "GET",
                format!("/v1/checkout/sessions/{}", self.checkout),
                NO_TICKS,
            ),
            (
                "POST",
                format!("/v1/checkout/sessions/{}/cancel", self.checkout),
                NO_TICKS,
            ),
            (
                "GET",
                format!("/v1/admin/purchases/{}", self.purchase),
                OWNER,
            ),
        ];
        for product in [&self.private_product, &self.deleted_product] {
            rows.extend([
                ("GET", format!("/v1/products/{product}"), NOBODY),
                ("GET", format!("/v1/products/{product}/quote"), NOBODY),
                ("POST", format!("/v1/products/{product}/claim"), NO_TICKS),
                ("GET", format!("/v1/admin/products/{product}"), OWNER),
            ]);
        }
        for (kind, id) in [
            ("courses", &shop.course),
            ("courses", &self.deleted_course),
            ("sections", &shop.secret),
            ("sections", &self.deleted_section),
        ] {
            rows.push(("GET", format!("/v1/admin/{kind}/{id}"), OWNER));
        }
        for (course, lesson, watch, tick) in [
            (&shop.course, &shop.welcome, EVERYBODY, TICKS),
            (&shop.course, &shop.first_steps, HOLDERS, TICKS),
            (&shop.course, &shop.exercise, HOLDERS, TICKS),
            (&shop.course, &shop.draft, OWNER_ONLY, NO_TICKS),
            (&shop.course, &shop.hidden, OWNER_ONLY, NO_TICKS),
            (&shop.course, &self.peek, OWNER_ONLY, NO_TICKS),
            (&shop.course, &self.deleted_lesson, NOBODY, NO_TICKS),
            (&shop.course, &self.in_deleted_section, NOBODY, NO_TICKS),
            (
                &self.deleted_course,
                &self.in_deleted_course,
                NOBODY,
                NO_TICKS,
            ),
        ] {
            let completion = format!("/v1/me/lessons/{lesson}/completion");
            rows.extend([
                (
                    "GET",
                    format!("/v1/courses/{course}/lessons/{lesson}"),
                    watch,
                ),
                ("PUT", completion.clone(), tick),
                ("DELETE", completion, tick),
                ("GET", format!("/v1/admin/lessons/{lesson}"), OWNER),
            ]);
        }
        rows
    }
}

/// H: G4
#[tokio::test]
async fn every_endpoint_shows_each_caller_what_is_theirs_to_see() {
    let app = TestApp::start().await;
    let holder = app.learner("with-access");
    let world = World::build(&app, &holder).await;
    let callers = [
        app.anon(),
        app.learner("without-access"),
        holder,
        app.admin(),
    ];
    for (method, path, answers) in world.table() {
        for (nth, (client, status)) in callers.iter().zip(answers).enumerate() {
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
            let reply = client.send(request).await;
            let text = &reply.text;
            assert_eq!(reply.status, status, "{method} {path} as {nth}: {text}");
            if status >= 400 {
                assert!(!text.contains(VIDEO), "{method} {path} as {nth}: {text}");
            }
            if nth < 3 {
                let told = PRIVATE_NAMES.iter().find(|name| text.contains(**name));
                assert_eq!(told, None, "{method} {path} as {nth}: {text}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn lists_and_outlines_hold_what_each_caller_may_see_and_nothing_else() {
    let app = TestApp::start().await;
    let holder = app.learner("with-access");
    let world = World::build(&app, &holder).await;
    let shop = &world.shop;
    let (anon, other, admin) = (app.anon(), app.learner("without-access"), app.admin());
    let public = json!([
        ["Basics", ["Welcome", "First steps"]],
        ["Practice", ["Exercise"]]
    ]);
    for client in [&anon, &other, &holder, &admin] {
        let catalogue = json!(client.walk("/v1/products").await);
        assert_eq!(names(&catalogue), ["Web course"]);
        for query in [
            "q=private".to_owned(),
            "q=deleted".to_owned(),
            format!("courseId={}", world.deleted_course),
        ] {
            let found = client.walk(&format!("/v1/products?{query}")).await;
            assert_eq!(found, Vec::<Value>::new(), "{query}");
        }
        let detail = client.get(&format!("/v1/products/{}", shop.product)).await;
        assert!(!detail.text.contains(VIDEO), "an outline is names only");
        let detail = detail.expect(200);
        assert_eq!(outline(&detail["courses"][0]), public);
    }
    let player = format!("/v1/courses/{}", shop.course);
    assert_eq!(outline(&holder.get(&player).await.expect(200)), public);
    assert_eq!(
        outline(&admin.get(&player).await.expect(200)),
        json!([
            ["Basics", ["Welcome", "First steps", "Draft"]],
            ["Secret", ["Hidden", "Peek"]],
            ["Practice", ["Exercise"]]
        ])
    );
    // Somebody else's progress and purchases are nobody else's.
    for (client, courses, done) in [
        (&holder, vec![shop.course.as_str()], 0),
        (&world.another, vec![shop.course.as_str()], 2),
        (&other, vec![], 0),
        (&admin, vec![], 0),
    ] {
        let mine = json!(client.walk("/v1/me/courses").await);
        assert_eq!(each(&mine, "id"), courses);
        for course in mine.as_array().unwrap() {
            assert_eq!(course["completedLessonCount"], done);
        }
    }
    for (client, purchases) in [(&holder, 1), (&world.another, 1), (&other, 0), (&admin, 0)] {
        assert_eq!(client.walk("/v1/me/purchases").await.len(), purchases);
    }
    // The owner finds all of it on the owner's side.
    let products = json!(admin.walk("/v1/admin/products?deleted=include").await);
    assert_eq!(names(&products), ["Deleted", "Private", "Web course"]);
    let deleted = json!(admin.walk("/v1/admin/courses?deleted=only").await);
    assert_eq!(names(&deleted), ["Deleted"]);
    let path = format!("/v1/admin/courses/{}?deleted=include", shop.course);
    let whole = admin.get(&path).await.expect(200);
    assert_eq!(
        outline(&whole),
        json!([
            ["Basics", ["Welcome", "First steps", "Draft", "Deleted"]],
            ["Secret", ["Hidden", "Peek"]],
            ["Practice", ["Exercise"]],
            ["Deleted", ["Deleted"]]
        ])
    );
    app.finish().await;
}
