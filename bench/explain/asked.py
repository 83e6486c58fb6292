"""What is asked: each request of the API with as many different ids as there are runs."""

import base64
import hashlib
import json
from itertools import cycle, islice
from urllib.parse import quote

WORDS = ["rust", "piano", "sour", "web", "patience", "exercise", "postgers", "in depth", "the", "drumming on", "zzzz",
         "kubernetes", "volume", "learning by", "a", "chess", "questions", "japan", "for teachers", "wodworking"]
NAMES = ["ana", "weber", "rossi1", "@example.com", "nakamura", "zz", "a", "Fatima Okafor", "dvořák", "1234", "yusuf",
         "nobody at all", "xu", "horvat", "ximena.e", "emil", "bakker", "jun", "silva17", "0"]


def cursor(sort, key, row_id):
    place = json.dumps({"s": sort, "k": key, "i": row_id}).encode()
    digest = hashlib.sha256(place).digest()[:4]
    return base64.urlsafe_b64encode(digest + place).decode().rstrip("=")


def requests(postgres, sign_in, runs):
    """Pairs of a name and requests: who asks, method, path."""
    def column(statement):
        return [row[0] for row in postgres.ask(statement)]

    def some(statement):
        rows = postgres.ask(f"{statement} ORDER BY md5(random()::text) LIMIT {runs}")
        return list(islice(cycle(rows), runs))

    postgres.ask("SELECT setseed(0.5)")
    admin = sign_in("admin")
    # People of the large store by the names under which they sign in.
    holders = some("""SELECT 'learner-' || substring(email FROM '[0-9]+'), l.course_id, l.lesson_id, l.user_id FROM users u
        JOIN LATERAL (SELECT a.user_id, a.course_id, l.id AS lesson_id FROM user_course_access a
            JOIN courses c ON c.id = a.course_id JOIN course_sections s ON s.course_id = c.id
            JOIN lessons l ON l.section_id = s.id
            WHERE a.user_id = u.id AND c.deleted_at IS NULL AND s.deleted_at IS NULL AND s.status = 'public'
                AND l.deleted_at IS NULL AND l.status = 'public' LIMIT 1) AS l ON true WHERE u.email IS NOT NULL
            AND u.role = 'user'""")
    tokens = {name: sign_in(name) for name, *_ in holders}
    on_sale = [row[0] for row in some("SELECT id FROM products WHERE status = 'public' AND deleted_at IS NULL")]
    products = [row[0] for row in some("SELECT id FROM products")]
    courses = [row[0] for row in some("SELECT id FROM courses")]
    sections = [row[0] for row in some("SELECT id FROM course_sections")]
    lessons = [row[0] for row in some("SELECT id FROM lessons")]
    buyers = [row[0] for row in some("SELECT user_id FROM purchases")]
    bought = [row[0] for row in some("SELECT product_id FROM purchases")]
    sales = [row[0] for row in some("SELECT id FROM purchases")]
    refunds = [row[0] for row in some("SELECT id FROM refunds")]
    refunded = [row[0] for row in some("SELECT purchase_id FROM refunds")]
    disputes = [row[0] for row in some("SELECT id FROM disputes")]
    disputed = [row[0] for row in some("SELECT purchase_id FROM disputes")]
    events = [row[0] for row in some("SELECT id FROM webhook_events")]
    changed = [row[0] for row in some("SELECT entity_id FROM audit_log")]
    days = column(f"SELECT to_char(now() - n * interval '2 days', 'YYYY-MM-DD') FROM generate_series(1, {runs}) AS n")
    previews = some("""SELECT s.course_id, l.id FROM lessons l JOIN course_sections s ON s.id = l.section_id
        JOIN courses c ON c.id = s.course_id WHERE l.status = 'preview' AND s.status = 'public'
            AND coalesce(l.deleted_at, s.deleted_at, c.deleted_at) IS NULL""")
    # Half way down each table.
    deep = {table: list(islice(cycle(postgres.ask(
        f"""SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), id
            FROM {table} ORDER BY created_at DESC, id DESC OFFSET (SELECT count(*) / 2 FROM {table}) LIMIT {runs}"""
    )), runs)) for table in ["products", "courses", "users", "purchases", "refunds", "disputes", "webhook_events", "audit_log"]}

    def walk(who, path, sort, table):
        mark = "&" if "?" in path else "?"
        return [(who, "GET", f"{path}{mark}cursor={cursor(sort, *row)}") for row in deep[table]]

    def get(who, template, values=("",)):
        return [(who, "GET", template.replace("{}", quote(value))) for value in islice(cycle(values), runs)]

    def learners(method, path):
        return [(tokens[name], method, path.format(course=course, lesson=lesson))
                for name, course, lesson, _ in holders]

    days = list(islice(cycle(days), runs))
    return [
        ("catalogue", get(None, "/v1/products")),
        ("catalogue, deep", walk(None, "/v1/products", "products -createdAt", "products")),
        ("catalogue, by name", get(None, "/v1/products?sort=name")),
        ("catalogue, by price down", get(None, "/v1/products?sort=-priceInCents")),
        ("catalogue, searched", get(None, "/v1/products?q={}", WORDS)),
        ("catalogue, searched by name", get(None, "/v1/products?sort=name&q={}", WORDS)),
        ("catalogue, of a course", get(None, "/v1/products?courseId={}", courses)),
        ("product", get(None, "/v1/products/{}", on_sale)),
        ("quote, anonymous", get(None, "/v1/products/{}/quote", on_sale)),
        ("quote", [(tokens[holder[0]], "GET", f"/v1/products/{product}/quote")
                   for holder, product in zip(holders, on_sale)]),
        ("profile", learners("GET", "/v1/me")),
        ("my courses", learners("GET", "/v1/me/courses")),
        ("player", learners("GET", "/v1/courses/{course}")),
        ("lesson", learners("GET", "/v1/courses/{course}/lessons/{lesson}")),
        ("preview, anonymous", [(None, "GET", f"/v1/courses/{course}/lessons/{lesson}") for course, lesson in previews]),
        ("tick", learners("PUT", "/v1/me/lessons/{lesson}/completion")),
        ("untick", learners("DELETE", "/v1/me/lessons/{lesson}/completion")),
        ("my purchases", learners("GET", "/v1/me/purchases")),
        ("all about me", learners("GET", "/v1/me/export")),
        ("owner: courses", get(admin, "/v1/admin/courses")),
        ("owner: courses, deep", walk(admin, "/v1/admin/courses", "admin/courses -createdAt", "courses")),
        ("owner: courses, 100 by name", get(admin, "/v1/admin/courses?sort=name&limit=100")),
        ("owner: courses, searched", get(admin, "/v1/admin/courses?q={}", WORDS)),
        ("owner: courses, of a product", get(admin, "/v1/admin/courses?productId={}", products)),
        ("owner: courses, deleted", get(admin, "/v1/admin/courses?deleted=only&sort=-name")),
        ("owner: courses, all", get(admin, "/v1/admin/courses?deleted=include")),
        ("owner: course", get(admin, "/v1/admin/courses/{}", courses)),
        ("owner: section", get(admin, "/v1/admin/sections/{}", sections)),
        ("owner: lesson", get(admin, "/v1/admin/lessons/{}", lessons)),
        ("owner: products", get(admin, "/v1/admin/products")),
        ("owner: products, deep", walk(admin, "/v1/admin/products", "admin/products -createdAt", "products")),
        ("owner: products, 100 by price", get(admin, "/v1/admin/products?sort=priceInCents&limit=100")),
        ("owner: products, searched", get(admin, "/v1/admin/products?q={}", WORDS)),
        ("owner: products, private", get(admin, "/v1/admin/products?status=private&sort=name")),
        ("owner: products, of a course", get(admin, "/v1/admin/products?courseId={}", courses)),
        ("owner: products, deleted", get(admin, "/v1/admin/products?deleted=only")),
        ("owner: product", get(admin, "/v1/admin/products/{}", products)),
        ("owner: sales", get(admin, "/v1/admin/purchases")),
        ("owner: sales, deep", walk(admin, "/v1/admin/purchases", "admin/purchases -createdAt", "purchases")),
        ("owner: sales, of a buyer", get(admin, "/v1/admin/purchases?userId={}", buyers)),
        ("owner: sales, of a product", get(admin, "/v1/admin/purchases?productId={}", bought)),
        ("owner: sales, of both", [(admin, "GET", f"/v1/admin/purchases?userId={user}&productId={product}")
                                   for user, product in zip(buyers, bought)]),
        ("owner: sales, paid", get(admin, "/v1/admin/purchases?status=paid")),
        ("owner: sales, refunded", get(admin, "/v1/admin/purchases?status=refunded&limit=100")),
        ("owner: sales, partially refunded", get(admin, "/v1/admin/purchases?status=partially_refunded&limit=100")),
        ("owner: sales, since", get(admin, "/v1/admin/purchases?from={}T00:00:00Z", days)),
        ("owner: sales, until", get(admin, "/v1/admin/purchases?to={}T00:00:00Z", days)),
        ("owner: sale", get(admin, "/v1/admin/purchases/{}", sales)),
        ("owner: sales, counted", get(admin, "/v1/admin/purchases?include=total")),
        ("owner: refunds", get(admin, "/v1/admin/refunds")),
        ("owner: refunds, deep", walk(admin, "/v1/admin/refunds", "admin/refunds -createdAt", "refunds")),
        ("owner: refunds, of a sale", get(admin, "/v1/admin/refunds?purchaseId={}", refunded)),
        ("owner: a sale's refunds", get(admin, "/v1/admin/purchases/{}/refunds", refunded)),
        ("owner: refunds, pending", get(admin, "/v1/admin/refunds?status=pending")),
        ("owner: refunds, until", get(admin, "/v1/admin/refunds?to={}T00:00:00Z", days)),
        ("owner: refund", get(admin, "/v1/admin/refunds/{}", refunds)),
        ("owner: disputes", get(admin, "/v1/admin/disputes")),
        ("owner: disputes, deep", walk(admin, "/v1/admin/disputes", "admin/disputes -createdAt", "disputes")),
        ("owner: disputes, of a sale", get(admin, "/v1/admin/disputes?purchaseId={}", disputed)),
        ("owner: disputes, lost", get(admin, "/v1/admin/disputes?status=lost")),
        ("owner: dispute", get(admin, "/v1/admin/disputes/{}", disputes)),
        ("owner: events", get(admin, "/v1/admin/webhook-events")),
        ("owner: events, deep", walk(admin, "/v1/admin/webhook-events", "admin/webhook-events -receivedAt",
                                     "webhook_events")),
        ("owner: events, dead", get(admin, "/v1/admin/webhook-events?status=dead")),
        ("owner: events, of a provider", get(admin, "/v1/admin/webhook-events?provider={}", ["stripe", "clerk"])),
        ("owner: events, of a type", get(admin, "/v1/admin/webhook-events?type={}",
                                         ["checkout.session.completed", "charge.refunded"])),
        ("owner: events, until", get(admin, "/v1/admin/webhook-events?to={}T00:00:00Z", days)),
        ("owner: event", get(admin, "/v1/admin/webhook-events/{}", events)),
        ("owner: statistics", get(admin, "/v1/admin/stats")),
        ("owner: people", get(admin, "/v1/admin/users")),
        ("owner: people, deep", walk(admin, "/v1/admin/users", "admin/users -createdAt", "users")),
        ("owner: people, searched", get(admin, "/v1/admin/users?q={}", NAMES)),
        ("owner: people, admins", get(admin, "/v1/admin/users?role=admin")),
        ("owner: people, admins searched", get(admin, "/v1/admin/users?role=admin&q={}", NAMES)),
        ("owner: person", get(admin, "/v1/admin/users/{}", buyers)),
        ("owner: somebody's access", get(admin, "/v1/admin/users/{}/access", buyers)),
        ("owner: audit log", get(admin, "/v1/admin/audit-log")),
        ("owner: audit log, deep", walk(admin, "/v1/admin/audit-log", "admin/audit-log -createdAt", "audit_log")),
        ("owner: audit log, of a kind", get(admin, "/v1/admin/audit-log?entity={}", ["product", "course", "lesson"])),
        ("owner: audit log, of a thing", get(admin, "/v1/admin/audit-log?entityId={}", changed)),
        ("owner: audit log, of an actor", get(admin, "/v1/admin/audit-log?actorId={}", buyers)),
        ("owner: audit log, until", get(admin, "/v1/admin/audit-log?to={}T00:00:00Z", days)),
    ]
