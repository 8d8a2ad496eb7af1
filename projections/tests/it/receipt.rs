//! What others are told of how far somebody has read and got, and who has read a message, as rows and pages say it.

use crate::{
    delivery::{frame, listen, nothing},
    support::World,
};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId,
    account::{self, ReadReceipts, Settings},
    inbox::{self, Cursor, Event, View},
    message,
};
use natter_projections::{
    Page, Projection, Projections,
    conversation::{Readers, Shown},
};
use natter_streams::Positions;
use serde_json::json;

const READ: [Projection; 2] = [Projection::Relations, Projection::History];

impl World {
    /// A direct conversation's, with whom is told.
    async fn reads(&self, who: AccountId, conversation_id: ConversationId, seq: u64, peer: Option<AccountId>) {
        let cursors = vec![Cursor { conversation_id, seq, peer }];
        self.append(inbox::address(who), &Event::CursorsAdvanced { cursors }).await;
    }

    async fn gets(
        &self,
        who: AccountId,
        conversation_id: ConversationId,
        seq: u64,
        peer: Option<AccountId>,
    ) -> Positions {
        let cursors = vec![Cursor { conversation_id, seq, peer }];
        self.append(inbox::address(who), &Event::DeliveriesAdvanced { cursors }).await
    }

    async fn lets_see(&self, who: AccountId, read_receipts: bool) {
        let settings = Settings { read_receipts: ReadReceipts(read_receipts), ..Settings::default() };
        self.append(account::address(who), &account::Event::SettingsChanged { settings }).await;
    }
}

/// What is shown of the other one's reading.
async fn shown(projections: &Projections, who: AccountId, conversation: ConversationId) -> (Option<u64>, Option<u64>) {
    projections.catch_up(&READ).await.expect("relations and history catch up");
    let own = projections.conversation().get(who, conversation).await.expect("a conversation").expect("of theirs");
    (own.peer_read_seq, own.peer_delivered_seq)
}

#[tokio::test]
async fn each_is_shown_what_the_other_one_was_told_to_show() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    let group = world.start_group(alice, &[bob]).await;
    for seq in 1..=5 {
        world.say(talk, alice, seq).await;
    }
    let (projections, running) = world.start().await;
    assert_eq!(shown(&projections, alice, talk).await, (Some(0), Some(0)));
    assert_eq!(shown(&projections, alice, group).await, (None, None));
    world.gets(bob, talk, 2, Some(alice)).await;
    assert_eq!(shown(&projections, alice, talk).await, (Some(0), Some(2)));
    world.reads(bob, talk, 1, Some(alice)).await;
    assert_eq!(shown(&projections, alice, talk).await, (Some(1), Some(2)), "nothing goes back");
    world.reads(bob, talk, 3, Some(alice)).await;
    assert_eq!(shown(&projections, alice, talk).await, (Some(3), Some(3)), "what was read has come");
    world.gets(bob, talk, 4, None).await;
    world.reads(bob, talk, 5, None).await;
    assert_eq!(shown(&projections, alice, talk).await, (Some(3), Some(3)), "she is not to know");
    assert_eq!(shown(&projections, bob, talk).await, (Some(0), Some(0)));
    for hidden in [alice, bob] {
        world.lets_see(hidden, false).await;
        for who in [alice, bob] {
            assert_eq!(shown(&projections, who, talk).await.0, None);
        }
        world.lets_see(hidden, true).await;
    }
    assert_eq!(shown(&projections, alice, talk).await, (Some(3), Some(3)));
    running.stop().await;
}

