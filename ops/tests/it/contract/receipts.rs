//! What has come and what was read, as others are told it, and what is unread, as one is told it oneself.

use super::{OWN_CONVERSATION, Someone, has, new_id, text};
use natter_testkit::{Node, Options, RawSocket, Reply, Stack};
use serde_json::{Value, json};

const TOTALS: &str = "/api/v1/conversations/unread";

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

fn path(conversation: &str, rest: &str) -> String {
    format!("/api/v1/conversations/{conversation}{rest}")
}

async fn change(who: &Someone, path: &str, change: Value) -> Reply {
    let typed = who.raw.with("content-type", "application/json");
    typed.call("PATCH", path, Some(change.to_string().into_bytes())).await
}

async fn reads_up_to(who: &Someone, conversation: &str, seq: u64) -> String {
    let read = who.raw.put(&path(conversation, "/read"), json!({"seq": seq}).to_string()).await;
    read.ok(200);
    read.position()
}

async fn sees(who: &Someone, position: &str, path: &str) -> Value {
    who.raw.with("natter-position", position).get(path).await.ok(200)
}

async fn has_come(socket: &mut RawSocket, conversation: &str, seq: u64) -> Value {
    let come = json!({"id": new_id(), "op": "message.delivered", "conversation_id": conversation, "seq": seq});
    socket.ok(come).await
}

/// Who is shown to have read it.
async fn readers(who: &Someone, position: &str, conversation: &str, message: &str) -> Vec<(String, u64)> {
    let listed = sees(who, position, &path(conversation, &format!("/messages/{message}/readers"))).await;
    assert_eq!(listed["next_cursor"], json!(null));
    let items = listed["items"].as_array().expect("items");
    items.iter().map(|it| (text(&it["account_id"]), it["read_seq"].as_u64().expect("a number"))).collect()
}

struct Friends {
    _stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    talk: String,
    /// Alice's.
    messages: Vec<String>,
    position: String,
}

impl Friends {
    /// Alice has said three things to bob.
    async fn meet() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let (talk, _) = alice.befriends(&bob).await;
        let (mut messages, mut position) = (Vec::new(), String::new());
        for words in ["one", "two", "three"] {
            let message = new_id();
            position = alice.says(&talk, &message, words).await.position();
            messages.push(message);
        }
        Self { _stack: stack, node, alice, bob, talk, messages, position }
    }

    /// What alice is shown of bob's reading.
    async fn shown(&self, position: &str) -> (Value, Value) {
        let own = sees(&self.alice, position, &path(&self.talk, "")).await;
        has(&own, OWN_CONVERSATION);
        (own["peer_read_seq"].clone(), own["peer_delivered_seq"].clone())
    }
}

#[tokio::test]
async fn what_has_come_is_told_to_the_other_one_and_to_ones_own_devices() {
    let friends = Friends::meet().await;
    let Friends { alice, bob, talk, position, .. } = &friends;
    let (mut hers, mut his, mut his_other) = (connect(alice).await, connect(bob).await, connect(bob).await);
    assert_eq!(friends.shown(position).await, (json!(0), json!(0)));

    assert_eq!(has_come(&mut his, talk, 2).await, json!({}));
    let mut at = String::new();
    for socket in [&mut hers, &mut his, &mut his_other] {
        let told = socket.event("message.delivered").await;
        assert_eq!(
            (&told["conversation_id"], &told["account_id"], &told["seq"]),
            (&json!(talk), &json!(bob.id), &json!(2))
        );
        at = text(&told["position"]);
    }
    assert_eq!(friends.shown(&at).await, (json!(0), json!(2)));

    // It never goes back, and what was read has come.
    has_come(&mut his, talk, 1).await;
    let at = reads_up_to(bob, talk, 3).await;
    assert_eq!(hers.find("a push", |frame| frame["event"].is_string()).await["event"], "conversation.read");
    assert_eq!(friends.shown(&at).await, (json!(3), json!(3)));
    let own = sees(bob, &at, &path(talk, "")).await;
    assert_eq!((&own["peer_read_seq"], &own["peer_delivered_seq"]), (&json!(0), &json!(0)), "each sees the other's");
}

