//! What was read from the database a moment ago and still holds, so that most requests need not ask it at all.
//!
//! Nothing from here is staler than [`crate::freshness`] allows. Whatever gives or takes money or access does not look
//! here: it reads the database in its own transaction.

mod kept;
mod shelf;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::uri::PathAndQuery;
use actix_web::{HttpRequest, HttpResponse};
use diesel::PgConnection;
use diesel::prelude::QueryResult;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::kept::{CountsIn, Held};
pub use self::shelf::Keep;
use self::shelf::Shelf;
use crate::auth::token::{Claims, TokenError, Verified, Verifier};
use crate::db::Db;
use crate::domain::cursor::Cursor;
use crate::domain::outline::Outline;
use crate::domain::slice::{Slice, SliceSize};
use crate::domain::ticks::Ticks;
use crate::freshness::{Basis, Freshness, Tag};
use crate::http::finished::Finished;
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::repositories::user::{self, Person};
use crate::repositories::{outline, user_course_access, user_lesson_complete};

/// Every shelf, and the database behind them. Cheap to clone.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    db: Db,
    /// By the SHA-256 of the token.
    sessions: Shelf<[u8; 32], Verified>,
    people: Shelf<String, Person>,
    held: Shelf<Uuid, Held>,
    outlines: Shelf<Uuid, Outline>,
    ticks: Shelf<Uuid, Ticks>,
    lessons: Shelf<Uuid, CountsIn>,
    /// By address.
    pages: Shelf<String, Finished>,
}

/// Courses that are not deleted, and what a learner has ticked off.
pub type Studies = (Vec<Arc<Outline>>, Arc<Ticks>);

impl Cache {
    /// Empty shelves that share so many bytes; with none, everything is read from the database.
    pub fn new(bytes: u64, db: Db, freshness: &Freshness, metrics: &Metrics) -> Self {
        // Outlines are the largest, and many learners look at the same one.
        let share = |twentieths| bytes / 20 * twentieths;
        Self(Arc::new(Inner {
            db,
            sessions: Shelf::new(share(2), freshness.clone(), metrics.cache("sessions")),
            people: Shelf::new(share(2), freshness.clone(), metrics.cache("people")),
            held: Shelf::new(share(2), freshness.clone(), metrics.cache("held_courses")),
            outlines: Shelf::new(share(7), freshness.clone(), metrics.cache("outlines")),
            ticks: Shelf::new(share(2), freshness.clone(), metrics.cache("ticks")),
            lessons: Shelf::new(share(1), freshness.clone(), metrics.cache("lessons")),
            pages: Shelf::new(share(4), freshness.clone(), metrics.cache("pages")),
        }))
    }

