//! A person's own view of their conversations, on all of their devices, and the conversation with themselves.

use super::{MESSAGE, OWN_CONVERSATION, PERSONAL, Someone, has, is_time, lacks, message, new_id, text};
use natter_testkit::{Node, RawSocket, Reply, Stack};
use serde_json::{Value, json};

const LIST: &str = "/api/v1/conversations";

/// Two friends, and three messages of bob's.
struct Scene {
    stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    id: String,
    /// Of the messages.
    messages: Vec<String>,
    /// Of the newest.
    position: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let (id, _) = alice.befriends(&bob).await;
        let mut scene = Self { stack, node, alice, bob, id, messages: vec![], position: String::new() };
        for words in ["one", "two", "three"] {
            scene.bob_says(words).await;
        }
        scene
    }

    async fn bob_says(&mut self, words: &str) {
        let message = new_id();
        let said = self.bob.says(&self.id, &message, words).await;
        said.ok(201);
        self.messages.push(message);
        self.position = said.position();
    }

    fn path(&self, rest: &str) -> String {
        path(&self.id, rest)
    }

    async fn changes(&self, change: Value) -> Reply {
        change_view(&self.alice, &self.id, change).await
    }

    async fn clears(&self) -> Reply {
        self.alice.raw.call("DELETE", &self.path("/inbox"), None).await
    }

    /// Alice's, once it shows this too.
    async fn reads(&self, position: &str, path: &str) -> Value {
        self.alice.raw.with("natter-position", position).get(path).await.ok(200)
    }

    async fn own(&self, position: &str) -> Value {
        self.reads(position, &self.path("")).await
    }
}

fn path(conversation: &str, rest: &str) -> String {
    format!("{LIST}/{conversation}{rest}")
}

async fn change_view(who: &Someone, conversation: &str, change: Value) -> Reply {
    let typed = who.raw.with("content-type", "application/json");
    typed.call("PATCH", &path(conversation, "/inbox"), Some(change.to_string().into_bytes())).await
}

/// The same person, signed in once more.
async fn another_device(node: &Node, who: &Someone, login: &str) -> Someone {
    let body = json!({"login": login, "password": "eight characters"}).to_string();
    let signed_in = node.raw().post("/api/v1/auth/login", body).await.ok(200);
    let access_token = text(&signed_in["tokens"]["access_token"]);
    let raw = node.raw().with("authorization", &format!("Bearer {access_token}"));
    Someone { id: who.id.clone(), raw, access_token }
}

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

fn ids(listed: &Value) -> Vec<String> {
    listed["items"].as_array().expect("items").iter().map(|own| text(&own["id"])).collect()
}

fn seqs(page: &Value) -> Value {
    page["items"].as_array().expect("items").iter().map(|message| message["seq"].clone()).collect()
}

