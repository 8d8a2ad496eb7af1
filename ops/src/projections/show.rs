//! What there is, and how it stands.

use anyhow::Result;
use natter_domain::Timestamp;
use natter_projections::generation::{self, Standing, State};
use natter_streams::Log;
use std::process::ExitCode;

pub async fn list(log: &Log) -> Result<ExitCode> {
    for entry in generation::list(log.pool()).await? {
        let compared = match entry.compared_at {
            Some(at) => format!(", found the same {at}"),
            None => String::new(),
        };
        let live = if entry.state == State::Live { since(entry.live_at) } else { String::new() };
        println!(
            "{:<14} {:<9} {}  made {}{compared}{live}",
            entry.reader(),
            entry.state.as_str(),
            entry.store,
            entry.created_at
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn since(at: Option<Timestamp>) -> String {
    at.map(|at| format!(", live since {at}")).unwrap_or_default()
}

pub async fn status(log: &Log) -> Result<ExitCode> {
    for Standing { entry, lanes, set_aside, skipped } in generation::status(log).await? {
        let behind: u64 = lanes.iter().map(|(_, place, head)| head.saturating_sub(*place)).sum();
        let (reader, state) = (entry.reader(), entry.state.as_str());
        println!("{reader} ({state}): {behind} events behind, {set_aside} set aside, {skipped} skipped");
        for (lane, place, head) in lanes {
            let said = match head.checked_sub(place) {
                Some(behind) => format!("{behind} behind"),
                None => "BEYOND the log: see `natter streams check`".to_owned(),
            };
            println!("  lane {lane}: {place} of {head}, {said}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