#[tokio::test]
async fn sync_tells_the_other_one_and_nobody_whom_it_does_not_concern() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    let carol = world.register("carol").await;
    let other = ConversationId(natter_streams::id::new());
    world.start_direct(other, [alice, carol]).await;
    for seq in 1..=9 {
        world.say(talk, alice, seq).await;
    }
    let (projections, running) = world.start().await;
    projections.catch_up(&READ).await.unwrap();
    let mut cursor = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    let mut told = async |expected: Option<(u64, u64)>| {
        projections.catch_up(&READ).await.unwrap();
        let told = projections.sync().since(alice, Some(&cursor), 100).await.unwrap();
        let of = |own: &wire::OwnConversation| own.peer_read_seq.zip(own.peer_delivered_seq);
        assert_eq!(told.conversations.iter().map(of).collect::<Vec<_>>(), Vec::from_iter(expected.map(Some)));
        cursor = told.cursor;
    };
    told(None).await;
    world.gets(bob, talk, 1, Some(alice)).await;
    told(Some((0, 1))).await;
    world.reads(bob, talk, 2, Some(alice)).await;
    told(Some((2, 2))).await;
    world.gets(bob, talk, 3, None).await;
    world.reads(bob, talk, 4, None).await;
    told(None).await;
    running.stop().await;
}

