//! One installation under test: a database, a NATS account, a data directory, and the nodes that run on them.

use crate::{
    node::{Node, Options},
    parts,
    person::Person,
    servers::{self, Servers},
};
use async_nats::jetstream;
use futures::TryStreamExt;
use natter_client::Client;
use natter_streams::{Lane, Log, Placement, bus::Bus, subject};
use sqlx::PgPool;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Nodes of tests share their log into this many lanes.
pub const LANES: u16 = 4;

/// See the module's page. Everything in it is gone with the run's servers.
pub struct Stack {
    site: Arc<Site>,
    /// One per server, the first one first.
    pools: Vec<PgPool>,
    newest: Mutex<Option<Client>>,
}

/// What a node needs to know.
pub(crate) struct Site {
    pub database_url: String,
    /// As `NATTER_LANE_STORES` has it.
    pub lane_stores: String,
    pub nats_url: String,
    pub dir: PathBuf,
}

impl Stack {
    /// On the servers of this run.
    pub async fn new() -> Self {
        let servers = Servers::of_this_run();
        let name = format!("t{}", natter_client::new_id().simple());
        let database_url = servers.database(&name).await;
        let nats_url = servers.nats_account();
        Self::of(&database_url, "", &nats_url, servers.dir.join("stacks").join(name))
    }

    /// The url of a further database with every table, on the PostgreSQL of this run: to stand for another server.
    pub async fn another_database() -> String {
        Servers::of_this_run().database(&format!("t{}", natter_client::new_id().simple())).await
    }

    /// The same, with lanes placed on other servers, as `NATTER_LANE_STORES` has it. No node was started before.
    pub fn placed(self, lane_stores: &str) -> Self {
        let Site { database_url, nats_url, dir, .. } = &*self.site;
        Self::of(database_url, lane_stores, nats_url, dir.clone())
    }

    /// On servers of the test's own; the database has its tables or gets them from its first node.
    pub fn on(database_url: &str, nats_url: &str, dir: &Path) -> Self {
        Self::of(database_url, "", nats_url, dir.to_owned())
    }

    fn of(database_url: &str, lane_stores: &str, nats_url: &str, dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).expect("make a stack's directory");
        let [database_url, lane_stores, nats_url] = [database_url, lane_stores, nats_url].map(str::to_owned);
        let site = Site { database_url, lane_stores, nats_url, dir };
        let pool = |url: &String| {
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect_lazy(url);
            pool.expect("a database's url is one")
        };
        let pools = site.placement().urls().iter().map(pool).collect();
        Self { site: Arc::new(site), pools, newest: Mutex::default() }
    }

    /// A place for the test's own files.
    pub fn dir(&self) -> &Path {
        &self.site.dir
    }

    pub fn database_url(&self) -> &str {
        &self.site.database_url
    }

    pub fn nats_url(&self) -> &str {
        &self.site.nats_url
    }

    /// Where each lane is.
    pub fn placement(&self) -> Placement {
        self.site.placement()
    }

    /// Straight into the first server's database, past every door.
    pub fn pool(&self) -> &PgPool {
        &self.pools[0]
    }

    /// Straight into every server's database, the first one's first.
    pub fn pools(&self) -> &[PgPool] {
        &self.pools
    }

    /// Straight into the database that holds a lane.
    pub fn lane_pool(&self, lane: Lane) -> &PgPool {
        &self.pools[self.placement().store(lane)]
    }

    /// The log as the server's own code reads it, every link of the chain checked.
    pub async fn verified_log(&self) -> Log {
        Log::open(&self.placement(), None).await.expect("open the log")
    }

    /// The secret of this installation, made by its first node.
    pub fn installation_key(&self) -> [u8; 32] {
        let path = self.site.dir.join("installation.key");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        let digits = text.trim().as_bytes();
        assert_eq!(digits.len(), 64, "the key has 64 hexadecimal digits");
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).expect("the key is ASCII");
            *byte = u8::from_str_radix(pair, 16).expect("the key is hexadecimal");
        }
        key
    }

    /// A `natter serve` that answers.
    pub async fn node(&self) -> Node {
        self.node_with(Options::default()).await
    }

    /// Where others run already it has its part of the lanes when this returns, if it wants one.
    pub async fn node_with(&self, options: Options) -> Node {
        let node = Node::start(self.site.clone(), options).await;
        let before = self.newest.lock().unwrap_or_else(PoisonError::into_inner).replace(node.client());
        if before.is_some() && node.owns_lanes() {
            parts::are_fair(self, node.port()).await;
        }
        node
    }

    /// Somebody new, at the newest node.
    pub async fn person(&self, name: &str) -> Person {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Person::register(newest.expect("a node was started"), name).await
    }

    /// All that is kept for minutes, past every door: keys and values as one text.
    pub async fn kept_for_minutes(&self) -> String {
        kept(&self.jetstream().await, subject::CODES).await
    }

    /// All that JetStream keeps, past every door, by stream: subjects, headers and contents as text. Buckets are streams.
    pub async fn kept_by_streams(&self) -> Vec<(String, String)> {
        let jetstream = self.jetstream().await;
        let names: Vec<String> = jetstream.stream_names().try_collect().await.expect("list the streams");
        let mut all = Vec::new();
        for name in names {
            let text = kept(&jetstream, &name).await;
            all.push((name, text));
        }
        all
    }

    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        let bus = Bus::connect(self.nats_url()).await.expect("connect to the test NATS");
        jetstream::new(bus.live().clone())
    }

    /// How many events the log holds: what was refused must not change it.
    pub async fn event_count(&self) -> i64 {
        let mut total = 0;
        for pool in &self.pools {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events").fetch_one(pool).await;
            total += count.expect("count the events");
        }
        total
    }
}

async fn kept(jetstream: &jetstream::Context, stream: &str) -> String {
    let mut stream = jetstream.get_stream(stream).await.expect("there is such a stream");
    let state = stream.info().await.expect("ask for a stream").state.clone();
    let mut text = String::new();
    for sequence in state.first_sequence..=state.last_sequence {
        // One that was written over is gone.
        if let Ok(message) = stream.get_raw_message(sequence).await {
            let content = String::from_utf8_lossy(&message.payload);
            text.push_str(&format!("{} {:?} {content}\n", message.subject, message.headers));
        }
    }
    text
}

impl Site {
    fn placement(&self) -> Placement {
        Placement::parse(&self.database_url, &self.lane_stores).expect("a test places its lanes well")
    }
}

pub(crate) use servers::binary;
