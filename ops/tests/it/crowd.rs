//! Crowds over real doors: what people are pushed, and nothing else. Here every group of two is one.

use natter_streams::{bus::Bus, subject};
use natter_testkit::{
    BOUND, Node, Options, Person, Proxy, Stack,
    client::{
        self,
        rest::{Answer, Range},
        socket::{Handover, Incoming, Socket},
    },
    eventually, wire,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::Mutex, task::JoinHandle};
use uuid::Uuid;

fn crowds_of(min: u32) -> Vec<(&'static str, String)> {
    vec![("NATTER_CROWD_MIN", min.to_string())]
}

async fn node(stack: &Stack, min: u32) -> Node {
    stack.node_with(Options { more: crowds_of(min), ..Options::default() }).await
}

/// A second one, the newest: the apps of people are connected there.
async fn node_of_apps(stack: &Stack) -> Node {
    node(stack, 2).await
}

async fn people<const N: usize>(stack: &Stack, names: [&str; N]) -> Vec<Person> {
    let mut people = Vec::new();
    for name in names {
        people.push(stack.person(name).await);
    }
    for friend in &people[1..] {
        people[0].befriends(friend).await;
    }
    people
}

async fn group(owner: &Person, others: &[&Person]) -> Uuid {
    let ids: Vec<Uuid> = others.iter().map(|person| person.id()).collect();
    owner.client().start_group("us", &ids).await.expect("start a group").conversation.id
}

/// The number of what was said.
async fn says(person: &Person, group: Uuid, text: &str) -> u64 {
    sends(person, group, text).await.seq
}

async fn sends(person: &Person, group: Uuid, text: &str) -> Answer<wire::MessageSent> {
    let body = wire::Body::text(text);
    let message = wire::MessageNew::new(client::new_id(), body);
    person.insists("says", async || person.client().send(group, &message).await).await
}

async fn adds(owner: &Person, group: Uuid, other: &Person) {
    owner.insists("adds", async || owner.client().add_members(group, &[other.id()]).await).await;
}

async fn removes(owner: &Person, group: Uuid, other: &Person) {
    owner.insists("removes", async || owner.client().remove_member(group, other.id()).await).await;
}

/// What a connection is pushed of one group, from `ready` on, with nothing fetched.
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

#[derive(Clone, PartialEq, Debug)]
enum Heard {
    Message(u64),
    Started,
    Joined(Vec<Uuid>),
    Left(Vec<Uuid>),
    Resync(String),
}

impl Ear {
    /// At this node; `ready` when this returns.
    async fn of(person: &Person, node: &Node, group: Uuid) -> Self {
        let (account, tokens) =
            (person.client().me().await.expect("read who they are"), person.client().tokens().await);
        let signed = node.client().signed(wire::SignedIn { account, tokens });
        let mut socket = Socket::connect(&signed, Handover::Header).await.expect("open a WebSocket");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok(incoming) = socket.next().await {
                list.lock().await.extend(told_of(group, incoming));
            }
        });
        Self { heard, task }
    }

    async fn heard(&self) -> Vec<Heard> {
        self.heard.lock().await.clone()
    }

    async fn seqs(&self) -> Vec<u64> {
        let seq = |heard: &Heard| if let Heard::Message(seq) = heard { Some(*seq) } else { None };
        self.heard().await.iter().filter_map(seq).collect()
    }

    async fn hears(&self, what: Heard) {
        eventually(&format!("{what:?} is pushed"), BOUND, async || {
            let heard = self.heard().await;
            if heard.contains(&what) { Ok(()) } else { Err(format!("{heard:?}")) }
        })
        .await;
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn told_of(group: Uuid, incoming: Incoming) -> Option<Heard> {
    let push = match incoming {
        Incoming::Push(push) => *push,
        Incoming::Notice(wire::Notice::Resync { reason }) => return Some(Heard::Resync(reason)),
        _ => return None,
    };
    match push {
        wire::Push::MessageSent { message, .. } if message.conversation_id == group => {
            Some(Heard::Message(message.seq))
        }
        wire::Push::ConversationStarted { conversation, .. } if conversation.id == group => Some(Heard::Started),
        wire::Push::MemberJoined { conversation_id, account_ids, .. } if conversation_id == group => {
            Some(Heard::Joined(account_ids))
        }
        wire::Push::MemberLeft { conversation_id, account_ids, .. } if conversation_id == group => {
            Some(Heard::Left(account_ids))
        }
        _ => None,
    }
}

async fn metric(node: &Node, name: &str) -> f64 {
    let text = node.raw().get("/metrics").await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0.0)
}

