//! The program itself: what it does with its configuration, its commands, its exit codes.

use std::process::{Command, Output};

use lectern::db;

use crate::support::TestApp;
use crate::support::app::CLERK_WEBHOOK_SECRET;
use crate::support::cluster::Database;

/// The binary with nothing in its environment, in a folder with no `.env`.
fn lectern(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lectern"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap()
}

/// Runs the binary to an exit code and returns what it printed: answers, then complaints.
#[track_caller]
fn run(arguments: &[&str], variables: &[(&str, &str)], code: i32) -> (String, String) {
    let output = lectern(arguments, variables);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?} said: {out}{err}"
    );
    (out, err)
}

const REQUIRED: [&str; 9] = [
    "CLERK_AUTHORIZED_PARTIES",
    "CLERK_ISSUER",
    "CLERK_WEBHOOK_SECRETS",
    "CORS_ORIGINS",
    "DATABASE_URL",
    "PUBLIC_URL",
    "RETURN_ORIGINS",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
];

/// The variables that a message names, one a line.
fn named(message: &str) -> Vec<&str> {
    let lines = message.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| line.split_once(':').unwrap().0).collect()
}

/// H: A2
#[test]
fn serve_without_configuration_names_every_missing_variable_and_ends_with_2() {
    for command in ["serve", "jobs"] {
        let (out, err) = run(&[command], &[], 2);
        assert_eq!(out, "");
        assert_eq!(named(&err), REQUIRED);
        assert_eq!(err.matches("is missing").count(), REQUIRED.len(), "{err}");
    }
    let empty: Vec<_> = REQUIRED.iter().map(|name| (*name, " ")).collect();
    let (_, err) = run(&["serve"], &empty, 2);
    assert_eq!(named(&err), REQUIRED, "an empty value is none");
}

/// Every variable with a value that cannot be right; secrets carry a word to look for.
const MALFORMED: [(&str, &str); 30] = [
    ("BIND_ADDR", "localhost"),
    ("CACHE_MIB", "lots"),
    ("CLERK_ISSUER", "clerk.example.com"),
    ("CLERK_JWKS_URL", "file:///etc/passwd"),
    ("CLERK_REQUIRE_AZP", "yes"),
    ("CLERK_WEBHOOK_SECRETS", "whsec_hunter2!"),
    ("CORS_ORIGINS", "https://shop.example.com/path"),
    ("COUNTRY_HEADER", "cf ipcountry"),
    ("CURRENCY", "xyz"),
    ("DATABASE_DIRECT_URL", "lectern:hunter2@db/lectern"),
    ("DATABASE_POOL_SIZE", "0"),
    ("DATABASE_REPLICA_URL", "http://lectern:hunter2@db/lectern"),
    ("DATABASE_URL", "mysql://lectern:hunter2@db/lectern"),
    ("LOG_FORMAT", "xml"),
    ("METRICS_ADDR", "9090"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ("PUBLIC_URL", "/api"),
    ("RATE_LIMIT_ANONYMOUS", "0"),
    ("RATE_LIMIT_CHECKOUT", "ten"),
    ("RATE_LIMIT_USER", "10000001"),
    ("REDIS_URL", "http://hunter2@redis"),
    ("RETURN_ORIGINS", "shop.example.com"),
    ("RUST_LOG", "lectern=loud"),
    ("SHUTDOWN_DELAY", "soon"),
    ("STRIPE_API_URL", "stripe"),
    ("STRIPE_SECRET_KEY", "pk_live_hunter2"),
    ("STRIPE_WEBHOOK_SECRETS", ",whsec_hunter2,hunter2"),
    ("TLS_CERT_FILE", ""),
    ("TLS_KEY_FILE", "/keys/hunter2.pem"),
    ("TRUSTED_PROXIES", "10.0.0.0/40"),
];

#[test]
fn serve_names_every_malformed_variable_and_prints_no_secret() {
    let mut variables = MALFORMED.to_vec();
    variables.push(("CLERK_AUTHORIZED_PARTIES", "https://shop.example.com"));
    let (out, err) = run(&["serve"], &variables, 2);
    // Of the pair, it is the missing half that is at fault.
    let wanted: Vec<_> = MALFORMED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "TLS_KEY_FILE")
        .collect();
    assert_eq!(named(&err), wanted);
    assert!(!format!("{out}{err}").contains("hunter2"), "{err}");
}

