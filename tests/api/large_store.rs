//! The large store that is made to measure with: every number that the API shows of it, against a recount of plain rows.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use lectern::demo::{self, SeedError};
use lectern::domain::enums::{CourseSectionStatus, LessonStatus, ProductStatus};
use lectern::schema::{
    course_products, course_sections, courses, lessons, products, purchases, user_course_access,
    user_lesson_complete, users,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp};

struct Section {
    id: Uuid,
    course: Uuid,
    is_public: bool,
    is_live: bool,
}

struct Lesson {
    id: Uuid,
    section: Uuid,
    is_visible: bool,
    is_live: bool,
}

struct Sale {
    user: Uuid,
    product: Uuid,
    paid: i32,
    refunded: i32,
    is_refunded: bool,
}

/// Plain rows, to be counted one by one.
struct Rows {
    /// Whether each is live.
    users: HashMap<Uuid, bool>,
    courses: HashMap<Uuid, bool>,
    /// Whether each is live, and on sale.
    products: HashMap<Uuid, (bool, bool)>,
    held: Vec<(Uuid, Uuid)>,
    sections: Vec<Section>,
    lessons: Vec<Lesson>,
    sales: Vec<Sale>,
    access: HashSet<(Uuid, Uuid)>,
    ticks: HashSet<(Uuid, Uuid)>,
}

impl Rows {
    fn load(app: &TestApp) -> Self {
        let conn = &mut app.db();
        let sections: Vec<(Uuid, Uuid, CourseSectionStatus, bool)> = course_sections::table
            .select((
                course_sections::id,
                course_sections::course_id,
                course_sections::status,
                course_sections::deleted_at.is_null(),
            ))
            .load(conn)
            .unwrap();
        let lessons: Vec<(Uuid, Uuid, LessonStatus, bool)> = lessons::table
            .select((
                lessons::id,
                lessons::section_id,
                lessons::status,
                lessons::deleted_at.is_null(),
            ))
            .load(conn)
            .unwrap();
        let sales: Vec<(Uuid, Uuid, i32, i32, bool)> = purchases::table
            .select((
                purchases::user_id,
                purchases::product_id,
                purchases::price_paid_in_cents,
                purchases::refunded_in_cents,
                purchases::refunded_at.is_not_null(),
            ))
            .load(conn)
            .unwrap();
        let products: Vec<(Uuid, bool, ProductStatus)> = products::table
            .select((
                products::id,
                products::deleted_at.is_null(),
                products::status,
            ))
            .load(conn)
            .unwrap();
        let users: Vec<(Uuid, bool)> = users::table
            .select((users::id, users::deleted_at.is_null()))
            .load(conn)
            .unwrap();
        let courses: Vec<(Uuid, bool)> = courses::table
            .select((courses::id, courses::deleted_at.is_null()))
            .load(conn)
            .unwrap();
        let access: Vec<(Uuid, Uuid)> = user_course_access::table
            .select((user_course_access::user_id, user_course_access::course_id))
            .load(conn)
            .unwrap();
        let ticks: Vec<(Uuid, Uuid)> = user_lesson_complete::table
            .select((
                user_lesson_complete::user_id,
                user_lesson_complete::lesson_id,
            ))
            .load(conn)
            .unwrap();
        let held = course_products::table
            .select((course_products::product_id, course_products::course_id))
            .load(conn)
            .unwrap();
        let public = CourseSectionStatus::Public;
        Self {
            users: users.into_iter().collect(),
            courses: courses.into_iter().collect(),
            products: products
                .into_iter()
                .map(|(id, live, status)| (id, (live, live && status == ProductStatus::Public)))
                .collect(),
            held,
            sections: sections
                .into_iter()
                .map(|(id, course, status, is_live)| Section {
                    id,
                    course,
                    is_public: status == public,
                    is_live,
                })
                .collect(),
            lessons: lessons
                .into_iter()
                .map(|(id, section, status, is_live)| Lesson {
                    id,
                    section,
                    is_visible: status != LessonStatus::Private,
                    is_live,
                })
                .collect(),
            sales: sales
                .into_iter()
                .map(|(user, product, paid, refunded, is_refunded)| Sale {
                    user,
                    product,
                    paid,
                    refunded,
                    is_refunded,
                })
                .collect(),
            access: access.into_iter().collect(),
            ticks: ticks.into_iter().collect(),
        }
    }

