//! The command line: one binary, a word for each thing that an operator does.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand};
use diesel::Connection;

use crate::app::AppState;
use crate::commerce::reconcile::{self, Occasion};
use crate::config::{Config, ConfigErrors};
use crate::db::Actor;
use crate::demo::{self, Scale};
use crate::domain::enums::UserRole;
use crate::repositories::purge::{self, Purged};
use crate::repositories::user;
use crate::tls::{Certificate, TlsError};
use crate::{db, healthcheck, openapi, server, telemetry};

/// The backend of a course store.
#[derive(Parser)]
#[command(name = "lectern", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start a store with everything embedded, for development (also when no command is given)
    #[cfg(feature = "dev")]
    Dev(crate::dev::DevOptions),
    /// Serve the API and work on background jobs, in production
    Serve {
        /// Refuse to start when migrations are pending, instead of applying them
        #[arg(long)]
        no_migrate: bool,
        /// Serve the API only
        #[arg(long)]
        no_jobs: bool,
    },
    /// Work on background jobs only
    Jobs,
    /// Ask the instance on this machine whether it is ready
    Healthcheck,
    /// Look at the database's migrations, apply them, or take them back
    #[command(subcommand)]
    Migrate(Migrate),
    /// Print the OpenAPI document
    Openapi {
        /// Compare with the committed openapi/openapi.json instead
        #[arg(long)]
        check: bool,
    },
    /// Fill an empty database with the demo store
    Seed {
        /// Fill it with a large store of made-up things instead: 1 is 1,000 courses and 20,000 people, 0.01 a hundredth
        #[arg(long)]
        scale: Option<Scale>,
    },
    /// Take over what webhooks missed, from Stripe and Clerk, and say what was mended
    Reconcile,
    /// Remove for good what was deleted long ago, where no sale and no learner holds it
    Purge {
        /// How long ago, in days: 90d
        #[arg(long, value_parser = days)]
        older_than: TimeDelta,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Give or take the admin role
    #[command(subcommand)]
    Users(Users),
}

#[derive(Subcommand)]
enum Migrate {
    /// List what is pending
    Status,
    /// Apply what is pending
    Up,
    /// Take back the last ones
    Down {
        /// How many
        count: usize,
    },
}

#[derive(Subcommand)]
enum Users {
    /// Make somebody an admin
    Promote {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        clerk_user_id: String,
    },
    /// Make an admin an ordinary user
    Demote {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        clerk_user_id: String,
    },
}

