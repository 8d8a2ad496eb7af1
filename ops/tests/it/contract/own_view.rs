//! One's own view of messages: stars, what was listened to, and single messages that somebody deletes for themselves. On all of
//! their devices, and nowhere else.

use super::{Someone, new_id, text};
use crate::restart::BOUND;
use natter_testkit::{
    Cql, Node, Options, RawSocket, Reply, Stack,
    client::{
        follow::Update,
        wire::{self, Push},
    },
    cql, eventually,
};
use serde_json::{Value, json};

/// Alice and bob are friends, and in a group of hers. Numbers begin behind the group's own message.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    /// Alice, once more.
    tablet: Someone,
    talk: String,
    group: String,
}

/// A message as it was sent.
struct Sent {
    id: String,
    seq: u64,
    position: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(vec![]).await
    }

    /// Message history is kept there.
    async fn in_a_cluster(cql: &Cql) -> Self {
        let scene = Self::with(vec![
            ("NATTER_HISTORY", "scylla".to_owned()),
            ("NATTER_CQL_NODES", cql.address.clone()),
            ("NATTER_CQL_KEYSPACE", cql.keyspace.clone()),
        ])
        .await;
        let messages = path(&scene.group, "/messages");
        eventually("the cluster answers", BOUND, async || match scene.alice.raw.get(&messages).await {
            reply if reply.status == 200 && !seqs(&reply.json()).is_empty() => Ok(()),
            reply => Err(reply.text()),
        })
        .await;
        scene
    }

    async fn with(more: Vec<(&'static str, String)>) -> Self {
        let stack = Stack::new().await;
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let (talk, seen) = alice.befriends(&bob).await;
        let new = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
        let group = alice.raw.with("natter-position", &seen).post("/api/v1/conversations", new).await;
        let group = text(&group.ok(201)["id"]);
        let login = json!({"login": "alice", "password": "eight characters"}).to_string();
        let signed_in = node.raw().post("/api/v1/auth/login", login).await.ok(200);
        let access_token = text(&signed_in["tokens"]["access_token"]);
        let raw = node.raw().with("authorization", &format!("Bearer {access_token}"));
        let tablet = Someone { id: alice.id.clone(), raw, access_token };
        Self { stack, node, alice, bob, tablet, talk, group }
    }

    async fn says(&self, who: &Someone, conversation: &str, more: Value) -> Sent {
        let id = new_id();
        let mut message = json!({"message_id": id, "body": {"kind": "text", "text": "words"}});
        for (field, value) in more.as_object().expect("fields") {
            message[field] = value.clone();
        }
        let reply = who.raw.post(&path(conversation, "/messages"), message.to_string()).await;
        let position = reply.position();
        Sent { id, seq: reply.ok(201)["seq"].as_u64().expect("a number"), position }
    }

    async fn words(&self, who: &Someone, conversation: &str, words: &str) -> Sent {
        self.says(who, conversation, json!({"body": {"kind": "text", "text": words}})).await
    }

    async fn voice(&self, who: &Someone, conversation: &str) -> Sent {
        let file_id = natter_testkit::client::new_id();
        self.says(who, conversation, json!({"body": {"kind": "voice", "file_id": file_id, "duration_ms": 1}})).await
    }
}

fn path(conversation: &str, rest: &str) -> String {
    format!("/api/v1/conversations/{conversation}{rest}")
}

fn of(conversation: &str, message: &str, rest: &str) -> String {
    path(conversation, &format!("/messages/{message}{rest}"))
}

async fn marks(who: &Someone, conversation: &str, message: &str, marks: &Value) -> Reply {
    let typed = who.raw.with("content-type", "application/json");
    typed.call("PATCH", &of(conversation, message, "/inbox"), Some(marks.to_string().into_bytes())).await
}

async fn deletes(who: &Someone, conversation: &str, message: &str) -> Reply {
    who.raw.call("DELETE", &of(conversation, message, "/inbox"), None).await
}

