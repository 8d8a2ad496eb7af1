//! What somebody does with their own sessions: look at them, end one or all others, and take another password.

use natter_testkit::{
    BOUND, Node, Options, PASSWORD, Person, Reply, Stack,
    client::{Client, Signed},
    eventually, wire,
};
use serde_json::{Value, json};
use sqlx::query_scalar;

const SESSIONS: &str = "/api/v1/auth/sessions";
const CHANGE: &str = "/api/v1/auth/password/change";

async fn login(client: &Client, login: &str, password: &str, platform: Option<&str>) -> Signed {
    let device =
        platform.map(|platform| wire::Device { name: Some("a phone".into()), platform: Some(platform.into()) });
    let login = wire::Login { login: login.to_owned(), password: Some(password.to_owned()), code: None, device };
    client.login(&login).await.expect("the password is right")
}

async fn session_of(signed: &Signed) -> String {
    let token = signed.tokens().await.access_token;
    let verified = signed.client().verify(&token).await.expect("the server answers");
    verified.session_id.expect("the token works").to_string()
}

/// As the answer to `GET /auth/sessions` names them.
fn ids(listed: &Value) -> Vec<String> {
    let items = listed["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn is_signed_out(signed: &Signed) {
    eventually("the session is refused", BOUND, async || match signed.me().await {
        Err(error) if error.code() == Some("unauthenticated") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn somebody_sees_their_own_sessions_newest_first() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let phone = login(alice.client().client(), "alice", PASSWORD, Some("android")).await;
    let listed = alice.raw().await.get(SESSIONS).await.ok(200);
    assert_eq!(ids(&listed), [session_of(&phone).await, session_of(alice.client()).await]);
    let (newest, first) = (&listed["items"][0], &listed["items"][1]);
    assert_eq!((&newest["current"], &first["current"]), (&json!(false), &json!(true)));
    assert_eq!(newest["device"], json!({"name": "a phone", "platform": "android"}));
    assert_eq!(first["device"], json!({"name": null, "platform": null}));
    assert_eq!(newest["address"], "127.0.0.1");
    assert_eq!(newest["created_at"], newest["last_used_at"]);

    phone.refresh().await.expect("it is hers");
    let used = phone.sessions().await.expect("it is hers");
    assert!(used[0].last_used_at > used[0].created_at, "{used:?}");
    assert_eq!((used[0].address.as_deref(), used[0].current), (Some("127.0.0.1"), true));
    assert_eq!(bob.client().sessions().await.expect("they are his").len(), 1);
    let query = query_scalar("SELECT address FROM session").fetch_all(stack.pool());
    let kept: Vec<Option<String>> = query.await.expect("the rows are read");
    assert!(kept.iter().all(|address| address.as_ref().is_some_and(|it| !it.contains("127.0"))), "{kept:?}");
}

#[tokio::test]
async fn one_session_is_ended_from_another_and_of_others_nothing_is_learned() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let (alice, bob) = (near.register("alice").await, near.register("bob").await);
    let phone = alice.on_another_device().await;
    let elsewhere = far
        .client()
        .signed(wire::SignedIn { account: phone.client().account().clone(), tokens: phone.client().tokens().await });
    let mut socket = phone.raw_socket().await;
    let id = session_of(phone.client()).await;
    let path = format!("{SESSIONS}/{id}");
    bob.raw().await.call("DELETE", &path, None).await.refused(404, "not_found");
    let nobody = format!("{SESSIONS}/{}", natter_testkit::client::new_id());
    alice.raw().await.call("DELETE", &nobody, None).await.refused(404, "not_found");
    elsewhere.me().await.expect("nothing has happened to it");

    let ended = alice.raw().await.call("DELETE", &path, None).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert_eq!(socket.event("session.revoked").await["reason"], "ended");
    assert_eq!(socket.closed().await.code, Some(4403));
    is_signed_out(&elsewhere).await;
    let seen = alice.raw().await.with("natter-position", &ended.position());
    assert_eq!(ids(&seen.get(SESSIONS).await.ok(200)), [session_of(alice.client()).await]);
    let again = alice.raw().await.call("DELETE", &path, None).await;
    assert_eq!(again.status, 204, "it has ended already");
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let (phone, tablet) = (alice.on_another_device().await, alice.on_another_device().await);
    let mut socket = phone.raw_socket().await;
    let ended = alice.raw().await.call("DELETE", SESSIONS, None).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert_eq!(socket.event("session.revoked").await["reason"], "ended");
    assert_eq!(socket.closed().await.code, Some(4403));
    is_signed_out(phone.client()).await;
    is_signed_out(tablet.client()).await;
    let seen = alice.raw().await.with("natter-position", &ended.position());
    assert_eq!(ids(&seen.get(SESSIONS).await.ok(200)), [session_of(alice.client()).await]);
}

async fn change(person: &Person, old: &str, new: &str) -> Reply {
    let body = json!({"old_password": old, "new_password": new}).to_string();
    person.raw().await.post(CHANGE, body).await
}

#[tokio::test]
async fn another_password_signs_out_everybody_else() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    let mut socket = phone.raw_socket().await;
    change(&alice, "not the password", "a longer password").await.refused(401, "wrong_credentials");
    let short = change(&alice, PASSWORD, "short").await.refused(422, "invalid_input");
    assert_eq!(short["errors"][0]["pointer"], "/new_password");
    phone.client().me().await.expect("nothing has changed");

    assert_eq!(change(&alice, PASSWORD, "a longer password").await.status, 204);
    assert_eq!(socket.event("session.revoked").await["reason"], "password_changed");
    assert_eq!(socket.closed().await.code, Some(4403));
    is_signed_out(phone.client()).await;
    alice.client().me().await.expect("the session that asked lives on");
    let old = json!({"login": "alice", "password": PASSWORD}).to_string();
    node.raw().post("/api/v1/auth/login", old).await.refused(401, "wrong_credentials");
    login(alice.client().client(), "alice", "a longer password", None).await;
}

/// The node that was asked dies after the account has said what has ended, and before it is revoked.
#[tokio::test]
async fn what_an_account_has_ended_is_revoked_though_who_was_to_do_it_dies() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    let refresh = json!({"refresh_token": phone.client().tokens().await.refresh_token}).to_string();
    let raw = alice.raw().await;
    node.kill().await;
    node.restart_with(Options::faults("session.before_revoking=kill@1")).await;
    raw.try_call("DELETE", SESSIONS, None).await.expect_err("the node has died");
    node.exited().await;
    node.restart_with(Options::default()).await;
    is_signed_out(phone.client()).await;
    node.raw().post("/api/v1/auth/refresh", refresh).await.refused(401, "unauthenticated");
    alice.client().me().await.expect("the session that asked lives on");
}

