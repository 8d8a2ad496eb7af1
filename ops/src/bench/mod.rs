//! `natter bench`: each scenario prints our figure beside the raw limit or peer of the same run, as a ratio, because
//! an absolute figure says more about the machine than about Natter.

mod append;
mod bare;
pub mod chaos;
mod compare;
pub mod counters;
mod cpu;
mod crowd;
mod engine;
pub mod groups;
pub mod history;
mod ids;
mod load;
pub mod login;
mod machine;
pub mod mixed;
pub mod node;
mod people;
pub mod presence;
mod raw;
pub mod replay;
pub mod report;
mod scale;
mod scratch;
mod send;
pub mod view;
mod zipf;

use crate::config::HistoryArgs;
use anyhow::{Result, bail};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// `list` names the scenarios
    pub scenario: String,
    /// A running server to measure; without it a private one is started, servers and all
    #[arg(long)]
    pub url: Option<String>,
    /// Where to write the result as one JSON object
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Seconds of the measured phase
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Pairs of people that talk
    #[arg(long, default_value_t = 128)]
    pub pairs: usize,
    /// Messages that each person has on the way at once [default: 4; append: 32]
    #[arg(long)]
    pub window: Option<usize>,
    /// Lanes of the log that is measured [default: 16]
    #[arg(long)]
    pub lanes: Option<u16>,
    /// send: the part of the full rate at which times are measured
    #[arg(long, default_value_t = 0.8)]
    pub pace: f64,
    /// chaos: how many faults [default: one for each 5000 sends, twelve at the least]
    /// history, replay: events that are there before anything is measured [default: 200000; replay: 1000000]
    #[arg(long)]
    pub count: Option<usize>,
    #[command(flatten)]
    pub chaos: chaos::ChaosArgs,
    #[command(flatten)]
    pub groups: groups::GroupsArgs,
    #[command(flatten)]
    pub scale: scale::ScaleArgs,
    #[command(flatten)]
    pub crowd: crowd::CrowdArgs,
    #[command(flatten)]
    pub presence: presence::PresenceArgs,
    #[command(flatten)]
    pub mixed: mixed::MixedArgs,
    #[command(flatten)]
    pub store: HistoryArgs,
}

const SCENARIOS: &[(&str, &str)] = &[
    ("append", "commands per second of the engine alone, beside the bare INSERT"),
    ("chaos", "acknowledged sends under kills, pauses and restarts of every process, reconciled at every member"),
    ("compare-postgres-es", "the same commands through stock cqrs-es on postgres-es, 256 on the way"),
    (
        "groups",
        "create, add, join, leave and a new role in groups of 10 to 100,000; bytes of state, rows for a message",
    ),
    ("history", "page reads and projection writes of message history, beside the bare driver's"),
    ("ids", "UUIDv7 per second, rising per process, beside a clock read and an atomic add"),
    (
        "login",
        "logins per second through the door, beside raw argon2id on as many cores; what the door costs a request",
    ),
    (
        "mixed",
        "what people do in an ordinary hour over 1,000 connections, each kind timed, beside pings over the same ones",
    ),
    (
        "presence",
        "change of somebody's presence to everybody who watches them, 10,000 online, beside a bare message over NATS",
    ),
    ("replay", "events per second rebuilt into relations and history, beside reading the log; sends meanwhile"),
    ("scale", "messages per second by nodes that share the lanes, and by lanes"),
    ("send", "durable messages per second over WebSockets, beside insert + publish + history insert"),
];

pub async fn bench(args: BenchArgs) -> Result<ExitCode> {
    let report = match args.scenario.as_str() {
        "list" => {
            list();
            return Ok(ExitCode::SUCCESS);
        }
        "append" => append::run(&args).await?,
        "chaos" => chaos::report(&args).await?,
        "compare-postgres-es" => compare::run(&args).await?,
        "groups" => groups::run(&args).await?,
        "history" => history::run(&args).await?,
        "ids" => ids::run()?,
        "login" => login::run(&args).await?,
        "mixed" => mixed::run(&args).await?,
        "presence" => presence::run(&args).await?,
        "replay" => replay::run(&args).await?,
        "scale" => scale::run(&args).await?,
        "send" => send::run(&args).await?,
        other => bail!("no scenario {other:?}: `natter bench list` names them"),
    };
    report.print();
    if let Some(path) = &args.json {
        report.write(path)?;
    }
    Ok(if report.law_holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list() {
    for (name, what) in SCENARIOS {
        println!("{name:<20} {what}");
    }
}

pub use load::{LoadArgs, load};