#[test]
fn a_database_that_cannot_be_reached_is_a_failure_that_names_the_variable_and_no_password() {
    let url = "postgres://lectern:hunter2@127.0.0.1:1/lectern";
    let mut variables = vec![
        ("DATABASE_URL", url),
        ("PUBLIC_URL", "https://api.example.com"),
        ("CLERK_ISSUER", "https://clerk.example.com"),
        ("CLERK_AUTHORIZED_PARTIES", "https://shop.example.com"),
        ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_hunter2"),
        ("CORS_ORIGINS", "https://shop.example.com"),
        ("RETURN_ORIGINS", "https://shop.example.com"),
    ];
    for command in [
        &["serve"][..],
        &["migrate", "up"],
        &["seed"],
        &["users", "promote", "user_1"],
    ] {
        let (out, err) = run(command, &variables, 1);
        assert!(err.contains("DATABASE_URL"), "{command:?}: {err}");
        assert!(
            !format!("{out}{err}").contains("hunter2"),
            "{command:?}: {out}{err}"
        );
    }
    variables.clear();
    let (_, err) = run(&["migrate", "status"], &variables, 2);
    assert!(err.contains("DATABASE_URL"), "{err}");
}

#[test]
fn migrations_are_listed_applied_and_taken_back() {
    let database = Database::create_empty();
    let url = database.url();
    let variables = [("DATABASE_URL", url.as_str())];
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .count();
    let status = || run(&["migrate", "status"], &variables, 0).0;
    assert_eq!(status().lines().next(), Some(&*format!("{all} pending")));
    assert_eq!(status().lines().count(), all + 1);
    let (applied, _) = run(&["migrate", "up"], &variables, 0);
    assert_eq!(
        applied
            .lines()
            .filter(|line| line.starts_with("applied "))
            .count(),
        all
    );
    assert_eq!(status(), "0 pending\n");
    assert_eq!(run(&["migrate", "up"], &variables, 0).0, "");
    let (taken, _) = run(&["migrate", "down", "2"], &variables, 0);
    assert_eq!(
        taken
            .lines()
            .filter(|line| line.starts_with("took back "))
            .count(),
        2
    );
    assert_eq!(status().lines().next(), Some("2 pending"));
    run(&["migrate", "up"], &variables, 0);
    assert_eq!(status(), "0 pending\n");
    run(&["migrate", "down", "-1"], &variables, 2);
    run(&["migrate", "sideways"], &variables, 2);
}

#[tokio::test]
async fn somebody_is_made_an_admin_before_they_ever_came_and_an_ordinary_user_again() {
    let app = TestApp::start().await;
    let person = app.learner("owner");
    let url = app.database_url();
    let variables = [("DATABASE_URL", url.as_str())];
    let id = person.clerk_user_id.as_str();
    run(&["users", "promote", id], &variables, 0);
    assert_eq!(person.get("/v1/me").await.expect(200)["role"], "admin");
    person.get("/v1/admin/courses").await.expect(200);
    run(&["users", "promote", id], &variables, 0);
    run(&["users", "demote", id], &variables, 0);
    let refused = person.get("/v1/admin/courses").await;
    refused.expect_problem(403, "forbidden");
    assert_eq!(app.count("users"), 1);
    run(&["users", "promote"], &variables, 2);
    app.finish().await;
}

