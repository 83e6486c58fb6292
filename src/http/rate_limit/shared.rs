//! Buckets at Redis, which several instances share. When it does not answer, nobody waits for it: each instance counts
//! for itself until it is back.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Verdict, WINDOW};

/// The most that a request waits for an answer.
const ANSWER_WAIT: Duration = Duration::from_millis(100);
/// The most that the one request that opens the connection waits.
const CONNECT_WAIT: Duration = Duration::from_millis(500);
/// How often a Redis that is down is tried, by one request at a time.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub struct SharedBuckets {
    url: SecretString,
    script: Script,
    connection: Mutex<Option<MultiplexedConnection>>,
    started: Instant,
    /// Milliseconds from the start: before, nobody tries to connect.
    next_try: AtomicU64,
    down: AtomicBool,
}

impl SharedBuckets {
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            script: Script::new(include_str!("take.lua")),
            connection: Mutex::new(None),
            started: Instant::now(),
            next_try: AtomicU64::new(0),
            down: AtomicBool::new(false),
        }
    }

    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// `None` when Redis does not answer.
    pub async fn take(&self, key: &str, quota: NonZeroU32) -> Option<Verdict> {
        let known = self.connection.lock().await.clone();
        let connection = match known {
            Some(connection) => connection,
            None if self.is_my_turn() => self.connect().await?,
            None => return None,
        };
        let asked = self.ask(connection, key, quota);
        match timeout(ANSWER_WAIT, asked).await {
            Ok(Ok(verdict)) => {
                if self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis answers again: rate limits are shared");
                }
                Some(verdict)
            }
            Ok(Err(error)) => self.lose(&error.to_string()).await,
            Err(_) => self.lose("no answer in time").await,
        }
    }

    /// Whether this request may try to connect.
    fn is_my_turn(&self) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.started.elapsed());
        let claim = |next| (next <= now).then(|| now.saturating_add(millis(TRY_AGAIN)));
        self.next_try
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
            .is_ok()
    }

    async fn connect(&self) -> Option<MultiplexedConnection> {
        let opened = async {
            let client = Client::open(self.url.expose_secret())?;
            client.get_multiplexed_async_connection().await
        };
        match timeout(CONNECT_WAIT, opened).await {
            Ok(Ok(connection)) => {
                *self.connection.lock().await = Some(connection.clone());
                Some(connection)
            }
            // Its words may quote the address, and with it the password.
            Ok(Err(_)) => self.lose("no connection could be opened").await,
            Err(_) => self.lose("no connection could be opened in time").await,
        }
    }

    async fn ask(
        &self,
        mut connection: MultiplexedConnection,
        key: &str,
        quota: NonZeroU32,
    ) -> Result<Verdict, RedisError> {
        let mut call = self.script.prepare_invoke();
        call.key(format!("lectern:rate:{key}"))
            .arg(WINDOW * 1_000_000 / quota.get())
            .arg(quota.get());
        let (passed, remaining, wait): (u32, u32, u64) = call.invoke_async(&mut connection).await?;
        Ok(if passed == 1 {
            Verdict::Passed { remaining }
        } else {
            Verdict::Refused {
                wait: Duration::from_micros(wait),
            }
        })
    }

    /// One warning for each outage.
    async fn lose<T>(&self, reason: &str) -> Option<T> {
        *self.connection.lock().await = None;
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason,
                "Redis does not answer: each instance limits for itself"
            );
        }
        None
    }
}
