//! The schema: every migration there and back, and the rules that each table keeps.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use lectern::db;

use crate::support::TestApp;
use crate::support::cluster::Database;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The one column, named `line`, of a query.
fn lines(conn: &mut PgConnection, query: &str) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(query).load(conn).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// A database with all migrations.
fn migrated() -> (Database, PgConnection) {
    let database = Database::create();
    let conn = database.connect();
    (database, conn)
}

/// Tables, types, functions, triggers and constraints in our schema, but for the migrations' own table.
const OBJECTS: &str = "
    SELECT line FROM (
        SELECT 'relation ' || relname || ' ' || relkind::text AS line FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'type ' || typname FROM pg_type
            WHERE typnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || oid::regprocedure::text FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' '
                || is_nullable || coalesce(column_default, '') FROM information_schema.columns
            WHERE table_schema = 'public'
        UNION ALL SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
    ) AS objects
    WHERE line NOT LIKE '%__diesel_schema_migrations%'
    ORDER BY line";

#[test]
fn every_migration_goes_down_to_nothing_and_up_to_the_same_again() {
    let database = Database::create_empty();
    let mut conn = database.connect();
    let all = db::pending_migrations(&mut conn).unwrap().len();
    // What the schema is before each migration, to be found again when it was taken back.
    let mut before = Vec::new();
    db::migrate_up(&mut conn).unwrap();
    let full = lines(&mut conn, OBJECTS);
    assert!(full.len() > all);
    for taken in 1..=all {
        assert_eq!(db::migrate_down(&mut conn, 1).unwrap().len(), 1);
        assert_eq!(db::pending_migrations(&mut conn).unwrap().len(), taken);
        before.push(lines(&mut conn, OBJECTS));
    }
    assert_eq!(
        before.last().unwrap(),
        &Vec::<String>::new(),
        "nothing of ours is left"
    );
    assert!(db::migrate_down(&mut conn, 1).unwrap().is_empty());
    assert_eq!(db::migrate_up(&mut conn).unwrap().len(), all);
    assert_eq!(lines(&mut conn, OBJECTS), full);
    // Each step back is a step forth turned round: down and up again anywhere on the way changes nothing.
    for (taken, earlier) in (1..=all).zip(&before) {
        db::migrate_down(&mut conn, taken).unwrap();
        assert_eq!(lines(&mut conn, OBJECTS), *earlier);
        db::migrate_up(&mut conn).unwrap();
    }
    assert_eq!(lines(&mut conn, OBJECTS), full);
}

#[test]
fn every_table_keeps_the_rules_of_the_house() {
    let (_database, mut conn) = migrated();
    let tables = "(SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p') AND relname <> '__diesel_schema_migrations') AS t";
    let names = format!("SELECT relname::text AS line FROM {tables} ORDER BY 1");
    assert!(lines(&mut conn, &names).len() >= 12);
    for (rule, offenders) in [
        (
            "has created_at and updated_at, with the time zone, never null",
            format!(
                "SELECT relname::text AS line FROM {tables} WHERE 2 <> (SELECT count(*) FROM pg_attribute
                WHERE attrelid = t.oid AND attname IN ('created_at', 'updated_at')
                AND atttypid = 'timestamptz'::regtype AND attnotnull AND atthasdef)"
            ),
        ),
        (
            "keeps them by trigger",
            format!(
                "SELECT relname::text AS line FROM {tables} WHERE NOT EXISTS (SELECT FROM pg_trigger
                WHERE tgrelid = t.oid AND tgname = 'keep_audit_columns' AND tgenabled = 'O')"
            ),
        ),
        (
            "has a primary key",
            format!(
                "SELECT relname::text AS line FROM {tables} WHERE NOT EXISTS
                (SELECT FROM pg_constraint WHERE conrelid = t.oid AND contype = 'p')"
            ),
        ),
        (
            "states what happens to a row when the one that it refers to is deleted",
            "SELECT conname::text AS line FROM pg_constraint
            WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND confdeltype = 'a'"
                .into(),
        ),
        (
            "has an index that begins with each foreign key's columns",
            "SELECT conname::text AS line FROM pg_constraint c
            WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
                AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)"
                .into(),
        ),
        (
            "names its constraints after itself, since names become problem codes",
            "SELECT conname::text AS line FROM pg_constraint c
            WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace AND contype <> 'n'
            AND conname NOT LIKE conrelid::regclass::text || '_%'
            AND conrelid::regclass::text <> '__diesel_schema_migrations'"
                .into(),
        ),
        (
            "keeps money in integers",
            "SELECT table_name || '.' || column_name AS line FROM information_schema.columns
            WHERE table_schema = 'public'
                AND (column_name LIKE '%cents' AND data_type NOT IN ('integer', 'bigint')
                OR data_type IN ('money', 'real', 'double precision', 'numeric'))"
                .into(),
        ),
    ] {
        assert_eq!(lines(&mut conn, &offenders), Vec::<String>::new(), "every table {rule}");
    }
}