#[tokio::test]
async fn who_is_online_at_any_edge_is_told_from_their_joining_to_their_leaving() {
    let stack = Stack::new().await;
    let nodes = [node(&stack, 2).await, node(&stack, 2).await];
    let people = people(&stack, ["alice", "bob", "carol", "dave"]).await;
    let [alice, bob, carol, dave] = &people[..] else { panic!("four people") };
    let group = group(alice, &[bob, carol]).await;
    let mut ears = Vec::new();
    for (number, person) in people.iter().enumerate() {
        ears.push(Ear::of(person, &nodes[number % 2], group).await);
    }
    says(alice, group, "for three").await;
    adds(alice, group, dave).await;
    says(alice, group, "for four").await;
    removes(alice, group, bob).await;
    let last = says(alice, group, "for three again").await;
    assert_eq!(last, 6);
    for ear in [&ears[0], &ears[2], &ears[3]] {
        ear.hears(Heard::Message(last)).await;
    }
    let message = Heard::Message;
    let (joined, left) = (Heard::Joined(vec![dave.id()]), Heard::Left(vec![bob.id()]));
    let expected = [message(2), joined.clone(), message(3), message(4), message(5), left.clone(), message(6)];
    assert_eq!(ears[0].heard().await, expected);
    assert_eq!(ears[2].heard().await, expected);
    assert_eq!(ears[3].heard().await, [Heard::Started, message(3), message(4), message(5), left.clone(), message(6)]);
    // The same subject brought bob's node what is behind his leaving, and it was handed on to dave.
    ears[1].hears(left.clone()).await;
    assert_eq!(ears[1].heard().await, [message(2), joined, message(3), message(4), message(5), left]);
    let mut told = 0.0;
    for node in &nodes {
        told += metric(node, "natter_delivery_crowd_frames_total").await;
        assert!(metric(node, "natter_edge_crowd_frames_total").await >= 9.0);
        assert!(metric(node, "natter_edge_crowd_copies_total").await > 0.0);
        assert!((metric(node, "natter_edge_crowds").await - 1.0).abs() < f64::EPSILON);
    }
    assert!(told >= 9.0, "{told} frames of crowds were published");
}

/// Says one thing after the other while something happens; the number of the last one.
async fn talks_while(person: &Person, group: Uuid, happens: impl Future<Output = ()>) -> u64 {
    let is_over = AtomicBool::new(false);
    let talk = async {
        while !is_over.load(Ordering::SeqCst) {
            says(person, group, "on and on").await;
        }
        says(person, group, "the last word").await
    };
    let happens = async {
        happens.await;
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(talk, happens).0
}

#[tokio::test]
async fn who_connects_while_the_crowd_talks_misses_nothing() {
    let stack = Stack::new().await;
    let node = node(&stack, 2).await;
    let _home = node_of_apps(&stack).await;
    let people = people(&stack, ["alice", "bob", "carol"]).await;
    let [alice, bob, carol] = &people[..] else { panic!("three people") };
    let group = group(alice, &[bob, carol]).await;
    // Somebody is always here, so that the crowd is known; bob's own app is elsewhere, so each ear is a newcomer.
    let steady = Ear::of(carol, &node, group).await;
    let last = talks_while(alice, group, async {
        for _ in 0..30 {
            let ear = Ear::of(bob, &node, group).await;
            let newest = Range { limit: Some(1), ..Range::default() };
            let page = bob.insists("reads", async || bob.client().messages(group, newest).await).await;
            pushed_behind(&ear, page[0].seq).await;
        }
    })
    .await;
    steady.hears(Heard::Message(last)).await;
    let seqs = steady.seqs().await;
    assert_eq!(seqs, (seqs[0]..=last).collect::<Vec<_>>(), "in order, without a gap");
}

/// All that is newer than what could be read after `ready`.
async fn pushed_behind(ear: &Ear, newest: u64) {
    ear.hears(Heard::Message(newest + 3)).await;
    let heard = ear.heard().await;
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Resync(_))), "{heard:?}");
    let seqs = ear.seqs().await;
    assert!(seqs[0] <= newest + 1, "{seqs:?} behind {newest}");
    assert_eq!(seqs, (seqs[0]..=seqs[seqs.len() - 1]).collect::<Vec<_>>(), "in order, without a gap");
}

