//! Whether what was read a while ago still holds: which commits were heard since, by the tags that they name.
//!
//! Triggers name in every transaction what it changes. This instance bumps the tags of its own commits before anybody
//! is answered, and those of others as soon as they are heard. Whoever keeps an answer keeps with it the moment before
//! it was read and the tags that it depends on; a commit that the reading did not see bumps one of them after that
//! moment. Tags share a fixed number of slots: two that meet in one cost a reading too many, never a stale answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use crate::listener::{Hearing, Notice};

/// The channel of the triggers; a payload is tags with a space between two.
pub const CHANGED: &str = "lectern_changed";

const SLOTS: u64 = 8192;

/// Something that answers depend on, as the triggers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Which products there are, and what their rows say.
    Catalogue,
    /// A product, and which courses it holds.
    Product(Uuid),
    /// A course with its sections and lessons.
    Course(Uuid),
    /// A person, and which courses they may open.
    User(Uuid),
    /// The lessons that a person ticked off.
    Progress(Uuid),
}

impl Tag {
    /// By a hash of the whole id: those that came with an import may differ in a few bytes only, wherever these are.
    fn slot(self) -> usize {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        usize::try_from(hasher.finish() % SLOTS).unwrap_or_default()
    }

    /// What a trigger names; `None` for `*`, which stands for everything, and for what a newer program may add.
    fn named(text: &str) -> Option<Self> {
        if text == "catalogue" {
            return Some(Self::Catalogue);
        }
        let (kind, id) = text.split_once(':')?;
        let id = id.parse().ok()?;
        match kind {
            "product" => Some(Self::Product(id)),
            "course" => Some(Self::Course(id)),
            "user" => Some(Self::User(id)),
            "progress" => Some(Self::Progress(id)),
            _ => None,
        }
    }
}

/// Of something that was read: a moment before which all commits are in it, and what it depends on.
#[derive(Debug, Clone)]
pub struct Basis {
    pub read_at: Instant,
    pub tags: Vec<Tag>,
}

/// When each tag was last bumped. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Freshness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hearing: Hearing,
    began: Instant,
    /// Nanoseconds since `began`, as are the two below.
    slots: Box<[AtomicU64]>,
    /// The last bump of everything.
    floor: AtomicU64,
}

impl Freshness {
    /// Nothing was bumped yet. `hearing` says whether what others commit is heard.
    pub fn new(hearing: Hearing) -> Self {
        Self(Arc::new(Inner {
            hearing,
            began: Instant::now(),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            floor: AtomicU64::new(0),
        }))
    }

    /// Whether what was read since that moment still holds, as far as it depends on these tags. Never without a
    /// listener that hears: who may be deaf keeps nothing.
    pub fn holds(&self, read_at: Instant, tags: &[Tag]) -> bool {
        self.0.hearing.is_current() && self.last_bump(tags) < self.nanos(read_at)
    }

    /// When one of the tags, or everything, was last bumped, on the clock of [`Self::nanos`].
    fn last_bump(&self, tags: &[Tag]) -> u64 {
        let slots = tags.iter().filter_map(|tag| self.0.slots.get(tag.slot()));
        let last = slots.map(|slot| slot.load(Ordering::Acquire)).max();
        last.unwrap_or(0).max(self.0.floor.load(Ordering::Acquire))
    }

    /// A moment on the clock of the bumps: nanoseconds since the program began.
    fn nanos(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.0.began);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A commit changed what this tag names.
    pub fn bump(&self, tag: Tag) {
        if let Some(slot) = self.0.slots.get(tag.slot()) {
            slot.fetch_max(self.nanos(Instant::now()), Ordering::AcqRel);
        }
    }

    /// Anything may have changed.
    pub fn bump_everything(&self) {
        let now = self.nanos(Instant::now());
        self.0.floor.fetch_max(now, Ordering::AcqRel);
    }

    /// Bumps what a transaction named.
    fn bump_named(&self, tags: &str) {
        for text in tags.split_ascii_whitespace() {
            match Tag::named(text) {
                Some(tag) => self.bump(tag),
                None => self.bump_everything(),
            }
        }
    }

    /// Takes in what the listener hears.
    pub fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Heard {
                channel: CHANGED,
                payload,
            } => self.bump_named(payload),
            Notice::Heard { .. } => {}
            // What was read while nothing was heard may be stale from the start.
            Notice::Began | Notice::Lost => self.bump_everything(),
        }
    }

    /// Runs `work` in a transaction and bumps what it changed, also when nobody knows whether it was committed.
    ///
    /// # Errors
    /// What `work` returns; that of the commit.
    pub fn transaction<T, E: From<diesel::result::Error>>(
        &self,
        conn: &mut PgConnection,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut named = String::new();
        let done = conn.transaction(|conn| {
            let done = work(conn)?;
            named = changed(conn)?;
            Ok(done)
        });
        self.bump_named(&named);
        done
    }
}

/// What this transaction has changed so far.
fn changed(conn: &mut PgConnection) -> QueryResult<String> {
    diesel::select(diesel::dsl::sql::<Text>(
        "coalesce(current_setting('lectern.changed', true), '')",
    ))
    .get_result(conn)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_that_differ_in_a_few_bytes_do_not_meet_in_a_few_slots() {
        for byte in 0..8 {
            let ids = (0..1000_u128).map(|n| Uuid::from_u128(n << (8 * 2 * byte)));
            let slots: HashSet<_> = ids.map(|id| Tag::Course(id).slot()).collect();
            // Of 1,000 that are thrown at random into 8,192, 941 are expected.
            assert!(slots.len() > 900, "{}", slots.len());
        }
    }
}
