//! Sync's law, through the public door: what a client had at a cursor, with what sync told it and ranges of new messages,
//! is what a fresh client reads. For everybody, those who left included, whatever they do at once and whatever dies.

mod live;
mod view;

use crate::restart::BOUND;
use natter_testkit::{
    Node, Options, Person, Stack, client,
    client::{Error, Signed, follow::Update, rest::Range, wire},
    eventually, law,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

/// What each of the people does between two quiet points.
const DEEDS: usize = 40;
const ROUNDS: usize = 2;
const MONTH: u64 = 30 * 24 * 60 * 60;
/// What somebody may be told who acts on what has changed meanwhile, or asks nobody first.
const REFUSALS: [&str; 15] = [
    "not_found",
    "not_a_member",
    "not_friends",
    "not_allowed",
    "forbidden",
    "recalled",
    "too_late",
    "already_friends",
    "request_repeated",
    "request_closed",
    "not_your_message",
    "owner_must_stay",
    "self_not_allowed",
    "invalid_input",
    "banned",
];

/// What a client knows, built from sync and from ranges of messages, as JSON: every field counts.
#[derive(Clone, PartialEq, Debug, Default)]
struct Known {
    account: Option<Value>,
    friends: BTreeMap<Uuid, Value>,
    requests: BTreeMap<Uuid, Value>,
    conversations: BTreeMap<Uuid, Value>,
    messages: BTreeMap<(Uuid, u64), Value>,
    /// One by one, for themselves: told by sync, and shown nowhere.
    deleted: BTreeSet<(Uuid, u64)>,
}

/// A device that knows nothing but what sync and ranges have told it.
struct Replica {
    me: Signed,
    /// Asks by frames on a connection that is opened anew where it broke; otherwise over REST.
    by_frames: bool,
    known: Known,
    cursor: Option<String>,
    syncs: usize,
    pages: usize,
}

fn as_json(thing: &impl serde::Serialize) -> Value {
    serde_json::to_value(thing).expect("things are JSON")
}

impl Replica {
    fn new(me: &Signed, by_frames: bool) -> Self {
        Self { me: me.clone(), by_frames, known: Known::default(), cursor: None, syncs: 0, pages: 0 }
    }

    /// Asks until there is no more, then fetches what is new.
    async fn sync(&mut self) -> Result<(), Error> {
        loop {
            let told = self.ask().await?;
            let more = told.more;
            self.take(told);
            self.pages += 1;
            if !more {
                self.syncs += 1;
                return self.fetch().await;
            }
        }
    }

    async fn ask(&self) -> Result<wire::Sync, Error> {
        if !self.by_frames {
            return self.me.sync(self.cursor.as_deref()).await;
        }
        let socket = client::socket::Socket::connect(&self.me, client::socket::Handover::Header).await?;
        socket.requests().sync(self.cursor.as_deref()).await?.answer().await
    }

    fn take(&mut self, told: wire::Sync) {
        let known = &mut self.known;
        if let Some(account) = &told.account {
            known.account = Some(as_json(account));
        }
        known.friends.extend(told.friends.iter().map(|friend| (friend.account.id, as_json(friend))));
        known.requests.extend(told.requests.iter().map(|request| (request.id, as_json(request))));
        // What is left and not told is none of theirs any more.
        let is_told = |id: &Uuid| told.conversations.iter().any(|one| one.conversation.id == *id);
        told.left.iter().filter(|id| !is_told(id)).for_each(|id| known.loses(*id));
        told.conversations.iter().for_each(|one| known.puts(one));
        told.deleted_messages.iter().for_each(|it| known.deletes(it.conversation_id, it.seq));
        known.forget_what_is_gone();
        for message in &told.messages {
            if let Some(held) = known.messages.get_mut(&(message.conversation_id, message.seq)) {
                *held = as_json(message);
            }
        }
        self.cursor = Some(told.cursor);
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        for id in self.known.conversations.keys().copied().collect::<Vec<_>>() {
            loop {
                let after_seq = Some(self.known.newest(id));
                let page = self.me.messages(id, Range { after_seq, limit: Some(50), ..Range::default() }).await?;
                if page.is_empty() {
                    break;
                }
                self.known.messages.extend(page.iter().map(|message| ((id, message.seq), as_json(message))));
            }
        }
        Ok(())
    }
}

/// What lists and pages show, and no sync.
async fn read(me: &Signed) -> Known {
    const ALL: client::rest::Page = client::rest::Page { cursor: None, limit: Some(200) };
    let mut known = Known { account: Some(as_json(&me.me().await.expect("read oneself"))), ..Known::default() };
    for friend in me.friends(&ALL).await.expect("list friends").items {
        known.friends.insert(friend.account.id, as_json(&friend));
    }
    for direction in ["in", "out"] {
        let requests = me.friend_requests(direction, None, &ALL).await.expect("list requests").items;
        known.requests.extend(requests.iter().map(|request| (request.id, as_json(request))));
    }
    for own in view::all(me).await.expect("list conversations") {
        known.puts(&own);
    }
    let mut reader = Replica { known, ..Replica::new(me, false) };
    reader.fetch().await.expect("read messages");
    reader.known
}

/// An owner, who stays, and three friends of hers who come and go; to her channel too.
struct House {
    people: Vec<Person>,
    group: Uuid,
    channel: Uuid,
    done: AtomicUsize,
}

impl House {
    async fn meet(stack: &Stack) -> Self {
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            people.push(stack.person(name).await);
        }
        for friend in &people[1..] {
            people[0].befriends(friend).await;
        }
        let group = people[0].client().start_group("us", &[people[1].id()]).await.expect("start a group");
        let channel = people[0].client().start_channel("news").await.expect("start a channel").conversation.id;
        Self { people, group: group.conversation.id, channel, done: AtomicUsize::new(0) }
    }

    /// One person lives, and one of their devices syncs in between.
    async fn lives(&self, index: usize, round: usize, replica: &mut Replica) {
        let mut dice = StdRng::seed_from_u64((round * 10 + index) as u64);
        for _ in 0..DEEDS {
            self.does_something(&self.people[index], &mut dice).await;
            if dice.random_range(0..4) == 0 {
                // One that fails in the middle goes on from the last cursor that came.
                let _ = replica.sync().await;
            }
        }
    }

    /// Everybody does so much; nothing else happens here.
    async fn everybody_acts(&self, seed: u64) {
        let acts = self.people.iter().enumerate().map(async |(index, person)| {
            let mut dice = StdRng::seed_from_u64(seed + index as u64);
            for _ in 0..DEEDS {
                self.does_something(person, &mut dice).await;
            }
        });
        futures::future::join_all(acts).await;
    }

    /// While everybody is at it.
    async fn are_in_the_middle(&self, before: usize) {
        eventually("they are in the middle", BOUND, async || match self.done.load(Ordering::SeqCst) - before {
            done if done > 2 * DEEDS => Ok(()),
            done => Err(format!("{done} done")),
        })
        .await;
    }

    async fn does_something(&self, person: &Person, dice: &mut StdRng) {
        self.done.fetch_add(1, Ordering::SeqCst);
        let (me, one) = (person.client(), self.people.choose(dice).expect("four").id());
        let Ok(mine) = view::all(me).await else { return };
        let Some(talk) = mine.choose(dice).map(|own| own.conversation.id) else { return };
        match dice.random_range(0..26) {
            0..6 => says(person, talk).await,
            6..12 => changes(person, talk, dice).await,
            12..14 => {
                let seq =
                    mine.iter().find(|own| own.conversation.id == talk).map_or(0, |own| own.conversation.last_seq);
                tried(person, async || me.read_up_to(talk, seq).await.map(drop)).await;
            }
            14..16 => tried(person, async || me.add_members(self.group, &[one]).await.map(drop)).await,
            16 if person.id() == self.people[0].id() => {
                tried(person, async || me.remove_member(self.group, one).await.map(drop)).await;
            }
            16 => tried(person, async || me.leave(self.group).await.map(drop)).await,
            17 => tried(person, async || me.rename_group(self.group, "us all").await.map(drop)).await,
            20..22 => view::changes(person, talk, dice).await,
            22 | 23 => tried(person, async || me.join(self.channel, None).await.map(drop)).await,
            24 => tried(person, async || me.leave(self.channel).await.map(drop)).await,
            25 if dice.random() => tried(person, async || me.ban(self.channel, one).await.map(drop)).await,
            25 => tried(person, async || me.unban(self.channel, one).await.map(drop)).await,
            18 => tried(person, async || me.request_friend(one, Some("hello")).await.map(drop)).await,
            _ => answers(person, dice).await,
        }
    }
}

