//! What projectors have set aside. Whoever has it applied or gives it up says so in the log first, as an event.

use crate::streams::Stores;
use anyhow::{Context, Result};
use clap::Args;
use natter_commands::Projections;
use natter_domain::EventId;
use natter_projections::generation::{self, Failure, Operator, Retried};
use natter_streams::{
    Log, Node,
    feed::Feeds,
    lease::{self, Directory},
};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Args, Clone, Debug)]
pub struct AskingArgs {
    /// Who asks: written down for who audits the log
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
}

/// Success where nothing was.
pub async fn list(log: &Log) -> Result<ExitCode> {
    let failures = generation::failures(log).await?;
    for failure in &failures {
        let behind = format!("waits for the one before it, as all of {}", failure.key);
        let why = if failure.is_first { &failure.reason } else { &behind };
        println!(
            "{} lane {} position {} {} {} aggregate {} event {}: {why}",
            generation::reader(failure.projection, failure.generation),
            failure.lane,
            failure.position,
            failure.at,
            failure.event,
            failure.aggregate_id,
            failure.event_id,
        );
    }
    println!("{} events are set aside", failures.len());
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn retry(
    stores: &Stores,
    log: &Log,
    operator: &Operator,
    aggregate: Option<Uuid>,
    asking: &AskingArgs,
) -> Result<ExitCode> {
    let name = operator.projection().as_str();
    written_down(stores, log, async |projections| projections.retry(name, aggregate, &asking.by).await).await?;
    Ok(told(&operator.retry(aggregate).await?))
}

pub async fn skip(
    stores: &Stores,
    log: &Log,
    operator: &Operator,
    aggregate: Uuid,
    asking: &AskingArgs,
) -> Result<ExitCode> {
    let name = operator.projection().as_str();
    let given_up = operator.skippable(aggregate).await?;
    let events = events(&given_up);
    written_down(stores, log, async |projections| projections.skip(name, aggregate, events, &asking.by).await).await?;
    Ok(told(&operator.skip(&given_up).await?))
}

/// Each once: generations give up the same.
fn events(given_up: &[Failure]) -> Vec<EventId> {
    let mut events: Vec<EventId> = given_up.iter().map(|failure| EventId(failure.event_id)).collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// Asks the owner of the lane, as any node does.
async fn written_down(
    stores: &Stores,
    log: &Log,
    ask: impl AsyncFnOnce(&Projections) -> Result<(), natter_commands::Error>,
) -> Result<()> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let bus = stores.bus().await?;
    let directory = Directory::start(log, &bus, &stop).await?;
    let feeds = Feeds::start(log, &stop).await?;
    let node = Node::new("operator");
    let context = lease::Context { log: log.clone(), bus, node, settings: lease::Settings::default(), directory };
    let (projections, _tasks) = Projections::reach(&context, feeds, &stop);
    ask(&projections).await.context("write down who asks: are nodes that decide commands running?")
}

/// Success where nothing is left.
fn told(retried: &Retried) -> ExitCode {
    println!("{} events applied, {} are left", retried.applied, retried.left);
    if retried.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
