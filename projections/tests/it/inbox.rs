//! A person's own view of their conversations: what rows, pages and frames say of it, and that what they have deleted for
//! themselves is gone wherever they read.

use crate::{
    delivery::{frame, listen, nothing},
    support::{World, dump},
};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId,
    inbox::{self, Event, View},
    message,
};
use natter_projections::{Page, Projection, Projections, conversation::Shown, message::Range};
use natter_streams::{Positions, clock};
use serde_json::json;
use uuid::Uuid;

const FIFTY: Page = Page { cursor: None, limit: 50 };
const READ: [Projection; 2] = [Projection::Relations, Projection::History];

impl World {
    async fn tell(&self, who: AccountId, event: Event) -> Positions {
        self.append(inbox::address(who), &event).await
    }

    async fn shows(&self, who: AccountId, conversation_id: ConversationId, view: View) -> Positions {
        self.tell(who, Event::ViewChanged { conversation_id, view }).await
    }

    async fn clears(&self, who: AccountId, conversation_id: ConversationId, up_to_seq: u64) -> Positions {
        self.tell(who, Event::Cleared { conversation_id, up_to_seq }).await
    }
}

async fn of(projections: &Projections, who: AccountId, conversation: ConversationId) -> wire::OwnConversation {
    projections.conversation().get(who, conversation).await.unwrap().unwrap()
}

