//! Groups: their card, their members, and what is pushed of them. How people come: [`doors`]; who may what: [`ranks`]; after their
//! end: [`ended`].

mod doors;
mod ended;
mod ranks;

use super::{MESSAGE, OWN_CONVERSATION, PERSONAL, Someone, has, is_id, is_time, lacks, new_id, text};
use natter_testkit::{Node, RawSocket, Reply, Stack};
use serde_json::{Value, json};

const CONVERSATION: &[&str] = &["id", "kind", "state", "name", "avatar", "member_count", "account_ids", "last_seq"];

/// Alice knows bob and carol, who do not know each other; dave knows nobody.
struct Scene {
    _stack: Stack,
    _node: Node,
    alice: Someone,
    bob: Someone,
    carol: Someone,
    dave: Someone,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let (carol, dave) = (Someone::register(&node, "carol").await, Someone::register(&node, "dave").await);
        alice.befriends(&bob).await;
        alice.befriends(&carol).await;
        Self { _stack: stack, _node: node, alice, bob, carol, dave }
    }

    /// Alice's, with bob.
    async fn group(&self) -> String {
        let started = self.alice.raw.post("/api/v1/conversations", group("us", &[&self.bob])).await;
        text(&started.ok(201)["id"])
    }
}

fn group(name: &str, members: &[&Someone]) -> String {
    json!({"kind": "group", "name": name, "members": ids(members)}).to_string()
}

fn ids(people: &[&Someone]) -> Vec<String> {
    people.iter().map(|person| person.id.clone()).collect()
}

fn path(group: &str, rest: &str) -> String {
    format!("/api/v1/conversations/{group}{rest}")
}

async fn add(who: &Someone, group: &str, people: &[&Someone]) -> Reply {
    who.raw.post(&path(group, "/members"), json!({"account_ids": ids(people)}).to_string()).await
}

async fn remove(who: &Someone, group: &str, whom: &str) -> Reply {
    who.raw.call("DELETE", &path(group, &format!("/members/{whom}")), None).await
}

async fn rename(who: &Someone, group: &str, name: &str) -> Reply {
    patch(who, &path(group, ""), &json!({"name": name})).await
}

async fn patch(who: &Someone, path: &str, what: &Value) -> Reply {
    let typed = who.raw.with("content-type", "application/json");
    typed.call("PATCH", path, Some(what.to_string().into_bytes())).await
}

/// What somebody reads there once what was written at `position` is to be seen.
async fn reads(who: &Someone, position: &str, path: &str) -> Reply {
    who.raw.with("natter-position", position).get(path).await
}

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

#[track_caller]
fn gone(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
}

#[tokio::test]
async fn a_group_is_started_renamed_and_seen_by_its_members() {
    let scene = Scene::new().await;
    let members = [&scene.bob, &scene.alice, &scene.bob];
    let started = scene.alice.raw.post("/api/v1/conversations", group("us", &members)).await;
    let position = started.position();
    let own = started.ok(201);
    has(&own, OWN_CONVERSATION);
    is_id(&own["id"]);
    assert_eq!((&own["kind"], &own["state"], &own["name"]), (&json!("group"), &json!("open"), &json!("us")));
    assert_eq!((&own["member_count"], &own["account_ids"], &own["peer"]), (&json!(2), &json!([]), &json!(null)));
    assert_eq!((&own["last_seq"], &own["unread"], &own["joined_seq"]), (&json!(1), &json!(0), &json!(0)));
    let created = &own["last_message"];
    has(created, MESSAGE);
    assert_eq!((&created["seq"], &created["sender"]), (&json!(1), &json!(null)));
    assert_eq!((&created["body"]["kind"], &created["body"]["code"]), (&json!("system"), &json!("group.created")));
    assert_eq!(created["body"]["by"], json!(scene.alice.id));
    let id = text(&own["id"]);
    let read = scene.alice.raw.with("natter-position", &position).get(&path(&id, "")).await.ok(200);
    assert_eq!(read, own, "the answer is what is read later");

    let renamed = rename(&scene.bob, &id, "us two").await;
    let own = renamed.ok(200);
    has(&own, OWN_CONVERSATION);
    assert_eq!((&own["name"], &own["last_seq"]), (&json!("us two"), &json!(2)));
    assert_eq!(own["last_message"]["body"]["code"], json!("group.renamed"));
    let listed =
        scene.alice.raw.with("natter-position", &renamed.position()).get("/api/v1/conversations").await.ok(200);
    let listed = listed["items"].as_array().expect("items").iter().find(|own| own["id"] == json!(id)).cloned();
    assert_eq!(listed.expect("it is listed")["name"], json!("us two"));
}

