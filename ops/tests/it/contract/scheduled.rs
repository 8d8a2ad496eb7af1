//! What is to be said later.

use super::{Someone, message, new_id, text};
use natter_testkit::{BOUND, Clock, Node, RawSocket, Reply, Stack, eventually, in_seconds};
use serde_json::{Value, json};
use uuid::Uuid;

/// Alice owns a group of herself and bob, and is carol's friend.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    group: String,
    direct: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        Self::on(stack, node).await
    }

    async fn on(stack: Stack, node: Node) -> Self {
        let alice = Someone::register(&node, "alice").await;
        let bob = Someone::register(&node, "bob").await;
        let carol = Someone::register(&node, "carol").await;
        let (_, seen) = alice.befriends(&bob).await;
        let (direct, _) = alice.befriends(&carol).await;
        let new = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
        let seen = alice.raw.with("natter-position", &seen);
        let group = text(&seen.post("/api/v1/conversations", new).await.ok(201)["id"]);
        Self { stack, node, alice, bob, carol, group, direct }
    }

    async fn suspends_alice(&self) {
        let suspended = self.node.run(&["accounts", "suspend", &self.alice.id, "--by", "root"]).await;
        assert!(suspended.status.success(), "{suspended:?}");
    }

    /// As it stands in the table: its author is let in no more.
    async fn settles(&self, message: &Value, expected: (&str, Option<&str>)) {
        let id: Uuid = text(message).parse().expect("an id");
        eventually(&format!("it is settled as {expected:?}"), BOUND, async || {
            let states = sqlx::query_as("SELECT state, code FROM pending WHERE message_id = $1").bind(id);
            let states: Vec<(String, Option<String>)> =
                states.fetch_all(self.stack.pool()).await.map_err(|error| error.to_string())?;
            let is_so = states.iter().any(|(state, code)| (state.as_str(), code.as_deref()) == expected);
            if is_so { Ok(()) } else { Err(format!("{states:?}")) }
        })
        .await;
    }

    async fn schedules(&self, who: &Someone, given: &Value) -> Reply {
        who.raw.post(&format!("/api/v1/conversations/{}/scheduled", self.group), given.to_string()).await
    }

    async fn changes(&self, who: &Someone, id: &Value, given: Value) -> Reply {
        let typed = who.raw.with("content-type", "application/json");
        typed.call("PATCH", &self.path(id), Some(given.to_string().into_bytes())).await
    }

    async fn cancels(&self, who: &Someone, id: &Value) -> Reply {
        who.raw.call("DELETE", &self.path(id), None).await
    }

    fn path(&self, id: &Value) -> String {
        format!("/api/v1/scheduled/{}/{}", self.group, id.as_str().expect("an id"))
    }

    /// What a person has waiting, by a position.
    async fn waiting(&self, who: &Someone, position: &str) -> Vec<Value> {
        let raw = if position.is_empty() { who.raw.clone() } else { who.raw.with("natter-position", position) };
        raw.get("/api/v1/scheduled").await.ok(200)["items"].as_array().expect("items").clone()
    }

    async fn says(&self, who: &Someone, conversation: &str) -> Vec<String> {
        let listed = who.raw.get(&format!("/api/v1/conversations/{conversation}/messages")).await.ok(200);
        let items = listed["items"].as_array().expect("messages").iter();
        items.filter_map(|item| item["body"]["text"].as_str().map(str::to_owned)).collect()
    }
}

fn later(words: &str, seconds: u64) -> Value {
    json!({"message_id": new_id(), "body": {"kind": "text", "text": words}, "send_at": in_seconds(seconds)})
}

async fn connected(who: &Someone) -> RawSocket {
    let mut socket = who.raw.socket().await;
    socket.event("ready").await;
    socket
}

async fn told(socket: &mut RawSocket, id: &Value, state: &str) -> Value {
    let what = format!("message.scheduled of {id}, {state}");
    let fits = |it: &Value| it["event"] == "message.scheduled" && it["message_id"] == *id && it["state"] == state;
    socket.find(&what, fits).await
}

