//! Events that cannot be applied: set aside with the reason, those of the same aggregate behind them in order, everything
//! else applied; retried, all is as if nothing had been.

use crate::{
    delivery::{listen, nothing},
    support::{BOUND, World, assert_same, dump, eventually},
};
use natter_domain::conversation;
use natter_projections::{
    Projection, Store,
    generation::{Failure, Meter, Operator, Outcome, Pace, failures},
};
use natter_streams::{Draft, id};
use tokio_util::sync::CancellationToken;

async fn operator(world: &World, name: &str) -> Operator {
    Operator::begin(&world.log, &world.settings(&world.url), name).await.expect("nobody else works on it")
}

async fn of(world: &World, projection: Projection) -> Vec<Failure> {
    let mut found = failures(&world.log).await.expect("read what was set aside");
    found.retain(|failure| failure.projection == projection);
    found
}

#[tokio::test]
async fn a_refused_row_is_set_aside_with_what_follows_and_retried_in_order() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, bob, conversation) = world.pair().await;
    projections.catch_up(&Projection::ALL).await.unwrap();
    let refuse = "ALTER TABLE message ADD CONSTRAINT refused CHECK (seq <> 3) NOT VALID";
    sqlx::query(refuse).execute(&world.pool).await.unwrap();
    let (_, _, other) = world.pair().await;
    for seq in 1..=6 {
        world.say(conversation, alice, seq).await;
        world.say(other, bob, seq).await;
    }
    // Seq 3 of the other one is refused too.
    projections.catch_up(&Projection::ALL).await.expect("everything else goes on");
    let aside = of(&world, Projection::History).await;
    for which in [conversation, other] {
        let states: Vec<bool> =
            aside.iter().filter(|one| one.aggregate_id == which.0).map(|one| one.is_first).collect();
        assert_eq!(states, [true, false, false, false], "{aside:#?}");
    }
    assert!(aside.iter().filter(|one| one.is_first).all(|one| one.reason.contains("refused")), "{aside:#?}");
    let retrier = operator(&world, "history").await;
    let retried = retrier.retry(None).await.unwrap();
    assert_eq!((retried.applied, retried.left), (0, 8), "it is refused as before");

    sqlx::query("ALTER TABLE message DROP CONSTRAINT refused").execute(&world.pool).await.unwrap();
    let retried = retrier.retry(Some(conversation.0)).await.unwrap();
    assert_eq!((retried.applied, retried.left), (4, 0), "of this one");
    let retried = retrier.retry(None).await.unwrap();
    assert_eq!((retried.applied, retried.left), (4, 0));
    // What comes next is applied as ever.
    let token = world.say(conversation, alice, 7).await;
    projections.wait_within(BOUND, &token, &[Projection::History]).await.unwrap();
    eventually("it is applied", async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM message WHERE seq = 7").fetch_one(&world.pool);
        count.await.unwrap() == 1
    })
    .await;
    assert_eq!(of(&world, Projection::History).await, []);
    running.stop().await;
    let live = dump(&world.pool).await;
    let entry = retrier.shadow(Store::Postgres).await.unwrap();
    let (pace, meter, stop) = (Pace::new(100), Meter::default(), CancellationToken::new());
    let compared = retrier.compare(&entry, &pace, &meter, &stop).await.unwrap();
    let Outcome::Done(compared) = compared else { panic!("nobody has stopped it") };
    assert!(compared.is_same(), "as if nothing had been: {:#?}", compared.differences);
    assert_same(&dump(&world.pool).await, &live, "comparing changes nothing");
    let sql = "SELECT count(*) FROM operator_action WHERE action = 'retry'";
    let written: i64 = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(written, 8, "each is written down");
    assert!(sqlx::query("DELETE FROM operator_action").execute(&world.pool).await.is_err(), "only added to");
}

