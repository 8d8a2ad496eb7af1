//! What is asked on an open connection, and the answers by their ids.

use super::{TIMEOUT, line::Order};
use crate::{Close, Error, rest::Range, wire};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Sends requests on an open connection. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    orders: mpsc::Sender<Order>,
    ids: Arc<AtomicU64>,
}

/// An answer that has not come yet.
pub struct Pending<T> {
    what: &'static str,
    answer: oneshot::Receiver<Result<Value, Error>>,
    kind: PhantomData<fn() -> T>,
}

impl Requests {
    pub(super) fn new(orders: mpsc::Sender<Order>) -> Self {
        Self { orders, ids: Arc::default() }
    }

    /// Queues a message behind those queued before: the server numbers them in this order, answered or not.
    pub async fn send(&self, conversation: Uuid, message: &wire::MessageNew) -> Result<Pending<wire::SentOk>, Error> {
        self.ask("message.send", &InConversation { conversation_id: conversation, fields: message }).await
    }

    /// What is done to one message is done in this order, answered or not.
    pub async fn edit(
        &self,
        conversation: Uuid,
        message: Uuid,
        body: &wire::Body,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.edit", conversation, message, &json!({"body": body})).await
    }

    pub async fn recall(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.recall", conversation, message, &json!({})).await
    }

    pub async fn react(
        &self,
        conversation: Uuid,
        message: Uuid,
        emoji: &str,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.react", conversation, message, &json!({"emoji": emoji})).await
    }

    pub async fn unreact(
        &self,
        conversation: Uuid,
        message: Uuid,
        emoji: &str,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unreact", conversation, message, &json!({"emoji": emoji})).await
    }

    pub async fn pin(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.pin", conversation, message, &json!({})).await
    }

    pub async fn unpin(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unpin", conversation, message, &json!({})).await
    }

    pub async fn star(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.star", conversation, message, &json!({})).await
    }

    pub async fn unstar(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.unstar", conversation, message, &json!({})).await
    }

    /// The person has listened to a voice message.
    pub async fn listen(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.listen", conversation, message, &json!({})).await
    }

    /// Deletes the message for the person alone, for ever.
    pub async fn delete_for_me(&self, conversation: Uuid, message: Uuid) -> Result<Pending<wire::PositionOk>, Error> {
        self.on_message("message.delete", conversation, message, &json!({})).await
    }

    async fn on_message(
        &self,
        op: &'static str,
        conversation_id: Uuid,
        message_id: Uuid,
        fields: &Value,
    ) -> Result<Pending<wire::PositionOk>, Error> {
        self.ask(op, &OnMessage { conversation_id, message_id, fields }).await
    }

    pub async fn list(&self, conversation: Uuid, range: Range) -> Result<Pending<wire::Items<wire::Message>>, Error> {
        self.ask("message.list", &InConversation { conversation_id: conversation, fields: range }).await
    }

    /// What changed since the cursor; while there is `more`, to be called again at once.
    pub async fn sync(&self, cursor: Option<&str>) -> Result<Pending<wire::Sync>, Error> {
        self.ask("sync", &json!({"cursor": cursor})).await
    }

    /// Answered when it is written, which may be a second later.
    pub async fn read(&self, conversation: Uuid, seq: u64) -> Result<Pending<wire::ReadOk>, Error> {
        self.ask("conversation.read", &InConversation { conversation_id: conversation, fields: wire::Read { seq } })
            .await
    }

    /// Messages of a direct conversation have come to this device.
    pub async fn delivered(&self, conversation: Uuid, seq: u64) -> Result<Pending<wire::DeliveredOk>, Error> {
        self.ask("message.delivered", &InConversation { conversation_id: conversation, fields: wire::Read { seq } })
            .await
    }

    /// Says that the person types; nothing comes back.
    pub async fn typing(&self, conversation: Uuid) -> Result<(), Error> {
        self.say(&Said { op: "typing", conversation_id: conversation }).await
    }

    /// Has every change of these people's presence pushed to this connection from now on; what they are now.
    pub async fn watch(&self, accounts: &[Uuid]) -> Result<Pending<wire::Items<wire::Presence>>, Error> {
        self.ask("presence.subscribe", &json!({"account_ids": accounts})).await
    }

    pub async fn unwatch(&self, accounts: &[Uuid]) -> Result<Pending<wire::Items<wire::Presence>>, Error> {
        self.ask("presence.unsubscribe", &json!({"account_ids": accounts})).await
    }

    /// Whether anybody sits at this device.
    pub async fn set_away(&self, is_away: bool) -> Result<Pending<Value>, Error> {
        self.ask("presence.set", &json!({"state": if is_away { "away" } else { "online" }})).await
    }

    /// Lets the connection live as long as this newer token of the same session.
    pub async fn renew(&self, token: &str) -> Result<Pending<wire::AuthOk>, Error> {
        self.ask("auth", &json!({"token": token})).await
    }

    /// Any request: `fields` is what stands beside `id` and `op`.
    pub async fn ask<T>(&self, op: &'static str, fields: &impl Serialize) -> Result<Pending<T>, Error> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed).to_string();
        let text = encode(&Request { id: &id, op, fields });
        let (answer, awaited) = oneshot::channel();
        self.order(Order { text, answer: Some((id, answer)) }).await?;
        Ok(Pending { what: op, answer: awaited, kind: PhantomData })
    }

    /// What is not answered.
    async fn say(&self, frame: &impl Serialize) -> Result<(), Error> {
        self.order(Order { text: encode(frame), answer: None }).await
    }

    async fn order(&self, order: Order) -> Result<(), Error> {
        let gone = |_| Error::Closed(Close::without_frame("it was closed before"));
        self.orders.send(order).await.map_err(gone)
    }
}

#[derive(Serialize)]
struct Request<'a, F> {
    id: &'a str,
    op: &'a str,
    #[serde(flatten)]
    fields: &'a F,
}

#[derive(Serialize)]
struct Said {
    op: &'static str,
    conversation_id: Uuid,
}

#[derive(Serialize)]
struct OnMessage<'a> {
    conversation_id: Uuid,
    message_id: Uuid,
    #[serde(flatten)]
    fields: &'a Value,
}

#[derive(Serialize)]
struct InConversation<F> {
    conversation_id: Uuid,
    #[serde(flatten)]
    fields: F,
}

fn encode(request: &impl Serialize) -> String {
    serde_json::to_string(request).expect("wire types have no maps with odd keys")
}

impl<T: DeserializeOwned> Pending<T> {
    pub async fn answer(self) -> Result<T, Error> {
        let gone = |_| Error::Closed(Close::without_frame("before the answer"));
        let silent = |_| Error::Silent { what: self.what.to_owned(), after: TIMEOUT };
        let value = tokio::time::timeout(TIMEOUT, self.answer).await.map_err(silent)?.map_err(gone)??;
        if let Ok(wire::MessageHeld { message_id, held: true }) = wire::MessageHeld::deserialize(&value) {
            return Err(Error::Held(message_id));
        }
        let body = value.to_string();
        serde_json::from_value(value).map_err(|_| Error::Unreadable { what: self.what.to_owned(), status: 200, body })
    }
}