    /// What a session token says, once it was checked. It is remembered by its hash: nobody can send that.
    ///
    /// # Errors
    /// Why it is not accepted, which is not remembered.
    pub async fn session(
        &self,
        verifier: &Verifier,
        token: &str,
    ) -> Result<Arc<Claims>, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let known = self.0.sessions.get(&hash);
        if let Some(verified) = known.filter(|verified| verified.is_current()) {
            return Ok(Arc::clone(&verified.claims));
        }
        let checked_at = Instant::now();
        let verified = Arc::new(Verified::new(verifier.verify(token).await?));
        self.0.sessions.put(hash, &verified, checked_at);
        Ok(Arc::clone(&verified.claims))
    }

    /// The person behind a valid token, provisioned on first sight; also one who was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn person(&self, clerk_user_id: &str) -> Result<Arc<Person>, Problem> {
        if let Some(person) = self.0.people.get(clerk_user_id) {
            return Ok(person);
        }
        let (cache, clerk_user_id) = (self.clone(), clerk_user_id.to_owned());
        let find = move |conn: &mut PgConnection| {
            let read_at = Instant::now();
            let person = match user::find_person(conn, &clerk_user_id)? {
                Some(person) => person,
                None => user::provision(conn, &clerk_user_id)?.into(),
            };
            let person = Arc::new(person);
            cache.0.people.put(clerk_user_id, &person, read_at);
            Ok(person)
        };
        self.0.db.read(find).await
    }

    /// A course, and what the learner, if there is one, has ticked off.
    ///
    /// # Errors
    /// 404 when there is no such course; when the database does not answer.
    pub async fn course(
        &self,
        id: Uuid,
        learner: Option<Uuid>,
    ) -> Result<(Arc<Outline>, Arc<Ticks>), Problem> {
        let (outlines, ticks) = self.courses(vec![id], learner).await?;
        let outline = outlines.into_iter().next();
        Ok((outline.ok_or(Problem::new(Code::NotFound))?, ticks))
    }

    /// A page of the courses that a learner holds, by name, from a place on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_courses(
        &self,
        learner: Uuid,
        after: Option<Cursor<String>>,
        size: SliceSize,
    ) -> Result<(Slice<Arc<Outline>>, Arc<Ticks>), Problem> {
        let to_read = usize::from(size.limit) + 1;
        if after.is_none()
            && let Some(held) = self.0.held.get(&learner)
        {
            let first = held.course_ids.iter().copied().take(to_read).collect();
            let (courses, ticks) = self.courses(first, Some(learner)).await?;
            return Ok((
                Slice::cut(courses, size, || Ok::<_, Problem>(held.count()))?,
                ticks,
            ));
        }
        let cache = self.clone();
        let read = move |conn: &mut PgConnection, basis: &mut Basis| {
            let courses = user_course_access::held(conn, learner, after.as_ref())?;
            let held = Arc::new(Held::new(learner, &courses));
            basis.tags.extend(held.tags().as_ref());
            cache.0.held.put(learner, &held, basis.read_at);
            let next = courses
                .iter()
                .filter(|course| course.is_live && course.is_behind);
            let next: Vec<_> = next.map(|course| course.id).take(to_read).collect();
            let (courses, ticks) = cache.read_courses(conn, &next, Some(learner), basis.read_at)?;
            let slice = Slice::cut(courses, size, || Ok::<_, Problem>(held.count()))?;
            Ok((slice, ticks))
        };
        let tags = vec![Tag::User(learner), Tag::Progress(learner)];
        let (found, _) = self.0.db.read_anywhere(tags, read).await?;
        Ok(found)
    }

    /// Whether it is known that somebody may tick a lesson off: it counts in a course that they hold. When not, the
    /// database has to look.
    pub fn may_complete(&self, learner: &Person, lesson_id: Uuid) -> bool {
        let learner = self.0.people.get(&learner.row.clerk_user_id);
        let course = self.0.lessons.get(&lesson_id);
        learner
            .zip(course)
            .is_some_and(|(learner, course)| learner.may_open(course.0))
    }

    /// A lesson counts in this course, as the database said. All that was committed before `read_at` is in it.
    pub fn lesson_counts_in(&self, lesson_id: Uuid, course_id: Uuid, read_at: Instant) {
        let course = Arc::new(CountsIn(course_id));
        self.0.lessons.put(lesson_id, &course, read_at);
    }

    /// The answer that an address has for everybody. `make` reads what it says.
    ///
    /// # Errors
    /// What `make` returns.
    pub async fn page(
        &self,
        request: &HttpRequest,
        make: impl AsyncFnOnce() -> Result<Finished, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let address = request.uri().path_and_query();
        let address = address.map_or("", PathAndQuery::as_str);
        if let Some(page) = self.0.pages.get(address) {
            return Ok(page.to_response(request));
        }
        let page = Arc::new(make().await?);
        let read_at = page.read_at();
        self.0.pages.put(address.to_owned(), &page, read_at);
        Ok(page.to_response(request))
    }

    /// These courses, in this order.
    async fn courses(&self, ids: Vec<Uuid>, learner: Option<Uuid>) -> Result<Studies, Problem> {
        let outlines = ids.iter().map(|id| self.0.outlines.get(id)).collect();
        let ticks = match learner {
            Some(learner) => self.0.ticks.get(&learner),
            None => Some(Arc::default()),
        };
        if let (Some(outlines), Some(ticks)) = (outlines, ticks) {
            return Ok((outlines, ticks));
        }
        let tags = ids.iter().copied().map(Tag::Course);
        let tags = tags.chain(learner.map(Tag::Progress)).collect();
        let cache = self.clone();
        let read = move |conn: &mut PgConnection, basis: &mut Basis| {
            Ok(cache.read_courses(conn, &ids, learner, basis.read_at)?)
        };
        let (found, _) = self.0.db.read_anywhere(tags, read).await?;
        Ok(found)
    }

    /// The same with a connection, for what is missing.
    fn read_courses(
        &self,
        conn: &mut PgConnection,
        ids: &[Uuid],
        learner: Option<Uuid>,
        read_at: Instant,
    ) -> QueryResult<Studies> {
        let ticks = match learner {
            Some(learner) => self.read_ticks(conn, learner, read_at)?,
            None => Arc::default(),
        };
        Ok((self.read_outlines(conn, ids, read_at)?, ticks))
    }

    /// Those of the courses that are not deleted, in this order; missing ones are read in one statement. The database
    /// has all that was committed before `read_at`.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn read_outlines(
        &self,
        conn: &mut PgConnection,
        ids: &[Uuid],
        read_at: Instant,
    ) -> QueryResult<Vec<Arc<Outline>>> {
        let shelf = &self.0.outlines;
        let known = ids.iter().filter_map(|id| Some((*id, shelf.get(id)?)));
        let mut outlines: HashMap<_, _> = known.collect();
        let mut missing = ids.to_vec();
        missing.retain(|id| !outlines.contains_key(id));
        if !missing.is_empty() {
            for outline in outline::find_all(conn, &missing)? {
                let outline = Arc::new(outline);
                shelf.put(outline.id, &outline, read_at);
                outlines.insert(outline.id, outline);
            }
        }
        Ok(ids.iter().filter_map(|id| outlines.remove(id)).collect())
    }

    fn read_ticks(
        &self,
        conn: &mut PgConnection,
        learner: Uuid,
        read_at: Instant,
    ) -> QueryResult<Arc<Ticks>> {
        if let Some(ticks) = self.0.ticks.get(&learner) {
            return Ok(ticks);
        }
        let lessons = user_lesson_complete::lesson_ids(conn, learner)?;
        let ticks = Arc::new(Ticks::new(learner, lessons));
        self.0.ticks.put(learner, &ticks, read_at);
        Ok(ticks)
    }
}
