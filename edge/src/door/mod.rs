//! The door itself, before anybody knows who comes in: where a request comes from (`address`), whether that place is let in
//! (`lists`), whether a page of that origin is (`origin`), how often (`table`, `bucket`, `shared`), how many at once
//! (`caps`, `bounds`), and what is told of it (`told`). `layer` is what happens to each request, in this order.
//!
//! It decides nothing about what somebody may do: that is the gate's and the rules'. And it fails open: where the
//! bus is away each node counts alone, and where the list cannot be read the last one holds.

pub mod address;
mod bounds;
mod bucket;
mod caps;
pub mod layer;
pub mod lists;
pub mod origin;
mod probe;
mod shared;
pub mod signed;
pub mod table;
pub mod told;

pub use address::{Forwarded, Trust};
pub use bounds::Bounds;
pub use ipnet::IpNet;
pub use lists::{Lists, Verdict};
pub use origin::Origins;
pub use probe::Probe;
pub use shared::Shared;
pub use signed::Signatures;

use crate::{http::problem::Problem, metrics};
use address::counted;
use axum::extract::Request;
use axum::http::HeaderMap;
use bucket::{Buckets, Left};
use caps::Counts;
pub use caps::Place;
use natter_commands::Caller;
use natter_streams::clock;
use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use table::{By, Limit};
use tokio::{
    sync::watch,
    time::{Instant, interval},
};
use told::Refused;

/// How often buckets that are full again are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    pub trust: Trust,
    pub origins: Origins,
    pub bounds: Bounds,
    /// As they are now; whoever holds the other end changes them.
    pub lists: watch::Receiver<Arc<Lists>>,
    pub signed: signed::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        let (_, lists) = watch::channel(Arc::default());
        Self {
            trust: Trust::default(),
            origins: Origins::default(),
            bounds: Bounds::default(),
            lists,
            signed: signed::Settings::default(),
        }
    }
}

/// Who stands at the door of this process.
pub struct Keeper {
    settings: Settings,
    /// Whether rates and caps hold.
    limits: bool,
    /// Only over TLS of our own: behind a proxy that is the proxy's word.
    says_tls: bool,
    begun: Instant,
    buckets: Buckets,
    shared: Option<Shared>,
    signatures: Option<Signatures>,
    requests: Arc<AtomicUsize>,
    connections: Counts,
    sockets_of_addresses: Counts,
    sockets_of_accounts: Counts,
}

/// Where a request comes from.
#[derive(Clone, Copy, Default, Debug)]
pub struct Visitor {
    /// `None` where the doors are tried without a connection.
    pub address: Option<IpAddr>,
    verdict: Option<Verdict>,
}

impl Visitor {
    /// An operator has said that limits of addresses do not count it.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Some(Verdict::Allow)
    }

    /// Whom limits of addresses count.
    fn counted(&self) -> Option<u128> {
        self.address.filter(|_| !self.is_allowed()).map(counted)
    }
}