#[tokio::test]
async fn it_is_said_when_its_moment_has_come_and_its_author_is_told() {
    let scene = Scene::new().await;
    let (mut hers, mut his) = (connected(&scene.alice).await, connected(&scene.bob).await);
    let mut given = later("good morning", 2);
    given["silent"] = json!(true);
    given["mentions"] = json!([scene.bob.id]);
    let made = scene.schedules(&scene.alice, &given).await;
    let (scheduled, id) = (made.ok(201), &given["message_id"]);
    let fields = ["body", "silent", "mentions", "message_id"];
    for field in fields {
        assert_eq!(scheduled[field], given[field], "{field}");
    }
    assert_eq!((&scheduled["conversation_id"], &scheduled["state"]), (&json!(scene.group), &json!("waiting")));
    assert_eq!(
        (&scheduled["code"], &scheduled["until"], &scheduled["reply_to"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(scheduled["send_at"], given["send_at"]);
    let again = scene.schedules(&scene.alice, &given).await;
    again.ok(200);
    assert_eq!(scene.waiting(&scene.alice, &made.position()).await, std::slice::from_ref(&scheduled));
    assert_eq!(scene.waiting(&scene.bob, &made.position()).await, [] as [Value; 0], "it is hers alone");
    let pushed = told(&mut hers, id, "waiting").await;
    assert_eq!((&pushed["body"], &pushed["send_at"]), (&given["body"], &given["send_at"]));
    let fits = |it: &Value| it["event"] == "message.scheduled" || it["event"] == "message.sent";
    let heard = his.find("what is said", fits).await;
    assert_eq!((&heard["event"], &heard["message"]["message_id"]), (&json!("message.sent"), id));
    assert_eq!((&heard["message"]["body"], &heard["message"]["sender"]), (&given["body"], &json!(scene.alice.id)));
    assert_eq!((&heard["message"]["silent"], &heard["message"]["mentions"]), (&json!(true), &given["mentions"]));
    assert!(heard["message"]["sent_at"].as_str() >= given["send_at"].as_str(), "{heard}");
    let over = told(&mut hers, id, "sent").await;
    assert_eq!((&over["body"], &over["code"]), (&Value::Null, &Value::Null));
    let position = text(&over["position"]);
    assert_eq!(scene.waiting(&scene.alice, &position).await, [] as [Value; 0]);
    // It is the message: who says the same again gets the same answer, and it is too late for all else.
    let body = json!({"message_id": id, "body": given["body"], "silent": true, "mentions": given["mentions"]});
    let path = format!("/api/v1/conversations/{}/messages", scene.group);
    assert_eq!(scene.alice.raw.post(&path, body.to_string()).await.ok(200)["seq"], heard["message"]["seq"]);
    scene.cancels(&scene.alice, id).await.refused(409, "too_late");
    scene.changes(&scene.alice, id, json!({"send_at": in_seconds(60)})).await.refused(409, "too_late");
    scene.schedules(&scene.alice, &given).await.ok(200);
}

#[tokio::test]
async fn what_waits_is_changed_and_taken_back() {
    let scene = Scene::new().await;
    let mut hers = connected(&scene.alice).await;
    let (given, mut sooner) = (later("never", 3_600), later("wrong", 3_600));
    scene.schedules(&scene.alice, &given).await.ok(201);
    scene.schedules(&scene.alice, &sooner).await.ok(201);
    let id = &given["message_id"];
    scene.cancels(&scene.bob, id).await.refused(404, "not_found");
    scene.changes(&scene.bob, id, json!({"send_at": in_seconds(60)})).await.refused(404, "not_found");
    let done = scene.cancels(&scene.alice, id).await;
    assert_eq!((done.status, scene.cancels(&scene.alice, id).await.status), (204, 204));
    assert_eq!(told(&mut hers, id, "cancelled").await["body"], Value::Null);
    scene.changes(&scene.alice, id, json!({"send_at": in_seconds(60)})).await.refused(409, "too_late");
    sooner["body"] = json!({"kind": "text", "text": "right"});
    let (id, moment) = (&sooner["message_id"], in_seconds(2));
    let change = json!({"body": sooner["body"], "send_at": moment});
    let changed = scene.changes(&scene.alice, id, change.clone()).await.ok(200);
    let before = scene.stack.event_count().await;
    assert_eq!(scene.changes(&scene.alice, id, change).await.ok(200), changed);
    assert_eq!(scene.stack.event_count().await, before, "the same again is no change");
    assert_eq!((&changed["body"], &changed["send_at"]), (&sooner["body"], &json!(moment)));
    told(&mut hers, id, "sent").await;
    let said = scene.says(&scene.bob, &scene.group).await;
    assert_eq!(
        said.iter().filter(|words| ["never", "wrong", "right"].contains(&words.as_str())).count(),
        1,
        "{said:?}"
    );
    assert!(said.contains(&"right".to_owned()), "{said:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_any_more_says_so_and_why() {
    let scene = Scene::new().await;
    let mut his = connected(&scene.bob).await;
    let given = later("from outside", 2);
    scene.schedules(&scene.bob, &given).await.ok(201);
    let path = format!("/api/v1/conversations/{}/members/{}", scene.group, scene.bob.id);
    assert_eq!(scene.alice.raw.call("DELETE", &path, None).await.status, 204);
    let id = &given["message_id"];
    let failed = told(&mut his, id, "failed").await;
    assert_eq!((&failed["code"], &failed["body"]), (&json!("not_a_member"), &given["body"]));
    assert_eq!(failed["send_at"], given["send_at"]);
    let listed = scene.waiting(&scene.bob, &text(&failed["position"])).await;
    assert_eq!((&listed[0]["state"], &listed[0]["code"]), (&json!("failed"), &json!("not_a_member")));
    // Its id is spent, and so that it cannot be sent late, it is so for good.
    scene.schedules(&scene.bob, &given).await.ok(200);
    let synced = scene.bob.raw.get("/api/v1/sync").await.ok(200);
    assert_eq!(synced["scheduled"][0]["state"], "failed");
    let cursor = text(&synced["cursor"]);
    let put_away = scene.cancels(&scene.bob, id).await;
    assert_eq!(put_away.status, 204);
    let raw = scene.bob.raw.with("natter-position", &put_away.position());
    let synced = raw.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!((&synced["scheduled"][0]["message_id"], &synced["scheduled"][0]["state"]), (id, &json!("cancelled")));
    assert_eq!(synced["scheduled"][0]["body"], Value::Null);
    assert!(!scene.says(&scene.alice, &scene.group).await.contains(&"from outside".to_owned()));
}

#[tokio::test]
async fn bad_moments_and_bad_messages_are_refused_and_nothing_waits() {
    let scene = Scene::new().await;
    let mut given = later("hi", 60);
    let past = "2020-01-01T00:00:00Z".to_owned();
    for bad in [past, in_seconds(0), in_seconds(366 * 24 * 60 * 60), "tomorrow".to_owned(), String::new()] {
        given["send_at"] = json!(bad);
        scene.schedules(&scene.alice, &given).await.invalid("/send_at");
    }
    given["send_at"] = json!(in_seconds(60));
    let with = |field: &str, value: Value| {
        let mut given = given.clone();
        given[field] = value;
        given
    };
    scene.schedules(&scene.alice, &with("body", json!({"kind": "text", "text": ""}))).await.invalid("/body/text");
    scene.schedules(&scene.alice, &with("reply_to", json!(new_id()))).await.invalid("/reply_to");
    scene.schedules(&scene.alice, &with("mentions", json!([scene.carol.id]))).await.invalid("/mentions");
    scene.schedules(&scene.carol, &given).await.refused(404, "not_found");
    scene.schedules(&scene.bob, &with("mentions", json!(["all"]))).await.refused(403, "not_allowed");
    let (said, words) = (new_id(), message(&new_id(), "x"));
    let sent = scene.alice.says(&scene.group, &said, "said").await;
    sent.ok(201);
    scene.schedules(&scene.alice, &with("message_id", json!(said))).await.refused(409, "conflict");
    scene.alice.raw.get("/api/v1/scheduled?conversation_id=x").await.invalid("/conversation_id");
    let waiting = scene.waiting(&scene.alice, &sent.position()).await;
    assert_eq!(waiting, [] as [Value; 0], "{words}");
    // The same id with other words.
    scene.schedules(&scene.alice, &given).await.ok(201);
    let other = with("body", json!({"kind": "text", "text": "other"}));
    scene.schedules(&scene.alice, &other).await.refused(409, "conflict");
    let waiting = scene.waiting(&scene.alice, "").await;
    assert_eq!(waiting.iter().map(|it| &it["body"]["text"]).collect::<Vec<_>>(), [&json!("hi")]);
}

#[tokio::test]
async fn one_more_than_a_hundred_is_refused_and_lists_have_pages_and_conversations() {
    let scene = Scene::new().await;
    let mut last = String::new();
    for number in 0..100 {
        let made = scene.schedules(&scene.alice, &later(&format!("number {number}"), 3_600)).await;
        made.ok(201);
        last = made.position();
    }
    scene.schedules(&scene.alice, &later("one more", 3_600)).await.refused(409, "conflict");
    let path = format!("/api/v1/conversations/{}/scheduled", scene.direct);
    let elsewhere = scene.alice.raw.post(&path, later("elsewhere", 3_600).to_string()).await;
    elsewhere.ok(201);
    let raw = scene.alice.raw.with("natter-position", &format!("{last},{}", elsewhere.position()));
    let first = raw.get(&format!("/api/v1/scheduled?conversation_id={}&limit=60", scene.group)).await.ok(200);
    let cursor = text(&first["next_cursor"]);
    let path = format!("/api/v1/scheduled?conversation_id={}&limit=60&cursor={cursor}", scene.group);
    let rest = raw.get(&path).await.ok(200);
    assert_eq!(rest["next_cursor"], Value::Null);
    let items = |page: &Value| page["items"].as_array().expect("items").clone();
    let all = [items(&first), items(&rest)].concat();
    let words: Vec<String> = all.iter().map(|item| text(&item["body"]["text"])).collect();
    assert_eq!(words, (0..100).rev().map(|number| format!("number {number}")).collect::<Vec<_>>());
    let there = raw.get(&format!("/api/v1/scheduled?conversation_id={}", scene.direct)).await.ok(200);
    assert_eq!(items(&there)[0]["body"]["text"], "elsewhere");
    assert_eq!(items(&there).len(), 1);
}

#[tokio::test]
async fn more_than_a_thousand_in_all_is_refused() {
    let scene = Scene::new().await;
    let given = later("the last one", 60);
    let fill =
        "INSERT INTO pending (pending_id, conversation_id, message_id, account_id, state, created_at, lane, changed)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), $1::uuid, 'waiting', now(), 0, 0
        FROM generate_series(1, $2)";
    let alice: Uuid = text(&json!(scene.alice.id)).parse().expect("an id");
    let wait = async |count: i32| sqlx::query(fill).bind(alice).bind(count).execute(scene.stack.pool()).await;
    wait(999).await.expect("have them wait");
    scene.schedules(&scene.alice, &given).await.ok(201);
    scene.schedules(&scene.alice, &later("one more", 60)).await.refused(409, "conflict");
    scene.schedules(&scene.alice, &given).await.ok(200);
    scene.schedules(&scene.bob, &later("his", 60)).await.ok(201);
}

#[tokio::test]
async fn what_is_due_at_one_moment_is_said_in_the_order_in_which_it_was_given() {
    let scene = Scene::new().await;
    let (mut hers, moment) = (connected(&scene.alice).await, in_seconds(3));
    let words: Vec<String> = (0..12).map(|number| format!("part {number}")).collect();
    let given =
        |words: &String| json!({"message_id": new_id(), "body": {"kind": "text", "text": words}, "send_at": moment});
    let given: Vec<Value> = words.iter().map(given).collect();
    for one in &given {
        scene.schedules(&scene.alice, one).await.ok(201);
    }
    for one in &given {
        told(&mut hers, &one["message_id"], "sent").await;
    }
    let said = scene.says(&scene.bob, &scene.group).await;
    let parts: Vec<&String> = said.iter().rev().filter(|said| said.starts_with("part")).collect();
    assert_eq!(parts, words.iter().collect::<Vec<_>>());
}

/// It stands there, so it was sent, whatever would be answered now.
#[tokio::test]
async fn what_was_said_under_its_id_meanwhile_counts_though_its_author_may_not_speak_any_more() {
    let scene = Scene::new().await;
    let given = later("said early", 3);
    scene.schedules(&scene.alice, &given).await.ok(201);
    let id = &given["message_id"];
    scene.alice.says(&scene.group, id.as_str().expect("an id"), "said early").await.ok(201);
    scene.suspends_alice().await;
    scene.settles(id, ("sent", None)).await;
    assert_eq!(scene.says(&scene.bob, &scene.group).await.iter().filter(|said| *said == "said early").count(), 1);
}

#[tokio::test]
async fn who_is_suspended_when_its_moment_comes_says_nothing() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let scene = Scene::on(stack, node).await;
    let given = later("from nowhere", 600);
    scene.schedules(&scene.alice, &given).await.ok(201);
    scene.suspends_alice().await;
    clock.ahead_by(610);
    scene.settles(&given["message_id"], ("failed", Some("account_suspended"))).await;
    assert!(!scene.says(&scene.bob, &scene.group).await.contains(&"from nowhere".to_owned()));
}

/// Whichever comes first: taken back, or said. Never both, never neither.
#[tokio::test]
async fn taken_back_in_the_moment_in_which_it_is_said_one_of_both_counts() {
    let scene = Scene::new().await;
    let mut hers = connected(&scene.alice).await;
    let given: Vec<Value> = (0..20).map(|number| later(&format!("race {number}"), 2)).collect();
    for one in &given {
        scene.schedules(&scene.alice, one).await.ok(201);
    }
    let id = &given[0]["message_id"];
    told(&mut hers, id, "sent").await;
    let mut counts = (0, 0);
    for one in &given {
        let answer = scene.cancels(&scene.alice, &one["message_id"]).await;
        match answer.status {
            204 => counts.0 += 1,
            409 => counts.1 += 1,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    eventually("the others are said", BOUND, async || {
        let said = scene.says(&scene.carol, &scene.direct).await;
        let group = scene.says(&scene.bob, &scene.group).await;
        let raced = group.iter().filter(|words| words.starts_with("race")).count();
        if raced == counts.1 && said.is_empty() { Ok(()) } else { Err(format!("{counts:?}, {group:?}")) }
    })
    .await;
    assert!(counts.1 > 0 && counts.0 + counts.1 == 20, "{counts:?}");
    assert!(scene.waiting(&scene.alice, "").await.is_empty());
    drop(scene.node);
}