#[tokio::test]
async fn a_view_is_changed_field_by_field_and_told_to_all_devices_of_its_person() {
    let scene = Scene::new().await;
    let other = another_device(&scene.node, &scene.alice, "alice").await;
    let cursor = text(&scene.reads(&scene.position, "/api/v1/sync").await["cursor"]);
    let (mut here, mut there) = (connect(&scene.alice).await, connect(&other).await);
    let mut bobs = connect(&scene.bob).await;

    let first = scene.own(&scene.position).await;
    has(&first, OWN_CONVERSATION);
    for (field, value) in [
        ("pinned", json!(false)),
        ("quiet_until", json!(null)),
        ("archived", json!(false)),
        ("hidden", json!(false)),
        ("folder", json!(null)),
        ("draft", json!(null)),
        ("draft_at", json!(null)),
        ("marked_unread", json!(false)),
        ("cleared_seq", json!(0)),
    ] {
        assert_eq!(first[field], value, "{field}");
    }

    let quiet = "9999-12-31T23:59:59.999Z";
    let all = json!({"pinned": true, "quiet_until": quiet, "archived": true, "folder": "work", "marked_unread": true});
    let changed = scene.changes(all.clone()).await;
    let own = changed.ok(200);
    has(&own, OWN_CONVERSATION);
    for (field, value) in all.as_object().expect("an object") {
        assert_eq!(own[field], *value, "{field}");
    }
    for socket in [&mut here, &mut there] {
        let told = socket.event("inbox.changed").await;
        let mut expected = all.clone();
        expected["event"] = json!("inbox.changed");
        expected["conversation_id"] = json!(scene.id);
        expected["hidden"] = json!(false);
        expected["position"] = json!(changed.position());
        assert_eq!(told, expected);
    }
    let synced = other.raw.with("natter-position", &changed.position());
    let synced = synced.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert_eq!(synced["conversations"], json!([own]));

    let draft = scene.changes(json!({"draft": "not sent\n\u{202e}"})).await;
    assert_eq!(draft.ok(200)["draft"], "not sent\n\u{202e}");
    is_time(&draft.ok(200)["draft_at"]);
    let told = there.event("inbox.changed").await;
    assert_eq!((&told["draft"], told.get("pinned")), (&json!("not sent\n\u{202e}"), None));
    is_time(&told["draft_at"]);
    let again = scene.changes(json!({"draft": "not sent\n\u{202e}", "pinned": true, "folder": "work"})).await;
    assert_eq!(again.ok(200), draft.ok(200), "what is so already is nothing new");
    let fields = ["pinned", "quiet_until", "archived", "folder", "draft", "marked_unread"];
    let nothing: Value =
        fields.iter().map(|field| ((*field).to_owned(), json!(null))).collect::<serde_json::Map<_, _>>().into();
    let cleared = scene.changes(nothing).await.ok(200);
    assert_eq!(cleared, first, "null clears");
    assert_eq!(there.event("inbox.changed").await["folder"], json!(null), "the repeat told nothing");
    assert_eq!(there.event("inbox.changed").await["draft"], json!(null));

    let of_bob = scene.bob.raw.with("natter-position", &changed.position()).get(&scene.path("")).await.ok(200);
    assert_eq!((&of_bob["pinned"], &of_bob["folder"]), (&json!(false), &json!(null)), "nobody else's");
    // What comes next to him is not hers.
    scene.alice.says(&scene.id, &new_id(), "four").await.ok(201);
    let next = bobs.event("message.sent").await;
    // Whom a message mentions is for everybody to see.
    let personal: Vec<&str> = PERSONAL.iter().copied().filter(|field| *field != "mentions").collect();
    lacks(&next["message"], &personal);
}

#[tokio::test]
async fn what_a_view_cannot_be_is_refused_at_its_place() {
    let scene = Scene::new().await;
    let stranger = Someone::register(&scene.node, "carol").await;
    let before = scene.stack.event_count().await;
    for (change, pointer) in [
        (json!({"pinned": 1}), "/pinned"),
        (json!({"pinned": "true"}), "/pinned"),
        (json!({"archived": []}), "/archived"),
        (json!({"hidden": "no"}), "/hidden"),
        (json!({"marked_unread": 0}), "/marked_unread"),
        (json!({"quiet_until": "2020-01-01T00:00:00Z"}), "/quiet_until"),
        (json!({"quiet_until": "for ever"}), "/quiet_until"),
        (json!({"quiet_until": 4_000_000_000_u64}), "/quiet_until"),
        (json!({"quiet_until": true}), "/quiet_until"),
        (json!({"folder": ""}), "/folder"),
        (json!({"folder": "a".repeat(65)}), "/folder"),
        (json!({"folder": "a\nb"}), "/folder"),
        (json!({"folder": "\u{202e}a"}), "/folder"),
        (json!({"folder": 7}), "/folder"),
        (json!({"draft": "a".repeat(16_385)}), "/draft"),
        (json!({"draft": "a\0b"}), "/draft"),
        (json!({"draft": {"text": "a"}}), "/draft"),
        (json!({"cleared_seq": 3}), "/cleared_seq"),
        (json!({"read_seq": 3}), "/read_seq"),
        (json!([]), ""),
    ] {
        scene.changes(change).await.invalid(pointer);
    }
    for query in ["pinned=1", "archived=yes", "hidden=", "folder=", "folder=a%0Ab"] {
        let pointer = format!("/{}", query.split('=').next().unwrap_or_default());
        scene.alice.raw.get(&format!("{LIST}?{query}")).await.invalid(&pointer);
    }
    for conversation in [scene.id.clone(), new_id()] {
        change_view(&stranger, &conversation, json!({"pinned": true})).await.refused(404, "not_found");
        stranger.raw.call("DELETE", &path(&conversation, "/inbox"), None).await.refused(404, "not_found");
    }
    scene.changes(json!({})).await.ok(200);
    assert_eq!(scene.stack.event_count().await, before, "nothing was written");
}