#[tokio::test]
async fn whose_setting_it_is_sees_by_sync_what_it_changes() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    world.say(talk, alice, 1).await;
    let (projections, running) = world.start().await;
    world.reads(bob, talk, 1, Some(alice)).await;
    projections.catch_up(&READ).await.unwrap();
    for who in [alice, bob] {
        let cursor = projections.sync().since(alice, None, 100).await.unwrap().cursor;
        world.lets_see(who, false).await;
        projections.catch_up(&READ).await.unwrap();
        let told = projections.sync().since(alice, Some(&cursor), 100).await.unwrap();
        assert_eq!(told.conversations.iter().map(|own| own.peer_read_seq).collect::<Vec<_>>(), [None]);
        world.lets_see(who, true).await;
        projections.catch_up(&READ).await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn what_has_come_is_told_to_both_or_to_its_owner_alone() {
    let world = World::new().await;
    let (alice, bob, talk) = world.pair().await;
    world.say(talk, alice, 1).await;
    let (_, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let at = world.gets(bob, talk, 1, Some(alice)).await;
    let told = json!({
        "event": "message.delivered", "conversation_id": talk, "account_id": bob, "seq": 1, "position": at.to_string(),
    });
    assert_eq!(frame(&mut to_alice).await, told);
    assert_eq!(frame(&mut to_bob).await, told);
    world.gets(bob, talk, 2, None).await;
    assert_eq!(frame(&mut to_bob).await["seq"], 2);
    nothing(&mut to_alice).await;
    running.stop().await;
}

async fn readers(
    projections: &Projections,
    who: AccountId,
    message: message::Place,
    page: &Page,
) -> (Vec<(AccountId, u64)>, Option<String>) {
    let found = projections.conversation().readers(who, message.conversation_id, message.message_id, 500, page).await;
    let Readers::Are(page) = found.expect("readers") else { panic!("they are shown") };
    let reader = |reader: wire::Reader| (AccountId(reader.account_id), reader.read_seq);
    (page.items.into_iter().map(reader).collect(), page.next_cursor)
}

#[tokio::test]
async fn readers_are_those_who_were_in_and_whose_cursor_has_come_to_it() {
    let world = World::new().await;
    let mut people = Vec::new();
    for name in ["owner", "one", "two", "three", "late"] {
        people.push(world.register(name).await);
    }
    let [owner, one, two, three, late] = people[..] else { panic!("five") };
    let group = world.start_group(owner, &[one, two, three]).await;
    let address = natter_domain::conversation::address(group);
    let message = world.send(group, owner, 2).await;
    // Two leaves with it read and comes back; three leaves before it was read by anybody and comes back.
    for (seq, account_id) in [(3, two), (4, three)] {
        let left = natter_domain::conversation::Event::MemberLeft { seq, account_id, by: account_id, joined_seq: 0 };
        world.append(address, &left).await;
    }
    let joined = natter_domain::conversation::Event::added(5, vec![two, late], owner);
    world.append(address, &joined).await;
    let (projections, running) = world.start().await;
    for (who, seq) in [(owner, 5), (one, 2), (two, 2), (three, 2), (late, 5)] {
        world.read(who, group, seq).await;
    }
    projections.catch_up(&READ).await.unwrap();
    let fifty = Page { cursor: None, limit: 50 };
    let mut expected = vec![(one, 2), (two, 2)];
    expected.sort();
    assert_eq!(readers(&projections, owner, message, &fifty).await, (expected.clone(), None));

    let first = readers(&projections, owner, message, &Page { cursor: None, limit: 1 }).await;
    assert_eq!(first.0, expected[..1]);
    let second = readers(&projections, owner, message, &Page { cursor: first.1, limit: 1 }).await;
    assert_eq!(second, (expected[1..].to_vec(), None));

    let ask =
        async |who, message, most| projections.conversation().readers(who, group, message, most, &fifty).await.unwrap();
    assert!(matches!(ask(owner, message.message_id, 3).await, Readers::NotShown), "four are in");
    assert!(matches!(ask(owner, message.message_id, 4).await, Readers::Are(_)));
    assert!(matches!(ask(three, message.message_id, 500).await, Readers::Left));
    assert!(matches!(ask(late, message.message_id, 500).await, Readers::Unknown), "it was said before them");
    let nobody = AccountId(natter_streams::id::new());
    assert!(matches!(ask(nobody, message.message_id, 500).await, Readers::Unknown));
    running.stop().await;
}

/// What all pages of the list say together.
async fn summed(projections: &Projections, who: AccountId) -> (u64, u64) {
    let (mut page, mut unread, mut conversations) = (Page { cursor: None, limit: 50 }, 0, 0);
    loop {
        let which = Shown { archived: Some(false), ..Shown::default() };
        let listed = projections.conversation().some(who, &which, &page).await.expect("a page");
        for own in listed.items {
            unread += own.unread;
            conversations += u64::from(own.unread > 0 || own.view.marked_unread);
        }
        match listed.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return (unread, conversations),
        }
    }
}

#[tokio::test]
async fn totals_are_what_the_pages_of_the_list_say_together() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let mut talks = Vec::new();
    for number in 0..1_100_u64 {
        let (talk, other) = (ConversationId(natter_streams::id::new()), AccountId(natter_streams::id::new()));
        let started = natter_domain::conversation::Event::started_direct([alice, other]);
        let address = natter_domain::conversation::address(talk);
        let mut drafts = vec![world.draft(address, &started).await];
        for seq in 1..=1 + number % 3 {
            drafts.push(world.draft(address, &world.message(talk, other, seq)).await);
        }
        world.commit(drafts).await;
        talks.push(talk);
    }
    for (number, &conversation_id) in talks.iter().enumerate().take(40) {
        match number % 4 {
            0 => world.reads(alice, conversation_id, 1, None).await,
            1 => {
                let view = View { archived: number % 8 == 1, hidden_seq: Some(3), ..View::default() };
                world.append(inbox::address(alice), &Event::ViewChanged { conversation_id, view }).await;
            }
            2 => {
                world.append(inbox::address(alice), &Event::Cleared { conversation_id, up_to_seq: 2 }).await;
            }
            _ => {
                world.reads(alice, conversation_id, 3, None).await;
                let view = View { marked_unread: true, ..View::default() };
                world.append(inbox::address(alice), &Event::ViewChanged { conversation_id, view }).await;
            }
        }
    }
    let (projections, running) = world.start().await;
    projections.catch_up(&READ).await.unwrap();
    let totals = projections.conversation().unread_totals(alice).await.unwrap();
    assert_eq!((totals.unread, totals.conversations), summed(&projections, alice).await);
    assert!(totals.unread > 1_000 && totals.conversations > 1_000, "{totals:?}");
    assert_eq!((totals.mentions, totals.quiet.unread), (0, 0));
    running.stop().await;
}