async fn seqs(projections: &Projections, who: AccountId, conversation: ConversationId, range: Range) -> Vec<u64> {
    let page = projections.message().page(who, conversation, Range { limit: 50, ..range }).await.unwrap().unwrap();
    page.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn each_kind_of_event_writes_its_own_columns_and_any_of_them_the_row() {
    let world = World::new().await;
    let (alice, bob, conversation_id) = world.pair().await;
    for seq in 1..=4 {
        world.say(conversation_id, bob, seq).await;
    }
    let (projections, running) = world.start().await;
    let quiet = clock::now();
    let view = View { pinned: true, archived: true, quiet_until: Some(quiet), marked_unread: true, ..View::default() };
    let folder = Some(world.sealed(alice.0, "work"));
    world.shows(alice, conversation_id, View { folder, ..view.clone() }).await;
    let draft = Some(world.sealed(alice.0, "not sent"));
    world.tell(alice, Event::DraftChanged { conversation_id, draft }).await;
    world.read(alice, conversation_id, 2).await;
    projections.catch_up(&READ).await.unwrap();
    let own = of(&projections, alice, conversation_id).await;
    let shown = wire::View {
        pinned: true,
        quiet_until: Some(quiet.to_string()),
        archived: true,
        hidden: false,
        folder: Some("work".into()),
        marked_unread: true,
    };
    assert_eq!((&own.view, own.read_seq, own.unread, own.cleared_seq), (&shown, 2, 2, 0));
    assert_eq!(own.draft.draft.as_deref(), Some("not sent"));
    assert!(own.draft.draft_at.is_some());
    let others = of(&projections, bob, conversation_id).await;
    assert_eq!((others.view, others.draft), (wire::View::default(), wire::Draft::default()), "hers alone");

    world.shows(alice, conversation_id, View::default()).await;
    world.tell(alice, Event::DraftChanged { conversation_id, draft: None }).await;
    world.clears(bob, conversation_id, 3).await;
    projections.catch_up(&READ).await.unwrap();
    let own = of(&projections, alice, conversation_id).await;
    assert_eq!((own.view, own.draft, own.read_seq), (wire::View::default(), wire::Draft::default(), 2));
    let others = of(&projections, bob, conversation_id).await;
    assert_eq!((others.cleared_seq, others.read_seq, others.conversation.last_seq), (3, 3, 4));
    running.stop().await;
}

#[tokio::test]
async fn sync_tells_the_conversation_whatever_changed_of_it() {
    let world = World::new().await;
    let (alice, bob, conversation_id) = world.pair().await;
    world.say(conversation_id, bob, 1).await;
    let (projections, running) = world.start().await;
    world.read(alice, conversation_id, 1).await;
    projections.catch_up(&READ).await.unwrap();
    let mut cursor = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    for event in [
        Event::ViewChanged { conversation_id, view: View { pinned: true, ..View::default() } },
        Event::DraftChanged { conversation_id, draft: Some(world.sealed(alice.0, "not sent")) },
        Event::Cleared { conversation_id, up_to_seq: 1 },
        Event::AnnouncementRead { conversation_id, seq: 1 },
    ] {
        let what = format!("{event:?}");
        world.tell(alice, event).await;
        projections.catch_up(&READ).await.unwrap();
        let told = projections.sync().since(alice, Some(&cursor), 100).await.unwrap();
        assert_eq!(told.conversations.len(), 1, "{what}");
        cursor = told.cursor;
    }
    running.stop().await;
}

#[tokio::test]
async fn what_came_in_one_batch_is_what_came_one_by_one() {
    let mut dumps = Vec::new();
    for at_once in [false, true] {
        let world = World::new().await;
        let (alice, bob) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let here = ConversationId(Uuid::from_u128(3));
        let (projections, running) = world.start().await;
        let pinned = View { pinned: true, hidden_seq: Some(3), ..View::default() };
        let events = [
            Event::ViewChanged { conversation_id: here, view: View { marked_unread: true, ..pinned.clone() } },
            Event::CursorsAdvanced { cursors: vec![inbox::Cursor { conversation_id: here, seq: 3, peer: Some(bob) }] },
            Event::ViewChanged { conversation_id: here, view: pinned },
            Event::Cleared { conversation_id: here, up_to_seq: 3 },
            Event::Cleared { conversation_id: here, up_to_seq: 5 },
            Event::AnnouncementRead { conversation_id: here, seq: 1 },
            Event::AnnouncementRead { conversation_id: here, seq: 4 },
            Event::DeliveriesAdvanced {
                cursors: vec![inbox::Cursor { conversation_id: here, seq: 4, peer: Some(bob) }],
            },
            Event::DeliveriesAdvanced { cursors: vec![inbox::Cursor { conversation_id: here, seq: 6, peer: None }] },
        ];
        let mut drafts = Vec::new();
        for event in &events {
            if at_once {
                drafts.push(world.draft(inbox::address(alice), event).await);
            } else {
                world.tell(alice, event.clone()).await;
                projections.catch_up(&[Projection::Relations]).await.unwrap();
            }
        }
        if at_once {
            world.commit(drafts).await;
        }
        projections.catch_up(&[Projection::Relations]).await.unwrap();
        dumps.push(dump(&world.pool).await);
        running.stop().await;
    }
    assert_eq!(dumps[0], dumps[1]);
    let row = &dumps[0][0];
    for told in ["\"shown_read_seq\":3", "\"shown_delivered_seq\":4"] {
        assert!(row.contains(told), "no {told} in {row}");
    }
    for told in ["\"read_seq\":3", "\"cleared_seq\":5", "\"announcement_read_seq\":4", "\"marked_unread\":false"] {
        assert!(row.contains(told), "no {told} in {row}");
    }
}

#[tokio::test]
async fn what_somebody_has_deleted_is_gone_for_them_wherever_they_read_and_for_nobody_else() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let mut places = Vec::new();
    for seq in 1..=6 {
        places.push(world.send(conversation, bob, seq).await);
    }
    let (projections, running) = world.start().await;
    let before = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    world.clears(alice, conversation, 4).await;
    for place in [places[1], places[4]] {
        world.change(world.edited(place, "edited")).await;
    }
    projections.catch_up(&READ).await.unwrap();

    let [all, behind] = [vec![1, 2, 3, 4, 5, 6], vec![5, 6]];
    let newest = Range::default();
    let ranges = [
        Range { after_seq: Some(0), ..newest },
        Range { around_seq: Some(3), ..newest },
        Range { before_seq: Some(7), ..newest },
    ];
    for range in ranges {
        for (who, expected) in [(alice, &behind), (bob, &all)] {
            let mut seen = seqs(&projections, who, conversation, range).await;
            seen.sort_unstable();
            assert_eq!(&seen, expected, "{range:?}");
        }
    }
    // A page that somebody else has read lately is not hers.
    assert_eq!(seqs(&projections, bob, conversation, Range { before_seq: Some(5), ..newest }).await, [4, 3, 2, 1]);
    assert_eq!(seqs(&projections, alice, conversation, Range { before_seq: Some(5), ..newest }).await, [0; 0]);
    let messages = projections.message();
    let ids: Vec<_> = places.iter().map(|place| place.message_id).collect();
    let found = messages.lookup(alice, conversation, &ids).await.unwrap().unwrap();
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), behind);
    assert!(messages.one(alice, conversation, ids[3]).await.unwrap().is_none());
    assert!(messages.one(alice, conversation, ids[4]).await.unwrap().is_some());

    let told = projections.sync().since(alice, Some(&before), 100).await.unwrap();
    assert_eq!(told.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [5], "not of what is gone");
    let [own] = &told.conversations[..] else { panic!("{told:?}") };
    assert_eq!((own.cleared_seq, own.unread, own.read_seq), (4, 2, 4));
    assert_eq!(own.last_message.as_ref().map(|message| message.seq), Some(6));

    world.clears(alice, conversation, 6).await;
    projections.catch_up(&READ).await.unwrap();
    let own = of(&projections, alice, conversation).await;
    assert_eq!((own.unread, own.last_message, own.conversation.last_seq), (0, None, 6));
    let others = of(&projections, bob, conversation).await;
    assert_eq!((others.conversation.last_seq, others.cleared_seq), (6, 0));
    running.stop().await;
}

