//! Measures a built `lectern` against a Postgres of its own. Figures, and how they came about, are in README.md.

mod store;
mod webhooks;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

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
    /// Deliver webhook events at a steady rate: how long receipts take, and how long the inbox needs afterwards
    Webhooks(webhooks::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Command::Webhooks(options) => webhooks::run(cli.lectern, &options).await,
    }
}
