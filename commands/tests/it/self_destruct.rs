//! Messages that end by themselves, decided on a real log: once, not before their time, through every stop.

use crate::support::{
    LANES, Node, body, checkpoint, code, draft, eventually, keyless, message_id, sql, wrote_and_died,
};
use natter_commands::{Caller, GivenBody, Named, Outgoing, Reaction, Sent};
use natter_domain::{
    AccountId, Code, ConversationId, MessageId, Noun, Timestamp,
    conversation::{self, BodyKind, Details, Event, Lifetime, SelfDestruct},
    inbox,
};
use natter_streams::{Draft, Lane, Record, clock, id, keyring::Keyring};
use natter_testkit::{BOUND, Stack, within};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONG: Lifetime = Lifetime::AfterS(1_000_000);
const COUNTS: Reaction = Reaction::BeginsCountdowns;

fn ending(lifetime: Lifetime) -> Outgoing {
    let plain = Outgoing::plain(message_id(), GivenBody::text(body("secret"), 6));
    Outgoing { self_destruct: Some(lifetime), ..plain }
}

async fn says(node: &Node, who: Caller, talk: ConversationId, lifetime: Lifetime) -> Sent {
    let sent = node.commands.conversation().send(who, talk, ending(lifetime));
    within("a send is answered", BOUND, sent).await.expect("send")
}

async fn reads(node: &Node, who: Caller, talk: ConversationId, seq: u64) {
    node.commands.inbox().advance(keyless(who), vec![(talk, seq)]).await.expect("read");
}

/// Events of that name in a lane.
async fn named(node: &Node, lane: Lane, noun: Noun, name: &str) -> Vec<Arc<Record>> {
    let events = node.events(lane).await;
    events.into_iter().filter(|it| it.noun == noun && it.event_type == name).collect()
}

async fn expired(node: &Node, talk: ConversationId) -> Vec<Arc<Record>> {
    named(node, node.lane(talk), Noun::Message, "expired").await
}

