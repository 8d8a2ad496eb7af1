//! Two people meet and talk, over REST and WebSocket, and both see everything in order. What they see comes
//! through their apps: a push must have arrived, since an app looks by itself only every half minute.

use natter_testkit::{
    BOUND, Person, Stack,
    client::{
        follow::Update,
        new_id,
        rest::{Page, Range},
    },
    eventually, wire,
};

async fn alice_and_bob(stack: &Stack) -> (Person, Person) {
    (stack.person("alice").await, stack.person("bob").await)
}

fn text(text: &str) -> wire::Body {
    wire::Body::text(text)
}

fn message(words: &str) -> wire::MessageNew {
    wire::MessageNew::new(new_id(), text(words))
}

#[tokio::test]
async fn two_people_meet_and_talk() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;

    alice.says(&bob, "hi").await;
    assert_eq!(bob.sees("hi").await.seq, 1);
    bob.says(&alice, "hi alice").await;
    assert_eq!(alice.sees("hi alice").await.seq, 2);
    let last =
        alice.says(&bob, "a line\nand \u{202e}another, with \u{1f600} and \"quotes\" and spaces at the end  ").await;
    bob.sees("a line\nand \u{202e}another, with \u{1f600} and \"quotes\" and spaces at the end  ").await;

    let last = last.position.expect("a write has a position");
    for person in [&alice, &bob] {
        let shown = person.has_been_shown(conversation, 3, BOUND).await;
        assert_eq!(shown, person.history(conversation, &last).await, "{} was shown what is stored", person.name);
        assert_eq!(shown[0].sender, Some(alice.id()));
        assert_eq!(shown[1].sender, Some(bob.id()));
    }
}

#[tokio::test]
async fn a_friendship_is_told_to_both_while_it_grows() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;

    let asked = alice.client().request_friend(bob.id(), Some("it's me")).await.unwrap();
    assert_eq!((asked.status, asked.value.status.as_str()), (201, "pending"));
    for person in [&alice, &bob] {
        let told = person.is_told("friend.requested", |push| match push {
            wire::Push::FriendRequested { request, by, .. } => Some((request.clone(), *by)),
            _ => None,
        });
        let (request, by) = told.await;
        assert_eq!((request.id, by), (asked.id, alice.id()));
        assert_eq!(request.message.as_deref(), Some("it's me"));
    }

    let accepted = bob.client().accept_friend(asked.id).await.unwrap();
    assert_eq!(accepted.value.status, "accepted");
    for person in [&alice, &bob] {
        let told = person.is_told("friend.accepted", |push| match push {
            wire::Push::FriendAccepted { request, by, .. } => Some((request.clone(), *by)),
            _ => None,
        });
        let (request, by) = told.await;
        assert_eq!((request.id, by, request.status.as_str()), (asked.id, bob.id(), "accepted"));
        let started = person.is_told("conversation.started", |push| match push {
            wire::Push::ConversationStarted { conversation, .. } => Some(conversation.clone()),
            _ => None,
        });
        let started = started.await;
        assert_eq!(Some(started.id), accepted.conversation_id);
        assert_eq!((started.kind.as_str(), started.state.as_str(), started.member_count), ("direct", "open", 2));
    }

    let after = accepted.position.clone().expect("an accepted write has a position");
    for (person, other) in [(&alice, &bob), (&bob, &alice)] {
        let friends = person.client().at(&after).friends(&Page::default()).await.unwrap();
        let found: Vec<_> =
            friends.items.iter().map(|friend| (friend.account.id, Some(friend.conversation_id))).collect();
        assert_eq!(found, [(other.id(), accepted.conversation_id)]);
    }
    let requests = alice.client().at(&after).friend_requests("out", Some("accepted"), &Page::default()).await.unwrap();
    assert_eq!(requests.items, std::slice::from_ref(&accepted.value));
}

