//! A log of its own for every test (a database, a NATS account), the owner of its lanes, and people whose events are
//! appended as the write side would, without its rules.

use natter_domain::{
    AccountId, Address, ConversationId, Event, FriendshipId, MessageId, RequestId, Sealed, SessionId, Timestamp,
    account,
    conversation::{self, BodyKind},
    friendship, inbox, message, session,
};
use natter_projections::{Projection, Projections, Settings, Store, message::scylla};
use natter_streams::{
    Draft, Lane, Link, Log, Node, Positions,
    bus::Bus,
    clock,
    committer::{Committer, Settled},
    feed::Feeds,
    id,
    keyring::Keyring,
    lease::{self, Context, Directory},
    position::Place,
    sealing::{Keys, Masters},
};
use natter_testkit::Stack;
use sqlx::PgPool;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use uuid::Uuid;

/// Long enough for the slowest machine; nobody waits for it unless something is wrong.
pub const BOUND: Duration = Duration::from_secs(20);
/// How long a test watches something not happen.
pub const A_MOMENT: Duration = Duration::from_millis(300);

pub const LANES: u16 = 4;

pub struct World {
    /// Of message history; PostgreSQL keeps it where there is none.
    pub cluster: Option<Box<scylla::Settings>>,
    /// So many members make a crowd.
    pub crowd_min: u64,
    /// It is begun in PostgreSQL nevertheless.
    pub begins_in_postgres: bool,
    pub url: String,
    pub pool: PgPool,
    pub log: Log,
    pub feeds: Feeds,
    pub bus: Bus,
    pub nats_url: String,
    pub keyring: Arc<Keyring>,
    /// Where [`Self::open`] keeps messages: in PostgreSQL, unless a test says otherwise.
    node: Node,
    directory: Directory,
    stop: CancellationToken,
    #[expect(dead_code, reason = "ends what runs in the background with the test")]
    end: DropGuard,
    lanes: Vec<Mutex<Committer<()>>>,
    sequences: Mutex<HashMap<Uuid, u64>>,
}

/// A process that does not write.
pub struct Elsewhere {
    pub projections: Projections,
    pub context: Context,
}

impl Elsewhere {
    pub fn run(&self, which: &[Projection]) -> Running {
        let stop = CancellationToken::new();
        Running { tasks: self.projections.run(which, &self.context, &stop), stop }
    }
}

/// Projections that run until stopped.
pub struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(BOUND, self.tasks.wait()).await.expect("the tasks end when told to");
    }
}

