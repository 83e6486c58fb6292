//! What is left when a process dies: killed with SIGKILL in the middle of every step, and started again.

mod fulfilment;
mod idempotency;
mod refund;
mod trap;

use crate::support::TestApp;
use crate::support::instance::until;

/// Every lease of the dead ends, and every wait.
async fn recover(app: &TestApp) {
    app.sql(
        "UPDATE webhook_events SET due_at = now() WHERE status = 'received';
         UPDATE jobs SET due_at = now() WHERE status = 'pending';
         UPDATE idempotency_keys SET locked_until = now()",
    );
    until("the work is done", async || {
        app.count("webhook_events WHERE status = 'received'") == 0
            && app.count("jobs WHERE status = 'pending'") == 0
    })
    .await;
}