// Several threads: the store answers while the test waits for the program.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_tells_whether_the_instance_on_this_machine_is_ready() {
    let app = TestApp::start().await;
    let port = app.url.rsplit_once(':').unwrap().1;
    let ask = |address: &str, code| run(&["healthcheck"], &[("BIND_ADDR", address)], code);
    ask(&format!("127.0.0.1:{port}"), 0);
    ask(&format!("0.0.0.0:{port}"), 0);
    db::migrate_down(&mut app.db(), 1).unwrap();
    let (_, err) = ask(&format!("127.0.0.1:{port}"), 1);
    assert!(err.contains("1 migrations are not applied"), "{err}");
    db::migrate_up(&mut app.db()).unwrap();
    ask(&format!("127.0.0.1:{port}"), 0);
    let (_, err) = ask("127.0.0.1:1", 1);
    assert!(err.contains("does not answer"), "{err}");
    ask("localhost", 2);
    app.finish().await;
}

#[tokio::test]
async fn the_demo_store_goes_into_an_empty_database_once() {
    let database = Database::create_empty();
    let url = database.url();
    let variables = [("DATABASE_URL", url.as_str())];
    let (out, _) = run(&["seed"], &variables, 0);
    assert!(out.starts_with("made "), "{out}");
    let (_, err) = run(&["seed"], &variables, 1);
    assert!(err.contains("already holds"), "{err}");
}

#[test]
fn the_document_is_printed_and_compared_with_the_committed_one() {
    let root = env!("CARGO_MANIFEST_DIR");
    let committed = include_str!("../../../openapi/openapi.json");
    assert_eq!(run(&["openapi"], &[], 0).0, committed);
    let check = |folder: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
        command
            .args(["openapi", "--check"])
            .env_clear()
            .current_dir(folder);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(check(root.as_ref()), (Some(0), String::new()));
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("stale-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("openapi")).unwrap();
    std::fs::write(
        folder.join("openapi/openapi.json"),
        committed.replace("Lectern", "lectern"),
    )
    .unwrap();
    let (code, complaint) = check(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("openapi > openapi/openapi.json"),
        "{complaint}"
    );
}

#[test]
fn a_word_that_is_no_command_is_told_with_2() {
    for arguments in [
        &["sing"][..],
        &["serve", "--loudly"],
        &["openapi", "--check", "x"],
        &["users"],
    ] {
        let (_, err) = run(arguments, &[], 2);
        assert!(err.contains("Usage"), "{err}");
    }
    assert!(run(&["--help"], &[], 0).0.contains("migrate"));
    run(&["--version"], &[], 0);
}

#[test]
fn the_password_of_a_database_is_not_printed_whatever_is_wrong_with_its_url() {
    for (url, code) in [
        ("postgres://lectern:hunter2@127.0.0.1:1/lectern", 1),
        ("postgres://lectern:hunter2@nowhere.invalid/lectern", 1),
        ("postgres://lectern@127.0.0.1:1/lectern?hunter2=1", 1),
        ("postgres://lectern:hunter2@[127.0.0.1/lectern", 2),
        ("postgres://lectern:hunt%er2@127.0.0.1:1/lectern", 2),
        ("postgres://lectern:hunter2@127.0.0.1:port/lectern", 2),
        ("postgres://lectern:hunter2/x@127.0.0.1:1/lectern", 2),
        ("postgres://lectern:x@hunter2@127.0.0.1:1/lectern", 2),
        ("postgres://127.0.0.1:1/lectern?password=hunt%zzer2", 2),
    ] {
        let (_, err) = run(&["migrate", "status"], &[("DATABASE_URL", url)], code);
        assert!(!err.contains("hunt"), "{err}");
        assert!(err.to_lowercase().contains("database"), "{err}");
    }
}

#[test]
fn every_form_of_a_database_url_is_accepted() {
    for url in [
        "postgres:///lectern?host=/nowhere",
        "postgresql://lectern:p%40ss@127.0.0.1:1/lectern?connect_timeout=1",
        "postgres://lectern@127.0.0.1:1,127.0.0.1:2/lectern",
        "postgres://[::1]:1/lectern",
    ] {
        let (_, err) = run(&["migrate", "status"], &[("DATABASE_URL", url)], 1);
        assert!(err.contains("cannot be reached"), "{err}");
    }
}