impl World {
    pub async fn new() -> Self {
        // What was logged is printed with a test that fails.
        let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN).try_init();
        let stack = Stack::new().await;
        let (url, nats_url) = (stack.database_url().to_owned(), stack.nats_url().to_owned());
        let pool = PgPool::connect(&url).await.expect("connect to the test's database");
        let log = Log::connect(&url, Some(LANES)).await.expect("open the log");
        let mut lanes = Vec::new();
        for lane in log.lanes().iter() {
            lanes.push(Mutex::new(Committer::start(log.clone(), lane, "test".into()).await.expect("take a lane over")));
        }
        let heads: Vec<Link> = lanes.iter_mut().map(|lane| lane.get_mut().head()).collect();
        let feeds = Feeds::new(heads.iter().copied());
        heads.into_iter().for_each(|head| feeds.lane(head.lane).open(head));
        let bus = Bus::connect(&nats_url).await.expect("connect to the test's NATS");
        let keyring = Arc::new(Keyring::new(&[7; 32]));
        let sequences = Mutex::default();
        let stop = CancellationToken::new();
        let directory = Directory::start(&log, &bus, &stop).await.expect("read who owns the lanes");
        let (node, end) = (Node::new("writer"), stop.clone().drop_guard());
        Self {
            url,
            pool,
            log,
            feeds,
            bus,
            nats_url,
            keyring,
            cluster: None,
            crowd_min: natter_projections::delivery::crowd::MIN,
            begins_in_postgres: false,
            node,
            directory,
            stop,
            end,
            lanes,
            sequences,
        }
    }

    /// Messages are kept in the cluster where there is one.
    pub fn settings(&self, database_url: &str) -> Settings {
        let in_cluster = self.cluster.is_some() && !self.begins_in_postgres;
        let history = if in_cluster { Store::Scylla } else { Store::Postgres };
        let (cluster, crowd_min) = (self.cluster.clone(), self.crowd_min);
        Settings { database_url: database_url.to_owned(), history, cluster, crowd_min }
    }

    pub async fn keys(&self, log: &Log, bus: &Bus) -> Keys {
        let opened = Keys::open(log, bus, self.keyring.clone(), Masters::fixed([8; 32]), &self.stop).await;
        opened.expect("open the keys")
    }

    /// The read side, with nothing running.
    pub async fn open(&self) -> Projections {
        let settings = self.settings(&self.url);
        let keys = self.keys(&self.log, &self.bus).await;
        let opened = Projections::open(settings, &self.bus, self.feeds.clone(), keys, &self.stop).await;
        opened.expect("open the read side")
    }

    pub fn run(&self, projections: &Projections, which: &[Projection]) -> Running {
        let stop = CancellationToken::new();
        Running { tasks: projections.run(which, &self.context(), &stop), stop }
    }

    fn context(&self) -> Context {
        Context {
            log: self.log.clone(),
            bus: self.bus.clone(),
            node: self.node.clone(),
            settings: lease::Settings::default(),
            directory: self.directory.clone(),
        }
    }

    /// Another process, which owns no lanes, with the read side open and nothing running.
    pub async fn elsewhere(&self, name: &str) -> Elsewhere {
        self.reaching(&self.url, name).await
    }

    /// The same, with another way to PostgreSQL.
    pub async fn reaching(&self, url: &str, name: &str) -> Elsewhere {
        let log = Log::connect(url, None).await.expect("open the log");
        let bus = Bus::connect(&self.nats_url).await.expect("connect to the test's NATS");
        let feeds = Feeds::start(&log, &self.stop).await.expect("read the heads");
        let directory = Directory::start(&log, &bus, &self.stop).await.expect("read who owns the lanes");
        let settings = self.settings(url);
        let keys = self.keys(&log, &bus).await;
        let opened = Projections::open(settings, &bus, feeds, keys, &self.stop).await;
        let projections = opened.expect("open the read side");
        let context = Context { log, bus, node: Node::new(name), settings: lease::Settings::default(), directory };
        Elsewhere { projections, context }
    }

    /// The read side, all of it running and at the head.
    pub async fn start(&self) -> (Projections, Running) {
        let projections = self.open().await;
        let running = self.run(&projections, &Projection::ALL);
        projections.catch_up(&Projection::ALL).await.expect("the projections catch up");
        self.confirmed().await;
        (projections, running)
    }

    /// Until delivery's checkpoints are at the heads: what it published by then has reached the server, and does not
    /// come again.
    pub async fn confirmed(&self) {
        let sql = "SELECT coalesce(max(position), 0) FROM checkpoints WHERE projection = 'delivery' AND lane = $1";
        for head in self.feeds.heads() {
            eventually("delivery's frames are confirmed", async || {
                let confirmed = sqlx::query_scalar::<_, i64>(sql).bind(head.lane.number()).fetch_one(&self.pool).await;
                confirmed.unwrap() as u64 >= head.position
            })
            .await;
        }
    }

    pub fn lane(&self, address: Address) -> Lane {
        self.log.lanes().of(address.route)
    }

    pub async fn draft(&self, address: Address, event: &impl Event) -> Draft {
        let mut sequences = self.sequences.lock().await;
        let sequence = sequences.entry(address.id).or_default();
        *sequence += 1;
        let time = self.lanes[self.lane(address).index()].lock().await.stamp(clock::now());
        Draft::encode(event, address, *sequence, "{}".into(), time).expect("encode an event")
    }

    /// One batch of one lane, as its owner commits it.
    pub async fn commit(&self, drafts: Vec<Draft>) -> Positions {
        let lane = self.lane(drafts[0].address);
        let mut committer = self.lanes[lane.index()].lock().await;
        committer.queue(drafts, ());
        let Settled::Committed { batch, head, .. } = committer.settled().await else { panic!("the batch was lost") };
        self.feeds.lane(lane).publish(batch, head);
        Positions::one(lane, head.position, head.incarnation)
    }

    pub async fn append(&self, address: Address, event: &impl Event) -> Positions {
        self.commit(vec![self.draft(address, event).await]).await
    }
}

/// What the write side would append for people.
impl World {
    pub fn sealed(&self, owner: Uuid, text: &str) -> Sealed {
        self.keyring.seal(owner, text.as_bytes())
    }

    pub async fn register(&self, name: &str) -> AccountId {
        let account = AccountId(id::new());
        let username = self.sealed(account.0, name);
        let nickname = self.sealed(account.0, &format!("{name} the test"));
        let started = registration_started(username, nickname);
        self.append(account::address(account), &started).await;
        self.append(account::address(account), &account::Event::Registered {}).await;
        account
    }

    pub async fn request(&self, from: AccountId, to: AccountId, text: &str, lives: Duration) -> RequestId {
        let (friendship, request_id) = (FriendshipId::of(from, to), RequestId(id::new()));
        let message = Some(self.sealed(friendship.0, text));
        let (at, expires_at) = (clock::now(), clock::now() + lives);
        let requested = friendship::Event::Requested { request_id, from, to, message, at, expires_at, source: None };
        self.append(friendship::address(friendship), &requested).await;
        request_id
    }

