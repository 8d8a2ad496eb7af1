//! Accounts that their owners want closed: cancelled by signing in, closed when the grace is over.

use super::{clocked, events, is_signed_out, login};
use natter_testkit::{BOUND, Letters, Node, Options, PASSWORD, Person, Raw, Reply, Stack, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

const DAY: i64 = 24 * 60 * 60;
const ACCOUNT: &str = "/api/v1/accounts/me";

async fn close(raw: &Raw, password: &str) -> Reply {
    let raw = raw.with("content-type", "application/json");
    raw.call("DELETE", ACCOUNT, Some(json!({"password": password}).to_string().into_bytes())).await
}

/// Waits until others are shown that it is closed.
async fn is_closed(viewer: &Person, closed: &Person) -> Value {
    eventually("the account is closed", BOUND, async || {
        let card = viewer.raw().await.get(&format!("/api/v1/accounts/{}", closed.id())).await.ok(200);
        if card["closed"] == true { Ok(card) } else { Err(card.to_string()) }
    })
    .await
}

/// Waits until nothing is to be done at any time.
async fn no_timer_is_set(stack: &Stack) {
    eventually("no timer is set", BOUND, async || {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM timers").fetch_one(stack.pool()).await.expect("count the timers");
        if count == 0 { Ok(()) } else { Err(format!("{count} are")) }
    })
    .await;
}

#[tokio::test]
async fn who_wants_their_account_closed_is_signed_out_and_may_come_back() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    let mut socket = phone.raw_socket().await;
    close(&alice.raw().await, "not her password").await.refused(401, "wrong_credentials");
    alice.client().me().await.expect("nothing has happened");

    let closing = close(&alice.raw().await, PASSWORD).await.ok(200);
    let [requested] = &events(&stack, "closing_requested").await[..] else { panic!("one event") };
    assert_eq!(closing, json!({"closes_at": requested["closes_at"]}));
    assert_eq!(requested["ended"].as_array().expect("sessions").len(), 2);
    assert_eq!(socket.event("session.revoked").await["reason"], "closing");
    assert_eq!(socket.closed().await.code, Some(4403));
    is_signed_out(alice.client()).await;
    is_signed_out(phone.client()).await;

    clock.is_ahead(13 * DAY);
    login(&node.raw(), "alice", "not her password").await.refused(401, "wrong_credentials");
    assert_eq!(events(&stack, "closing_cancelled").await.len(), 0);
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    assert_eq!(events(&stack, "closing_cancelled").await.len(), 1);
    no_timer_is_set(&stack).await;
    clock.is_ahead(20 * DAY);
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    assert_eq!(events(&stack, "closed").await.len(), 0);
}

