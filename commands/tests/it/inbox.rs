//! How conversations are shown to people, decided on a real log.

use crate::support::{Node, code, keyed, keyless};
use natter_commands::Caller;
use natter_domain::{
    AccountId, Code, ConversationId, Decider, Noun,
    account::Change,
    conversation,
    inbox::{Event, Inbox, State, ViewChange},
};
use natter_streams::id;
use natter_testkit::Stack;

fn folder(name: &str) -> ViewChange<String> {
    ViewChange { folder: Change::Set(name.to_owned()), ..ViewChange::default() }
}

fn draft(text: &str) -> ViewChange<String> {
    ViewChange { draft: Change::Set(text.to_owned()), ..ViewChange::default() }
}

fn hide() -> ViewChange<String> {
    ViewChange { hidden: Some(true), ..ViewChange::default() }
}

impl Node {
    async fn inbox_events(&self, who: Caller) -> Vec<Event> {
        let events = self.events(self.log.lanes().of(who.account.0)).await;
        let mine = events.iter().filter(|event| event.noun == Noun::Inbox && event.aggregate_id == who.account.0);
        mine.map(|event| event.decode().expect("an event of an inbox")).collect()
    }

    async fn inbox_of(&self, who: Caller) -> State {
        let mut state = State::default();
        self.inbox_events(who).await.iter().for_each(|event| Inbox::evolve(&mut state, event));
        state
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_so_already_is_silent_though_it_is_sealed() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, conversation) = node.friends().await;
    let inbox = node.commands.inbox();
    for (count, change) in [folder("work"), draft("not sent"), hide()].into_iter().enumerate() {
        let first = inbox.change(keyless(alice), conversation, change.clone()).await.unwrap();
        assert!(!first.is_empty());
        inbox.change(keyless(alice), conversation, change).await.unwrap();
        assert_eq!(node.inbox_events(alice).await.len(), count + 1);
    }
    let events = node.events(node.log.lanes().of(alice.account.0)).await;
    assert!(events.iter().all(|event| !event.payload.contains("not sent") && !event.payload.contains("work")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_the_same_in_every_conversation_of_one_person() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, one) = node.friends().await;
    let other = node.commands.conversation().open_own(keyless(alice)).await.unwrap().conversation_id;
    for (who, conversation) in [(alice, one), (alice, other), (bob, one)] {
        node.commands.inbox().change(keyless(who), conversation, folder("work")).await.unwrap();
    }
    let mine = node.inbox_of(alice).await;
    assert!(mine.view(one).folder.is_some());
    assert_eq!(mine.view(one).folder, mine.view(other).folder);
    assert_ne!(mine.view(one).folder, node.inbox_of(bob).await.view(one).folder, "somebody else's is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_what_was_there_then_and_a_repeat_deletes_no_more() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, conversation) = node.friends().await;
    node.sent(bob, conversation, "one").await;
    let (inbox, key) = (node.commands.inbox(), id::new());
    inbox.clear(keyed(alice, key), conversation).await.unwrap();
    node.sent(bob, conversation, "two").await;
    inbox.clear(keyed(alice, key), conversation).await.unwrap();
    assert_eq!(node.inbox_of(alice).await.cleared.get(&conversation), Some(&1));
    assert_eq!(code(inbox.change(keyed(alice, key), conversation, hide()).await), Code::Conflict);
    let both = futures::join!(inbox.clear(keyless(alice), conversation), inbox.clear(keyless(alice), conversation));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(node.inbox_of(alice).await.cleared.get(&conversation), Some(&2));
    let cleared = |event: &&Event| matches!(event, Event::Cleared { .. });
    assert_eq!(node.inbox_events(alice).await.iter().filter(cleared).count(), 2, "two at once are one");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_deletes_what_they_saw_and_a_stranger_nothing() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = node.friends().await;
    let name = natter_domain::GroupName::parse("us").unwrap();
    let group = node.commands.conversation().start_group(keyless(alice), &name, &[bob.account]).await.unwrap();
    let group = group.conversation_id;
    node.commands.conversation().remove_member(keyless(bob), group, bob.account).await.unwrap();
    node.sent(alice, group, "three").await;
    let inbox = node.commands.inbox();
    inbox.clear(keyless(bob), group).await.unwrap();
    let state = node.inbox_of(bob).await;
    assert_eq!((state.cleared.get(&group), state.view(group).hidden_seq), (Some(&2), Some(2)));
    assert_eq!(code(inbox.read_announcement(keyless(bob), group, 1).await), Code::NotAMember);
    let carol = node.person("carol").await;
    assert_eq!(code(inbox.clear(keyless(carol), group).await), Code::NotFound);
    assert_eq!(code(inbox.change(keyless(carol), group, hide()).await), Code::NotFound);
    assert_eq!(code(inbox.read_announcement(keyless(carol), group, 1).await), Code::NotFound);
    assert_eq!(code(inbox.clear(keyless(alice), ConversationId(id::new())).await), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_read_forward() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, conversation) = node.friends().await;
    for text in ["one", "two"] {
        node.sent(bob, conversation, text).await;
    }
    let inbox = node.commands.inbox();
    for seq in [2, 1, 2] {
        inbox.read_announcement(keyless(alice), conversation, seq).await.unwrap();
    }
    assert_eq!(code(inbox.read_announcement(keyless(alice), conversation, 3).await), Code::InvalidInput);
    assert_eq!(node.inbox_events(alice).await, [Event::AnnouncementRead { conversation_id: conversation, seq: 2 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_with_oneself_is_opened_once_however_many_ask() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob) = (node.person("alice").await, node.person("bob").await);
    let conversations = node.commands.conversation();
    let open = || conversations.open_direct(keyless(alice), alice.account);
    let (one, other) = futures::join!(open(), open());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(u8::from(one.created) + u8::from(other.created), 1);
    assert_eq!(one.conversation_id, other.conversation_id);
    assert_eq!(one.conversation_id, conversation::own_id(alice.account));
    assert_eq!(node.sent(alice, one.conversation_id, "milk").await.seq, 1);
    let refused = node.send(bob, one.conversation_id, crate::support::message_id(), "let me in").await;
    assert_eq!(code(refused), Code::NotFound);
    let sealed = node.events(node.lane(one.conversation_id)).await;
    let note = sealed.iter().find(|event| event.event_type == "message_sent").expect("the note");
    assert!(note.payload.contains("\"o."), "with the key of her account, which is destroyed with it: {}", note.payload);
    assert!(nobody_else(&sealed, alice.account));
}

fn nobody_else(events: &[std::sync::Arc<natter_streams::Record>], who: AccountId) -> bool {
    let started = events.iter().find(|event| event.event_type == "started").expect("it was started");
    let event: conversation::Event = started.decode().expect("a beginning");
    matches!(event, conversation::Event::Started { members, .. } if members == [who])
}
