//! Who may see somebody has changed, and the read side does not show it yet.

use super::{
    Device,
    presence::{is_told, show_online, watch},
};
use natter_testkit::{BOUND, Options, Stack, law};
use serde_json::json;

#[tokio::test]
async fn who_begins_to_watch_is_shown_nothing_that_is_older_than_what_was_said() {
    let stack = Stack::new().await;
    let hold = stack.dir().join("hold");
    let faults = Some(format!("projection.relations.before_apply=hold:{}", hold.display()));
    let node = stack.node_with(Options { faults, heartbeat: BOUND * 3, ..Options::default() }).await;
    let (alice, bob, carol) = (
        Device::register(&node, "alice").await,
        Device::register(&node, "bob").await,
        Device::register(&node, "carol").await,
    );
    let _online = (alice.comes(&node).await, bob.comes(&node).await);
    let mut carols = carol.comes(&node).await;
    law::projections_are_at_the_head(&stack).await;

    std::fs::write(&hold, "").expect("make the file that holds");
    let body = json!({"show_online": false}).to_string().into_bytes();
    let raw = alice.at(&node).with("content-type", "application/json");
    let hidden = raw.call("PATCH", "/api/v1/settings", Some(body)).await;
    hidden.ok(200);
    // Nobody watches her when it is said. By the time that this is given up it has been.
    let own =
        alice.at(&node).with("natter-position", hidden.header("natter-position").expect("a write has a position"));
    own.get("/api/v1/settings").await.refused(503, "unavailable");
    let nobody = ("offline".to_owned(), false);
    assert_eq!(watch(&mut carols, &[&alice, &bob]).await, [nobody.clone(), nobody], "nobody can know");
    std::fs::remove_file(&hold).expect("remove the file that holds");
    is_told(&mut carols, &bob, "online", &["desktop"]).await;
    show_online(&alice, &node, true).await;
    is_told(&mut carols, &alice, "online", &["desktop"]).await;
}
