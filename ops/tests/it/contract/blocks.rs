//! Blocks: nothing passes, and the blocked one is told nothing. And strangers who may write.

use super::{Someone, has, is_time, message, new_id, text};
use natter_testkit::{Node, Options, RawSocket, Reply, Stack};
use serde_json::{Value, json};

/// With strangers who may write.
async fn node(stack: &Stack) -> Node {
    stack.node_with(Options { more: vec![("NATTER_STRANGERS", "on".to_owned())], ..Options::default() }).await
}

async fn block(by: &Someone, other: &Someone) -> Reply {
    by.raw.call("PUT", &format!("/api/v1/blocks/{}", other.id), None).await
}

async fn unblock(by: &Someone, other: &Someone) -> Reply {
    by.raw.call("DELETE", &format!("/api/v1/blocks/{}", other.id), None).await
}

#[tokio::test]
async fn blocks_are_set_listed_and_taken_back() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    alice.raw.call("PUT", &format!("/api/v1/blocks/{}", alice.id), None).await.refused(422, "self_not_allowed");
    alice.raw.call("PUT", &format!("/api/v1/blocks/{}", new_id()), None).await.refused(404, "not_found");
    let cursor = text(&alice.raw.get("/api/v1/sync").await.ok(200)["cursor"]);
    let set = block(&alice, &bob).await;
    let set = set.ok(200);
    has(&set, &["account", "since"]);
    is_time(&set["since"]);
    assert_eq!((&set["account"]["id"], &set["account"]["username"]), (&json!(bob.id), &json!("bob")));
    assert_eq!(block(&alice, &bob).await.ok(200), set, "again, it is the same");
    let position = block(&alice, &carol).await.position();
    let alices = alice.raw.with("natter-position", &position);
    let page = alices.get("/api/v1/blocks?limit=1").await.ok(200);
    assert_eq!(page["items"][0]["account"]["id"], json!(carol.id), "the newest first");
    let rest = alices.get(&format!("/api/v1/blocks?limit=1&cursor={}", text(&page["next_cursor"]))).await.ok(200);
    assert_eq!((&rest["items"], &rest["next_cursor"]), (&json!([set]), &json!(null)));
    assert_eq!(bob.raw.get("/api/v1/blocks").await.ok(200)["items"], json!([]));
    let told = alices.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!((told["blocks"].as_array().map(Vec::len), &told["unblocked"]), (Some(2), &json!([])));

    let back = unblock(&alice, &bob).await;
    assert_eq!(back.status, 204);
    assert_eq!(unblock(&alice, &bob).await.status, 204, "it is gone");
    let alices = alice.raw.with("natter-position", &back.position());
    let told = alices.get(&format!("/api/v1/sync?cursor={}", text(&told["cursor"]))).await.ok(200);
    assert_eq!((&told["blocks"], &told["unblocked"]), (&json!([]), &json!([bob.id])));
    assert_eq!(alices.get("/api/v1/blocks").await.ok(200)["items"].as_array().map(Vec::len), Some(1));
}

/// All that somebody can read of themselves and of what is between them and another, without what changes by itself.
async fn reads(who: &Someone, other: &Someone, talk: &str) -> Value {
    let mut all = json!({});
    for path in [
        "/api/v1/friends".to_owned(),
        "/api/v1/friends/folders".to_owned(),
        "/api/v1/friends/requests?direction=in".to_owned(),
        "/api/v1/friends/requests?direction=out".to_owned(),
        "/api/v1/blocks".to_owned(),
        "/api/v1/conversations".to_owned(),
        format!("/api/v1/conversations/{talk}"),
        format!("/api/v1/conversations/{talk}/members"),
        format!("/api/v1/conversations/{talk}/messages"),
        format!("/api/v1/accounts/{}", other.id),
        "/api/v1/settings".to_owned(),
    ] {
        all[&path] = who.raw.get(&path).await.ok(200);
    }
    let mut sync = who.raw.get("/api/v1/sync").await.ok(200);
    sync["cursor"] = json!(null);
    all["/api/v1/sync"] = sync;
    all
}

/// Until nothing that was pushed is under way: what a message to oneself in a group came behind.
async fn pushes(who: &Someone, socket: &mut RawSocket, group: &str) -> Vec<Value> {
    let mark = new_id();
    who.says(group, &mark, "mark").await.ok(201);
    let mut heard = Vec::new();
    loop {
        let frame = socket.find("a push", |frame| frame["event"].is_string()).await;
        if frame["message"]["message_id"] == json!(mark) {
            return heard;
        }
        heard.push(frame);
    }
}

