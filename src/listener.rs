//! Hears what any instance commits (LISTEN), on a thread and a connection of its own beside the pool.
//!
//! libpq offers no way to wait for a message that is safe and async, so the thread looks at the socket every few
//! milliseconds: one system call, no statement. What is missed while the connection is away costs only time, because
//! everything that listens also looks by itself; whoever cannot wait asks [`Hearing::is_current`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, QueryResult, RunQueryDsl, sql_query, sql_types};
use secrecy::SecretString;
use uuid::Uuid;

use crate::db::{self, ConnectError};

/// How often the socket is looked at: the delay of a message at most.
const LOOK: Duration = Duration::from_millis(5);
/// How often once nothing was heard for [`CONFIRM`], so that an idle store costs a laptop next to nothing.
const LOOK_IN_QUIET: Duration = Duration::from_millis(20);
/// How often the server is asked for a sign of life: a dead network sends no message either.
const CONFIRM: Duration = Duration::from_secs(1);
/// After how long without such a sign messages may have been missed.
const STALE: Duration = Duration::from_secs(3);
/// How long a hello may take to arrive.
const HELLO: Duration = Duration::from_secs(2);
/// On which it is sent. Everybody on this database hears it and knows by its payload whose it is.
const HELLO_CHANNEL: &str = "lectern_hello";
/// The longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the listener tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// From now on every message is heard. What came before was not: look at everything once. Only when this was
    /// told is hearing current.
    Began,
    /// A transaction that sent this was committed.
    Heard { channel: &'a str, payload: &'a str },
    /// Messages are missed from now on, until it begins again.
    Lost,
}

/// Whether messages arrive. Cheap to clone, and cheap to ask.
#[derive(Debug, Clone)]
pub struct Hearing {
    began: Instant,
    /// Until when everything was heard, in nanoseconds since `began`; 0 while nothing is.
    confirmed: Arc<AtomicU64>,
}

impl Default for Hearing {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            confirmed: Arc::default(),
        }
    }
}

impl Hearing {
    /// Whether everything has been heard that was committed until a few seconds ago. False without a listener, and
    /// soon after its connection has gone, silently or not.
    pub fn is_current(&self) -> bool {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        confirmed != 0 && self.began.elapsed() < Duration::from_nanos(confirmed) + STALE
    }

    fn set(&self, confirmed: Option<Instant>) {
        let since = confirmed.map(|at| at.saturating_duration_since(self.began).as_nanos());
        let nanos = since.map_or(0, |nanos| u64::try_from(nanos).unwrap_or(u64::MAX).max(1));
        self.confirmed.store(nanos, Ordering::Release);
    }
}

/// A running listener. It ends when this is dropped.
#[derive(Debug)]
pub struct Listener {
    ended: Arc<AtomicBool>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Listener {
    /// Listens on these channels until it is dropped, and connects again by itself. `url` leads to the database itself,
    /// and `speaking` the way that others go who commit there. `hear` is called on the listener's thread and must not
    /// block.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        url: SecretString,
        speaking: SecretString,
        hearing: Hearing,
        channels: &'static [&'static str],
        hear: impl Fn(Notice<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let ear = Ear {
            url,
            speaking,
            hearing,
            channels,
            ended: Arc::clone(&ended),
        };
        thread::Builder::new()
            .name("listener".to_owned())
            .spawn(move || ear.keep_listening(hear))?;
        Ok(Self { ended })
    }
}

/// The thread's side.
struct Ear {
    url: SecretString,
    speaking: SecretString,
    hearing: Hearing,
    channels: &'static [&'static str],
    ended: Arc<AtomicBool>,
}

impl Ear {
    fn keep_listening(&self, hear: impl Fn(Notice<'_>)) {
        let mut failures = 0;
        while !self.has_ended() {
            match self.connect() {
                Err(error) if failures == 0 => tracing::warn!(%error, "the listener hears nothing"),
                Err(error) => tracing::debug!(%error, "the listener still hears nothing"),
                Ok(mut conn) => {
                    failures = 0;
                    let began = Instant::now();
                    hear(Notice::Began);
                    self.hearing.set(Some(began));
                    if let Err(error) = self.listen(&mut conn, &hear) {
                        tracing::warn!(%error, "the listener lost its connection");
                    }
                    self.hearing.set(None);
                    hear(Notice::Lost);
                }
            }
            failures += 1;
            self.rest(pause(failures));
        }
    }

    /// A connection that has proven that it hears.
    fn connect(&self) -> Result<PgConnection, ConnectError> {
        let mut conn = db::connect_directly(&self.url)?;
        let listen: String = self
            .channels
            .iter()
            .chain(&[HELLO_CHANNEL])
            .map(|channel| format!("LISTEN {channel};"))
            .collect();
        conn.batch_execute(&listen)?;
        let hello = Uuid::new_v4().to_string();
        sql_query("SELECT pg_notify($1, $2)")
            .bind::<sql_types::Text, _>(HELLO_CHANNEL)
            .bind::<sql_types::Text, _>(&hello)
            .execute(&mut db::connect(&self.speaking)?)?;
        if !hears(&mut conn, &hello)? {
            return Err(ConnectError::Deaf);
        }
        conn.batch_execute(&format!("UNLISTEN {HELLO_CHANNEL}"))?;
        Ok(conn)
    }

    /// Passes messages on until the connection breaks or the listener ends.
    fn listen(&self, conn: &mut PgConnection, hear: &impl Fn(Notice<'_>)) -> QueryResult<()> {
        let mut confirmed = Instant::now();
        let mut heard = confirmed;
        while !self.has_ended() {
            if confirmed.elapsed() > CONFIRM {
                let asked = Instant::now();
                conn.batch_execute("SELECT 1")?;
                confirmed = asked;
            }
            for message in conn.notifications_iter() {
                let message = message?;
                heard = Instant::now();
                hear(Notice::Heard {
                    channel: &message.channel,
                    payload: &message.payload,
                });
            }
            self.hearing.set(Some(confirmed));
            let is_quiet = heard.elapsed() > CONFIRM;
            thread::sleep(if is_quiet { LOOK_IN_QUIET } else { LOOK });
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.has_ended() {
            thread::sleep(LOOK);
        }
    }
}

/// Whether a message comes by itself: no statement is sent meanwhile.
fn hears(conn: &mut PgConnection, hello: &str) -> QueryResult<bool> {
    let said = Instant::now();
    while said.elapsed() < HELLO {
        for message in conn.notifications_iter() {
            if message?.payload == hello {
                return Ok(true);
            }
        }
        thread::sleep(LOOK);
    }
    Ok(false)
}

/// Doubling from 0.1 s, with half of it at random, so that not all instances come back together.
fn pause(failures: u32) -> Duration {
    let full = Duration::from_millis(100 << failures.min(7)).min(LONGEST_PAUSE);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}
