//! Messages that end by themselves.

use super::{Someone, is_time, new_id, text};
use natter_domain::Timestamp;
use natter_testkit::{BOUND, Clock, Node, RawSocket, Reply, Stack, eventually};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::time::Duration;
use uuid::Uuid;

/// Alice owns a group of herself, bob and carol, and talks with bob.
struct Scene {
    stack: Stack,
    clock: Clock,
    node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    group: String,
    talk: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let clock = Clock::of(&stack);
        let node = stack.node_with(clock.options()).await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let carol = Someone::register(&node, "carol").await;
        let ((talk, one), (_, two)) = (alice.befriends(&bob).await, alice.befriends(&carol).await);
        let new = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id]}).to_string();
        let seen = alice.raw.with("natter-position", &format!("{one},{two}"));
        let group = text(&seen.post("/api/v1/conversations", new).await.ok(201)["id"]);
        Self { stack, clock, node, alice, bob, carol, group, talk }
    }

    async fn says(&self, who: &Someone, there: &str, message: &Value) -> Reply {
        who.raw.post(&messages(there, ""), message.to_string()).await
    }

    /// Whatever has a minute left is over.
    fn two_minutes_pass(&self) {
        self.clock.ahead_by(120);
    }

    async fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {what}");
        sqlx::query_scalar(&sql).fetch_one(self.stack.pool()).await.expect("count")
    }

    async fn no_timer_is_left(&self) {
        eventually("no timer is left", BOUND, async || match self.count("timers").await {
            0 => Ok(()),
            some => Err(some.to_string()),
        })
        .await;
    }
}

fn messages(there: &str, rest: &str) -> String {
    format!("/api/v1/conversations/{there}/messages{rest}")
}

fn ending(words: &str, ends: &Value) -> Value {
    json!({"message_id": new_id(), "body": {"kind": "text", "text": words}, "self_destruct": ends})
}

async fn connected(who: &Someone) -> RawSocket {
    let mut socket = who.raw.socket().await;
    socket.event("ready").await;
    socket
}

async fn told(socket: &mut RawSocket, event: &str, id: &Value) -> Value {
    let what = format!("{event} of {id}");
    let fits = |it: &Value| it["event"] == event && (it["message"]["message_id"] == *id || it["message_id"] == *id);
    socket.find(&what, fits).await
}

async fn read(who: &Someone, position: &str, path: &str) -> Value {
    who.raw.with("natter-position", position).get(path).await.ok(200)
}

async fn does(who: &Someone, method: &str, path: &str, body: Option<Value>) -> Reply {
    let typed = who.raw.with("content-type", "application/json");
    typed.call(method, path, body.map(|body| body.to_string().into_bytes())).await
}

/// So many seconds later, as it is written.
fn later(moment: &Value, seconds: u64) -> Value {
    let moment = Timestamp::parse(&text(moment)).expect("a moment");
    json!((moment + Duration::from_secs(seconds)).to_string())
}

/// Everything that any table of the read side has of a message, by the table.
async fn rows_of(scene: &Scene, there: &str, seq: i64) -> Vec<(String, Value)> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public'
         AND column_name IN ('seq', 'conversation_id') GROUP BY 1 HAVING count(*) = 2 ORDER BY 1",
    )
    .fetch_all(scene.stack.pool())
    .await
    .expect("list the tables");
    let (mut rows, there) = (Vec::new(), there.parse::<Uuid>().expect("an id"));
    for name in names {
        let sql =
            format!("SELECT to_jsonb(it) AS row FROM public.{name} AS it WHERE conversation_id = $1 AND seq = $2");
        let found = sqlx::query(&sql).bind(there).bind(seq).fetch_all(scene.stack.pool()).await.expect("read a table");
        rows.extend(found.iter().map(|row| (name.clone(), row.get::<Value, _>("row"))));
    }
    rows
}

