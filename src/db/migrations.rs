//! The migrations: what is pending, applying it, taking it back, one instance at a time.

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

/// Everything under `migrations/`, compiled in.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// What went wrong with the migrations, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
    #[error("a migration failed: {0}")]
    Migrate(Box<dyn std::error::Error + Send + Sync>),
}

/// Applies what is pending and returns its names. An advisory lock lets only one of several instances do it.
///
/// # Errors
/// When a migration fails; those before it stay applied.
pub fn migrate_up(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    locked(conn, |conn| {
        let names = pending_migrations(conn)?;
        conn.run_pending_migrations(MIGRATIONS)
            .map_err(MigrationError::Migrate)?;
        Ok(names)
    })
}

/// Takes back the last `count` migrations and returns their names.
///
/// # Errors
/// When a migration fails; those before it stay taken back.
pub fn migrate_down(conn: &mut PgConnection, count: usize) -> Result<Vec<String>, MigrationError> {
    locked(conn, |conn| {
        let applied = conn
            .applied_migrations()
            .map_err(MigrationError::Migrate)?
            .len();
        (0..count.min(applied))
            .map(|_| {
                conn.revert_last_migration(MIGRATIONS)
                    .map(|version| version.to_string())
            })
            .collect::<Result<_, _>>()
            .map_err(MigrationError::Migrate)
    })
}

/// The names of the migrations that are not applied yet.
///
/// # Errors
/// When the database does not answer.
pub fn pending_migrations(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    let pending = conn
        .pending_migrations(MIGRATIONS)
        .map_err(MigrationError::Migrate)?;
    Ok(pending
        .iter()
        .map(|migration| migration.name().to_string())
        .collect())
}

/// "lectern" in ASCII: the key of the session-level advisory lock around migrations.
const MIGRATION_LOCK: i64 = 0x006c_6563_7465_726e;

fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    use diesel::sql_types::BigInt;
    diesel::sql_query("SELECT pg_advisory_lock($1)")
        .bind::<BigInt, _>(MIGRATION_LOCK)
        .execute(conn)?;
    let result = work(conn);
    diesel::sql_query("SELECT pg_advisory_unlock($1)")
        .bind::<BigInt, _>(MIGRATION_LOCK)
        .execute(conn)?;
    result
}