    /// The live sections of a course, perhaps only those that everybody sees, and the lessons in them.
    fn outline(&self, course: Uuid, all: bool) -> (usize, Vec<Uuid>) {
        let mut sections = 0;
        let mut inside = Vec::new();
        for section in &self.sections {
            if section.course == course && section.is_live && (all || section.is_public) {
                sections += 1;
                for lesson in &self.lessons {
                    if lesson.section == section.id && lesson.is_live && (all || lesson.is_visible)
                    {
                        inside.push(lesson.id);
                    }
                }
            }
        }
        (sections, inside)
    }

    /// Live people who may open a course that fits.
    fn students(&self, fits: impl Fn(Uuid) -> bool) -> usize {
        let students = self.access.iter();
        let students = students.filter(|(user, course)| self.users[user] && fits(*course));
        students.map(|(user, _)| user).collect::<HashSet<_>>().len()
    }

    /// People who bought a product that fits.
    fn customers(&self, fits: impl Fn(Uuid) -> bool) -> usize {
        let sales = self.sales.iter().filter(|sale| fits(sale.product));
        sales.map(|sale| sale.user).collect::<HashSet<_>>().len()
    }

    fn statistics(&self) -> Value {
        let live = |course: &&Uuid| self.courses[*course];
        let outlines: Vec<_> = self
            .courses
            .keys()
            .filter(live)
            .map(|course| self.outline(*course, true))
            .collect();
        let gross: i64 = self.sales.iter().map(|sale| i64::from(sale.paid)).sum();
        let refunded: i64 = self.sales.iter().map(|sale| i64::from(sale.refunded)).sum();
        let customers = self.customers(|_| true);
        let went_back = |sale: &&Sale| sale.is_refunded || sale.refunded > 0;
        json!({
            "grossSalesInCents": gross,
            "refundedInCents": refunded,
            "netSalesInCents": gross - refunded,
            "purchaseCount": self.sales.len(),
            "refundCount": self.sales.iter().filter(went_back).count(),
            "averageNetSalePerCustomerInCents": (gross - refunded) / i64::try_from(customers).unwrap(),
            "customerCount": customers,
            "studentCount": self.students(|course| self.courses[&course]),
            "productCount": self.products.values().filter(|(live, _)| *live).count(),
            "courseCount": outlines.len(),
            "sectionCount": outlines.iter().map(|(sections, _)| sections).sum::<usize>(),
            "lessonCount": outlines.iter().map(|(_, lessons)| lessons.len()).sum::<usize>(),
        })
    }
}

async fn large_store() -> TestApp {
    let app = TestApp::start().await;
    demo::seed_large(&mut app.db(), "usd", &"0.01".parse().unwrap()).unwrap();
    app
}

fn uuid(row: &Value, field: &str) -> Uuid {
    row[field].as_str().unwrap().parse().unwrap()
}

/// People by the names under which they sign in, and their ids.
async fn learners(app: &TestApp) -> Vec<(Client, Uuid)> {
    let mut people = Vec::new();
    for n in (1..50).filter(|n| n % 97 != 13) {
        let client = app.learner(&format!("learner-{n}"));
        let id = uuid(&client.get("/v1/me").await.expect(200), "id");
        people.push((client, id));
    }
    people
}

/// H: G7
#[tokio::test]
async fn every_number_of_a_generated_store_is_that_of_a_naive_recount() {
    let app = large_store().await;
    let (admin, rows) = (app.admin(), Rows::load(&app));
    assert_eq!(
        admin.get("/v1/admin/stats").await.expect(200),
        rows.statistics()
    );
    let listed = admin
        .walk("/v1/admin/courses?deleted=include&limit=3")
        .await;
    assert_eq!(listed.len(), rows.courses.len());
    for course in &listed {
        let id = uuid(course, "id");
        let (sections, lessons) = rows.outline(id, true);
        assert_eq!(course["sectionCount"], sections);
        assert_eq!(course["lessonCount"], lessons.len());
        assert_eq!(course["studentCount"], rows.students(|of| of == id));
        assert_eq!(course["deletedAt"].is_null(), rows.courses[&id]);
    }
    let listed = admin
        .walk("/v1/admin/products?deleted=include&limit=3")
        .await;
    assert_eq!(listed.len(), rows.products.len());
    for product in &listed {
        let id = uuid(product, "id");
        let held = rows.held.iter();
        let held: HashSet<_> = held
            .filter(|(of, course)| *of == id && rows.courses[course])
            .map(|(_, course)| course.to_string())
            .collect();
        let shown = product["courseIds"].as_array().unwrap().iter();
        let shown: HashSet<_> = shown.map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(shown, held);
        assert_eq!(product["courseCount"], held.len());
        assert_eq!(product["customerCount"], rows.customers(|of| of == id));
    }
    let sold = admin.walk("/v1/admin/purchases?limit=100").await;
    assert_eq!(sold.len(), rows.sales.len());
    app.finish().await;
}

