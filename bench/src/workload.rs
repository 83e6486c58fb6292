//! What is asked of the store: the workloads, each as requests for different people and things.

use std::fmt;

use anyhow::ensure;
use clap::ValueEnum;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::clerk::Clerk;
use crate::webhooks;

/// So many people learn at once.
const LEARNERS: usize = 2000;
/// Deliveries that are signed for one round. They are good for five minutes.
const DELIVERIES: u32 = 20_000;

/// What W7 is made of, in percent.
const MIX: [(Workload, usize); 6] = [
    (Workload::W4, 35),
    (Workload::W6, 35),
    (Workload::W1, 10),
    (Workload::W2, 10),
    (Workload::W3, 8),
    (Workload::W5, 2),
];

/// One request, as it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Request {
    pub fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// Sends it to a store at this address.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn send(
        &self,
        http: &reqwest::Client,
        url: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let mut asked = http.request(self.method.parse()?, format!("{url}{}", self.path));
        for (name, value) in &self.headers {
            asked = asked.header(*name, value);
        }
        Ok(asked.body(self.body.clone()).send().await?)
    }

    fn by(mut self, learner: &Learner) -> Self {
        let authorization = format!("Bearer {}", learner.token);
        self.headers.push(("Authorization", authorization));
        self
    }
}

/// The workloads, by the numbers that the table gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum Workload {
    /// A page of the catalogue
    W1,
    /// A product with the outline of its courses
    W2,
    /// The courses of a learner
    W3,
    /// A lesson with the one before and the one after
    W4,
    /// Ticking a lesson off, or unticking it
    W5,
    /// The player of a course with 100 lessons
    W6,
    /// 70 % W4 and W6, 20 % W1 and W2, 8 % W3, 2 % W5
    W7,
    /// Webhooks that are received
    W8,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::W1 => "W1 catalogue",
            Self::W2 => "W2 product",
            Self::W3 => "W3 my courses",
            Self::W4 => "W4 lesson",
            Self::W5 => "W5 completion",
            Self::W6 => "W6 player",
            Self::W7 => "W7 mix",
            Self::W8 => "W8 webhooks",
        })
    }
}

/// Somebody with a session and with access to a course.
struct Learner {
    token: String,
    course_id: String,
    lesson_id: String,
}

/// Whom and what the requests are about.
pub struct Subjects {
    learners: Vec<Learner>,
    product_ids: Vec<String>,
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Text)]
    clerk_user_id: String,
    #[diesel(sql_type = Text)]
    course_id: String,
    #[diesel(sql_type = Text)]
    lesson_id: String,
}

#[derive(QueryableByName)]
struct Product {
    #[diesel(sql_type = Text)]
    id: String,
}

impl Subjects {
    /// Chooses them from a large store, always the same ones.
    ///
    /// # Errors
    /// When the store has none.
    pub fn choose(database_url: &str, clerk: &Clerk) -> anyhow::Result<Self> {
        let mut conn = PgConnection::establish(database_url)?;
        let held: Vec<Held> = diesel::sql_query(include_str!("learners.sql")).load(&mut conn)?;
        let products: Vec<Product> = diesel::sql_query(
            "SELECT id::text FROM products WHERE status = 'public' AND deleted_at IS NULL ORDER BY md5(id::text) LIMIT 200",
        )
        .load(&mut conn)?;
        ensure!(
            !held.is_empty() && !products.is_empty(),
            "the store has no learners or no products"
        );
        let learners = held.into_iter().take(LEARNERS).map(|held| {
            Ok(Learner {
                token: clerk.token(&held.clerk_user_id)?,
                course_id: held.course_id,
                lesson_id: held.lesson_id,
            })
        });
        Ok(Self {
            learners: learners.collect::<anyhow::Result<_>>()?,
            product_ids: products.into_iter().map(|product| product.id).collect(),
        })
    }

    /// Leaves no more of them than the other store has: it is the store that grows, not what is asked at once.
    pub fn limit_to(&mut self, other: &Self) {
        self.learners.truncate(other.learners.len());
        self.product_ids.truncate(other.product_ids.len());
    }

    /// The requests of a workload, each once.
    ///
    /// # Errors
    /// When a webhook cannot be signed.
    pub fn requests(&self, workload: Workload) -> anyhow::Result<Vec<Request>> {
        let learners = self.learners.iter();
        Ok(match workload {
            Workload::W1 => vec![Request::get("/v1/products".to_owned())],
            Workload::W2 => self
                .product_ids
                .iter()
                .map(|id| Request::get(format!("/v1/products/{id}")))
                .collect(),
            Workload::W3 => learners
                .map(|learner| Request::get("/v1/me/courses".to_owned()).by(learner))
                .collect(),
            Workload::W4 => learners.map(lesson).collect(),
            Workload::W5 => completions(learners).collect(),
            Workload::W6 => learners.map(player).collect(),
            Workload::W7 => self.mix()?,
            Workload::W8 => (0..DELIVERIES)
                .map(webhooks::delivery)
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// Each hundred requests have so many of each kind, well mixed.
    fn mix(&self) -> anyhow::Result<Vec<Request>> {
        let mut kinds = Vec::new();
        for (workload, percent) in MIX {
            kinds.push((percent, self.requests(workload)?.into_iter().cycle()));
        }
        let mut mixed = Vec::new();
        for place in 0..LEARNERS * 10 {
            // A step that has no factor in common with 100 comes to each number once.
            let mut number = place * 37 % 100;
            for (percent, requests) in &mut kinds {
                if number < *percent {
                    mixed.extend(requests.next());
                    break;
                }
                number -= *percent;
            }
        }
        Ok(mixed)
    }
}

fn lesson(learner: &Learner) -> Request {
    let Learner {
        course_id,
        lesson_id,
        ..
    } = learner;
    Request::get(format!("/v1/courses/{course_id}/lessons/{lesson_id}")).by(learner)
}

fn player(learner: &Learner) -> Request {
    Request::get(format!("/v1/courses/{}", learner.course_id)).by(learner)
}

/// All tick, then all untick: nearly every request changes something.
fn completions<'a>(
    learners: impl Iterator<Item = &'a Learner> + Clone + 'a,
) -> impl Iterator<Item = Request> + 'a {
    let of = |method| {
        move |learner: &Learner| Request {
            method,
            ..Request::get(format!("/v1/me/lessons/{}/completion", learner.lesson_id)).by(learner)
        }
    };
    learners
        .clone()
        .map(of("PUT"))
        .chain(learners.map(of("DELETE")))
}
