//! What is held for somebody who looks at it, and what becomes of it.

use crate::support::{Node, body, code, keyless, message_id};
use natter_commands::{Caller, GivenBody, Named, Operators, Outgoing};
use natter_domain::{
    AccountId, Code, ConversationId, MessageId, Noun,
    pending::{Event, Place},
};
use natter_streams::clock;
use natter_testkit::{BOUND, Stack, eventually};
use std::time::Duration;

fn saying(message: MessageId, text: &str) -> Outgoing {
    Outgoing::plain(message, GivenBody::text(body(text), text.len() as u32))
}

async fn held(node: &Node, by: Caller, there: ConversationId) -> Place {
    let message = message_id();
    let pending = node.commands.pending();
    assert!(pending.hold(by, there, saying(message, "spam"), "rule").await.expect("hold").created);
    let again = pending.hold(by, there, saying(message, "spam"), "another rule").await.expect("hold it again");
    assert!(!again.created, "a repeat");
    let other = pending.hold(by, there, saying(message, "other"), "rule").await;
    assert_eq!(code(other), Code::Conflict);
    Place { conversation_id: there, message_id: message, author: by.account }
}

async fn events(node: &Node, there: ConversationId) -> Vec<Event> {
    let events = node.events(node.lane(there)).await;
    let mine = events.iter().filter(|record| record.noun == Noun::Pending);
    mine.map(|record| record.decode().expect("an event of what is pending")).collect()
}

/// In a process of their own.
async fn operators(node: &Node) -> Operators {
    let (own, feeds) = (natter_streams::Node::new("operator"), node.feeds.clone());
    let context = natter_streams::lease::Context { node: own, ..node.context.clone() };
    Operators::reach(&context, feeds, node.keys().await, &node.stop).0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_said_once_when_a_reviewer_lets_it() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, talk) = node.friends().await;
    let message = held(&node, alice, talk).await;
    assert!(node.messages(talk).await.is_empty(), "nothing is said");
    let operators = operators(&node).await;
    for _ in 0..2 {
        operators.release_held(message, "root").await.expect("release");
    }
    eventually("it is said", BOUND, async || match events(&node, talk).await.last() {
        Some(Event::Sent { seq: 1, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    operators.release_held(message, "root").await.expect("release again");
    assert_eq!(node.messages(talk).await, [(message.message_id, 1)]);
    let by: Vec<_> = events(&node, talk)
        .await
        .into_iter()
        .filter_map(|event| if let Event::Released { by, .. } = event { Some(by) } else { None })
        .collect();
    assert_eq!(by, [Some("root".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reviewer_refuses_is_not_said_and_says_why() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, talk) = node.friends().await;
    let (message, taken_back) = (held(&node, alice, talk).await, held(&node, alice, talk).await);
    let operators = operators(&node).await;
    operators.refuse_held(message, "root").await.expect("refuse");
    let last = events(&node, talk).await.pop();
    let Some(Event::Failed { code: why, by, .. }) = last else { panic!("{last:?}") };
    assert_eq!((why.as_str(), by.as_deref()), ("content_refused", Some("root")));
    let released = operators.release_held(message, "root").await;
    assert_eq!(code(released), Code::NotFound, "too late for that");
    // Its author has thought better of the other one.
    let named = Named { conversation: talk, message: taken_back.message_id };
    node.commands.pending().cancel(keyless(alice), named).await.expect("take it back");
    assert_eq!(code(operators.release_held(taken_back, "root").await), Code::NotFound);
    let nobody = Place { author: AccountId(talk.0), ..message };
    assert_eq!(code(operators.refuse_held(nobody, "root").await), Code::NotFound);
    assert!(node.messages(talk).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_say_it_has_nothing_waiting() {
    let node = Node::start(&Stack::new().await).await;
    let (_, bob, talk) = node.friends().await;
    let carol = node.person("carol").await;
    let pending = node.commands.pending();
    let soon = clock::now() + Duration::from_secs(60);
    let held = pending.hold(carol, talk, saying(message_id(), "spam"), "rule").await;
    assert_eq!(code(held), Code::NotFound);
    let sent = node.sent(bob, talk, "said").await;
    let again = pending.schedule(bob, talk, saying(sent.message_id, "said"), soon).await;
    assert_eq!(code(again), Code::Conflict, "that was said");
    assert!(events(&node, talk).await.is_empty());
}