#[tokio::test]
async fn what_is_hidden_comes_back_with_a_new_message_and_lists_show_what_is_asked_for() {
    let mut scene = Scene::new().await;
    let carol = Someone::register(&scene.node, "carol").await;
    let (other, _) = scene.alice.befriends(&carol).await;
    let hidden = scene.changes(json!({"hidden": true, "folder": "work"})).await;
    assert_eq!(hidden.ok(200)["hidden"], true);
    let list = async |position: &str, query: &str| ids(&scene.reads(position, &format!("{LIST}{query}")).await);
    let at = hidden.position();
    assert_eq!(list(&at, "").await, [other.as_str()]);
    assert_eq!(list(&at, "?hidden=true").await, [scene.id.clone()]);
    assert_eq!(list(&at, "?hidden=false").await, [other.as_str()]);
    assert_eq!(list(&at, "?hidden=true&folder=work").await, [scene.id.clone()]);
    assert_eq!(scene.own(&at).await["hidden"], true, "it is there for who asks for it");
    let pinned = change_view(&scene.alice, &other, json!({"pinned": true})).await.position();
    assert_eq!(list(&pinned, "?pinned=true").await, [other.as_str()]);
    assert_eq!(list(&pinned, "?pinned=false").await, [""; 0]);
    assert_eq!(list(&pinned, "?archived=true").await, [""; 0]);

    let cursor = text(&scene.reads(&pinned, "/api/v1/sync").await["cursor"]);
    scene.bob_says("four").await;
    let at = scene.position.clone();
    assert_eq!(scene.own(&at).await["hidden"], false);
    assert_eq!(ids(&scene.reads(&at, LIST).await), [scene.id.clone(), other]);
    assert_eq!(ids(&scene.reads(&at, &format!("{LIST}?folder=work")).await), [scene.id.clone()]);
    let synced = scene.reads(&at, &format!("/api/v1/sync?cursor={cursor}")).await;
    assert_eq!(synced["conversations"][0]["hidden"], false);
    let shown = scene.changes(json!({"hidden": true})).await.ok(200);
    assert_eq!(shown["hidden"], true, "once more");
    assert_eq!(scene.changes(json!({"hidden": false})).await.ok(200)["hidden"], false);
}

#[tokio::test]
async fn a_mark_ends_by_reading() {
    let scene = Scene::new().await;
    let own = scene.changes(json!({"marked_unread": true})).await.ok(200);
    assert_eq!((&own["marked_unread"], &own["unread"]), (&json!(true), &json!(3)));
    let mut socket = connect(&scene.alice).await;
    let read = scene.alice.raw.put(&scene.path("/read"), json!({"seq": 3}).to_string()).await;
    let own = scene.own(&read.position()).await;
    assert_eq!((&own["marked_unread"], &own["unread"]), (&json!(false), &json!(0)));
    assert_eq!(socket.event("conversation.read").await["seq"], 3);
    assert_eq!(socket.event("inbox.changed").await["marked_unread"], false);
    // There is nothing to read any more: who marks it again takes the mark off again.
    assert_eq!(scene.changes(json!({"marked_unread": true})).await.ok(200)["marked_unread"], true);
    assert_eq!(scene.changes(json!({"marked_unread": false})).await.ok(200)["marked_unread"], false);
}

