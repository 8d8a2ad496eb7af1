//! Linking an identity to an account that there is, and undoing it.

use super::{
    IDENTITIES, LINK, PASSWORD_PATH, SignIn, account, as_signed_in, id_of, identities, node, options, signs_in,
};
use natter_testkit::{
    BOUND, Letters, Node, PASSWORD, Person, Raw, Reply, Stack, eventually,
    oidc::{CLIENT_ID, Provider},
};
use serde_json::json;

async fn link(raw: &Raw, sign_in: &SignIn, password: &str) -> Reply {
    raw.post(LINK, sign_in.shown(&json!({"password": password}))).await
}

/// Who links it, and sees it from then on.
async fn linked(node: &Node, person: &Person, elsewhere: &str) -> Raw {
    let me = person.raw().await;
    let reply = link(&me, &SignIn::of(node, elsewhere).await, PASSWORD).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    after(person, &reply).await
}

/// Sees what that write has done.
async fn after(person: &Person, write: &Reply) -> Raw {
    person.raw().await.with("natter-position", &write.position())
}

async fn unlink(raw: &Raw, id: &str) -> Reply {
    raw.call("DELETE", &format!("{IDENTITIES}/{id}"), None).await
}

#[tokio::test]
async fn who_has_the_password_links_an_identity_and_signs_in_by_it() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let letters = Letters::new(stack.dir());
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more.push(letters.variable());
    let node = stack.node_with(options).await;
    let code = letters.code(&node.raw(), "alice@example.org", "register").await;
    let body = json!({"username": "alice", "password": PASSWORD, "email": "alice@example.org", "code": code});
    node.raw().post("/api/v1/auth/register", body.to_string()).await.ok(201);
    let alice = node.sign_in("alice").await;
    let me = alice.raw().await;

    let sign_in = SignIn::of(&node, "ada").await;
    link(&me, &sign_in, "not the password").await.refused(401, "wrong_credentials");
    link(&node.raw(), &sign_in, PASSWORD).await.refused(401, "unauthenticated");
    let reply = link(&me, &sign_in, PASSWORD).await;
    assert_eq!(reply.status, 204, "a wrong password has not ended it: {}", reply.text());
    link(&me, &sign_in, PASSWORD).await.refused(422, "code_wrong");
    let told = letters.letter("alice@example.org", 2).await;
    assert_eq!(told["subject"], "Another way to sign in", "{told}");

    let signed_in = signs_in(&node, "ada").await.ok(200);
    assert_eq!(account(&signed_in), alice.id().to_string());
    assert_eq!(identities(&after(&alice, &reply).await).await.len(), 1);
    let again = link(&me, &SignIn::of(&node, "ada").await, PASSWORD).await;
    assert_eq!(again.status, 204, "it is linked: {}", again.text());

    let bob = node.register("bob").await;
    link(&bob.raw().await, &SignIn::of(&node, "ada").await, PASSWORD).await.refused(409, "conflict");
    assert_eq!(identities(&bob.raw().await).await.len(), 0);
}

#[tokio::test]
async fn what_is_unlinked_signs_in_nobody_and_is_free() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let me = linked(&node, &alice, "ada").await;
    let id = id_of(&me).await;
    assert_eq!(unlink(&bob.raw().await, &id).await.status, 204, "of another's nothing is told");
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), alice.id().to_string(), "and nothing is done");

    let unlinked = unlink(&me, &id).await;
    assert_eq!(unlinked.status, 204, "{}", unlinked.text());
    assert_eq!(unlink(&me, &id).await.status, 204, "again");
    assert_eq!(identities(&after(&alice, &unlinked).await).await.len(), 0);
    let other = signs_in(&node, "ada").await.ok(201);
    assert_ne!(account(&other), alice.id().to_string());
    link(&me, &SignIn::of(&node, "ada").await, PASSWORD).await.refused(409, "conflict");
}

