//! Friend requests and friends.

use super::{FRIEND_REQUEST, Someone, has, is_id, is_time, new_id, text};
use natter_testkit::{BOUND, Node, Stack, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn a_request_is_asked_listed_accepted_and_makes_friends() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;

    let body = json!({"to": bob.id, "message": "it's me"}).to_string();
    let asked = alice.raw.post("/api/v1/friends/requests", body.clone()).await;
    let position = asked.position();
    let request = asked.ok(201);
    has(&request, FRIEND_REQUEST);
    is_id(&request["id"]);
    is_time(&request["created_at"]);
    is_time(&request["expires_at"]);
    assert_eq!((&request["from"], &request["to"]), (&json!(alice.id), &json!(bob.id)));
    assert_eq!((&request["status"], &request["message"]), (&json!("pending"), &json!("it's me")));
    assert_eq!(request["conversation_id"], json!(null));

    alice.raw.post("/api/v1/friends/requests", body).await.refused(409, "request_repeated");
    for (someone, direction, count) in
        [(&bob, "in", 1), (&alice, "out", 1), (&bob, "out", 0), (&alice, "in", 0), (&carol, "in", 0)]
    {
        let path = format!("/api/v1/friends/requests?direction={direction}&status=pending");
        let listed = someone.raw.with("natter-position", &position).get(&path).await.ok(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(count), "{direction}: {listed}");
        assert_eq!(listed["next_cursor"], json!(null));
        assert!(listed["items"].as_array().is_some_and(|items| items.iter().all(|item| *item == request)));
    }

    let id = text(&request["id"]);
    let accept = format!("/api/v1/friends/requests/{id}/accept");
    alice.raw.post_nothing(&accept).await.refused(403, "forbidden");
    carol.raw.post_nothing(&accept).await.refused(404, "not_found");
    let accepted = bob.raw.post_nothing(&accept).await;
    let position = accepted.position();
    let accepted = accepted.ok(200);
    has(&accepted, FRIEND_REQUEST);
    assert_eq!((&accepted["id"], &accepted["status"]), (&request["id"], &json!("accepted")));
    is_id(&accepted["conversation_id"]);
    assert_eq!(bob.raw.post_nothing(&accept).await.ok(200), accepted, "accepting again is the same");
    bob.raw.post_nothing(&format!("/api/v1/friends/requests/{id}/reject")).await.refused(409, "request_closed");

    for (someone, friend, name) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        let listed = someone.raw.with("natter-position", &position).get("/api/v1/friends").await.ok(200);
        let items = listed["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{listed}");
        has(&items[0], &["account", "since", "conversation_id"]);
        assert_eq!((&items[0]["account"]["id"], &items[0]["account"]["username"]), (&json!(friend.id), &json!(name)));
        assert_eq!(items[0]["conversation_id"], accepted["conversation_id"]);
        is_time(&items[0]["since"]);
    }
    let again = json!({"to": alice.id}).to_string();
    bob.raw.post("/api/v1/friends/requests", again).await.refused(409, "already_friends");
}

#[tokio::test]
async fn a_rejected_request_is_closed() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let asked = alice.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.ok(201);
    let path = format!("/api/v1/friends/requests/{}", text(&asked["id"]));
    alice.raw.post_nothing(&format!("{path}/reject")).await.refused(403, "forbidden");
    let rejected = bob.raw.post_nothing(&format!("{path}/reject")).await;
    rejected.position();
    let rejected = rejected.ok(200);
    assert_eq!((&rejected["status"], &rejected["conversation_id"]), (&json!("rejected"), &json!(null)));
    bob.raw.post_nothing(&format!("{path}/accept")).await.refused(409, "request_closed");
}

#[tokio::test]
async fn asking_someone_who_has_asked_answers_200_with_the_accepted_request() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let asked = alice.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await.ok(201);
    let crossed = bob.raw.post("/api/v1/friends/requests", json!({"to": alice.id}).to_string()).await.ok(200);
    assert_eq!((&crossed["id"], &crossed["status"]), (&asked["id"], &json!("accepted")));
    is_id(&crossed["conversation_id"]);
}

/// The id of a request from one to the other.
async fn asks(one: &Someone, other: &Someone) -> String {
    text(&one.raw.post("/api/v1/friends/requests", json!({"to": other.id}).to_string()).await.ok(201)["id"])
}

