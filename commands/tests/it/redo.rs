//! A generation ends, and everything is decided again, in order.

use crate::support::{
    Holder, Node, appends_done, appends_have_failed, blocked, clash, code, count_appends, cut_writers, epoch,
    eventually, is_looking_up, message_id, now, sql, timeless, two_places,
};
use futures::future::join_all;
use natter_commands::Error;
use natter_domain::Code;
use natter_testkit::{BOUND, Stack, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_in_the_middle_of_a_burst_changes_no_order() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let mut pending: Vec<_> =
        (0..100).map(|_| tokio::spawn(node.send(alice, conversation, message_id(), "x"))).collect();
    blocked(&stack).await;
    let stranger = tokio::spawn(node.send(bob, conversation, message_id(), "y"));
    pending.extend((0..200).map(|_| tokio::spawn(node.send(alice, conversation, message_id(), "x"))));
    cut_writers(&stack).await;
    holder.release().await;
    let answers = within("all are answered", BOUND, join_all(pending)).await;
    let seqs: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().unwrap().seq).collect();
    let between = stranger.await.unwrap().unwrap().seq;
    assert_eq!(between, 101);
    assert_eq!(seqs, (1..=301).filter(|&seq| seq != between).collect::<Vec<_>>());
    assert_eq!(node.messages(conversation).await.len(), 301);
}

/// Nobody waits for the fsync of those before: what came while one batch was under way is the next.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_behind_one_append_are_a_batch_or_two() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    node.sent(alice, conversation, "it is in memory").await;
    let before = appends_done(&stack).await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let send = |id| tokio::spawn(node.send(alice, conversation, id, "x"));
    let mut pending = vec![send(message_id())];
    blocked(&stack).await;
    let since = now(&stack).await;
    pending.extend((0..498).map(|_| send(message_id())));
    // It must be looked up, which is done when all before it are decided.
    pending.push(send(timeless()));
    is_looking_up(&stack, &since).await;
    assert!(pending.iter().all(|send| !send.is_finished()), "nothing is durable yet");
    holder.release().await;
    let answers = within("all are answered", BOUND, join_all(pending)).await;
    let seqs: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().unwrap().seq).collect();
    assert_eq!(seqs, (2..=501).collect::<Vec<_>>());
    let appends = appends_done(&stack).await - before;
    assert!(appends <= 3, "{appends} appends");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_does_not_disturb_another_lane() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, 2).await;
    let ((one, here), (other, there)) = two_places(&node).await;
    let mut holders = [Holder::hold(&stack, node.lane(here)).await, Holder::hold(&stack, node.lane(there)).await];
    let epochs = [epoch(&stack, node.lane(here)).await, epoch(&stack, node.lane(there)).await];
    let send =
        |who, place| -> Vec<_> { (0..20).map(|_| tokio::spawn(node.send(who, place, message_id(), "x"))).collect() };
    let (failing, undisturbed) = (send(one, here), send(other, there));
    let cut = holders[0].blocks(&stack).await;
    let untouched = holders[1].blocks(&stack).await;
    sql(&stack, &format!("SELECT pg_terminate_backend({cut})")).await;
    let [holder, mut other_holder] = holders;
    holder.release().await;
    for (answer, seq) in within("the lane goes on", BOUND, join_all(failing)).await.into_iter().zip(1..) {
        assert_eq!(answer.unwrap().unwrap().seq, seq);
    }
    assert!(epoch(&stack, node.lane(here)).await > epochs[0], "its generation has ended");
    assert_eq!(other_holder.blocks(&stack).await, untouched, "the other lane's append is the same");
    assert!(undisturbed.iter().all(|send| !send.is_finished()));
    other_holder.release().await;
    for (answer, seq) in within("the other lane goes on", BOUND, join_all(undisturbed)).await.into_iter().zip(1..) {
        assert_eq!(answer.unwrap().unwrap().seq, seq);
    }
    assert_eq!(epoch(&stack, node.lane(there)).await, epochs[1]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_else_wrote_meanwhile_fails_its_own_command_only() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let ids: Vec<_> = (0..300).map(|_| message_id()).collect();
    let pending: Vec<_> = ids.iter().map(|id| tokio::spawn(node.send(alice, conversation, *id, "x"))).collect();
    blocked(&stack).await;
    clash(&stack, conversation, ids[150]).await;
    holder.release().await;
    let mut answers = within("all are answered", BOUND, join_all(pending)).await;
    assert_eq!(code(answers.remove(150).unwrap()), Code::Conflict);
    let seqs: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().unwrap().seq).collect();
    assert_eq!(seqs, (1..=299).collect::<Vec<_>>());
}

/// What was decided goes before what still waits for its aggregate, also the second time.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_before_is_decided_before_again() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    count_appends(&stack).await;
    let holder = Holder::hold(&stack, node.lane(conversation)).await;
    let send = |id| tokio::spawn(node.send(alice, conversation, id, "x"));
    let first = send(message_id());
    blocked(&stack).await;
    let clashing = message_id();
    let (second, failing) = (send(message_id()), send(clashing));
    clash(&stack, conversation, clashing).await;
    // Nobody can look a key up for now, so the one that must be looked up waits, and the next waits behind it.
    let readers: Vec<_> = join_all((0..8).map(|_| node.log.pool().acquire())).await;
    let (third, fourth) = (send(timeless()), send(message_id()));
    holder.release().await;
    appends_have_failed(&stack, 1).await;
    drop(readers);
    let answers = within("all are answered", BOUND, join_all([first, second, third, fourth])).await;
    let seqs: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().unwrap().seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(code(failing.await.unwrap()), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_cannot_be_read_fails_alone() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, conversation) = node.friends().await;
    let (carol, dave) = (node.person("carol").await, node.person("dave").await);
    let other = node.befriend(carol, dave).await;
    node.stop().await;
    // JSON to PostgreSQL, a number too large for anybody else: the framework panics over it.
    let spoil = format!("UPDATE events SET payload = '{{\"started\":1e999}}' WHERE aggregate_id = '{conversation}'");
    sql(&stack, &spoil).await;
    let node = Node::start(&stack).await;
    for sender in [alice, bob] {
        let answer = within("it is answered", BOUND, node.send(sender, conversation, message_id(), "x")).await;
        assert!(matches!(answer, Err(Error::Failed { .. })), "{answer:?}");
    }
    assert_eq!(node.sent(carol, other, "x").await.seq, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_idle_connections_is_not_noticed() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, conversation) = node.friends().await;
    for round in 1..=3 {
        cut_writers(&stack).await;
        assert_eq!(node.sent(alice, conversation, "x").await.seq, round);
    }
    eventually("the lane is still ours", async || {
        let epoch: i64 = sqlx::query_scalar("SELECT max(epoch) FROM lanes")
            .fetch_one(stack.pool())
            .await
            .map_err(|error| error.to_string())?;
        if epoch > 1 { Ok(()) } else { Err("it was never taken over again".to_owned()) }
    })
    .await;
}
