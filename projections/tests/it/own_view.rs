//! One's own view of messages: what rows, pages and frames say of marks, and of single messages that somebody has deleted for
//! themselves.

use crate::{
    delivery::{frame, listen, nothing},
    support::{World, dump},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, account, inbox, message::Place};
use natter_projections::{
    Page, Projection, Projections,
    message::{Filter, Range},
};
use natter_streams::clock;
use serde_json::json;

const READ: [Projection; 2] = [Projection::Relations, Projection::History];
const FIFTY: Page = Page { cursor: None, limit: 50 };

async fn own(projections: &Projections, who: AccountId, conversation: ConversationId) -> wire::OwnConversation {
    projections.conversation().get(who, conversation).await.unwrap().unwrap()
}

async fn seqs(projections: &Projections, who: AccountId, conversation: ConversationId, range: Range) -> Vec<u64> {
    let page = projections.message().page(who, conversation, Range { limit: 50, ..range }).await.unwrap().unwrap();
    page.iter().map(|message| message.seq).collect()
}

/// Bob's six messages.
async fn six(world: &World) -> (AccountId, AccountId, ConversationId, Vec<Place>) {
    let (alice, bob, conversation) = world.pair().await;
    let mut places = Vec::new();
    for seq in 1..=6 {
        places.push(world.send(conversation, bob, seq).await);
    }
    (alice, bob, conversation, places)
}

#[tokio::test]
async fn single_messages_that_were_deleted_are_cut_out_of_all_that_is_read() {
    let world = World::new().await;
    let (alice, bob, conversation, places) = six(&world).await;
    let (projections, running) = world.start().await;
    let before = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    for seq in [2, 5, 6] {
        world.delete(alice, conversation, seq).await;
    }
    for place in [places[1], places[2]] {
        world.change(world.edited(place, "edited")).await;
    }
    projections.catch_up(&READ).await.unwrap();
    let newest = Range::default();
    for (range, expected) in [
        (newest, vec![4, 3, 1]),
        (Range { after_seq: Some(1), ..newest }, vec![3, 4]),
        (Range { before_seq: Some(4), ..newest }, vec![3, 1]),
        (Range { around_seq: Some(2), ..newest }, vec![1, 3, 4]),
    ] {
        assert_eq!(seqs(&projections, alice, conversation, range).await, expected, "{range:?}");
    }
    assert_eq!(seqs(&projections, bob, conversation, newest).await, [6, 5, 4, 3, 2, 1]);
    let messages = projections.message();
    let ids: Vec<_> = places.iter().map(|place| place.message_id).collect();
    let found = messages.lookup(alice, conversation, &ids).await.unwrap().unwrap();
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 3, 4]);
    assert!(messages.one(alice, conversation, ids[5]).await.unwrap().is_none());
    assert!(messages.is_there(alice, conversation, ids[5]).await.unwrap(), "deleted, and there");
    let found = messages.filter(alice, conversation, &Filter::default(), &FIFTY).await.unwrap().unwrap();
    assert_eq!(found.items.iter().map(|message| message.seq).collect::<Vec<_>>(), [4, 3, 1]);

    let shown = own(&projections, alice, conversation).await;
    assert_eq!((shown.unread, shown.last_message.map(|message| message.seq)), (3, Some(4)));
    assert_eq!(shown.conversation.last_seq, 6, "what is known to be gone is known");
    assert_eq!(own(&projections, bob, conversation).await.conversation.last_seq, 6);
    let explained = projections.conversation().explain(alice, conversation).await.unwrap().unwrap();
    let wire::UnreadCounted { messages, deleted, .. } = explained.counted;
    assert_eq!((explained.unread, messages, deleted, explained.last_seq), (3, 6, 3, 6));

    let told = projections.sync().since(alice, Some(&before), 100).await.unwrap();
    assert_eq!(told.messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [3], "not of what is gone");
    assert_eq!(told.deleted_messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [2, 5, 6]);
    assert_eq!(told.conversations.len(), 1, "its newest message is another one");
    // In however small pages.
    let (mut cursor, mut one_by_one) = (Some(before), Vec::new());
    loop {
        let page = projections.sync().since(alice, cursor.as_deref(), 1).await.unwrap();
        one_by_one.extend(page.deleted_messages.iter().map(|message| message.seq));
        if !page.more {
            break;
        }
        cursor = Some(page.cursor);
    }
    assert_eq!(one_by_one, [2, 5, 6]);
    world.delete(alice, conversation, 4).await;
    projections.catch_up(&READ).await.unwrap();
    let told = projections.sync().since(alice, Some(&told.cursor), 100).await.unwrap();
    assert_eq!(told.deleted_messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [4]);
    let [shown] = &told.conversations[..] else { panic!("its newest message is another one again: {told:?}") };
    assert_eq!(shown.last_message.as_ref().map(|message| message.seq), Some(3));
    running.stop().await;
}