async fn listed(someone: &Someone, path: &str, position: &str) -> Vec<Value> {
    let listed = someone.raw.with("natter-position", position).get(path).await.ok(200);
    listed["items"].as_array().expect("items").clone()
}

async fn people<const N: usize>(node: &Node, names: [&str; N]) -> [Someone; N] {
    let mut people = Vec::new();
    for name in names {
        people.push(Someone::register(node, name).await);
    }
    people.try_into().unwrap_or_else(|_| panic!("as many as there are names"))
}

#[tokio::test]
async fn a_request_says_where_it_comes_from() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob] = people(&node, ["alice", "bob"]).await;
    let ask = |source: Value| json!({"to": bob.id, "source": source}).to_string();
    alice.raw.post("/api/v1/friends/requests", ask(json!("pigeon"))).await.invalid("/source");
    let asked = alice.raw.post("/api/v1/friends/requests", ask(json!("qr"))).await;
    let position = asked.position();
    assert_eq!(asked.ok(201)["source"], "qr");
    assert_eq!(listed(&bob, "/api/v1/friends/requests", &position).await[0]["source"], "qr");
}

#[tokio::test]
async fn a_request_is_taken_back_by_who_sent_it() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob, carol] = people(&node, ["alice", "bob", "carol"]).await;
    let mut bobs = bob.raw.socket().await;
    bobs.event("ready").await;
    let id = asks(&alice, &bob).await;
    let cancel = format!("/api/v1/friends/requests/{id}/cancel");
    bob.raw.post_nothing(&cancel).await.refused(403, "forbidden");
    carol.raw.post_nothing(&cancel).await.refused(404, "not_found");
    let cancelled = alice.raw.post_nothing(&cancel).await;
    let position = cancelled.position();
    let cancelled = cancelled.ok(200);
    has(&cancelled, FRIEND_REQUEST);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(alice.raw.post_nothing(&cancel).await.ok(200), cancelled, "again, it is the same");
    let pushed = bobs.event("friend.cancelled").await;
    assert_eq!((&pushed["request"], &pushed["by"]), (&cancelled, &json!(alice.id)));
    for path in ["accept", "reject", "ignore"] {
        bob.raw.post_nothing(&format!("/api/v1/friends/requests/{id}/{path}")).await.refused(409, "request_closed");
    }
    for (someone, direction) in [(&alice, "out"), (&bob, "in")] {
        let path = format!("/api/v1/friends/requests?direction={direction}&status=cancelled");
        assert_eq!(listed(someone, &path, &position).await.len(), 1, "{direction}");
    }
    let again = json!({"to": bob.id}).to_string();
    alice.raw.post("/api/v1/friends/requests", again).await.refused(409, "request_repeated");
}

#[tokio::test]
async fn what_is_ignored_is_hidden_and_pending() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob] = people(&node, ["alice", "bob"]).await;
    let id = asks(&alice, &bob).await;
    let cursor = text(&bob.raw.get("/api/v1/sync").await.ok(200)["cursor"]);
    let ignore = format!("/api/v1/friends/requests/{id}/ignore");
    alice.raw.post_nothing(&ignore).await.refused(403, "forbidden");
    let ignored = bob.raw.post_nothing(&ignore).await;
    let position = ignored.position();
    assert_eq!(ignored.ok(200)["status"], "pending");
    bob.raw.post_nothing(&ignore).await.ok(200);
    assert!(listed(&bob, "/api/v1/friends/requests", &position).await.is_empty());
    let of_alice = listed(&alice, "/api/v1/friends/requests?direction=out&status=pending", &position).await;
    assert_eq!(of_alice.len(), 1, "for her nothing has changed");
    let told = bob.raw.with("natter-position", &position).get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!((&told["ignored_requests"], &told["requests"]), (&json!([id]), &json!([])));
    let accepted = bob.raw.post_nothing(&format!("/api/v1/friends/requests/{id}/accept")).await;
    let position = accepted.position();
    assert_eq!(accepted.ok(200)["status"], "accepted", "it can still be answered");
    assert_eq!(listed(&bob, "/api/v1/friends/requests", &position).await.len(), 1);
}

