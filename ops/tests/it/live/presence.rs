//! Who is online, as those see it who watch.

use super::{Device, counted, edge, node};
use natter_testkit::{
    BOUND, Node, Proxy, RawSocket, Stack,
    client::{
        new_id,
        socket::{Incoming, Socket},
    },
    eventually, wire, within,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An edge that is not heard of is gone after five seconds; the rest is for a machine that is busy.
const LEASE: Duration = Duration::from_secs(5);
const MARGIN: Duration = Duration::from_secs(5);

/// What is shown of these people, by their state, and whether it is said when they were here last.
pub(super) async fn watch(socket: &mut RawSocket, accounts: &[&Device]) -> Vec<(String, bool)> {
    let ids: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    let ok = socket.ok(json!({"id": new_id(), "op": "presence.subscribe", "account_ids": ids})).await;
    let items = ok["items"].as_array().expect("items");
    assert_eq!(items.iter().map(|item| &item["account_id"]).collect::<Vec<_>>(), ids);
    items.iter().map(|item| (state(item), item["last_seen_at"].is_string())).collect()
}

/// Checks that the fields are of one mind.
fn state(item: &Value) -> String {
    let state = item["state"].as_str().expect("a state");
    assert_eq!(item["online"], json!(state != "offline"), "{item}");
    assert_eq!(item["devices"] == json!([]), state == "offline", "{item}");
    assert!(item.as_object().expect("an object").contains_key("last_seen_at"), "{item}");
    assert!(state == "offline" || item["last_seen_at"].is_null(), "{item}");
    state.to_owned()
}

/// The next that is pushed of anybody.
async fn told(socket: &mut RawSocket) -> Value {
    let push = socket.event("presence").await;
    state(&push);
    push
}

/// The next that is pushed is this.
pub(super) async fn is_told(socket: &mut RawSocket, of: &Device, state: &str, devices: &[&str]) -> Value {
    let push = told(socket).await;
    assert_eq!((&push["account_id"], &push["state"]), (&json!(of.id), &json!(state)), "{push}");
    assert_eq!(push["devices"], json!(devices), "{push}");
    push
}

async fn both_are_told(watchers: &mut [RawSocket; 2], of: &Device, state: &str, devices: &[&str]) -> Value {
    let [one, other] = watchers;
    let told = is_told(one, of, state, devices).await;
    assert_eq!(is_told(other, of, state, devices).await, told);
    told
}

async fn set(socket: &mut RawSocket, state: &str) {
    socket.ok(json!({"id": new_id(), "op": "presence.set", "state": state})).await;
}

async fn lookup(viewer: &Device, node: &Node, of: &Device) -> Value {
    let found = viewer.at(node).post("/api/v1/presence/lookup", json!({"ids": [of.id]}).to_string()).await.ok(200);
    state(&found["items"][0]);
    found["items"][0].clone()
}

#[tokio::test]
async fn several_devices_at_several_edges_are_one_person() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let south = edge(&stack, &[]).await;
    let (alice, carol) = (Device::register(&north, "alice").await, Device::register(&north, "carol").await);
    let phone = Device::another(&north, "alice", "ios").await;
    let mut watcher = carol.comes(&south).await;
    let mut watched = carol.comes(&north).await;
    assert_eq!(watch(&mut watcher, &[&alice]).await, [("offline".to_owned(), false)], "nothing is known");
    watch(&mut watched, &[&alice]).await;

    // At both edges, one change after the other: what follows at once may be told as one.
    let mut watchers = [watcher, watched];
    let mut at_desk = alice.comes(&north).await;
    both_are_told(&mut watchers, &alice, "online", &["desktop"]).await;
    let mut on_phone = phone.comes(&south).await;
    both_are_told(&mut watchers, &alice, "online", &["desktop", "mobile"]).await;
    set(&mut on_phone, "away").await;
    set(&mut at_desk, "away").await;
    both_are_told(&mut watchers, &alice, "away", &["desktop", "mobile"]).await;
    set(&mut at_desk, "online").await;
    both_are_told(&mut watchers, &alice, "online", &["desktop", "mobile"]).await;
    drop(at_desk);
    both_are_told(&mut watchers, &alice, "away", &["mobile"]).await;
    assert_eq!(lookup(&carol, &north, &alice).await["devices"], json!(["mobile"]));
    drop(on_phone);
    let gone = both_are_told(&mut watchers, &alice, "offline", &[]).await;
    assert!(gone["last_seen_at"].is_string(), "{gone}");
    // That is what anybody is shown, now and once it is written.
    for node in [&north, &south] {
        assert_eq!(lookup(&carol, node, &alice).await["last_seen_at"], gone["last_seen_at"]);
    }
    eventually("it is written", BOUND, async || {
        let stored: Vec<i64> = sqlx::query_scalar(
            "SELECT (extract(epoch FROM last_seen_at) * 1000)::bigint FROM presence WHERE account_id = $1::uuid",
        )
        .bind(&alice.id)
        .fetch_all(stack.pool())
        .await
        .expect("read the table");
        let told = natter_domain::Timestamp::parse(gone["last_seen_at"].as_str().expect("a time")).expect("a time");
        if stored == [told.as_millis()] { Ok(()) } else { Err(format!("{stored:?}, and {told}")) }
    })
    .await;
}