/// 204, and where it stands.
async fn deleted(who: &Someone, conversation: &str, message: &str) -> String {
    let reply = deletes(who, conversation, message).await;
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    reply.position()
}

async fn sees(who: &Someone, position: &str, path: &str) -> Value {
    who.raw.with("natter-position", position).get(path).await.ok(200)
}

async fn connect(who: &Someone) -> RawSocket {
    let mut socket = who.raw.socket().await;
    socket.event("ready").await;
    socket
}

/// All pages of a sync from that cursor: of each list all that it tells, and where it ends.
async fn synced(who: &Someone, position: &str, cursor: Option<&str>) -> (Value, String) {
    let (mut all, mut cursor) = (json!({}), cursor.map(str::to_owned));
    loop {
        let query = cursor.map_or_else(String::new, |cursor| format!("?cursor={cursor}"));
        let page = sees(who, position, &format!("/api/v1/sync{query}")).await;
        for list in ["messages", "deleted_messages", "conversations"] {
            let told = page[list].as_array().expect("a list").clone();
            let before = all[list].as_array().cloned().unwrap_or_default();
            all[list] = Value::Array([before, told].concat());
        }
        let next = text(&page["cursor"]);
        if page["more"] != json!(true) {
            return (all, next);
        }
        cursor = Some(next);
    }
}

fn seqs(page: &Value) -> Vec<u64> {
    page["items"].as_array().expect("items").iter().map(|it| it["seq"].as_u64().expect("a number")).collect()
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().expect("items").iter().map(|it| text(&it["message_id"])).collect()
}

fn frame(op: &str, conversation: &str, message: &str) -> Value {
    json!({"id": new_id(), "op": op, "conversation_id": conversation, "message_id": message})
}

#[tokio::test]
async fn a_star_is_ones_own_on_every_device() {
    let scene = Scene::new().await;
    let Scene { alice, bob, tablet, talk, .. } = &scene;
    let sent = scene.words(bob, talk, "one").await;
    let (mut there, mut his) = (connect(tablet).await, connect(bob).await);
    let starred = marks(alice, talk, &sent.id, &json!({"starred": true})).await;
    let message = starred.ok(200);
    assert_eq!((&message["starred"], message.get("listened")), (&json!(true), None));
    let position = starred.position();
    let told = there.event("message.marked").await;
    let expected = json!({
        "event": "message.marked", "conversation_id": talk, "message_id": sent.id, "seq": sent.seq, "starred": true,
        "listened": false, "position": position,
    });
    assert_eq!(told, expected);
    // Wherever messages are answered; not to the other one, and not in a conversation's card.
    let lookup = alice.raw.with("natter-position", &position);
    let lookup = lookup.post(&path(talk, "/messages/lookup"), json!({"ids": [sent.id]}).to_string()).await.ok(200);
    for page in [
        lookup,
        sees(alice, &position, &path(talk, "/messages")).await,
        sees(alice, &position, &path(talk, "/messages/filter?kind=text")).await,
        sees(tablet, &position, "/api/v1/stars").await,
    ] {
        assert_eq!(page["items"][0]["starred"], json!(true), "{page}");
    }
    let of_bob = sees(bob, &position, &path(talk, "/messages")).await;
    assert_eq!(of_bob["items"][0].get("starred"), None);
    assert_eq!(sees(bob, &position, "/api/v1/stars").await["items"], json!([]));

    let before = scene.stack.event_count().await;
    marks(alice, talk, &sent.id, &json!({"starred": true})).await.ok(200);
    marks(alice, talk, &sent.id, &json!({})).await.ok(200);
    assert_eq!(scene.stack.event_count().await, before, "it is so already");
    let taken_back = marks(alice, talk, &sent.id, &json!({"starred": false})).await;
    assert_eq!(taken_back.ok(200).get("starred"), None);
    assert_eq!(there.event("message.marked").await["starred"], json!(false));
    assert_eq!(sees(alice, &taken_back.position(), "/api/v1/stars").await["items"], json!([]));

    let mut here = connect(alice).await;
    let ok = here.ok(frame("message.star", talk, &sent.id)).await;
    assert_eq!(there.event("message.marked").await["position"], ok["position"]);
    here.ok(frame("message.unstar", talk, &sent.id)).await;
    assert_eq!(there.event("message.marked").await["starred"], json!(false));
    // What comes next to him is not hers.
    scene.words(alice, talk, "two").await;
    let next = his.find("what comes to bob", |frame| frame["event"].is_string()).await;
    assert_eq!((&next["event"], next["message"].get("starred")), (&json!("message.sent"), None), "{next}");
}

