//! A node that is played: it asks an owner over NATS, question by question.

use crate::support::{Node, message_id};
use futures::StreamExt;
use natter_domain::{Address, Decider, conversation};
use natter_streams::subject;
use natter_testkit::{BOUND, Stack, within};
use serde_json::{Value, json};
use uuid::Uuid;

/// Looks at an aggregate as the worker remembers it.
pub async fn look<D: Decider>(owner: &Node, address: Address) -> D::State {
    let mut asker = Asker::of(owner, address).await;
    let mut reply = asker.ask(1, 1).await;
    serde_json::from_value(reply["Looked"]["state"].take()).unwrap_or_else(|error| panic!("{error}: {reply}"))
}

struct Asker<'a> {
    owner: &'a Node,
    address: Address,
    me: Uuid,
    replies: std::pin::Pin<Box<dyn futures::Stream<Item = Vec<u8>> + Send>>,
}

impl<'a> Asker<'a> {
    async fn of(owner: &'a Node, address: Address) -> Self {
        let me = message_id().0;
        let bus = owner.context.bus.live();
        let replies = bus.subscribe(subject::replies(me)).await.expect("subscribe");
        bus.flush().await.expect("the subscription is there");
        Self { owner, address, me, replies: Box::pin(replies.map(|message| message.payload.to_vec())) }
    }

    /// Asks for a look, as number so and so of a run; the answer.
    async fn ask(&mut self, run: u64, number: u64) -> Value {
        let Address { noun, id, route } = self.address;
        let lane = self.owner.log.lanes().of(route);
        let question = json!({
            "lane": lane.index(),
            "number": number,
            "content": {
                "noun": noun.to_string(), "aggregate": id, "route": route, "account": null, "session": null, "key": null,
                "command": null, "patience_ms": 5_000, "run": run,
            },
        });
        let owner = self.owner.context.node.start;
        self.owner
            .context
            .bus
            .live()
            .publish_with_reply(subject::commands(owner), subject::replies(self.me), question.to_string().into())
            .await
            .expect("ask");
        let reply = within("a reply", BOUND, self.replies.next()).await.expect("the subscription lasts");
        let mut reply: Value = serde_json::from_slice(&reply).expect("a reply is JSON");
        assert_eq!(reply["number"], number);
        reply["content"].take()
    }
}

/// One question was lost on the way: what follows it must not overtake it.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_behind_a_gap_is_not_taken() {
    let stack = Stack::new().await;
    let node = Node::quiet(&stack, 1).await;
    node.owns(1).await;
    let (_, _, conversation) = node.friends().await;
    let mut asker = Asker::of(&node, conversation::address(conversation)).await;
    for (run, number, taken) in [(1, 1, true), (1, 2, true), (1, 4, false), (1, 5, false), (6, 6, true), (6, 7, true)] {
        let reply = asker.ask(run, number).await;
        let moved = json!({"Moved": {"owner": node.context.node.to_string()}});
        assert_eq!(reply.get("Looked").is_some(), taken, "{number}: {reply}");
        assert!(taken || reply == moved, "{number}: {reply}");
    }
    node.stop().await;
}