#[tokio::test]
async fn an_edge_that_had_lost_the_bus_says_so_and_goes_on() {
    let stack = Stack::new().await;
    let _node = node(&stack, 2).await;
    // Who acts does it there.
    let people = people(&stack, ["alice", "bob", "carol"]).await;
    let [alice, bob, carol] = &people[..] else { panic!("three people") };
    let proxy = Proxy::before(stack.nats_url()).await;
    let mut more = crowds_of(2);
    more.extend([("NATTER_ROLES", "edge".to_owned()), ("NATTER_NATS_URL", proxy.url.clone())]);
    let edge = stack.node_with(Options { more, ..Options::default() }).await;
    let group = group(alice, &[bob, carol]).await;
    let (bobs, carols) = (Ear::of(bob, &edge, group).await, Ear::of(carol, &edge, group).await);
    let before = says(alice, group, "before").await;
    bobs.hears(Heard::Message(before)).await;
    proxy.gone();
    // What the edge does not hear: carol is removed, and it is talked about.
    removes(alice, group, carol).await;
    let meanwhile = says(alice, group, "meanwhile").await;
    proxy.heal();
    for ear in [&bobs, &carols] {
        ear.hears(Heard::Resync("bus".to_owned())).await;
    }
    let after = says(alice, group, "after").await;
    bobs.hears(Heard::Message(after)).await;
    assert!(!bobs.seqs().await.contains(&meanwhile), "it was lost");
    let carols = carols.seqs().await;
    assert!(carols.iter().all(|seq| *seq <= before + 1), "carol was told {carols:?} and left with {}", before + 1);
}

#[tokio::test]
async fn growing_to_a_crowd_and_shrinking_keep_the_order_of_what_is_pushed() {
    let stack = Stack::new().await;
    let nodes = [node(&stack, 4).await, node(&stack, 4).await];
    let people = people(&stack, ["alice", "bob", "carol", "dave", "erin"]).await;
    let (alice, bob) = (&people[0], &people[1]);
    let group = group(alice, &[bob]).await;
    let ears = [Ear::of(alice, &nodes[0], group).await, Ear::of(bob, &nodes[1], group).await];
    let before = says(alice, group, "for two").await;
    for ear in &ears {
        ear.hears(Heard::Message(before)).await;
    }
    let told = metric(&nodes[0], "natter_edge_crowd_frames_total").await;
    assert!(told.abs() < f64::EPSILON, "two are told by name, and {told} frames were not");
    let last = talks_while(alice, group, async {
        for _ in 0..3 {
            for other in &people[2..] {
                adds(alice, group, other).await;
            }
            for other in &people[2..] {
                removes(alice, group, other).await;
            }
        }
    })
    .await;
    for ear in &ears {
        ear.hears(Heard::Message(last)).await;
        let heard = ear.heard().await;
        assert!(!heard.iter().any(|heard| matches!(heard, Heard::Resync(_))), "{heard:?}");
        assert_eq!(ear.seqs().await, (2..=last).collect::<Vec<_>>(), "in order, without a gap");
    }
    let told = metric(&nodes[0], "natter_edge_crowd_frames_total").await;
    assert!(told > 0.0, "it was a crowd");
}