#[tokio::test]
async fn stars_of_all_conversations_are_listed_newest_star_first() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, group, .. } = &scene;
    let (one, two) = (scene.words(bob, talk, "one").await, scene.words(bob, group, "two").await);
    let (three, four) = (scene.words(alice, talk, "three").await, scene.words(bob, group, "four").await);
    let mut position = String::new();
    for (conversation, message) in [(group, &two), (talk, &three), (group, &four), (talk, &one)] {
        let starred = marks(alice, conversation, &message.id, &json!({"starred": true})).await;
        starred.ok(200);
        position = starred.position();
    }
    let page = sees(alice, &position, "/api/v1/stars").await;
    assert_eq!(ids(&page), [&one, &four, &three, &two].map(|sent| sent.id.clone()));
    assert_eq!((&page["next_cursor"], &page["items"][0]["body"]["text"]), (&json!(null), &json!("one")));
    let first = sees(alice, &position, "/api/v1/stars?limit=3").await;
    let rest = format!("/api/v1/stars?limit=3&cursor={}", text(&first["next_cursor"]));
    let rest = sees(alice, &position, &rest).await;
    assert_eq!((ids(&first).len(), ids(&rest), &rest["next_cursor"]), (3, vec![two.id.clone()], &json!(null)));
    // To star it once more is no newer star.
    marks(alice, group, &two.id, &json!({"starred": true})).await.ok(200);

    let recalled = alice.raw.call("DELETE", &of(talk, &three.id, ""), None).await.position();
    assert_eq!(ids(&sees(alice, &recalled, "/api/v1/stars").await), [&one, &four, &two].map(|sent| sent.id.clone()));
    marks(alice, talk, &three.id, &json!({"starred": true})).await.refused(409, "recalled");
    let gone = deleted(alice, group, &four.id).await;
    assert_eq!(ids(&sees(alice, &gone, "/api/v1/stars").await), [&one, &two].map(|sent| sent.id.clone()));
    marks(alice, group, &four.id, &json!({"starred": true})).await.refused(404, "not_found");
    alice.raw.get("/api/v1/stars?cursor=x").await.invalid("/cursor");
    alice.raw.get("/api/v1/stars?limit=201").await.invalid("/limit");
}

#[tokio::test]
async fn another_ones_voice_is_listened_to_for_good() {
    let scene = Scene::new().await;
    let Scene { alice, bob, tablet, talk, .. } = &scene;
    let (voice, words) = (scene.voice(bob, talk).await, scene.words(bob, talk, "words").await);
    let hers = scene.voice(alice, talk).await;
    let (mut here, mut there) = (connect(alice).await, connect(tablet).await);
    let before = scene.stack.event_count().await;
    marks(alice, talk, &words.id, &json!({"listened": true, "starred": true})).await.invalid("/listened");
    marks(alice, talk, &hers.id, &json!({"listened": true})).await.invalid("/listened");
    marks(alice, talk, &voice.id, &json!({"listened": false})).await.invalid("/listened");
    let listen = frame("message.listen", talk, &words.id);
    here.send(listen.to_string()).await;
    here.refused(&listen["id"], 422, "invalid_input").await;
    assert_eq!(scene.stack.event_count().await, before, "nothing is written");

    here.ok(frame("message.listen", talk, &voice.id)).await;
    let told = there.event("message.marked").await;
    assert_eq!((&told["listened"], &told["starred"]), (&json!(true), &json!(false)));
    let page = sees(alice, &text(&told["position"]), &path(talk, "/messages")).await;
    let listened: Vec<Option<&Value>> =
        page["items"].as_array().expect("items").iter().map(|it| it.get("listened")).collect();
    assert_eq!(listened, [None, None, Some(&json!(true))]);
    let both = marks(alice, talk, &voice.id, &json!({"listened": true, "starred": true})).await.ok(200);
    assert_eq!((&both["listened"], &both["starred"]), (&json!(true), &json!(true)));
    let unstarred = marks(alice, talk, &voice.id, &json!({"starred": false})).await.ok(200);
    assert_eq!((&unstarred["listened"], unstarred.get("starred")), (&json!(true), None));
    let of_bob = bob.raw.get(&of(talk, &voice.id, "")).await.ok(200);
    assert_eq!(of_bob.get("listened"), None, "nobody else is told");
}