/// Every way that leads from one person to another, as it is tried by who is blocked.
struct Way {
    name: &'static str,
    method: &'static str,
    path: String,
    body: Option<String>,
    /// The answer to who is blocked: the status, and the code if it is refused.
    answer: (u16, &'static str),
}

/// Where they are tried: their talk, a message of his there, a group of hers where people ask, one of his.
struct Places {
    talk: String,
    sent: String,
    hers: String,
    his: String,
}

fn ways(bob: &Someone, alice: &Someone, Places { talk, sent, hers, his }: &Places) -> Vec<Way> {
    let in_talk = |rest: &str| format!("/api/v1/conversations/{talk}{rest}");
    let way = |name, method, path, body: Option<Value>, answer| {
        let body = body.map(|body| body.to_string());
        Way { name, method, path, body, answer }
    };
    let closed = (403, "conversation_closed");
    let text = json!({"kind": "text", "text": "other"});
    vec![
        way(
            "send",
            "POST",
            in_talk("/messages"),
            Some(serde_json::from_str(&message(&new_id(), "hi")).expect("JSON")),
            closed,
        ),
        way("edit", "PATCH", in_talk(&format!("/messages/{sent}")), Some(json!({"body": text})), closed),
        way("react", "PUT", in_talk(&format!("/messages/{sent}/reactions/a")), None, closed),
        way("unreact", "DELETE", in_talk(&format!("/messages/{sent}/reactions/b")), None, closed),
        way("pin again", "PUT", in_talk(&format!("/messages/{sent}/pin")), None, (204, "")),
        way("unpin", "DELETE", in_talk(&format!("/messages/{sent}/pin")), None, closed),
        way("recall", "DELETE", in_talk(&format!("/messages/{sent}")), None, closed),
        way(
            "open",
            "POST",
            "/api/v1/conversations".to_owned(),
            Some(json!({"kind": "direct", "with": alice.id})),
            (200, ""),
        ),
        way("read", "PUT", in_talk("/read"), Some(json!({"seq": 1})), (200, "")),
        way(
            "gather",
            "POST",
            "/api/v1/conversations".to_owned(),
            Some(json!({"kind": "group", "name": "us", "members": [alice.id]})),
            // She is invited, as anybody would be who does not let him add her; she is not told.
            (201, ""),
        ),
        way(
            "add",
            "POST",
            format!("/api/v1/conversations/{his}/members"),
            Some(json!({"account_ids": [alice.id]})),
            (200, ""),
        ),
        way("uninvite", "DELETE", format!("/api/v1/conversations/{his}/invitations/{}", alice.id), None, (204, "")),
        way(
            "knock",
            "POST",
            format!("/api/v1/conversations/{hers}/join"),
            Some(json!({"message": "it is me"})),
            (200, ""),
        ),
        way("go away", "DELETE", format!("/api/v1/conversations/{hers}/requests/me"), None, (204, "")),
        way(
            "knock again",
            "POST",
            format!("/api/v1/conversations/{hers}/join"),
            Some(json!({"message": "me"})),
            (200, ""),
        ),
        way(
            "ask",
            "POST",
            "/api/v1/friends/requests".to_owned(),
            Some(json!({"to": alice.id})),
            (409, "already_friends"),
        ),
        way("block", "PUT", format!("/api/v1/blocks/{}", alice.id), None, (200, "")),
        way("unblock", "DELETE", format!("/api/v1/blocks/{}", alice.id), None, (204, "")),
        way("find", "GET", format!("/api/v1/accounts/{}", bob.id), None, (200, "")),
    ]
}

/// The same by frames, each with its code; none of what is so already.
fn frames(Places { talk, sent, .. }: &Places) -> Vec<Value> {
    let text = json!({"kind": "text", "text": "other"});
    let ops = [
        ("message.send", json!({"message_id": new_id(), "body": text})),
        ("message.edit", json!({"message_id": sent, "body": text})),
        ("message.react", json!({"message_id": sent, "emoji": "a"})),
        ("message.unreact", json!({"message_id": sent, "emoji": "b"})),
        ("message.unpin", json!({"message_id": sent})),
        ("message.recall", json!({"message_id": sent})),
    ];
    let frame = |(op, mut frame): (&str, Value)| {
        (frame["id"], frame["op"], frame["conversation_id"]) = (json!(op), json!(op), json!(talk));
        frame
    };
    ops.into_iter().map(frame).collect()
}

#[tokio::test]
async fn nothing_passes_and_nothing_tells_who_is_blocked() {
    let stack = Stack::new().await;
    let node = node(&stack).await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let (talk, _) = alice.befriends(&bob).await;
    let own = json!({"kind": "group", "name": "own", "members": []}).to_string();
    let alices = text(&alice.raw.post("/api/v1/conversations", own.clone()).await.ok(201)["id"]);
    let bobs = text(&bob.raw.post("/api/v1/conversations", own).await.ok(201)["id"]);
    answered(&alice, &alices).await;
    let sent = new_id();
    bob.says(&talk, &sent, "hello").await.ok(201);
    for done in ["reactions/b", "pin"] {
        let path = format!("/api/v1/conversations/{talk}/messages/{sent}/{done}");
        assert!(bob.raw.call("PUT", &path, None).await.status < 300, "{done}");
    }
    let (mut to_alice, mut to_bob) = (alice.raw.socket().await, bob.raw.socket().await);
    to_alice.event("ready").await;
    to_bob.event("ready").await;
    let before = reads(&bob, &alice, &talk).await;
    let cursor = text(&bob.raw.get("/api/v1/sync").await.ok(200)["cursor"]);

    let position = block(&alice, &bob).await.position();
    let shown = alice.raw.with("natter-position", &position).get(&format!("/api/v1/conversations/{talk}")).await;
    assert_eq!(shown.ok(200)["state"], "closed", "to who blocks");
    let told = pushes(&alice, &mut to_alice, &alices).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["event"], &told[0]["conversation"]["state"]),
        (&json!("conversation.updated"), &json!("closed"))
    );
    bob.raw.with("natter-position", &position).get("/api/v1/friends").await.ok(200);
    assert_eq!(reads(&bob, &alice, &talk).await, before, "all that he reads is as it was");
    let mut told = bob.raw.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    told["cursor"] = json!(null);
    let nothing = |thing: &Value| thing.is_null() || *thing == json!(false) || *thing == json!([]);
    let tells = told.as_object().expect("an object").values().filter(|thing| !nothing(thing)).count();
    assert_eq!(tells, 0, "{told}");
    assert_eq!(pushes(&bob, &mut to_bob, &bobs).await, Vec::<Value>::new());

    let places = Places { talk: talk.clone(), sent: sent.clone(), hers: alices.clone(), his: bobs.clone() };
    for way in ways(&bob, &alice, &places) {
        let raw = if way.body.is_some() { bob.raw.with("content-type", "application/json") } else { bob.raw.clone() };
        let answer = raw.call(way.method, &way.path, way.body.map(String::into_bytes)).await;
        assert_eq!(answer.status, way.answer.0, "{}: {}", way.name, answer.text());
        if !way.answer.1.is_empty() {
            answer.refused(way.answer.0, way.answer.1);
        }
        let reached = pushes(&alice, &mut to_alice, &alices).await;
        assert!(reached.is_empty(), "{} reached her: {reached:?}", way.name);
    }
    for frame in frames(&places) {
        to_bob.send(frame.to_string()).await;
        to_bob.refused(&frame["id"], 403, "conversation_closed").await;
    }
    to_bob.ok(json!({"id": "read", "op": "conversation.read", "conversation_id": talk, "seq": 1})).await;
    let reached = pushes(&alice, &mut to_alice, &alices).await;
    assert!(reached.is_empty(), "a frame reached her: {reached:?}");
    for path in ["/api/v1/invitations".to_owned(), format!("/api/v1/conversations/{alices}/requests")] {
        assert_eq!(alice.raw.get(&path).await.ok(200)["items"], json!([]), "{path}");
    }
    assert!(bob.says(&talk, &sent, "hello").await.status == 200, "what was answered is answered again");
    // Nor does anything go the other way.
    alice.says(&talk, &new_id(), "hi").await.refused(403, "conversation_closed");
    alice.raw.put(&format!("/api/v1/conversations/{talk}/read"), json!({"seq": 1}).to_string()).await.ok(200);
    let heard = pushes(&bob, &mut to_bob, &bobs).await;
    let of_alice: Vec<_> = heard.iter().filter(|push| push["account_id"] == json!(alice.id)).collect();
    assert!(of_alice.is_empty(), "{of_alice:?}");

    let position = unblock(&alice, &bob).await.position();
    let shown = alice.raw.with("natter-position", &position).get(&format!("/api/v1/conversations/{talk}")).await;
    assert_eq!(shown.ok(200)["state"], "open");
    bob.says(&talk, &new_id(), "hello again").await.ok(201);
}