#[tokio::test]
async fn what_an_edge_cannot_read_it_tells_as_lost() {
    let stack = Stack::new().await;
    let node = node(&stack, 2).await;
    let people = people(&stack, ["alice", "bob"]).await;
    let group = group(&people[0], &[&people[1]]).await;
    let ear = Ear::of(&people[1], &node, group).await;
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to the test NATS");
    let of_tomorrow = subject::CROWDS.replace('*', "0");
    bus.live().publish(of_tomorrow, "{\"version\": 2}".into()).await.expect("publish");
    ear.hears(Heard::Resync("crowd".to_owned())).await;
    let said = says(&people[0], group, "hello").await;
    ear.hears(Heard::Message(said)).await;
}

/// More than waits at an edge for one crowd.
const TOO_MUCH: u64 = 300;

/// At an edge.
const ANSWERED: &str = "edge.crowd.after_answer";

/// An edge which is told who is in and held up there, so that what is said meanwhile waits.
async fn held_up(stack: &Stack, hold: &Path) -> Node {
    std::fs::write(hold, "").expect("hold it");
    let mut more = crowds_of(4);
    more.push(("NATTER_ROLES", "edge".to_owned()));
    let faults = format!("{ANSWERED}=hold:{}", hold.display());
    stack.node_with(Options { more, ..Options::faults(faults) }).await
}

#[tokio::test]
async fn what_an_edge_has_no_room_for_is_told_as_lost_to_newcomers_too() {
    let stack = Stack::new().await;
    let node = node(&stack, 4).await;
    // Who acts does it there.
    let people = people(&stack, ["alice", "bob", "carol", "dave", "erin"]).await;
    let [alice, bob, carol, dave, erin] = &people[..] else { panic!("five people") };
    let hold = stack.dir().join("hold");
    let edge = held_up(&stack, &hold).await;
    let group = group(alice, &[bob]).await;
    let alices = Ear::of(alice, &node, group).await;
    let (bobs, carols) = (Ear::of(bob, &edge, group).await, Ear::of(carol, &edge, group).await);
    adds(alice, group, dave).await;
    adds(alice, group, erin).await;
    eventually("the edge is told who is in", BOUND, async || {
        if edge.reached(ANSWERED) > 0 { Ok(()) } else { Err("it is not".to_owned()) }
    })
    .await;
    for _ in 0..TOO_MUCH {
        // Each in a message of its own.
        let said = says(alice, group, "on and on").await;
        alices.hears(Heard::Message(said)).await;
    }
    adds(alice, group, carol).await;
    alices.hears(Heard::Joined(vec![carol.id()])).await;
    let told = metric(&node, "natter_edge_crowd_frames_total").await;
    eventually("the held edge has had all of it", BOUND, async || {
        let had = metric(&edge, "natter_edge_crowd_frames_total").await;
        if had >= told { Ok(()) } else { Err(format!("{had} of {told}")) }
    })
    .await;
    assert!(carols.heard().await.is_empty(), "nobody knows there yet that she is in");
    std::fs::remove_file(&hold).expect("let it go on");
    for ear in [&bobs, &carols] {
        ear.hears(Heard::Resync("crowd".to_owned())).await;
    }
    let last = says(alice, group, "after that").await;
    for ear in [&bobs, &carols] {
        ear.hears(Heard::Message(last)).await;
    }
    let seqs = bobs.seqs().await;
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    assert!((seqs.len() as u64) < TOO_MUCH, "{} were pushed: none was lost", seqs.len());
}

/// Who may see what, from what the owner sees, who sees everything.
fn stays(all: &[wire::Message]) -> BTreeMap<Uuid, Vec<(u64, u64)>> {
    let mut stays = BTreeMap::<Uuid, Vec<(u64, u64)>>::new();
    for message in all {
        let Some(wire::Body::System { code, account_ids, .. }) = &message.body else { continue };
        for account in account_ids {
            let of = stays.entry(*account).or_default();
            match code.as_str() {
                "member.left" => of.last_mut().expect("who leaves was in").1 = message.seq,
                _ => of.push((message.seq, u64::MAX)),
            }
        }
    }
    stays
}

