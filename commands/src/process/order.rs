//! A command that Natter itself gives, with the key under which giving it again is the same command.

use super::Around;
use crate::{error::Error, keys::Key, store::Kept};
use futures::future::BoxFuture;
use natter_domain::{Address, id::derived};
use natter_streams::{Record, event::CommandKey};
use std::{marker::PhantomData, sync::Arc};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Order {
    pub address: Address,
    key: Key,
    effect: Arc<dyn Effect>,
}

impl Order {
    pub fn new<D: Kept>(address: Address, key: Key, command: D::Command) -> Self {
        Self { address, key, effect: Arc::new(Typed::<D> { command, noun: PhantomData }) }
    }

    /// Gives it. As often as it has to be: the first time counts.
    pub async fn give(&self, around: &Around) -> Result<(), Error> {
        self.effect.give(around, self.address, self.key).await
    }
}

/// Commands of all nouns in one queue, and what is no command: done as often as it is given, it is done once.
pub(crate) trait Effect: Send + Sync {
    fn give<'a>(&'a self, around: &'a Around, address: Address, key: Key) -> BoxFuture<'a, Result<(), Error>>;
}

struct Typed<D: Kept> {
    command: D::Command,
    noun: PhantomData<D>,
}

impl<D: Kept> Effect for Typed<D> {
    fn give<'a>(&'a self, around: &'a Around, address: Address, key: Key) -> BoxFuture<'a, Result<(), Error>> {
        let command = self.command.clone();
        Box::pin(async move { around.dispatch.execute::<D>(address, None, Some(key), command).await.map(drop) })
    }
}

/// The key of the order number `index` that `name` gives because of `cause`: the same wherever it is derived. It has no
/// fingerprint: the cause has said everything, and a later version that says it otherwise must not do it twice.
pub(crate) fn key(name: &str, cause: Uuid, index: u32) -> Key {
    let key = derived("natter process command", &[name.as_bytes(), cause.as_bytes(), &index.to_le_bytes()]);
    // The effect is stored later than its cause was made, if that says when.
    Key::new(cause, CommandKey { key, fingerprint: [0; 16] })
}

/// What a process answers one event with.
pub(crate) struct Orders {
    name: &'static str,
    cause: Uuid,
    list: Vec<Order>,
}

impl Orders {
    pub fn of(name: &'static str, event: &Record) -> Self {
        Self { name, cause: event.event_id.0, list: Vec::new() }
    }

    /// Instead of the event: for an effect that somebody who does not know the event's id has too.
    pub fn caused_by(&mut self, cause: Uuid) -> &mut Self {
        self.cause = cause;
        self
    }

    pub fn give<D: Kept>(&mut self, address: Address, command: D::Command) {
        let key = key(self.name, self.cause, self.list.len() as u32);
        self.list.push(Order::new::<D>(address, key, command));
    }

    /// What is no command, about an aggregate.
    pub fn have(&mut self, address: Address, effect: impl Effect + 'static) {
        let key = key(self.name, self.cause, self.list.len() as u32);
        self.list.push(Order { address, key, effect: Arc::new(effect) });
    }

    pub fn into_list(self) -> Vec<Order> {
        self.list
    }
}