#[tokio::test]
async fn after_its_time_it_is_gone_from_everywhere_whatever_was_done_to_it() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, group, .. } = &scene;
    let (mut his, mut hers) = (connected(bob).await, connected(carol).await);
    let mut message = ending("see https://example.org", &json!({"after_s": 60}));
    message["mentions"] = json!([bob.id]);
    let (sent, id) = (scene.says(alice, group, &message).await.ok(201), &message["message_id"]);
    let path = messages(group, &format!("/{}", text(id)));
    let ends_at = later(&sent["sent_at"], 60);
    let pushed = told(&mut his, "message.sent", id).await;
    for shown in [&pushed["message"], &read(bob, &text(&pushed["position"]), &path).await] {
        assert_eq!((&shown["self_destruct"], &shown["expires_at"]), (&json!({"after_s": 60}), &ends_at));
    }
    // The moment stays as it was, whatever becomes of it.
    let edit = json!({"body": {"kind": "text", "text": "see http://example.org"}});
    let edited = does(alice, "PATCH", &path, Some(edit.clone())).await.ok(200);
    assert_eq!(edited["expires_at"], ends_at);
    does(carol, "PUT", &format!("{path}/reactions/x"), None).await;
    does(bob, "PUT", &format!("{path}/pin"), None).await;
    let starred = does(carol, "PATCH", &format!("{path}/inbox"), Some(json!({"starred": true}))).await.ok(200);
    assert_eq!((&starred["starred"], &starred["expires_at"]), (&json!(true), &ends_at));
    let answer = json!({"message_id": new_id(), "body": {"kind": "text", "text": "ok"}, "reply_to": id, "thread": id});
    let answered = scene.says(bob, group, &answer).await;
    let own = format!("/api/v1/conversations/{group}");
    let seq = sent["seq"].as_i64().expect("a number");
    let before =
        read(carol, &answered.position(), &messages(group, &format!("/{}", text(&answer["message_id"])))).await;
    assert_eq!(before["reply_to"]["excerpt"], "see http://example.org");
    let cursor = text(&read(carol, &answered.position(), "/api/v1/sync").await["cursor"]);
    let tables: Vec<String> = rows_of(&scene, group, seq).await.into_iter().map(|(name, _)| name).collect();
    for table in ["message", "message_change", "reaction", "mention", "pin", "message_mark"] {
        assert!(tables.iter().any(|name| name == table), "{table} in {tables:?}");
    }
    assert_eq!(scene.count("events WHERE event_type = 'expired'").await, 0);

    scene.two_minutes_pass();
    for socket in [&mut his, &mut hers] {
        let gone = told(socket, "message.recalled", id).await;
        assert_eq!((&gone["message"]["recalled_by"], &gone["message"]["body"]), (&Value::Null, &Value::Null));
        is_time(&gone["message"]["recalled_at"]);
        assert!(text(&gone["message"]["recalled_at"]) >= text(&ends_at), "not before its time");
    }
    let after = bob.raw.get(&path).await.ok(200);
    for field in ["body", "edited_at", "pinned_at", "reply_to", "self_destruct", "expires_at", "recalled_by"] {
        assert_eq!(after[field], Value::Null, "{field}");
    }
    assert_eq!((&after["mentions"], &after["reactions"]), (&json!([]), &json!([])));
    is_time(&after["recalled_at"]);
    let tables = rows_of(&scene, group, seq).await;
    let [(_, row), (_, change)] = &tables[..] else { panic!("its row, and its end: {tables:?}") };
    for column in ["body", "edited_body", "edited_at", "pinned_at", "reactions", "kind", "details", "has_link"] {
        assert_eq!(row[column], Value::Null, "{column}");
    }
    assert_eq!((&row["expires_at"], &row["recalled_by"]), (&Value::Null, &Value::Null));
    assert_eq!((&change["what"], &change["account_id"]), (&json!("recalled"), &Value::Null));
    for list in [format!("{path}/edits"), format!("{path}/reactions"), format!("{own}/pins")] {
        assert_eq!(bob.raw.get(&list).await.ok(200)["items"], json!([]), "{list}");
    }
    for query in ["has=link", "mentions=me"] {
        assert_eq!(bob.raw.get(&messages(group, &format!("/filter?{query}"))).await.ok(200)["items"], json!([]));
    }
    assert_eq!(bob.raw.get(&own).await.ok(200)["mentions"], json!(0));
    assert_eq!(carol.raw.get("/api/v1/stars").await.ok(200)["items"], json!([]));
    let quoting = carol.raw.get(&messages(group, &format!("/{}", text(&answer["message_id"])))).await.ok(200);
    assert_eq!((&quoting["reply_to"]["message_id"], &quoting["reply_to"]["excerpt"]), (id, &Value::Null));
    // Who was away is told the same.
    let synced = carol.raw.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    let of_it = synced["messages"].as_array().expect("messages").iter().find(|it| it["message_id"] == *id);
    let of_it = of_it.unwrap_or_else(|| panic!("it changed: {synced}"));
    assert_eq!((&of_it["body"], of_it["recalled_at"].is_string()), (&Value::Null, true));

    for (what, method) in [("/reactions/x", "PUT"), ("/reactions/x", "DELETE"), ("/pin", "PUT")] {
        does(bob, method, &format!("{path}{what}"), None).await.refused(409, "recalled");
    }
    does(alice, "PATCH", &path, Some(edit)).await.refused(409, "recalled");
    let again = json!({"message_id": new_id(), "body": {"kind": "text", "text": "what?"}, "reply_to": id});
    scene.says(bob, group, &again).await.refused(409, "recalled");
    assert_eq!(does(alice, "DELETE", &path, None).await.status, 204);
    // What was sent so was sent.
    assert_eq!(scene.says(alice, group, &message).await.ok(200)["seq"], sent["seq"]);
    assert_eq!(scene.count("events WHERE event_type = 'expired'").await, 1);
    assert_eq!(scene.count("events WHERE event_type = 'recalled'").await, 0);
    scene.no_timer_is_left().await;
}