#[tokio::test]
async fn a_reconnect_within_the_grace_is_silent() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let south = edge(&stack, &[]).await;
    let (alice, bob, carol) = (
        Device::register(&north, "alice").await,
        Device::register(&north, "bob").await,
        Device::register(&north, "carol").await,
    );
    let mut watcher = carol.comes(&south).await;
    watch(&mut watcher, &[&alice, &bob]).await;
    let before = alice.comes(&north).await;
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    let mut bobs = bob.comes(&north).await;
    is_told(&mut watcher, &bob, "online", &["desktop"]).await;
    drop(before);
    one_of(&north, "natter_edge_sockets").await;
    // What was known of her now is told by the time that this is.
    set(&mut bobs, "away").await;
    is_told(&mut watcher, &bob, "away", &["desktop"]).await;
    let _after = alice.comes(&south).await;
    // The grace is over.
    one_of(&north, "natter_edge_presence_people").await;
    set(&mut bobs, "online").await;
    is_told(&mut watcher, &bob, "online", &["desktop"]).await;
    assert_eq!(lookup(&carol, &north, &alice).await["state"], "online");
}

async fn one_of(node: &Node, gauge: &str) {
    eventually(gauge, BOUND, async || match counted(node, gauge, None).await {
        1.0 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
}

#[tokio::test]
async fn the_people_of_a_killed_edge_are_offline_within_its_lease() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let mut south = edge(&stack, &[]).await;
    let (alice, bob, carol) = (
        Device::register(&north, "alice").await,
        Device::register(&north, "bob").await,
        Device::register(&north, "carol").await,
    );
    let mut watcher = carol.comes(&north).await;
    watch(&mut watcher, &[&alice, &bob]).await;
    let _alices = alice.comes(&south).await;
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    let _bobs = (bob.comes(&north).await, bob.comes(&south).await);
    is_told(&mut watcher, &bob, "online", &["desktop"]).await;

    south.kill().await;
    let killed = Instant::now();
    let gone = is_told(&mut watcher, &alice, "offline", &[]).await;
    assert!(killed.elapsed() < LEASE + MARGIN, "{:?}", killed.elapsed());
    assert!(gone["last_seen_at"].is_string(), "{gone}");
    assert_eq!(lookup(&carol, &north, &bob).await["state"], "online", "he is at the other one");
    eventually("another one writes when she was here", BOUND, async || {
        let sql = "SELECT count(*) FROM presence WHERE account_id = $1::uuid";
        let rows: i64 = sqlx::query_scalar(sql).bind(&alice.id).fetch_one(stack.pool()).await.expect("read the table");
        if rows == 1 { Ok(()) } else { Err(format!("{rows} rows")) }
    })
    .await;

    south.restart().await;
    let _alices = alice.comes(&south).await;
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
}

/// Carol watches alice, who is at the other edge and watches bob, who is where all goes on.
async fn across(north: &Node, south: &Node) -> ([Device; 2], [RawSocket; 3]) {
    let (alice, bob, carol) = (
        Device::register(north, "alice").await,
        Device::register(north, "bob").await,
        Device::register(north, "carol").await,
    );
    let mut watcher = carol.comes(north).await;
    watch(&mut watcher, &[&alice]).await;
    let mut alices = alice.comes(south).await;
    watch(&mut alices, &[&bob]).await;
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    let bobs = bob.comes(north).await;
    is_told(&mut alices, &bob, "online", &["desktop"]).await;
    ([alice, bob], [watcher, alices, bobs])
}

#[tokio::test]
async fn an_edge_that_stands_still_loses_its_people_and_has_them_again() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let south = edge(&stack, &[]).await;
    let ([alice, bob], [mut watcher, mut alices, mut bobs]) = across(&north, &south).await;

    south.pause();
    is_told(&mut watcher, &alice, "offline", &[]).await;
    south.go_on();
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    set(&mut bobs, "away").await;
    is_told(&mut alices, &bob, "away", &["desktop"]).await;
}

