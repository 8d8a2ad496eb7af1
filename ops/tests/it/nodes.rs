//! Roles apart, and several of each: people talk through the doors while the nodes behind them die, stand still and are
//! stopped. What was acknowledged stands, and is done once.

use crate::talk::Friends;
use natter_streams::lease::TERM;
use natter_testkit::{BOUND, Node, Options, Stack, eventually, law};

const EACH: usize = 30;

/// One with doors, two that own lanes, two that run projections.
struct Cluster {
    edge: Node,
    commands: [Node; 2],
    projections: [Node; 2],
}

impl Cluster {
    async fn start(stack: &Stack) -> Self {
        let commands = [node(stack, "commands").await, node(stack, "commands").await];
        let projections = [node(stack, "projections").await, node(stack, "projections").await];
        Self { edge: node(stack, "edge").await, commands, projections }
    }
}

async fn node(stack: &Stack, roles: &'static str) -> Node {
    stack.node_with(Options { more: vec![("NATTER_ROLES", roles.to_owned())], ..Options::default() }).await
}

/// Waits until more has been acknowledged than now.
async fn talk_goes_on(friends: &Friends) {
    let before = friends.acknowledged();
    eventually("the talk goes on", BOUND, async || match friends.acknowledged() {
        now if now > before + 8 => Ok(()),
        now => Err(format!("{now} acknowledged, {before} before")),
    })
    .await;
}

#[tokio::test]
async fn people_talk_through_nodes_with_one_role_each() {
    let stack = Stack::new().await;
    let cluster = Cluster::start(&stack).await;
    let friends = Friends::meet(&stack).await;
    let said = friends.talk_while(EACH, async {}).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
    law::projections_are_at_the_head(&stack).await;
    for node in cluster.commands.iter().chain(&cluster.projections).chain([&cluster.edge]) {
        assert!(node.client().is_ready().await, "every node says that it is ready");
    }
}

#[tokio::test]
async fn a_killed_owner_is_replaced_by_another_node() {
    let stack = Stack::new().await;
    let mut cluster = Cluster::start(&stack).await;
    let friends = Friends::meet(&stack).await;
    let hurt = async {
        talk_goes_on(&friends).await;
        cluster.commands[0].kill().await;
        cluster.projections[0].kill().await;
        // The other one takes its lanes over once their leases have ended.
        talk_goes_on(&friends).await;
    };
    let said = friends.talk_while(EACH, hurt).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

/// Its leases end, and who lives sees it within a second.
#[tokio::test]
async fn a_killed_owner_owns_nothing_any_more_after_its_term() {
    let stack = Stack::new().await;
    let mut cluster = Cluster::start(&stack).await;
    let [dying, heir] = cluster.commands.each_mut();
    eventually("each owns lanes", BOUND, async || match (owned(&stack, dying).await, owned(&stack, heir).await) {
        (2, 2) => Ok(()),
        owned => Err(format!("{owned:?}")),
    })
    .await;
    dying.kill().await;
    eventually("all lanes are of the one that lives", 10 * TERM, async || {
        match (owned(&stack, dying).await, owned(&stack, heir).await) {
            (0, 4) => Ok(()),
            owned => Err(format!("{owned:?}")),
        }
    })
    .await;
}

/// How many lanes bear its name.
async fn owned(stack: &Stack, node: &Node) -> i64 {
    let url = node.base_url();
    let name = format!("%:{}/%", url.rsplit(':').next().expect("a url with a port"));
    let count = sqlx::query_scalar("SELECT count(*) FROM lanes WHERE owner LIKE $1");
    count.bind(name).fetch_one(stack.pool()).await.expect("read who owns the lanes")
}

#[tokio::test]
async fn an_owner_that_is_stopped_hands_over_and_nobody_waits_for_its_leases() {
    let stack = Stack::new().await;
    let mut cluster = Cluster::start(&stack).await;
    let friends = Friends::meet(&stack).await;
    let hurt = async {
        talk_goes_on(&friends).await;
        assert!(cluster.commands[0].stop().await.success());
        let owned: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM lanes WHERE owner NOT IN (SELECT owner FROM candidates WHERE share = 'lanes') AND owner <> ''",
        )
        .fetch_one(stack.pool())
        .await
        .expect("read who owns the lanes");
        assert_eq!(owned, 0, "it left no lane in its own name");
        talk_goes_on(&friends).await;
        assert!(cluster.projections[0].stop().await.success());
        talk_goes_on(&friends).await;
    };
    let said = friends.talk_while(EACH, hurt).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

/// It wakes with lanes in hand that others have written to meanwhile.
#[tokio::test]
async fn an_owner_that_stood_still_past_its_leases_answers_nothing_from_before() {
    let stack = Stack::new().await;
    let cluster = Cluster::start(&stack).await;
    let friends = Friends::meet(&stack).await;
    let hurt = async {
        talk_goes_on(&friends).await;
        cluster.commands[0].pause();
        cluster.projections[1].pause();
        talk_goes_on(&friends).await;
        lanes_are_of_one_node(&stack).await;
        cluster.commands[0].go_on();
        cluster.projections[1].go_on();
        eventually("it says that it has lost its lanes", BOUND, async || {
            let said = cluster.commands[0].output();
            if said.contains("the lane is lost") { Ok(()) } else { Err("it does not say so".to_owned()) }
        })
        .await;
        talk_goes_on(&friends).await;
    };
    let said = friends.talk_while(EACH, hurt).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

async fn lanes_are_of_one_node(stack: &Stack) {
    eventually("the other node owns all lanes", BOUND, async || {
        let owners: i64 = sqlx::query_scalar("SELECT count(DISTINCT owner) FROM lanes")
            .fetch_one(stack.pool())
            .await
            .map_err(|error| error.to_string())?;
        if owners == 1 { Ok(()) } else { Err(format!("{owners} owners")) }
    })
    .await;
}
