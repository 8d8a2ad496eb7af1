//! One of two nodes is cut off, from PostgreSQL or from NATS, by a network that says nothing. What it had is done by the
//! other one, and it answers nothing that may not be true any more.

use natter_testkit::{BOUND, Node, Options, Person, Proxy, Raw, Reply, Stack, client::new_id, eventually, law};
use serde_json::{Value, json};
use uuid::Uuid;

/// A silent NATS is missed after six seconds, the lease ends five seconds later, and then things change hands.
const LONG: std::time::Duration = BOUND.saturating_mul(3);
/// Each try has its conversation on a lane of the one node or the other.
const TRIES: usize = 60;

/// Two nodes with all roles, one of them behind a proxy; and people with a conversation on a lane of that one.
struct Scene {
    stack: Stack,
    proxy: Proxy,
    far: Node,
    near: Node,
    alice: Person,
    bob: Person,
    carol: Person,
    conversation: Uuid,
}

impl Scene {
    async fn set(variable: &'static str, url: impl Fn(&Stack) -> &str) -> Self {
        let stack = Stack::new().await;
        let proxy = Proxy::before(url(&stack)).await;
        let more = vec![(variable, proxy.url.clone())];
        let far = stack.node_with(Options { more, ..Options::default() }).await;
        // The newest one, where everybody comes in.
        let near = stack.node().await;
        lanes_are_shared(&stack, &far).await;
        let carol = stack.person("carol").await;
        for number in 0..TRIES {
            let (alice, bob) =
                (stack.person(&format!("alice{number}")).await, stack.person(&format!("bob{number}")).await);
            let conversation = alice.befriends(&bob).await;
            if owns_the_lane_of(&stack, &far, conversation).await {
                return Self { stack, proxy, far, near, alice, bob, carol, conversation };
            }
        }
        panic!("no conversation is where it shall be in {TRIES} tries");
    }

    /// Sends at a node, as somebody who is signed in there as everywhere.
    async fn sends(&self, node: &Node, person: &Person, message: &Value) -> Reply {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        as_person(node, person).await.post(&path, message.to_string()).await
    }

    /// What alice sent is there, once each and in order; bob was shown it.
    async fn nothing_is_missing(&self, sent: &[Value], last: &Reply) {
        let stored = self.alice.history(self.conversation, &last.position()).await;
        let ids: Vec<String> = stored.iter().map(|message| message.message_id.to_string()).collect();
        let expected: Vec<&str> = sent.iter().map(|message| message["message_id"].as_str().expect("an id")).collect();
        assert_eq!(ids, expected);
        assert_eq!(self.bob.has_been_shown(self.conversation, stored.len(), LONG).await, stored);
        law::log_is_stream(&self.stack).await;
        law::check_chain(&self.stack).await.expect("the chain holds");
    }
}

async fn as_person(node: &Node, person: &Person) -> Raw {
    let tokens = person.client().tokens().await;
    node.raw().with("authorization", &format!("Bearer {}", tokens.access_token))
}

fn message(text: &str) -> Value {
    json!({"message_id": new_id(), "body": {"kind": "text", "text": text}})
}

