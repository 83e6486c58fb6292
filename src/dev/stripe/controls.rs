//! What tests and the pages can make happen: buyers, banks, the dashboard, and the wire.

use serde_json::{Value, json};

use super::{
    Adopted, ApiError, Attempt, Fault, LocalStripe, Outcome, Recorded, Verdict, Weather, adopted,
    books::Kind,
    coupons,
    delivery::Pending,
    disputes,
    faults::matches,
    objects::{field, text},
    payments, refunds, sessions,
};

/// Buyers and banks. Each answers with the object it changed, or with Stripe's reason why it cannot be.
impl LocalStripe {
    /// A person pays an open session with a US card (or bank account).
    pub fn pay(&self, session_id: &str, outcome: Outcome) -> Result<Value, ApiError> {
        self.pay_from(session_id, outcome, "US")
    }

    /// The same with a card of `country`, ISO 3166-1 alpha-2.
    pub fn pay_from(
        &self,
        session_id: &str,
        outcome: Outcome,
        country: &str,
    ) -> Result<Value, ApiError> {
        self.change(|books| payments::pay(books, session_id, outcome, country))
    }

    /// The delayed payment of a session arrives, or does not.
    pub fn settle(&self, session_id: &str, succeeded: bool) -> Result<Value, ApiError> {
        self.change(|books| payments::settle(books, session_id, succeeded))
    }

    /// An open session expires, as if its time had come.
    pub fn expire(&self, session_id: &str) -> Result<Value, ApiError> {
        self.change(|books| sessions::expire(books, session_id))
    }

    /// The seller refunds a charge in Stripe's dashboard; all that is left when no amount is given.
    pub fn refund_from_dashboard(
        &self,
        charge_id: &str,
        amount: Option<i64>,
    ) -> Result<Value, ApiError> {
        self.change(|books| refunds::refund(books, charge_id, amount, None, &json!({})))
    }

    /// Whether refunds to cards stay pending until [`Self::settle_refund`] or [`Self::fail_refund`].
    pub fn hold_refunds(&self, hold: bool) {
        self.change(|books| books.hold_refunds = hold);
    }

    /// A pending refund succeeds.
    pub fn settle_refund(&self, refund_id: &str) -> Result<Value, ApiError> {
        self.change(|books| refunds::settle(books, refund_id))
    }

    /// A refund fails, be it pending or seemingly done; the charge's amounts are restored.
    pub fn fail_refund(&self, refund_id: &str) -> Result<Value, ApiError> {
        self.change(|books| refunds::fail(books, refund_id))
    }

    /// A pending refund is canceled.
    pub fn cancel_refund(&self, refund_id: &str) -> Result<Value, ApiError> {
        self.change(|books| refunds::cancel(books, refund_id))
    }

    /// The buyer's bank charges back: `needs_response`.
    pub fn open_dispute(&self, charge_id: &str) -> Result<Value, ApiError> {
        self.change(|books| disputes::open(books, charge_id, false))
    }

    /// The buyer's bank inquires: `warning_needs_response`.
    pub fn open_inquiry(&self, charge_id: &str) -> Result<Value, ApiError> {
        self.change(|books| disputes::open(books, charge_id, true))
    }

    /// Evidence is handed in: `under_review`.
    pub fn submit_evidence(&self, dispute_id: &str) -> Result<Value, ApiError> {
        self.change(|books| disputes::submit_evidence(books, dispute_id))
    }

    /// A dispute or an inquiry ends.
    pub fn close_dispute(&self, dispute_id: &str, verdict: Verdict) -> Result<Value, ApiError> {
        self.change(|books| disputes::close(books, dispute_id, verdict))
    }

    /// An early fraud warning about a charge.
    pub fn warn_of_fraud(&self, charge_id: &str) -> Result<Value, ApiError> {
        self.change(|books| disputes::warn_of_fraud(books, charge_id))
    }

    /// Somebody deletes a coupon in the dashboard.
    pub fn delete_coupon(&self, coupon_id: &str) -> Result<Value, ApiError> {
        self.change(|books| coupons::delete(books, coupon_id))
    }

    /// Enters a purchase of the past as paid, without events; again without effect.
    pub fn adopt_paid(&self, purchase: &Adopted) {
        self.change(|books| adopted::adopt(books, purchase));
    }

    /// A session, payment intent, charge, refund, dispute or event by its id, or a coupon by its own.
    pub fn object(&self, id: &str) -> Option<Value> {
        self.books(|books| books.find_any(id).cloned())
    }

    /// The id of the charge that last tried to pay a session.
    pub fn charge_of(&self, session_id: &str) -> Option<String> {
        let session = self.object(session_id)?;
        let intent = self.object(text(&session, "payment_intent"))?;
        field(&intent, "latest_charge").as_str().map(str::to_owned)
    }
}

/// The wire: what was asked, what goes wrong, which events arrive when.
impl LocalStripe {
    /// Lets a fault happen to the next matching requests.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Forgets the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Every request to the API since the start, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.clone()
    }

    /// How many requests there were of a kind, such as `POST /v1/checkout/sessions` or `GET /v1/refunds/*`.
    pub fn count(&self, pattern: &str) -> usize {
        let of_kind = |request: &&Recorded| matches(pattern, &request.method, &request.path);
        self.lock().requests.iter().filter(of_kind).count()
    }

    /// Every event, oldest first, whether delivered or not.
    pub fn events(&self) -> Vec<Value> {
        self.events_after(0)
    }

    /// Those that came after the first `count` ones.
    pub fn events_after(&self, count: usize) -> Vec<Value> {
        self.books(|books| books.all(Kind::Event).iter().skip(count).cloned().collect())
    }

    /// How many there are.
    pub fn event_count(&self) -> usize {
        self.books(|books| books.all(Kind::Event).len())
    }

    /// The events that wait for their delivery, oldest first.
    pub fn pending_events(&self) -> Vec<Value> {
        self.books(|books| {
            let ids = books.data.pending.iter().map(|pending| &pending.event);
            ids.filter_map(|id| books.find(Kind::Event, id).ok().cloned())
                .collect()
        })
    }

    /// Delivers the oldest waiting event, if there is one. A failure is not tried again by itself.
    pub async fn deliver_next(&self) -> Option<Attempt> {
        let next = self.books(|books| {
            books
                .data
                .pending
                .first()
                .map(|pending| pending.event.clone())
        })?;
        self.deliver(&next).await
    }

    /// Delivers waiting events, oldest first, until none is left, those included that deliveries cause.
    pub async fn deliver_all(&self) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        while let Some(attempt) = self.deliver_next().await {
            attempts.push(attempt);
        }
        attempts
    }

    /// Loses a waiting event; it stays in the list of events.
    pub fn drop_pending(&self, event_id: &str) {
        self.change(|books| {
            books
                .data
                .pending
                .retain(|pending| pending.event != event_id);
        });
    }

    /// Puts an event back among those that wait.
    pub fn resend(&self, event_id: &str) -> Result<Value, ApiError> {
        self.change(|books| {
            let event = books.find(Kind::Event, event_id)?.clone();
            books.data.pending.push(Pending::new(event_id.to_owned()));
            Ok(event)
        })
    }

    /// What the network does to automatic deliveries from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
        self.0.changed.notify_one();
    }

    /// Where events go. Without a URL each try fails.
    pub fn set_webhook_url(&self, url: impl Into<String>) {
        self.lock().webhook_url = Some(url.into());
        self.0.changed.notify_one();
    }
}