#[tokio::test]
async fn an_account_closes_when_the_grace_is_over_and_others_see_nobody() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[("NATTER_CLOSING_GRACE_DAYS", "3")]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let (carol, dave) = (node.register("carol").await, node.register("dave").await);
    let talk = alice.befriends(&bob).await;
    bob.befriends(&carol).await;
    let asked = dave_is_asked(&alice, &dave).await;
    let group = alice.client().start_group("us", &[bob.id()]).await.expect("start a group").conversation.id;
    alice.says(&bob, "farewell").await;
    let told = json!({"signature": "gone fishing", "region": "Z"}).to_string();
    let raw = alice.raw().await.with("content-type", "application/json");
    raw.call("PATCH", ACCOUNT, Some(told.into())).await.ok(200);
    let cursor = bob.client().sync(None).await.expect("it is his").cursor;
    close(&alice.raw().await, PASSWORD).await.ok(200);

    clock.is_ahead(2 * DAY);
    let bob_again = login(&node.raw(), "bob", PASSWORD).await.ok(200);
    assert_eq!(bob_again["account"]["username"], "bob");
    assert_eq!(events(&stack, "closed").await.len(), 0);
    clock.is_ahead(3 * DAY + 60);
    let (bob, carol, dave) = (back(&node, "bob").await, back(&node, "carol").await, back(&node, "dave").await);
    let card = is_closed(&bob, &alice).await;
    for field in ["username", "nickname", "avatar", "signature", "gender", "region", "birthday", "custom"] {
        assert_eq!(card[field], json!(null), "{field}");
    }
    assert_eq!(card["id"], json!(alice.id()));
    assert_eq!(events(&stack, "closed").await.len(), 1);
    login(&node.raw(), "alice", PASSWORD).await.refused(401, "wrong_credentials");

    let raw = bob.raw().await;
    let listed = raw.get("/api/v1/friends").await.ok(200);
    let friends = listed["items"].as_array().expect("items");
    assert_eq!(friends.iter().filter(|friend| friend["account"]["closed"] == true).count(), 1, "{listed}");
    let shown = raw.get(&format!("/api/v1/conversations/{talk}")).await.ok(200);
    assert_eq!((&shown["peer"]["closed"], &shown["last_message"]["body"]["text"]), (&json!(true), &json!("farewell")));
    let synced = raw.get(&format!("/api/v1/sync?cursor={cursor}")).await.ok(200);
    assert!(synced["friends"].to_string().contains(r#""closed":true"#), "{synced}");
    for query in ["alice", "ali"] {
        assert_eq!(raw.get(&format!("/api/v1/accounts?query={query}")).await.ok(200)["items"], json!([]), "{query}");
    }
    let members = raw.get(&format!("/api/v1/conversations/{group}/members")).await.ok(200);
    assert_eq!(members["items"].as_array().expect("members").len(), 2, "who is in stays in");

    let request = json!({"to": alice.id()}).to_string();
    carol.raw().await.post("/api/v1/friends/requests", request).await.refused(403, "requests_not_taken");
    let accept = format!("/api/v1/friends/requests/{asked}/accept");
    dave.raw().await.post_nothing(&accept).await.refused(409, "request_closed");
    let request = json!({"to": alice.id()}).to_string();
    dave.raw().await.post("/api/v1/friends/requests", request).await.refused(403, "requests_not_taken");
    let group = json!({"kind": "group", "name": "we", "members": [carol.id(), alice.id()]}).to_string();
    raw.post("/api/v1/conversations", group).await.invalid("/members/1");
    let taken = json!({"username": "alice", "password": PASSWORD}).to_string();
    node.raw().post("/api/v1/auth/register", taken).await.refused(409, "name_taken");
}

async fn dave_is_asked(alice: &Person, dave: &Person) -> Uuid {
    alice.client().request_friend(dave.id(), None).await.expect("ask").id
}

/// Signed in anew.
async fn back(node: &Node, name: &str) -> Person {
    node.sign_in(name).await
}

/// What others could know of: the name stays taken, the address is somebody's again.
#[tokio::test]
async fn an_address_is_free_again_once_its_account_is_closed() {
    let stack = Stack::new().await;
    let letters = Letters::new(stack.dir());
    let more = vec![letters.variable(), ("NATTER_CLOSING_GRACE_DAYS", "0".to_owned())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let email = "alice@example.org";
    let register = async |name: &str| {
        let code = letters.code(&node.raw(), email, "register").await;
        let body = json!({"username": name, "password": PASSWORD, "email": email, "code": code});
        node.raw().post("/api/v1/auth/register", body.to_string()).await
    };
    let token = register("alice").await.ok(201)["tokens"]["access_token"].as_str().expect("a token").to_owned();
    let alice = node.raw().with("authorization", &format!("Bearer {token}"));
    close(&alice, PASSWORD).await.ok(200);
    eventually("the address is given back", BOUND, async || {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'released'")
            .fetch_one(stack.pool())
            .await
            .expect("read the log");
        if count == 1 { Ok(()) } else { Err(format!("{count} were")) }
    })
    .await;
    for name in [email, "alice"] {
        login(&node.raw(), name, PASSWORD).await.refused(401, "wrong_credentials");
    }
    let other = register("alison").await.ok(201);
    assert_eq!(other["account"]["email"], email);
    let kept: Vec<Option<String>> = sqlx::query_scalar("SELECT email FROM account WHERE closed_at IS NOT NULL")
        .fetch_all(stack.pool())
        .await
        .expect("read the rows");
    assert_eq!(kept, [None]);
}

#[tokio::test]
async fn who_is_suspended_meanwhile_is_not_closed_and_may_come_back() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    for person in [&alice, &bob] {
        close(&person.raw().await, PASSWORD).await.ok(200);
    }
    super::well(&node, &["suspend", &alice.id().to_string(), "--until", "30d", "--by", "root"]).await;
    super::well(&node, &["suspend", &bob.id().to_string(), "--by", "root"]).await;
    are_put_off(&stack, 1).await;
    clock.is_ahead(15 * DAY);
    // Alice's closing was put off to a week after her suspension. Nobody knows when Bob's ends: his is put off now.
    are_put_off(&stack, 2).await;
    for name in ["alice", "bob"] {
        login(&node.raw(), name, PASSWORD).await.refused(403, "account_suspended");
    }
    clock.is_ahead(36 * DAY);
    are_put_off(&stack, 3).await;
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    super::well(&node, &["restore", &bob.id().to_string(), "--by", "root"]).await;
    login(&node.raw(), "bob", PASSWORD).await.ok(200);
    no_timer_is_set(&stack).await;
    assert_eq!((events(&stack, "closing_cancelled").await.len(), events(&stack, "closed").await.len()), (2, 0));
}

async fn are_put_off(stack: &Stack, count: usize) {
    eventually("closings are put off", BOUND, async || {
        let postponed = events(stack, "closing_postponed").await;
        if postponed.len() == count { Ok(()) } else { Err(format!("{postponed:?}")) }
    })
    .await;
}

#[tokio::test]
async fn who_does_not_come_back_after_a_suspension_is_closed_a_week_later() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let (alice, _bob) = (node.register("alice").await, node.register("bob").await);
    close(&alice.raw().await, PASSWORD).await.ok(200);
    super::well(&node, &["suspend", &alice.id().to_string(), "--until", "30d", "--by", "root"]).await;
    are_put_off(&stack, 1).await;
    clock.is_ahead(37 * DAY + 60);
    eventually("her account is closed", BOUND, async || {
        let closed = events(&stack, "closed").await.len();
        if closed == 1 { Ok(()) } else { Err(format!("{closed} are")) }
    })
    .await;
    // Signed in only now: a token from before the node saw its clock would be over.
    is_closed(&back(&node, "bob").await, &alice).await;
}

