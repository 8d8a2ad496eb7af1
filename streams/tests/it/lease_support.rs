//! Nodes that share lanes, as processes would, in one process.

use crate::support::eventually;
use natter_streams::{
    Lane, Log, Node,
    bus::Bus,
    lease::{Context, Directory, Lease, Settings, Share, keep},
};
use natter_testkit::{BOUND, Stack, within};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Nobody waits for a term or a renewal of these by chance: what happens within a test's bound was told.
pub const PATIENT: Settings = Settings { term: Duration::from_secs(120), renew_every: Duration::from_secs(40) };
/// Terms pass soon, also by chance where the machine is busy.
pub const QUICK: Settings = Settings { term: Duration::from_millis(1_500), renew_every: Duration::from_millis(300) };

/// Renewed often, and no term passes by chance.
pub const STEADY: Settings = Settings { term: Duration::from_secs(9), renew_every: Duration::from_millis(300) };

/// What a node works on, each lane with the lease that it was begun with.
pub type Held = Arc<Mutex<BTreeMap<Lane, Lease>>>;

pub struct Member {
    pub node: Node,
    pub log: Log,
    pub held: Held,
    pub directory: Directory,
    stop: CancellationToken,
    frozen: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

pub async fn connect(stack: &Stack, lanes: u16) -> Log {
    Log::open(&stack.placement(), Some(lanes)).await.expect("open the log")
}

impl Member {
    pub async fn start(stack: &Stack, lanes: u16, share: Share, settings: Settings, name: &str) -> Self {
        Self::work(stack, lanes, share, settings, name, |_| async { true }).await
    }

    /// `work` comes before the usual, which is to hold the lane until it is given up or lost, and says whether that follows.
    pub async fn work<W, F>(stack: &Stack, lanes: u16, share: Share, settings: Settings, name: &str, work: W) -> Self
    where
        W: Fn(Lease) -> F + Send + Sync + 'static,
        F: Future<Output = bool> + Send + 'static,
    {
        let (log, node, stop) = (connect(stack, lanes).await, Node::new(name), CancellationToken::new());
        let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
        let directory = Directory::start(&log, &bus, &stop).await.expect("read the owners");
        let context = Context { log: log.clone(), bus, node: node.clone(), settings, directory: directory.clone() };
        let held = Held::default();
        let (frozen, thaw) = watch::channel(false);
        let lanes = held.clone();
        let work = move |lease: Lease| {
            let (first, lanes) = (work(lease.clone()), lanes.clone());
            async move {
                if first.await {
                    hold(lease, &lanes).await;
                }
            }
        };
        let keeper = tokio::spawn(freezable(keep(context, share, work, stop.clone()), thaw));
        Self { node, log, held, directory, stop, frozen, keeper }
    }

    pub fn lanes(&self) -> Vec<Lane> {
        self.held.lock().expect("nobody panics").keys().copied().collect()
    }

    pub fn lease(&self, lane: Lane) -> Option<Lease> {
        self.held.lock().expect("nobody panics").get(&lane).cloned()
    }

    pub async fn holds(&self, count: usize) {
        shares(&[self], &[count]).await;
    }

    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// In order, as [`Self::stop`], which waits for its end.
    pub fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stop(self) {
        self.begin_to_stop();
        within("the keeper stops", BOUND, self.keeper).await.expect("it does not panic");
        assert!(self.held.lock().expect("nobody panics").is_empty(), "all work has ended");
    }

    /// As a process that is killed.
    pub async fn die(self) -> Log {
        self.keeper.abort();
        let _ = self.keeper.await;
        self.log
    }
}

/// Waits until these nodes hold so many lanes, in whatever order.
pub async fn shares(members: &[&Member], counts: &[usize]) {
    eventually("lanes are shared", async || {
        let mut held: Vec<usize> = members.iter().map(|member| member.lanes().len()).collect();
        held.sort_unstable();
        if held == counts { Ok(()) } else { Err(format!("{held:?} instead of {counts:?}")) }
    })
    .await;
}

async fn hold(lease: Lease, held: &Held) {
    held.lock().expect("nobody panics").insert(lease.lane(), lease.clone());
    tokio::select! {
        () = lease.given_up() => {}
        () = lease.lost() => {}
    }
    held.lock().expect("nobody panics").remove(&lease.lane());
}

/// Stands still while `frozen`, as a process that is not scheduled; what it has spawned goes on.
async fn freezable(future: impl Future<Output = ()>, mut frozen: watch::Receiver<bool>) {
    let mut future = pin!(future);
    loop {
        let mut thaw = frozen.clone();
        if thaw.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        tokio::select! {
            () = &mut future => return,
            _ = frozen.wait_for(|frozen| *frozen) => {}
        }
    }
}
