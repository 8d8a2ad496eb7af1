//! Sync's law: what a client had at a cursor, with what sync returns put over it, is what a fresh client gets; whatever
//! happened meanwhile, and in however small pages it is asked for.

use crate::support::{World, eventually};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, FriendshipId, RequestId,
    conversation::{self, Standing},
    friendship::{self, Event},
};
use natter_projections::{Error, Projection, Projections, generation::Operator, message::Range};
use natter_streams::{clock, id};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// What a client knows, built from sync and from ranges of messages.
#[derive(Clone, PartialEq, Debug, Default)]
struct Replica {
    account: Option<Value>,
    friends: BTreeMap<Uuid, Value>,
    requests: BTreeMap<Uuid, Value>,
    conversations: BTreeMap<Uuid, Value>,
    messages: BTreeMap<(Uuid, u64), Value>,
    blocks: BTreeMap<Uuid, Value>,
}

fn json(thing: &impl serde::Serialize) -> Value {
    serde_json::to_value(thing).expect("things are JSON")
}

impl Replica {
    /// Asks until there is no more; says in how many pages.
    async fn sync(&mut self, read: &Projections, me: AccountId, cursor: &mut Option<String>, things: usize) -> usize {
        for pages in 1.. {
            let told = read.sync().since(me, cursor.as_deref(), things).await.expect("sync");
            self.take(&told);
            *cursor = Some(told.cursor);
            if !told.more {
                self.fetch(read, me).await;
                return pages;
            }
        }
        unreachable!("pages end")
    }

    fn take(&mut self, told: &wire::Sync) {
        if let Some(account) = &told.account {
            self.account = Some(json(account));
        }
        self.friends.extend(told.friends.iter().map(|friend| (friend.account.id, json(friend))));
        told.removed_friends.iter().for_each(|id| drop(self.friends.remove(id)));
        told.ignored_requests.iter().for_each(|id| drop(self.requests.remove(id)));
        told.unblocked.iter().for_each(|id| drop(self.blocks.remove(id)));
        self.blocks.extend(told.blocks.iter().map(|block| (block.account.id, json(block))));
        self.requests.extend(told.requests.iter().map(|request| (request.id, json(request))));
        self.conversations.extend(told.conversations.iter().map(|one| (one.conversation.id, json(one))));
        for message in &told.messages {
            let place = (message.conversation_id, message.seq);
            // Those that are new to the client are fetched by range.
            if let Some(held) = self.messages.get_mut(&place) {
                *held = json(message);
            }
        }
    }

    /// New messages come by range.
    async fn fetch(&mut self, read: &Projections, me: AccountId) {
        for id in self.conversations.keys().copied().collect::<Vec<_>>() {
            loop {
                let last = self.messages.range((id, 0)..=(id, u64::MAX)).next_back().map_or(0, |((_, seq), _)| *seq);
                let range = Range { after_seq: Some(last), limit: 50, ..Range::default() };
                let page = read.message().page(me, ConversationId(id), range).await.expect("a page");
                let page = page.expect("a conversation of theirs");
                if page.is_empty() {
                    break;
                }
                self.messages.extend(page.iter().map(|message| ((id, message.seq), json(message))));
            }
        }
    }
}

async fn fresh(read: &Projections, me: AccountId) -> Replica {
    let mut replica = Replica::default();
    replica.sync(read, me, &mut None, 1_000).await;
    replica
}