/// A request under way. Dropping it ends it.
pub struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        metrics::requests_under_way(self.0.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

impl Keeper {
    pub fn new(settings: Settings, limits: bool, says_tls: bool, bus: Option<(Shared, Signatures)>) -> Self {
        let (shared, signatures) = bus.unzip();
        Self {
            settings,
            limits,
            says_tls,
            begun: Instant::now(),
            buckets: Buckets::default(),
            shared,
            signatures,
            requests: Arc::default(),
            connections: Counts::default(),
            sockets_of_addresses: Counts::default(),
            sockets_of_accounts: Counts::default(),
        }
    }

    pub fn bounds(&self) -> &Bounds {
        &self.settings.bounds
    }

    /// `peer`: the other end of the connection.
    pub fn visitor(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Visitor {
        let address = peer.map(|peer| self.settings.trust.client(peer, headers));
        Visitor { address, verdict: address.and_then(|address| self.verdict(address)) }
    }

    fn verdict(&self, address: IpAddr) -> Option<Verdict> {
        self.settings.lists.borrow().verdict(address, clock::now())
    }

    /// Whether a page may open a WebSocket.
    pub fn opens_to(&self, headers: &HeaderMap) -> bool {
        self.settings.origins.open(headers)
    }

    /// Lets only signed requests to the paths that are for other servers.
    async fn signed(&self, request: Request) -> Result<Request, Problem> {
        if !self.settings.signed.paths.iter().any(|path| path == request.uri().path()) {
            return Ok(request);
        }
        let signatures = self.signatures.as_ref().ok_or_else(Problem::unavailable)?;
        signatures.check(&self.settings.signed, self.settings.bounds.body, request).await
    }

    /// Resolves when the address is no longer let in.
    pub async fn denied(&self, visitor: Visitor) {
        let mut lists = self.settings.lists.clone();
        let denied = |lists: &Arc<Lists>| {
            let verdict = visitor.address.and_then(|address| lists.verdict(address, clock::now()));
            verdict == Some(Verdict::Deny)
        };
        if lists.wait_for(denied).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// `None`: there are as many as there may be.
    fn enter(&self) -> Option<UnderWay> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(self.requests.clone());
        metrics::requests_under_way(before + 1);
        (before < self.settings.bounds.requests).then_some(under_way)
    }

    /// A place for a connection; `Err` where its address has enough of them.
    pub fn connection(&self, peer: IpAddr) -> Result<Option<Place>, Full> {
        let is_counted = !self.settings.trust.is_proxy(peer) && self.verdict(peer) != Some(Verdict::Allow);
        let who = is_counted.then(|| counted(peer));
        self.place(&self.connections, who, self.settings.bounds.connections_of_address, "connection")
    }

    /// A place for a WebSocket, by where it comes from.
    pub fn socket(&self, visitor: Visitor) -> Result<Option<Place>, Full> {
        let most = self.settings.bounds.sockets_of_address;
        self.place(&self.sockets_of_addresses, visitor.counted(), most, "socket_of_address")
    }

    /// A place for a WebSocket, by whose it is.
    pub fn socket_of(&self, caller: Caller) -> Result<Option<Place>, Full> {
        let who = Some(caller.account.0.as_u128());
        self.place(&self.sockets_of_accounts, who, self.settings.bounds.sockets_of_account, "socket_of_account")
    }

    fn place(
        &self,
        counts: &Counts,
        who: Option<u128>,
        most: usize,
        what: &'static str,
    ) -> Result<Option<Place>, Full> {
        let Some(who) = who.filter(|_| self.limits) else { return Ok(None) };
        let place = counts.enter(who, most);
        if place.is_none() {
            metrics::shed(what);
        }
        place.map(Some).ok_or(Full)
    }

    /// Counts a request by where it comes from.
    async fn count_visitor(&self, visitor: Visitor, limits: Vec<&'static Limit>) -> Result<Vec<Left>, Refused> {
        let Some(who) = visitor.counted() else { return Ok(Vec::new()) };
        self.count(limits, |_| who).await
    }

    /// Counts a request by who asks. `limits`: see [`layer::limits`].
    pub async fn count_caller(&self, caller: Caller, limits: Vec<&'static Limit>) -> Result<Vec<Left>, Refused> {
        self.count(limits, |by| of_caller(caller, by)).await
    }

    async fn count(&self, limits: Vec<&'static Limit>, who: impl Fn(By) -> u128) -> Result<Vec<Left>, Refused> {
        let mut counted = Vec::new();
        for limit in limits.into_iter().filter(|_| self.limits) {
            match self.take(limit, who(limit.by)).await {
                Ok(left) => counted.push(left),
                Err(empty) => {
                    metrics::refused(limit.name);
                    return Err(Refused { empty, counted });
                }
            }
        }
        Ok(counted)
    }

    async fn take(&self, limit: &'static Limit, who: u128) -> Result<Left, bucket::Empty> {
        let left = self.buckets.take(limit, who, self.begun.elapsed())?;
        let Some(shared) = self.shared.as_ref().filter(|_| limit.shared) else { return Ok(left) };
        shared.take(limit, who).await.unwrap_or(Ok(left))
    }

    /// Counts a frame; `Err`: how long to wait. A stranger's is counted by where it comes from.
    pub fn count_frame(&self, op: &str, visitor: Visitor, caller: Option<Caller>) -> Result<(), Duration> {
        let by: &[By] = if caller.is_some() { &[By::Address, By::Account, By::Session] } else { &[By::Address] };
        for limit in table::of_frame(op, by).filter(|_| self.limits) {
            let who = match (limit.by, caller) {
                (By::Address, _) | (_, None) => visitor.counted(),
                (by, Some(caller)) => Some(of_caller(caller, by)),
            };
            let Some(who) = who else { continue };
            self.buckets.take(limit, who, self.begun.elapsed()).map_err(|empty| {
                metrics::refused(limit.name);
                empty.wait
            })?;
        }
        Ok(())
    }

    /// Forgets what is as good as new, now and then.
    pub async fn upkeep(self: Arc<Self>) {
        let mut ticks = interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            metrics::buckets(self.buckets.sweep(self.begun.elapsed()));
        }
    }
}

/// There are as many as there may be.
#[derive(Clone, Copy, Debug)]
pub struct Full;

fn of_caller(caller: Caller, by: By) -> u128 {
    match by {
        By::Session => caller.session.0.as_u128(),
        By::Account | By::Address => caller.account.0.as_u128(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