/// Whatever follows from what was done is done, and shown.
async fn all_is_quiet(stack: &Stack) {
    let waiting = "SELECT count(*) FROM events WHERE event_type = 'ending_read' AND position > coalesce(
        (SELECT position FROM checkpoints WHERE projection = 'conversation.begins_countdowns'
         AND checkpoints.lane = events.lane), 0)";
    eventually("what was read counts", BOUND, async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(stack.pool()).await.expect("ask the log");
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} wait")) }
    })
    .await;
    law::projections_are_at_the_head(stack).await;
}

/// Some of it ends by itself, long after all this; where more than two talk, only some time after it was sent.
async fn says(person: &Person, talk: Uuid) {
    let body = wire::Body::text(format!("of {}", person.name));
    let id = client::new_id();
    let (after_s, after_read_s) = match id.as_bytes()[15] % 6 {
        0 => (Some(MONTH), None),
        1 => (None, Some(MONTH)),
        _ => (None, None),
    };
    let ends = (after_s, after_read_s) != (None, None);
    let self_destruct = ends.then_some(wire::SelfDestruct { after_s, after_read_s });
    let message = wire::MessageNew { self_destruct, ..wire::MessageNew::new(id, body) };
    tried(person, async || person.client().send(talk, &message).await.map(drop)).await;
}

