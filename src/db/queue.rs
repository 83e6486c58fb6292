//! Who may use a connection, and how long the others wait for their turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long somebody waits at most: a short rush passes.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is no long wait. A few clients who ask again as soon as they are answered always wait, and are well served.
const TARGET: Duration = Duration::from_millis(100);
/// For how long everybody has to have waited longer than that before it is no rush but too much. That is CoDel's way to
/// tell a good queue from a bad one: <https://queue.acm.org/detail.cfm?id=2209336>
const STANDING: Duration = Duration::from_secs(1);
/// How long somebody waits then, if as few wait as there are connections, and not at all otherwise: a queue that does not
/// get shorter only makes every answer late, the refusals as well.
const PATIENCE_WHEN_STANDING: Duration = Duration::from_millis(30);

/// A place for each connection, given away in the order of asking.
pub struct Queue {
    places: Arc<Semaphore>,
    size: u32,
    line: Mutex<Line>,
}

/// Those who wait.
struct Line {
    length: u32,
    /// When last nobody waited, or somebody did not wait long.
    timely_at: Instant,
    is_standing: bool,
}

impl Queue {
    pub fn new(size: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(size as usize)),
            size,
            line: Mutex::new(Line {
                length: 0,
                timely_at: Instant::now(),
                is_standing: false,
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
        let patience = match waiting.is_standing && !insists {
            true if waiting.place > self.size => return None,
            true => PATIENCE_WHEN_STANDING,
            false => PATIENCE,
        };
        let place = timeout(patience, Arc::clone(&self.places).acquire_owned()).await;
        if waiting.joined_at.elapsed() < TARGET {
            lock(&self.line).timely_at = Instant::now();
        }
        place.ok()?.ok()
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
            joined.timely_at = joined_at;
            joined.is_standing = false;
        }
        joined.length += 1;
        if !joined.is_standing && joined_at - joined.timely_at > STANDING {
            joined.is_standing = true;
            tracing::warn!("more is asked of the database than it answers: some requests get 503");
        }
        let (place, is_standing) = (joined.length, joined.is_standing);
        Self {
            line,
            joined_at,
            place,
            is_standing,
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