#[tokio::test]
async fn what_was_unlinked_can_be_linked_again() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let alice = node.register("alice").await;
    let me = linked(&node, &alice, "ada").await;
    assert_eq!(unlink(&me, &id_of(&me).await).await.status, 204);
    let sign_in = SignIn::of(&node, "ada").await;
    // While it is being given back it is `unavailable`, and the sign-in goes on.
    eventually("it is linked again", BOUND, async || match link(&me, &sign_in, PASSWORD).await {
        reply if reply.status == 204 => Ok(()),
        reply => {
            reply.refused(503, "unavailable");
            Err("not yet".to_owned())
        }
    })
    .await;
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), alice.id().to_string());
}

#[tokio::test]
async fn the_last_way_in_stays_until_there_is_a_password() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let reply = signs_in(&node, "ada").await;
    let first = reply.ok(201);
    let me = as_signed_in(&node, &first).with("natter-position", &reply.position());
    let id = id_of(&me).await;
    unlink(&me, &id).await.refused(409, "conflict");
    let other = SignIn::of(&node, "ada.two").await;
    link(&me, &other, "").await.refused(401, "wrong_credentials");
    // The provider lets them set one; whoever it does not know here sets none.
    let set = |sign_in: &SignIn| sign_in.shown(&json!({"new_password": PASSWORD}));
    let raw = node.raw();
    raw.post(PASSWORD_PATH, set(&other)).await.refused(404, "not_found");
    let weak = SignIn::of(&node, "ada").await;
    raw.post(PASSWORD_PATH, weak.shown(&json!({"new_password": "short"}))).await.invalid("/new_password");
    assert_eq!(raw.post(PASSWORD_PATH, set(&weak)).await.status, 204);
    me.get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    let ada = node.sign_in("ada").await;
    assert_eq!(ada.id().to_string(), account(&first));
    let me = ada.raw().await;
    assert_eq!(unlink(&me, &id).await.status, 204);
    assert_eq!(account(&signs_in(&node, "ada.two").await.ok(201)).len(), 36);
}

#[tokio::test]
async fn guesses_of_the_password_are_slowed_down_here_too() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more.push(("NATTER_LIMITS", "standard".to_owned()));
    let node = stack.node_with(options).await;
    let alice = node.register("alice").await;
    let (me, sign_in) = (alice.raw().await, SignIn::of(&node, "ada").await);
    // On a slow machine the first waits, of a second or two, are over already.
    for tried in 0..20 {
        let told = link(&me, &sign_in, "not the password").await;
        if tried > 5 && told.status == 429 {
            told.refused(429, "rate_limited");
            assert!(told.header("retry-after").is_some());
            return;
        }
        told.refused(401, "wrong_credentials");
    }
    panic!("guesses are not slowed down");
}

#[tokio::test]
async fn a_closed_account_gives_its_identity_back() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more.push(("NATTER_CLOSING_GRACE_DAYS", "0".to_owned()));
    let node = stack.node_with(options).await;
    let alice = node.register("alice").await;
    let me = linked(&node, &alice, "ada").await;
    let closing = me.with("content-type", "application/json");
    closing.call("DELETE", "/api/v1/accounts/me", Some(json!({"password": PASSWORD}).to_string().into())).await.ok(200);
    let other = eventually("the identity is free", BOUND, async || {
        let reply = signs_in(&node, "ada").await;
        if reply.status == 201 { Ok(reply.json()) } else { Err(reply.text()) }
    })
    .await;
    assert_ne!(account(&other), alice.id().to_string());
}

#[tokio::test]
async fn it_is_in_what_an_operator_gives_somebody() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let alice = node.register("alice").await;
    linked(&node, &alice, "ada").await;
    let output = node.run(&["accounts", "export", &alice.id().to_string()]).await;
    let export: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let identity = &export["identities"][0];
    assert_eq!((&identity["issuer"], &identity["name"]), (&json!(provider.issuer), &json!("ada")), "{export}");
}
