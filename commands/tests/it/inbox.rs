//! How conversations are shown to people, decided on a real log.

use crate::support::{Node, code, keyed, keyless};
use natter_commands::{Caller, CardChange};
use natter_domain::{
    AccountId, Announcement, Code, ConversationId, Decider, GroupName, Noun,
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
    let (alice, bob, direct) = node.friends().await;
    let group = begun(&node, alice, &[bob]).await;
    announced(&node, alice, group, "tonight").await;
    let inbox = node.commands.inbox();
    for seq in [2, 1, 2] {
        inbox.read_announcement(keyless(bob), group, seq).await.unwrap();
    }
    assert_eq!(code(inbox.read_announcement(keyless(bob), group, 3).await), Code::InvalidInput);
    assert_eq!(node.inbox_events(bob).await, [Event::AnnouncementRead { conversation_id: group, seq: 2 }]);
    let own = node.commands.conversation().open_own(keyless(bob)).await.unwrap().conversation_id;
    for no_group in [direct, own] {
        assert_eq!(code(inbox.read_announcement(keyless(bob), no_group, 0).await), Code::Forbidden);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_under_a_key_is_answered_also_to_who_has_left_since() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = node.friends().await;
    let group = begun(&node, alice, &[bob]).await;
    announced(&node, alice, group, "tonight").await;
    let (inbox, read, announcement) = (node.commands.inbox(), keyed(bob, id::new()), keyed(bob, id::new()));
    let first = inbox.advance(read, vec![(group, 2)]).await.unwrap();
    inbox.read_announcement(announcement, group, 2).await.unwrap();
    node.commands.conversation().remove_member(keyless(bob), group, bob.account).await.unwrap();
    let before = node.inbox_events(bob).await;
    let again = inbox.advance(read, vec![(group, 2)]).await.unwrap();
    assert_eq!((&first.cursors, &again.cursors), (&vec![(group, 2)], &vec![(group, 2)]));
    inbox.read_announcement(announcement, group, 2).await.unwrap();
    assert_eq!(node.inbox_events(bob).await, before);
    assert_eq!(code(inbox.advance(read, vec![(group, 1)]).await), Code::Conflict);
    assert_eq!(code(inbox.advance(keyless(bob), vec![(group, 2)]).await), Code::NotAMember);
    assert_eq!(code(inbox.read_announcement(keyless(bob), group, 2).await), Code::NotAMember);
}

/// She sees all of it, and need not read what was said before she came.
#[tokio::test(flavor = "multi_thread")]
async fn where_history_is_shared_a_cursor_is_never_before_the_place_where_one_came() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, bob, _) = node.friends().await;
    let group = begun(&node, alice, &[]).await;
    let conversations = node.commands.conversation();
    let shared = CardChange { shares_history: Some(true), ..CardChange::default() };
    conversations.change(keyless(alice), group, &shared).await.unwrap();
    for text in ["three", "four"] {
        node.sent(alice, group, text).await;
    }
    conversations.add_members(keyless(alice), group, &[bob.account]).await.unwrap();
    let advance = async |seq| node.commands.inbox().advance(keyless(bob), vec![(group, seq)]).await.unwrap().cursors;
    assert_eq!(advance(2).await, [(group, 4)], "he came with the fifth");
    assert_eq!(advance(4).await, [(group, 4)]);
    assert!(node.inbox_events(bob).await.is_empty(), "nothing moved");
    assert_eq!(advance(5).await, [(group, 5)]);
}

async fn begun(node: &Node, by: Caller, members: &[Caller]) -> ConversationId {
    let (name, members) =
        (GroupName::parse("us").expect("a name"), members.iter().map(|it| it.account).collect::<Vec<_>>());
    let started = node.commands.conversation().start_group(keyless(by), &name, &members).await;
    started.expect("start a group").conversation_id
}

async fn announced(node: &Node, by: Caller, group: ConversationId, text: &str) {
    let text = Announcement::parse(text).expect("it is short");
    node.commands.conversation().announce(keyless(by), group, Some(&text)).await.expect("announce");
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