#[tokio::test]
async fn a_stay_before_is_cut_too_and_what_was_left_can_be_deleted() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let group = world.start_group(alice, &[bob]).await;
    let address = natter_domain::conversation::address(group);
    world.say(group, alice, 2).await;
    let left = natter_domain::conversation::Event::MemberLeft { seq: 3, account_id: bob, by: bob, joined_seq: 0 };
    world.append(address, &left).await;
    world.say(group, alice, 4).await;
    let (projections, running) = world.start().await;
    let all = Range { after_seq: Some(0), ..Range::default() };
    assert_eq!(seqs(&projections, bob, group, all).await, [1, 2, 3]);
    let hidden = View { hidden_seq: Some(3), ..View::default() };
    world.shows(bob, group, hidden).await;
    world.clears(bob, group, 2).await;
    projections.catch_up(&READ).await.unwrap();
    assert_eq!(seqs(&projections, bob, group, all).await, [3]);
    let listed = async || projections.conversation().list(bob, &FIFTY).await.unwrap().items.len();
    assert!(of(&projections, bob, group).await.view.hidden, "what comes after they left is no news");
    assert_eq!(listed().await, 0);

    let joined = natter_domain::conversation::Event::added(5, vec![bob], alice);
    world.append(address, &joined).await;
    projections.catch_up(&READ).await.unwrap();
    assert!(!of(&projections, bob, group).await.view.hidden);
    assert_eq!(listed().await, 1);
    assert_eq!(seqs(&projections, bob, group, all).await, [3, 5]);
    running.stop().await;
}

