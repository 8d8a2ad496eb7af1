//! `natter streams verify`: reads every lane's log from its first event, recomputes the hash chain, and compares the
//! stream's messages with it where NATS is named. Names the first broken place of each lane.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use natter_streams::{Lane, Link, Log, bus::Bus, stream};
use std::process::ExitCode;

const PAGE: usize = 1_000;

pub async fn verify(log: &Log, bus: Option<&Bus>) -> Result<ExitCode> {
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    let mut broken = 0;
    for lane in log.lanes().iter() {
        match verify_lane(log, bus, lane, &progress).await {
            Ok(events) => progress.suspend(|| println!("lane {lane}: {events} events, the chain holds")),
            Err(error) => {
                broken += 1;
                progress.suspend(|| println!("lane {lane}: BROKEN: {error:#}"));
            }
        }
    }
    progress.finish_and_clear();
    println!("{} lanes read, {broken} broken", log.lanes().count());
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many events the lane has, if all of them are what they were.
async fn verify_lane(log: &Log, bus: Option<&Bus>, lane: Lane, progress: &ProgressBar) -> Result<u64> {
    let mut last = Link::start(lane, log.incarnation(lane).await?);
    let compare = match bus {
        Some(bus) => stream::Audit::open(bus, &last).await?,
        None => None,
    };
    loop {
        let page = log.read(&last, PAGE).await?;
        let Some(newest) = page.last() else { return Ok(last.position) };
        if let Some(audit) = &compare {
            for record in &page {
                audit.compare(record).await.with_context(|| format!("stream of lane {lane}"))?;
            }
        }
        last = newest.link();
        progress.set_message(format!("lane {lane}: {} events", last.position));
        progress.tick();
    }
}