#[tokio::test]
async fn only_of_a_direct_conversation_is_it_told_what_has_come() {
    let friends = Friends::meet().await;
    let Friends { alice, bob, node, talk, .. } = &friends;
    let group = json!({"kind": "group", "name": "us", "members": [bob.id]}).to_string();
    let group = text(&alice.raw.post("/api/v1/conversations", group).await.ok(201)["id"]);
    let own = alice.raw.post("/api/v1/conversations", json!({"kind": "self"}).to_string()).await.ok(201);
    let carol = Someone::register(node, "carol").await;
    let (mut hers, mut carols) = (connect(alice).await, connect(&carol).await);
    let come =
        |id: &Value, seq: Value| json!({"id": "1", "op": "message.delivered", "conversation_id": id, "seq": seq});
    for (id, seq, status, code) in [
        (json!(group), json!(1), 403, "forbidden"),
        (own["id"].clone(), json!(0), 403, "forbidden"),
        (json!(new_id()), json!(0), 404, "not_found"),
        (json!(talk), json!(4), 422, "invalid_input"),
        (json!(talk), json!(-1), 422, "invalid_input"),
    ] {
        hers.send(come(&id, seq).to_string()).await;
        hers.refused(&json!("1"), status, code).await;
    }
    carols.send(come(&json!(talk), json!(1)).to_string()).await;
    carols.refused(&json!("1"), 404, "not_found").await;
    let shown = sees(alice, &friends.position, &path(&group, "")).await;
    assert_eq!((&shown["peer_read_seq"], &shown["peer_delivered_seq"]), (&json!(null), &json!(null)));
    let command_id = new_id();
    let keyed = |seq: u64| {
        let mut frame = come(&json!(talk), json!(seq));
        frame["command_id"] = json!(command_id);
        frame
    };
    assert_eq!(hers.ok(keyed(1)).await, json!({}));
    assert_eq!(hers.ok(keyed(1)).await, json!({}));
    hers.send(keyed(2).to_string()).await;
    hers.refused(&json!("1"), 409, "conflict").await;
}

#[tokio::test]
async fn across_a_block_nothing_moves() {
    let friends = Friends::meet().await;
    let Friends { alice, bob, talk, messages, .. } = &friends;
    let (mut hers, mut his) = (connect(alice).await, connect(bob).await);
    has_come(&mut his, talk, 1).await;
    hers.event("message.delivered").await;
    bob.raw.call("PUT", &format!("/api/v1/blocks/{}", alice.id), None).await.ok(200);
    has_come(&mut his, talk, 2).await;
    let told = his.find("of what came then", |it| it["event"] == "message.delivered" && it["seq"] == 2).await;
    let at = reads_up_to(bob, talk, 3).await;
    assert_eq!(friends.shown(&text(&told["position"])).await, (json!(0), json!(1)));
    assert_eq!(friends.shown(&at).await, (json!(0), json!(1)));
    assert_eq!(readers(alice, &at, talk, &messages[0]).await, []);
    alice.says(talk, &new_id(), "hi").await.refused(403, "conversation_closed");
    let heard = alice.raw.post("/api/v1/conversations", json!({"kind": "self"}).to_string()).await.ok(201);
    alice.says(&text(&heard["id"]), &new_id(), "mark").await.ok(201);
    let next =
        hers.find("a push", |frame| frame["event"] == "message.sent" || frame["account_id"] == json!(bob.id)).await;
    assert_eq!(next["event"], "message.sent", "she heard nothing of him: {next}");
}