/// H: G7
#[tokio::test]
async fn the_catalogue_and_everybodys_progress_are_those_of_a_naive_recount() {
    let app = large_store().await;
    let rows = Rows::load(&app);
    let anon = app.anon();
    let listed = anon.walk("/v1/products?limit=3&sort=name").await;
    let on_sale = rows.products.values().filter(|(_, on_sale)| *on_sale);
    assert_eq!(listed.len(), on_sale.count());
    for product in &listed {
        let id = uuid(product, "id");
        assert!(rows.products[&id].1);
        let detail = anon.get(&format!("/v1/products/{id}")).await.expect(200);
        let held = rows.held.iter().filter(|(of, _)| *of == id);
        assert_eq!(detail["courses"].as_array().unwrap().len(), held.count());
        for course in detail["courses"].as_array().unwrap() {
            let (sections, lessons) = rows.outline(uuid(course, "id"), false);
            assert_eq!(course["sectionCount"], sections);
            assert_eq!(course["lessonCount"], lessons.len());
        }
    }
    let (mut begun, mut done, mut empty) = (0, 0, 0);
    for (learner, user) in learners(&app).await {
        let mine = learner.walk("/v1/me/courses?limit=1").await;
        let held = rows.access.iter();
        let held = held.filter(|(of, course)| *of == user && rows.courses[course]);
        assert_eq!(mine.len(), held.count());
        for course in &mine {
            let id = uuid(course, "id");
            let (sections, lessons) = rows.outline(id, false);
            let ticked = lessons.iter();
            let ticked = ticked.filter(|lesson| rows.ticks.contains(&(user, **lesson)));
            let ticked = ticked.count();
            let percent = (ticked * 100).checked_div(lessons.len()).unwrap_or(0);
            let player = learner.get(&format!("/v1/courses/{id}")).await.expect(200);
            for view in [course, &player] {
                assert_eq!(view["sectionCount"], sections);
                assert_eq!(view["lessonCount"], lessons.len());
                assert_eq!(view["completedLessonCount"], ticked);
                assert_eq!(view["percent"], percent);
                assert_eq!(view["nextLesson"].is_null(), ticked == lessons.len());
            }
            begun += usize::from((1..100).contains(&percent));
            done += usize::from(percent == 100);
            empty += usize::from(lessons.is_empty());
        }
    }
    assert!(begun > 0 && done > 0 && empty > 0, "{begun} {done} {empty}");
    app.finish().await;
}

