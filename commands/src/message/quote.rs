//! What a message answers, read from the log: the read side may lag behind it. The excerpt is of what the other message
//! says now; what becomes of that later changes nothing in it, but a recall, of which readers see to it that it is not shown.

use super::birth::Births;
use crate::{
    dispatch::{DEADLINE, Dispatch},
    error::Error,
};
use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId, Noun, Sealed,
    conversation::{self, Conversation, Root, Unanswerable},
    limit,
    message::{self, Message},
};
use natter_streams::{Log, Record, sealing::Keys};
use tokio::time::timeout;
use uuid::Uuid;

/// A message that can be answered. Without `Debug`, as everything that holds words.
pub(crate) struct Quoted {
    pub message_id: MessageId,
    pub seq: u64,
    pub sender: Option<AccountId>,
    pub excerpt: Option<String>,
}

pub(crate) type Answered = Result<Quoted, Unanswerable>;

/// What a message refers to, as far as it does.
#[derive(Default)]
pub(crate) struct Referred {
    pub answered: Option<Answered>,
    pub root: Option<Result<Root, Unanswerable>>,
}

impl Referred {
    fn lacks_something(&self) -> bool {
        let not_there = Some(Unanswerable::NotThere);
        let answered = self.answered.as_ref().and_then(|found| found.as_ref().err().copied());
        let root = self.root.as_ref().and_then(|found| found.as_ref().err().copied());
        answered == not_there || root == not_there
    }
}

/// What was found, and why nothing was.
pub(crate) fn apart<T>(found: Option<Result<T, Unanswerable>>) -> (Option<T>, Option<Unanswerable>) {
    match found {
        None => (None, None),
        Some(Ok(found)) => (Some(found), None),
        Some(Err(why)) => (None, Some(why)),
    }
}

/// Finds what is quoted. A cheap handle.
#[derive(Clone)]
pub(crate) struct Quotes {
    pub births: Births,
    pub dispatch: Dispatch,
    pub keys: Keys,
    pub log: Log,
}

impl Quotes {
    /// Looks while the message waits for its turn.
    pub async fn find(
        self,
        conversation: ConversationId,
        reply_to: Option<MessageId>,
        thread: Option<MessageId>,
    ) -> Result<Referred, Error> {
        timeout(DEADLINE, self.look(conversation, reply_to, thread)).await.map_err(|_| Error::Unavailable)?
    }

    /// Looks again for what was not there, once the turn has come: it may have been queued just before, and is durable when
    /// the conversation has answered.
    pub async fn again(
        self,
        conversation: ConversationId,
        reply_to: Option<MessageId>,
        thread: Option<MessageId>,
        found: Referred,
    ) -> Result<Referred, Error> {
        if !found.lacks_something() {
            return Ok(found);
        }
        self.dispatch.inspect::<Conversation>(conversation::address(conversation)).await?;
        self.find(conversation, reply_to, thread).await
    }

    async fn look(
        &self,
        conversation: ConversationId,
        reply_to: Option<MessageId>,
        thread: Option<MessageId>,
    ) -> Result<Referred, Error> {
        let answered = async {
            let Some(id) = reply_to else { return Ok(None) };
            self.answered(conversation, id).await.map(Some)
        };
        let root = async {
            let Some(id) = thread else { return Ok(None) };
            self.root(conversation, id).await.map(Some)
        };
        let (answered, root) = tokio::try_join!(answered, root)?;
        Ok(Referred { answered, root })
    }

    /// A reply's own thread, where it is one.
    async fn root(&self, conversation: ConversationId, id: MessageId) -> Result<Result<Root, Unanswerable>, Error> {
        let Some(birth) = self.births.find(conversation, id).await? else { return Ok(Err(Unanswerable::NotThere)) };
        let place = birth.place;
        let itself = Root { message_id: place.message_id, seq: place.seq, sender: place.sender };
        let root = birth.thread.unwrap_or(itself);
        let state = self.dispatch.inspect::<Message>(message::address(conversation, root.message_id)).await?;
        Ok(if state.recalled { Err(Unanswerable::Recalled { seq: root.seq }) } else { Ok(root) })
    }