#[tokio::test]
async fn who_does_not_show_what_they_read_is_not_shown_it_either() {
    let friends = Friends::meet().await;
    let Friends { alice, bob, talk, messages, .. } = &friends;
    let (mut hers, mut his) = (connect(alice).await, connect(bob).await);
    reads_up_to(bob, talk, 1).await;
    hers.event("conversation.read").await;
    his.event("conversation.read").await;
    let off = change(bob, "/api/v1/settings", json!({"read_receipts": false})).await;
    assert_eq!(off.ok(200)["read_receipts"], json!(false));
    let cursor = text(&alice.raw.get("/api/v1/sync").await.ok(200)["cursor"]);
    assert_eq!(friends.shown(&off.position()).await, (json!(null), json!(1)));

    let at = reads_up_to(bob, talk, 2).await;
    assert_eq!(his.event("conversation.read").await["seq"], 2, "his own devices");
    let told = hers.find("of bob", |frame| frame["account_id"] == json!(bob.id)).await;
    assert_eq!((&told["event"], &told["seq"]), (&json!("message.delivered"), &json!(2)));
    assert_eq!(friends.shown(&at).await, (json!(null), json!(2)));
    assert_eq!(sees(bob, &at, &path(talk, "")).await["read_seq"], json!(2), "the cursor goes on");
    assert_eq!(readers(alice, &at, talk, &messages[0]).await, []);
    let told = sees(alice, &at, &format!("/api/v1/sync?cursor={cursor}")).await;
    assert_eq!(told["conversations"][0]["peer_delivered_seq"], json!(2));

    // Nor is he shown how far she has.
    bob.says(talk, &new_id(), "four").await.ok(201);
    let at = reads_up_to(alice, talk, 4).await;
    let own = sees(bob, &at, &path(talk, "")).await;
    assert_eq!((&own["peer_read_seq"], &own["peer_delivered_seq"]), (&json!(null), &json!(4)));
    let told = his.find("of alice", |frame| frame["account_id"] == json!(alice.id)).await;
    assert_eq!(told["event"], "message.delivered");

    let on = change(bob, "/api/v1/settings", json!({"read_receipts": true})).await.position();
    assert_eq!(friends.shown(&on).await, (json!(1), json!(2)), "what was read meanwhile is not told");
    let at = reads_up_to(bob, talk, 3).await;
    assert_eq!(friends.shown(&at).await, (json!(3), json!(3)));
    assert_eq!(readers(alice, &at, talk, &messages[1]).await, [(bob.id.clone(), 3)]);
    change(bob, "/api/v1/settings", json!({"read_receipts": "yes"})).await.invalid("/read_receipts");
}

#[tokio::test]
async fn sync_tells_that_the_other_one_has_read_or_got_something() {
    let friends = Friends::meet().await;
    let Friends { alice, bob, talk, position, .. } = &friends;
    let mut his = connect(bob).await;
    let mut cursor = text(&sees(alice, position, "/api/v1/sync").await["cursor"]);
    has_come(&mut his, talk, 1).await;
    let come = text(&his.event("message.delivered").await["position"]);
    for (read, expected) in [(None, (json!(0), json!(1))), (Some(2), (json!(2), json!(2)))] {
        let at = match read {
            Some(seq) => reads_up_to(bob, talk, seq).await,
            None => come.clone(),
        };
        let told = sees(alice, &at, &format!("/api/v1/sync?cursor={cursor}")).await;
        let own = &told["conversations"][0];
        assert_eq!((own["peer_read_seq"].clone(), own["peer_delivered_seq"].clone()), expected, "{told}");
        cursor = text(&told["cursor"]);
    }
}

/// Alice's group with bob and carol, where dave is a stranger. She has said something as the second message.
struct Group {
    people: [Someone; 4],
    node: Node,
    id: String,
    message: String,
    _stack: Stack,
}

impl Group {
    async fn meet(more: Vec<(&'static str, String)>) -> Self {
        let stack = Stack::new().await;
        let node = stack.node_with(Options { more, ..Options::default() }).await;
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            people.push(Someone::register(&node, name).await);
        }
        let people: [Someone; 4] = people.try_into().ok().expect("four");
        let [alice, bob, carol, _] = &people;
        for friend in [bob, carol] {
            alice.befriends(friend).await;
        }
        let group = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id]}).to_string();
        let id = text(&alice.raw.post("/api/v1/conversations", group).await.ok(201)["id"]);
        let message = new_id();
        alice.says(&id, &message, "hello").await.ok(201);
        Self { people, node, id, message, _stack: stack }
    }

    fn readers(&self, rest: &str) -> String {
        path(&self.id, &format!("/messages/{}/readers{rest}", self.message))
    }
}

