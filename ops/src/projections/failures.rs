//! What projectors have set aside.

use anyhow::Result;
use natter_projections::generation::{self, Retried};
use natter_streams::Log;
use std::process::ExitCode;

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

/// Success where nothing is left.
pub fn told(retried: &Retried) -> ExitCode {
    println!("{} events applied, {} are left", retried.applied, retried.left);
    if retried.left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