/// The node dies between letting a session in and opening it; the session that never opened is no trouble to anybody.
#[tokio::test]
async fn a_login_that_was_cut_off_can_be_made_again() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    node.kill().await;
    node.restart_with(Options::faults("session.after_admission=kill@1")).await;
    let body = json!({"login": "alice", "password": PASSWORD}).to_string();
    node.raw()
        .with("content-type", "application/json")
        .try_call("POST", "/api/v1/auth/login", Some(body.into()))
        .await
        .expect_err("the node has died");
    node.exited().await;
    node.restart_with(Options::default()).await;
    let again = alice.on_another_device().await;
    assert_eq!(again.client().sessions().await.expect("they are hers").len(), 2);
    assert_eq!(alice.raw().await.call("DELETE", SESSIONS, None).await.status, 204);
    is_signed_out(again.client()).await;
}

async fn node_with(stack: &Stack, policy: &str) -> Node {
    let more = vec![("NATTER_SESSIONS", policy.to_owned())];
    stack.node_with(Options { more, ..Options::default() }).await
}

#[tokio::test]
async fn the_newest_sessions_win_where_there_may_be_so_many() {
    let stack = Stack::new().await;
    let node = node_with(&stack, "max:2").await;
    let alice = node.register("alice").await;
    let mut socket = alice.raw_socket().await;
    let phone = alice.on_another_device().await;
    alice.client().me().await.expect("two are allowed");
    let tablet = alice.on_another_device().await;
    assert_eq!(socket.event("session.revoked").await["reason"], "replaced");
    assert_eq!(socket.closed().await.code, Some(4403));
    is_signed_out(alice.client()).await;

    // Who has logged out takes no place.
    tablet.client().logout().await.expect("it is hers");
    eventually("the account has forgotten the session", BOUND, async || {
        let counted = query_scalar("SELECT count(*) FROM events WHERE event_type = 'session_forgotten'");
        let forgotten: i64 = counted.fetch_one(stack.pool()).await.expect("they are counted");
        if forgotten == 1 { Ok(()) } else { Err(forgotten.to_string()) }
    })
    .await;
    let watch = alice.on_another_device().await;
    phone.client().me().await.expect("two are allowed, and one of three has logged out");
    watch.client().me().await.expect("it has just signed in");
}

#[tokio::test]
async fn one_session_of_each_platform() {
    let stack = Stack::new().await;
    let node = node_with(&stack, "platform").await;
    let alice = node.register("alice").await;
    let client = alice.client().client();
    let first = login(client, "alice", PASSWORD, Some("android")).await;
    let other = login(client, "alice", PASSWORD, Some("ios")).await;
    let second = login(client, "alice", PASSWORD, Some("android")).await;
    is_signed_out(&first).await;
    for open in [alice.client(), &other, &second] {
        open.me().await.expect("it is alone on its platform");
    }
}