#[tokio::test]
async fn what_is_deleted_for_oneself_is_gone_by_every_path_and_stays_with_the_others() {
    let mut scene = Scene::new().await;
    let other = another_device(&scene.node, &scene.alice, "alice").await;
    let cursor = text(&scene.reads(&scene.position, "/api/v1/sync").await["cursor"]);
    let (mut here, mut there) = (connect(&scene.alice).await, connect(&other).await);
    scene.changes(json!({"draft": "not sent", "pinned": true})).await.ok(200);
    let deleted = scene.clears().await;
    assert_eq!((deleted.status, deleted.text().as_str()), (204, ""));
    let at = deleted.position();

    let own = scene.own(&at).await;
    for (field, value) in [
        ("cleared_seq", json!(3)),
        ("last_seq", json!(3)),
        ("read_seq", json!(3)),
        ("unread", json!(0)),
        ("last_message", json!(null)),
        ("hidden", json!(true)),
        ("pinned", json!(true)),
        ("draft", json!(null)),
    ] {
        assert_eq!(own[field], value, "{field}");
    }
    assert_eq!(ids(&scene.reads(&at, LIST).await), [""; 0]);
    for query in ["", "?after_seq=0", "?before_seq=3", "?around_seq=2", "?limit=1"] {
        assert_eq!(seqs(&scene.reads(&at, &scene.path(&format!("/messages{query}"))).await), json!([]), "{query}");
    }
    let reader = scene.alice.raw.with("natter-position", &at);
    let third = scene.path(&format!("/messages/{}", scene.messages[2]));
    reader.get(&third).await.refused(404, "not_found");
    let lookup = json!({"ids": scene.messages}).to_string();
    let found = reader.post(&scene.path("/messages/lookup"), lookup.clone()).await.ok(200);
    assert_eq!(found, json!({"items": []}));
    let listed = here.ok(json!({"id": "1", "op": "message.list", "conversation_id": scene.id, "position": at})).await;
    assert_eq!(listed, json!({"items": []}));

    // Both devices are told, the one that asked too; what it was before and what it is now.
    for socket in [&mut here, &mut there] {
        let told: Vec<Value> = [
            socket.event("inbox.changed").await,
            socket.event("inbox.changed").await,
            socket.event("inbox.changed").await,
            socket.event("inbox.changed").await,
            socket.event("inbox.changed").await,
        ]
        .into();
        assert_eq!(told.iter().find_map(|told| told.get("cleared_seq")), Some(&json!(3)), "{told:?}");
        assert_eq!(told.iter().filter_map(|told| told.get("hidden")).next_back(), Some(&json!(true)), "{told:?}");
        assert_eq!(told.iter().filter_map(|told| told.get("draft")).next_back(), Some(&json!(null)), "{told:?}");
    }
    // What becomes of it does not bring it back.
    let edit = json!({"body": {"kind": "text", "text": "edited"}}).to_string().into_bytes();
    let bob = scene.bob.raw.with("content-type", "application/json");
    let edited = bob.call("PATCH", &third, Some(edit)).await;
    edited.ok(200);
    let synced = scene.reads(&edited.position(), &format!("/api/v1/sync?cursor={cursor}")).await;
    assert_eq!((&synced["messages"], &synced["conversations"][0]["cleared_seq"]), (&json!([]), &json!(3)));
    let repeated = scene.clears().await;
    assert_eq!(repeated.status, 204);

    let of_bob = scene.bob.raw.with("natter-position", &at);
    assert_eq!(seqs(&of_bob.get(&scene.path("/messages")).await.ok(200)), json!([3, 2, 1]));
    assert_eq!(of_bob.get(&scene.path("")).await.ok(200)["cleared_seq"], 0);

    scene.bob_says("four").await;
    let at = scene.position.clone();
    let own = scene.own(&at).await;
    assert_eq!((&own["unread"], &own["hidden"], &own["last_seq"]), (&json!(1), &json!(false), &json!(4)));
    assert_eq!(own["last_message"]["body"]["text"], "four");
    assert_eq!(seqs(&scene.reads(&at, &scene.path("/messages")).await), json!([4]));
    assert_eq!(seqs(&scene.reads(&at, &scene.path("/messages?around_seq=2")).await), json!([4]));
    let found = scene.alice.raw.post(&scene.path("/messages/lookup"), lookup).await.ok(200);
    assert_eq!(found, json!({"items": []}));
}

/// As they recall it: it is theirs still.
#[tokio::test]
async fn what_is_deleted_for_oneself_is_edited_for_the_others() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    let note = new_id();
    alice.says(&scene.id, &note, "four").await.ok(201);
    assert_eq!(scene.clears().await.status, 204);
    let mine = scene.path(&format!("/messages/{note}"));
    let edit = json!({"body": {"kind": "text", "text": "five"}}).to_string().into_bytes();
    let typed = alice.raw.with("content-type", "application/json");
    let edited = typed.call("PATCH", &mine, Some(edit)).await;
    assert_eq!((edited.status, edited.text().as_str()), (204, ""));
    alice.raw.with("natter-position", &edited.position()).get(&mine).await.refused(404, "not_found");
    let read = bob.raw.with("natter-position", &edited.position()).get(&mine).await.ok(200);
    assert_eq!(read["body"]["text"], "five");
    assert_eq!(alice.raw.call("DELETE", &mine, None).await.status, 204);
}

