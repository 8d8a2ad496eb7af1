//! The events are those of `postgres-es`: its own stock event store replays them.

use crate::support::Node;
use cqrs_es::{Aggregate, DomainEvent, EventStore, event_sink::EventSink, persist::PersistedEventStore};
use natter_domain::conversation::Event;
use natter_testkit::Stack;
use serde::{Deserialize, Serialize};

/// Somebody else's idea of a conversation.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Counted {
    members: usize,
    messages: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Heard(Event);

impl DomainEvent for Heard {
    fn event_type(&self) -> String {
        natter_domain::Event::name(&self.0).to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it takes no commands")]
struct NoCommands;

impl Aggregate for Counted {
    const TYPE: &'static str = "conversation";
    type Command = ();
    type Event = Heard;
    type Error = NoCommands;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), NoCommands> {
        Err(NoCommands)
    }

    fn apply(&mut self, Heard(event): Heard) {
        match event {
            Event::Started { members, .. } => self.members = members.len(),
            Event::MessageSent { seq, .. } => self.messages = seq,
            other => panic!("a direct conversation has no {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_event_store_replays_what_was_written() {
    let node = Node::start(&Stack::new().await).await;
    let (alice, _, conversation) = node.friends().await;
    for _ in 0..5 {
        node.sent(alice, conversation, "x").await;
    }
    let store =
        PersistedEventStore::<_, Counted>::new_event_store(node.log.repository(node.log.lanes().of(conversation.0)));
    let context = store.load_aggregate(&conversation.to_string()).await.unwrap();
    assert_eq!((context.aggregate.members, context.aggregate.messages), (2, 5));
    assert_eq!(context.current_sequence, 6);
    let events = store.load_events(&conversation.to_string()).await.unwrap();
    let types: Vec<_> = events.iter().map(|event| event.payload.event_type()).collect();
    assert_eq!(types, ["started", "message_sent", "message_sent", "message_sent", "message_sent", "message_sent"]);
    assert!(events[1].metadata["actor"] == alice.account.to_string());
}
