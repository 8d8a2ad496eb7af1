//! The projection `history` as it catches up, from the log and with its checkpoint, beside the bare driver inserting the
//! same rows: half of them before, half of them after.

use super::super::{
    counters::Counters,
    scratch,
    view::{Site, View},
};
use crate::serve;
use anyhow::{Context, Result};
use natter_projections::{
    Projection,
    message::{
        Change,
        probe::{Probe, Rows},
    },
};
use natter_streams::Lane;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// As many lanes at a time as projectors have connections.
const AT_ONCE: usize = 4;
/// Of the bare insert before the projection has shown its own: a page of the log.
const BATCH: usize = 1_000;

pub struct Writes {
    /// Messages per second.
    pub ours: f64,
    pub bare: f64,
    /// Events, on average.
    pub batch: f64,
}

pub async fn measure(site: &Site, view: &mut View, changes: BTreeMap<Lane, Vec<Change>>, whole: u64) -> Result<Writes> {
    let messages: u64 = changes.values().map(|changes| changes.len() as u64).sum();
    let (first, second) = halves(changes);
    println!("rows         inserted by the bare driver, half of them");
    let before = bare(site, "first", first, BATCH).await?;
    println!("history      catching up");
    let idle = Counters::own();
    let (events, took) = view.catch_up(Projection::History, whole).await?;
    let batches = |of: &str| {
        let name = format!("natter_projection_batch_events_{of}");
        Counters::own().since(&idle, &name, Some("projection=\"history\""))
    };
    let batch = batches("sum") / batches("count").max(1.0);
    println!("rows         the other half");
    let after = bare(site, "second", second, (batch.round() as usize).max(1)).await?;
    // Events that are no messages cost next to nothing here and are not counted.
    let ours = events as f64 / took.as_secs_f64() * messages as f64 / whole as f64;
    Ok(Writes { ours, bare: (before + after) / 2.0, batch })
}

type Lanes = Vec<Vec<Change>>;

fn halves(changes: BTreeMap<Lane, Vec<Change>>) -> (Lanes, Lanes) {
    let half = |mut first: Vec<Change>| {
        let second = first.split_off(first.len() / 2);
        (first, second)
    };
    changes.into_values().map(half).unzip()
}

/// Rows per second, into tables of their own.
async fn bare(site: &Site, name: &str, lanes: Lanes, batch: usize) -> Result<f64> {
    let Some(cluster) = &site.cluster else {
        return scratch::with(&site.database_url, name, async |url: &str| {
            serve::migrate(url).await?;
            insert(Probe::postgres(url).await?, lanes, batch).await
        })
        .await;
    };
    let mut settings = (**cluster).clone();
    settings.keyspace = format!("{}_{name}", settings.keyspace);
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    insert(Probe::cql(settings, &site.database_url, &stop).await?, lanes, batch).await
}

async fn insert(probe: Probe, lanes: Lanes, batch: usize) -> Result<f64> {
    let (probe, mut rows) = (Arc::new(probe), 0);
    let mut waiting: Vec<Vec<(Vec<Change>, Rows)>> = Vec::new();
    for lane in lanes {
        rows += lane.len();
        waiting.push(lane.chunks(batch).map(|changes| (changes.to_vec(), Rows::of(changes))).collect());
    }
    let (begin, mut inserting) = (Instant::now(), JoinSet::new());
    loop {
        while inserting.len() < AT_ONCE
            && let Some(batches) = waiting.pop()
        {
            let probe = probe.clone();
            inserting.spawn(async move {
                for (changes, rows) in &batches {
                    probe.insert(changes, rows).await?;
                }
                Ok::<_, natter_projections::Error>(())
            });
        }
        let Some(inserted) = inserting.join_next().await else { break };
        inserted?.context("insert rows")?;
    }
    let took = begin.elapsed().max(Duration::from_micros(1));
    Ok(rows as f64 / took.as_secs_f64())
}
