//! What becomes of messages afterwards: who takes them back, what is left of them then, what they said before, who has reacted to them, and
//! what is pinned.

use super::{Someone, new_id, text};
use natter_testkit::{Node, Options, Raw, Reply, Stack};
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

/// Alice owns a group of herself, bob, carol and dave; carol is an admin.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    dave: Someone,
    group: String,
}

impl Scene {
    async fn new(more: Vec<(&'static str, String)>) -> Self {
        let stack = Stack::new().await;
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        let [alice, bob, carol, dave] =
            futures::future::join_all(["alice", "bob", "carol", "dave"].map(|name| Someone::register(&node, name)))
                .await
                .try_into()
                .unwrap_or_else(|_| panic!("four people"));
        let mut seen = Vec::new();
        for friend in [&bob, &carol, &dave] {
            seen.push(alice.befriends(friend).await.1);
        }
        let new = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id, dave.id]}).to_string();
        let reader = alice.raw.with("natter-position", &seen.join(","));
        let group = text(&reader.post("/api/v1/conversations", new).await.ok(201)["id"]);
        let role = json!({"role": "admin"}).to_string();
        let path = format!("/api/v1/conversations/{group}/members/{}", carol.id);
        call(&alice.raw, "PATCH", &path, Some(role)).await.ok(200);
        Self { stack, node, alice, bob, carol, dave, group }
    }

    fn path(&self, message: &str) -> String {
        format!("/api/v1/conversations/{}/messages/{message}", self.group)
    }

    async fn says(&self, who: &Someone, words: &str) -> String {
        let id = new_id();
        who.says(&self.group, &id, words).await.ok(201);
        id
    }

    async fn edits(&self, who: &Someone, message: &str, words: &str) -> String {
        let edit = json!({"body": {"kind": "text", "text": words}}).to_string();
        let edited = call(&who.raw, "PATCH", &self.path(message), Some(edit)).await;
        edited.ok(200);
        edited.position()
    }

    async fn recalls(&self, who: &Someone, message: &str) -> Reply {
        who.raw.call("DELETE", &self.path(message), None).await
    }

    async fn does(&self, who: &Someone, method: &str, message: &str, what: &str) -> String {
        done(&who.raw.call(method, &format!("{}/{what}", self.path(message)), None).await)
    }

    async fn read(&self, who: &Someone, position: &str, path: &str) -> Value {
        who.raw.with("natter-position", position).get(path).await.ok(200)
    }
}

async fn call(raw: &Raw, method: &str, path: &str, body: Option<String>) -> Reply {
    raw.with("content-type", "application/json").call(method, path, body.map(Into::into)).await
}

/// 204, and where it stands.
#[track_caller]
fn done(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    reply.position()
}

/// One field of each item.
fn each(page: &Value, field: &str) -> Vec<Value> {
    page["items"].as_array().expect("items").iter().map(|item| item[field].clone()).collect()
}

#[tokio::test]
async fn admins_take_back_what_those_said_who_are_not_above_or_beside_them() {
    let windows = [("NATTER_RECALL_WINDOW", "0".to_owned()), ("NATTER_EDIT_WINDOW", "0".to_owned())];
    let scene = Scene::new(windows.to_vec()).await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let (of_bob, of_carol, of_alice) =
        (scene.says(bob, "b").await, scene.says(carol, "c").await, scene.says(alice, "a").await);
    // The installation lets nobody take back or change what they said.
    scene.recalls(bob, &of_bob).await.refused(409, "too_late");
    let edit = json!({"body": {"kind": "text", "text": "other"}}).to_string();
    call(&bob.raw, "PATCH", &scene.path(&of_bob), Some(edit)).await.refused(409, "too_late");
    for (who, message) in [(dave, &of_bob), (bob, &of_carol), (carol, &of_alice)] {
        scene.recalls(who, message).await.refused(403, "not_your_message");
    }
    let mut socket = bob.raw.socket().await;
    socket.event("ready").await;
    let position = done(&scene.recalls(carol, &of_bob).await);
    let push = socket.event("message.recalled").await;
    assert_eq!(push["message"]["recalled_by"], json!(carol.id));
    let seen = scene.read(bob, &position, &scene.path(&of_bob)).await;
    assert_eq!(
        (&seen["sender"], &seen["recalled_by"], &seen["body"]),
        (&json!(bob.id), &json!(carol.id), &json!(null))
    );
    assert!(!seen["recalled_at"].is_null());
    done(&scene.recalls(carol, &of_bob).await);
    done(&scene.recalls(alice, &of_carol).await);
    done(&scene.recalls(alice, &of_alice).await);
}

