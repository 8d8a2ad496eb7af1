//! Timers: due once, not before their time, through restarts and with many at once; and the registrations that they end.

use crate::support::{
    AFTER_A_LOSS, Elsewhere, LANES, Node, PASSWORD, checkpoint, code, draft, eventually, sql, wrote_and_died,
};
use natter_commands::{Origin, Reaction};
use natter_domain::{
    AccountId, Code, FriendshipId, HandleId, RequestId, Timestamp, account,
    friendship::{
        self,
        Event::{Cancelled, Expired, Requested},
    },
    handle, limit,
};
use natter_streams::{
    Draft, Lane, Lanes, Record,
    clock::{self, Clock},
    id,
    keyring::Keyring,
};
use natter_testkit::{BOUND, Stack, within};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);

/// A clock that the test sets, and how often it was looked at.
#[derive(Clone)]
struct Dial {
    millis: Arc<AtomicI64>,
    looks: Arc<AtomicUsize>,
}

impl Dial {
    fn at(moment: Timestamp) -> Self {
        Self { millis: Arc::new(AtomicI64::new(moment.as_millis())), looks: Arc::default() }
    }

    fn set(&self, moment: Timestamp) {
        self.millis.store(moment.as_millis(), Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let Self { millis, looks } = self.clone();
        Clock::new(move || {
            looks.fetch_add(1, Ordering::SeqCst);
            Timestamp::from_millis(millis.load(Ordering::SeqCst))
        })
    }

    /// Waits until it has been looked at a few times more.
    async fn is_looked_at(&self) {
        let goal = self.looks.load(Ordering::SeqCst) + 3;
        eventually("the clock is looked at", async || {
            let looks = self.looks.load(Ordering::SeqCst);
            if looks >= goal { Ok(()) } else { Err(format!("{looks} of {goal} times")) }
        })
        .await;
    }
}

/// Every lane's timers.
struct Timers {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Timers {
    fn start(node: &Node, dial: &Dial) -> Self {
        let stop = CancellationToken::new();
        let run = |lane| node.reactions().with_clock(dial.clock()).run(Reaction::Timers, lane, stop.clone());
        let tasks = lanes().iter().map(|lane| tokio::spawn(run(lane))).collect();
        Self { stop, tasks }
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            within("timers stop", BOUND, task).await.expect("they do not panic");
        }
    }
}

/// A registration that died between its claim and its completion.
struct Unfinished {
    account: AccountId,
    handle: HandleId,
    expires_at: Timestamp,
}

impl Unfinished {
    fn of(name: &str, expires_at: Timestamp) -> Self {
        let handle = keyring().handle("username", name);
        Self { account: AccountId(id::new()), handle, expires_at }
    }

    fn drafts(&self) -> Vec<Draft> {
        let sealed = || keyring().seal(self.account.0, b"x");
        let started = account::Event::RegistrationStarted {
            username: sealed(),
            nickname: sealed(),
            password_hash: String::new(),
            handles: vec![self.handle],
            expires_at: self.expires_at,
            email: None,
            phone: None,
            identity: None,
            prefixes: vec![],
        };
        let claimed = handle::Event::Claimed { by: self.account, until: self.expires_at };
        vec![draft(account::address(self.account), 1, &started), draft(handle::address(self.handle), 1, &claimed)]
    }

    async fn events(&self, node: &Node) -> Vec<String> {
        let events = node.events(lanes().of(self.account.0)).await;
        let mine = events.iter().filter(|event| event.aggregate_id == self.account.0);
        mine.map(|event: &Arc<Record>| event.event_type.to_string()).collect()
    }

    async fn is_abandoned_once(&self, node: &Node) {
        eventually("the registration is abandoned", async || match &*self.events(node).await {
            [_, last] if last == "registration_abandoned" => Ok(()),
            [_] => Err("it is not".to_owned()),
            events => panic!("{events:?}"),
        })
        .await;
    }
}

fn keyring() -> Keyring {
    Keyring::new(&[1; 32])
}

fn lanes() -> Lanes {
    Lanes::new(LANES).expect("a number of lanes")
}

fn ago(duration: Duration) -> Timestamp {
    Timestamp::from_millis(clock::now().as_millis() - duration.as_millis() as i64)
}

async fn rows(stack: &Stack) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM timers").fetch_one(stack.pool()).await.expect("count the timers")
}