/// Who wants to come to the group asks.
async fn answered(admin: &Someone, group: &str) {
    let approval = json!({"settings": {"join_policy": "approval"}}).to_string().into_bytes();
    let typed = admin.raw.with("content-type", "application/json");
    typed.call("PATCH", &format!("/api/v1/conversations/{group}"), Some(approval)).await.ok(200);
}

/// Where others decide too, they hear of it.
#[tokio::test]
async fn who_is_blocked_is_heard_at_a_groups_door_by_the_other_admins() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    alice.befriends(&carol).await;
    let group = json!({"kind": "group", "name": "us", "members": [carol.id]}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", group).await.ok(201)["id"]);
    let in_group = |rest: &str| format!("/api/v1/conversations/{group}{rest}");
    answered(&alice, &group).await;
    let admin = json!({"role": "admin"}).to_string().into_bytes();
    let typed = alice.raw.with("content-type", "application/json");
    typed.call("PATCH", &in_group(&format!("/members/{}", carol.id)), Some(admin)).await.ok(200);
    let position = block(&alice, &bob).await.position();
    alice.raw.with("natter-position", &position).get("/api/v1/blocks").await.ok(200);
    let (mut to_alice, mut to_carol) = (alice.raw.socket().await, carol.raw.socket().await);
    to_alice.event("ready").await;
    to_carol.event("ready").await;

    let asked = bob.raw.post(&in_group("/join"), json!({"message": "it is me"}).to_string()).await;
    assert_eq!(asked.ok(200)["state"], "requested");
    assert_eq!(to_carol.event("member.requested").await["account_id"], json!(bob.id));
    for (who, count) in [(&carol, 1), (&alice, 0)] {
        let path = in_group("/requests");
        let waiting = who.raw.with("natter-position", &asked.position()).get(&path).await.ok(200);
        assert_eq!(waiting["items"].as_array().map(Vec::len), Some(count), "{waiting}");
    }
    bob.raw.call("DELETE", &in_group("/requests/me"), None).await;
    assert_eq!(to_carol.event("member.declined").await["account_id"], json!(bob.id));
    assert_eq!(pushes(&alice, &mut to_alice, &group).await, Vec::<Value>::new());
}