#[tokio::test]
async fn of_what_was_recalled_nothing_is_left_anywhere_but_that_it_was() {
    let scene = Scene::new(vec![]).await;
    let Scene { alice, bob, carol, .. } = &scene;
    let id = new_id();
    let body = json!({"kind": "text", "text": "see https://example.org"});
    let message = json!({"message_id": id, "body": body, "mentions": [bob.id]}).to_string();
    let path = format!("/api/v1/conversations/{}/messages", scene.group);
    alice.raw.post(&path, message).await.ok(201);
    scene.edits(alice, &id, "see http://example.org").await;
    scene.does(bob, "PUT", &id, "reactions/x").await;
    scene.does(carol, "PUT", &id, "reactions/y").await;
    scene.does(carol, "DELETE", &id, "reactions/y").await;
    let star = Some(json!({"starred": true}).to_string());
    call(&bob.raw, "PATCH", &format!("{}/inbox", scene.path(&id)), star).await.ok(200);
    let position = scene.does(carol, "PUT", &id, "pin").await;
    let before = scene.read(bob, &position, &scene.path(&id)).await;
    let seq = before["seq"].as_i64().expect("a number");
    let tables = rows_of(&scene, seq).await;
    for table in ["message", "message_change", "reaction", "mention", "pin", "message_mark"] {
        assert!(tables.iter().any(|(name, _)| name == table), "{table} in {tables:?}");
    }
    let position = done(&scene.recalls(alice, &id).await);
    let after = scene.read(bob, &position, &scene.path(&id)).await;
    for field in ["body", "edited_at", "pinned_at", "reply_to"] {
        assert_eq!(after[field], json!(null), "{field}");
    }
    assert_eq!((&after["mentions"], &after["reactions"]), (&json!([]), &json!([])));
    let own = scene.read(bob, &position, &format!("/api/v1/conversations/{}", scene.group)).await;
    assert_eq!((&own["last_message"]["body"], &own["mentions"]), (&json!(null), &json!(0)));
    for list in ["edits", "reactions"] {
        let page = scene.read(bob, &position, &format!("{}/{list}", scene.path(&id))).await;
        assert_eq!((&page["items"], &page["next_cursor"]), (&json!([]), &json!(null)), "{list}");
    }
    let tables = rows_of(&scene, seq).await;
    let [(_, row), (_, change)] = &tables[..] else { panic!("its row, and its recall: {tables:?}") };
    for column in ["body", "edited_body", "edited_at", "pinned_at", "reactions", "kind", "details", "has_link"] {
        assert_eq!(row[column], json!(null), "{column}");
    }
    assert_eq!((&row["recalled_by"], &change["what"]), (&json!(alice.id), &json!("recalled")));
    for (what, method) in [("reactions/x", "PUT"), ("reactions/x", "DELETE"), ("pin", "PUT")] {
        bob.raw.call(method, &format!("{}/{what}", scene.path(&id)), None).await.refused(409, "recalled");
    }
}

