//! `/conversations/{id}/messages`, and how far they are read.

use super::{Answer, Filter, Page, Range, Signed, query::Query};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// Durable once answered. Status 200: this `message_id` was sent before, and this is the first answer.
    /// [`Error::Held`]: somebody looks at it first.
    pub async fn send(
        &self,
        conversation: Uuid,
        message: &wire::MessageNew,
    ) -> Result<Answer<wire::MessageSent>, Error> {
        self.write("POST", &format!("/conversations/{conversation}/messages"), Some(message)).await
    }

    pub async fn messages(&self, conversation: Uuid, range: Range) -> Result<Vec<wire::Message>, Error> {
        let number = |bound: Option<u64>| bound.map(|bound| bound.to_string());
        let query = Query::default()
            .with("before_seq", number(range.before_seq).as_deref())
            .with("after_seq", number(range.after_seq).as_deref())
            .with("around_seq", number(range.around_seq).as_deref())
            .with("limit", number(range.limit.map(u64::from)).as_deref());
        let listed: wire::Items<_> = self.read(query.on(&format!("/conversations/{conversation}/messages"))).await?;
        Ok(listed.items)
    }

    /// Those that fit, the newest first. A page that goes on may have fewer than asked for.
    pub async fn filter(
        &self,
        conversation: Uuid,
        filter: &Filter,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Message>, Error> {
        self.read(filter.query(page).on(&format!("/conversations/{conversation}/messages/filter"))).await
    }

    pub async fn message(&self, conversation: Uuid, message: Uuid) -> Result<wire::Message, Error> {
        self.read(format!("/conversations/{conversation}/messages/{message}")).await
    }

    /// Members who have read it, by their ids.
    pub async fn readers(
        &self,
        conversation: Uuid,
        message: Uuid,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Reader>, Error> {
        self.read(page.query().on(&format!("/conversations/{conversation}/messages/{message}/readers"))).await
    }

    /// Those of the messages that exist for the caller, in this order; at most a hundred in one call.
    pub async fn messages_of(&self, conversation: Uuid, ids: &[Uuid]) -> Result<Vec<wire::Message>, Error> {
        let path = format!("/conversations/{conversation}/messages/lookup");
        let found: Answer<wire::Items<_>> =
            self.write("POST", &path, Some(&wire::Lookup { ids: ids.to_vec() })).await?;
        Ok(found.value.items)
    }

    /// Says in a conversation what was said in another.
    pub async fn forward(
        &self,
        conversation: Uuid,
        what: &wire::Forward,
    ) -> Result<Answer<wire::Items<wire::MessageSent>>, Error> {
        self.write("POST", &format!("/conversations/{conversation}/messages/forward"), Some(what)).await
    }

    /// `None`: edited for the others; the caller has deleted it for themselves.
    pub async fn edit(
        &self,
        conversation: Uuid,
        message: Uuid,
        body: &wire::Body,
    ) -> Result<Answer<Option<wire::Message>>, Error> {
        let edit = wire::MessageEdit { body: body.clone() };
        self.write("PATCH", &format!("/conversations/{conversation}/messages/{message}"), Some(&edit)).await
    }

    /// What it said, the oldest first.
    pub async fn edits(
        &self,
        conversation: Uuid,
        message: Uuid,
        page: &Page,
    ) -> Result<wire::PageOf<wire::MessageVersion>, Error> {
        self.read(page.query().on(&format!("/conversations/{conversation}/messages/{message}/edits"))).await
    }

    /// Who has reacted, the newest first; `emoji`: with this one only.
    pub async fn reactors(
        &self,
        conversation: Uuid,
        message: Uuid,
        emoji: Option<&str>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::MessageReactor>, Error> {
        let query = page.query().with("emoji", emoji);
        self.read(query.on(&format!("/conversations/{conversation}/messages/{message}/reactions"))).await
    }

    /// What is pinned, the newest pin first.
    pub async fn pins(&self, conversation: Uuid, page: &Page) -> Result<wire::PageOf<wire::Message>, Error> {
        self.read(page.query().on(&format!("/conversations/{conversation}/pins"))).await
    }

    pub async fn recall(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("/conversations/{conversation}/messages/{message}"), None).await
    }

    pub async fn react(&self, conversation: Uuid, message: Uuid, emoji: &str) -> Result<Answer<()>, Error> {
        self.exchange("PUT", &reaction(conversation, message, emoji), None).await
    }

    pub async fn unreact(&self, conversation: Uuid, message: Uuid, emoji: &str) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &reaction(conversation, message, emoji), None).await
    }

    pub async fn pin(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("PUT", &format!("/conversations/{conversation}/messages/{message}/pin"), None).await
    }

    pub async fn unpin(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("/conversations/{conversation}/messages/{message}/pin"), None).await
    }

    /// For the caller alone: their star, and that they have listened to it. `None`: they have deleted it for themselves since.
    pub async fn mark(
        &self,
        conversation: Uuid,
        message: Uuid,
        marks: &wire::MessageMarks,
    ) -> Result<Answer<Option<wire::Message>>, Error> {
        self.write("PATCH", &own_view(conversation, message), Some(marks)).await
    }

    /// Deletes the message for the caller alone, for ever.
    pub async fn delete_for_me(&self, conversation: Uuid, message: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &own_view(conversation, message), None).await
    }

    /// What has the caller's star, the newest star first.
    pub async fn stars(&self, page: &Page) -> Result<wire::PageOf<wire::Message>, Error> {
        self.read(page.query().on("/stars")).await
    }

    /// What the message says in another language, where the installation has a way to find out.
    pub async fn translate(
        &self,
        conversation: Uuid,
        message: Uuid,
        language: &str,
    ) -> Result<wire::Translated, Error> {
        let asked = wire::TranslationNew { language: language.to_owned() };
        let path = format!("/conversations/{conversation}/messages/{message}/translate");
        Ok(self.write("POST", &path, Some(&asked)).await?.value)
    }

    /// What a page says of itself, where the installation looks.
    pub async fn link_preview(&self, url: &str) -> Result<wire::LinkPreview, Error> {
        let asked = wire::LinkPreviewNew { url: url.to_owned() };
        Ok(self.write("POST", "/link-previews", Some(&asked)).await?.value)
    }

    /// Moves the read cursor forward; answers where it is now.
    pub async fn read_up_to(&self, conversation: Uuid, seq: u64) -> Result<Answer<wire::ReadUpTo>, Error> {
        self.write("PUT", &format!("/conversations/{conversation}/read"), Some(&wire::Read { seq })).await
    }
}

fn own_view(conversation: Uuid, message: Uuid) -> String {
    format!("/conversations/{conversation}/messages/{message}/inbox")
}

fn reaction(conversation: Uuid, message: Uuid, emoji: &str) -> String {
    let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/conversations/{conversation}/messages/{message}/reactions/{encoded}")
}