/// What was there before the block says nothing more.
#[tokio::test]
async fn an_invitation_does_not_pass_a_block() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let start = async |who: &Someone, other: &Someone| {
        let group = json!({"kind": "group", "name": "us", "members": [other.id]}).to_string();
        text(&who.raw.post("/api/v1/conversations", group).await.ok(201)["id"])
    };
    let mut to_alice = alice.raw.socket().await;
    to_alice.event("ready").await;
    let (his, hers) = (start(&bob, &alice).await, start(&alice, &bob).await);
    assert_eq!(to_alice.event("member.invited").await["conversation"]["id"], json!(his));
    let invited = async |who: &Someone, position: &str| {
        let listed = who.raw.with("natter-position", position).get("/api/v1/invitations").await.ok(200);
        listed["items"].as_array().map_or(0, Vec::len)
    };
    let position = block(&alice, &bob).await.position();
    assert_eq!((invited(&alice, &position).await, invited(&bob, &position).await), (0, 0));
    unblock(&alice, &bob).await;
    let position = block(&bob, &alice).await.position();
    assert_eq!((invited(&alice, &position).await, invited(&bob, &position).await), (0, 0), "whoever blocks");
    let position = unblock(&bob, &alice).await.position();
    assert_eq!((invited(&alice, &position).await, invited(&bob, &position).await), (1, 1), "as long as it stands");

    let position = block(&alice, &bob).await.position();
    assert_eq!(invited(&alice, &position).await, 0);
    pushes(&alice, &mut to_alice, &hers).await;
    for (group, whom) in [(&his, &*alice.id), (&hers, "me")] {
        let path = format!("/api/v1/conversations/{group}/invitations/{whom}");
        assert_eq!(bob.raw.call("DELETE", &path, None).await.status, 204);
    }
    assert_eq!(pushes(&alice, &mut to_alice, &hers).await, Vec::<Value>::new());
}