/// H: G7
#[tokio::test]
async fn the_statistics_follow_whatever_changes() {
    let app = large_store().await;
    let admin = app.admin();
    let rows = Rows::load(&app);
    let live = |course: &&Uuid| rows.courses[*course];
    let courses: Vec<Uuid> = rows.courses.keys().filter(live).copied().collect();
    let (from, to) = (courses[0], courses[1]);
    let section_of = |course: Uuid| {
        let mut sections = rows.sections.iter();
        let found = sections.find(|section| section.course == course && section.is_live);
        found.unwrap().id
    };
    let lesson = |section: Uuid, nth: usize| {
        let lessons = rows.lessons.iter();
        let mut live = lessons.filter(|lesson| lesson.section == section && lesson.is_live);
        live.nth(nth).unwrap().id
    };
    let part = section_of(from);
    let path = format!("/v1/admin/lessons/{}", lesson(part, 0));
    admin.delete(&path).await.expect(204);
    let path = format!("/v1/admin/lessons/{}", lesson(part, 1));
    let moved = json!({ "sectionId": section_of(to) });
    admin.change(&path, moved).await;
    check(&app, &admin, "lessons that went and moved").await;

    let path = format!("/v1/admin/sections/{part}");
    admin.delete(&path).await.expect(204);
    check(&app, &admin, "a section that went").await;
    admin.call(&format!("{path}/restore")).await.expect(200);
    check(&app, &admin, "a section that came back").await;

    for product in rows.products.keys() {
        admin.delete(&format!("/v1/admin/products/{product}")).await;
    }
    let path = format!("/v1/admin/courses/{from}");
    admin.delete(&path).await.expect(204);
    check(&app, &admin, "a course that went, with learners in it").await;
    admin.call(&format!("{path}/restore")).await.expect(200);
    check(&app, &admin, "a course that came back").await;

    let newcomer = app.learner("newcomer");
    let user = uuid(&newcomer.get("/v1/me").await.expect(200), "id");
    let path = format!("/v1/admin/users/{user}/grants");
    let grant = admin.post(&path, json!({ "courseId": to })).await;
    let grant = uuid(&grant.expect(201), "id");
    check(&app, &admin, "access that was given").await;
    app.sql(&format!(
        "UPDATE users SET deleted_at = now() WHERE id = '{user}'"
    ));
    check(&app, &admin, "a student who went").await;
    app.sql(&format!(
        "UPDATE users SET deleted_at = NULL WHERE id = '{user}'"
    ));
    admin.delete(&format!("{path}/{grant}")).await.expect(204);
    check(&app, &admin, "access that was taken").await;

    app.sql(
        "CREATE TEMPORARY TABLE back AS SELECT * FROM purchases WHERE refunded_in_cents = 0 AND refunded_at IS NULL;
         INSERT INTO refunds (purchase_id, amount_in_cents, currency, status)
             SELECT id, price_paid_in_cents, currency, 'succeeded' FROM back;
         UPDATE access_grants SET ended_at = now(), ended_because = 'refund'
             WHERE ended_at IS NULL AND purchase_id IN (SELECT id FROM back);
         UPDATE purchases SET refunded_in_cents = price_paid_in_cents, refunded_at = now()
             WHERE id IN (SELECT id FROM back)",
    );
    check(&app, &admin, "money that went back").await;
    lectern::repositories::purge::purge(&mut app.db(), chrono::Utc::now()).unwrap();
    check(&app, &admin, "what was removed for good").await;
    app.finish().await;
}

async fn check(app: &TestApp, admin: &Client, after: &str) {
    let shown = admin.get("/v1/admin/stats").await.expect(200);
    assert_eq!(shown, Rows::load(app).statistics(), "after {after}");
}

#[tokio::test]
async fn a_large_store_has_something_of_everything_and_goes_only_into_an_empty_database() {
    let app = large_store().await;
    for (table, rows) in [
        ("products", 10),
        ("courses", 10),
        ("course_sections", 100),
        ("lessons", 1000),
        ("users", 200),
        ("access_grants", 600),
        ("user_lesson_complete", 12_000),
    ] {
        assert_eq!(app.count(table), rows, "{table}");
    }
    for some in [
        "products WHERE status = 'private'",
        "products WHERE price_in_cents = 0",
        "products WHERE deleted_at IS NOT NULL",
        "courses WHERE deleted_at IS NOT NULL",
        "course_sections WHERE status = 'private'",
        "course_sections WHERE deleted_at IS NOT NULL",
        "lessons WHERE status = 'preview'",
        "lessons WHERE status = 'private'",
        "lessons WHERE deleted_at IS NOT NULL",
        "users WHERE deleted_at IS NOT NULL",
        "checkouts WHERE status <> 'fulfilled'",
        "purchases WHERE price_paid_in_cents = 0",
        "purchases WHERE refunded_at IS NOT NULL",
        "purchases WHERE refunded_at IS NULL AND refunded_in_cents > 0",
        "access_grants WHERE source = 'manual' AND ended_at IS NULL",
        "access_grants WHERE ended_at IS NOT NULL",
        "disputes",
        "audit_log",
    ] {
        assert!(app.count(some) > 0, "there are no {some}");
    }
    for none in [
        "course_products JOIN courses c ON c.id = course_id JOIN products p ON p.id = product_id
            WHERE c.deleted_at IS NOT NULL AND p.deleted_at IS NULL",
        "(SELECT FROM course_sections GROUP BY course_id HAVING max(\"order\") <> count(*) - 1) AS gaps",
        "(SELECT FROM lessons GROUP BY section_id HAVING max(\"order\") <> count(*) - 1) AS gaps",
    ] {
        assert_eq!(app.count(none), 0, "{none}");
    }
    let again = demo::seed_large(&mut app.db(), "usd", &"0.01".parse().unwrap());
    assert!(matches!(again, Err(SeedError::NotEmpty)));
    for scale in ["0", "-1", "NaN", "inf", "1e2", "101", "", "one"] {
        assert!(scale.parse::<demo::Scale>().is_err(), "{scale}");
    }
    app.finish().await;
}