#[tokio::test]
async fn lists_leave_out_what_is_hidden_and_show_what_is_asked_for() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let mut talks = Vec::new();
    for name in ["b", "c", "d", "e"] {
        let talk = ConversationId(natter_streams::id::new());
        let other = world.register(name).await;
        world.start_direct(talk, [alice, other]).await;
        world.say(talk, other, 1).await;
        talks.push((talk, other));
    }
    let (projections, running) = world.start().await;
    let sealing = world.keys(&world.log, &world.bus).await.of_account(alice).await.unwrap();
    let folder = |name: &str| Some(sealing.seal_alike(name.as_bytes()));
    for (index, view) in [
        View { pinned: true, folder: folder("work"), ..View::default() },
        View { archived: true, folder: folder("work"), ..View::default() },
        View { pinned: true, hidden_seq: Some(1), folder: folder("home"), ..View::default() },
    ]
    .into_iter()
    .enumerate()
    {
        world.shows(alice, talks[index].0, view).await;
    }
    projections.catch_up(&READ).await.unwrap();
    let list = async |which: Shown| -> Vec<usize> {
        let page = projections.conversation().some(alice, &which, &FIFTY).await.unwrap();
        let place = |own: wire::OwnConversation| talks.iter().position(|(talk, _)| talk.0 == own.conversation.id);
        page.items.into_iter().filter_map(place).collect()
    };
    let all = Shown::default;
    assert_eq!(list(all()).await, [3, 1, 0]);
    assert_eq!(list(Shown { hidden: true, ..all() }).await, [2]);
    assert_eq!(list(Shown { pinned: Some(true), ..all() }).await, [0]);
    assert_eq!(list(Shown { pinned: Some(false), ..all() }).await, [3, 1]);
    assert_eq!(list(Shown { archived: Some(true), ..all() }).await, [1]);
    assert_eq!(list(Shown { folder: Some("work".into()), ..all() }).await, [1, 0]);
    assert_eq!(list(Shown { folder: Some("home".into()), ..all() }).await, [0; 0]);
    assert_eq!(list(Shown { folder: Some("home".into()), hidden: true, ..all() }).await, [2]);
    assert_eq!(list(Shown { folder: Some("work".into()), pinned: Some(true), ..all() }).await, [0]);

    world.say(talks[2].0, talks[2].1, 2).await;
    projections.catch_up(&READ).await.unwrap();
    assert_eq!(list(all()).await, [2, 3, 1, 0], "what is new shows it again");
    assert!(list(Shown { hidden: true, ..all() }).await.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn ones_own_devices_are_told_and_nobody_else() {
    let world = World::new().await;
    let (alice, bob, conversation_id) = world.pair().await;
    world.say(conversation_id, bob, 1).await;
    let (_, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let folder = Some(world.sealed(alice.0, "work"));
    let at = world.shows(alice, conversation_id, View { pinned: true, folder, ..View::default() }).await;
    let told = json!({
        "event": "inbox.changed", "conversation_id": conversation_id, "position": at.to_string(),
        "pinned": true, "quiet_until": null, "archived": false, "hidden": false, "folder": "work",
        "marked_unread": false,
    });
    assert_eq!(frame(&mut to_alice).await, told);
    let draft = Some(world.sealed(alice.0, "not sent"));
    world.tell(alice, Event::DraftChanged { conversation_id, draft }).await;
    let told = frame(&mut to_alice).await;
    assert_eq!((&told["event"], &told["draft"]), (&json!("inbox.changed"), &json!("not sent")));
    assert!(told["draft_at"].is_string() && told.get("pinned").is_none(), "{told}");
    let at = world.clears(alice, conversation_id, 1).await;
    let told = json!({
        "event": "inbox.changed", "conversation_id": conversation_id, "position": at.to_string(), "cleared_seq": 1,
    });
    assert_eq!(frame(&mut to_alice).await, told);
    world.tell(alice, Event::AnnouncementRead { conversation_id, seq: 1 }).await;
    assert_eq!(frame(&mut to_alice).await["announcement_read_seq"], 1);
    nothing(&mut to_bob).await;
    running.stop().await;
}

#[tokio::test]
async fn what_becomes_of_a_deleted_message_is_not_told_by_sync() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let place = world.send(conversation, bob, 1).await;
    let (projections, running) = world.start().await;
    world.clears(alice, conversation, 1).await;
    projections.catch_up(&READ).await.unwrap();
    let before = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    world.change(message::Event::Recalled { message: place, by: bob }).await;
    projections.catch_up(&READ).await.unwrap();
    let told = projections.sync().since(alice, Some(&before), 100).await.unwrap();
    assert_eq!(told.messages, []);
    running.stop().await;
}