#[tokio::test]
async fn between_two_people_it_counts_from_the_moment_when_the_other_one_has_read_it() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let (mut hers, mut his) = (connected(alice).await, connected(bob).await);
    let ends = json!({"after_read_s": 30});
    let message = ending("for your eyes only", &ends);
    let reply = scene.says(alice, talk, &message).await;
    let (sent, id) = (reply.ok(201), &message["message_id"]);
    let path = messages(talk, &format!("/{}", text(id)));
    let pushed = told(&mut his, "message.sent", id).await;
    assert_eq!((&pushed["message"]["self_destruct"], &pushed["message"]["expires_at"]), (&ends, &Value::Null));
    let reads = json!({"seq": sent["seq"]});
    let reading = format!("/api/v1/conversations/{talk}/read");
    alice.raw.put(&reading, reads.to_string()).await.ok(200);
    assert_eq!(scene.count("events WHERE event_type = 'ending_read'").await, 0, "her own reading says nothing");
    scene.two_minutes_pass();
    let unread = read(bob, &reply.position(), &path).await;
    assert_eq!((&unread["expires_at"], &unread["body"]), (&Value::Null, &message["body"]));
    let cursor = text(&alice.raw.get("/api/v1/sync").await.ok(200)["cursor"]);
    bob.raw.put(&reading, reads.to_string()).await.ok(200);
    let mut moments = Vec::new();
    for socket in [&mut hers, &mut his] {
        let counting = told(socket, "message.countdown", id).await;
        assert_eq!((&counting["conversation_id"], &counting["seq"]), (&json!(talk), &sent["seq"]));
        let position = text(&counting["position"]);
        let now = read(alice, &position, &path).await;
        assert_eq!((&now["expires_at"], &now["self_destruct"]), (&counting["expires_at"], &ends));
        moments.push((counting["expires_at"].clone(), position));
    }
    let (expires_at, position) = moments.remove(0);
    is_time(&expires_at);
    assert_eq!(moments[0].0, expires_at);
    let synced = read(alice, &position, &format!("/api/v1/sync?cursor={cursor}")).await;
    let of_it = synced["messages"].as_array().expect("messages").iter().find(|it| it["message_id"] == *id);
    assert_eq!(of_it.unwrap_or_else(|| panic!("it changed: {synced}"))["expires_at"], expires_at);

    scene.clock.ahead_by(240);
    for socket in [&mut hers, &mut his] {
        let gone = told(socket, "message.recalled", id).await;
        assert_eq!((&gone["message"]["recalled_by"], &gone["message"]["body"]), (&Value::Null, &Value::Null));
        assert!(text(&gone["message"]["recalled_at"]) >= text(&expires_at), "not before its time");
    }
    scene.no_timer_is_left().await;
    assert_eq!(scene.count("events WHERE event_type = 'countdown_began'").await, 1);
}