/// The node that has the timers dies; another one closes the account.
#[tokio::test]
async fn an_account_closes_though_nodes_come_and_go() {
    let stack = Stack::new().await;
    let (mut node, clock) = clocked(&stack, &[]).await;
    let (alice, _bob) = (node.register("alice").await, node.register("bob").await);
    close(&alice.raw().await, PASSWORD).await.ok(200);
    node.kill().await;
    clock.is_ahead(14 * DAY + 60);
    node.restart().await;
    let bob = back(&node, "bob").await;
    is_closed(&bob, &alice).await;
    assert_eq!(events(&stack, "closed").await.len(), 1);
}

#[tokio::test]
async fn what_is_built_anew_says_the_same_of_who_is_closed_muted_and_suspended() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let (carol, dave) = (node.register("carol").await, node.register("dave").await);
    close(&alice.raw().await, PASSWORD).await.ok(200);
    clock.is_ahead(14 * DAY + 60);
    super::well(&node, &["mute", &bob.id().to_string(), "--reason", "loud", "--by", "root"]).await;
    super::well(&node, &["suspend", &carol.id().to_string(), "--until", "2999-01-01T00:00:00Z", "--by", "root"]).await;
    super::well(&node, &["mute", &dave.id().to_string(), "--by", "root"]).await;
    super::well(&node, &["restore", &dave.id().to_string(), "--by", "root"]).await;
    let bob = back(&node, "bob").await;
    is_closed(&bob, &alice).await;
    let rebuilt = node.run(&["projections", "rebuild", "relations"]).await;
    let said = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(rebuilt.status.success() && said.contains("the same as what is live"), "{said}");
    is_closed(&bob, &alice).await;
}
