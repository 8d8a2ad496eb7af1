//! History in a cluster that speaks CQL: what its home promises beyond what every home does. A real server, which
//! `NATTER_TEST_CQL` names, and a keyspace of its own for every test.

mod apart;
mod fault;
mod moved;
mod order;
mod repaired;
mod schema;

use crate::support::World;
use ::scylla::client::{session::Session, session_builder::SessionBuilder};
use natter_domain::ConversationId;
use natter_projections::message::{HistoryStore, ScyllaHistory, scylla::Settings};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where a test's history is.
pub struct Keyspace {
    pub settings: Settings,
    stop: CancellationToken,
    #[expect(dead_code, reason = "ends what connects in the background with the test")]
    end: DropGuard,
}

impl Keyspace {
    /// On the server of this run.
    pub fn new() -> Self {
        let address = std::env::var("NATTER_TEST_CQL").expect("NATTER_TEST_CQL names a CQL server: run ./ops/test");
        Self::on(&address)
    }

    /// On another server. A busy machine may keep a statement waiting for longer than a person would.
    pub fn on(address: &str) -> Self {
        let name = format!("t_{}", natter_streams::id::new().simple());
        let mut settings = Settings::new(vec![address.to_owned()], &name);
        settings.read_timeout = Duration::from_secs(20);
        settings.write_timeout = Duration::from_secs(20);
        let stop = CancellationToken::new();
        Self { settings, stop: stop.clone(), end: stop.drop_guard() }
    }

    /// Past the store.
    pub async fn driver(&self) -> Rows {
        Self::session(&self.settings, &self.settings.keyspace).await
    }

    /// Past the store of a generation.
    pub async fn driver_of(&self, generation: u32) -> Rows {
        Self::session(&self.settings, &self.name_of(generation)).await
    }

    pub fn name_of(&self, generation: u32) -> String {
        format!("{}_{generation}", self.settings.keyspace)
    }

    async fn session(settings: &Settings, keyspace: &str) -> Rows {
        let session = SessionBuilder::new().known_nodes(&settings.contact_points);
        let session = session.use_keyspace(keyspace, false).build().await;
        Rows(session.expect("connect to the test's CQL server"))
    }

    /// Whether the server knows the keyspace of a generation.
    pub async fn has(&self, generation: u32) -> bool {
        let asked = format!(
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
            self.name_of(generation)
        );
        let system = Self::session(&self.settings, "system").await;
        let answer = system.0.query_unpaged(asked, ()).await.expect("ask for a keyspace");
        answer.into_rows_result().expect("a select has rows").rows_num() == 1
    }

    /// A process' store, not waited for.
    pub fn open(&self, world: &World) -> ScyllaHistory {
        ScyllaHistory::open(self.settings.clone(), world.pool.clone(), &self.stop).expect("the settings are right")
    }

    /// A store that has its tables.
    pub async fn store(&self, world: &World) -> ScyllaHistory {
        let store = self.open(world);
        crate::support::eventually_within(Duration::from_secs(120), "the keyspace is made", async || {
            store.last(&[]).await.is_ok()
        })
        .await;
        store
    }
}

/// What is in the tables.
pub struct Rows(pub Session);

impl Rows {
    /// Every row of a conversation, in the order of their text, but for its id.
    pub async fn of(&self, conversation: ConversationId) -> Vec<String> {
        let mut found = Vec::new();
        for table in TABLES {
            let answer = self.0.query_unpaged(format!("SELECT JSON * FROM {table}"), ()).await.expect("read a table");
            let rows = answer.into_rows_result().expect("a select has rows");
            let rows = rows.rows::<(String,)>().expect("json is text").map(|row| row.expect("a row can be read").0);
            let id = conversation.0.to_string();
            found.extend(rows.filter(|row| row.contains(&id)).map(|row| format!("{table} {}", row.replace(&id, "it"))));
        }
        found.sort_unstable();
        found
    }
}

impl Rows {
    pub async fn run(&self, statement: &str) {
        self.0.query_unpaged(statement, ()).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

const TABLES: [&str; 7] =
    ["message", "message_by_id", "message_change", "message_edit", "changed", "message_reaction", "conversation_part"];