#[tokio::test]
async fn who_is_cut_off_from_the_bus_is_gone_for_others_and_knows_what_it_knew() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let south = edge(&stack, &[("NATTER_NATS_URL", proxy.url.clone())]).await;
    let ([alice, bob], [mut watcher, mut alices, mut bobs]) = across(&north, &south).await;

    proxy.gone();
    is_told(&mut watcher, &alice, "offline", &[]).await;
    // What is said meanwhile is lost there.
    set(&mut bobs, "away").await;
    proxy.heal();
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    is_told(&mut alices, &bob, "away", &["desktop"]).await;
}

pub(super) async fn show_online(of: &Device, node: &Node, shows: bool) {
    let body = json!({"show_online": shows}).to_string().into_bytes();
    let raw = of.at(node).with("content-type", "application/json");
    raw.call("PATCH", "/api/v1/settings", Some(body)).await.ok(200);
}

#[tokio::test]
async fn who_hides_it_or_blocks_is_offline_from_then_on() {
    let stack = Stack::new().await;
    let north = node(&stack, &[]).await;
    let south = edge(&stack, &[]).await;
    let (alice, carol) = (Device::register(&north, "alice").await, Device::register(&north, "carol").await);
    let mut carols = carol.comes(&south).await;
    watch(&mut carols, &[&alice]).await;
    let mut alices = alice.comes(&north).await;
    is_told(&mut carols, &alice, "online", &["desktop"]).await;
    eventually("she sees her too", BOUND, async || match lookup(&alice, &north, &carol).await {
        item if item["online"] == json!(true) => Ok(()),
        item => Err(item.to_string()),
    })
    .await;
    let states = watch(&mut alices, &[&carol, &alice]).await;
    assert_eq!(states, [("online".to_owned(), false), ("online".to_owned(), false)]);

    show_online(&alice, &north, false).await;
    let hidden = is_told(&mut carols, &alice, "offline", &[]).await;
    assert!(hidden["last_seen_at"].is_null(), "{hidden}");
    assert_eq!(lookup(&carol, &south, &alice).await["state"], "offline");
    assert_eq!(lookup(&alice, &north, &alice).await["state"], "online", "not from herself");
    set(&mut alices, "away").await;
    is_told(&mut alices, &alice, "away", &["desktop"]).await;
    show_online(&alice, &north, true).await;
    // While she hid it that was told to nobody else.
    is_told(&mut carols, &alice, "away", &["desktop"]).await;

    // She blocks: nothing passes, either way.
    let raw = alice.at(&north);
    raw.call("PUT", &format!("/api/v1/blocks/{}", carol.id), None).await.ok(200);
    let barred = is_told(&mut carols, &alice, "offline", &[]).await;
    assert!(barred["last_seen_at"].is_null(), "{barred}");
    is_told(&mut alices, &carol, "offline", &[]).await;
    for (viewer, other) in [(&carol, &alice), (&alice, &carol)] {
        let shown = lookup(viewer, &south, other).await;
        assert_eq!((&shown["state"], &shown["last_seen_at"]), (&json!("offline"), &json!(null)));
    }
    assert_eq!(raw.call("DELETE", &format!("/api/v1/blocks/{}", carol.id), None).await.status, 204);
    is_told(&mut carols, &alice, "away", &["desktop"]).await;
    is_told(&mut alices, &carol, "online", &["desktop"]).await;
}