#[tokio::test]
async fn a_repeated_deletion_deletes_nothing_more() {
    let mut scene = Scene::new().await;
    let keyed = scene.alice.raw.with("idempotency-key", &new_id());
    let inbox = scene.path("/inbox");
    assert_eq!(keyed.call("DELETE", &inbox, None).await.status, 204);
    scene.bob_says("four").await;
    let again = keyed.call("DELETE", &inbox, None).await;
    assert_eq!(again.status, 204);
    let at = scene.position.clone();
    assert_eq!(seqs(&scene.reads(&at, &scene.path("/messages")).await), json!([4]));
    let other = scene.alice.raw.with("content-type", "application/json").with("idempotency-key", &new_id());
    let pin = json!({"pinned": true}).to_string().into_bytes();
    other.call("PATCH", &inbox, Some(pin.clone())).await.ok(200);
    let before = scene.stack.event_count().await;
    other.call("PATCH", &inbox, Some(pin)).await.ok(200);
    assert_eq!(scene.stack.event_count().await, before);
    let archive = json!({"archived": true}).to_string().into_bytes();
    other.call("PATCH", &inbox, Some(archive)).await.refused(409, "conflict");
}

#[tokio::test]
async fn who_has_left_keeps_their_own_view_and_learns_nothing_by_it() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    let group = json!({"kind": "group", "name": "us", "members": [alice.id]}).to_string();
    let group = text(&bob.raw.post(LIST, group).await.ok(201)["id"]);
    bob.says(&group, &new_id(), "two").await.ok(201);
    let left = alice.raw.call("DELETE", &path(&group, "/members/me"), None).await;
    assert_eq!(left.status, 204);
    bob.says(&group, &new_id(), "four").await.ok(201);

    let own = change_view(alice, &group, json!({"pinned": true, "hidden": true})).await.ok(200);
    assert_eq!((&own["pinned"], &own["hidden"], &own["left_seq"]), (&json!(true), &json!(true), &json!(3)));
    let deleted = alice.raw.call("DELETE", &path(&group, "/inbox"), None).await;
    assert_eq!(deleted.status, 204);
    let reader = alice.raw.with("natter-position", &deleted.position());
    let own = reader.get(&path(&group, "")).await.ok(200);
    assert_eq!((&own["cleared_seq"], &own["last_message"]), (&json!(3), &json!(null)), "not what came later");
    assert_eq!(seqs(&reader.get(&path(&group, "/messages?after_seq=0")).await.ok(200)), json!([]));

    let added = bob.raw.post(&path(&group, "/members"), json!({"account_ids": [alice.id]}).to_string()).await;
    added.ok(200);
    let own = alice.raw.with("natter-position", &added.position()).get(&path(&group, "")).await.ok(200);
    assert_eq!((&own["hidden"], &own["pinned"]), (&json!(false), &json!(true)));
    let page = alice.raw.with("natter-position", &added.position()).get(&path(&group, "/messages")).await.ok(200);
    assert_eq!(seqs(&page), json!([5]));
}

#[tokio::test]
async fn only_so_many_are_pinned() {
    let scene = Scene::new().await;
    let own = text(&scene.alice.raw.post(LIST, json!({"kind": "self"}).to_string()).await.ok(201)["id"]);
    let mut groups = vec![own];
    for number in 0..99 {
        let group = json!({"kind": "group", "name": format!("group {number}"), "members": []}).to_string();
        groups.push(text(&scene.alice.raw.post(LIST, group).await.ok(201)["id"]));
    }
    for group in &groups {
        change_view(&scene.alice, group, json!({"pinned": true})).await.ok(200);
    }
    scene.changes(json!({"pinned": true})).await.refused(409, "conflict");
    change_view(&scene.alice, &groups[7], json!({"pinned": false})).await.ok(200);
    scene.changes(json!({"pinned": true})).await.ok(200);
}