/// A life of three people, of which `who` lives some: each step is a world of its own between two syncs.
async fn step(world: &World, people: &[AccountId; 3], talk: ConversationId, number: u64) {
    let [alice, bob, carol] = *people;
    match number {
        0 => {
            world.say(talk, alice, 1).await;
            world.say(talk, bob, 2).await;
        }
        1 => {
            world.read(alice, talk, 2).await;
        }
        2 => {
            world.request(carol, alice, "hello", Duration::from_secs(60)).await;
        }
        3 => {
            let request = world.request(carol, bob, "hello", Duration::from_secs(60)).await;
            let other = world.accept(request, carol, bob).await;
            world.start_direct(other, [carol, bob]).await;
            world.say(other, carol, 1).await;
        }
        _ => {
            for seq in 3..60 {
                world.say(talk, if seq % 3 == 0 { alice } else { bob }, seq).await;
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_had_and_what_sync_tells_is_what_a_fresh_one_gets() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob, talk) = world.pair().await;
    let carol = world.register("carol").await;
    let people = [alice, bob, carol];
    let mut clients: Vec<(AccountId, Replica, Option<String>)> =
        people.map(|one| (one, Replica::default(), None)).to_vec();
    for number in 0..5 {
        step(&world, &people, talk, number).await;
        read.catch_up(&Projection::ALL).await.expect("the projections catch up");
        for (me, replica, cursor) in &mut clients {
            let pages = replica.sync(&read, *me, cursor, 1).await;
            assert_eq!(*replica, fresh(&read, *me).await, "after step {number}, {pages} pages");
        }
    }
    // Nothing more to tell: one page with nothing in it.
    let (me, _, cursor) = &mut clients[0];
    let told = read.sync().since(*me, cursor.as_deref(), 10).await.expect("sync");
    assert!(!told.more && told.conversations.is_empty() && told.friends.is_empty() && told.requests.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn what_runs_out_without_an_event_is_told_too() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    world.request(alice, bob, "hello", Duration::from_millis(500)).await;
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let (mut replica, mut cursor) = (Replica::default(), None);
    replica.sync(&read, bob, &mut cursor, 10).await;
    eventually("the request has expired", async || {
        fresh(&read, bob).await.requests.values().all(|request| request["status"] == "expired")
    })
    .await;
    replica.sync(&read, bob, &mut cursor, 10).await;
    assert_eq!(replica, fresh(&read, bob).await);
    running.stop().await;
}

#[tokio::test]
async fn a_cursor_serves_its_owner_and_its_log_only() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob, _) = world.pair().await;
    let cursor = read.sync().since(alice, None, 10).await.expect("sync").cursor;
    assert!(read.sync().since(alice, Some(&cursor), 10).await.is_ok());
    assert!(matches!(read.sync().since(bob, Some(&cursor), 10).await, Err(Error::BadCursor)));
    assert!(matches!(read.sync().since(alice, Some("AAAA"), 10).await, Err(Error::BadCursor)));
    running.stop().await;
}

/// Who was in and is out is told of their leaving, and of nothing that is said afterwards.
#[tokio::test]
async fn who_has_left_is_told_so_once() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob, _) = world.pair().await;
    let group = world.start_group(alice, &[bob]).await;
    let mut cursor = None;
    let mut replica = Replica::default();
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    replica.sync(&read, bob, &mut cursor, 3).await;
    let left = conversation::Event::MemberLeft { seq: 2, account_id: bob, joined_seq: 0, by: alice };
    world.append(conversation::address(group), &left).await;
    world.say(group, alice, 3).await;
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let told = read.sync().since(bob, cursor.as_deref(), 100).await.expect("sync");
    assert_eq!(told.left, [group.0]);
    replica.sync(&read, bob, &mut cursor, 1).await;
    assert_eq!(replica, fresh(&read, bob).await);
    assert!(!replica.messages.contains_key(&(group.0, 3)));
    world.say(group, alice, 4).await;
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let told = read.sync().since(bob, cursor.as_deref(), 100).await.expect("sync");
    assert!(told.left.is_empty() && told.conversations.is_empty());
    running.stop().await;
}

/// Conversations of which there is nothing to tell do not end the telling.
#[tokio::test]
async fn what_changed_in_the_last_of_many_conversations_is_told() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let alice = world.register("alice").await;
    let mut told = Vec::new();
    for _ in 0..6 {
        let group = world.start_group(alice, &[]).await;
        told.push(world.send(group, alice, 2).await);
    }
    told.sort_unstable_by_key(|place| place.conversation_id.0);
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let (mut replica, mut cursor) = (Replica::default(), None);
    replica.sync(&read, alice, &mut cursor, 100).await;
    let last = told.pop().expect("six groups");
    world.change(world.edited(last, "of the last one")).await;
    for place in told {
        // Sent since, so it is fetched by range, whatever became of it.
        let new = world.send(place.conversation_id, alice, 3).await;
        world.change(world.edited(new, "new")).await;
    }
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    replica.sync(&read, alice, &mut cursor, 1).await;
    assert_eq!(replica, fresh(&read, alice).await);
    running.stop().await;
}

/// A client that synced while an event was set aside is told of it once it is applied.
#[tokio::test]
async fn what_was_set_aside_is_told_once_it_is_applied() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob, talk) = world.pair().await;
    let first = world.send(talk, alice, 1).await;
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let (mut replica, mut cursor) = (Replica::default(), None);
    replica.sync(&read, bob, &mut cursor, 100).await;
    let refuse = "ALTER TABLE message ADD CONSTRAINT refused CHECK (edited_at IS NULL) NOT VALID";
    sqlx::query(refuse).execute(&world.pool).await.unwrap();
    world.change(world.edited(first, "mended")).await;
    world.say(talk, alice, 2).await;
    read.catch_up(&Projection::ALL).await.expect("everything else goes on");
    for _ in 0..2 {
        replica.sync(&read, bob, &mut cursor, 100).await;
        assert_eq!(replica, fresh(&read, bob).await, "as it is shown meanwhile");
    }
    sqlx::query("ALTER TABLE message DROP CONSTRAINT refused").execute(&world.pool).await.unwrap();
    let operator = Operator::begin(&world.log, &world.settings(&world.url), "history").await.unwrap();
    assert_eq!(operator.retry(None).await.unwrap().left, 0);
    replica.sync(&read, bob, &mut cursor, 100).await;
    assert!(replica.messages[&(talk.0, 1)]["edited_at"].is_string(), "it is told");
    // Pages that memory kept meanwhile are forgotten within a second or so.
    eventually("it is shown", async || replica == fresh(&read, bob).await).await;
    running.stop().await;
}

