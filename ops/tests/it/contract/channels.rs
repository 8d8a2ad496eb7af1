//! Channels: who reads them, who writes, who is told of what is said, and who is none of these any more.

use super::{OWN_CONVERSATION, Someone, has, lacks, new_id, text};
use natter_testkit::{Node, RawSocket, Reply, Stack};
use serde_json::{Value, json};

/// Nobody knows anybody. The channel is alice's.
struct Scene {
    _stack: Stack,
    node: Node,
    alice: Someone,
    bob: Someone,
    channel: String,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let node = stack.node().await;
        let (alice, bob) = (Someone::register(&node, "alice").await, Someone::register(&node, "bob").await);
        let channel = text(&begin(&alice, "news").await.ok(201)["id"]);
        Self { _stack: stack, node, alice, bob, channel }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/conversations/{}{rest}", self.channel)
    }

    /// What it comes to: the position to read from.
    async fn does(&self, who: &Someone, line: &str, body: Option<Value>) -> Reply {
        let (method, rest) = line.split_once(' ').expect("a method and a path");
        let typed = who.raw.with("content-type", "application/json");
        typed.call(method, &self.path(rest), body.map(|json| json.to_string().into_bytes())).await
    }

    async fn says(&self, who: &Someone, words: &str) -> Reply {
        let body = json!({"message_id": new_id(), "body": {"kind": "text", "text": words}});
        self.does(who, "POST /messages", Some(body)).await
    }

    async fn subscribes(&self, who: &Someone) -> Reply {
        self.does(who, "POST /join", Some(json!({}))).await
    }

    /// What is read there once this write is to be seen.
    async fn sees(&self, who: &Someone, after: &Reply, rest: &str) -> Reply {
        reads(who, after, &self.path(rest)).await
    }

    async fn is_listed(&self, who: &Someone, after: &Reply, list: &str) -> bool {
        let listed = reads(who, after, list).await.ok(200);
        listed["items"].as_array().expect("a page").iter().any(|it| it["id"] == json!(self.channel))
    }
}

const MINE: &str = "/api/v1/conversations";
const ALL: &str = "/api/v1/channels";

async fn begin(who: &Someone, name: &str) -> Reply {
    who.raw.post(MINE, json!({"kind": "channel", "name": name}).to_string()).await
}

async fn reads(who: &Someone, after: &Reply, path: &str) -> Reply {
    who.raw.with("natter-position", &after.position()).get(path).await
}

async fn connect(someone: &Someone) -> RawSocket {
    let mut socket = someone.raw.socket().await;
    socket.event("ready").await;
    socket
}

#[track_caller]
fn done(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (204, ""));
}