/// Everything that any table of the read side has of a message, by the table.
async fn rows_of(scene: &Scene, seq: i64) -> Vec<(String, Value)> {
    let pool = scene.stack.pool();
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public'
         AND column_name IN ('seq', 'conversation_id') GROUP BY 1 HAVING count(*) = 2 ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .expect("list the tables");
    let mut rows = Vec::new();
    for name in names {
        let sql =
            format!("SELECT to_jsonb(it) AS row FROM public.{name} AS it WHERE conversation_id = $1 AND seq = $2");
        let conversation: Uuid = scene.group.parse().expect("an id");
        let found = sqlx::query(&sql).bind(conversation).bind(seq).fetch_all(pool).await.expect("read a table");
        rows.extend(found.iter().map(|row| (name.clone(), row.get::<Value, _>("row"))));
    }
    rows
}

#[tokio::test]
async fn what_a_message_said_before_is_read_by_who_sees_it() {
    let scene = Scene::new(vec![]).await;
    let Scene { node, alice, bob, .. } = &scene;
    let id = scene.says(alice, "one").await;
    let path = format!("{}/edits", scene.path(&id));
    let words = |page: &Value| {
        let said = page["items"].as_array().expect("items").iter().map(|item| item["body"]["text"].clone());
        json!(said.collect::<Vec<_>>())
    };
    scene.edits(alice, &id, "two").await;
    let position = scene.edits(alice, &id, "three").await;
    let page = scene.read(bob, &position, &path).await;
    assert_eq!((words(&page), &page["next_cursor"]), (json!(["one", "two", "three"]), &json!(null)));
    let times: Vec<String> = each(&page, "at").iter().map(text).collect();
    assert!(times.is_sorted(), "{times:?}");
    let first = scene.read(bob, &position, &format!("{path}?limit=2")).await;
    let rest = format!("{path}?limit=2&cursor={}", text(&first["next_cursor"]));
    let rest = scene.read(bob, &position, &rest).await;
    assert_eq!((words(&first), words(&rest)), (json!(["one", "two"]), json!(["three"])));
    assert_eq!(rest["next_cursor"], json!(null));

    let leaves = format!("/api/v1/conversations/{}/members/me", scene.group);
    done(&bob.raw.call("DELETE", &leaves, None).await);
    let position = scene.edits(alice, &id, "four").await;
    assert_eq!(words(&scene.read(bob, &position, &path).await), json!(["one", "two", "three"]), "as it stood then");
    assert_eq!(words(&scene.read(alice, &position, &path).await), json!(["one", "two", "three", "four"]));
    Someone::register(node, "erin").await.raw.get(&path).await.refused(404, "not_found");
    alice.raw.get(&format!("{}/edits", scene.path(&new_id()))).await.refused(404, "not_found");
    alice.raw.get(&format!("{path}?cursor=x")).await.invalid("/cursor");
    alice.raw.get(&format!("{path}?limit=201")).await.invalid("/limit");
}

#[tokio::test]
async fn who_has_reacted_is_listed_by_pages() {
    let scene = Scene::new(vec![]).await;
    let Scene { node, alice, bob, carol, dave, .. } = &scene;
    let id = scene.says(alice, "one").await;
    for (who, what) in [(bob, "x"), (carol, "%F0%9F%91%8D"), (dave, "x"), (bob, ":cats%2Ftabby:")] {
        scene.does(who, "PUT", &id, &format!("reactions/{what}")).await;
    }
    let path = format!("{}/reactions", scene.path(&id));
    let position = scene.does(dave, "PUT", &id, "reactions/x").await;
    let page = scene.read(alice, &position, &path).await;
    assert_eq!(each(&page, "account_id"), [&bob.id, &dave.id, &carol.id, &bob.id].map(|id| json!(id)));
    assert_eq!(each(&page, "emoji"), [":cats/tabby:", "x", "\u{1f44d}", "x"].map(|emoji| json!(emoji)));
    assert!(each(&page, "at").iter().all(Value::is_string));
    let first = scene.read(alice, &position, &format!("{path}?emoji=x&limit=1")).await;
    let cursor = text(&first["next_cursor"]);
    let rest = scene.read(alice, &position, &format!("{path}?emoji=x&limit=1&cursor={cursor}")).await;
    assert_eq!((each(&first, "account_id"), each(&rest, "account_id")), (vec![json!(dave.id)], vec![json!(bob.id)]));
    assert_eq!(rest["next_cursor"], json!(null));

    let leaves = format!("/api/v1/conversations/{}/members/me", scene.group);
    done(&dave.raw.call("DELETE", &leaves, None).await);
    let position = scene.does(carol, "DELETE", &id, "reactions/%F0%9F%91%8D").await;
    assert_eq!(
        each(&scene.read(alice, &position, &path).await, "emoji"),
        json!([":cats/tabby:", "x", "x"]).as_array().unwrap().clone()
    );
    assert_eq!(scene.read(dave, &position, &path).await, page, "as it stood when he left");
    Someone::register(node, "erin").await.raw.get(&path).await.refused(404, "not_found");
    alice.raw.get(&format!("{path}?emoji=")).await.invalid("/emoji");
    alice.raw.get(&format!("{path}?cursor=x")).await.invalid("/cursor");
}

