//! The bare append: the log's own INSERT with prepared events, nothing decided, nobody waiting. What the engine is
//! measured against, and how long one commit of a given size takes.

use super::raw;
use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use natter_streams::{
    Draft, Link, Log, Record, id,
    keyring::Keyring,
    log::{Appended, Ownership, chain},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Single commits that are timed.
const COMMITS: usize = 300;

/// A log of its own, whose every lane is ours.
pub struct Bare {
    log: Log,
    keyring: Keyring,
    text: String,
    lanes: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    ownership: Ownership,
    head: Link,
}

impl Bare {
    /// In an empty database.
    pub async fn open(database_url: &str, lanes: u16, text: &str) -> Result<Self> {
        crate::serve::migrate(database_url).await?;
        let log = Log::connect(database_url, Some(lanes)).await?;
        let mut places = Vec::new();
        for lane in log.lanes().iter() {
            let (ownership, head) = log.take_over(lane, "bare").await?;
            places.push(Place { ownership, head: head.link });
        }
        Ok(Self { log, keyring: Keyring::new(&id::random()), text: text.to_owned(), lanes: places })
    }

    /// Appends about so many events, all lanes at once, so many per statement: events per second.
    pub async fn per_second(&mut self, events: usize, batch: usize) -> Result<f64> {
        let batches = (events / self.lanes.len()).div_ceil(batch).max(2);
        let mut prepared = Vec::new();
        for place in &self.lanes {
            prepared.push((*place, self.prepare(place, batches * batch)?));
        }
        let begin = Instant::now();
        let mut appending = JoinSet::new();
        for (place, records) in prepared {
            appending.spawn(append(self.log.clone(), place, records, batch));
        }
        self.lanes = Vec::new();
        while let Some(place) = appending.join_next().await {
            self.lanes.push(place??);
        }
        Ok((batches * batch * self.lanes.len()) as f64 / begin.elapsed().as_secs_f64())
    }

    /// Microseconds of single commits of so many events, nothing beside them.
    pub async fn commit_us(&mut self, batch: usize) -> Result<Histogram<u64>> {
        let mut place = self.lanes[0];
        let records = self.prepare(&place, COMMITS * batch)?;
        let mut times = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        for chunk in records.chunks(batch) {
            let begin = Instant::now();
            place = append(self.log.clone(), place, chunk.to_vec(), batch).await?;
            times.saturating_record(begin.elapsed().as_micros() as u64);
        }
        self.lanes[0] = place;
        Ok(times)
    }

    fn prepare(&self, place: &Place, count: usize) -> Result<Vec<Arc<Record>>> {
        let lane = place.ownership.lane;
        let draft = |number| Ok(raw::draft(&self.keyring, lane, number, &place.head, &self.text)?.0);
        let drafts: Vec<Draft> = (0..count).map(draft).collect::<Result<_>>()?;
        Ok(chain(&place.head, drafts))
    }
}

async fn append(log: Log, mut place: Place, records: Vec<Arc<Record>>, batch: usize) -> Result<Place> {
    for chunk in records.chunks(batch) {
        match log.append(&place.ownership, place.head.position, chunk).await {
            Appended::Durable => place.head = chunk.last().map_or(place.head, |last| last.link()),
            other => bail!("append a batch: {other:?}"),
        }
    }
    Ok(place)
}

/// Median and 99th percentile of single commits of so many events, in a database of its own.
pub async fn commit_us(database_url: &str, batch: usize, text: &str) -> Result<Histogram<u64>> {
    super::scratch::with(database_url, "commits", async |url: &str| {
        Bare::open(url, 1, text).await?.commit_us(batch.max(1)).await
    })
    .await
}

/// For how long a round may be measured at the least: shorter ones say little.
pub const ROUND: Duration = Duration::from_secs(1);