#[tokio::test]
async fn members_join_and_leave_and_are_listed_the_newest_first() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let id = scene.group().await;
    let added = add(alice, &id, &[carol, bob, carol]).await;
    let position = added.position();
    assert_eq!(added.ok(200), json!({"joined": [carol.id], "invited": []}));
    let reader = bob.raw.with("natter-position", &position);
    let listed = reader.get(&path(&id, "/members?limit=1")).await.ok(200);
    let newest = &listed["items"][0];
    has(newest, &["account_id", "role", "nickname", "joined_at", "muted_until"]);
    assert_eq!((&newest["account_id"], &newest["role"]), (&json!(carol.id), &json!("member")));
    is_time(&newest["joined_at"]);
    let cursor = text(&listed["next_cursor"]);
    let rest = reader.get(&path(&id, &format!("/members?cursor={cursor}"))).await.ok(200);
    assert_eq!(rest["next_cursor"], json!(null));
    let mut rest: Vec<(String, String)> = rest["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|member| (text(&member["account_id"]), text(&member["role"])))
        .collect();
    rest.sort();
    let mut expected = vec![(alice.id.clone(), "owner".to_owned()), (bob.id.clone(), "member".to_owned())];
    expected.sort();
    assert_eq!(rest, expected);

    let left = remove(bob, &id, "me").await;
    gone(&left);
    gone(&remove(bob, &id, "me").await);
    gone(&remove(alice, &id, &bob.id).await);
    let own = bob.raw.with("natter-position", &left.position()).get(&path(&id, "")).await.ok(200);
    assert_eq!((&own["left_seq"], &own["last_seq"]), (&json!(3), &json!(3)));
    assert_eq!(own["last_message"]["body"]["code"], json!("member.left"));
    let removed = remove(alice, &id, &carol.id).await;
    gone(&removed);
    let seen = async |who: &Someone| -> Vec<Value> {
        let reader = who.raw.with("natter-position", &removed.position());
        let page = reader.get(&path(&id, "/messages?after_seq=0")).await.ok(200);
        page["items"].as_array().expect("items").iter().map(|message| message["seq"].clone()).collect()
    };
    assert_eq!(json!(seen(bob).await), json!([1, 2, 3]));
    assert_eq!(json!(seen(carol).await), json!([2, 3, 4]));
    assert_eq!(json!(seen(alice).await), json!([1, 2, 3, 4]));
}

#[tokio::test]
async fn newcomers_are_told_first_of_the_group_and_who_left_of_nothing_more() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let (mut to_alice, mut to_bob, mut to_carol) = (connect(alice).await, connect(bob).await, connect(carol).await);
    let id = scene.group().await;
    for socket in [&mut to_alice, &mut to_bob] {
        let started = socket.event("conversation.started").await;
        has(&started["conversation"], CONVERSATION);
        lacks(&started["conversation"], PERSONAL);
        assert_eq!(
            (&started["conversation"]["name"], &started["conversation"]["member_count"]),
            (&json!("us"), &json!(2))
        );
        assert_eq!(socket.event("message.sent").await["message"]["body"]["code"], json!("group.created"));
    }
    add(alice, &id, &[carol]).await.ok(200);
    let started = to_carol.find("the first of the group", |push| push.to_string().contains(&id)).await;
    assert_eq!((&started["event"], &started["conversation"]["last_seq"]), (&json!("conversation.started"), &json!(2)));
    assert_eq!(to_carol.event("message.sent").await["message"]["seq"], json!(2));
    let joined = to_bob.event("member.joined").await;
    has(&joined, &["conversation_id", "account_ids", "by", "position"]);
    assert_eq!((&joined["account_ids"], &joined["by"]), (&json!([carol.id]), &json!(alice.id)));
    to_bob.event("message.sent").await;

    rename(alice, &id, "us three").await.ok(200);
    for socket in [&mut to_bob, &mut to_carol] {
        let updated = socket.event("conversation.updated").await;
        has(&updated["conversation"], CONVERSATION);
        lacks(&updated["conversation"], PERSONAL);
        let card = &updated["conversation"];
        assert_eq!((&card["name"], &card["member_count"]), (&json!("us three"), &json!(3)));
        assert_eq!(socket.event("message.sent").await["message"]["body"]["code"], json!("group.renamed"));
    }
    gone(&remove(bob, &id, "me").await);
    for socket in [&mut to_bob, &mut to_carol] {
        let left = socket.event("member.left").await;
        has(&left, &["conversation_id", "account_ids", "by", "position"]);
        assert_eq!((&left["account_ids"], &left["by"]), (&json!([bob.id]), &json!(bob.id)));
        assert_eq!(socket.event("message.sent").await["message"]["body"]["code"], json!("member.left"));
    }
    alice.says(&id, &new_id(), "he is gone").await.ok(201);
    to_carol.find("what alice says", |push| push["message"]["body"]["text"] == json!("he is gone")).await;
    // What comes next to bob is of another conversation.
    let (direct, _) = bob.befriends(&scene.dave).await;
    let next = to_bob.find("anything", |_| true).await;
    assert!(!next.to_string().contains(&id), "{next}");
    to_bob.find("the direct one", |push| push.to_string().contains(&direct)).await;
}

