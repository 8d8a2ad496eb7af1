//! Two processes on one log: the later one owns it.

use crate::support::{Holder, Node, blocked, eventually, is_unavailable, keyless, message_id, sql};
use natter_testkit::{BOUND, Stack, within};
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_fences_the_first() {
    let stack = Stack::new().await;
    let first = Node::start(&stack).await;
    let (alice, bob, conversation) = first.friends().await;
    first.sent(alice, conversation, "x").await;
    let second = Node::start(&stack).await;
    assert_eq!(second.sent(bob, conversation, "y").await.seq, 2);
    // Neither what writes nor what only asks is answered from the state of yesterday.
    let (writes, asks) = futures::join!(first.send(alice, conversation, message_id(), "z"), async {
        first.commands.inbox().advance(keyless(bob), vec![(conversation, 1)]).await
    });
    assert!(is_unavailable(&writes), "{writes:?}");
    assert!(is_unavailable(&asks));
    within("the first hears of it", BOUND, first.commands.fenced()).await;
    assert!(is_unavailable(&first.send(alice, conversation, message_id(), "z").await));
    assert_eq!(second.sent(alice, conversation, "z").await.seq, 3);
    assert_eq!(second.messages(conversation).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_alone_finds_out_that_the_lane_is_lost() {
    let stack = Stack::new().await;
    let first = Node::start(&stack).await;
    let (alice, bob, conversation) = first.friends().await;
    let second = Node::start(&stack).await;
    second.sent(alice, conversation, "x").await;
    let opened = first.commands.conversation().open_direct(keyless(alice), bob.account).await;
    assert!(is_unavailable(&opened), "nothing to write, and nothing to say");
    within("the first hears of it", BOUND, first.commands.fenced()).await;
}

/// What the first had in flight is not told to be stored, and its client may ask the second.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_when_the_lane_was_lost_is_unavailable_and_done_once_by_the_next() {
    let stack = Stack::new().await;
    let first = Node::start(&stack).await;
    let (alice, _, conversation) = first.friends().await;
    let holder = Holder::hold(&stack, first.lane(conversation)).await;
    let ids = [message_id(), message_id()];
    let in_flight = tokio::spawn(first.send(alice, conversation, ids[0], "x"));
    blocked(&stack).await;
    let starting = start_second(&stack).await;
    holder.release().await;
    let second = within("the second starts", BOUND, starting).await.unwrap();
    // The append stood before the takeover, so it is durable and told so; what comes after it is not, although the
    // second has not written anything yet.
    assert_eq!(within("it is answered", BOUND, in_flight).await.unwrap().unwrap().seq, 1);
    assert!(is_unavailable(&first.send(alice, conversation, ids[1], "x").await));
    for (id, seq) in ids.into_iter().zip(1..) {
        let sent = second.send(alice, conversation, id, "x").await.unwrap();
        assert_eq!((sent.seq, sent.repeated), (seq, seq == 1));
    }
    assert_eq!(second.messages(conversation).await.len(), 2);
}

/// Both call themselves the same, as after a restart; the first does not know what became of its append.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_settles_an_append_does_not_take_the_lane_back_from_its_namesake() {
    let stack = Stack::new().await;
    let first = Node::start(&stack).await;
    let (alice, _, conversation) = first.friends().await;
    let holder = Holder::hold(&stack, first.lane(conversation)).await;
    let id = message_id();
    let in_flight = tokio::spawn(first.send(alice, conversation, id, "x"));
    let append = blocked(&stack).await;
    let starting = start_second(&stack).await;
    sql(&stack, &format!("SELECT pg_terminate_backend({append})")).await;
    holder.release().await;
    let second = within("the second starts", BOUND, starting).await.unwrap();
    assert!(is_unavailable(&within("it is answered", BOUND, in_flight).await.unwrap()));
    within("the first hears of it", BOUND, first.commands.fenced()).await;
    assert_eq!(second.send(alice, conversation, id, "x").await.unwrap().seq, 1);
    assert_eq!(second.messages(conversation).await.len(), 1);
}

/// A second process that starts, and waits for a lane's row.
async fn start_second(stack: &Stack) -> JoinHandle<Node> {
    let second = Stack::on(stack.database_url(), stack.nats_url(), stack.dir());
    let starting = tokio::spawn(async move { Node::start(&second).await });
    eventually("the second takes the lanes over", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE 'UPDATE lanes%'",
        )
        .fetch_one(stack.pool())
        .await
        .map_err(|error| error.to_string())?;
        if waiting > 0 { Ok(()) } else { Err("it does not wait yet".to_owned()) }
    })
    .await;
    starting
}