#[tokio::test]
async fn of_who_is_gone_for_ever_no_moment_is_kept() {
    let stack = Stack::new().await;
    let node = node(&stack, &[("NATTER_CLOSING_GRACE_DAYS", "0".to_owned())]).await;
    let (alice, carol) = (Device::register(&node, "alice").await, Device::register(&node, "carol").await);
    let mut watcher = carol.comes(&node).await;
    watch(&mut watcher, &[&alice]).await;
    drop(alice.comes(&node).await);
    is_told(&mut watcher, &alice, "online", &["desktop"]).await;
    is_told(&mut watcher, &alice, "offline", &[]).await;
    let rows = async || {
        let sql = "SELECT count(*) FROM presence WHERE account_id = $1::uuid";
        sqlx::query_scalar::<_, i64>(sql).bind(&alice.id).fetch_one(stack.pool()).await.expect("read the table")
    };
    let are = async |expected: i64| {
        eventually("the row", BOUND, async || match rows().await {
            found if found == expected => Ok(()),
            found => Err(format!("{found} rows")),
        })
        .await;
    };
    are(1).await;
    let close = json!({"password": natter_testkit::PASSWORD}).to_string().into_bytes();
    let raw = alice.at(&node).with("content-type", "application/json");
    raw.call("DELETE", "/api/v1/accounts/me", Some(close)).await.ok(200);
    are(0).await;
    let shown = lookup(&carol, &node, &alice).await;
    assert_eq!((&shown["state"], &shown["last_seen_at"]), (&json!("offline"), &json!(null)));
}