#[tokio::test]
async fn what_cannot_be_seen_or_turns_other_text_is_no_reaction() {
    let scene = Scene::new(vec![]).await;
    let id = scene.says(&scene.alice, "one").await;
    for emoji in ["%20", "%E2%80%8D", "%E2%80%AEa", "%E2%81%A6x", "%E2%80%8Fx"] {
        scene.bob.raw.put(&format!("{}/reactions/{emoji}", scene.path(&id)), "").await.invalid("/emoji");
    }
    let seen = scene.bob.raw.get(&scene.path(&id)).await.ok(200);
    assert_eq!(seen["reactions"], json!([]));
}

#[tokio::test]
async fn what_is_pinned_is_listed_newest_pin_first() {
    let scene = Scene::new(vec![]).await;
    let Scene { node, alice, bob, carol, .. } = &scene;
    let list = format!("/api/v1/conversations/{}/pins", scene.group);
    assert_eq!(alice.raw.get(&list).await.ok(200)["items"], json!([]));
    let mut ids = Vec::new();
    for words in ["one", "two", "three"] {
        ids.push(scene.says(alice, words).await);
    }
    for (who, of) in [(bob, 2), (carol, 0), (alice, 1)] {
        scene.does(who, "PUT", &ids[of], "pin").await;
    }
    // Again, and not where it was.
    scene.does(bob, "DELETE", &ids[2], "pin").await;
    let position = scene.does(alice, "PUT", &ids[2], "pin").await;
    let page = scene.read(bob, &position, &list).await;
    assert_eq!(each(&page, "message_id"), [&ids[2], &ids[1], &ids[0]].map(|id| json!(id)));
    assert_eq!(each(&page, "pinned_by"), [&alice.id, &alice.id, &carol.id].map(|id| json!(id)));
    assert!(each(&page, "pinned_at").iter().all(Value::is_string));
    assert_eq!(page["items"][0]["body"]["text"], json!("three"));
    let first = scene.read(bob, &position, &format!("{list}?limit=2")).await;
    let cursor = text(&first["next_cursor"]);
    let rest = scene.read(bob, &position, &format!("{list}?limit=2&cursor={cursor}")).await;
    assert_eq!((each(&rest, "message_id"), &rest["next_cursor"]), (vec![json!(ids[0])], &json!(null)));

    let leaves = format!("/api/v1/conversations/{}/members/me", scene.group);
    done(&bob.raw.call("DELETE", &leaves, None).await);
    scene.does(alice, "DELETE", &ids[1], "pin").await;
    let position = done(&scene.recalls(alice, &ids[2]).await);
    let now = scene.read(alice, &position, &list).await;
    assert_eq!(each(&now, "message_id"), [json!(ids[0])], "neither what was unpinned nor what was recalled");
    let then = scene.read(bob, &position, &list).await;
    assert_eq!(each(&then, "message_id"), [json!(ids[1]), json!(ids[0])], "what was pinned when he left");
    Someone::register(node, "erin").await.raw.get(&list).await.refused(404, "not_found");
    alice.raw.get(&format!("{list}?cursor=x")).await.invalid("/cursor");
}
