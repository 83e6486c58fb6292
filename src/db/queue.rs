//! Who may use a connection, and how long the others wait for their turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long somebody waits at most: a short rush passes.
const PATIENCE: Duration = Duration::from_secs(3);
/// A wait shorter than this is not long. Clients who ask again as soon as they are answered always wait, and if they are not
/// very many, all of them are served.
const TARGET: Duration = Duration::from_millis(500);
/// When for so long nobody got a place within [`TARGET`], that is no rush but too much, until for so long nobody had to be
/// sent away. It is CoDel's way to tell a good queue from a bad one: <https://queue.acm.org/detail.cfm?id=2209336>
const STANDING: Duration = Duration::from_secs(1);
/// How long somebody waits then: a queue that does not get shorter only makes every answer late, the refusals as well.
const PATIENCE_WHEN_STANDING: Duration = Duration::from_millis(30);
/// How many wait then for each place. Whoever comes when there are more is sent away at once.
const LENGTH_WHEN_STANDING: u32 = 4;

/// A place for each connection, given away in the order of asking.
pub struct Queue {
    places: Arc<Semaphore>,
    size: u32,
    line: Mutex<Line>,
}

/// Those who wait.
struct Line {
    length: u32,
    is_standing: bool,
    /// When last something showed that this is still so: somebody who was sent away; or, while it does not stand, somebody
    /// who got a place in time.
    shown_at: Instant,
}

impl Queue {
    pub fn new(size: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(size as usize)),
            size,
            line: Mutex::new(Line {
                length: 0,
                is_standing: false,
                shown_at: Instant::now(),
            }),
        }
    }

    /// Waits for a place, which is free again when it is dropped. `None` when that takes too long. `insists` is for the
    /// few who wait as long as in a rush, however long the queue has stood.
    pub async fn enter(&self, insists: bool) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.enter_at_once() {
            return Some(place);
        }
        let waiting = Waiting::join(&self.line);
        let is_hurried = waiting.is_standing && !insists;
        let place = if is_hurried && waiting.place > LENGTH_WHEN_STANDING * self.size {
            None
        } else {
            let patience = if is_hurried {
                PATIENCE_WHEN_STANDING
            } else {
                PATIENCE
            };
            let place = Arc::clone(&self.places).acquire_owned();
            timeout(patience, place).await.ok()
        };
        waiting.ends(place.is_some());
        place?.ok()
    }

    /// A place, if there is one.
    pub fn enter_at_once(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// How many places are taken, and how many people wait for one.
    pub fn load(&self) -> (u32, u32) {
        let free = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
        (self.size.saturating_sub(free), lock(&self.line).length)
    }
}

/// One more that waits, until it is dropped: a caller may give up at any time.
struct Waiting<'a> {
    line: &'a Mutex<Line>,
    joined_at: Instant,
    /// From 1 on.
    place: u32,
    is_standing: bool,
}

impl<'a> Waiting<'a> {
    fn join(line: &'a Mutex<Line>) -> Self {
        let joined_at = Instant::now();
        let mut joined = lock(line);
        if joined.length == 0 {
            joined.is_standing = false;
            joined.shown_at = joined_at;
        } else if joined_at.saturating_duration_since(joined.shown_at) > STANDING {
            joined.is_standing = !joined.is_standing;
            joined.shown_at = joined_at;
            if joined.is_standing {
                tracing::warn!(
                    "more is asked of the database than it answers: some requests get 503"
                );
            }
        }
        joined.length += 1;
        let (place, is_standing) = (joined.length, joined.is_standing);
        Self {
            line,
            joined_at,
            place,
            is_standing,
        }
    }
}

impl Waiting<'_> {
    /// What became of it shows how the line is.
    fn ends(&self, is_served: bool) {
        let mut line = lock(self.line);
        let is_served_in_time = is_served && self.joined_at.elapsed() < TARGET;
        if (line.is_standing && !is_served) || (!line.is_standing && is_served_in_time) {
            line.shown_at = Instant::now();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.line).length -= 1;
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
