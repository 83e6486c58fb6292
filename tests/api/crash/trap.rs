//! Traps: steps in which a process is held still until it is killed.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use lectern::dev::stripe::{Fault, Trouble};

use crate::support::TestApp;
use crate::support::instance::until;

/// Where a process dies.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// While it writes a row: `("purchases", "INSERT", "true")`. The condition may speak of `NEW` and `OLD`.
    Write(&'static str, &'static str, &'static str),
    /// While it commits a transaction that has written a row.
    Commit(&'static str, &'static str),
    /// While it waits for Stripe, which has not heard it yet.
    Unheard(&'static str),
    /// While it waits for Stripe, which has done what was asked.
    Unanswered(&'static str),
}

/// What becomes of the statement in whose middle a process dies: the server may find out at once, or do it to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Undone,
    Done,
}

/// A step that holds whoever comes to it.
pub struct Trap<'a> {
    app: &'a TestApp,
    step: Step,
    calls_before: usize,
    /// Has the lock for which the step waits.
    holder: PgConnection,
}

/// Nobody else uses advisory locks of two numbers.
const LOCK: &str = "7, 7";
const CAUGHT: &str =
    "pg_locks WHERE locktype = 'advisory' AND classid = 7 AND NOT granted AND database =
         (SELECT oid FROM pg_database WHERE datname = current_database())";

impl<'a> Trap<'a> {
    /// Sets the trap.
    pub fn set(app: &'a TestApp, step: Step) -> Self {
        let mut holder = app.db();
        let (call, trigger) = match step {
            Step::Write(table, operation, condition) => (
                "",
                format!(
                    "CREATE TRIGGER trap BEFORE {operation} ON {table}
                         FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION trap()"
                ),
            ),
            Step::Commit(table, operation) => (
                "",
                format!(
                    "CREATE CONSTRAINT TRIGGER trap AFTER {operation} ON {table}
                         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap()"
                ),
            ),
            Step::Unheard(call) => {
                app.stripe.inject(Fault::before_effect(call, Trouble::Hang));
                (call, String::new())
            }
            Step::Unanswered(call) => {
                app.stripe.inject(Fault::after_effect(call, Trouble::Hang));
                (call, String::new())
            }
        };
        holder
            .batch_execute(&format!(
                "SELECT pg_advisory_lock({LOCK});
                 CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN coalesce(NEW, OLD); END $$;
                 {trigger}"
            ))
            .unwrap();
        Self {
            app,
            step,
            calls_before: app.stripe.count(call),
            holder,
        }
    }

    /// Waits until somebody is held.
    pub async fn sprung(&self) {
        until(
            &format!("{:?} is reached", self.step),
            async || match self.step {
                Step::Unheard(call) | Step::Unanswered(call) => {
                    self.app.stripe.count(call) > self.calls_before
                }
                Step::Write(..) | Step::Commit(..) => self.app.count(CAUGHT) > 0,
            },
        )
        .await;
    }

    /// Takes the trap away after whoever was in it has died.
    pub async fn clear(mut self, fate: Fate) {
        if fate == Fate::Undone {
            let end = format!("SELECT pg_terminate_backend(pid) FROM {CAUGHT}");
            self.holder.batch_execute(&end).unwrap();
        }
        until("the dead one's backend is told", async || {
            fate == Fate::Done || self.app.count(CAUGHT) == 0
        })
        .await;
        self.app.stripe.clear_faults();
        self.holder
            .batch_execute(&format!(
                "SELECT pg_advisory_unlock({LOCK}); DROP FUNCTION trap CASCADE"
            ))
            .unwrap();
    }
}