#[tokio::test]
async fn the_end_of_a_friendship_closes_the_conversation_and_a_new_one_opens_it() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob] = people(&node, ["alice", "bob"]).await;
    let (talk, _) = alice.befriends(&bob).await;
    alice.says(&talk, &new_id(), "before").await.ok(201);
    let cursor = text(&bob.raw.get("/api/v1/sync").await.ok(200)["cursor"]);
    let mut bobs = bob.raw.socket().await;
    bobs.event("ready").await;
    let path = format!("/api/v1/friends/{}", bob.id);
    let removed = alice.raw.call("DELETE", &path, None).await;
    let position = removed.position();
    assert_eq!(removed.status, 204);
    assert_eq!(alice.raw.call("DELETE", &path, None).await.status, 204, "it is gone");
    let pushed = bobs.event("friend.removed").await;
    let ids = pushed["account_ids"].as_array().expect("the pair");
    assert!(ids.contains(&json!(alice.id)) && ids.contains(&json!(bob.id)) && ids.len() == 2);
    assert_eq!(pushed["by"], json!(alice.id));
    assert_eq!(bobs.event("conversation.updated").await["conversation"]["state"], "closed");
    for someone in [&alice, &bob] {
        assert!(listed(someone, "/api/v1/friends", &position).await.is_empty());
        let path = format!("/api/v1/conversations/{talk}");
        let shown = someone.raw.with("natter-position", &position).get(&path).await.ok(200);
        assert_eq!((&shown["state"], &shown["last_seq"]), (&json!("closed"), &json!(1)));
        someone.says(&talk, &new_id(), "too late").await.refused(403, "conversation_closed");
        let open =
            json!({"kind": "direct", "with": if someone.id == alice.id { &bob.id } else { &alice.id }}).to_string();
        someone.raw.post("/api/v1/conversations", open).await.refused(403, "not_friends");
    }
    let told = bob.raw.with("natter-position", &position).get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!(told["removed_friends"], json!([alice.id]));
    assert_eq!(told["conversations"][0]["state"], "closed");

    // Alice asked less than 24 hours ago, Bob never did.
    let (again, _) = bob.befriends(&alice).await;
    assert_eq!(again, talk, "the one that they had");
    bob.says(&talk, &new_id(), "hello again").await.ok(201);
    let page = alice.raw.get(&format!("/api/v1/conversations/{talk}/messages")).await.ok(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "with its history");
}