#[tokio::test]
async fn what_is_no_lifetime_is_refused_and_nothing_is_sent() {
    let scene = Scene::new().await;
    let Scene { alice, group, talk, .. } = &scene;
    let count = scene.stack.event_count().await;
    let (both, month) = (json!({"after_s": 60, "after_read_s": 60}), 30 * 24 * 60 * 60);
    let wrong = [
        (json!({}), "/self_destruct"),
        (both, "/self_destruct"),
        (json!({"after_s": 4}), "/self_destruct/after_s"),
        (json!({"after_s": 0}), "/self_destruct/after_s"),
        (json!({"after_s": month + 1}), "/self_destruct/after_s"),
        (json!({"after_s": u64::MAX}), "/self_destruct/after_s"),
        (json!({"after_read_s": 0}), "/self_destruct/after_read_s"),
        (json!({"after_read_s": month + 1}), "/self_destruct/after_read_s"),
    ];
    let mut socket = connected(alice).await;
    for (ends, pointer) in &wrong {
        scene.says(alice, talk, &ending("x", ends)).await.invalid(pointer);
        let mut scheduled = ending("x", ends);
        scheduled["send_at"] = json!(natter_testkit::in_seconds(60));
        let path = format!("/api/v1/conversations/{talk}/scheduled");
        alice.raw.post(&path, scheduled.to_string()).await.invalid(pointer);
        let mut frame = ending("x", ends);
        (frame["id"], frame["op"], frame["conversation_id"]) = (json!("no"), json!("message.send"), json!(talk));
        socket.send(frame.to_string()).await;
        let answer = socket.refused(&json!("no"), 422, "invalid_input").await;
        assert_eq!(answer["error"]["errors"][0]["pointer"], *pointer, "{answer}");
    }
    for ends in [json!({"after_s": -5}), json!({"after_s": 5.5}), json!({"after_m": 5}), json!([60, null]), json!(60)] {
        let refused = scene.says(alice, talk, &ending("x", &ends)).await;
        assert!([400, 422].contains(&refused.status), "{ends}: {}", refused.text());
    }
    let own = alice.raw.post("/api/v1/conversations", json!({"kind": "self"}).to_string()).await;
    let own = text(&own.json()["id"]);
    for there in [group, &own] {
        scene.says(alice, there, &ending("x", &json!({"after_read_s": 60}))).await.refused(403, "forbidden");
    }
    let opened = scene.stack.event_count().await - count;
    assert!(opened <= 1, "nothing but the conversation with herself: {opened}");
    for ends in [json!({"after_s": 5}), json!({"after_s": month}), json!({"after_read_s": 1})] {
        scene.says(alice, talk, &ending("x", &ends)).await.ok(201);
    }
    scene.says(alice, &own, &ending("x", &json!({"after_s": 60}))).await.ok(201);
}

#[tokio::test]
async fn it_is_not_passed_on() {
    let scene = Scene::new().await;
    let Scene { alice, bob, group, talk, .. } = &scene;
    let (message, plain) = (ending("secret", &json!({"after_read_s": 60})), new_id());
    scene.says(alice, talk, &message).await.ok(201);
    bob.says(talk, &plain, "plain").await.ok(201);
    let id = &message["message_id"];
    let one = json!({"from": talk, "messages": [{"message_id": new_id(), "source_id": id}]});
    let many = json!({"from": talk, "merged": {"message_id": new_id(), "source_ids": [plain, id]}});
    for forward in [one, many] {
        let refused = bob.raw.post(&messages(group, "/forward"), forward.to_string()).await;
        refused.refused(403, "forbidden");
    }
    let listed = bob.raw.get(&messages(group, "?limit=1")).await.ok(200);
    assert_eq!(listed["items"][0]["body"]["kind"], "system");
}