async fn changes(person: &Person, talk: Uuid, dice: &mut StdRng) {
    let me = person.client();
    let Ok(page) = me.messages(talk, Range { limit: Some(20), ..Range::default() }).await else { return };
    let Some(message) = page.choose(dice).map(|message| message.message_id) else { return };
    let emoji = *["a", "b"].choose(dice).expect("two");
    let body = wire::Body::text(format!("edited {}", dice.random::<u16>()));
    match dice.random_range(0..9) {
        0..3 => tried(person, async || me.edit(talk, message, &body).await.map(drop)).await,
        3 => tried(person, async || me.recall(talk, message).await.map(drop)).await,
        4..6 => tried(person, async || me.react(talk, message, emoji).await.map(drop)).await,
        6 => tried(person, async || me.unreact(talk, message, emoji).await.map(drop)).await,
        7 => tried(person, async || me.pin(talk, message).await.map(drop)).await,
        _ => tried(person, async || me.unpin(talk, message).await.map(drop)).await,
    }
}

async fn answers(person: &Person, dice: &mut StdRng) {
    let (me, page) = (person.client(), client::rest::Page::default());
    let Ok(waiting) = me.friend_requests("in", Some("pending"), &page).await else { return };
    let Some(request) = waiting.items.choose(dice).map(|request| request.id) else { return };
    match dice.random_range(0..3) {
        0 => tried(person, async || me.reject_friend(request).await.map(drop)).await,
        _ => tried(person, async || me.accept_friend(request).await.map(drop)).await,
    }
}

async fn tried(person: &Person, act: impl AsyncFn() -> Result<(), Error>) {
    let act = async || match act().await {
        Err(error) if error.code().is_some_and(|code| REFUSALS.contains(&code)) => Ok(()),
        acted => acted,
    };
    person.insists("acts", act).await;
}

async fn node(stack: &Stack, roles: &'static str) -> Node {
    stack.node_with(Options { more: vec![("NATTER_ROLES", roles.to_owned())], ..Options::default() }).await
}

#[tokio::test]
async fn what_a_device_had_and_what_sync_tells_is_what_a_fresh_one_reads() {
    let stack = Stack::new().await;
    let _writing = node(&stack, "commands").await;
    let mut reading = [node(&stack, "projections").await, node(&stack, "projections").await];
    let mut doors = node(&stack, "edge").await;
    let house = House::meet(&stack).await;
    let mut busy: Vec<Replica> =
        house.people.iter().enumerate().map(|(index, one)| Replica::new(one.client(), index % 2 == 1)).collect();
    let mut rare: Vec<Replica> = house.people.iter().map(|one| Replica::new(one.client(), false)).collect();
    for (round, killed) in reading.iter_mut().enumerate().take(ROUNDS) {
        let before = house.done.load(Ordering::SeqCst);
        let hurt = async {
            house.are_in_the_middle(before).await;
            killed.kill().await;
            doors.kill().await;
            doors.restart().await;
            killed.restart().await;
        };
        let lives = busy.iter_mut().enumerate().map(|(index, replica)| house.lives(index, round, replica));
        tokio::join!(futures::future::join_all(lives), hurt);
        all_is_quiet(&stack).await;
        for replica in busy.iter_mut().chain(&mut rare) {
            replica.sync().await.expect("sync at a quiet point");
            let expected = read(&replica.me).await;
            same(&replica.known, &expected, &format!("round {round}, {}", replica.me.account().id));
        }
    }
    let talked: usize = busy.iter().map(|replica| replica.known.messages.len()).sum();
    assert!(talked > 50 && busy.iter().all(|replica| replica.syncs > ROUNDS), "{talked} messages");
    let left = busy.iter().flat_map(|it| it.known.conversations.values()).filter(|own| !own["left_seq"].is_null());
    let changed = busy.iter().flat_map(|it| it.known.messages.values()).filter(|it| !it["edited_at"].is_null());
    assert!(left.count() + changed.count() > 0, "somebody did something");
}

