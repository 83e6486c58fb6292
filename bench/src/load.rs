//! The mix of workloads at half of what the store can do, at twice as much, and afterwards.

use std::path::Path;
use std::time::Duration;

use crate::rig::Rig;
use crate::steady::{self, Answer, Offer};
use crate::store::Store;
use crate::table::Bar;
use crate::workload::Workload;
use crate::wrk;

#[derive(clap::Args)]
pub struct Options {
    /// How large the store is: see `lectern seed --scale`
    #[arg(long, default_value = "1")]
    scale: String,
    /// For how many seconds half of the capacity is offered
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// For how many seconds twice the capacity is offered
    #[arg(long, default_value_t = 60)]
    overload: u32,
}

/// What everybody gets who is answered in time.
const IN_TIME: Duration = Duration::from_millis(25);
/// For how long the capacity is looked for, and the recovery watched.
const LOOK: Duration = Duration::from_secs(10);
/// So many wait at once when too much is offered.
const CROWD: u32 = 512;

/// Measures, and prints the bars.
///
/// # Errors
/// When something does not start, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let store = rig.serve("load", &[], &[]).await?;
    let requests = rig.subjects.requests(Workload::W7)?;
    let requests = requests
        .iter()
        .map(steady::wire)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let offer = |rate, connections, lasts| Offer {
        address: store.url.replace("http://", ""),
        requests: requests.clone(),
        rate,
        connections,
        lasts,
    };
    // Once to fill the caches.
    steady::make(offer(None, wrk::CONNECTIONS, LOOK / 2)).await?;
    let answers = steady::make(offer(None, wrk::CONNECTIONS, LOOK)).await?;
    let capacity = rate(&answers, LOOK);
    println!("capacity of this driver: {capacity:.0} requests a second");

    let seconds = Duration::from_secs(options.seconds.into());
    let half = steady::make(offer(Some(capacity / 2.0), wrk::CONNECTIONS * 2, seconds)).await?;
    let failed = half.iter().filter(|answer| !answer.is_good()).count();
    println!("half of it: {failed} of {} failed", half.len());
    let p99_at_half = at(
        &mut millis(&half, Answer::is_good, |answer| answer.took),
        0.99,
    );

    let overload = Duration::from_secs(options.overload.into());
    let twice = steady::make(offer(Some(capacity * 2.0), CROWD, overload)).await?;
    let after = steady::make(offer(Some(capacity / 2.0), wrk::CONNECTIONS * 2, LOOK)).await?;
    describe(&store, &twice, overload).await?;
    let recovered = recovery(&after);
    let bars = [
        Bar::below("W7 at half of capacity: p99", p99_at_half, 25.0, "ms"),
        Bar::at_least(
            "twice the capacity: goodput to capacity",
            rate(&twice, overload) / capacity,
            0.8,
        ),
        Bar::below(
            "twice the capacity: p99 of a refusal, once it could be sent",
            at(
                &mut millis(&twice, Answer::is_refusal, |answer| answer.answered_in),
                0.99,
            ),
            50.0,
            "ms",
        ),
        Bar::below("recovery", recovered.as_secs_f64(), 2.0, "s"),
    ];
    Bar::print(&bars);
    drop(store);
    rig.clerk.stop().await;
    Ok(())
}

/// Good answers a second, of those that came in time for being counted.
fn rate(answers: &[Answer], lasts: Duration) -> f64 {
    let in_time = |answer: &&Answer| answer.is_good() && answer.due + answer.took <= lasts;
    answers.iter().filter(in_time).count() as f64 / lasts.as_secs_f64()
}

/// How long those answers took by one of their two times, in milliseconds: from when they were due, or from when a
/// connection was free. What lies between is the driver's: no store can answer what was not sent.
fn millis(
    answers: &[Answer],
    which: fn(&Answer) -> bool,
    time: fn(&Answer) -> Duration,
) -> Vec<f64> {
    let chosen = answers.iter().filter(|answer| which(answer));
    chosen
        .map(|answer| time(answer).as_secs_f64() * 1e3)
        .collect()
}

/// The end of the last half second in which more than one in a hundred was not answered in time.
fn recovery(answers: &[Answer]) -> Duration {
    const WINDOW: Duration = Duration::from_millis(500);
    let window = |answer: &Answer| answer.due.as_millis() / WINDOW.as_millis();
    let mut bad = answers
        .chunk_by(|one, next| window(one) == window(next))
        .filter(|answers| {
            let late = |answer: &&Answer| !answer.is_good() || answer.took > IN_TIME;
            answers.iter().filter(late).count() * 100 > answers.len()
        });
    let last = bad.next_back().and_then(<[Answer]>::last);
    last.map(|answer| answer.due).unwrap_or_default()
}

/// The number that such a share does not exceed; 0 of none.
fn at(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let place = (numbers.len() as f64 * share) as usize;
    let place = place.min(numbers.len().saturating_sub(1));
    numbers.get(place).copied().unwrap_or_default()
}

/// What became of everything that was offered.
async fn describe(store: &Store, answers: &[Answer], lasts: Duration) -> anyhow::Result<()> {
    let count = |which: fn(&Answer) -> bool| answers.iter().filter(|answer| which(answer)).count();
    println!(
        "twice as much: {} in {lasts:?}: {} good, {} refused, {} broken or wrong",
        answers.len(),
        count(Answer::is_good),
        count(Answer::is_refusal),
        count(|answer| !answer.is_good() && !answer.is_refusal()),
    );
    let (mut good, mut due) = (
        millis(answers, Answer::is_good, |answer| answer.answered_in),
        millis(answers, Answer::is_good, |answer| answer.took),
    );
    println!(
        "good answers took {:.0} ms (p50), {:.0} ms (p99), from when they were due {:.0} ms (p50); the store has {:.0} MiB now",
        at(&mut good, 0.5),
        at(&mut good, 0.99),
        at(&mut due, 0.5),
        crate::process::resident(store.pid())? as f64 / f64::from(1 << 20),
    );
    Ok(())
}
