//! People without doors: they speak to [`Commands`] directly. And ways to break what lies under it.

use natter_commands::{
    Accepted, Caller, Commands, Cost, Error, GivenBody, Keyed, Origin, Outgoing, Pending, Reactions, Registration,
    Sent, Settings, SignedIn,
};
use natter_domain::account::Policy;
use natter_domain::{
    AccountId, Address, Code, ConversationId, FriendshipId, MessageId, Password, Username,
    conversation::{self, Event},
    limit,
};
use natter_streams::{
    Draft, Lane, Link, Log, Record,
    bus::Bus,
    clock,
    committer::Committer,
    feed::Feeds,
    id,
    keyring::Keyring,
    lease::{self, Directory},
    repair::declare_loss,
    sealing::{Keys, Masters},
};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Connection, Executor, PgConnection};
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// A process with the write side alone.
pub struct Node {
    pub commands: Commands,
    pub log: Log,
    pub feeds: Feeds,
    pub context: lease::Context,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    /// What answers events.
    pub reactions: TaskTracker,
}

impl Node {
    pub async fn start(stack: &Stack) -> Self {
        Self::with_lanes(stack, LANES).await
    }

    pub async fn with_lanes(stack: &Stack, lanes: u16) -> Self {
        Self::named(stack, "test", lanes).await
    }

    /// One of several on a log.
    pub async fn named(stack: &Stack, name: &str, lanes: u16) -> Self {
        let node = Self::launch(stack, name, lanes, true).await;
        let reactions = node.reactions().keep(&node.stop);
        Self { reactions, ..node }
    }

    /// One in which nothing answers events.
    pub async fn quiet(stack: &Stack, lanes: u16) -> Self {
        Self::launch(stack, "quiet", lanes, true).await
    }

    pub fn reactions(&self) -> Reactions {
        self.commands.reactions(self.context.clone(), self.feeds.clone())
    }

    /// One that owns nothing.
    pub async fn edge(stack: &Stack, lanes: u16) -> Self {
        Self::launch(stack, "edge", lanes, false).await
    }

    async fn launch(stack: &Stack, name: &str, lanes: u16, owns_lanes: bool) -> Self {
        let (log, stop) = (open(stack, lanes).await, CancellationToken::new());
        let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
        let directory = Directory::start(&log, &bus, &stop).await.expect("read who owns the lanes");
        let (node, settings) = (natter_streams::Node::new(name), lease::Settings::default());
        let context = lease::Context { log: log.clone(), bus, node, settings, directory };
        let feeds = Feeds::start(&log, &stop).await.expect("read the heads");
        let settings = Settings {
            password_cost: Cost::Cheap,
            session_policy: Policy::Many,
            reserved_names: vec![],
            closing_grace: limit::CLOSING_GRACE,
            groups: natter_commands::Groups { own_max: 6, ..natter_commands::Groups::default() },
            windows: natter_commands::Windows::default(),
            strangers: true,
            owns_lanes,
            relays: true,
            rates: true,
        };
        let keys = open_keys(&log, &context.bus, &stop).await;
        let (commands, tasks) = Commands::start(context.clone(), feeds.clone(), keys, &settings, &stop);
        let reactions = TaskTracker::new();
        reactions.close();
        Self { commands, log, feeds, context, stop, tasks, reactions }
    }

    /// As another process would open them.
    pub async fn keys(&self) -> Keys {
        open_keys(&self.log, &self.context.bus, &self.stop).await
    }

    /// How many lanes are its own, as far as it knows.
    pub fn owned(&self) -> usize {
        let mine = |lane| self.context.directory.owner(lane).as_ref() == Some(&self.context.node);
        self.log.lanes().iter().filter(|&lane| mine(lane)).count()
    }

    pub async fn owns(&self, count: usize) {
        eventually(&format!("{} owns {count} lanes", self.context.node), async || match self.owned() {
            owned if owned == count => Ok(()),
            owned => Err(format!("{owned}")),
        })
        .await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        within("the reactions stop", BOUND, self.reactions.wait()).await;
        within("the write side stops", BOUND, self.tasks.wait()).await;
    }

    pub async fn sign_up(&self, name: &str) -> SignedIn {
        self.register(name).await.unwrap_or_else(|error| panic!("register {name}: {error}"))
    }

    pub async fn register(&self, name: &str) -> Result<SignedIn, Error> {
        let username = Username::parse(name).expect("a user name");
        let password = Password::parse(PASSWORD).expect("a password");
        self.commands
            .session()
            .register(Registration { username, password, nickname: None, contact: None, origin: Origin::default() })
            .await
    }

    pub async fn person(&self, name: &str) -> Caller {
        caller(&self.sign_up(name).await)
    }

