//! Signing in a new device with a phone that is signed in.

use crate::second::app::{challenge, turn_on};
use natter_testkit::{BOUND, Clock, Node, Options, Person, Reply, Stack, eventually};
use serde_json::{Value, json};

const QR: &str = "/api/v1/auth/qr";

/// A device that shows its QR code.
struct Laptop {
    id: String,
    secret: String,
}

impl Laptop {
    async fn shows(node: &Node) -> Self {
        let body = json!({"device": {"name": "a new laptop", "platform": "linux"}}).to_string();
        let shown = node.raw().post(QR, body).await.ok(201);
        assert_eq!(shown["expires_in"], 120);
        let [id, secret, code] = ["id", "secret", "code"].map(|field| shown[field].as_str().expect("a text"));
        assert_eq!(code, format!("natter:qr:{id}"), "nothing more is told to who reads it");
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    async fn asks(&self, node: &Node) -> Value {
        self.asks_with(node, &self.secret).await.ok(200)
    }

    async fn asks_with(&self, node: &Node, secret: &str) -> Reply {
        node.raw().post(&format!("{QR}/{}", self.id), json!({"secret": secret}).to_string()).await
    }

    /// `scan`, `approve`, `refuse`.
    async fn told(&self, person: &Person, what: &str) -> Reply {
        person.raw().await.post_nothing(&format!("{QR}/{}/{what}", self.id)).await
    }

    async fn approved_by(&self, person: &Person) {
        self.told(person, "scan").await.ok(200);
        assert_eq!(self.told(person, "approve").await.status, 204);
    }
}

#[tokio::test]
async fn somebody_sees_what_asks_and_lets_it_in() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let alice = near.register("alice").await;
    let laptop = Laptop::shows(&far).await;
    assert_eq!(laptop.asks(&near).await, json!({"state": "pending"}));
    let scanned = laptop.told(&alice, "scan").await.ok(200);
    assert_eq!(scanned["device"], json!({"name": "a new laptop", "platform": "linux"}));
    assert_eq!(scanned["address"], "127.0.0.1");
    assert!(scanned["expires_in"].as_u64().is_some_and(|left| left <= 120), "{scanned}");
    assert_eq!(laptop.asks(&far).await, json!({"state": "scanned", "by": {"nickname": "alice"}}));
    assert_eq!(laptop.told(&alice, "scan").await.status, 200, "she may look again");

    assert_eq!(laptop.told(&alice, "approve").await.status, 204);
    assert_eq!(laptop.told(&alice, "approve").await.status, 204, "she may say it again");
    let approved = laptop.asks(&far).await;
    assert_eq!(approved["state"], "approved");
    assert_eq!(approved["account"]["username"], "alice");
    let token = approved["tokens"]["access_token"].as_str().expect("a token");
    let raw = near.raw().with("authorization", &format!("Bearer {token}"));
    let sessions = raw.get("/api/v1/auth/sessions").await.ok(200);
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(sessions["items"][0]["device"]["name"], "a new laptop");

    // One session, whoever says what again.
    assert_eq!(laptop.told(&alice, "approve").await.status, 204);
    laptop.told(&alice, "refuse").await.refused(409, "conflict");
    assert_eq!(laptop.asks(&far).await, json!({"state": "expired"}));
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 2);
}

#[tokio::test]
async fn of_two_that_ask_at_once_one_gets_the_session() {
    let stack = Stack::new().await;
    let (near, far) = (stack.node().await, stack.node().await);
    let alice = near.register("alice").await;
    let laptop = Laptop::shows(&far).await;
    laptop.approved_by(&alice).await;
    let asked = tokio::join!(laptop.asks(&near), laptop.asks(&far), laptop.asks(&near), laptop.asks(&far));
    let states = [asked.0, asked.1, asked.2, asked.3].map(|asked| asked["state"].as_str().map(str::to_owned));
    let given = states.iter().filter(|state| state.as_deref() == Some("approved")).count();
    let too_late = states.iter().filter(|state| state.as_deref() == Some("expired")).count();
    assert_eq!((given, too_late), (1, 3), "{states:?}");
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 2);
}

#[tokio::test]
async fn an_approval_whose_session_cannot_be_opened_is_not_used_up() {
    let stack = Stack::new().await;
    let full = stack.dir().join("disk-is-full");
    let node = stack.node_with(Options::faults(format!("log.append=fail:{}", full.display()))).await;
    let alice = node.register("alice").await;
    let laptop = Laptop::shows(&node).await;
    laptop.approved_by(&alice).await;
    std::fs::write(&full, "").expect("fill the disk");
    for _ in 0..2 {
        laptop.asks_with(&node, &laptop.secret).await.refused(503, "unavailable");
    }
    std::fs::remove_file(&full).expect("make room");
    let state = eventually("there is room", BOUND, async || match laptop.asks_with(&node, &laptop.secret).await {
        reply if reply.status == 503 => Err(reply.text()),
        reply => Ok(reply.ok(200)["state"].clone()),
    })
    .await;
    assert_eq!(state, "approved");
    assert_eq!(laptop.asks(&node).await, json!({"state": "expired"}));
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 2);
}

