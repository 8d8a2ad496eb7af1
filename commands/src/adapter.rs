//! The one adapter that makes any decider a `cqrs_es::Aggregate`.
//!
//! The state is shared, not cloned: commands are decided on `&State`; only the first event of a command copies it
//! (states keep what grows behind an `Arc` or in persistent maps). Snapshots are not made from here: they would
//! hold what is not durable yet.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use natter_domain::{Context, Decider, Event};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::{fmt, sync::Arc};

/// A decider's state as an aggregate.
pub struct Adapter<D: Decider>(pub Arc<D::State>);

impl<D: Decider> Default for Adapter<D> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A decider's event as `cqrs_es` wants it; serialised as the event itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored<E>(pub E);

impl<E: Event> Serialize for Stored<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, E: Event> Deserialize<'de> for Stored<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        E::deserialize(deserializer).map(Self)
    }
}

impl<E: Event> DomainEvent for Stored<E> {
    fn event_type(&self) -> String {
        self.0.name().to_owned()
    }

    fn event_version(&self) -> String {
        self.0.version().to_string()
    }
}

/// A command with the moment and the actor it is decided for.
pub struct Order<D: Decider> {
    pub context: Context,
    /// The state of the host, in that moment.
    pub host: Arc<<D::Host as Decider>::State>,
    pub command: Arc<D::Command>,
}

impl<D: Decider> Aggregate for Adapter<D> {
    const TYPE: &'static str = D::NOUN.as_str();
    type Command = Order<D>;
    type Event = Stored<D::Event>;
    type Error = D::Refusal;
    type Services = ();

    async fn handle(&mut self, order: Order<D>, (): &(), sink: &EventSink<Self>) -> Result<(), D::Refusal> {
        for event in D::decide(&self.0, &order.host, &order.context, &order.command)? {
            sink.write(Stored(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Stored<D::Event>) {
        D::evolve(Arc::make_mut(&mut self.0), &event.0);
    }
}

impl<D: Decider> fmt::Debug for Adapter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<D: Decider> Serialize for Adapter<D> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("states are not stored from the write side"))
    }
}

impl<'de, D: Decider> Deserialize<'de> for Adapter<D> {
    fn deserialize<X: Deserializer<'de>>(_: X) -> Result<Self, X::Error> {
        Err(de::Error::custom("states are not stored from the write side"))
    }
}