#[tokio::test]
async fn all_of_it_deleted_one_by_one_leaves_an_empty_conversation() {
    let world = World::new().await;
    let (alice, _, conversation, _) = six(&world).await;
    for seq in 1..=6 {
        world.delete(alice, conversation, seq).await;
    }
    let (projections, running) = world.start().await;
    assert_eq!(seqs(&projections, alice, conversation, Range::default()).await, [0; 0]);
    let shown = own(&projections, alice, conversation).await;
    assert_eq!((shown.unread, shown.last_message, shown.conversation.last_seq), (0, None, 6));
    // Cleared up to four: those are forgotten one by one.
    world.append(inbox::address(alice), &inbox::Event::Cleared { conversation_id: conversation, up_to_seq: 4 }).await;
    projections.catch_up(&READ).await.unwrap();
    let told = projections.sync().since(alice, None, 100).await.unwrap();
    assert_eq!(told.deleted_messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [5, 6]);
    running.stop().await;
}

#[tokio::test]
async fn marks_are_shown_to_who_put_them_and_their_devices_are_told() {
    let world = World::new().await;
    let (alice, bob, conversation, places) = six(&world).await;
    let (projections, running) = world.start().await;
    let (mut to_alice, mut to_bob) = (listen(&world.bus, alice).await, listen(&world.bus, bob).await);
    let before = projections.sync().since(alice, None, 100).await.unwrap().cursor;
    let (place, now) = (places[2], clock::now());
    let at = world.mark(place, alice, Some(now), true).await;
    let told = json!({
        "event": "message.marked", "conversation_id": conversation, "message_id": place.message_id, "seq": 3,
        "starred": true, "listened": true, "position": at.to_string(),
    });
    assert_eq!(frame(&mut to_alice).await, told);
    let at = world.delete(alice, conversation, 4).await;
    let told = frame(&mut to_alice).await;
    assert_eq!((&told["event"], &told["seq"]), (&json!("message.deleted"), &json!(4)));
    assert_eq!(told["position"], json!(at.to_string()));
    nothing(&mut to_bob).await;
    projections.catch_up(&READ).await.unwrap();
    let messages = projections.message();
    let of = async |who| messages.one(who, conversation, place.message_id).await.unwrap().unwrap();
    let (hers, his) = (of(alice).await, of(bob).await);
    assert_eq!((hers.starred, hers.listened, his.starred, his.listened), (true, true, false, false));
    let synced = projections.sync().since(alice, Some(&before), 100).await.unwrap();
    assert_eq!(synced.messages, [hers]);
    assert_eq!(synced.conversations.len(), 1, "only since something was deleted");
    let of_bob = projections.sync().since(bob, Some(&before), 100).await;
    assert!(of_bob.is_err(), "another one's cursor");
    assert_eq!(messages.stars(alice, &FIFTY).await.unwrap().items.len(), 1);
    world.mark(place, alice, None, true).await;
    projections.catch_up(&READ).await.unwrap();
    assert_eq!(messages.stars(alice, &FIFTY).await.unwrap().items, []);
    assert!(of(alice).await.listened);
    let held = messages.held_marks(alice, (uuid::Uuid::nil(), 0), 10).await.unwrap();
    assert_eq!(held.iter().map(|mark| (mark.seq, mark.listened)).collect::<Vec<_>>(), [(3, true)]);
    running.stop().await;
}

/// A recall is in the lane of the marks; an erasure is in another.
#[tokio::test]
async fn of_who_was_erased_no_mark_is_kept_whichever_lane_is_ahead() {
    let world = World::new().await;
    let (_, bob, conversation, places) = six(&world).await;
    let (projections, running) = world.start().await;
    let rows = async |table: &str| {
        projections.catch_up(&READ).await.unwrap();
        let found = dump(&world.pool).await;
        found.iter().filter(|row| row.starts_with(&format!("{table} "))).count()
    };
    world.mark(places[0], bob, Some(clock::now()), false).await;
    world.delete(bob, conversation, 2).await;
    assert_eq!((rows("message_mark").await, rows("message_deleted").await), (1, 1));
    let erased = account::Event::Erased { by: None, released: vec![] };
    world.append(account::address(bob), &erased).await;
    assert_eq!((rows("message_mark").await, rows("message_deleted").await), (0, 0));
    world.mark(places[1], bob, Some(clock::now()), false).await;
    assert_eq!(rows("message_mark").await, 0, "read late");
    running.stop().await;
}