async fn are_set(stack: &Stack, count: i64) {
    eventually("so many timers are set", async || {
        let rows = rows(stack).await;
        if rows == count { Ok(()) } else { Err(format!("{rows} are")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_when_it_is_due_and_not_before_and_is_gone() {
    let stack = Stack::new().await;
    let due = ago(MINUTE);
    let unfinished = Unfinished::of("alice", due);
    wrote_and_died(&stack, unfinished.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let dial = Dial::at(Timestamp::from_millis(due.as_millis() - 1));
    let timers = Timers::start(&node, &dial);
    are_set(&stack, 1).await;
    dial.is_looked_at().await;
    assert_eq!(unfinished.events(&node).await, ["registration_started"]);
    dial.set(due);
    unfinished.is_abandoned_once(&node).await;
    are_set(&stack, 0).await;
    timers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_outlives_those_who_set_it() {
    let stack = Stack::new().await;
    let due = ago(MINUTE);
    let unfinished = Unfinished::of("alice", due);
    wrote_and_died(&stack, unfinished.drafts()).await;
    let dial = Dial::at(ago(10 * MINUTE));
    for _ in 0..2 {
        let node = Node::quiet(&stack, LANES).await;
        let timers = Timers::start(&node, &dial);
        are_set(&stack, 1).await;
        dial.is_looked_at().await;
        timers.stop().await;
        node.stop().await;
    }
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &dial);
    dial.set(due);
    unfinished.is_abandoned_once(&node).await;
    are_set(&stack, 0).await;
    timers.stop().await;
}

/// The node that looks is ahead of the one that decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_its_target_calls_too_early_fires_later() {
    let stack = Stack::new().await;
    let unfinished = Unfinished::of("alice", clock::now() + Duration::from_secs(3));
    wrote_and_died(&stack, unfinished.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &Dial::at(clock::now() + MINUTE));
    unfinished.is_abandoned_once(&node).await;
    let events = node.events(lanes().of(unfinished.account.0)).await;
    let abandoned = events.iter().find(|event| event.event_type == "registration_abandoned").expect("it was");
    assert!(abandoned.time >= unfinished.expires_at, "not before its time");
    are_set(&stack, 0).await;
    timers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_fired_and_was_not_removed_changes_nothing_when_it_fires_again() {
    let stack = Stack::new().await;
    let unfinished = Unfinished::of("alice", ago(MINUTE));
    wrote_and_died(&stack, unfinished.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let dial = Dial::at(ago(10 * MINUTE));
    let timers = Timers::start(&node, &dial);
    are_set(&stack, 1).await;
    timers.stop().await;
    sql(&stack, "CREATE TABLE before AS SELECT * FROM timers").await;
    dial.set(clock::now());
    let timers = Timers::start(&node, &dial);
    unfinished.is_abandoned_once(&node).await;
    are_set(&stack, 0).await;
    timers.stop().await;

    sql(&stack, "INSERT INTO timers SELECT * FROM before").await;
    let timers = Timers::start(&node, &dial);
    are_set(&stack, 0).await;
    timers.stop().await;
    unfinished.is_abandoned_once(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_at_once_every_timer_fires_once() {
    let stack = Stack::new().await;
    let unfinished: Vec<_> = (0..20).map(|number| Unfinished::of(&format!("alice{number}"), ago(MINUTE))).collect();
    wrote_and_died(&stack, unfinished.iter().flat_map(Unfinished::drafts).collect()).await;
    let node = Node::quiet(&stack, LANES).await;
    let dial = Dial::at(clock::now());
    let timers = [Timers::start(&node, &dial), Timers::start(&node, &dial)];
    for unfinished in &unfinished {
        unfinished.is_abandoned_once(&node).await;
    }
    are_set(&stack, 0).await;
    for timers in timers {
        timers.stop().await;
    }
    for unfinished in &unfinished {
        unfinished.is_abandoned_once(&node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_registration_that_died_goes_to_who_wants_it_next() {
    let stack = Stack::new().await;
    let unfinished = Unfinished::of("alice", ago(MINUTE));
    wrote_and_died(&stack, unfinished.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    assert_eq!(code(node.register("alice").await), Code::NameTaken);
    node.stop().await;

    let node = Node::start(&stack).await;
    let alice =
        eventually("the name is free", async || node.register("alice").await.map_err(|it| it.to_string())).await;
    assert_ne!(alice.account_id, unfinished.account);
    let signed_in = node.commands.session().login("alice", PASSWORD, Origin::default()).await.expect("it is hers");
    assert_eq!(signed_in.account_id, alice.account_id);
    unfinished.is_abandoned_once(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_completes_keeps_its_name() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, LANES).await;
    let alice = node.sign_up("alice").await;
    let dial = Dial::at(clock::now() + 2 * limit::REGISTRATION_EXPIRY);
    let timers = Timers::start(&node, &dial);
    let lane = lanes().of(alice.account_id.0);
    let events = node.events(lane).await;
    let registered = events.iter().find(|event| event.event_type == "registered").expect("she is").position;
    eventually("the timers have seen it", async || {
        let seen = checkpoint(&stack, Reaction::Timers.as_str(), lane).await;
        if seen >= registered { Ok(()) } else { Err(format!("{seen} of {registered}")) }
    })
    .await;
    assert_eq!(rows(&stack).await, 0);
    timers.stop().await;
    let events = node.events(lane).await;
    assert!(events.iter().all(|event| event.event_type != "registration_abandoned"));
    assert_eq!(code(node.register("alice").await), Code::NameTaken);
    let signed_in = node.commands.session().login("alice", PASSWORD, Origin::default()).await.expect("it is hers");
    assert_eq!(signed_in.account_id, alice.account_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_ends_with_what_it_waited_for() {
    let stack = Stack::new().await;
    let slow = Unfinished::of("alice", ago(MINUTE));
    wrote_and_died(&stack, slow.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let early = Dial::at(ago(10 * MINUTE));
    let timers = Timers::start(&node, &early);
    are_set(&stack, 1).await;
    timers.stop().await;
    node.stop().await;

    let registered = draft(account::address(slow.account), 2, &account::Event::Registered {});
    wrote_and_died(&stack, vec![registered]).await;
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &early);
    are_set(&stack, 0).await;
    timers.stop().await;
    assert_eq!(slow.events(&node).await, ["registration_started", "registered"]);
}

/// What they had read is not in the log any more: they begin again where their checkpoint was set.
#[tokio::test(flavor = "multi_thread")]
async fn timers_go_on_behind_a_declared_loss_without_a_restart() {
    let stack = Stack::new().await;
    let first = Lane::new(0);
    let mut lane = Elsewhere::start(&stack, first).await;
    let mut later = std::iter::repeat_with(|| Unfinished::of("alice", clock::now() + 10 * MINUTE))
        .filter(|unfinished| lanes().of(unfinished.account.0) == first)
        .map(|unfinished| unfinished.drafts()[..1].to_vec());
    let mut next = || later.next().expect("there is no end");
    lane.write([next(), next(), next()].concat()).await;
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &Dial::at(clock::now()));
    are_set(&stack, 3).await;

    lane.lose(&stack, 1, Reaction::Timers.as_str()).await;
    lane.write(next()).await;
    natter_testkit::eventually("the next one is set", AFTER_A_LOSS, async || match rows(&stack).await {
        4 => Ok(()),
        rows => Err(format!("{rows} are set")),
    })
    .await;
    timers.stop().await;
}

/// Who lost the race for a name gives back nothing of the winner's.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_too_late_for_its_name_releases_nothing() {
    let stack = Stack::new().await;
    let (late, winner) = (Unfinished::of("alice", ago(MINUTE)), Unfinished::of("alice", clock::now() + 10 * MINUTE));
    let mut drafts = winner.drafts();
    drafts.push(draft(account::address(winner.account), 2, &account::Event::Registered {}));
    drafts.extend(late.drafts().into_iter().take(1));
    wrote_and_died(&stack, drafts).await;
    let node = Node::start(&stack).await;
    late.is_abandoned_once(&node).await;
    let lane = lanes().of(late.account.0);
    let events = node.events(lane).await;
    let abandoned = events.iter().find(|event| event.event_type == "registration_abandoned").expect("it was").position;
    eventually("its names were to be released", async || {
        let seen = checkpoint(&stack, Reaction::ReleasesHandles.as_str(), lane).await;
        if seen >= abandoned { Ok(()) } else { Err(format!("{seen} of {abandoned}")) }
    })
    .await;
    let mut of_the_name = node.events(lanes().of(late.handle.0)).await;
    of_the_name.retain(|event| event.aggregate_id == late.handle.0);
    let of_the_name: Vec<handle::Event> = of_the_name.iter().map(|event| event.decode().unwrap()).collect();
    assert_eq!(of_the_name, [handle::Event::Claimed { by: winner.account, until: winner.expires_at }]);
    assert_eq!(code(node.register("alice").await), Code::NameTaken);
}

/// What a row is for may have passed long ago: one that a crash of PostgreSQL took back would be missed by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_is_written_is_on_disk() {
    let stack = Stack::new().await;
    sql(&stack, "CREATE TABLE written AS SELECT current_setting('synchronous_commit') AS how LIMIT 0").await;
    sql(
        &stack,
        "CREATE FUNCTION written() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO written SELECT current_setting('synchronous_commit'); RETURN NULL; END $$",
    )
    .await;
    sql(&stack, "CREATE TRIGGER written AFTER INSERT OR DELETE ON timers FOR EACH ROW EXECUTE FUNCTION written()")
        .await;
    wrote_and_died(&stack, Unfinished::of("alice", ago(MINUTE)).drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &Dial::at(clock::now()));
    let how =
        async || sqlx::query_scalar::<_, String>("SELECT how FROM written").fetch_all(stack.pool()).await.unwrap();
    eventually("it is set and done", async || match how().await.len() {
        2 => Ok(()),
        changes => Err(format!("{changes} changes")),
    })
    .await;
    assert_eq!(how().await, ["on", "on"]);
    timers.stop().await;
}

/// A friend request that nobody answers, through restarts; and one that was taken back, which has no timer.
#[tokio::test(flavor = "multi_thread")]
async fn a_friend_request_expires_once_its_time_is_over() {
    let stack = Stack::new().await;
    let (alice, bob, carol) = (AccountId(id::new()), AccountId(id::new()), AccountId(id::new()));
    let due = ago(MINUTE);
    let asked = |from, to| {
        let (request_id, at) = (RequestId(id::new()), ago(2 * MINUTE));
        let event = Requested { request_id, from, to, message: None, at, expires_at: due, source: None };
        (request_id, friendship::address(FriendshipId::of(from, to)), event)
    };
    let ((request_id, pair, unanswered), (other, others, taken_back)) = (asked(alice, bob), asked(alice, carol));
    let cancelled = Cancelled { request_id: other, from: alice, to: carol };
    let drafts = vec![draft(pair, 1, &unanswered), draft(others, 1, &taken_back), draft(others, 2, &cancelled)];
    wrote_and_died(&stack, drafts).await;
    let dial = Dial::at(ago(10 * MINUTE));
    for _ in 0..2 {
        let node = Node::quiet(&stack, LANES).await;
        let timers = Timers::start(&node, &dial);
        are_set(&stack, 1).await;
        dial.is_looked_at().await;
        timers.stop().await;
        node.stop().await;
    }
    let node = Node::quiet(&stack, LANES).await;
    let timers = Timers::start(&node, &dial);
    dial.set(due);
    are_set(&stack, 0).await;
    timers.stop().await;
    let of = async |address: natter_domain::Address| -> Vec<friendship::Event> {
        let events = node.events(lanes().of(address.route)).await;
        events.iter().filter(|it| it.aggregate_id == address.id).map(|it| it.decode().unwrap()).collect()
    };
    assert_eq!(of(pair).await, [unanswered, Expired { request_id, from: alice, to: bob }]);
    assert_eq!(of(others).await, [taken_back, cancelled]);
}