    /// Two people who talk.
    pub async fn friends(&self) -> (Caller, Caller, ConversationId) {
        let (alice, bob) = (self.person("alice").await, self.person("bob").await);
        let conversation = self.befriend(alice, bob).await;
        (alice, bob, conversation)
    }

    pub async fn befriend(&self, one: Caller, other: Caller) -> ConversationId {
        self.accepted(one, other).await.conversation_id
    }

    pub async fn accepted(&self, one: Caller, other: Caller) -> Accepted {
        let friendship = self.commands.friendship();
        let requested = friendship.request(keyless(one), other.account, None).await.expect("request");
        let id = FriendshipId::of(one.account, other.account);
        friendship.accept(keyless(other), id, requested.request_id).await.expect("accept")
    }

    pub fn send(&self, caller: Caller, to: ConversationId, message: MessageId, text: &str) -> Pending<Sent> {
        self.commands.conversation().send(
            caller,
            to,
            Outgoing::plain(message, GivenBody::text(body(text), text.len() as u32)),
        )
    }

    pub async fn sent(&self, caller: Caller, to: ConversationId, text: &str) -> Sent {
        within("a send is answered", BOUND, self.send(caller, to, message_id(), text)).await.expect("send")
    }

    pub fn lane(&self, conversation: ConversationId) -> Lane {
        self.log.lanes().of(conversation.0)
    }

    /// The conversation's messages as the log holds them.
    pub async fn messages(&self, conversation: ConversationId) -> Vec<(MessageId, u64)> {
        let events = self.events(self.lane(conversation)).await;
        let mine = events.iter().filter(|record| record.aggregate_id == conversation.0);
        let message = |record: &Arc<Record>| match record.decode().expect("an event of a conversation") {
            Event::MessageSent { message_id, seq, .. } => Some((message_id, seq)),
            _ => None,
        };
        mine.filter_map(message).collect()
    }

    /// Everything in a lane, verified.
    pub async fn events(&self, lane: Lane) -> Vec<Arc<Record>> {
        let incarnation = self.log.incarnation(lane).await.expect("the lane is there");
        self.log.read(&Link::start(lane, incarnation), 1_000_000).await.expect("read the lane")
    }
}

/// Two conversations, each with one who is in it, in lanes of their own.
pub async fn two_places(node: &Node) -> ((Caller, ConversationId), (Caller, ConversationId)) {
    let (alice, _, first) = node.friends().await;
    for number in 0.. {
        let (one, other) = (node.person(&format!("one{number}")).await, node.person(&format!("other{number}")).await);
        let second = node.befriend(one, other).await;
        if node.lane(second) != node.lane(first) {
            return ((alice, first), (one, second));
        }
    }
    unreachable!("half of them are in the other lane")
}

/// How many lanes the usual node has.
pub const LANES: u16 = 2;

/// An event that nobody decided, the aggregate's number `sequence`.
pub fn draft(address: Address, sequence: u64, event: &impl natter_domain::Event) -> Draft {
    Draft::encode(event, address, sequence, "{}".into(), clock::now()).expect("it is small")
}

/// What somebody who died had made durable. No node may run.
pub async fn wrote_and_died(stack: &Stack, drafts: Vec<Draft>) {
    let log = Log::connect(stack.database_url(), Some(LANES)).await.expect("open the log");
    for lane in log.lanes().iter() {
        let mine: Vec<Draft> =
            drafts.iter().filter(|draft| log.lanes().of(draft.address.route) == lane).cloned().collect();
        if mine.is_empty() {
            continue;
        }
        let mut committer = Committer::start(log.clone(), lane, "died".into()).await.expect("take the lane over");
        let (count, before) = (mine.len() as u64, committer.head().position);
        committer.queue(mine, ());
        within("it is durable", BOUND, committer.settled()).await;
        assert_eq!(committer.head().position, before + count);
        // Nobody waits for the end of its lease.
        sql(stack, "UPDATE lanes SET expires_at = '-infinity' WHERE owner = 'died'").await;
    }
}

/// A reader that has noticed a loss looks again after half a minute.
pub const AFTER_A_LOSS: Duration = Duration::from_secs(90);

/// A lane that somebody else writes, whom no node can ask. Nobody relays it.
pub struct Elsewhere {
    log: Log,
    lane: Lane,
    committer: Committer<()>,
}

impl Elsewhere {
    pub async fn start(stack: &Stack, lane: Lane) -> Self {
        let log = open(stack, LANES).await;
        seize(stack, &log, lane).await;
        let committer = Self::committer(&log, lane).await;
        Self { log, lane, committer }
    }

    async fn committer(log: &Log, lane: Lane) -> Committer<()> {
        Committer::start(log.clone(), lane, "somebody".into()).await.expect("take the lane over")
    }

