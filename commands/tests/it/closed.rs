//! A lane whose log has lost what was durable is held and not served, and says so.

use crate::support::{Node, eventually, sql};
use natter_streams::{Lane, repair::declare_loss};
use natter_testkit::{Recorded, Stack};

#[tokio::test]
async fn a_lane_that_is_refused_when_it_opens_is_told_until_it_is_mended() {
    let recorded = Recorded::default();
    let _here = recorded.here();
    let (stack, lane) = (Stack::new().await, Lane::new(0));
    let node = Node::with_lanes(&stack, 1).await;
    node.person("alice").await;
    eventually("all is in the stream", async || {
        let (head, published) = (node.feeds.lane(lane).head().position, recorded.gauge("natter_relay_position"));
        if head > 1 && published == head as f64 { Ok(()) } else { Err(format!("{published} of {head}")) }
    })
    .await;
    node.stop().await;
    sql(&stack, "DELETE FROM events WHERE position > 1").await;

    let node = Node::quiet(&stack, 1).await;
    let refused = async |expected: f64| {
        eventually("the lane tells how it is", async || match recorded.gauge("natter_log_refused") {
            told if told == expected => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    };
    refused(1.0).await;
    declare_loss(&node.log, &node.context.bus, lane, true).await.unwrap();
    refused(0.0).await;
    node.person("bob").await;
    refused(0.0).await;
    node.stop().await;
}
