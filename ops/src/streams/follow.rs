//! Prints what happens, from the streams: what an analyst or an auditor would build upon.

use anyhow::Result;
use natter_streams::{Lane, Link, Log, Record, bus::Bus, reader::Reader};
use std::{io::Write, process::ExitCode};
use tokio::task::JoinSet;

const BATCH: usize = 1_000;

pub async fn follow(log: &Log, bus: &Bus, all: bool) -> Result<ExitCode> {
    let mut lanes = JoinSet::new();
    for lane in log.lanes().iter() {
        lanes.spawn(follow_lane(log.clone(), bus.clone(), lane, all));
    }
    // The first lane to end ends all: nobody reads on.
    if let Some(ended) = lanes.join_next().await {
        ended??;
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow_lane(log: Log, bus: Bus, lane: Lane, all: bool) -> Result<()> {
    let incarnation = log.incarnation(lane).await?;
    let from = if all { Link::start(lane, incarnation) } else { log.head(lane, incarnation).await?.link };
    let mut reader = Reader::stream(log, &bus, from);
    loop {
        for record in reader.next(BATCH).await? {
            if writeln!(std::io::stdout(), "{}", line(&record)).is_err() {
                return Ok(());
            }
        }
    }
}

/// `0a:17 2026-11-21T09:30:00.000Z conversation.message_sent <aggregate> <payload>`
pub fn line(record: &Record) -> String {
    let Record { lane, position, time, aggregate_id, payload, .. } = record;
    format!("{lane}:{position} {time} {} {aggregate_id} {payload}", record.name())
}