    /// The lane's head behind it.
    pub async fn write(&mut self, drafts: Vec<Draft>) -> u64 {
        let goal = self.committer.head().position + drafts.len() as u64;
        self.committer.queue(drafts, ());
        within("it is durable", BOUND, self.committer.settled()).await;
        assert_eq!(self.committer.head().position, goal);
        goal
    }

    /// PostgreSQL goes back to this event; the loss is declared, and this reader set back to it.
    pub async fn lose(&mut self, stack: &Stack, behind: u64, reader: &str) {
        sql(stack, &format!("DELETE FROM events WHERE lane = {} AND position > {behind}", self.lane.number())).await;
        let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
        let declared = declare_loss(&self.log, &bus, self.lane, true).await.expect("declare the loss");
        assert_eq!(declared.expect("it is told to").head.position, behind);
        let back = format!(
            "UPDATE checkpoints SET position = {behind},
                 hash = (SELECT hash FROM events WHERE events.lane = checkpoints.lane AND position = {behind})
             WHERE projection = '{reader}' AND lane = {}",
            self.lane.number()
        );
        sql(stack, &back).await;
        seize(stack, &self.log, self.lane).await;
        self.committer = Self::committer(&self.log, self.lane).await;
    }
}

/// Where a reaction's checkpoint stands in the database.
pub async fn checkpoint(stack: &Stack, name: &str, lane: Lane) -> u64 {
    let stored: Option<i64> =
        sqlx::query_scalar("SELECT position FROM checkpoints WHERE projection = $1 AND lane = $2")
            .bind(name)
            .bind(lane.number())
            .fetch_optional(stack.pool())
            .await
            .expect("read a checkpoint");
    stored.unwrap_or_default() as u64
}

pub async fn open(stack: &Stack, lanes: u16) -> Log {
    Log::connect(stack.database_url(), Some(lanes)).await.expect("open the log")
}

/// Somebody who cannot be asked takes the lane, and keeps it until [`gone`].
pub async fn seize(stack: &Stack, log: &Log, lane: Lane) {
    log.take_over(lane, "somebody").await.expect("take the lane over");
    let lease =
        format!("UPDATE lanes SET expires_at = 'infinity' WHERE lane = {} AND owner = 'somebody'", lane.number());
    sql(stack, &lease).await;
}

/// Whoever seized lanes is gone, and its lease is over.
pub async fn gone(stack: &Stack) {
    sql(stack, "UPDATE lanes SET expires_at = '-infinity' WHERE owner = 'somebody'").await;
}

pub fn caller(signed_in: &SignedIn) -> Caller {
    Caller { account: signed_in.account_id, session: signed_in.session_id }
}

pub fn keyless(caller: Caller) -> Keyed {
    Keyed { caller, key: None }
}

pub fn keyed(caller: Caller, key: Uuid) -> Keyed {
    Keyed { caller, key: Some(key) }
}

pub fn message_id() -> MessageId {
    MessageId(id::new())
}

/// A message id of which nobody can tell when it was made.
pub fn timeless() -> MessageId {
    MessageId(uuid::Builder::from_random_bytes(id::random()).into_uuid())
}

/// A message id of a client whose clock is ahead.
pub fn made_ahead(seconds: u64) -> MessageId {
    let millis = clock::now().as_millis() as u64 + seconds * 1_000;
    MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &id::random()).into_uuid())
}

/// A message id that a client made days ago, and kept while it was offline.
pub fn made_before(days: u64) -> MessageId {
    let millis = clock::now().as_millis() as u64 - days * 86_400_000;
    MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &id::random()).into_uuid())
}

pub fn body(text: &str) -> String {
    format!(r#"{{"kind":"text","text":"{text}"}}"#)
}

pub fn code<T>(result: Result<T, Error>) -> Code {
    match result {
        Err(Error::Refused { code, .. }) => code,
        Err(other) => panic!("not refused, but {other:?}"),
        Ok(_) => panic!("not refused"),
    }
}

pub fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable))
}

pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(what, BOUND, natter_testkit::eventually(what, BOUND, look)).await
}

/// Somebody else's transaction that holds lanes' rows: what is appended waits.
pub struct Holder(PgConnection);

impl Holder {
    pub async fn hold(stack: &Stack, lane: Lane) -> Self {
        let mut connection = PgConnection::connect(stack.database_url()).await.expect("connect");
        connection.execute("BEGIN").await.expect("begin");
        let lock = format!("SELECT lane FROM lanes WHERE lane = {} FOR UPDATE", lane.number());
        connection.execute(lock.as_str()).await.expect("lock the lane's row");
        Self(connection)
    }