#[test]
fn the_database_keeps_both_times_whatever_the_caller_writes() {
    let (_database, mut conn) = migrated();
    let times = |conn: &mut PgConnection| {
        let row = lines(
            conn,
            "SELECT created_at::text || ' ' || updated_at::text AS line FROM courses",
        );
        assert_eq!(row.len(), 1);
        row[0].clone()
    };
    conn.batch_execute("INSERT INTO courses (name, description) VALUES ('N', 'D')")
        .unwrap();
    let made = times(&mut conn);
    for nothing in [
        "UPDATE courses SET name = name",
        "UPDATE courses SET created_at = '2000-01-01'",
        "UPDATE courses SET updated_at = '2100-01-01'",
    ] {
        conn.batch_execute(nothing).unwrap();
        assert_eq!(times(&mut conn), made, "{nothing}");
    }
    // Even within one transaction, and even when the clock stands still, a change shows.
    let moves = "SELECT (n.updated_at > o.updated_at AND n.created_at = o.created_at)::text AS line
        FROM courses n, earlier o";
    conn.batch_execute("CREATE TEMP TABLE earlier AS SELECT * FROM courses; BEGIN")
        .unwrap();
    for change in [
        "UPDATE courses SET name = 'Other', created_at = '2000-01-01', updated_at = '2000-01-01'",
        "UPDATE courses SET deleted_at = now()",
    ] {
        conn.batch_execute(change).unwrap();
        assert_eq!(lines(&mut conn, moves), ["true"], "{change}");
        conn.batch_execute("DELETE FROM earlier; INSERT INTO earlier SELECT * FROM courses")
            .unwrap();
    }
    conn.batch_execute("COMMIT").unwrap();
}

/// Somebody, a course, and live grants given by hand, in a fresh database.
const TWO_GRANTS: &str = "
    DELETE FROM users; DELETE FROM courses;
    INSERT INTO users (clerk_user_id) VALUES ('user_1');
    INSERT INTO courses (name, description) VALUES ('N', 'D');
    INSERT INTO access_grants (user_id, course_id, source, reason)
        SELECT u.id, c.id, 'manual', reason FROM users u, courses c, (VALUES ('a'), ('b')) AS r (reason);";

fn end(reason: &str) -> String {
    format!(
        "UPDATE access_grants SET ended_at = now(), ended_because = 'test' WHERE reason = '{reason}'"
    )
}

/// Does the changes at the same moment, each in a connection of its own.
fn at_once(app: &TestApp, changes: [String; 2]) {
    let barrier = Arc::new(Barrier::new(changes.len()));
    let threads = changes.map(|change| {
        let (mut conn, barrier) = (app.db(), Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            conn.batch_execute(&change).unwrap();
        })
    });
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Does the changes one after the other, while somebody else holds the access row: each waits before the next comes.
fn in_a_queue(app: &TestApp, changes: [String; 2]) {
    let mut holder = app.db();
    holder
        .batch_execute("BEGIN; SELECT FROM user_course_access FOR UPDATE")
        .unwrap();
    let waiting =
        "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let mut threads = Vec::new();
    for change in changes {
        let mut conn = app.db();
        threads.push(std::thread::spawn(move || {
            conn.batch_execute(&change).unwrap();
        }));
        let deadline = Instant::now() + Duration::from_secs(10);
        while app.count(waiting) < i64::try_from(threads.len()).unwrap() {
            assert!(Instant::now() < deadline, "nobody waits for the row");
        }
    }
    holder.batch_execute("COMMIT").unwrap();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[tokio::test]
async fn two_transactions_that_end_the_last_two_grants_leave_no_access() {
    let app = TestApp::start().await;
    for round in 0..20 {
        app.db().batch_execute(TWO_GRANTS).unwrap();
        assert_eq!(app.count("user_course_access"), 1);
        let ends = [end("a"), end("b")];
        if round == 0 {
            in_a_queue(&app, ends);
        } else {
            at_once(&app, ends);
        }
        assert_eq!(app.count("user_course_access"), 0);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_grant_that_is_given_while_the_last_other_one_ends_gives_the_access() {
    let app = TestApp::start().await;
    let give = "INSERT INTO access_grants (user_id, course_id, source, reason)
        SELECT u.id, c.id, 'manual', 'c' FROM users u, courses c";
    for round in 0..20 {
        app.db().batch_execute(TWO_GRANTS).unwrap();
        app.db().batch_execute(&end("a")).unwrap();
        match round {
            0 => in_a_queue(&app, [end("b"), give.to_owned()]),
            1 => in_a_queue(&app, [give.to_owned(), end("b")]),
            _ => at_once(&app, [give.to_owned(), end("b")]),
        }
        assert_eq!(app.count("user_course_access"), 1, "round {round}");
    }
    // Removed for good, as a purge does it, the last grant takes the access along.
    app.db().batch_execute("DELETE FROM access_grants").unwrap();
    assert_eq!(app.count("user_course_access"), 0);
    app.finish().await;
}