#[tokio::test]
async fn what_is_scheduled_counts_from_when_it_is_said() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let mut his = connected(bob).await;
    let mut given = ending("later", &json!({"after_s": 60}));
    given["send_at"] = json!(natter_testkit::in_seconds(100));
    let path = format!("/api/v1/conversations/{talk}/scheduled");
    let scheduled = alice.raw.post(&path, given.to_string()).await.ok(201);
    assert_eq!(scheduled["self_destruct"], given["self_destruct"]);
    scene.two_minutes_pass();
    let said = told(&mut his, "message.sent", &given["message_id"]).await;
    let ends_at = later(&said["message"]["sent_at"], 60);
    assert_eq!(
        (&said["message"]["self_destruct"], &said["message"]["expires_at"]),
        (&given["self_destruct"], &ends_at)
    );
    scene.clock.ahead_by(240);
    let gone = told(&mut his, "message.recalled", &given["message_id"]).await;
    assert_eq!((&gone["message"]["recalled_by"], &gone["message"]["body"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn what_is_taken_back_before_has_ended_already() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let mut his = connected(bob).await;
    let (one, other) = (ending("taken back", &json!({"after_s": 60})), ending("stays", &json!({"after_s": 60})));
    for message in [&one, &other] {
        scene.says(alice, talk, message).await.ok(201);
    }
    let path = messages(talk, &format!("/{}", text(&one["message_id"])));
    assert_eq!(does(alice, "DELETE", &path, None).await.status, 204);
    assert_eq!(told(&mut his, "message.recalled", &one["message_id"]).await["message"]["recalled_by"], json!(alice.id));
    scene.two_minutes_pass();
    told(&mut his, "message.recalled", &other["message_id"]).await;
    scene.no_timer_is_left().await;
    assert_eq!(scene.count("events WHERE event_type = 'expired'").await, 1);
    let seen = bob.raw.get(&path).await.ok(200);
    assert_eq!(seen["recalled_by"], json!(alice.id));
}

#[tokio::test]
async fn who_deletes_the_conversation_for_themselves_has_read_it() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let mut hers = connected(alice).await;
    let message = ending("read by nobody", &json!({"after_read_s": 60}));
    scene.says(alice, talk, &message).await.ok(201);
    let cleared = does(bob, "DELETE", &format!("/api/v1/conversations/{talk}/inbox"), None).await;
    assert_eq!(cleared.status, 204);
    told(&mut hers, "message.countdown", &message["message_id"]).await;
    scene.two_minutes_pass();
    told(&mut hers, "message.recalled", &message["message_id"]).await;
}

#[tokio::test]
async fn what_was_taken_back_unread_stays_as_it_is_when_it_is_read() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let mut his = connected(bob).await;
    let (one, other) = (new_id(), ending("to be read", &json!({"after_read_s": 60})));
    let gone = json!({"message_id": one, "body": other["body"], "self_destruct": other["self_destruct"]});
    scene.says(alice, talk, &gone).await.ok(201);
    let path = messages(talk, &format!("/{one}"));
    assert_eq!(does(alice, "DELETE", &path, None).await.status, 204);
    told(&mut his, "message.recalled", &json!(one)).await;
    let recalled = bob.raw.get(&path).await.ok(200);
    let said = scene.says(alice, talk, &other).await;
    let seq = said.ok(201)["seq"].clone();
    let path_of_read = format!("/api/v1/conversations/{talk}/read");
    bob.raw
        .with("content-type", "application/json")
        .call("PUT", &path_of_read, Some(json!({"seq": seq}).to_string().into()))
        .await
        .ok(200);
    let counting = told(&mut his, "message.countdown", &other["message_id"]).await;
    let seen = bob.raw.with("natter-position", &text(&counting["position"])).get(&path).await.ok(200);
    assert_eq!(seen, recalled);
    scene.two_minutes_pass();
    told(&mut his, "message.recalled", &other["message_id"]).await;
    scene.no_timer_is_left().await;
    assert_eq!(scene.count("events WHERE event_type = 'expired'").await, 1);
}

#[tokio::test]
async fn nobody_is_given_words_that_have_ended_nor_counts_them() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let mut his = connected(bob).await;
    let message = ending("a canary", &json!({"after_s": 60}));
    scene.says(alice, talk, &message).await.ok(201);
    let kept = new_id();
    let last = alice.says(talk, &kept, "a plain one").await;
    let own = format!("/api/v1/conversations/{talk}");
    assert_eq!(read(bob, &last.position(), &own).await["unread"], json!(2));
    scene.two_minutes_pass();
    told(&mut his, "message.recalled", &message["message_id"]).await;
    assert_eq!(bob.raw.get(&own).await.ok(200)["unread"], json!(1));
    let checked = scene.node.run(&["projections", "unread"]).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    for who in [alice, bob] {
        let output = scene.node.run(&["accounts", "export", &who.id]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let exported = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!exported.contains("a canary"), "{exported}");
        assert_eq!(exported.contains("a plain one"), who.id == alice.id);
    }
}