#[tokio::test]
async fn a_request_can_be_rejected_and_both_are_told() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;

    let asked = alice.client().request_friend(bob.id(), None).await.unwrap();
    let rejected = bob.client().reject_friend(asked.id).await.unwrap();
    assert_eq!(rejected.value.status, "rejected");
    for person in [&alice, &bob] {
        let told = person.is_told("friend.rejected", |push| match push {
            wire::Push::FriendRejected { request, by, .. } => Some((request.id, *by)),
            _ => None,
        });
        assert_eq!(told.await, (asked.id, bob.id()));
    }
    let again = alice.client().request_friend(bob.id(), None).await.unwrap_err();
    assert_eq!(again.code(), Some("request_repeated"));
}

#[tokio::test]
async fn asking_someone_who_has_asked_accepts_their_request() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;

    let asked = alice.client().request_friend(bob.id(), None).await.unwrap();
    let crossed = bob.client().request_friend(alice.id(), None).await.unwrap();
    assert_eq!((crossed.status, crossed.value.status.as_str()), (200, "accepted"));
    assert_eq!(crossed.id, asked.id, "the one that was pending");
    let conversation = crossed.conversation_id.expect("accepted: there is a conversation");
    bob.client().send(conversation, &message("already here")).await.unwrap();
    alice.sees("already here").await;
}

#[tokio::test]
async fn unread_messages_are_those_of_others_behind_the_read_cursor() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;
    for words in ["one", "two", "three"] {
        alice.says(&bob, words).await;
    }
    let fourth = bob.says(&alice, "four").await;
    let after = fourth.position.clone().expect("a write has a position");

    let own = bob.client().at(&after).conversation(conversation).await.unwrap();
    assert_eq!((own.conversation.last_seq, own.read_seq, own.unread), (4, 0, 3));
    assert_eq!(own.peer.as_ref().map(|peer| peer.id), Some(alice.id()));
    assert_eq!(own.last_message.as_ref().map(|last| last.seq), Some(4));

    let read = bob.reads(&alice, 2).await;
    assert_eq!(read.value.seq, 2);
    let own =
        bob.client().at(read.position.as_deref().expect("a write has a position")).conversation(conversation).await;
    let own = own.unwrap();
    assert_eq!((own.read_seq, own.unread), (2, 1));
    for person in [&alice, &bob] {
        let told = person.is_told("conversation.read", |push| match push {
            wire::Push::ConversationRead { conversation_id, account_id, seq, .. } => {
                Some((*conversation_id, *account_id, *seq))
            }
            _ => None,
        });
        assert_eq!(told.await, (conversation, bob.id(), 2), "told to {}", person.name);
    }

    assert_eq!(bob.reads(&alice, 1).await.value.seq, 2, "a cursor does not go back");
    let own = alice.client().at(&after).conversation(conversation).await.unwrap();
    assert_eq!((own.read_seq, own.unread), (0, 1), "sending does not move the sender's cursor");
}

#[tokio::test]
async fn lists_are_by_last_activity_and_come_in_pages() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = stack.person("alice").await;
    let mut expected = Vec::new();
    for name in ["bob", "carol", "dave"] {
        let friend = node.register(name).await;
        expected.push(alice.befriends(&friend).await);
        friend.says(&alice, "hi").await;
    }
    // The oldest becomes the newest.
    expected.rotate_left(1);
    let (first, position) = {
        let sent = alice.client().send(expected[2], &message("again")).await.unwrap();
        (sent.seq, sent.position.clone().expect("a write has a position"))
    };
    assert_eq!(first, 2);
    expected.reverse();

    let reader = alice.client().at(&position);
    let all = reader.conversations(&Page::default()).await.unwrap();
    let ids: Vec<_> = all.items.iter().map(|own| own.conversation.id).collect();
    assert_eq!(ids, expected);
    assert_eq!(all.next_cursor, None);

    let mut page = Page { cursor: None, limit: Some(1) };
    let mut paged = Vec::new();
    loop {
        let listed = reader.conversations(&page).await.unwrap();
        assert!(listed.items.len() <= 1);
        paged.extend(listed.items.iter().map(|own| own.conversation.id));
        match listed.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(paged, expected);
}