#[tokio::test]
async fn members_are_shown_who_of_them_has_read_a_message() {
    let group = Group::meet(vec![]).await;
    let [alice, bob, carol, dave] = &group.people;
    let at = reads_up_to(bob, &group.id, 1).await;
    assert_eq!(readers(alice, &at, &group.id, &group.message).await, [], "he has not come to it");
    reads_up_to(alice, &group.id, 2).await;
    reads_up_to(bob, &group.id, 2).await;
    carol.says(&group.id, &new_id(), "more").await.ok(201);
    let at = reads_up_to(carol, &group.id, 3).await;
    let mut expected = [(bob.id.clone(), 2), (carol.id.clone(), 3)];
    expected.sort();
    for who in [alice, bob] {
        assert_eq!(readers(who, &at, &group.id, &group.message).await, expected, "but for who wrote it");
    }
    // By pages.
    let first = sees(alice, &at, &group.readers("?limit=1")).await;
    assert_eq!(first["items"], json!([{"account_id": expected[0].0, "read_seq": expected[0].1}]));
    let next = text(&first["next_cursor"]);
    let second = sees(alice, &at, &group.readers(&format!("?limit=1&cursor={next}"))).await;
    assert_eq!((&second["items"][0]["account_id"], &second["next_cursor"]), (&json!(expected[1].0), &json!(null)));
    alice.raw.get(&group.readers("?limit=0")).await.invalid("/limit");
    alice.raw.get(&group.readers("?cursor=x")).await.invalid("/cursor");

    // Who does not show it is not among them, and is shown nobody.
    let off = change(bob, "/api/v1/settings", json!({"read_receipts": false})).await.position();
    assert_eq!(readers(alice, &off, &group.id, &group.message).await, [(carol.id.clone(), 3)]);
    assert_eq!(readers(bob, &off, &group.id, &group.message).await, []);

    dave.raw.get(&group.readers("")).await.refused(404, "not_found");
    alice.raw.get(&path(&group.id, &format!("/messages/{}/readers", new_id()))).await.refused(404, "not_found");
    alice.raw.get(&path(&group.id, "/messages/x/readers")).await.refused(400, "malformed");
    let left = carol.raw.call("DELETE", &path(&group.id, "/members/me"), None).await.position();
    carol.raw.with("natter-position", &left).get(&group.readers("")).await.refused(403, "not_a_member");
    assert_eq!(readers(alice, &left, &group.id, &group.message).await, [], "who has left is not listed");
}

#[tokio::test]
async fn who_came_later_has_not_read_what_was_before_them() {
    let group = Group::meet(vec![]).await;
    let [alice, _, _, dave] = &group.people;
    change(alice, &path(&group.id, ""), json!({"settings": {"shares_history": true}})).await.ok(200);
    alice.befriends(dave).await;
    let added = json!({"account_ids": [dave.id]}).to_string();
    alice.raw.post(&path(&group.id, "/members"), added).await.ok(200);
    let message = new_id();
    let seq = alice.says(&group.id, &message, "welcome").await.ok(201)["seq"].as_u64().expect("a number");
    let at = reads_up_to(dave, &group.id, seq).await;
    assert_eq!(readers(alice, &at, &group.id, &message).await, [(dave.id.clone(), seq)]);
    assert_eq!(readers(alice, &at, &group.id, &group.message).await, []);
    sees(dave, &at, &group.readers("")).await;
    change(alice, &path(&group.id, ""), json!({"settings": {"shares_history": false}})).await.ok(200);
}

#[tokio::test]
async fn in_a_group_of_many_and_in_a_channel_nobody_is_told() {
    let group = Group::meet(vec![("NATTER_READERS_MAX", "2".to_owned())]).await;
    let [alice, bob, carol, _] = &group.people;
    alice.raw.get(&group.readers("")).await.refused(403, "forbidden");
    let left = carol.raw.call("DELETE", &path(&group.id, "/members/me"), None).await.position();
    assert_eq!(readers(alice, &left, &group.id, &group.message).await, [], "two are not too many");
    reads_up_to(bob, &group.id, 2).await;
    let channel = json!({"kind": "channel", "name": "news"}).to_string();
    let channel = text(&alice.raw.post("/api/v1/conversations", channel).await.ok(201)["id"]);
    let message = new_id();
    let said = alice.says(&channel, &message, "news").await.position();
    let asked = path(&channel, &format!("/messages/{message}/readers"));
    alice.raw.with("natter-position", &said).get(&asked).await.refused(403, "forbidden");
    assert_eq!(group.node.raw().get(&asked).await.status, 401);
}