    pub async fn accept(&self, request_id: RequestId, from: AccountId, to: AccountId) -> ConversationId {
        let conversation_id = ConversationId(id::new());
        let accepted = friendship::Event::Accepted {
            request_id,
            from,
            to,
            conversation_id,
            standing: conversation::Standing::first(),
        };
        self.append(friendship::address(FriendshipId::of(from, to)), &accepted).await;
        conversation_id
    }

    pub async fn start_direct(&self, conversation: ConversationId, members: [AccountId; 2]) -> Positions {
        let started = conversation::Event::started_direct(members);
        self.append(conversation::address(conversation), &started).await
    }

    /// A group that `owner` begins with others; its first message says so.
    pub async fn start_group(&self, owner: AccountId, others: &[AccountId]) -> ConversationId {
        let conversation = ConversationId(id::new());
        let members = [&[owner], others].concat();
        let name = Some(self.sealed(conversation.0, "a group"));
        let started =
            conversation::Event::Started { kind: conversation::Kind::Group, members, name, owner: Some(owner) };
        self.append(conversation::address(conversation), &started).await;
        conversation
    }

    /// Two people with a conversation of theirs.
    pub async fn pair(&self) -> (AccountId, AccountId, ConversationId) {
        let (alice, bob) = (self.register("alice").await, self.register("bob").await);
        let request = self.request(alice, bob, "it is me", Duration::from_secs(60)).await;
        let conversation = self.accept(request, alice, bob).await;
        self.start_direct(conversation, [alice, bob]).await;
        (alice, bob, conversation)
    }

