//! What Clerk and the store tell each other about people: appearing, changing, going for good.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{Connection, OptionalExtension, PgConnection};
use serde_json::json;
use uuid::Uuid;

use super::checkout::set_aside;
use crate::app::AppState;
use crate::domain::enums::UserRole;
use crate::jobs::{self, Job};
use crate::problem::{Code, Problem};
use crate::providers::clerk::{Clerk, ClerkUser, PAGE};
use crate::repositories::user::{self, ClerkFacts, UserRow};
use crate::repositories::{
    access_grant, audit_log, checkout, idempotency_key, purchase, refund, webhook_event,
};

/// Why the grants of somebody who was deleted have ended.
const ACCOUNT_DELETED: &str = "account-deleted";
/// People are listed a little later than their time says.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// So many people may be missing at Clerk without a doubt, as long as somebody is left, and beyond that one in so many of
/// all.
const PLAUSIBLY_MISSING: usize = 20;
const PLAUSIBLE_SHARE: usize = 10;

/// Takes over what Clerk says of a person, as far as it is news, and sees to it that Clerk's public metadata says who
/// they are here. Returns whether it was news.
///
/// # Errors
/// When a statement fails.
pub fn take_over(conn: &mut PgConnection, told: ClerkUser) -> Result<bool, Problem> {
    let known = user::find_by_clerk_id(conn, &told.id)?;
    if let Some(row) = known.as_ref().filter(|row| row.deleted_at.is_none())
        && !told.has_metadata(&public_metadata(row))
    {
        jobs::enqueue(conn, &Job::WriteBackUser { user_id: row.id })?;
    }
    let facts = ClerkFacts::from(told);
    let is_newer = user::upsert_from_clerk(conn, &facts)?;
    Ok(is_newer && known.is_none_or(|row| !facts.are_of(&row)))
}

/// What a session token can carry, by Clerk's template, so that a frontend need not ask. Never trusted here.
fn public_metadata(row: &UserRow) -> serde_json::Value {
    json!({ "dbId": row.id, "role": row.role.label() })
}

/// Brings Clerk's public metadata of a person in line with the store (a job). Written only on difference, so that the
/// event which follows has nothing to write.
///
/// # Errors
/// When Clerk or the database does not answer.
pub async fn write_back(state: &AppState, user_id: Uuid) -> Result<(), Problem> {
    let Some(clerk) = &state.clerk else {
        return Ok(());
    };
    let row = state
        .db
        .read(move |conn| Ok(user::find(conn, user_id).optional()?))
        .await?;
    let Some(row) = row.filter(|row| row.deleted_at.is_none()) else {
        return Ok(());
    };
    let wanted = public_metadata(&row);
    match clerk.user(&row.clerk_user_id).await? {
        Some(told) if !told.has_metadata(&wanted) => {
            Ok(clerk.merge_public_metadata(&told.id, &wanted).await?)
        }
        _ => Ok(()),
    }
}

/// Notes that somebody wants to be deleted. A worker asks Clerk. An admin is none from now on, so that two of them do
/// not go at once.
///
/// # Errors
/// 409 `last-admin`; 401 `account-deleted` when it has happened since the session was looked at.
pub fn ask_for_deletion(conn: &mut PgConnection, user_id: Uuid) -> Result<(), Problem> {
    if user::lock_as_last_admin(conn, user_id)? {
        return Err(Problem::new(Code::LastAdmin));
    }
    user::update_role(conn, user_id, UserRole::User).map_err(|error| match error {
        diesel::NotFound => Problem::new(Code::AccountDeleted),
        error => error.into(),
    })?;
    Ok(jobs::enqueue(conn, &Job::DeleteAtClerk { user_id })?)
}

/// Deletes somebody at Clerk and then here (a job), whether or not Clerk's event comes as well.
///
/// # Errors
/// When Clerk or the database does not answer.
pub async fn delete_at_clerk(state: &AppState, user_id: Uuid) -> Result<(), Problem> {
    let clerk = state
        .clerk
        .as_ref()
        .ok_or_else(|| Problem::new(Code::AccountDeletionUnavailable))?;
    let row = state
        .db
        .read(move |conn| Ok(user::find(conn, user_id)?))
        .await?;
    clerk.delete_user(&row.clerk_user_id).await?;
    state
        .db
        .transaction(move |conn| bury(conn, &row.clerk_user_id))
        .await?;
    state.ring_if_deaf();
    Ok(())
}