#[tokio::test]
async fn who_does_not_know_the_secret_learns_and_gets_nothing() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let (laptop, other) = (Laptop::shows(&node).await, Laptop::shows(&node).await);
    for secret in ["", &other.secret, &laptop.id] {
        laptop.asks_with(&node, secret).await.refused(404, "not_found");
    }
    laptop.approved_by(&alice).await;
    laptop.asks_with(&node, &other.secret).await.refused(404, "not_found");
    laptop.told(&bob, "scan").await.refused(409, "conflict");
    laptop.told(&bob, "approve").await.refused(404, "not_found");
    laptop.told(&bob, "refuse").await.refused(404, "not_found");
    // Nor from another session of hers: what was shown was shown there.
    let tablet = alice.on_another_device().await;
    laptop.told(&tablet, "refuse").await.refused(404, "not_found");
    assert_eq!(laptop.asks(&node).await["state"], "approved");
    let nobody = Laptop { id: natter_testkit::client::new_id().to_string(), secret: laptop.secret };
    nobody.asks_with(&node, &nobody.secret).await.refused(404, "not_found");
    for what in ["scan", "approve", "refuse"] {
        nobody.told(&alice, what).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn what_was_refused_is_refused() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let laptop = Laptop::shows(&node).await;
    laptop.told(&alice, "approve").await.refused(409, "conflict");
    laptop.approved_by(&alice).await;
    assert_eq!(laptop.told(&alice, "refuse").await.status, 204, "she has thought better of it");
    assert_eq!(laptop.asks(&node).await, json!({"state": "refused"}));
    laptop.told(&alice, "approve").await.refused(409, "conflict");
    assert_eq!(laptop.asks(&node).await, json!({"state": "refused"}));
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 1);
}

#[tokio::test]
async fn two_minutes_and_it_is_over() {
    let stack = Stack::new().await;
    let clock = Clock::of(&stack);
    let node = stack.node_with(clock.options()).await;
    let alice = node.register("alice").await;
    let (unseen, approved) = (Laptop::shows(&node).await, Laptop::shows(&node).await);
    approved.approved_by(&alice).await;
    clock.ahead_by(121);
    eventually("the QR code has had its time", BOUND, async || {
        let state = unseen.asks(&node).await;
        if state == json!({"state": "expired"}) { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
    assert_eq!(approved.asks(&node).await, json!({"state": "expired"}));
    unseen.told(&alice, "scan").await.refused(404, "not_found");
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 1);
}

/// A thief's approval goes with the session that was stolen.
#[tokio::test]
async fn a_session_that_has_ended_vouches_for_nobody() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    let laptop = Laptop::shows(&node).await;
    laptop.approved_by(&phone).await;
    let ended = alice.raw().await.call("DELETE", "/api/v1/auth/sessions", None).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert_eq!(laptop.asks(&node).await, json!({"state": "refused"}));
    assert_eq!(alice.client().sessions().await.expect("they are hers").len(), 1);
}

#[tokio::test]
async fn the_phone_vouches_in_the_place_of_a_second_factor() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    turn_on(&alice).await;
    challenge(&node, "alice").await;
    let laptop = Laptop::shows(&node).await;
    laptop.approved_by(&alice).await;
    assert_eq!(laptop.asks(&node).await["state"], "approved");
}

#[tokio::test]
async fn what_is_kept_of_it_tells_nothing_and_opens_nothing() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let alice = node.register("alice").await;
    let laptop = Laptop::shows(&node).await;
    laptop.approved_by(&alice).await;
    let before = stack.kept_for_minutes().await;
    let approved = laptop.asks(&node).await;
    let kept = before + &stack.kept_for_minutes().await;
    assert!(kept.contains("approved") && kept.contains("taken"), "{kept}");
    let tokens = &approved["tokens"];
    let secrets = [&tokens["access_token"], &tokens["refresh_token"]].map(|token| token.as_str().expect("a token"));
    for told in secrets.into_iter().chain([laptop.secret.as_str(), laptop.id.as_str(), "a new laptop", "127.0.0.1"]) {
        assert!(!kept.contains(told), "{told} is in {kept}");
    }
}