    pub fn message(&self, conversation: ConversationId, sender: AccountId, seq: u64) -> conversation::Event {
        let body = self.sealed(conversation.0, &format!(r#"{{"kind":"text","text":"number {seq}"}}"#));
        let message_id = MessageId(id::new());
        conversation::Event::MessageSent {
            message_id,
            seq,
            sender,
            body,
            body_kind: BodyKind::Text,
            size: 8,
            details: Default::default(),
        }
    }

    pub async fn say(&self, conversation: ConversationId, sender: AccountId, seq: u64) -> Positions {
        self.append(conversation::address(conversation), &self.message(conversation, sender, seq)).await
    }

    /// Sends, and says where the message is.
    pub async fn send(&self, conversation_id: ConversationId, sender: AccountId, seq: u64) -> message::Place {
        let event = self.message(conversation_id, sender, seq);
        let conversation::Event::MessageSent { message_id, .. } = event else { unreachable!("it is sent") };
        self.append(conversation::address(conversation_id), &event).await;
        message::Place { conversation_id, message_id, seq, sender: Some(sender), sent_at: clock::now() }
    }

    /// What becomes of a message.
    pub async fn change(&self, event: message::Event) -> Positions {
        let place = *event.message();
        self.append(message::address(place.conversation_id, place.message_id), &event).await
    }

    pub fn edited(&self, message: message::Place, text: &str) -> message::Event {
        let body = self.sealed(message.conversation_id.0, &format!(r#"{{"kind":"text","text":"{text}"}}"#));
        message::Event::Edited {
            message,
            body,
            body_kind: BodyKind::Text,
            size: 8,
            fingerprint: id::new(),
            has_link: false,
        }
    }

    pub async fn read(&self, reader: AccountId, conversation_id: ConversationId, seq: u64) -> Positions {
        let cursors = vec![inbox::Cursor { conversation_id, seq, peer: None }];
        self.append(inbox::address(reader), &inbox::Event::CursorsAdvanced { cursors }).await
    }

    async fn change_views(&self, alice: AccountId, carol: AccountId, conversation_id: ConversationId) {
        let folder = Some(self.sealed(alice.0, "work"));
        let view = inbox::View { pinned: true, quiet_until: Some(clock::now()), folder, ..inbox::View::default() };
        let draft = Some(self.sealed(alice.0, "not sent"));
        for event in [
            inbox::Event::ViewChanged { conversation_id, view },
            inbox::Event::DraftChanged { conversation_id, draft },
            inbox::Event::AnnouncementRead { conversation_id, seq: 2 },
        ] {
            self.append(inbox::address(alice), &event).await;
        }
        self.delete(carol, conversation_id, 3).await;
        self.append(inbox::address(carol), &inbox::Event::Cleared { conversation_id, up_to_seq: 3 }).await;
        self.delete(carol, conversation_id, 5).await;
    }

    /// Of whatever message has that number.
    pub async fn delete(&self, who: AccountId, conversation_id: ConversationId, seq: u64) -> Positions {
        let message_id = MessageId(Uuid::from_u128(u128::from(seq)));
        let deleted = inbox::Event::MessageDeleted { conversation_id, message_id, seq };
        self.append(inbox::address(who), &deleted).await
    }

    pub async fn mark(
        &self,
        message: message::Place,
        account_id: AccountId,
        starred_at: Option<Timestamp>,
        listened: bool,
    ) -> Positions {
        self.change(message::Event::Marked { message, account_id, starred_at, listened }).await
    }

    pub async fn sign_in(&self, account_id: AccountId) -> SessionId {
        let session = SessionId(id::new());
        let device = session::Device { name: Some(self.sealed(account_id.0, "phone")), platform: Some("test".into()) };
        let expires_at = clock::now() + Duration::from_secs(60);
        let opened = session::Event::Opened {
            account_id,
            device: Some(device),
            refresh_hash: String::new(),
            expires_at,
            address: None,
        };
        self.append(session::address(account_id, session), &opened).await;
        session
    }

    pub async fn sign_out(&self, account_id: AccountId, session: SessionId) -> Positions {
        let revoked = session::Event::Revoked { account_id, reason: session::Reason::LoggedOut };
        self.append(session::address(account_id, session), &revoked).await
    }

    /// A bit of everything, on several lanes.
    pub async fn live_a_little(&self) -> (AccountId, AccountId, ConversationId) {
        let (alice, bob, conversation) = self.pair().await;
        let carol = self.register("carol").await;
        self.request(carol, alice, "", Duration::from_secs(60)).await;
        let session = self.sign_in(alice).await;
        self.sign_in(bob).await;
        for seq in 1..=20 {
            let message = self.send(conversation, if seq % 3 == 0 { bob } else { alice }, seq).await;
            let (by, emoji) = (bob, "x".to_owned());
            match seq {
                4 | 8 => drop(self.change(self.edited(message, "edited")).await),
                5 => drop(self.change(message::Event::Pinned { message, by }).await),
                6 => {
                    let reacted = message::Event::Reacted { message, account_id: bob, emoji, count: 1 };
                    self.change(reacted).await;
                }
                7 => {
                    self.mark(message, bob, Some(clock::now()), false).await;
                    self.mark(message, bob, None, true).await;
                }
                _ => {}
            }
            if seq == 8 {
                self.mark(message, bob, Some(clock::now()), false).await;
                self.change(message::Event::Recalled { message, by: alice }).await;
            }
        }
        self.read(bob, conversation, 4).await;
        self.read(bob, conversation, 9).await;
        self.change_views(alice, carol, conversation).await;
        self.sign_out(alice, session).await;
        (alice, bob, conversation)
    }
}

/// What the projections wrote, every row of every table, in the order of their text.
pub async fn dump(pool: &PgPool) -> Vec<String> {
    let mut rows = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT '{table} ' || row_to_json({table})::text FROM {table} ORDER BY 1");
        rows.extend(sqlx::query_scalar::<_, String>(&sql).fetch_all(pool).await.expect("read a table"));
    }
    rows
}

/// Compares dumps, and shows what differs only.
#[track_caller]
pub fn assert_same(found: &[String], expected: &[String], when: &str) {
    let lacking = |rows: &[String], than: &[String]| -> Vec<String> {
        than.iter().filter(|row| !rows.contains(row)).cloned().collect()
    };
    let (missing, added) = (lacking(found, expected), lacking(expected, found));
    assert!(found == expected, "{when}, missing: {missing:#?}\nadded: {added:#?}");
}

pub const TABLES: [&str; 23] = [
    "account",
    "session",
    "friend_request",
    "friendship",
    "conversation",
    "member",
    "group_invitation",
    "group_request",
    "group_link",
    "group_ban",
    "group_log",
    "channel_person",
    "mention",
    "pin",
    "thread_reply",
    "thread_reader",
    "pending",
    "inbox_cursor",
    "message_mark",
    "message_deleted",
    "message",
    "message_change",
    "reaction",
];

/// The position that a token of one lane names.
pub fn place(positions: &Positions) -> (Lane, Place) {
    positions.iter().next().expect("a token names a lane")
}

/// Waits for what is asked again and again.
pub async fn eventually(what: &str, ask: impl AsyncFn() -> bool) {
    eventually_within(BOUND, what, ask).await;
}

pub async fn eventually_within(bound: Duration, what: &str, ask: impl AsyncFn() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(bound, asking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Of a registration that claims no names.
pub fn registration_started(username: Sealed, nickname: Sealed) -> account::Event {
    account::Event::RegistrationStarted {
        username,
        nickname,
        password_hash: String::new(),
        handles: vec![],
        expires_at: clock::now(),
        prefixes: vec![],
        email: None,
        phone: None,
        identity: None,
    }
}