#[tokio::test]
async fn requests_do_not_pass_a_block() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let carol = Someone::register(&node, "carol").await;
    let ask = async |one: &Someone, other: &Someone| {
        one.raw.post("/api/v1/friends/requests", json!({"to": other.id}).to_string()).await
    };
    let of_bob = text(&ask(&bob, &alice).await.ok(201)["id"]);
    let of_alice = text(&ask(&alice, &carol).await.ok(201)["id"]);
    let (mut to_bob, mut to_carol) = (bob.raw.socket().await, carol.raw.socket().await);
    to_bob.event("ready").await;
    to_carol.event("ready").await;
    block(&alice, &carol).await.ok(200);
    let position = block(&alice, &bob).await.position();
    let bobs = bob.raw.with("natter-position", &position);
    let shown = bobs.get("/api/v1/friends/requests?direction=out").await.ok(200);
    assert_eq!((&shown["items"][0]["id"], &shown["items"][0]["status"]), (&json!(of_bob), &json!("pending")));
    let taken_back = to_carol.event("friend.cancelled").await;
    assert_eq!(taken_back["request"]["id"], json!(of_alice));
    let hidden = alice.raw.with("natter-position", &position).get("/api/v1/friends/requests").await.ok(200);
    assert_eq!(hidden["items"], json!([]));
    ask(&bob, &alice).await.refused(409, "request_repeated");
    ask(&carol, &alice).await.refused(403, "requests_not_taken");
    ask(&alice, &carol).await.refused(409, "conflict");
    alice.raw.post_nothing(&format!("/api/v1/friends/requests/{of_bob}/accept")).await.refused(409, "conflict");
    unblock(&alice, &bob).await;
    alice.raw.post_nothing(&format!("/api/v1/friends/requests/{of_bob}/accept")).await.ok(200);
    assert_eq!(to_bob.event("friend.accepted").await["request"]["id"], json!(of_bob), "he has heard nothing before");
}

/// In groups that both are in all speak to all.
#[tokio::test]
async fn in_a_group_both_are_heard() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    alice.befriends(&bob).await;
    let group = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", group).await.ok(201)["id"]);
    block(&alice, &bob).await.ok(200);
    let (mut to_alice, mut to_bob) = (alice.raw.socket().await, bob.raw.socket().await);
    to_alice.event("ready").await;
    to_bob.event("ready").await;
    for (from, (other, hears)) in [(&bob, (&alice, &mut to_alice)), (&alice, (&bob, &mut to_bob))] {
        let sent = new_id();
        let said = from.says(&group, &sent, "hello").await;
        said.ok(201);
        hears.find("what was said", |push| push["message"]["message_id"] == json!(sent)).await;
        let path = format!("/api/v1/conversations/{group}/messages");
        let page = other.raw.with("natter-position", &said.position()).get(&path).await.ok(200);
        assert_eq!(page["items"][0]["message_id"], json!(sent));
        let reacted = from.raw.call("PUT", &format!("{path}/{sent}/reactions/a"), None).await;
        assert!(reacted.status < 300, "{}", reacted.text());
        let is_theirs = |push: &Value| push["event"] == "message.reacted" && push["account_id"] == json!(from.id);
        hears.find("the reaction", is_theirs).await;
    }
}

#[tokio::test]
async fn strangers_write_where_the_installation_and_the_person_let_them() {
    let stack = Stack::new().await;
    let node = node(&stack).await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let open = || json!({"kind": "direct", "with": bob.id}).to_string();
    alice.raw.post("/api/v1/conversations", open()).await.refused(403, "not_friends");
    let settings = async |change: Value| {
        let raw = bob.raw.with("content-type", "application/json");
        raw.call("PATCH", "/api/v1/settings", Some(change.to_string().into_bytes())).await
    };
    settings(json!({"messages_from": "nobody"})).await.invalid("/messages_from");
    let shown = settings(json!({"messages_from": "all", "groups_from": "nobody"})).await.ok(200);
    assert_eq!((&shown["messages_from"], &shown["groups_from"]), (&json!("all"), &json!("nobody")));
    block(&bob, &alice).await.ok(200);
    alice.raw.post("/api/v1/conversations", open()).await.refused(403, "not_friends");
    unblock(&bob, &alice).await;
    let opened = alice.raw.post("/api/v1/conversations", open()).await.ok(201);
    let talk = text(&opened["id"]);
    assert_eq!((&opened["state"], &opened["kind"]), (&json!("open"), &json!("direct")));
    assert_eq!(alice.raw.post("/api/v1/conversations", open()).await.ok(200)["id"], json!(talk));
    alice.says(&talk, &new_id(), "hello").await.ok(201);
    bob.says(&talk, &new_id(), "who are you?").await.ok(201);
    assert_eq!(alice.raw.get("/api/v1/friends").await.ok(200)["items"], json!([]));
    assert_eq!(alice.befriends(&bob).await.0, talk);
}

#[tokio::test]
async fn strangers_do_not_write_where_the_installation_says_nothing() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let change = json!({"messages_from": "all"}).to_string().into_bytes();
    bob.raw.with("content-type", "application/json").call("PATCH", "/api/v1/settings", Some(change)).await.ok(200);
    let open = json!({"kind": "direct", "with": bob.id}).to_string();
    alice.raw.post("/api/v1/conversations", open).await.refused(403, "not_friends");
}