#[tokio::test]
async fn people_who_come_and_go_are_pushed_their_stays_and_nothing_else() {
    let stack = Stack::new().await;
    let nodes = [node(&stack, 2).await, node(&stack, 2).await];
    let people = people(&stack, ["alice", "bob", "carol", "dave", "erin"]).await;
    let (alice, others) = (&people[0], &people[1..]);
    let group = group(alice, &[]).await;
    let mut ears = Vec::new();
    for (number, person) in people.iter().enumerate() {
        ears.push(Ear::of(person, &nodes[number % 2], group).await);
    }
    let mut dice = StdRng::seed_from_u64(6);
    talks_while(alice, group, async {
        let mut is_in = [false; 4];
        for _ in 0..80 {
            let index = dice.random_range(0..others.len());
            match is_in[index] {
                true => removes(alice, group, &others[index]).await,
                false => adds(alice, group, &others[index]).await,
            }
            is_in[index] = !is_in[index];
        }
    })
    .await;
    let last_word = sends(alice, group, "the very last word").await;
    let last = last_word.seq;
    ears[0].hears(Heard::Message(last)).await;
    let all = alice.history(group, &last_word.position.expect("a write has a position")).await;
    let stays = stays(&all);
    for (ear, person) in ears.iter().zip(&people) {
        let of = &stays[&person.id()];
        let sees = |seq: &u64| of.iter().any(|(first, last)| (*first..=*last).contains(seq));
        // Before anybody listened there was the beginning only.
        let expected: Vec<u64> = (2..=last).filter(sees).collect();
        let newest = *expected.last().expect("everybody came once");
        ear.hears(Heard::Message(newest)).await;
        assert_eq!(ear.seqs().await, expected, "of {of:?}");
    }
}

/// Nobody knows anybody. Two listen at another edge than the one where things are said.
#[tokio::test]
async fn a_channel_is_heard_at_every_edge_by_whom_subscribes_and_by_nobody_who_is_banned() {
    let stack = Stack::new().await;
    let _node = node(&stack, 1_000).await;
    let apps = node(&stack, 1_000).await;
    let (alice, bob, carol) = (stack.person("alice").await, stack.person("bob").await, stack.person("carol").await);
    let channel = alice.client().start_channel("news").await.expect("start a channel").conversation.id;
    let (to_bob, to_carol) = (Ear::of(&bob, &apps, channel).await, Ear::of(&carol, &apps, channel).await);
    let comes = async |who: &Person| who.client().join(channel, None).await.expect("subscribe");
    says(&alice, channel, "to nobody").await;
    comes(&bob).await;
    to_bob.hears(Heard::Started).await;
    for _ in 0..5 {
        says(&alice, channel, "to bob").await;
    }
    comes(&carol).await;
    let seq = says(&alice, channel, "to both").await;
    to_carol.hears(Heard::Message(seq)).await;
    to_bob.hears(Heard::Message(seq)).await;
    assert_eq!((to_bob.seqs().await, to_carol.seqs().await), ((3..=8).collect(), vec![8]));
    // Whatever the edge knows of him.
    alice.client().ban(channel, bob.id()).await.expect("ban him");
    for _ in 0..5 {
        says(&alice, channel, "to carol").await;
    }
    to_carol.hears(Heard::Message(13)).await;
    to_bob.hears(Heard::Left(vec![bob.id()])).await;
    assert_eq!(to_bob.seqs().await.last(), Some(&8));
    let connected = Ear::of(&bob, &apps, channel).await;
    alice.client().unban(channel, bob.id()).await.expect("take it back");
    comes(&bob).await;
    let seq = says(&alice, channel, "to both again").await;
    for ear in [&to_bob, &to_carol, &connected] {
        ear.hears(Heard::Message(seq)).await;
    }
    assert_eq!(connected.seqs().await, [seq], "nothing of what was said meanwhile");
}