fn texts(page: &Value) -> Vec<String> {
    let said = page["items"].as_array().expect("a page").iter().filter(|it| !it["sender"].is_null());
    said.map(|message| text(&message["body"]["text"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_read_by_whoever_comes_and_written_by_its_admins() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    let said = scene.says(alice, "good morning").await;
    said.ok(201);
    let shown = scene.sees(bob, &said, "").await.ok(200);
    has(&shown, OWN_CONVERSATION);
    assert_eq!((&shown["kind"], &shown["name"], &shown["role"]), (&json!("channel"), &json!("news"), &json!("member")));
    assert_eq!((&shown["subscribed"], &shown["member_count"]), (&json!(false), &json!(1)), "{shown}");
    assert_eq!(shown["unread"], json!(0), "nothing of it waits for them");
    assert_eq!(shown["settings"]["permissions"]["post"], json!("admin"));
    assert_eq!(texts(&scene.sees(bob, &said, "/messages").await.ok(200)), ["good morning"]);
    scene.says(bob, "me too").await.refused(403, "not_allowed");
    // Of what is theirs there is nothing to tell before they subscribe.
    assert!(scene.is_listed(bob, &said, ALL).await && !scene.is_listed(bob, &said, MINE).await);
    assert!(scene.is_listed(alice, &said, MINE).await, "who begins it subscribes");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_is_told_until_they_do_not() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    let mut socket = connect(bob).await;
    let came = scene.subscribes(bob).await;
    assert_eq!(came.ok(200), json!({"state": "joined", "conversation_id": scene.channel}));
    let started = socket.event("conversation.started").await;
    assert_eq!(
        (&started["conversation"]["id"], &started["conversation"]["name"]),
        (&json!(scene.channel), &json!("news"))
    );
    assert_eq!(started["conversation"]["member_count"], json!(2));
    let shown = scene.sees(bob, &came, "").await.ok(200);
    assert_eq!((&shown["subscribed"], &shown["unread"]), (&json!(true), &json!(0)));
    assert!(scene.is_listed(bob, &came, MINE).await);
    let again = scene.subscribes(bob).await;
    assert_eq!(again.ok(200)["state"], json!("joined"), "silently");

    let said = scene.says(alice, "hear, hear").await;
    said.ok(201);
    assert_eq!(socket.event("message.sent").await["message"]["body"]["text"], json!("hear, hear"));
    assert_eq!(scene.sees(bob, &said, "").await.ok(200)["unread"], json!(1));

    let left = scene.does(bob, "DELETE /members/me", None).await;
    done(&left);
    let told = socket.event("member.left").await;
    assert_eq!((&told["conversation_id"], &told["account_ids"]), (&json!(scene.channel), &json!([bob.id])));
    done(&scene.does(bob, "DELETE /members/me", None).await);
    let shown = scene.sees(bob, &left, "").await.ok(200);
    assert_eq!((&shown["subscribed"], &shown["member_count"]), (&json!(false), &json!(1)));
    assert!(!scene.is_listed(bob, &left, MINE).await);
    let unheard = scene.says(alice, "to those who are left").await;
    unheard.ok(201);
    assert_eq!(texts(&scene.sees(bob, &unheard, "/messages").await.ok(200)).len(), 2, "it can be read still");
    // They come back, and nothing of what was said meanwhile was pushed.
    scene.subscribes(bob).await.ok(200);
    assert_eq!(socket.event("conversation.started").await["conversation"]["id"], json!(scene.channel));
    scene.says(alice, "welcome back").await.ok(201);
    assert_eq!(socket.event("message.sent").await["message"]["body"]["text"], json!("welcome back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_may_post_nobody_has_to_subscribe_for_it() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    // She subscribes since before she was connected, and nothing was said since.
    let mut socket = connect(alice).await;
    scene.does(alice, "PATCH ", Some(json!({"settings": {"permissions": {"pin": "member"}}}))).await.ok(200);
    let told = socket.event("conversation.updated").await;
    assert_eq!(told["conversation"]["settings"]["permissions"]["pin"], json!("member"));
    let open = json!({"settings": {"permissions": {"post": "member"}, "slow_mode": 60}});
    scene.does(bob, "PATCH ", Some(open.clone())).await.refused(403, "not_allowed");
    assert_eq!(
        scene.does(alice, "PATCH ", Some(open)).await.ok(200)["settings"]["permissions"]["post"],
        json!("member")
    );
    assert_eq!(socket.event("message.sent").await["message"]["body"]["code"], json!("group.slow_mode"));
    scene.says(bob, "hello, world").await.ok(201);
    let heard = socket.event("message.sent").await;
    assert_eq!(
        (&heard["message"]["sender"], &heard["message"]["body"]["text"]),
        (&json!(bob.id), &json!("hello, world"))
    );
    scene.says(bob, "and again").await.refused(429, "slow_mode");
    scene.says(alice, "admins are exempt").await.ok(201);
    scene.says(alice, "from that").await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_is_none_of_its_readers() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    scene.subscribes(bob).await.ok(200);
    let mut socket = connect(bob).await;
    let ban = format!("PUT /bans/{}", bob.id);
    scene.does(bob, &format!("PUT /bans/{}", alice.id), None).await.refused(403, "not_allowed");
    let banned = scene.does(alice, &ban, None).await;
    done(&banned);
    assert_eq!(socket.event("member.left").await["by"], json!(alice.id));
    scene.says(alice, "among us").await.ok(201);
    for path in ["", "/messages", "/members", "/messages?around_seq=1"] {
        scene.sees(bob, &banned, path).await.refused(404, "not_found");
    }
    assert!(!scene.is_listed(bob, &banned, ALL).await && !scene.is_listed(bob, &banned, MINE).await);
    scene.subscribes(bob).await.refused(403, "banned");
    scene.says(bob, "let me in").await.refused(403, "banned");
    done(&scene.does(alice, &ban, None).await);
    let count = reads(alice, &banned, &scene.path("")).await.ok(200);
    assert_eq!(count["member_count"], json!(1), "they are counted out");

    done(&scene.does(alice, &format!("DELETE /bans/{}", bob.id), None).await);
    let came = scene.subscribes(bob).await;
    came.ok(200);
    // The first that they hear of it since.
    assert_eq!(socket.event("conversation.started").await["conversation"]["id"], json!(scene.channel));
    assert_eq!(scene.sees(bob, &came, "").await.ok(200)["subscribed"], json!(true));
    assert_eq!(texts(&scene.sees(bob, &came, "/messages").await.ok(200)), ["among us"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_admins_see_who_subscribes_and_need_not_do_so() {
    let scene = Scene::new().await;
    let Scene { alice, bob, node, .. } = &scene;
    let carol = Someone::register(node, "carol").await;
    scene.does(bob, "GET /members", None).await.refused(403, "not_allowed");
    let admin = format!("PATCH /members/{}", bob.id);
    scene.does(&carol, &admin, Some(json!({"role": "admin"}))).await.refused(403, "not_allowed");
    let made = scene.does(alice, &admin, Some(json!({"role": "admin"}))).await;
    made.ok(200);
    assert_eq!(scene.sees(bob, &made, "").await.ok(200)["role"], json!("admin"));
    scene.says(bob, "as an admin").await.ok(201);
    let came = scene.subscribes(&carol).await;
    came.ok(200);
    let listed = scene.sees(bob, &came, "/members").await.ok(200);
    let ids: Vec<String> =
        listed["items"].as_array().expect("a page").iter().map(|it| text(&it["account_id"])).collect();
    assert_eq!(ids, [carol.id.clone(), alice.id.clone()], "the newest first");
    // Nobody is an admin who is not there.
    let nobody = format!("PATCH /members/{}", new_id());
    scene.does(alice, &nobody, Some(json!({"role": "admin"}))).await.refused(404, "not_found");
    let left = scene.does(alice, "DELETE /members/me", None).await;
    done(&left);
    assert_eq!(scene.sees(alice, &left, "").await.ok(200)["role"], json!("owner"), "whether or not they subscribe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_over_is_in_no_directory() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    scene.subscribes(bob).await.ok(200);
    scene.does(bob, "DELETE ", None).await.refused(403, "not_allowed");
    let mut socket = connect(bob).await;
    let over = scene.does(alice, "DELETE ", None).await;
    done(&over);
    assert_eq!(socket.event("conversation.dissolved").await["conversation_id"], json!(scene.channel));
    assert!(!scene.is_listed(bob, &over, ALL).await);
    assert_eq!(scene.sees(bob, &over, "").await.ok(200)["state"], json!("dissolved"));
    scene.says(alice, "is anybody here?").await.refused(403, "conversation_closed");
    let left = scene.does(bob, "DELETE /members/me", None).await;
    done(&left);
    scene.subscribes(bob).await.refused(403, "conversation_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_matter_of_channels_is_refused() {
    let scene = Scene::new().await;
    let Scene { alice, bob, .. } = &scene;
    for (body, at) in [
        (json!({"kind": "channel"}), "/name"),
        (json!({"kind": "channel", "name": ""}), "/name"),
        (json!({"kind": "channel", "name": "x", "with": bob.id}), "/with"),
        (json!({"kind": "channel", "name": "x", "members": []}), "/members"),
    ] {
        alice.raw.post(MINE, body.to_string()).await.invalid(at);
    }
    let add = json!({"account_ids": [bob.id]});
    scene.does(alice, "POST /members", Some(add)).await.refused(403, "forbidden");
    scene.does(alice, "POST /links", Some(json!({}))).await.refused(403, "forbidden");
    scene.does(alice, &format!("DELETE /members/{}", bob.id), None).await.refused(403, "forbidden");
    for settings in [json!({"join_policy": "closed"}), json!({"shares_history": false})] {
        scene.does(alice, "PATCH ", Some(json!({"settings": settings}))).await.refused(403, "forbidden");
    }
    let shown = scene.does(alice, "GET ", None).await.ok(200);
    lacks(&shown, &["ends_at"]);
}

/// Under one key, as often as it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_begun_once_under_a_key() {
    let scene = Scene::new().await;
    let keyed = scene.alice.raw.with("idempotency-key", &new_id());
    let body = || json!({"kind": "channel", "name": "twice"}).to_string();
    let (first, second) = (keyed.post(MINE, body()).await.ok(201), keyed.post(MINE, body()).await);
    assert_eq!(second.ok(201)["id"], first["id"]);
    let other = keyed.post(MINE, json!({"kind": "channel", "name": "other"}).to_string()).await;
    other.refused(409, "conflict");
    let all = reads(&scene.bob, &second, ALL).await.ok(200);
    assert_eq!(all["items"].as_array().expect("a page").len(), 2);
}
