//! One kind of value, by key, for as long as it holds.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::freshness::{Freshness, Tag};
use crate::metrics::CacheLookups;

/// Something that is worth keeping.
pub trait Keep {
    /// What it depends on.
    fn tags(&self) -> impl AsRef<[Tag]>;

    /// About how many bytes it takes, beside its key.
    fn weight(&self) -> usize;
}

/// A value, and a moment: all that was committed before is in it.
type Kept<V> = (Arc<V>, Instant);

/// Values that were read before. What is used least goes first when they take too much.
pub struct Shelf<K, V> {
    /// `None` when nothing is kept.
    kept: Option<Cache<K, Kept<V>, Weight>>,
    freshness: Freshness,
    lookups: CacheLookups,
}

impl<K: Eq + Hash + Clone, V: Keep> Shelf<K, V> {
    /// An empty shelf for so many bytes; with none, nothing is kept.
    pub fn new(bytes: u64, freshness: Freshness, lookups: CacheLookups) -> Self {
        // Only a first guess: it is what room for keys is made for at the start.
        let values = usize::try_from(bytes / 8192).unwrap_or(usize::MAX);
        Self {
            kept: (bytes > 0).then(|| Cache::with_weighter(values, bytes, Weight)),
            freshness,
            lookups,
        }
    }

    /// The value, when it is here and still holds.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Arc<V>> {
        let found = self.kept.as_ref()?.get(key);
        let found =
            found.filter(|(value, read_at)| self.freshness.holds(*read_at, value.tags().as_ref()));
        match found {
            Some(_) => self.lookups.hit(),
            None => self.lookups.miss(),
        }
        found.map(|(value, _)| value)
    }

    /// Keeps a value, unless it is stale already. All that was committed before `read_at` is in it.
    pub fn put(&self, key: K, value: &Arc<V>, read_at: Instant) {
        if let Some(kept) = &self.kept
            && self.freshness.holds(read_at, value.tags().as_ref())
        {
            kept.insert(key, (Arc::clone(value), read_at));
        }
    }
}

/// What a value takes with everything around it: keys, the table, the heap's own.
#[derive(Clone)]
struct Weight;

impl<K, V: Keep> Weighter<K, Kept<V>> for Weight {
    fn weight(&self, _: &K, (value, _): &Kept<V>) -> u64 {
        const AROUND: usize = 200;
        (AROUND + value.weight()) as u64
    }
}
