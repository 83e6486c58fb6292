//! Ticking lessons off: what many learners do at the same time is written together.
//!
//! Every commit waits for the disk, and in Postgres those that notify wait for each other as well. So there is one
//! writer, which takes all that waits and writes it in one statement; what comes meanwhile waits for the next. Whether a
//! learner may is taken from what is kept where that says yes; of all others the statement finds out.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::auth::still::LONG;
use crate::cache::Cache;
use crate::db::Db;
use crate::freshness::{Freshness, Tag};
use crate::problem::{Code, Problem, database_unavailable, is_deadlock};
use crate::repositories::user::Person;
use crate::repositories::user_lesson_complete::{self, Tick};

/// How many are written together at most: as many learners as one notice can name (`announce`).
const BATCH: usize = 150;

/// 204, or why not.
type Answer = Result<(), Problem>;

struct Waiting {
    asked: Asked,
    answer: oneshot::Sender<Answer>,
}

/// Who wants what.
struct Asked {
    learner: Arc<Person>,
    lesson_id: Uuid,
    completed: bool,
}

impl Asked {
    /// Judged now, by what is kept: those who wait may lose the right meanwhile.
    fn tick(&self, cache: &Cache) -> Tick {
        Tick {
            user_id: self.learner.row.id,
            lesson_id: self.lesson_id,
            completed: self.completed,
            allowed: cache.may_complete(&self.learner, self.lesson_id),
        }
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Gone when nobody writes, be it that there was nothing left or that the writer's runtime has ended.
    writer: Weak<Writing>,
}

/// Held by the one who writes.
struct Writing;

/// The queue and its writer, which is there only while something waits. Cheap to clone.
#[derive(Clone)]
pub struct Ticking {
    db: Db,
    cache: Cache,
    freshness: Freshness,
    queue: Arc<Mutex<Queue>>,
}

impl Ticking {
    /// An empty queue.
    pub fn new(db: Db, cache: Cache, freshness: Freshness) -> Self {
        Self {
            db,
            cache,
            freshness,
            queue: Arc::default(),
        }
    }

    /// Ticks a lesson off, or unticks it; again changes nothing.
    ///
    /// # Errors
    /// 404 for a lesson that counts for nobody, 403 `course-access-required` for those who do not hold its course; 503
    /// when the database does not answer.
    pub async fn set(&self, learner: Arc<Person>, lesson_id: Uuid, completed: bool) -> Answer {
        let asked = Asked {
            learner,
            lesson_id,
            completed,
        };
        let (answer, answered) = oneshot::channel();
        if let Some(writing) = self.enqueue(Waiting { asked, answer }) {
            // In a task of its own: the one who happens to be first may hang up.
            tokio::spawn(self.clone().write(writing));
        }
        let ended = |_| Err(database_unavailable(&"the writer ended early"));
        answered.await.unwrap_or_else(ended)
    }

    /// Returns the right to write when nobody has it.
    fn enqueue(&self, waiting: Waiting) -> Option<Arc<Writing>> {
        let mut queue = self.lock();
        queue.waiting.push_back(waiting);
        (queue.writer.strong_count() == 0).then(|| {
            let writing = Arc::new(Writing);
            queue.writer = Arc::downgrade(&writing);
            writing
        })
    }

    /// What is written next, in the order in which it came, up to the second of the same learner and lesson. With nothing
    /// left, the right to write is free again.
    fn next_batch(&self) -> Vec<Waiting> {
        let mut queue = self.lock();
        let mut seen = HashSet::new();
        let is_new =
            |Waiting { asked, .. }: &&Waiting| seen.insert((asked.learner.row.id, asked.lesson_id));
        let count = queue.waiting.iter().take(BATCH).take_while(is_new).count();
        if count == 0 {
            queue.writer = Weak::new();
        }
        queue.waiting.drain(..count).collect()
    }

    async fn write(self, _writing: Arc<Writing>) {
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let batch = batch.into_iter().map(|one| (one.asked, one.answer));
            let (asked, waiting): (Vec<_>, Vec<_>) = batch.unzip();
            let (cache, freshness) = (self.cache.clone(), self.freshness.clone());
            let write = move |conn: &mut PgConnection| {
                let ticks: Vec<_> = asked.iter().map(|asked| asked.tick(&cache)).collect();
                let written = write_batch(conn, &cache, &ticks);
                // Also when nobody knows whether it was committed.
                for tick in &ticks {
                    freshness.bump(Tag::Progress(tick.user_id));
                }
                written
            };
            let answers = self.db.read(write).await.unwrap_or_else(|problem| {
                let alike = waiting.iter().map(|_| Err(problem.clone()));
                alike.collect()
            });
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                // Who has hung up needs no answer.
                let _ = waiting.send(answer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer for each. What fails together because of one among them is written one by one.
fn write_batch(
    conn: &mut PgConnection,
    cache: &Cache,
    ticks: &[Tick],
) -> Result<Vec<Answer>, Problem> {
    let begun = Instant::now();
    let answers = write_together(conn, cache, ticks);
    let judged_anew = |tick: &Tick| Tick {
        allowed: false,
        ..*tick
    };
    match answers {
        Err(error) if may_be_of_one(&error) => {
            tracing::info!(%error, "ticks are written one by one");
            let alone = |tick| {
                let judged = write_together(conn, cache, &[judged_anew(tick)])?.pop();
                judged.unwrap_or(Err(Problem::new(Code::NotFound)))
            };
            Ok(ticks.iter().map(alone).collect())
        }
        // It stood still, behind a lock or a network that was cut, and what was known may hold no longer.
        Ok(_) if begun.elapsed() >= LONG && ticks.iter().any(|tick| tick.allowed) => {
            let ticks: Vec<_> = ticks.iter().map(judged_anew).collect();
            Ok(write_together(conn, cache, &ticks)?)
        }
        answers => Ok(answers?),
    }
}

/// Whether one may have spoilt it for all: its lesson was removed since it was known to be there, or is just being removed.
fn may_be_of_one(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => true,
        error => is_deadlock(error),
    }
}

/// An answer for each, and what the database had to look up is known from now on.
fn write_together(
    conn: &mut PgConnection,
    cache: &Cache,
    ticks: &[Tick],
) -> QueryResult<Vec<Answer>> {
    let read_at = Instant::now();
    let judged = user_lesson_complete::set(conn, ticks)?;
    let answers = ticks.iter().zip(judged).map(|(tick, judged)| {
        if let Some(course_id) = judged.course_id {
            cache.lesson_counts_in(tick.lesson_id, course_id, read_at);
        }
        match judged.may_complete {
            Some(true) => Ok(()),
            Some(false) => Err(Problem::new(Code::CourseAccessRequired)),
            None => Err(Problem::new(Code::NotFound)),
        }
    });
    Ok(answers.collect())
}