/// Whether it tells nothing at all.
fn is_empty(told: &wire::Sync) -> bool {
    let things = json(told);
    let things =
        things.as_object().expect("an object").iter().filter(|(name, _)| !["cursor", "more"].contains(&&***name));
    things.into_iter().all(|(_, thing)| thing.is_null() || thing.as_array().is_some_and(Vec::is_empty))
}

/// What becomes of Alice and Bob, one by one, and whether Bob is told of it.
fn lives(world: &World, [alice, bob]: [AccountId; 2], talk: ConversationId, ask: RequestId) -> Vec<(Step, bool)> {
    let first = Standing::first();
    let barred = first.barred(alice);
    let back = barred.unbarred(alice);
    let closed = back.closed();
    let pair = |event| Step::Pair(event);
    let stands = |standing: &Standing, shown_to: &[AccountId]| {
        Step::Talk(conversation::Event::StandingChanged {
            standing: standing.clone(),
            shown_to: shown_to.to_vec(),
            last_seq: 0,
        })
    };
    let conversation_id = Some(talk);
    let (by, other) = (alice, bob);
    vec![
        (
            pair(Event::FriendChanged {
                account: alice,
                friend: bob,
                remark: Some(world.sealed(alice.0, "Bobby")),
                folder: Some(world.sealed(alice.0, "Work")),
                starred: true,
            }),
            false,
        ),
        (pair(Event::Blocked { by, other, conversation_id, standing: barred.clone() }), false),
        (stands(&barred, &[alice]), false),
        (pair(Event::Unblocked { by, other, conversation_id, standing: back.clone() }), false),
        (stands(&back, &[alice]), false),
        (pair(Event::Removed { by, other, conversation_id: talk, standing: closed.clone() }), true),
        (stands(&closed, &[alice, bob]), true),
        (
            pair(Event::Requested {
                request_id: ask,
                from: bob,
                to: alice,
                message: None,
                at: clock::now(),
                expires_at: clock::now() + Duration::from_secs(600),
                source: None,
            }),
            true,
        ),
        (pair(Event::Ignored { request_id: ask, from: bob, to: alice }), false),
        (pair(Event::Blocked { by, other, conversation_id, standing: closed.barred(alice) }), false),
        (stands(&closed.barred(alice), &[]), false),
        (pair(Event::Cancelled { request_id: ask, from: bob, to: alice }), true),
        (pair(Event::Unblocked { by, other, conversation_id, standing: closed.barred(alice).unbarred(alice) }), false),
    ]
}

enum Step {
    Pair(Event),
    Talk(conversation::Event),
}

/// What a client had, with what sync tells, is what a fresh one gets; and of a block the blocked one is told nothing.
#[tokio::test]
async fn what_becomes_of_friends_is_told_to_whom_it_concerns() {
    let world = World::new().await;
    let (read, running) = world.start().await;
    let (alice, bob, talk) = world.pair().await;
    let ask = RequestId(id::new());
    read.catch_up(&Projection::ALL).await.expect("the projections catch up");
    let mut clients = [alice, bob].map(|one| (one, Replica::default(), None));
    for (me, replica, cursor) in &mut clients {
        replica.sync(&read, *me, cursor, 2).await;
    }
    let (mut seen, mut bobs) = (BTreeMap::new(), fresh(&read, bob).await);
    for (number, (step, bob_is_told)) in lives(&world, [alice, bob], talk, ask).into_iter().enumerate() {
        match step {
            Step::Pair(event) => world.append(friendship::address(FriendshipId::of(alice, bob)), &event).await,
            Step::Talk(event) => world.append(conversation::address(talk), &event).await,
        };
        read.catch_up(&Projection::ALL).await.expect("the projections catch up");
        let told = read.sync().since(bob, clients[1].2.as_deref(), 100).await.expect("sync");
        assert_eq!(!is_empty(&told), bob_is_told, "step {number}: {told:?}");
        for (me, replica, cursor) in &mut clients {
            replica.sync(&read, *me, cursor, 1).await;
            assert_eq!(*replica, fresh(&read, *me).await, "after step {number}");
        }
        if !bob_is_told {
            assert_eq!(fresh(&read, bob).await, bobs, "after step {number}");
        }
        bobs = fresh(&read, bob).await;
        let alices = &clients[0].1;
        let state = alices.conversations[&talk.0]["state"].as_str().expect("a state").to_owned();
        seen.insert(number, (alices.friends.len(), alices.blocks.len(), alices.requests.len(), state));
    }
    // Friends, blocks, requests (one was accepted before), and the conversation's state, as Alice has them.
    let expected = |friends, blocks, requests, state: &str| (friends, blocks, requests, state.to_owned());
    assert_eq!(seen[&2], expected(1, 1, 1, "closed"));
    assert_eq!(seen[&4], expected(1, 0, 1, "open"));
    assert_eq!(seen[&6], expected(0, 0, 1, "closed"));
    assert_eq!(seen[&7], expected(0, 0, 2, "closed"));
    assert_eq!(seen[&8], expected(0, 0, 1, "closed"));
    assert_eq!(seen[&12], expected(0, 0, 1, "closed"));
    running.stop().await;
}
