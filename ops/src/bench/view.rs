//! The write side and the read side together in this process, without doors: what `history` and `replay` measure. Delivery
//! does not run: it has no rows, and nobody is there to be told.

use super::{counters::Counters, engine::Engine};
use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use natter_projections::{Projection, Projections, Settings, Store, delivery::crowd, generation, message::scylla};
use natter_streams::{Log, bus::Bus, keyring::Keyring};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Without an event: something is wrong.
const STALLED: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LAST_WORDS: Duration = Duration::from_secs(20);

/// Where a benchmark runs.
#[derive(Clone, Debug)]
pub struct Site {
    pub database_url: String,
    pub nats_url: String,
    pub store: Store,
    pub cluster: Option<Box<scylla::Settings>>,
}

impl Site {
    /// `store`: of the live generation.
    pub fn settings(&self, store: Store) -> Settings {
        let (database_url, cluster) = (self.database_url.clone(), self.cluster.clone());
        Settings { database_url, history: store, cluster, crowd_min: crowd::MIN }
    }
}

pub struct View {
    pub engine: Engine,
    pub projections: Projections,
    stop: CancellationToken,
    tasks: Vec<TaskTracker>,
}

impl View {
    /// The write side takes every lane; no projection runs yet.
    pub async fn open(site: &Site, log: &Log, keyring: &Arc<Keyring>, store: Store) -> Result<Self> {
        let bus = Bus::connect(&site.nats_url).await?;
        let engine = Engine::start(log, keyring.clone(), &bus, false).await?;
        let stop = CancellationToken::new();
        let settings = site.settings(store);
        let projections = Projections::open(settings, &bus, engine.feeds.clone(), engine.keys.clone(), &stop).await?;
        Ok(Self { engine, projections, stop, tasks: Vec::new() })
    }

    /// Runs a projection until it has seen `whole` events: how long that took for how many. The first batch of all says
    /// only when it began: before it, leases are taken.
    pub async fn catch_up(&mut self, projection: Projection, whole: u64) -> Result<(u64, Duration)> {
        let label = format!("projection=\"{}\"", projection.as_str());
        let idle = Counters::own();
        let seen = || Counters::own().since(&idle, "natter_projection_events_total", Some(&label)) as u64;
        self.tasks.push(self.projections.run(&[projection], &self.engine.context, &self.stop));
        let progress = ProgressBar::new(whole).with_message(projection.as_str());
        let (mut begun, mut last, mut grew) = (None, 0, Instant::now());
        while last < whole {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = seen();
            if now > last {
                begun.get_or_insert((now, Instant::now()));
                (last, grew) = (now, Instant::now());
                progress.set_position(now);
            }
            ensure!(grew.elapsed() < STALLED, "{} stands at {last} of {whole} events", projection.as_str());
        }
        progress.finish_and_clear();
        let (first, at) = begun.context("there was nothing to project")?;
        Ok((last - first, (grew - at).max(LOOK_EVERY)))
    }

    /// Runs these until the end.
    pub fn run(&mut self, projections: &[Projection]) {
        self.tasks.push(self.projections.run(projections, &self.engine.context, &self.stop));
    }

    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        for tasks in &self.tasks {
            tokio::time::timeout(LAST_WORDS, tasks.wait()).await.context("end the projections")?;
        }
        self.engine.stop().await
    }
}

/// Events that live projections, which run, do not see or have set aside: what came last has its time.
pub async fn missing(log: &Log) -> Result<u64> {
    let begin = Instant::now();
    loop {
        let missing = missing_now(log).await?;
        if missing == 0 || begin.elapsed() > LAST_WORDS {
            return Ok(missing);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn missing_now(log: &Log) -> Result<u64> {
    let mut missing = 0;
    for standing in generation::status(log).await? {
        let behind = |&(_, place, head): &(_, u64, u64)| head.saturating_sub(place);
        if standing.entry.state == generation::State::Live {
            missing += standing.set_aside + standing.lanes.iter().map(behind).sum::<u64>();
        }
    }
    Ok(missing)
}