#[tokio::test]
async fn wrong_content_is_skipped_by_an_operator_only() {
    let world = World::new().await;
    let (projections, running) = world.start().await;
    let (alice, bob, conversation) = world.pair().await;
    let address = conversation::address(conversation);
    let mut drafts = Vec::new();
    for seq in 1..=4 {
        drafts.push(world.draft(address, &world.message(conversation, alice, seq)).await);
    }
    let poison =
        Draft { payload: r#"{"message_sent":{"seq":"two"}}"#.into(), event_id: id::event(), ..drafts[1].clone() };
    drafts[1] = poison;
    world.commit(drafts).await;
    projections.catch_up(&[Projection::Relations, Projection::History]).await.expect("everything else goes on");
    for (name, projection) in [("relations", Projection::Relations), ("history", Projection::History)] {
        let aside = of(&world, projection).await;
        assert_eq!(aside.iter().map(|one| one.is_first).collect::<Vec<_>>(), [true, false, false], "{aside:#?}");
        // One for both: the server hears of the end of another one's connection when it does.
        let skipper = operator(&world, name).await;
        assert_eq!(skipper.retry(None).await.unwrap().left, 3);
        let given_up = skipper.skippable(conversation.0).await.unwrap();
        let positions = |failures: &[Failure]| failures.iter().map(|one| one.position).collect::<Vec<_>>();
        assert_eq!(positions(&given_up), positions(&aside[..1]), "the first only");
        let skipped = skipper.skip(&given_up).await.unwrap();
        assert_eq!((skipped.applied, skipped.left), (2, 0));
    }
    let seqs: Vec<i64> =
        sqlx::query_scalar("SELECT seq FROM message ORDER BY seq").fetch_all(&world.pool).await.unwrap();
    assert_eq!(seqs, [1, 3, 4]);
    let last: i64 = sqlx::query_scalar("SELECT last_seq FROM conversation").fetch_one(&world.pool).await.unwrap();
    assert_eq!(last, 4);
    // Delivery has set it aside too, and went on.
    let token = world.say(conversation, bob, 5).await;
    let lane = world.lane(address);
    let head = token.iter().next().unwrap().1;
    eventually("delivery goes on", async || {
        let sql = "SELECT position FROM checkpoints WHERE projection = 'delivery' AND lane = $1";
        let at = sqlx::query_scalar::<_, i64>(sql).bind(lane.number()).fetch_one(&world.pool).await.unwrap();
        at as u64 >= head.position
    })
    .await;
    running.stop().await;
}

/// That somebody has left could not be written. A delivery that has to ask who is in does not tell them what comes then.
#[tokio::test]
async fn who_may_have_left_is_told_nothing() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let group = world.start_group(alice, &[bob]).await;
    let (projections, running) = world.start().await;
    let refuse = "ALTER TABLE member ADD CONSTRAINT refused CHECK (left_seq IS NULL) NOT VALID";
    sqlx::query(refuse).execute(&world.pool).await.unwrap();
    let left = conversation::Event::MemberLeft { seq: 2, account_id: bob, by: alice, joined_seq: 0 };
    let token = world.append(conversation::address(group), &left).await;
    projections.catch_up(&[Projection::Relations]).await.unwrap();
    assert_eq!(of(&world, Projection::Relations).await.len(), 1);
    let (_, at) = crate::support::place(&token);
    assert_eq!(projections.delivery().stays_in(group, at, &[bob]).await.unwrap(), None);
    assert_eq!(projections.delivery().stays_of(bob).await.unwrap(), []);
    world.confirmed().await;
    running.stop().await;

    let (projections, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    world.say(group, alice, 3).await;
    world.confirmed().await;
    nothing(&mut to_bob).await;
    assert_eq!(of(&world, Projection::Delivery).await.len(), 1, "it waits too");
    sqlx::query("ALTER TABLE member DROP CONSTRAINT refused").execute(&world.pool).await.unwrap();
    assert_eq!(operator(&world, "relations").await.retry(None).await.unwrap().left, 0);
    assert!(projections.delivery().stays_in(group, at, &[bob]).await.unwrap().is_some());
    nothing(&mut to_bob).await;
    nothing(&mut to_alice).await;
    running.stop().await;
}
