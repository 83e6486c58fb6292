//! Ticking lessons off: what many learners do at the same time is written together.
//!
//! Every commit waits for the disk, and in Postgres those that notify wait for each other as well. So there is one
//! writer, which takes all that waits and writes it in one statement; what comes meanwhile waits for the next.

use std::collections::{HashSet, VecDeque};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::cache::Cache;
use crate::db::Db;
use crate::freshness::{Freshness, Tag};
use crate::problem::{Code, Problem, database_unavailable};
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
#[derive(Clone)]
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
            let asked: Vec<_> = batch.iter().map(|waiting| waiting.asked.clone()).collect();
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
                let alike = batch.iter().map(|_| Err(problem.clone()));
                alike.collect()
            });
            for (waiting, answer) in batch.into_iter().zip(answers) {
                // Who has hung up needs no answer.
                let _ = waiting.answer.send(answer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer for each. What fails together, because a lesson among them is just being removed, is written one by one, and
/// nothing is taken as known.
fn write_batch(
    conn: &mut PgConnection,
    cache: &Cache,
    ticks: &[Tick],
) -> Result<Vec<Answer>, Problem> {
    match write_together(conn, cache, ticks) {
        Err(error) if !conn.is_broken() => {
            tracing::info!(%error, "ticks are written one by one");
            let alone = |tick: &Tick| {
                let tick = Tick {
                    allowed: false,
                    ..*tick
                };
                let answers = write_together(conn, cache, slice::from_ref(&tick))?;
                answers.into_iter().collect()
            };
            Ok(ticks.iter().map(alone).collect())
        }
        answers => Ok(answers?),
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
