//! What people are told of a group as it happens.

use super::*;
use crate::delivery::{frame, listen, nothing};

fn system(heard: &Value) -> (&Value, &Value) {
    assert_eq!(heard["event"], "message.sent");
    assert_eq!((&heard["message"]["sender"], &heard["message"]["body"]["kind"]), (&json!(null), &json!("system")));
    (&heard["message"]["seq"], &heard["message"]["body"]["code"])
}

/// Told by a delivery that saw all of it and, after a restart, by one that has to look up what happened before.
#[tokio::test]
async fn newcomers_are_told_of_the_group_and_who_left_of_nothing_more() {
    let world = World::new().await;
    let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
    let (mut running, mut group) = (world.start().await.1, Group::start(&world, &[alice]).await);
    for restarts in [false, true] {
        world.confirmed().await;
        if restarts {
            running.stop().await;
            running = world.start().await.1;
        }
        let mut to = Vec::new();
        for person in [alice, bob, carol] {
            to.push(listen(&world.bus, person).await);
        }
        let [to_alice, to_bob, to_carol] = &mut to[..] else { panic!("three people") };
        let joined_seq = group.last_seq;
        let joining = group.joining(&[bob]);
        let position = group.append(joining).await.to_string();
        let started = frame(to_bob).await;
        let card = json!({
            "id": group.id, "kind": "group", "state": "open", "name": "us", "avatar": null,
            "member_count": 2, "account_ids": [], "last_seq": group.last_seq,
            "settings": {
                "join_policy": "invitation", "shares_history": false, "muted": false, "slow_mode": 0,
                "permissions": {
                    "invite": "member", "post": "member", "pin": "member", "mention_all": "admin", "edit_card": "member",
                },
            },
        });
        assert_eq!(started, json!({"event": "conversation.started", "conversation": card, "position": position}));
        let joined = json!({
            "event": "member.joined", "conversation_id": group.id, "account_ids": [bob], "by": alice,
            "position": position,
        });
        assert_eq!(frame(to_alice).await, joined);
        for heard in [frame(to_alice).await, frame(to_bob).await] {
            assert_eq!(system(&heard), (&json!(group.last_seq), &json!("member.joined")));
        }

        group.append(group.renaming("them")).await;
        for heard in [frame(to_alice).await, frame(to_bob).await] {
            assert_eq!(
                (&heard["event"], &heard["conversation"]["name"]),
                (&json!("conversation.updated"), &json!("them"))
            );
            assert_eq!(heard["conversation"]["member_count"], json!(2));
        }
        group.append(group.renaming("us")).await;
        for to in [&mut *to_alice, &mut *to_bob] {
            assert_eq!(frame(to).await["conversation"]["name"], json!("us"));
        }

        let leaving = group.leaving(bob, joined_seq);
        let position = group.append(leaving).await.to_string();
        for to in [&mut *to_alice, &mut *to_bob] {
            assert_eq!(system(&frame(to).await), (&json!(group.last_seq), &json!("member.left")));
            let left = json!({
                "event": "member.left", "conversation_id": group.id, "account_ids": [bob], "by": bob,
                "position": position,
            });
            assert_eq!(frame(to).await, left);
        }
        let saying = group.saying();
        group.append(saying).await;
        group.append(group.renaming("us")).await;
        assert_eq!(frame(to_alice).await["message"]["seq"], json!(group.last_seq));
        assert_eq!(frame(to_alice).await["event"], json!("conversation.updated"));
        nothing(to_bob).await;
        nothing(to_carol).await;
    }
    running.stop().await;
}

/// In one batch; told by a delivery that knows the group, and by one that has to look it up as it is by then.
#[tokio::test]
async fn nobody_is_told_what_a_group_is_called_later() {
    for restarts in [false, true] {
        let world = World::new().await;
        let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
        let (mut running, mut group) = (world.start().await.1, Group::start(&world, &[alice]).await);
        world.confirmed().await;
        let (mut to_bob, mut to_carol) = (listen(&world.bus, bob).await, listen(&world.bus, carol).await);
        let invited = Event::MembersInvited {
            account_ids: vec![bob],
            untold: vec![],
            joined: vec![],
            by: alice,
            at: clock::now(),
            expires_at: clock::now() + A_MOMENT,
        };
        let mut events = vec![invited, group.joining(&[carol])];
        events.extend([group.leaving(carol, 1), group.renaming("without her")]);
        if restarts {
            running.stop().await;
            commit(&group, &events).await;
            running = world.start().await.1;
        } else {
            commit(&group, &events).await;
        }
        let then = if restarts { json!(null) } else { json!("us") };
        for (to, event) in [(&mut to_bob, "member.invited"), (&mut to_carol, "conversation.started")] {
            let told = frame(to).await;
            assert_eq!((&told["event"], &told["conversation"]["name"]), (&json!(event), &then));
        }
        running.stop().await;
    }
}

/// In one batch: who joined before it is not told of it as if it were so then, and what else changed is not lost.
#[tokio::test]
async fn a_group_is_dissolved_for_those_who_are_in() {
    for renames in [false, true] {
        let world = World::new().await;
        let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
        let (running, mut group) = (world.start().await.1, Group::start(&world, &[alice]).await);
        world.confirmed().await;
        let (mut to_bob, mut to_carol) = (listen(&world.bus, bob).await, listen(&world.bus, carol).await);
        let mut events = vec![group.joining(&[bob, carol]), group.leaving(carol, 1)];
        events.extend(renames.then(|| group.renaming("at last")));
        events.push(Event::Dissolved { seq: group.next(), by: alice, ends_at: clock::now() + A_MOMENT });
        commit(&group, &events).await;
        for to in [&mut to_bob, &mut to_carol] {
            let started = frame(to).await;
            let state = &started["conversation"]["state"];
            assert_eq!((&started["event"], state), (&json!("conversation.started"), &json!("open")));
        }
        let mut heard = frame(&mut to_bob).await;
        while heard["event"] != "conversation.updated" {
            heard = frame(&mut to_bob).await;
        }
        let name = if renames { "at last" } else { "us" };
        let (told, state) = (&heard["conversation"]["name"], &heard["conversation"]["state"]);
        assert_eq!((told, state), (&json!(name), &json!("dissolved")));
        assert!(heard["conversation"]["ends_at"].is_string(), "{heard}");
        assert_eq!(frame(&mut to_bob).await["event"], "conversation.dissolved");
        running.stop().await;
    }
}
