//! Measures a built `lectern` against a Postgres of its own. Figures, and how they came about, are in README.md.

mod clerk;
mod cost;
mod fixed;
mod growth;
mod load;
mod pgbench;
mod postgres;
mod process;
mod rig;
mod rivals;
mod run;
mod stacks;
mod steady;
mod store;
mod table;
mod webhooks;
mod workload;
mod wrk;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use lectern::signals::EndSignals;

/// What Lectern does in how much time.
#[derive(Parser)]
#[command(name = "lectern-bench")]
struct Cli {
    /// The program to measure; the one beside this one unless given
    #[arg(long, global = true)]
    lectern: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a large store as fast as it answers, beside pgbench and fixed answers
    Run(run::Options),
    /// Offer a large store half of what it can do, and twice as much
    Load(load::Options),
    /// Look at what the program costs: time to start, memory, size
    Cost(cost::Options),
    /// Ask a small store and a large one by turns
    Growth(growth::Options),
    /// Ask servers of other stacks by turns with the program, for the same on the same database
    Rivals(rivals::Options),
    /// Deliver webhook events at a steady rate: how long receipts take, and how long the inbox needs afterwards
    Webhooks(webhooks::Options),
    /// Serve fixed answers, configured as `lectern serve` is
    Fixed,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut signals = EndSignals::listen()?;
    // What was started ends with this, also when it is told to stop in the middle.
    tokio::select! {
        done = run(cli) => done,
        () = signals.next() => Ok(()),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let lectern = || store::program(cli.lectern);
    match cli.command {
        Command::Run(options) => run::run(&lectern()?, &options).await,
        Command::Load(options) => load::run(&lectern()?, &options).await,
        Command::Cost(options) => cost::run(&lectern()?, &options).await,
        Command::Growth(options) => growth::run(&lectern()?, &options).await,
        Command::Rivals(options) => rivals::run(&lectern()?, &options).await,
        Command::Webhooks(options) => webhooks::run(&lectern()?, &options).await,
        Command::Fixed => fixed::serve().await,
    }
}