#[tokio::test]
async fn what_was_deleted_is_gone_wherever_its_person_reads() {
    let scene = Scene::new().await;
    what_was_deleted_is_gone(&scene).await;
    let checked = scene.node.run(&["projections", "unread"]).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn what_was_deleted_is_gone_where_history_is_in_a_cluster() {
    let cluster = cql();
    what_was_deleted_is_gone(&Scene::in_a_cluster(&cluster).await).await;
    cluster.drop_keyspace().await;
}

async fn what_was_deleted_is_gone(scene: &Scene) {
    let Scene { alice, bob, tablet, group, .. } = scene;
    let one = scene.words(bob, group, "one").await;
    let two = scene.says(bob, group, json!({"body": {"kind": "text", "text": "two"}, "mentions": [alice.id]})).await;
    let answer = scene.says(bob, group, json!({"reply_to": two.id})).await;
    let voice = scene.voice(bob, group).await;
    let last = scene.says(bob, group, json!({"thread": one.id})).await;
    let own = sees(alice, &last.position, &path(group, "")).await;
    assert_eq!((&own["unread"], &own["mentions"]), (&json!(5), &json!(1)));
    let pinned = bob.raw.put(&of(group, &two.id, "/pin"), "").await;
    assert_eq!(pinned.status, 204);
    let shown = sees(alice, &pinned.position(), &of(group, &answer.id, "")).await;
    assert_eq!(shown["reply_to"]["excerpt"], json!("two"));
    let (mut there, mut his) = (connect(tablet).await, connect(bob).await);

    let position = deleted(alice, group, &two.id).await;
    let told = there.event("message.deleted").await;
    let expected = json!({
        "event": "message.deleted", "conversation_id": group, "message_id": two.id, "seq": two.seq, "position": position,
    });
    assert_eq!(told, expected);
    let all = [last.seq, voice.seq, answer.seq, two.seq, one.seq, 1];
    let left: Vec<u64> = all.into_iter().filter(|seq| *seq != two.seq).collect();
    let mut rising = left.clone();
    rising.reverse();
    for (query, expected) in [
        ("", left.clone()),
        ("?limit=4", left[..4].to_vec()),
        ("?after_seq=0", rising.clone()),
        (&format!("?before_seq={}", two.seq + 1), vec![one.seq, 1]),
        (&format!("?around_seq={}&limit=4", two.seq), vec![1, one.seq, answer.seq, voice.seq]),
        ("/filter?kind=text", vec![last.seq, answer.seq, one.seq]),
        ("/filter?kind=text&limit=2", vec![last.seq, answer.seq]),
        ("/filter?mentions=me", vec![]),
    ] {
        let page = sees(tablet, &position, &path(group, &format!("/messages{query}"))).await;
        assert_eq!(seqs(&page), expected, "{query}");
        if query.ends_with("kind=text&limit=2") {
            let rest = format!("/messages{query}&cursor={}", text(&page["next_cursor"]));
            assert_eq!(seqs(&sees(tablet, &position, &path(group, &rest)).await), [one.seq], "the rest of it");
        }
    }
    for rest in ["", "/edits", "/reactions", "/readers", "/thread"] {
        alice.raw.get(&of(group, &two.id, rest)).await.refused(404, "not_found");
    }
    let wanted = json!({"ids": [two.id, one.id]}).to_string();
    assert_eq!(ids(&alice.raw.post(&path(group, "/messages/lookup"), wanted).await.ok(200)), [one.id.as_str()]);
    assert_eq!(sees(alice, &position, &path(group, "/pins")).await["items"], json!([]));
    let shown = sees(alice, &position, &of(group, &answer.id, "")).await;
    assert_eq!((&shown["reply_to"]["seq"], &shown["reply_to"]["excerpt"]), (&json!(two.seq), &json!(null)));
    let forward = json!({"from": group, "messages": [{"message_id": new_id(), "source_id": two.id}]}).to_string();
    alice.raw.post(&path(&scene.talk, "/messages/forward"), forward).await.refused(422, "invalid_input");
    let own = sees(alice, &position, &path(group, "")).await;
    assert_eq!((&own["unread"], &own["mentions"]), (&json!(4), &json!(0)));
    let explained = sees(alice, &position, &path(group, "/unread/explain")).await;
    let counted = json!({"messages": 6, "own": 0, "system": 1, "recalled": 0, "deleted": 1});
    assert_eq!((&explained["unread"], &explained["mentions"], &explained["counted"]), (&json!(4), &json!(0), &counted));

    // The newest one, in a thread.
    let position = deleted(tablet, group, &last.id).await;
    let own = sees(alice, &position, &path(group, "")).await;
    assert_eq!(own["last_message"]["message_id"], json!(voice.id));
    assert_eq!((&own["last_seq"], &own["unread"]), (&json!(last.seq), &json!(3)));
    assert_eq!(sees(alice, &position, &of(group, &one.id, "/thread")).await["items"], json!([]));
    assert_eq!(sees(alice, &position, &of(group, &one.id, "")).await["thread_summary"], json!(null));
    let totals = sees(alice, &position, "/api/v1/conversations/unread").await;
    assert_eq!((&totals["unread"], &totals["mentions"]), (&json!(3), &json!(0)));
    let explained = sees(alice, &position, &path(group, "/unread/explain")).await;
    assert_eq!((&explained["counted"]["deleted"], &explained["last_seq"]), (&json!(2), &json!(last.seq)));

    // He has all of it, and has heard nothing.
    assert_eq!(seqs(&sees(bob, &position, &path(group, "/messages")).await), all);
    let thread = sees(bob, &position, &of(group, &one.id, "/thread")).await;
    assert_eq!(seqs(&thread), [last.seq]);
    scene.words(alice, group, "three").await;
    let heard = |frame: &Value| frame["event"].is_string() && frame["event"] != "message.pinned";
    assert_eq!(his.find("what comes to bob", heard).await["event"], "message.sent");
}

#[tokio::test]
async fn a_system_message_is_deleted_too_and_nothing_is_that_is_not_there() {
    let scene = Scene::new().await;
    let Scene { node, alice, bob, talk, group, .. } = &scene;
    let sent = scene.words(bob, group, "one").await;
    let page = sees(alice, &sent.position, &path(group, "/messages")).await;
    let system = text(&page["items"][1]["message_id"]);
    assert_eq!(page["items"][1]["sender"], json!(null));
    let position = deleted(alice, group, &system).await;
    assert_eq!(seqs(&sees(alice, &position, &path(group, "/messages")).await), [sent.seq]);
    let before = scene.stack.event_count().await;
    for _ in 0..2 {
        assert_eq!(deletes(alice, group, &system).await.status, 204, "it is gone already");
    }
    // What would be the second system message's: the last digits say the number.
    let none = format!("{}2", &system[..system.len() - 1]);
    for id in [none.as_str(), &new_id()] {
        deletes(alice, group, id).await.refused(404, "not_found");
    }
    let elsewhere = scene.words(alice, talk, "elsewhere").await;
    let carol = Someone::register(node, "carol").await;
    let after = scene.stack.event_count().await;
    deletes(alice, group, &elsewhere.id).await.refused(404, "not_found");
    deletes(alice, talk, &sent.id).await.refused(404, "not_found");
    marks(alice, talk, &sent.id, &json!({"starred": true})).await.refused(404, "not_found");
    marks(alice, group, &system, &json!({"starred": true})).await.refused(404, "not_found");
    marks(alice, group, &sent.id, &json!({"starred": "yes"})).await.invalid("/starred");
    marks(alice, group, &sent.id, &json!({"deleted": true})).await.invalid("/deleted");
    for refused in
        [deletes(&carol, group, &sent.id).await, marks(&carol, group, &sent.id, &json!({"starred": true})).await]
    {
        refused.refused(404, "not_found");
    }
    assert_eq!(scene.stack.event_count().await, after, "nothing is written");
    assert!(after > before);
    // What was said before their time does not exist for them.
    let (_, seen) = alice.befriends(&carol).await;
    let added = json!({"account_ids": [carol.id]}).to_string();
    alice.raw.with("natter-position", &seen).post(&path(group, "/members"), added).await.ok(200);
    deletes(&carol, group, &sent.id).await.refused(404, "not_found");
    marks(&carol, group, &sent.id, &json!({"starred": true})).await.refused(404, "not_found");
    bob.raw.call("DELETE", &path(group, "/members/me"), None).await;
    deletes(bob, group, &sent.id).await.refused(403, "not_a_member");
    marks(bob, group, &sent.id, &json!({"starred": true})).await.refused(403, "not_a_member");
}

#[tokio::test]
async fn who_was_away_is_told_what_they_have_marked_and_deleted_elsewhere() {
    let scene = Scene::new().await;
    let Scene { alice, bob, tablet, talk, group, .. } = &scene;
    let (one, two) = (scene.words(bob, talk, "one").await, scene.words(bob, talk, "two").await);
    let three = scene.voice(bob, group).await;
    let (first, cursor) = synced(tablet, &three.position, None).await;
    assert_eq!((&first["messages"], &first["deleted_messages"]), (&json!([]), &json!([])));
    let starred = marks(alice, talk, &one.id, &json!({"starred": true})).await.position();
    let mut here = connect(alice).await;
    here.ok(frame("message.listen", group, &three.id)).await;
    let gone = here.ok(frame("message.delete", talk, &two.id)).await;
    let position = format!("{starred},{}", text(&gone["position"]));

    let (told, next) = synced(tablet, &position, Some(&cursor)).await;
    let mut marked: Vec<(String, bool, bool)> = told["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|it| (text(&it["message_id"]), it["starred"] == json!(true), it["listened"] == json!(true)))
        .collect();
    marked.sort();
    let mut expected = vec![(one.id.clone(), true, false), (three.id.clone(), false, true)];
    expected.sort();
    assert_eq!(marked, expected);
    let deleted_two = json!([{"conversation_id": talk, "seq": two.seq, "message_id": two.id}]);
    assert_eq!(told["deleted_messages"], deleted_two);
    let own = told["conversations"].as_array().expect("conversations").iter().find(|it| it["id"] == json!(talk));
    let own = own.expect("its newest message is another one now");
    assert_eq!((&own["last_message"]["message_id"], &own["unread"]), (&json!(one.id), &json!(1)));
    let (nothing, _) = synced(tablet, &position, Some(&next)).await;
    assert_eq!((&nothing["messages"], &nothing["deleted_messages"]), (&json!([]), &json!([])));
    let (of_bob, _) = synced(bob, &position, None).await;
    assert_eq!(of_bob["deleted_messages"], json!([]), "nobody else's");

    // A device that begins is told what is gone, and reads the marks with the messages.
    let (fresh, _) = synced(alice, &position, None).await;
    assert_eq!(fresh["deleted_messages"], deleted_two);
    assert_eq!(fresh["messages"], json!([]));
    let unstarred = marks(alice, talk, &one.id, &json!({"starred": false})).await.position();
    let (told, next) = synced(tablet, &unstarred, Some(&next)).await;
    assert_eq!((&told["messages"][0]["message_id"], told["messages"][0].get("starred")), (&json!(one.id), None));
    // What is deleted with the conversation is told by its number.
    let cleared = alice.raw.call("DELETE", &path(talk, "/inbox"), None).await.position();
    let (told, _) = synced(tablet, &cleared, Some(&next)).await;
    assert_eq!(told["deleted_messages"], json!([]));
    let (fresh, _) = synced(alice, &cleared, None).await;
    assert_eq!(fresh["deleted_messages"], json!([]));
}

#[tokio::test]
async fn what_its_sender_has_deleted_they_edit_and_recall_for_the_others() {
    let scene = Scene::new().await;
    let Scene { alice, bob, talk, .. } = &scene;
    let sent = scene.words(alice, talk, "one").await;
    deleted(alice, talk, &sent.id).await;
    let edit = json!({"body": {"kind": "text", "text": "other"}}).to_string().into_bytes();
    let typed = alice.raw.with("content-type", "application/json");
    let edited = typed.call("PATCH", &of(talk, &sent.id, ""), Some(edit)).await;
    assert_eq!(edited.status, 204);
    let seen = sees(bob, &edited.position(), &of(talk, &sent.id, "")).await;
    assert_eq!(seen["body"]["text"], json!("other"));
    let (told, _) = synced(alice, &edited.position(), None).await;
    let own = &told["conversations"].as_array().expect("conversations").iter().find(|it| it["id"] == json!(talk));
    assert_eq!(own.expect("it is there")["last_message"], json!(null));
    let recalled = alice.raw.call("DELETE", &of(talk, &sent.id, ""), None).await;
    assert_eq!(recalled.status, 204);
    assert_eq!(sees(alice, &recalled.position(), &path(talk, "/messages")).await["items"], json!([]));
}

/// Pushes come, and then they never do: what the app is not told it asks for.
#[tokio::test]
async fn an_app_goes_on_behind_what_its_person_has_deleted_elsewhere() {
    for faults in ["", "edge.push=drop@1"] {
        let stack = Stack::new().await;
        let node = stack.node_with(Options::faults(faults)).await;
        let (alice, bob) = (node.register("alice").await, node.register("bob").await);
        let talk = alice.befriends(&bob).await;
        alice.looks_every(std::time::Duration::from_millis(100)).await;
        bob.says(&alice, "one").await;
        let (two, three) = (bob.says(&alice, "two").await, bob.says(&alice, "three").await);
        alice.sees("three").await;
        let star = wire::MessageMarks { starred: Some(true), listened: None };
        alice.client().mark(talk, two.message_id, &star).await.expect("star");
        let is_two = |message: &wire::Message| message.message_id == two.message_id && message.starred;
        let marked = |update: &Update| match update {
            Update::Changed(message) => is_two(message).then_some(()),
            Update::Push(push) => matches!(**push, Push::MessageMarked { starred: true, .. }).then_some(()),
            _ => None,
        };
        alice.sees_that("the star", marked).await;
        alice.client().delete_for_me(talk, three.message_id).await.expect("delete for oneself");
        let deleted = |update: &Update| match update {
            Update::Deleted(deleted) => (deleted.message_id == three.message_id).then_some(()),
            Update::Push(push) => {
                matches!(**push, Push::MessageDeleted { message_id, .. } if message_id == three.message_id)
                    .then_some(())
            }
            _ => None,
        };
        alice.sees_that("that it is gone", deleted).await;
        bob.says(&alice, "four").await;
        alice.sees("four").await;
    }
}