#[tokio::test]
async fn both_talk_at_once_through_websockets_and_are_shown_the_same() {
    const EACH: u64 = 60;
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;

    let (of_alice, of_bob) = (alice.socket().await, bob.socket().await);
    let talk = async |requests: natter_testkit::client::socket::Requests, name: &str| {
        let mut pending = Vec::new();
        for number in 0..EACH {
            pending.push(requests.send(conversation, &message(&format!("{name} {number}"))).await.unwrap());
        }
        let mut answers = Vec::new();
        for sent in pending {
            answers.push(sent.answer().await.unwrap());
        }
        let last = answers.last().map(|sent| sent.position.clone()).unwrap();
        (answers.iter().map(|sent| sent.seq).collect::<Vec<_>>(), last)
    };
    let ((alices, one), (bobs, other)) =
        tokio::join!(talk(of_alice.requests(), "alice"), talk(of_bob.requests(), "bob"));
    assert!(alices.is_sorted() && bobs.is_sorted(), "pipelined sends keep their order: {alices:?} {bobs:?}");

    let mut both: Vec<u64> = alices.into_iter().chain(bobs).collect();
    both.sort_unstable();
    assert_eq!(both, (1..=2 * EACH).collect::<Vec<_>>(), "every number once");
    let shown = alice.has_been_shown(conversation, 2 * EACH as usize, BOUND).await;
    assert_eq!(shown, bob.has_been_shown(conversation, 2 * EACH as usize, BOUND).await);
    assert_eq!(shown, alice.history(conversation, &format!("{one},{other}")).await);
}

#[tokio::test]
async fn a_newly_signed_in_device_finds_everything() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;
    alice.says(&bob, "before").await;
    let laptop = bob.on_another_device().await;
    laptop.sees("before").await;
    bob.says(&alice, "from the phone").await;
    laptop.sees("from the phone").await;
    laptop.says(&alice, "from the laptop").await;
    for device in [&alice, &bob, &laptop] {
        device.sees("from the laptop").await;
        assert_eq!(device.shown_texts(conversation), ["before", "from the phone", "from the laptop"]);
    }
}

#[tokio::test]
async fn ranges_of_messages_are_exclusive_and_ordered_as_asked() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;
    let mut last = String::new();
    for number in 1..=5 {
        last = alice.says(&bob, &number.to_string()).await.position.expect("a write has a position");
    }
    let reader = bob.client().at(&last);
    let seqs = async |before_seq, after_seq, limit| {
        let range = Range { before_seq, after_seq, limit, ..Range::default() };
        let messages = reader.messages(conversation, range).await.unwrap();
        messages.iter().map(|message| message.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(None, None, None).await, [5, 4, 3, 2, 1]);
    assert_eq!(seqs(None, None, Some(2)).await, [5, 4]);
    assert_eq!(seqs(Some(4), None, Some(2)).await, [3, 2]);
    assert_eq!(seqs(None, Some(2), None).await, [3, 4, 5]);
    assert_eq!(seqs(None, Some(2), Some(1)).await, [3]);
    assert_eq!(seqs(Some(5), Some(2), None).await, [3, 4]);
    assert!(seqs(None, Some(5), None).await.is_empty());
    assert!(seqs(Some(1), None, None).await.is_empty());
}

#[tokio::test]
async fn a_state_that_was_read_after_ready_and_what_was_pushed_since_make_a_fresh_state() {
    let stack = Stack::new().await;
    let _node = stack.node().await;
    let (alice, bob) = alice_and_bob(&stack).await;
    let conversation = alice.befriends(&bob).await;
    alice.says(&bob, "while online").await;
    bob.sees("while online").await;
    // What the app pieced together, against a device that reads everything anew.
    let fresh = bob.on_another_device().await;
    fresh.sees("while online").await;
    assert_eq!(bob.shown(), fresh.shown());
    eventually("the list shows it", BOUND, async || match bob.listed(conversation).await {
        Some(own) if own.unread == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    fresh
        .sees_that("the conversation in the list", |update| match update {
            Update::Conversation(own) => (own.conversation.id == conversation).then_some(()),
            _ => None,
        })
        .await;
}
