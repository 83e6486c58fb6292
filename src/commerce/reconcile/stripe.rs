//! What Stripe knows and no webhook has brought: checkouts, refunds, disputes, events.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use futures_util::future::join_all;
use uuid::Uuid;

use super::{Occasion, Report};
use crate::app::AppState;
use crate::commerce::checkout::create_at_stripe;
use crate::commerce::{close, payment, refund};
use crate::domain::enums::RefundStatus;
use crate::problem::{Code, Problem};
use crate::providers::stripe::Listed;
use crate::repositories::checkout::{self, CheckoutRow};
use crate::repositories::reconciler::Turn;
use crate::repositories::{self, dispute, webhook_event};
use crate::webhooks::{receive, stripe};

/// What is younger is left to its webhook, and to whoever is at work on it.
const SETTLING: TimeDelta = TimeDelta::minutes(2);
/// How long Stripe keeps events. <https://docs.stripe.com/api/events>
const EVENTS_KEPT: TimeDelta = TimeDelta::days(30);
/// Events are listed a little later than their time says.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// How many calls to Stripe are under way at once.
const AT_ONCE: usize = 8;
/// How many rows are read at once.
const PAGE: i64 = 100;

/// Takes over what is open or new, as far as Stripe answers.
///
/// # Errors
/// When Stripe or the database does not answer; what was mended before stays so.
pub async fn ask(
    state: &AppState,
    turn: &Turn,
    occasion: Occasion,
    report: &mut Report,
) -> Result<(), Problem> {
    let now = Utc::now();
    let settled_before = match occasion {
        Occasion::Schedule => now - SETTLING,
        Occasion::Demand => now,
    };
    let events_since = turn
        .stripe_events_until
        .map_or(now - EVENTS_KEPT, |until| until - OVERLAP);
    checkouts(state, settled_before, report).await?;
    payments(state, events_since, report).await?;
    events(state, events_since, report).await
}

/// Asks Stripe about every checkout that may still come to something.
async fn checkouts(
    state: &AppState,
    before: DateTime<Utc>,
    report: &mut Report,
) -> Result<(), Problem> {
    let mut after = None;
    loop {
        let page = state
            .db
            .read(move |conn| Ok(checkout::unsettled(conn, before, after, PAGE)?))
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some((last.created_at, last.id));
        for some in page.chunks(AT_ONCE) {
            for moved in join_all(some.iter().map(|row| follow(state, row))).await {
                report.checkouts += u32::from(moved?);
            }
        }
    }
}

/// Brings one checkout to where its session stands. Returns whether it moved.
async fn follow(state: &AppState, row: &CheckoutRow) -> Result<bool, Problem> {
    let followed = match &row.stripe_session_id {
        Some(session_id) => close::read_session(state, row.id, session_id).await,
        // Given up in the middle, it is taken up again under the same key.
        None => create_at_stripe(state, row.id).await.map(|_| true),
    };
    match followed {
        Err(problem) if problem.code() == Code::PaymentRefused => {
            tracing::error!(checkout_id = %row.id, "Stripe does not know the session of a checkout");
            Ok(false)
        }
        followed => followed,
    }
}

/// Asks Stripe about every payment whose refunds or disputes are open here, or are new there.
async fn payments(
    state: &AppState,
    since: DateTime<Utc>,
    report: &mut Report,
) -> Result<(), Problem> {
    let (pending, disputed) = state
        .db
        .read(|conn| {
            Ok((
                repositories::refund::payments_pending(conn)?,
                dispute::payments_open(conn)?,
            ))
        })
        .await?;
    let open = pending.iter().map(|(_, payment)| payment.clone());
    let mut touched: BTreeSet<String> = open.chain(disputed).flatten().collect();
    for listed in [Listed::Refunds, Listed::Disputes] {
        let mut after: Option<String> = None;
        loop {
            let page = state
                .stripe
                .list_since(listed, since, after.as_deref())
                .await?;
            let payments = page
                .objects
                .iter()
                .map(|object| object.get("payment_intent"));
            touched.extend(payments.flatten().filter_map(stripe::id_of));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    for payment in touched {
        let before = money(state, &payment).await?;
        // An intent that Stripe has not heard of comes first: the rest may not fit without it.
        for (refund_id, _) in pending
            .iter()
            .filter(|(_, of)| of.as_ref() == Some(&payment))
        {
            refund::send(state, *refund_id).await?;
        }
        match payment::converge(state, &payment).await {
            // What does not fit together yet is tried again by the next pass.
            Err(problem) if problem.code() == Code::Conflict => {}
            converged => converged?,
        }
        let after = money(state, &payment).await?;
        report.refunds += differences(&before.0, &after.0);
        report.disputes += differences(&before.1, &after.1);
    }
    Ok(())
}

/// Where the refunds and the disputes of a payment stand.
type Money = (
    Vec<(Uuid, RefundStatus, Option<String>)>,
    Vec<(Uuid, String)>,
);

async fn money(state: &AppState, payment_intent_id: &str) -> Result<Money, Problem> {
    let id = payment_intent_id.to_owned();
    let read = move |conn: &mut PgConnection| {
        let refunds = repositories::refund::states_of_payment(conn, &id)?;
        Ok((refunds, dispute::states_of_payment(conn, &id)?))
    };
    state.db.read(read).await
}

/// How many are new or other than before.
fn differences<T: PartialEq>(before: &[T], after: &[T]) -> u32 {
    let news = after.iter().filter(|state| !before.contains(state));
    u32::try_from(news.count()).unwrap_or(u32::MAX)
}

/// Puts the events that are missing in the inbox, as if a webhook had brought them.
async fn events(
    state: &AppState,
    since: DateTime<Utc>,
    report: &mut Report,
) -> Result<(), Problem> {
    let listed = Listed::Events(&stripe::EVENT_TYPES);
    let mut after: Option<String> = None;
    loop {
        let page = state
            .stripe
            .list_since(listed, since, after.as_deref())
            .await?;
        let events: Vec<_> = page
            .objects
            .into_iter()
            .filter_map(receive::listed_stripe_event)
            .collect();
        let missed = state
            .db
            .read(move |conn| Ok(webhook_event::store_missing(conn, &events)?))
            .await?;
        report.events += u32::try_from(missed).unwrap_or(u32::MAX);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