#[tokio::test]
async fn each_may_do_what_is_theirs() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, dave, .. } = &scene;
    let id = scene.group().await;
    // Who never was in.
    for reply in [
        add(carol, &id, &[alice]).await,
        remove(carol, &id, "me").await,
        remove(carol, &id, &bob.id).await,
        rename(carol, &id, "ours").await,
        carol.raw.get(&path(&id, "/members")).await,
        carol.raw.get(&path(&id, "")).await,
        carol.raw.get(&path(&id, "/messages")).await,
        carol.says(&id, &new_id(), "hello").await,
        carol.raw.put(&path(&id, "/read"), json!({"seq": 1}).to_string()).await,
    ] {
        reply.refused(404, "not_found");
    }
    // A member.
    remove(bob, &id, &alice.id).await.refused(403, "not_allowed");
    remove(bob, &id, &carol.id).await.refused(404, "not_found");
    remove(alice, &id, "me").await.refused(409, "owner_must_stay");
    remove(alice, &id, &alice.id).await.refused(409, "owner_must_stay");
    // Who is out.
    gone(&remove(bob, &id, "me").await);
    for reply in [
        add(bob, &id, &[alice]).await,
        remove(bob, &id, &alice.id).await,
        rename(bob, &id, "ours").await,
        bob.says(&id, &new_id(), "hello").await,
        bob.raw.put(&path(&id, "/read"), json!({"seq": 1}).to_string()).await,
    ] {
        reply.refused(403, "not_a_member");
    }
    let reader = bob.raw.with("natter-position", &remove(bob, &id, "me").await.position());
    reader.get(&path(&id, "/members")).await.refused(403, "not_a_member");
    gone(&remove(alice, &id, "me").await);
    // A direct conversation is no group.
    let (direct, _) = bob.befriends(dave).await;
    for reply in [
        add(bob, &direct, &[alice]).await,
        remove(bob, &direct, "me").await,
        remove(bob, &direct, &dave.id).await,
        rename(bob, &direct, "ours").await,
    ] {
        reply.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let id = scene.group().await;
    let unknown = new_id();
    let list = json!({"account_ids": [carol.id, unknown]}).to_string();
    alice.raw.post(&path(&id, "/members"), list).await.invalid("/account_ids/1");
    let started = json!({"kind": "group", "name": "us", "members": [bob.id, carol.id, unknown]}).to_string();
    alice.raw.post("/api/v1/conversations", started).await.invalid("/members/2");
    for name in ["", " ", "a\nb", "a\u{202e}b", &"a".repeat(101)] {
        rename(alice, &id, name).await.invalid("/name");
        alice.raw.post("/api/v1/conversations", group(name, &[bob])).await.invalid("/name");
    }
    rename(alice, &id, &"ü".repeat(100)).await.ok(200);
    remove(alice, &id, "you").await.refused(400, "malformed");
    let listed = alice.raw.get(&path(&id, "/members")).await.ok(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "nobody was added");
    for bad in ["0", "201", "x"] {
        alice.raw.get(&path(&id, &format!("/members?limit={bad}"))).await.invalid("/limit");
    }
    alice.raw.get(&path(&id, "/members?cursor=x")).await.invalid("/cursor");
}

#[tokio::test]
async fn a_key_starts_one_group_and_adds_once() {
    let scene = Scene::new().await;
    let Scene { alice, bob, carol, .. } = &scene;
    let keyed = |someone: &Someone| Someone {
        id: someone.id.clone(),
        raw: someone.raw.with("idempotency-key", &new_id()),
        access_token: someone.access_token.clone(),
    };
    let starter = keyed(alice);
    let first = starter.raw.post("/api/v1/conversations", group("us", &[bob])).await.ok(201);
    let again = starter.raw.post("/api/v1/conversations", group("us", &[bob])).await.ok(201);
    assert_eq!(again, first);
    starter.raw.post("/api/v1/conversations", group("them", &[bob])).await.refused(409, "conflict");
    let (id, adder) = (text(&first["id"]), keyed(alice));
    let first = add(&adder, &id, &[carol]).await.ok(200);
    gone(&remove(alice, &id, &carol.id).await);
    assert_eq!(add(&adder, &id, &[carol]).await.ok(200), first, "the first answer");
    let listed = alice.raw.get(&path(&id, "/members")).await.ok(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "and no second effect");
}
