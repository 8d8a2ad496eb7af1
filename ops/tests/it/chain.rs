//! The chain: whoever changes one byte of one stored event is found out, with lane and position.

use natter_testkit::{
    Stack,
    law::{self, Stored},
};

#[tokio::test]
async fn one_changed_byte_of_one_event_is_found_and_named() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    for number in 0..5 {
        alice.says(&bob, &number.to_string()).await;
    }
    law::log_is_stream(&stack).await;
    node.stop().await;
    let log = stack.log().await;
    assert_eq!(law::check_chain(&stack).await.unwrap(), log.len() as u64);

    let victim = log.iter().find(|event| event.event_type == "message_sent").expect("a message was sent");
    change_one_byte(&stack, victim).await;

    let found = law::check_chain(&stack).await.unwrap_err();
    let natter_streams::Error::Broken { lane, position, .. } = &found else { panic!("{found}") };
    assert_eq!((*lane, *position), (victim.lane, victim.position));
    for part in [format!("lane {}", victim.lane), format!("position {}", victim.position)] {
        assert!(found.to_string().contains(&part), "{found}");
    }
    let difference = law::compare_log_and_streams(&stack).await.unwrap_err();
    let place = format!("lane {} position {}: the message is not the event", victim.lane, victim.position);
    assert!(difference.starts_with(&place), "{difference}");
}

#[tokio::test]
async fn natter_streams_verify_names_the_broken_place() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    alice.says(&bob, "hi").await;
    law::log_is_stream(&stack).await;
    node.stop().await;

    let whole = node.run(&["streams", "verify"]).await;
    assert!(whole.status.success(), "{}", said(&whole));

    let log = stack.log().await;
    let victim = log.iter().find(|event| event.event_type == "message_sent").expect("a message was sent");
    change_one_byte(&stack, victim).await;
    let broken = node.run(&["streams", "verify"]).await;
    assert_eq!(broken.status.code(), Some(1), "{}", said(&broken));
    for part in [format!("lane {}", victim.lane), format!("position {}", victim.position)] {
        assert!(said(&broken).contains(&part), "no {part:?} in {}", said(&broken));
    }
}

#[tokio::test]
async fn a_lane_that_lost_an_event_in_the_middle_is_found() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    for number in 0..3 {
        alice.says(&bob, &number.to_string()).await;
    }
    node.stop().await;
    let log = stack.log().await;
    let last = |lane| log.iter().filter(|event| event.lane == lane).map(|event| event.position).max();
    let victim = log.iter().find(|event| event.event_type == "message_sent" && last(event.lane) > Some(event.position));
    let victim = victim.expect("a message that another event follows in its lane");
    sqlx::query("DELETE FROM events WHERE event_id = $1").bind(victim.event_id).execute(stack.pool()).await.unwrap();
    let found = law::check_chain(&stack).await.unwrap_err();
    let natter_streams::Error::Broken { lane, position, .. } = &found else { panic!("{found}") };
    assert_eq!((*lane, *position), (victim.lane, victim.position + 1), "the first that does not continue the chain");
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The payload stays JSON of the same length: only the chain can tell.
async fn change_one_byte(stack: &Stack, event: &Stored) {
    let payload = event.payload.as_bytes();
    let changed = (0..payload.len()).rev().find_map(|at| {
        let other = match payload[at] {
            b'a'..=b'e' | b'0'..=b'8' => payload[at] + 1,
            _ => return None,
        };
        let mut bytes = payload.to_vec();
        bytes[at] = other;
        let text = String::from_utf8(bytes).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).is_ok().then_some(text)
    });
    let changed = changed.expect("some byte can be changed");
    let update =
        sqlx::query("UPDATE events SET payload = $1::json WHERE event_id = $2").bind(&changed).bind(event.event_id);
    assert_eq!(update.execute(stack.pool()).await.expect("change a stored event").rows_affected(), 1);
}