/// Leaves a tombstone: what is personal goes, wherever it was copied to; purchases and statistics stay. Returns
/// whether there was anybody to bury.
///
/// # Errors
/// When a statement fails.
pub fn bury(conn: &mut PgConnection, clerk_user_id: &str) -> Result<bool, Problem> {
    let (id, buried) = user::bury(conn, clerk_user_id, Utc::now())?;
    // Nobody is to be charged for what they cannot open. A payment on its way is still booked.
    for live in checkout::live_of_user(conn, id)? {
        set_aside(conn, live)?;
    }
    checkout::forget_person(conn, id)?;
    access_grant::end_all(conn, id, ACCOUNT_DELETED)?;
    purchase::forget_receipts(conn, id)?;
    refund::forget_reasons(conn, id)?;
    webhook_event::forget_person(conn, clerk_user_id)?;
    audit_log::forget_person(conn, id)?;
    idempotency_key::forget(conn, id)?;
    Ok(buried)
}

/// How thoroughly to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those whom Clerk changed since then.
    Since(DateTime<Utc>),
    /// Everybody, and so also those who are gone at Clerk.
    All,
}

/// Takes over what Clerk's webhooks missed, and counts the people who had changed.
///
/// # Errors
/// When Clerk or the database does not answer.
pub async fn reconcile(
    state: &AppState,
    clerk: &Clerk,
    extent: Extent,
    mended: &mut u32,
) -> Result<(), Problem> {
    let began_at = Utc::now();
    let (mut present, mut offset) = (HashSet::new(), 0);
    loop {
        let page = clerk.users(offset).await?;
        let is_last = page.len() < PAGE
            || matches!(extent, Extent::Since(time) if page.last().and_then(ClerkUser::updated_at) < Some(time - OVERLAP));
        offset += page.len();
        present.extend(page.iter().map(|told| told.id.clone()));
        let changed = state
            .db
            .read(move |conn| {
                let mut changed = 0;
                for told in page {
                    changed += u32::from(conn.transaction(|conn| take_over(conn, told))?);
                }
                Ok(changed)
            })
            .await?;
        *mended += changed;
        if is_last {
            break;
        }
    }
    if extent == Extent::All {
        *mended += bury_missing(state, clerk, present, began_at).await?;
    }
    Ok(())
}

/// Whether so many are missing that the key is rather for another instance of Clerk: a large part of those who are known,
/// or all of them although somebody is there. Only the very last one may leave an empty list.
fn is_doubtful(missing: usize, known: usize, present: usize) -> bool {
    let plausible = PLAUSIBLY_MISSING.max(known / PLAUSIBLE_SHARE);
    let is_nobody_left = missing > 0 && missing == known;
    missing > plausible || (is_nobody_left && missing + present > 1)
}

/// Buries those whom Clerk no longer has. Each is asked for by name before: a list that changes while it is read may
/// leave somebody out.
async fn bury_missing(
    state: &AppState,
    clerk: &Clerk,
    present: HashSet<String>,
    before: DateTime<Utc>,
) -> Result<u32, Problem> {
    let known = state
        .db
        .read(move |conn| Ok(user::clerk_ids(conn, before)?))
        .await?;
    let known_count = known.len();
    let missing: Vec<String> = known
        .into_iter()
        .filter(|id| !present.contains(id))
        .collect();
    if is_doubtful(missing.len(), known_count, present.len()) {
        tracing::error!(
            missing = missing.len(),
            "far too many people are missing at Clerk; is CLERK_SECRET_KEY for another instance?"
        );
        return Ok(0);
    }
    let mut mended = 0;
    for id in missing {
        if clerk.user(&id).await?.is_none() {
            let buried = state.db.transaction(move |conn| bury(conn, &id)).await?;
            mended += u32::from(buried);
        }
    }
    Ok(mended)
}
