//! `If-Match` and `If-None-Match` of a change (RFC 9110, section 13): held against the version under the row's lock, in
//! the transaction of the change, so that of two people who edit one row the second hears of the first.

use std::sync::OnceLock;

use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest};
use diesel::{PgConnection, QueryResult};

use super::etag::{Tags, VersionSlot};
use crate::problem::Problem;
use crate::repositories::version::Versioned;

/// What a request is about, and on which condition it is to be done.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    target: Option<Versioned>,
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    version: VersionSlot,
}

impl Precondition {
    /// Reads it off the request, which gets the version along with the answer.
    pub fn of(request: &HttpRequest) -> Self {
        let precondition = Self {
            target: Versioned::at(request.path()),
            if_match: Tags::of(request.headers(), &header::IF_MATCH),
            if_none_match: Tags::of(request.headers(), &header::IF_NONE_MATCH),
            version: VersionSlot::default(),
        };
        request
            .extensions_mut()
            .insert(precondition.version.clone());
        precondition
    }

    /// What the request is about, when it has a version.
    pub const fn target(&self) -> Option<Versioned> {
        self.target
    }

    /// Locks the target and compares its version. What is not there is left to the handler's 404.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn is_met(&self, conn: &mut PgConnection) -> QueryResult<bool> {
        let Some(target) = self.target else {
            return Ok(true);
        };
        if self.if_match.is_none() && self.if_none_match.is_none() {
            return Ok(true);
        }
        target.lock(conn)?;
        let Some(version) = target.version(conn)? else {
            return Ok(true);
        };
        let is_other = |tags: &Tags| !tags.match_version(&version, false);
        let is_known = |tags: &Tags| tags.match_version(&version, true);
        Ok(!self.if_match.as_ref().is_some_and(is_other)
            && !self.if_none_match.as_ref().is_some_and(is_known))
    }

    /// Notes the target's version for the answer's tag: before a read, or at the end of a change.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn note(&self, conn: &mut PgConnection) -> Result<(), Problem> {
        if let Some(target) = self.target {
            self.note_of(conn, target)?;
        }
        Ok(())
    }

    /// Notes the version of something that was just made.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn note_of(&self, conn: &mut PgConnection, made: Versioned) -> Result<(), Problem> {
        if self.version.get().is_none()
            && let Some(version) = made.version(conn)?
        {
            // Nobody else notes it meanwhile; were it so, the older one would be the safe one.
            let _ = self.version.set(version);
        }
        Ok(())
    }

    /// The version that was noted.
    pub fn version(&self) -> Option<&str> {
        OnceLock::get(&self.version).map(String::as_str)
    }
}
