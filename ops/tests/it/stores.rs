//! One installation on two PostgreSQL servers. What happens to one of them is no matter to who talks on the other.

use crate::{
    restart::{BETWEEN, Kind, Own, own_dir, progress},
    talk::Friends,
};
use natter_testkit::{Node, Person, Stack, law};
use uuid::Uuid;

/// Half of a test's lanes.
const HALF: &str = "02-03";
/// Each try leaves the two conversations on one server every second time.
const TRIES: usize = 40;

/// Three servers of this test's own, and a node on them.
pub struct Two {
    pub first: Own,
    pub other: Own,
    pub nats: Own,
    pub stack: Stack,
    pub node: Node,
}

impl Two {
    pub async fn start() -> Self {
        let dir = own_dir();
        let first = Own::start(&dir.join("first"), Kind::Postgres).await;
        let other = Own::start(&dir.join("other"), Kind::Postgres).await;
        let nats = Own::start(&dir, Kind::Nats).await;
        let stack = Stack::on(first.url(), nats.url(), &dir.join("stack")).placed(&format!("{HALF}={}", other.url()));
        let node = stack.node().await;
        Self { first, other, nats, stack, node }
    }

    /// Three friends, whose two conversations are on two servers.
    pub async fn friends(&self) -> Friends {
        for number in 0..TRIES {
            let names = ["alice", "bob", "carol"].map(|name| format!("{name}{number}"));
            let friends = Friends::meet_as(&self.stack, names.each_ref().map(String::as_str)).await;
            let one = self.is_on_the_other(friends.of_alice_and_bob).await;
            if one != self.is_on_the_other(friends.of_bob_and_carol).await {
                return friends;
            }
        }
        panic!("no friends talk on two servers in {TRIES} tries");
    }

    pub async fn is_on_the_other(&self, conversation: Uuid) -> bool {
        let lane = law::lanes(&self.stack).await.of(conversation);
        self.stack.placement().store(lane) == 1
    }

    pub async fn stop(mut self) {
        self.node.stop().await;
        self.nats.stop().await;
        self.other.stop().await;
        self.first.stop().await;
    }
}

/// How many events the server holds.
async fn held(two: &Two, server: usize) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&two.stack.pools()[server]).await;
    count.expect("count the events")
}

#[tokio::test]
async fn one_of_two_servers_is_killed_and_the_others_conversations_go_on() {
    let mut two = Two::start().await;
    let friends = two.friends().await;
    let blows = async {
        for _ in 0..2 {
            progress(&friends).await;
            let before = held(&two, 0).await;
            two.other.kill().await;
            // More than what was on its way.
            for _ in 0..3 {
                progress(&friends).await;
            }
            let grown = held(&two, 0).await - before;
            assert!(grown >= BETWEEN as i64, "the first server's conversation went on: {grown} events");
            two.other.start_again().await;
            progress(&friends).await;
        }
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    assert!(held(&two, 0).await > 0 && held(&two, 1).await > 0, "both hold events");
    friends.nothing_is_missing_doubled_or_out_of_order(&two.stack, &said).await;
    two.stop().await;
}

/// Who comes now is let in, and reads what is said now: also with the position of what another process wrote, of which
/// the first one has not heard.
#[tokio::test]
async fn one_of_two_servers_is_gone_and_who_comes_is_let_in() {
    let mut two = Two::start().await;
    let friends = two.friends().await;
    let mut neighbour = two.stack.node().await;
    let here = friends.of_alice_and_bob;
    let (one, other) =
        if two.is_on_the_other(here).await { (&friends.bob, &friends.carol) } else { (&friends.alice, &friends.bob) };
    let conversation = one.conversation_with(other);
    two.other.kill().await;
    for number in 0..4 {
        let said = one.says(other, &format!("{number}, without the other server")).await;
        let position = said.position.clone().expect("a write has a position");
        for node in [&two.node, &neighbour] {
            let door = node.raw().with("authorization", &format!("Bearer {}", token(one).await));
            let mut socket = door.socket().await;
            socket.event("ready").await;
            let path = format!("/api/v1/conversations/{conversation}/messages?after_seq={}&limit=1", said.seq - 1);
            let read = door.with("natter-position", &position).get(&path).await.ok(200);
            assert!(read.to_string().contains("without the other server"), "{read}");
        }
    }
    two.other.start_again().await;
    neighbour.stop().await;
    two.stop().await;
}

async fn token(person: &Person) -> String {
    person.client().tokens().await.access_token
}

#[tokio::test]
async fn a_node_that_is_killed_finds_its_lanes_on_both_servers_again() {
    let mut two = Two::start().await;
    let friends = two.friends().await;
    let node = &mut two.node;
    let blows = async {
        progress(&friends).await;
        node.kill().await;
        node.restart().await;
        progress(&friends).await;
        assert!(node.stop().await.success(), "a graceful stop");
        node.restart().await;
        progress(&friends).await;
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&two.stack, &said).await;
    let verified = two.node.run(&["streams", "verify"]).await;
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && told.contains("4 lanes read, 0 broken"), "{told}");
    two.stop().await;
}

#[tokio::test]
async fn a_start_that_forgets_where_lanes_are_is_refused() {
    let stack = Stack::new().await.placed(&format!("{HALF}={}", Stack::another_database().await));
    let mut node = stack.node().await;
    node.stop().await;
    let forgetful = natter_testkit::Options { more: vec![("NATTER_LANE_STORES", String::new())], ..Default::default() };
    node.launch(forgetful).await;
    assert!(!node.exited().await.success(), "it must not start the lanes anew");
    assert!(node.output().contains("of lane 02, 03 the events are on a server that is not named"), "{}", node.output());
    node.restart_with(natter_testkit::Options::default()).await;
}