#[tokio::test]
async fn a_friend_has_a_remark_a_folder_and_a_star() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob, carol, dave] = people(&node, ["alice", "bob", "carol", "dave"]).await;
    for friend in [&bob, &carol] {
        alice.befriends(friend).await;
    }
    let patch = async |friend: &Someone, change: Value| {
        let raw = alice.raw.with("content-type", "application/json");
        raw.call("PATCH", &format!("/api/v1/friends/{}", friend.id), Some(change.to_string().into_bytes())).await
    };
    patch(&dave, json!({"starred": true})).await.refused(404, "not_found");
    patch(&bob, json!({"remark": ""})).await.invalid("/remark");
    patch(&bob, json!({"folder": "x".repeat(65)})).await.invalid("/folder");
    let noted = patch(&bob, json!({"remark": "Bobby", "folder": "Work", "starred": true})).await.ok(200);
    has(&noted, &["account", "remark", "folder", "starred", "since", "conversation_id"]);
    assert_eq!(
        (&noted["remark"], &noted["folder"], &noted["starred"]),
        (&json!("Bobby"), &json!("Work"), &json!(true))
    );
    let noted = patch(&bob, json!({"remark": null})).await.ok(200);
    assert_eq!((&noted["remark"], &noted["folder"]), (&json!(null), &json!("Work")));
    patch(&carol, json!({"folder": "Work"})).await.ok(200);
    assert_eq!(
        alice.raw.get("/api/v1/friends/folders").await.ok(200)["items"],
        json!([{"name": "Work", "count": 2}]),
        "a name in common is one folder"
    );
    let position = patch(&carol, json!({"folder": "Home"})).await.position();

    for (query, expected) in [
        ("?folder=Work", vec![&bob]),
        ("?starred=true", vec![&bob]),
        ("?starred=false", vec![&carol]),
        ("?folder=Home&starred=true", vec![]),
        ("?folder=Nowhere", vec![]),
        ("", vec![&carol, &bob]),
    ] {
        let found = listed(&alice, &format!("/api/v1/friends{query}"), &position).await;
        let ids: Vec<_> = found.iter().map(|friend| friend["account"]["id"].clone()).collect();
        assert_eq!(ids, expected.iter().map(|friend| json!(friend.id)).collect::<Vec<_>>(), "{query}");
    }
    alice.raw.get("/api/v1/friends?starred=maybe").await.invalid("/starred");
    let of_bob = bob.raw.with("natter-position", &position).get("/api/v1/friends").await.ok(200);
    assert_eq!(of_bob["items"][0]["remark"], json!(null), "it is hers alone");

    let order = |names: &[&str]| json!({"names": names}).to_string();
    let folder = |name: &str, count: u64| json!({"name": name, "count": count});
    assert_eq!(
        alice.raw.get("/api/v1/friends/folders").await.ok(200)["items"],
        json!([folder("Home", 1), folder("Work", 1)])
    );
    alice.raw.put("/api/v1/friends/folders", order(&["Work", "Work"])).await.invalid("/names/1");
    let ordered = alice.raw.put("/api/v1/friends/folders", order(&["Work", "Empty"])).await.ok(200);
    assert_eq!(ordered["items"], json!([folder("Work", 1), folder("Empty", 0), folder("Home", 1)]));
    let told = alice.raw.get("/api/v1/sync").await.ok(200);
    assert_eq!(told["friend_folders"], json!(["Work", "Empty"]));
    assert_eq!(bob.raw.get("/api/v1/friends/folders").await.ok(200)["items"], json!([]));

    alice.raw.call("DELETE", &format!("/api/v1/friends/{}", bob.id), None).await;
    let (_, position) = bob.befriends(&alice).await;
    let found = listed(&alice, "/api/v1/friends", &position).await;
    let bobs = found.iter().find(|friend| friend["account"]["id"] == json!(bob.id)).expect("a friend again");
    assert_eq!((&bobs["folder"], &bobs["starred"]), (&json!(null), &json!(false)), "what was noted is forgotten");
}

type Timer = (i16, String, uuid::Uuid, String, String);

async fn timers(stack: &Stack) -> Vec<Timer> {
    let sql = "SELECT lane, kind, subject, due_at::text, payload::jsonb::text FROM timers";
    sqlx::query_as(sql).fetch_all(stack.pool()).await.expect("read the timers")
}

/// Before there were timers for requests none was set.
#[tokio::test]
async fn what_waits_at_the_upgrade_runs_out_too() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let [alice, bob, carol] = people(&node, ["alice", "bob", "carol"]).await;
    carol.befriends(&bob).await;
    let asked = alice.raw.post("/api/v1/friends/requests", json!({"to": bob.id}).to_string()).await;
    let path = "/api/v1/friends/requests?direction=out";
    alice.raw.with("natter-position", &asked.position()).get(path).await.ok(200);
    let id = text(&asked.ok(201)["id"]);
    eventually("its timer is set, and the other request's is gone", BOUND, async || {
        let timers = timers(&stack).await;
        let is_it = |timer: &Timer| timer.2.to_string() == id;
        if timers.len() == 1 && is_it(&timers[0]) { Ok(()) } else { Err(format!("{timers:?}")) }
    })
    .await;
    let set = timers(&stack).await;
    let (.., text) = natter_migrations::POSTGRES.iter().find(|(_, name, _)| *name == "friend").expect("it is there");
    let fill = natter_migrations::statements(text).into_iter().find(|it| it.contains("public.timers"));
    let fill = fill.expect("it sets them");
    let upgrade = async || sqlx::query(&fill).execute(stack.pool()).await.expect("fill");
    upgrade().await;
    assert_eq!(timers(&stack).await, set, "there is one");
    let none = "DELETE FROM timers";
    sqlx::query(none).execute(stack.pool()).await.expect("forget it");
    upgrade().await;
    assert_eq!(timers(&stack).await, set, "as by the event");
    sqlx::query(none).execute(stack.pool()).await.expect("forget it");
    let long_ago = "UPDATE friend_request SET expires_at = created_at - interval '1 day'";
    sqlx::query(long_ago).execute(stack.pool()).await.expect("age it");
    upgrade().await;
    assert_eq!(timers(&stack).await, [], "of what had run out before nobody is told");
}