#[tokio::test]
async fn totals_are_the_sums_of_what_is_listed() {
    let group = Group::meet(vec![]).await;
    let [alice, bob, carol, _] = &group.people;
    let listed = bob.raw.get("/api/v1/conversations").await.ok(200);
    let talk = listed["items"].as_array().expect("items").iter().find(|own| own["kind"] == "direct");
    let talk = text(&talk.expect("with alice")["id"]);
    for words in ["one", "two"] {
        alice.says(&talk, &new_id(), words).await.ok(201);
    }
    let (with_carol, _) = carol.befriends(bob).await;
    let at = carol.says(&with_carol, &new_id(), "three").await.position();
    let sum =
        |unread: u64, conversations: u64| json!({"unread": unread, "mentions": 0, "conversations": conversations});
    let both = |loud: Value, quiet: Value| {
        let mut both = loud;
        both["quiet"] = quiet;
        both
    };
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(4, 3), sum(0, 0)));

    let at =
        change(bob, &path(&group.id, "/inbox"), json!({"quiet_until": "9999-12-31T00:00:00.000Z"})).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(3, 2), sum(1, 1)));
    let at = change(bob, &path(&talk, "/inbox"), json!({"archived": true})).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(1, 1), sum(1, 1)));
    let at = change(bob, &path(&with_carol, "/inbox"), json!({"hidden": true})).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(0, 0), sum(1, 1)));
    let at = carol.says(&with_carol, &new_id(), "four").await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(2, 1), sum(1, 1)), "what is new shows it again");
    reads_up_to(bob, &group.id, 2).await;
    reads_up_to(bob, &with_carol, 2).await;
    let at = change(bob, &path(&with_carol, "/inbox"), json!({"marked_unread": true})).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(0, 1), sum(0, 0)), "what is marked counts as one");
    let at = bob.raw.call("DELETE", &path(&with_carol, "/inbox"), None).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await, both(sum(0, 0), sum(0, 0)));
    let nobody = Someone::register(&group.node, "erin").await;
    assert_eq!(nobody.raw.get(TOTALS).await.ok(200), both(sum(0, 0), sum(0, 0)));
}

#[tokio::test]
async fn explained_is_why_it_is_so_many() {
    let group = Group::meet(vec![]).await;
    let [alice, bob, carol, dave] = &group.people;
    let taken_back = new_id();
    alice.says(&group.id, &taken_back, "taken back").await.ok(201);
    bob.says(&group.id, &new_id(), "his own").await.ok(201);
    let recalled = alice.raw.call("DELETE", &path(&group.id, &format!("/messages/{taken_back}")), None).await;
    let left = carol.raw.call("DELETE", &path(&group.id, "/members/me"), None).await;
    assert_eq!((recalled.status, left.status), (204, 204));
    let more = json!({"message_id": new_id(), "body": {"kind": "text", "text": "more"}, "mentions": [bob.id]});
    let at = alice.raw.post(&path(&group.id, "/messages"), more.to_string()).await.position();
    assert_eq!(sees(bob, &at, TOTALS).await["mentions"], json!(1));
    let explain = path(&group.id, "/unread/explain");
    let mut explained = sees(bob, &at, &explain).await;
    let counted_to = text(&explained["position"]);
    explained["position"] = json!(null);
    let expected = json!({
        "unread": 2, "mentions": 1, "read_seq": 0, "last_seq": 6, "cleared_seq": 0, "marked_unread": false,
        "spans": [{"after_seq": 0, "until_seq": 6}],
        "counted": {"messages": 6, "own": 1, "system": 2, "recalled": 1, "deleted": 0}, "position": null,
    });
    assert_eq!(explained, expected);
    assert_eq!(sees(bob, &counted_to, &path(&group.id, "")).await["unread"], json!(2));

    reads_up_to(bob, &group.id, 2).await;
    let at = change(bob, &path(&group.id, "/inbox"), json!({"marked_unread": true})).await.position();
    let explained = sees(bob, &at, &explain).await;
    assert_eq!((&explained["unread"], &explained["read_seq"]), (&json!(1), &json!(2)));
    assert_eq!((&explained["marked_unread"], &explained["spans"][0]["after_seq"]), (&json!(true), &json!(2)));
    let at = bob.raw.call("DELETE", &path(&group.id, "/inbox"), None).await.position();
    let explained = sees(bob, &at, &explain).await;
    assert_eq!(
        (&explained["cleared_seq"], &explained["spans"], &explained["unread"]),
        (&json!(6), &json!([]), &json!(0))
    );
    // Who has left is told of what they saw; who never was in, nothing.
    assert_eq!(sees(carol, &at, &explain).await["unread"], json!(2));
    dave.raw.get(&explain).await.refused(404, "not_found");
    bob.raw.get(&path("x", "/unread/explain")).await.refused(400, "malformed");
}