    /// Waits until an append waits for this; gives back its backend.
    pub async fn blocks(&mut self, stack: &Stack) -> i32 {
        let mine: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut self.0).await.expect("our backend");
        eventually("an append waits for the lane's row", async || {
            sqlx::query_scalar(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid))
                 AND application_name = 'natter writers'",
            )
            .bind(mine)
            .fetch_one(stack.pool())
            .await
            .map_err(|error| error.to_string())
        })
        .await
    }

    pub async fn release(mut self) {
        self.0.execute("COMMIT").await.expect("let the lane's row go");
    }
}

/// Waits until one append of the test's log waits for a lock; gives back its backend.
pub async fn blocked(stack: &Stack) -> i32 {
    eventually("an append waits for the lane's row", async || {
        sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND application_name = 'natter writers'",
        )
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())
    })
    .await
}

/// Every connection that appends is cut, whatever it does.
pub async fn cut_writers(stack: &Stack) {
    sql(
        stack,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'natter writers'",
    )
    .await;
}

pub async fn sql(stack: &Stack, statement: &str) {
    let done = sqlx::query(statement).execute(stack.pool()).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// From now on every try to append is counted, also one that fails: sequences do not roll back.
pub async fn count_appends(stack: &Stack) {
    for statement in [
        "CREATE SEQUENCE appends MINVALUE 0",
        "CREATE FUNCTION count_append() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM nextval('appends'); RETURN NULL; END $$",
        "CREATE TRIGGER count_append BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION count_append()",
        "SELECT setval('appends', (SELECT count(DISTINCT xmin::text) FROM events))",
    ] {
        sql(stack, statement).await;
    }
}

/// How many appends wrote what is in the log.
pub async fn appends_done(stack: &Stack) -> i64 {
    let done = "SELECT count(DISTINCT xmin::text) FROM events";
    sqlx::query_scalar(done).fetch_one(stack.pool()).await.expect("count the appends")
}

/// Waits until keys were looked up after that time.
pub async fn is_looking_up(stack: &Stack, since: &str) {
    eventually("keys are looked up", async || {
        let asked: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND query LIKE '%FROM events WHERE command_key = ANY%' AND pid <> pg_backend_pid()
             AND query_start > $1::timestamptz",
        )
        .bind(since)
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if asked > 0 { Ok(()) } else { Err("nobody has".to_owned()) }
    })
    .await;
}

/// PostgreSQL's time.
pub async fn now(stack: &Stack) -> String {
    sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(stack.pool()).await.expect("ask for the time")
}

pub async fn epoch(stack: &Stack, lane: Lane) -> i64 {
    sqlx::query_scalar("SELECT epoch FROM lanes WHERE lane = $1")
        .bind(lane.number())
        .fetch_one(stack.pool())
        .await
        .expect("read the lane's epoch")
}

/// How many appends failed, each of which ended a generation.
pub async fn appends_failed(stack: &Stack) -> i64 {
    let failed = "SELECT (SELECT last_value FROM appends) - (SELECT count(DISTINCT xmin::text) FROM events)";
    sqlx::query_scalar(failed).fetch_one(stack.pool()).await.expect("count the appends")
}

/// Waits until so many appends have failed and none is running.
pub async fn appends_have_failed(stack: &Stack, count: i64) {
    eventually("an append fails", async || {
        let running: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'natter writers' AND state <> 'idle'",
        )
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        let failed = appends_failed(stack).await;
        if failed >= count && running == 0 { Ok(()) } else { Err(format!("{failed} failed, {running} running")) }
    })
    .await;
}

/// A row with a message's key that this process did not write; in no lane of the installation.
pub async fn clash(stack: &Stack, conversation: ConversationId, message: MessageId) {
    let parts: [&[u8]; 2] = [conversation.0.as_bytes(), message.0.as_bytes()];
    let event = Event::MessageSent {
        message_id: message,
        seq: 1,
        sender: AccountId(id::new()),
        body: Keyring::new(&[1; 32]).seal(conversation.0, b"{}"),
        body_kind: conversation::BodyKind::Text,
        size: 2,
        details: Default::default(),
    };
    sqlx::query(
        "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             lane, position, event_id, command_key, fingerprint, time, hash)
         VALUES ('conversation', $1, 1, 'message_sent', '1', $2::json, '{}', 99, 1, $3, $4, $5, now(), $6)",
    )
    .bind(id::new().to_string())
    .bind(serde_json::to_string(&event).expect("an event is JSON"))
    .bind(id::new())
    .bind(natter_domain::id::derived("natter message", &parts))
    .bind(&[0u8; 16][..])
    .bind(&[0u8; 32][..])
    .execute(stack.pool())
    .await
    .expect("write a foreign row");
}

async fn open_keys(log: &Log, bus: &Bus, stop: &CancellationToken) -> Keys {
    let (keyring, masters) = (Arc::new(Keyring::new(&[1; 32])), Masters::fixed([2; 32]));
    Keys::open(log, bus, keyring, masters, stop).await.expect("open the keys")
}
