//! A part of a list: how much of it is asked for, and what was found.

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceSize {
    /// The most rows that are shown.
    pub limit: u8,
    /// Whether the whole list is to be counted as well.
    pub with_total: bool,
}

impl SliceSize {
    /// The most rows that are shown when nobody says how many.
    pub const USUAL: u8 = 20;

    /// How many rows to read: one more than is shown tells whether there is more.
    pub fn to_read(self) -> i64 {
        i64::from(self.limit) + 1
    }
}

/// Rows of a list, in its order.
#[derive(Debug, Clone)]
pub struct Slice<R> {
    pub rows: Vec<R>,
    /// Whether more rows follow.
    pub goes_on: bool,
    /// How many rows the whole list has, when that was asked for.
    pub total: Option<i64>,
}

impl<R> Slice<R> {
    /// Cuts what was read to its size. The whole list is counted only when that was asked for.
    ///
    /// # Errors
    /// What `count` returns.
    pub fn cut<E>(
        mut rows: Vec<R>,
        size: SliceSize,
        count: impl FnOnce() -> Result<i64, E>,
    ) -> Result<Self, E> {
        let limit = usize::from(size.limit);
        let goes_on = rows.len() > limit;
        rows.truncate(limit);
        Ok(Self {
            rows,
            goes_on,
            total: size.with_total.then(count).transpose()?,
        })
    }
}