/// Part by part, so that a difference can be read.
fn difference(known: &Known, expected: &Known) -> Result<(), String> {
    for (place, message) in &expected.messages {
        let held = known.messages.get(place);
        if held != Some(message) {
            return Err(format!("message {place:?}: {held:?}, not {message}"));
        }
    }
    for (id, own) in &expected.conversations {
        let held = known.conversations.get(id);
        if held != Some(own) {
            return Err(format!("conversation {id}: {held:?}, not {own}"));
        }
    }
    let shown = Known { deleted: BTreeSet::new(), ..known.clone() };
    if shown == *expected { Ok(()) } else { Err(format!("{known:?}, not {expected:?}")) }
}

#[track_caller]
fn same(known: &Known, expected: &Known, who: &str) {
    assert_eq!(difference(known, expected), Ok(()), "{who}");
}

#[tokio::test]
async fn much_comes_in_pages_and_a_cursor_is_its_owners() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    let mut ids = Vec::new();
    for number in 0..205 {
        ids.push(alice.says(&bob, &format!("number {number}")).await.message_id);
    }
    all_is_quiet(&stack).await;
    let mut replica = Replica::new(bob.client(), false);
    replica.sync().await.expect("sync");
    assert_eq!((replica.pages, replica.known.messages.len()), (1, 205));
    for id in &ids {
        alice.client().react(conversation, *id, "a").await.expect("react");
    }
    all_is_quiet(&stack).await;
    let cursor = replica.cursor.clone().expect("a cursor");
    let first = bob.client().sync(Some(&cursor)).await.expect("sync");
    assert!(first.more && first.messages.len() <= 200, "{}", first.messages.len());
    replica.sync().await.expect("sync");
    assert!(replica.pages > 2, "{} pages", replica.pages);
    same(&replica.known, &read(bob.client()).await, "bob");

    let mut socket = alice.raw_socket().await;
    let broken = format!("{}A", &cursor[..cursor.len() - 1]);
    for bad in [cursor.as_str(), broken.as_str(), "", "AAAA", "*"] {
        alice.raw().await.get(&format!("/api/v1/sync?cursor={bad}")).await.invalid("/cursor");
        socket.send(json!({"id": "bad", "op": "sync", "cursor": bad}).to_string()).await;
        socket.refused(&json!("bad"), 422, "invalid_input").await;
    }
}

/// Pushes never come, so that all is learnt by asking.
#[tokio::test]
async fn an_app_that_asks_again_is_told_what_changed_and_nothing_else() {
    let stack = Stack::new().await;
    let node = stack.node_with(Options::faults("edge.push=drop@1")).await;
    let (alice, bob, carol) = (node.register("alice").await, node.register("bob").await, node.register("carol").await);
    let (talk, idle) = (alice.befriends(&bob).await, alice.befriends(&carol).await);
    let first = alice.says(&bob, "first").await.message_id;
    alice.says(&carol, "idle").await;
    all_is_quiet(&stack).await;
    alice.looks_every(std::time::Duration::from_millis(100)).await;
    let mended = wire::Body::text("mended");
    alice.client().edit(talk, first, &mended).await.expect("edit");
    let is_mended = |update: &Update| match update {
        Update::Changed(message) => (message.body.as_ref() == Some(&mended)).then_some(()),
        _ => None,
    };
    alice.sees_that("the edit", is_mended).await;
    bob.says(&alice, "second").await;
    alice.sees("second").await;
    let diary = alice.diary();
    let told = |id: Uuid| {
        diary.iter().filter(|it| matches!(it, Update::Conversation(own) if own.conversation.id == id)).count()
    };
    assert!(told(idle) == 1 && told(talk) > 1, "{} and {} times", told(idle), told(talk));
}