    async fn answered(&self, conversation: ConversationId, id: MessageId) -> Result<Answered, Error> {
        let Some(birth) = self.births.find(conversation, id).await? else { return Ok(Err(Unanswerable::NotThere)) };
        let address = message::address(conversation, id);
        let state = self.dispatch.inspect::<Message>(address).await?;
        if state.recalled {
            return Ok(Err(Unanswerable::Recalled { seq: birth.place.seq }));
        }
        let place = birth.place;
        let body = if state.edited.is_some() { self.edited(conversation, address.id).await? } else { None };
        let body = match body {
            Some(body) => Some(body),
            None => self.sent(conversation, address.id).await?,
        };
        let excerpt = self.excerpt(conversation, place.sender, body).await?;
        Ok(Ok(Quoted { message_id: id, seq: place.seq, sender: place.sender, excerpt }))
    }

    async fn edited(&self, conversation: ConversationId, message: Uuid) -> Result<Option<Sealed>, Error> {
        let lane = self.log.lanes().of(conversation.0);
        let _runs = self.births.ask_for_room().await?;
        let found = self.log.newest_of(lane, Noun::Message, message, "edited").await?;
        Ok(found.as_ref().map(Record::decode).transpose()?.and_then(|event| match event {
            message::Event::Edited { body, .. } => Some(body),
            _ => None,
        }))
    }

    async fn sent(&self, conversation: ConversationId, key: Uuid) -> Result<Option<Sealed>, Error> {
        let lane = self.log.lanes().of(conversation.0);
        let _runs = self.births.ask_for_room().await?;
        let found = self.log.by_keys(lane, &[key]).await?.remove(&key);
        Ok(found.as_ref().map(Record::decode).transpose()?.and_then(|event| match event {
            conversation::Event::MessageSent { body, .. } => Some(body),
            _ => None,
        }))
    }

    /// `None`: it says nothing in words, or nobody can read it any more.
    async fn excerpt(
        &self,
        conversation: ConversationId,
        sender: Option<AccountId>,
        body: Option<Sealed>,
    ) -> Result<Option<String>, Error> {
        let Some(sealed) = body else { return Ok(None) };
        let owner = match (sealed.key, sender) {
            (KeyId::Owner, Some(sender)) => sender.0,
            _ => conversation.0,
        };
        let opener = self.keys.opener(vec![(owner, sealed.key)]).await?;
        Ok(opener.open_text(owner, &sealed).and_then(|json| words(&json)))
    }
}

/// The beginning of what a body says, whatever its kind. Nothing of what only clients can read.
fn words(json: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(json).ok()?;
    let said = ["text", "caption", "title", "name", "url"].iter().find_map(|field| body.get(field)?.as_str())?;
    Some(said.chars().take(limit::EXCERPT_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn an_excerpt_is_the_beginning_of_what_is_said() {
        let of = |json: &str| words(json);
        assert_eq!(of(r#"{"kind":"text","text":"hello"}"#).as_deref(), Some("hello"));
        assert_eq!(of(r#"{"kind":"image","file_id":"x","name":"a.png","caption":"look"}"#).as_deref(), Some("look"));
        assert_eq!(of(r#"{"kind":"file","file_id":"x","name":"a.pdf"}"#).as_deref(), Some("a.pdf"));
        assert_eq!(of(r#"{"kind":"opaque","algorithm":"x","ciphertext":"aGVsbG8"}"#), None);
        let long = format!(r#"{{"kind":"text","text":"{}"}}"#, "\u{1f600}".repeat(200));
        assert_eq!(of(&long).map(|words| words.chars().count()), Some(100));
        assert_eq!(of("erased"), None);
    }
}