async fn begun(node: &Node, talk: ConversationId) -> Vec<Arc<Record>> {
    named(node, node.lane(talk), Noun::Conversation, "countdown_began").await
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

/// Everything of a lane was seen by it.
async fn has_seen_all(stack: &Stack, node: &Node, reaction: Reaction, lane: Lane) {
    let head = node.events(lane).await.len() as u64;
    eventually("it has seen all", async || {
        let seen = checkpoint(stack, reaction.as_str(), lane).await;
        if seen >= head { Ok(()) } else { Err(format!("{seen} of {head}")) }
    })
    .await;
}

/// One reaction on every lane.
struct Runner {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    fn start(node: &Node, reaction: Reaction) -> Self {
        let stop = CancellationToken::new();
        let run = |lane| node.reactions().run(reaction, lane, stop.clone());
        let tasks = node.log.lanes().iter().map(|lane| tokio::spawn(run(lane))).collect();
        Self { stop, tasks }
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            within("a reaction stops", BOUND, task).await.expect("it does not panic");
        }
    }

    async fn die(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

/// Somebody's words of long ago, which were to be there for a day, and whose server died.
struct Forgotten {
    talk: ConversationId,
    message: MessageId,
    sender: AccountId,
}

impl Forgotten {
    fn new() -> Self {
        Self { talk: ConversationId(id::new()), message: message_id(), sender: AccountId(id::new()) }
    }

    fn drafts(&self) -> Vec<Draft> {
        let long_ago = Timestamp::from_millis(clock::now().as_millis() - 3 * DAY.as_millis() as i64);
        let lifetime = Lifetime::AfterS(DAY.as_secs());
        let self_destruct = Some(SelfDestruct { lifetime, sent_at: long_ago });
        let sent = Event::MessageSent {
            message_id: self.message,
            seq: 1,
            sender: self.sender,
            body: Keyring::new(&[1; 32]).seal(self.talk.0, b"{}"),
            body_kind: BodyKind::Text,
            size: 2,
            details: Box::new(Details { self_destruct, ..Details::default() }),
        };
        let started = Event::started_direct([self.sender, AccountId(id::new())]);
        let address = conversation::address(self.talk);
        let of = |sequence, event: &Event| Draft::encode(event, address, sequence, "{}".into(), long_ago);
        vec![draft(address, 1, &started), of(2, &sent).expect("it is small")]
    }

    async fn ends_once(&self, node: &Node) {
        eventually("it has ended", async || match expired(node, self.talk).await.len() {
            0 => Err("it has not".to_owned()),
            1 => Ok(()),
            many => panic!("{many} times"),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_once_though_nobody_was_there_and_however_many_come_then() {
    let stack = Stack::new().await;
    let forgotten = Forgotten::new();
    wrote_and_died(&stack, forgotten.drafts()).await;
    let node = Node::quiet(&stack, LANES).await;
    let runners = [Runner::start(&node, Reaction::Timers), Runner::start(&node, Reaction::Timers)];
    forgotten.ends_once(&node).await;
    are_set(&stack, 0).await;
    for runner in runners {
        runner.stop().await;
    }
    // Whoever begins from the beginning again.
    sql(&stack, "DELETE FROM checkpoints").await;
    let runner = Runner::start(&node, Reaction::Timers);
    has_seen_all(&stack, &node, Reaction::Timers, node.lane(forgotten.talk)).await;
    are_set(&stack, 0).await;
    runner.stop().await;
    forgotten.ends_once(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recalled_has_no_moment_any_more_and_what_was_edited_keeps_its_own() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, LANES).await;
    let (alice, _, talk) = node.friends().await;
    let timers = Runner::start(&node, Reaction::Timers);
    let (one, other) = (says(&node, alice, talk, LONG).await, says(&node, alice, talk, LONG).await);
    node.sent(alice, talk, "for good").await;
    are_set(&stack, 2).await;
    let due = async || -> Vec<String> {
        let sql = "SELECT due_at::text FROM timers ORDER BY due_at";
        sqlx::query_scalar(sql).fetch_all(stack.pool()).await.expect("read the timers")
    };
    let before = due().await;
    let edited = Named { conversation: talk, message: other.message_id };
    let words = GivenBody::text(body("other"), 5);
    node.commands.message().edit(keyless(alice), edited, words).await.expect("edit");
    let recalled = Named { conversation: talk, message: one.message_id };
    node.commands.message().recall(keyless(alice), recalled).await.expect("recall");
    are_set(&stack, 1).await;
    assert_eq!(due().await, before[1..], "the edit came before that");
    timers.stop().await;
    assert!(expired(&node, talk).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_ones_reading_begins_the_countdown_and_its_end_is_the_messages() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    let sent = says(&node, alice, talk, Lifetime::AfterReadS(1)).await;
    node.sent(bob, talk, "between").await;
    let unread = says(&node, alice, talk, Lifetime::AfterReadS(1)).await;
    reads(&node, alice, talk, 3).await;
    assert_eq!(rows(&stack).await, 0, "her own reading says nothing");
    reads(&node, bob, talk, 2).await;
    let over =
        eventually("it has ended", async || expired(&node, talk).await.pop().ok_or_else(|| "it has not".to_owned()))
            .await;
    are_set(&stack, 0).await;
    let begun = begun(&node, talk).await;
    let [record] = &begun[..] else { panic!("{begun:?}") };
    let Event::CountdownBegan { message_id, seq, sender, sent_at, expires_at } = record.decode().unwrap() else {
        panic!("{record:?}")
    };
    assert_eq!((message_id, seq, sender, sent_at), (sent.message_id, 1, alice.account, sent.sent_at));
    assert!(over.time >= expires_at, "not before its time");
    let read = named(&node, node.log.lanes().of(bob.account.0), Noun::Inbox, "ending_read").await;
    let [read] = &read[..] else { panic!("{read:?}") };
    assert_eq!(expires_at, read.time + Duration::from_secs(1), "from the moment of the reading");
    assert_eq!(read.decode::<inbox::Event>().unwrap(), inbox::Event::EndingRead { conversation_id: talk, seq: 2 });
    assert_eq!(expired(&node, talk).await.len(), 1);
    reads(&node, bob, talk, unread.seq).await;
    eventually("the other one ends too", async || match expired(&node, talk).await.len() {
        2 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
}

/// Whatever is told of it: also where one of the two blocks the other, or shows nobody what they read.
#[tokio::test(flavor = "multi_thread")]
async fn only_reading_that_ends_something_is_said_and_costs_anything() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    let his = node.log.lanes().of(bob.account.0);
    node.sent(alice, talk, "for good").await;
    says(&node, alice, talk, LONG).await;
    reads(&node, bob, talk, 2).await;
    assert!(named(&node, his, Noun::Inbox, "ending_read").await.is_empty());
    says(&node, alice, talk, Lifetime::AfterReadS(1_000)).await;
    node.commands.friendship().block(keyless(bob), alice.account).await.expect("block");
    reads(&node, bob, talk, 3).await;
    eventually("it has begun", async || match begun(&node, talk).await.len() {
        1 => Ok(()),
        count => Err(count.to_string()),
    })
    .await;
    assert_eq!(named(&node, his, Noun::Inbox, "ending_read").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countdown_begins_once_though_those_die_who_see_to_it() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, LANES).await;
    let (alice, bob, talk) = node.friends().await;
    for _ in 0..3 {
        says(&node, alice, talk, Lifetime::AfterReadS(1_000_000)).await;
    }
    reads(&node, bob, talk, 2).await;
    let his = node.log.lanes().of(bob.account.0);
    for _ in 0..3 {
        let runner = Runner::start(&node, COUNTS);
        eventually("they have begun", async || match begun(&node, talk).await.len() {
            2 => Ok(()),
            count => Err(count.to_string()),
        })
        .await;
        runner.die().await;
        sql(&stack, "DELETE FROM checkpoints").await;
    }
    let (counts, timers) = (Runner::start(&node, COUNTS), Runner::start(&node, Reaction::Timers));
    has_seen_all(&stack, &node, COUNTS, his).await;
    are_set(&stack, 2).await;
    counts.stop().await;
    timers.stop().await;
    assert_eq!(begun(&node, talk).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_ends_is_part_of_what_a_message_is() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, talk) = node.friends().await;
    let message = ending(LONG);
    let send = async |message: Outgoing| node.commands.conversation().send(alice, talk, message).await;
    let sent = send(message.clone()).await.expect("send");
    assert!(send(message.clone()).await.expect("send again").repeated);
    for other in [None, Some(Lifetime::AfterS(1_000_001)), Some(Lifetime::AfterReadS(1_000_000))] {
        let other = Outgoing { self_destruct: other, ..message.clone() };
        assert_eq!(code(send(other).await), Code::Conflict);
    }
    assert_eq!(node.messages(talk).await, [(sent.message_id, 1)]);
    let own = node.commands.conversation().open_own(keyless(alice)).await.expect("open").conversation_id;
    let there = node.commands.conversation().send(alice, own, ending(Lifetime::AfterReadS(5))).await;
    assert_eq!(code(there), Code::Forbidden);
}