/// An id by a clock that is ahead, as far as clocks may be.
fn made_ahead() -> Uuid {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
    let millis = u64::try_from(since.as_millis()).expect("it is not so late") + 58_000;
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

/// As rows name it.
fn owner(node: &Node) -> String {
    format!("%:{}/%", node.base_url().rsplit(':').next().expect("a url with a port"))
}

async fn owned(stack: &Stack, node: &Node) -> (i64, i64) {
    let count = "SELECT count(*) FILTER (WHERE owner LIKE $1), count(*) FROM lanes WHERE expires_at > now()";
    sqlx::query_as(count).bind(owner(node)).fetch_one(stack.pool()).await.expect("read who owns the lanes")
}

async fn lanes_are_shared(stack: &Stack, node: &Node) {
    eventually("the nodes share the lanes", LONG, async || match owned(stack, node).await {
        (2, 4) => Ok(()),
        (owned, all) => Err(format!("{owned} of {all}")),
    })
    .await;
}

async fn lanes_are_of(stack: &Stack, node: &Node) {
    eventually("one node owns all lanes", LONG, async || match owned(stack, node).await {
        (4, 4) => Ok(()),
        (owned, all) => Err(format!("{owned} of {all}")),
    })
    .await;
}

async fn owns_the_lane_of(stack: &Stack, node: &Node, conversation: Uuid) -> bool {
    let lane = law::lanes(stack).await.of(conversation);
    let owns = sqlx::query_scalar("SELECT owner LIKE $2 FROM lanes WHERE lane = $1");
    owns.bind(lane.number()).bind(owner(node)).fetch_one(stack.pool()).await.expect("read who owns the lane")
}

async fn says(node: &Node, what: &str) {
    eventually("its log says so", LONG, async || {
        if node.output().contains(what) { Ok(()) } else { Err(format!("no word of {what:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_postgresql_has_lost_answers_nothing_until_it_is_back() {
    let scene = Scene::set("NATTER_DATABASE_URL", Stack::database_url).await;
    let (far, near) = (&scene.far, &scene.near);
    let mut sent = vec![message("before")];
    assert_eq!(scene.sends(far, &scene.alice, &sent[0]).await.status, 201);

    scene.proxy.silent();
    let [unsure, stranger] = ["while it was cut off", "let me in"].map(message);
    // New without a doubt, whatever clock it was made by: nothing is looked up before it is refused.
    let at_once = json!({"message_id": made_ahead(), "body": {"kind": "text", "text": "and now?"}});
    // Asked while it still believes to hold the lane, which it cannot know any more.
    let lost = async {
        lanes_are_of(&scene.stack, near).await;
        says(far, "the lane is lost").await;
    };
    let (refused, ()) = tokio::join!(scene.sends(far, &scene.carol, &at_once), lost);
    refused.refused(503, "unavailable");
    let (new, repeated, strange) = tokio::join!(
        scene.sends(far, &scene.alice, &unsure),
        scene.sends(far, &scene.alice, &sent[0]),
        scene.sends(far, &scene.carol, &stranger),
    );
    for reply in [new, repeated, strange] {
        reply.refused(503, "unavailable");
    }
    sent.push(message("at the other one"));
    assert_eq!(scene.sends(near, &scene.alice, &sent[1]).await.status, 201);

    scene.proxy.heal();
    lanes_are_shared(&scene.stack, far).await;
    // Not known to be stored, so sent again; it is no repeat, for nothing of it was.
    sent.push(unsure);
    let answered = eventually("it takes messages again", LONG, async || {
        let reply = scene.sends(far, &scene.alice, &sent[2]).await;
        if reply.status == 201 { Ok(reply) } else { Err(reply.text()) }
    })
    .await;
    scene.nothing_is_missing(&sent, &answered).await;
}

#[tokio::test]
async fn a_node_that_nats_has_lost_is_replaced_for_those_who_are_not_its_guests() {
    let scene = Scene::set("NATTER_NATS_URL", Stack::nats_url).await;
    let (far, near) = (&scene.far, &scene.near);
    let mut sent = vec![message("before")];
    assert_eq!(scene.sends(far, &scene.alice, &sent[0]).await.status, 201);

    scene.proxy.silent();
    lanes_are_of(&scene.stack, near).await;
    let unready = far.raw().get("/readyz").await.refused(503, "unavailable");
    for role in ["commands", "projections"] {
        let why = format!("{role} are not connected to the bus");
        assert!(unready["detail"].as_str().is_some_and(|detail| detail.contains(&why)), "{unready}");
    }
    sent.push(message("at the other one"));
    assert_eq!(scene.sends(near, &scene.alice, &sent[1]).await.status, 201);
    scene.alice.raw_socket().await.lives().await;

    scene.proxy.heal();
    lanes_are_shared(&scene.stack, far).await;
    as_person(far, &scene.alice).await.socket().await.event("ready").await;
    sent.push(message("at the one that is back"));
    let answered = scene.sends(far, &scene.alice, &sent[2]).await;
    assert_eq!(answered.status, 201, "{}", answered.text());
    scene.nothing_is_missing(&sent, &answered).await;
}