#[tokio::test]
async fn everybody_has_one_conversation_with_themselves() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
    let mut socket = connect(&alice).await;
    let opened = alice.raw.post(LIST, json!({"kind": "direct", "with": alice.id}).to_string()).await;
    let own = opened.ok(201);
    has(&own, OWN_CONVERSATION);
    assert_eq!((&own["kind"], &own["state"], &own["name"]), (&json!("self"), &json!("open"), &json!(null)));
    assert_eq!((&own["member_count"], &own["account_ids"], &own["peer"]), (&json!(1), &json!([]), &json!(null)));
    assert_eq!((&own["last_seq"], &own["last_message"]), (&json!(0), &json!(null)));
    let id = text(&own["id"]);
    let started = socket.event("conversation.started").await;
    assert_eq!((&started["conversation"]["id"], &started["conversation"]["kind"]), (&json!(id), &json!("self")));
    lacks(&started["conversation"], PERSONAL);
    for again in [json!({"kind": "self"}), json!({"kind": "direct", "with": alice.id})] {
        assert_eq!(alice.raw.post(LIST, again.to_string()).await.ok(200), own, "one, for ever");
    }
    let others = text(&bob.raw.post(LIST, json!({"kind": "self"}).to_string()).await.ok(201)["id"]);
    assert_ne!(others, id);
    bob.raw.get(&path(&id, "")).await.refused(404, "not_found");
    bob.says(&id, &new_id(), "let me in").await.refused(404, "not_found");

    let note = new_id();
    alice.says(&id, &note, "milk").await.ok(201);
    let told = socket.event("message.sent").await;
    has(&told["message"], MESSAGE);
    let edit = json!({"body": {"kind": "text", "text": "milk and bread"}}).to_string().into_bytes();
    let typed = alice.raw.with("content-type", "application/json");
    typed.call("PATCH", &path(&id, &format!("/messages/{note}")), Some(edit)).await.ok(200);
    let reaction = path(&id, &format!("/messages/{note}/reactions/x"));
    assert_eq!(alice.raw.call("PUT", &reaction, None).await.status, 204);
    let pinned = alice.raw.call("PUT", &path(&id, &format!("/messages/{note}/pin")), None).await;
    let reader = alice.raw.with("natter-position", &pinned.position());
    let read = reader.get(&path(&id, "")).await.ok(200);
    assert_eq!((&read["unread"], &read["last_seq"]), (&json!(0), &json!(1)), "what one writes oneself is read");
    assert_eq!(read["last_message"]["body"]["text"], "milk and bread");
    assert_eq!(ids(&reader.get(LIST).await.ok(200)), [id.as_str()]);
    let members = reader.get(&path(&id, "/members")).await.ok(200);
    assert_eq!(members["items"].as_array().map(Vec::len), Some(1));
    let recalled = alice.raw.call("DELETE", &path(&id, &format!("/messages/{note}")), None).await;
    assert_eq!(recalled.status, 204);

    alice.befriends(&bob).await;
    let add = json!({"account_ids": [bob.id]}).to_string();
    alice.raw.post(&path(&id, "/members"), add).await.refused(403, "forbidden");
    alice.raw.call("DELETE", &path(&id, "/members/me"), None).await.refused(403, "forbidden");
    typed.call("PATCH", &path(&id, ""), Some(br#"{"name": "notes"}"#.to_vec())).await.refused(403, "forbidden");
    let again = alice.raw.post(&path(&id, "/messages"), message(&note, "milk")).await;
    again.ok(200);
    let view = change_view(&alice, &id, json!({"pinned": true, "draft": "eggs"})).await.ok(200);
    assert_eq!((&view["pinned"], &view["draft"]), (&json!(true), &json!("eggs")));
    let deleted = alice.raw.call("DELETE", &path(&id, "/inbox"), None).await;
    let reader = alice.raw.with("natter-position", &deleted.position());
    assert_eq!(seqs(&reader.get(&path(&id, "/messages")).await.ok(200)), json!([]));
    assert_eq!(alice.raw.post(LIST, json!({"kind": "self"}).to_string()).await.ok(200)["cleared_seq"], 1);
}
