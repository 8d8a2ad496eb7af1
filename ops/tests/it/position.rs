//! Read your writes: a read that carries a write's position waits for the projections it is made of, and says so
//! when they do not come.

use natter_testkit::{BOUND, Options, Stack, client::Error, eventually, law, within};
use std::{future::Future, path::PathBuf, time::Duration};

const POINT: &str = "projection.relations.before_apply";
/// Long enough that an answer that does not wait would have come.
const NOT_YET: Duration = Duration::from_millis(500);

/// The projection stands still while this file exists.
struct Hold(PathBuf);

impl Hold {
    fn of(stack: &Stack) -> Self {
        Self(stack.dir().join("hold"))
    }

    fn options(&self) -> Options {
        Options::faults(format!("{POINT}=hold:{}", self.0.display()))
    }

    fn begin(&self) {
        std::fs::write(&self.0, "").expect("make the file that holds");
    }

    fn end(&self) {
        std::fs::remove_file(&self.0).expect("remove the file that holds");
    }
}

#[tokio::test]
async fn a_read_waits_for_the_write_it_names() {
    let stack = Stack::new().await;
    let hold = Hold::of(&stack);
    let node = stack.node_with(hold.options()).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;

    let before = alice.says(&bob, "before").await.position.expect("a write has a position");
    alice.client().at(&before).conversation(conversation).await.unwrap();

    law::projections_are_at_the_head(&stack).await;
    hold.begin();
    let reached = node.reached(POINT);
    let sent = alice.says(&bob, "hi").await;
    eventually("the projection is held", BOUND, async || {
        if node.reached(POINT) > reached { Ok(()) } else { Err("it was not reached".to_owned()) }
    })
    .await;
    let own = alice.client().conversation(conversation).await.unwrap();
    assert_eq!(own.conversation.last_seq, 1, "a read without a position does not wait");

    let reader = alice.client().at(sent.position.as_deref().expect("a write has a position"));
    let read = reader.conversation(conversation);
    tokio::pin!(read);
    assert!(tokio::time::timeout(NOT_YET, &mut read).await.is_err(), "answered without what it was to wait for");
    hold.end();
    let own = within("the read", BOUND, read).await.unwrap();
    assert_eq!((own.conversation.last_seq, own.last_message.map(|last| last.seq)), (2, Some(2)));
}

#[tokio::test]
async fn a_read_that_waited_too_long_says_so() {
    let stack = Stack::new().await;
    let hold = Hold::of(&stack);
    let node = stack.node_with(hold.options()).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;

    law::projections_are_at_the_head(&stack).await;
    hold.begin();
    let sent = alice.says(&bob, "hi").await;
    let path = format!("/api/v1/conversations/{conversation}");
    let raw = alice.raw().await.with("natter-position", &sent.position.clone().expect("a write has a position"));
    let late = raw.get(&path).await;
    late.refused(503, "unavailable");
    assert!(late.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "Retry-After in seconds");
    hold.end();
    let own = raw.get(&path).await.ok(200);
    assert_eq!(own["last_seq"], 1, "the same token works later");
}

#[tokio::test]
async fn a_write_to_what_was_made_a_moment_ago_finds_it_although_the_projection_is_late() {
    let stack = Stack::new().await;
    let hold = Hold::of(&stack);
    let node = stack.node_with(hold.options()).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);

    hold.begin();
    let asking = alice.client().request_friend(bob.id(), None);
    let asked = late(&hold, asking).await;
    hold.begin();
    let accepting = bob.client().accept_friend(asked.id);
    assert_eq!(late(&hold, accepting).await.value.status, "accepted");
}

/// A write's answer while the projection is held: it comes by itself, or once the projection is let go. What it must
/// not do is to say that what was written a moment ago is not there.
async fn late<T>(hold: &Hold, write: impl Future<Output = Result<T, Error>>) -> T {
    tokio::pin!(write);
    let answer = match tokio::time::timeout(NOT_YET, &mut write).await {
        Ok(answer) => {
            hold.end();
            answer
        }
        Err(_) => {
            hold.end();
            within("the answer", BOUND, write).await
        }
    };
    answer.expect("an answer")
}