/// Done, failed, or told wrongly.
const USAGE: u8 = 2;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Variables that are set win over those in the file.
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => {
            // Not the error itself: it quotes the line, which may hold a secret.
            eprintln!(
                "The file .env cannot be read: each of its lines is NAME=value, with quotes around a value that has spaces."
            );
            return ExitCode::from(USAGE);
        }
        _ => {}
    }
    let done = match cli.command {
        #[cfg(feature = "dev")]
        None => crate::dev::run(&crate::dev::DevOptions::default()),
        #[cfg(not(feature = "dev"))]
        None => {
            eprintln!(
                "Say what to do: `lectern serve` starts the server, `lectern --help` lists the rest."
            );
            return ExitCode::from(USAGE);
        }
        #[cfg(feature = "dev")]
        Some(Command::Dev(options)) => crate::dev::run(&options),
        Some(Command::Serve {
            no_migrate,
            no_jobs,
        }) => serve(!no_migrate, !no_jobs),
        Some(Command::Jobs) => jobs(),
        Some(Command::Healthcheck) => healthcheck(),
        Some(Command::Migrate(command)) => migrate(&command),
        Some(Command::Openapi { check }) => print_openapi(check),
        Some(Command::Seed { scale }) => seed(scale.as_ref()),
        Some(Command::Reconcile) => reconcile(),
        Some(Command::Purge {
            older_than,
            dry_run,
        }) => purge(older_than, dry_run),
        Some(Command::Users(command)) => set_role(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            if error.is::<ConfigErrors>() || error.is::<TlsError>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// An error with its causes, but for those that a message before them quotes.
fn explain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.trim_end().to_owned()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn config() -> Result<Config, ConfigErrors> {
    Config::from_variables(variable)
}

fn serve(migrate: bool, with_jobs: bool) -> anyhow::Result<()> {
    let config = config()?;
    let _telemetry = telemetry::init(&config)?;
    // Read again when the server is built; here so that nothing is migrated by a start that cannot succeed.
    config.tls.as_ref().map(Certificate::load).transpose()?;
    if migrate {
        let applied = db::migrate_up(&mut db::connect_directly(config.direct_url())?)?;
        tracing::info!(?applied, "migrations are up to date");
    } else {
        refuse_pending(&mut db::connect(config.direct_url())?)?;
    }
    let listener = server::bind(config.bind_addr)?;
    tracing::info!(address = %config.bind_addr, public_url = config.public_url, "serving");
    let state = AppState::new(config)?;
    block_on(server::run(listener, state, with_jobs, Arc::new(|_| {})))
}

/// Nothing works on a database that is not up to date.
fn refuse_pending(conn: &mut diesel::PgConnection) -> anyhow::Result<()> {
    let pending = db::pending_migrations(conn)?;
    anyhow::ensure!(
        pending.is_empty(),
        "migrations are pending; run `lectern migrate up` first: {}",
        pending.join(", ")
    );
    Ok(())
}

fn jobs() -> anyhow::Result<()> {
    let config = config()?;
    let _telemetry = telemetry::init(&config)?;
    refuse_pending(&mut db::connect(config.direct_url())?)?;
    let state = AppState::new(config)?;
    block_on(server::run_jobs(state))
}

fn healthcheck() -> anyhow::Result<()> {
    let listening = Config::listening(variable)?;
    block_on(healthcheck::ask(&listening))
}

/// Runs the program's main work; actix's workers have runtimes of their own. What other threads are still at when it is
/// done is left behind: an end at once is one.
///
/// # Errors
/// When threads cannot be started; those of the work.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

fn migrate(command: &Migrate) -> anyhow::Result<()> {
    let mut conn = connect_directly()?;
    match command {
        Migrate::Status => {
            let pending = db::pending_migrations(&mut conn)?;
            println!("{} pending", pending.len());
            pending.iter().for_each(|name| println!("  {name}"));
        }
        Migrate::Up => db::migrate_up(&mut conn)?
            .iter()
            .for_each(|version| println!("applied {version}")),
        Migrate::Down { count } => {
            db::migrate_down(&mut conn, *count)?
                .iter()
                .for_each(|version| println!("took back {version}"));
        }
    }
    Ok(())
}

/// A connection for commands that need the database and nothing else.
fn connect() -> anyhow::Result<diesel::PgConnection> {
    Ok(db::connect(&Config::direct_database_url(variable)?)?)
}

/// One for commands that change the schema.
fn connect_directly() -> anyhow::Result<diesel::PgConnection> {
    Ok(db::connect_directly(&Config::direct_database_url(
        variable,
    )?)?)
}

fn print_openapi(check: bool) -> anyhow::Result<()> {
    let served = openapi::to_text(&openapi::committed())?;
    if !check {
        print!("{served}");
        return Ok(());
    }
    let committed = std::fs::read_to_string("openapi/openapi.json")
        .context("openapi/openapi.json cannot be read")?;
    anyhow::ensure!(
        committed == served,
        "openapi/openapi.json is not what the server serves; mend it with: cargo run -- openapi > openapi/openapi.json"
    );
    Ok(())
}

fn seed(scale: Option<&Scale>) -> anyhow::Result<()> {
    let currency = Config::currency(variable)?;
    let mut conn = connect_directly()?;
    db::migrate_up(&mut conn)?;
    if let Some(scale) = scale {
        demo::seed_large(&mut conn, currency.as_str(), scale)?;
        println!("made a large store");
        return Ok(());
    }
    println!("{}", demo::seed(&mut conn, currency.as_str())?);
    Ok(())
}

fn reconcile() -> anyhow::Result<()> {
    let config = config()?;
    let _telemetry = telemetry::init(&config)?;
    refuse_pending(&mut db::connect(config.direct_url())?)?;
    let state = AppState::new(config)?;
    let report = block_on(async { Ok(reconcile::run(&state, Occasion::Demand).await?) })?;
    let report = report.context("another pass is under way; wait for it to end")?;
    println!("{report}");
    let silent: Vec<_> = report.unreachable.iter().map(ToString::to_string).collect();
    anyhow::ensure!(silent.is_empty(), "no answer from {}", silent.join(" and "));
    Ok(())
}

/// `90d`.
fn days(text: &str) -> Result<TimeDelta, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let span = days.and_then(|days| TimeDelta::try_days(days.into()));
    span.filter(|span| Utc::now().checked_sub_signed(*span).is_some())
        .ok_or_else(|| "a number of days such as 90d is expected".to_owned())
}

fn purge(older_than: TimeDelta, dry_run: bool) -> anyhow::Result<()> {
    let mut conn = connect()?;
    refuse_pending(&mut conn)?;
    let operator = Actor {
        user_id: None,
        request_id: "command line".to_owned(),
        ..Actor::default()
    };
    let mut purged = Purged::default();
    let done = conn.transaction(|conn| {
        operator.answer_for(conn)?;
        purged = purge::purge(conn, Utc::now() - older_than)?;
        if dry_run {
            Err(diesel::result::Error::RollbackTransaction)
        } else {
            Ok(())
        }
    });
    match done {
        Err(diesel::result::Error::RollbackTransaction) => print!("would remove "),
        done => {
            done?;
            print!("removed ");
        }
    }
    let Purged {
        lessons,
        sections,
        products,
        courses,
    } = purged;
    println!("{lessons} lessons, {sections} sections, {products} products, {courses} courses");
    Ok(())
}

fn set_role(command: &Users) -> anyhow::Result<()> {
    let (id, role) = match command {
        Users::Promote { clerk_user_id } => (clerk_user_id, UserRole::Admin),
        Users::Demote { clerk_user_id } => (clerk_user_id, UserRole::User),
    };
    let operator = Actor {
        user_id: None,
        request_id: "command line".to_owned(),
        ..Actor::default()
    };
    let mut conn = connect()?;
    refuse_pending(&mut conn)?;
    let found = conn.transaction(|conn| {
        operator.answer_for(conn)?;
        user::set_role(conn, id, role)
    });
    let user = found.map_err(|error| match error {
        diesel::NotFound => anyhow::anyhow!("{id} was deleted; a deleted person has no role"),
        error => error.into(),
    })?;
    println!("{} is {} now", user.clerk_user_id, user.role.label());
    Ok(())
}