#[tokio::test]
async fn what_is_watched_is_bounded_and_ends() {
    let stack = Stack::new().await;
    let node = node(&stack, &[]).await;
    let (alice, carol) = (Device::register(&node, "alice").await, Device::register(&node, "carol").await);
    let mut socket = carol.comes(&node).await;
    let ids = |count: usize| (0..count).map(|_| new_id().to_string()).collect::<Vec<_>>();
    let ask = |op: &str, ids: &[String]| json!({"id": "1", "op": op, "account_ids": ids});
    let strangers = ids(199);
    let shown = socket.ok(ask("presence.subscribe", &strangers)).await;
    let items = shown["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 199, "those too who are nobody");
    assert!(items.iter().all(|item| item["state"] == "offline" && item["last_seen_at"].is_null()));
    let twice = [alice.id.clone(), alice.id.clone()];
    let once = socket.ok(ask("presence.subscribe", &twice)).await;
    assert_eq!(once["items"].as_array().map(Vec::len), Some(1));
    for too_many in [ids(1), ids(201)] {
        socket.send(ask("presence.subscribe", &too_many).to_string()).await;
        let refused = socket.refused(&json!("1"), 422, "invalid_input").await;
        assert_eq!(refused["error"]["errors"][0]["pointer"], "/account_ids", "{refused}");
    }
    watches_are(&node, 200.0).await;
    socket.ok(ask("presence.unsubscribe", &strangers)).await;
    socket.ok(ask("presence.unsubscribe", &ids(1))).await;
    socket.ok(ask("presence.subscribe", &ids(199))).await;
    socket.send(json!({"id": "1", "op": "presence.set", "state": "asleep"}).to_string()).await;
    let refused = socket.refused(&json!("1"), 422, "invalid_input").await;
    assert_eq!(refused["error"]["errors"][0]["pointer"], "/state", "{refused}");
    let path = "/api/v1/presence/lookup";
    carol.at(&node).post(path, json!({"ids": ids(101)}).to_string()).await.invalid("/ids");
    carol.at(&node).post(path, json!({"ids": ["x"]}).to_string()).await.invalid("/ids/0");

    // Who watches nobody any more is told nothing, and a connection that ends leaves nothing behind.
    socket.ok(ask("presence.unsubscribe", &twice)).await;
    let mut other = carol.comes(&node).await;
    watch(&mut other, &[&alice]).await;
    let _alices = alice.comes(&node).await;
    is_told(&mut other, &alice, "online", &["desktop"]).await;
    socket.lives().await;
    drop((socket, other));
    watches_are(&node, 0.0).await;
}

async fn watches_are(node: &Node, expected: f64) {
    eventually("so many are watched", BOUND, async || {
        match counted(node, "natter_edge_presence_watches", None).await {
            watches if watches == expected => Ok(()),
            watches => Err(format!("{watches}")),
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_before_pushes_flow_is_answered_behind_it() {
    let stack = Stack::new().await;
    let node = node(&stack, &[]).await;
    let (alice, carol) = (Device::register(&node, "alice").await, Device::register(&node, "carol").await);
    let mut socket = carol.at(&node).socket().await;
    socket.send(json!({"id": "1", "op": "presence.subscribe", "account_ids": [alice.id]}).to_string()).await;
    let first = socket.find("a frame", |_| true).await;
    assert_eq!(first["event"], "ready");
    assert_eq!(state(&socket.answer(&json!("1")).await["ok"]["items"][0]), "offline");
    let _alices = alice.comes(&node).await;
    is_told(&mut socket, &alice, "online", &["desktop"]).await;
}

/// The next that is told while it happens; how they became friends may come before.
async fn heard(socket: &mut Socket) -> wire::Push {
    loop {
        let next = within("a push", BOUND, socket.next()).await;
        if let Incoming::Push(push) = next.expect("the connection lives")
            && let wire::Push::Typing { .. } | wire::Push::Presence(_) = *push
        {
            return *push;
        }
    }
}

/// A person's app is online too, so what is said here is said by another connection of theirs.
#[tokio::test]
async fn the_rust_client_watches_and_types() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let talk = alice.befriends(&bob).await;
    let (hers, mut his) = (alice.socket().await, bob.socket().await);
    let watching = his.requests().watch(&[alice.id()]).await.expect("ask").answer().await.expect("subscribe");
    assert_eq!(watching.items[0].state, "online");
    assert_eq!(bob.client().presence_of(&[alice.id()]).await.expect("look up"), watching.items);
    hers.requests().typing(talk).await.expect("type");
    let typing = wire::Push::Typing { conversation_id: talk, account_id: alice.id() };
    assert_eq!(heard(&mut his).await, typing);
    for is_away in [true, false] {
        hers.requests().set_away(is_away).await.expect("ask").answer().await.expect("say that she is away");
    }
    alice.client().logout().await.expect("log out");
    let wire::Push::Presence(gone) = heard(&mut his).await else { panic!("her presence was to be told") };
    assert_eq!((gone.account_id, gone.state.as_str(), gone.online), (alice.id(), "offline", false));
    assert!(gone.last_seen_at.is_some(), "{gone:?}");
    let rest = his.requests().unwatch(&[alice.id()]).await.expect("ask").answer().await.expect("unsubscribe");
    assert_eq!(rest.items, []);
}
