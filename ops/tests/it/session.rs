//! Sessions: tokens are exchanged, a copied refresh token ends everything, and an ended session is at once nobody.

use natter_testkit::{
    BOUND, Reply, Stack,
    client::{Socket, socket::Handover},
    eventually,
    token::{Key, Token},
};
use serde_json::json;

fn refresh(token: &str) -> String {
    json!({"refresh_token": token}).to_string()
}

#[tokio::test]
async fn refreshing_gives_new_tokens_of_the_same_session() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let first = alice.client().tokens().await;
    let second = alice.client().refresh().await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    let third = alice.client().refresh().await.unwrap();
    assert_ne!(second.refresh_token, third.refresh_token);
    let client = alice.client().client();
    let (before, after) =
        (client.verify(&first.access_token).await.unwrap(), client.verify(&third.access_token).await.unwrap());
    assert!(before.active && after.active, "a refresh does not end older access tokens");
    assert_eq!(before.session_id, after.session_id);
    assert_eq!(after.account_id, Some(alice.id()));
}

#[tokio::test]
async fn a_refresh_token_used_twice_revokes_the_session() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let laptop = alice.on_another_device().await;
    let mut socket = alice.raw_socket().await;
    let stolen = alice.client().tokens().await;
    alice.client().refresh().await.unwrap();

    let thief = node.raw().post("/api/v1/auth/refresh", refresh(&stolen.refresh_token)).await;
    thief.refused(401, "unauthenticated");

    assert_eq!(socket.event("session.revoked").await["reason"], "refresh_token_reused");
    assert_eq!(socket.closed().await.code, Some(4403));
    for tokens in [stolen, alice.client().tokens().await] {
        let raw = node.raw().with("authorization", &format!("Bearer {}", tokens.access_token));
        is_refused("its access token", async || raw.get("/api/v1/accounts/me").await).await;
        let again = node.raw().post("/api/v1/auth/refresh", refresh(&tokens.refresh_token)).await;
        again.refused(401, "unauthenticated");
    }
    laptop.client().me().await.expect("the other session of the same person lives");
}

#[tokio::test]
async fn logging_out_ends_the_session_everywhere() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let mut socket = alice.raw_socket().await;
    let raw = alice.raw().await;
    let answer = raw.post_nothing("/api/v1/auth/logout").await;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    socket.event("session.revoked").await;
    assert_eq!(socket.closed().await.code, Some(4403));
    is_refused("its access token", async || raw.get("/api/v1/accounts/me").await).await;
    let refreshed =
        node.raw().post("/api/v1/auth/refresh", refresh(&alice.client().tokens().await.refresh_token)).await;
    refreshed.refused(401, "unauthenticated");
    let refused = raw.try_socket().await;
    assert_eq!(refused.err().and_then(|error| error.code().map(str::to_owned)).as_deref(), Some("unauthenticated"));
    alice.on_another_device().await.client().me().await.expect("signing in again works");
}

#[tokio::test]
async fn what_ended_stays_ended_after_a_restart() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let alice = node.register("alice").await;
    let raw = alice.raw().await;
    assert_eq!(raw.post_nothing("/api/v1/auth/logout").await.status, 204);
    node.kill().await;
    node.restart().await;
    is_refused("its access token", async || raw.get("/api/v1/accounts/me").await).await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_the_same() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let _alice = node.register("alice").await;
    let before = stack.event_count().await;
    let login = async |login: &str| {
        let body = json!({"login": login, "password": "not the password"}).to_string();
        let mut problem = node.raw().post("/api/v1/auth/login", body).await.refused(401, "wrong_credentials");
        problem["request_id"] = json!(null);
        problem
    };
    assert_eq!(login("alice").await, login("nobody").await);
    assert_eq!(stack.event_count().await, before);
}

async fn is_refused(what: &str, mut ask: impl AsyncFnMut() -> Reply) {
    eventually(&format!("{what} is refused"), BOUND, async || {
        let reply = ask().await;
        if reply.status == 401 { Ok(reply.refused(401, "unauthenticated")) } else { Err(reply.text()) }
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token_unless_a_newer_one_renews_it() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let honest = alice.client().tokens().await.access_token;
    let mut short = Token::read(&honest);
    short.claims["exp"] = json!(natter_streams::clock::now().as_millis() / 1000 + 4);
    let short = short.signed(&Key::of_installation(&stack.installation_key()));
    let raw = node.raw().with("authorization", &format!("Bearer {short}"));
    let (mut left, mut renewed) = (raw.socket().await, raw.socket().await);
    left.event("ready").await;
    renewed.event("ready").await;
    renewed.ok(json!({"id": "1", "op": "auth", "token": honest})).await;
    assert_eq!(left.closed().await.code, Some(4401));
    renewed.lives().await;
    raw.get("/api/v1/accounts/me").await.refused(401, "token_expired");
}

/// A token with the name of the published key number `index`, signed by the installation's key of that many terms away.
#[tokio::test]
async fn the_last_and_the_next_key_are_good_and_no_others() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let jwks = node.raw().get("/.well-known/jwks.json").await.ok(200);
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(3));
    let honest = Token::read(&alice.client().tokens().await.access_token);
    let signed = |index: usize, terms| {
        let mut token = Token { header: honest.header.clone(), claims: honest.claims.clone() };
        token.header["kid"] = jwks["keys"][index]["kid"].clone();
        let token = token.signed(&Key::of_installation_in(&stack.installation_key(), terms));
        node.raw().with("authorization", &format!("Bearer {token}"))
    };
    for (index, terms) in [(0, 0), (1, 1), (2, -1)] {
        assert_eq!(signed(index, terms).get("/api/v1/accounts/me").await.ok(200)["id"], alice.id().to_string());
    }
    for (index, terms) in [(0, 1), (1, 0), (1, 2), (2, -2)] {
        signed(index, terms).get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_client_hands_its_token_over_in_every_way() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    for handover in [Handover::Header, Handover::Protocol, Handover::Frame] {
        let socket = Socket::connect(alice.client(), handover).await.unwrap();
        assert_eq!(socket.ready.account_id, alice.id());
        let (token, _) = alice.client().access_token().await.unwrap();
        socket.requests().renew(&token).await.unwrap().answer().await.unwrap();
    }
}
