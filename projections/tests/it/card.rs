//! Cards of accounts that are kept in memory: never older than the row, and read once.

use crate::support::World;
use natter_domain::AccountId;
use natter_projections::{Page, Projections, friendship::Which};

const FIFTY: Page = Page { cursor: None, limit: 50 };

/// The nicknames of the viewer's friends, and of those they talk with.
async fn names(projections: &Projections, viewer: AccountId) -> Vec<Option<String>> {
    let friends = projections.friendship().friends(viewer, &Which::default(), &FIFTY).await.expect("list friends");
    let talks = projections.conversation().list(viewer, &FIFTY).await.expect("list conversations");
    let friends = friends.items.into_iter().map(|friend| friend.account.nickname);
    friends.chain(talks.items.into_iter().map(|talk| talk.peer.and_then(|peer| peer.nickname))).collect()
}

fn both(name: &str) -> Vec<Option<String>> {
    vec![Some(name.to_owned()); 2]
}

#[tokio::test]
async fn a_card_is_read_once_and_shown_new_once_its_row_is() {
    let world = World::new().await;
    let (alice, bob, conversation) = world.pair().await;
    let (projections, running) = world.start().await;
    assert_eq!(names(&projections, alice).await, both("bob the test"));
    assert_eq!(projections.card_reads(), 1, "friends and conversations share it");
    for _ in 0..20 {
        assert_eq!(names(&projections, alice).await, both("bob the test"));
        let one = projections.conversation().get(alice, conversation).await.unwrap().unwrap();
        assert_eq!(one.peer.unwrap().nickname.as_deref(), Some("bob the test"));
    }
    assert_eq!(projections.card_reads(), 1, "nothing has changed");

    for number in 0..5 {
        let name = format!("bob the {number}th");
        let sql = "UPDATE account SET nickname = $2, changed = changed + 1 WHERE account_id = $1";
        let sealed = world.sealed(bob.0, &name).to_string();
        sqlx::query(sql).bind(bob.0).bind(sealed).execute(&world.pool).await.unwrap();
        assert_eq!(names(&projections, alice).await, both(&name));
        assert_eq!(projections.card_reads(), 2 + number, "and once more for each change");
    }
    running.stop().await;
}

/// As after a loss was declared: the same position, another event.
#[tokio::test]
async fn a_row_that_was_begun_anew_is_another_whatever_its_position() {
    let world = World::new().await;
    let (alice, bob, _) = world.pair().await;
    let (projections, running) = world.start().await;
    assert_eq!(names(&projections, alice).await, both("bob the test"));
    let sql = "UPDATE account SET nickname = $2 WHERE account_id = $1";
    let other = world.sealed(bob.0, "another bob").to_string();
    sqlx::query(sql).bind(bob.0).bind(other).execute(&world.pool).await.unwrap();
    assert_eq!(names(&projections, alice).await, both("another bob"));
    running.stop().await;
}

#[tokio::test]
async fn who_is_not_there_yet_is_shown_without_a_name_until_they_are() {
    let world = World::new().await;
    let (alice, bob, _) = world.pair().await;
    let (projections, running) = world.start().await;
    for (registered_at, shown) in [("NULL", None), ("now()", Some("bob the test".to_owned())), ("NULL", None)] {
        let sql = format!("UPDATE account SET registered_at = {registered_at} WHERE account_id = $1");
        sqlx::query(&sql).bind(bob.0).execute(&world.pool).await.unwrap();
        assert_eq!(names(&projections, alice).await, [shown.clone(), shown]);
    }
    running.stop().await;
}
