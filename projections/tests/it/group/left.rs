//! What a group is to who has left it.

use super::*;
use crate::delivery::{frame, listen, nothing};

#[tokio::test]
async fn somebody_is_read_also_when_they_have_left() {
    let world = World::new().await;
    let [alice, bob] = people(&world, ["alice", "bob"]).await;
    let group = Group::start(&world, &[alice, bob]).await;
    let (projections, running) = world.start().await;
    let nickname = |text: &str| {
        let (nickname, last_seq) = (Some(world.sealed(bob.0, text)), group.last_seq);
        Event::NicknameChanged { account_id: bob, nickname, bucket: None, by: bob, last_seq }
    };
    let (first, second) = (nickname("first"), nickname("second"));
    let read = async || {
        caught_up(&projections).await;
        let found = projections.conversation().member(group.id, bob).await.unwrap();
        found.and_then(|member| member.nickname)
    };
    group.append(first).await;
    assert_eq!(read().await.as_deref(), Some("first"));
    group.append(Event::MemberLeft { seq: 2, account_id: bob, by: bob, joined_seq: 0 }).await;
    assert_eq!(read().await.as_deref(), Some("first"), "as he was when he left");
    group.append(Event::added(3, vec![bob], alice)).await;
    group.append(second).await;
    assert_eq!(read().await.as_deref(), Some("second"), "the latest stay");
    let stranger = projections.conversation().member(group.id, AccountId(id::new())).await.unwrap();
    assert!(stranger.is_none());
    running.stop().await;
}

/// Of an invitation's end the admins are told, and an owner who has left is none.
#[tokio::test]
async fn an_owner_who_has_left_is_told_of_nothing_more() {
    let world = World::new().await;
    let [alice, bob] = people(&world, ["alice", "bob"]).await;
    let mut group = Group::start(&world, &[alice]).await;
    let (_, running) = world.start().await;
    let invited = || Event::MembersInvited {
        account_ids: vec![bob],
        untold: vec![],
        joined: vec![],
        by: alice,
        at: clock::now(),
        expires_at: clock::now() + A_MOMENT,
    };
    let declined = || Event::InvitationEnded { account_id: bob, by: bob, is_told: true };
    group.append(invited()).await;
    world.confirmed().await;
    let mut to_alice = listen(&world.bus, alice).await;
    group.append(declined()).await;
    assert_eq!(frame(&mut to_alice).await["event"], json!("member.uninvited"));
    group.append(invited()).await;
    let leaving = group.leaving(alice, 0);
    group.append(leaving).await;
    for _ in 0..2 {
        assert_ne!(frame(&mut to_alice).await["event"], json!("member.uninvited"), "that she left");
    }
    group.append(declined()).await;
    nothing(&mut to_alice).await;
    running.stop().await;
}

fn card(own: &wire::OwnConversation) -> (Option<&str>, u64) {
    (own.conversation.name.as_deref(), own.conversation.member_count)
}

/// In batches of one event, and all in one batch.
#[tokio::test]
async fn who_left_sees_what_it_was_called_and_how_many_they_were_when_they_left() {
    for together in [false, true] {
        let world = World::new().await;
        let [alice, bob, carol] = people(&world, ["alice", "bob", "carol"]).await;
        let mut group = Group::start(&world, &[alice, bob]).await;
        let (projections, running) = world.start().await;
        caught_up(&projections).await;
        let mut events = vec![group.renaming("first"), group.leaving(bob, 0), group.joining(&[carol])];
        let joined_seq = group.last_seq;
        events.extend([group.renaming("second"), group.joining(&[bob]), group.leaving(carol, 2)]);
        events.extend([group.renaming("third"), group.joining(&[carol]), group.renaming("fourth")]);
        events.extend([group.leaving(bob, joined_seq), group.renaming("fifth")]);
        let mut drafts = Vec::new();
        for event in &events {
            drafts.push(world.draft(conversation::address(group.id), event).await);
            if !together {
                world.commit(std::mem::take(&mut drafts)).await;
                caught_up(&projections).await;
                if let Event::MemberLeft { account_id, .. } = event {
                    let own = projections.conversation().get(*account_id, group.id).await.unwrap().unwrap();
                    let expected = if *account_id == carol { ("second", 2) } else { card_of_bob(own.left_seq) };
                    assert_eq!(card(&own), (Some(expected.0), expected.1));
                }
            }
        }
        if together {
            world.commit(drafts).await;
            caught_up(&projections).await;
        }
        let listed = projections.conversation().list(bob, &Page { cursor: None, limit: 10 }).await.unwrap();
        assert_eq!(card(&listed.items[0]), (Some("fourth"), 2), "together: {together}");
        let own = projections.conversation().get(alice, group.id).await.unwrap().unwrap();
        assert_eq!(card(&own), (Some("fifth"), 2));
        let cursor = projections.sync().since(bob, None, 100).await.unwrap().cursor;
        group.append(group.renaming("sixth")).await;
        let joining = group.joining(&[bob]);
        let again = group.last_seq - 1;
        caught_up(&projections).await;
        let told = projections.sync().since(bob, Some(&cursor), 100).await.unwrap();
        assert!(told.conversations.is_empty(), "a new name is no matter of theirs: {:?}", told.conversations);
        group.append(joining).await;
        caught_up(&projections).await;
        let own = projections.conversation().get(bob, group.id).await.unwrap().unwrap();
        assert_eq!((card(&own), own.joined_seq), ((Some("sixth"), 3), again));
        running.stop().await;
    }
}

fn card_of_bob(left_seq: Option<u64>) -> (&'static str, u64) {
    if left_seq == Some(2) { ("first", 1) } else { ("fourth", 2) }
}
