//! Replies under a message, and `/threads`.

use super::{Answer, Page, Range, Signed, query::Query};
use crate::{Error, wire};
use uuid::Uuid;

impl Signed {
    /// The replies under a message; of the range no middle.
    pub async fn thread(&self, conversation: Uuid, root: Uuid, range: Range) -> Result<Vec<wire::Message>, Error> {
        let number = |bound: Option<u64>| bound.map(|bound| bound.to_string());
        let query = Query::default()
            .with("before_seq", number(range.before_seq).as_deref())
            .with("after_seq", number(range.after_seq).as_deref())
            .with("limit", number(range.limit.map(u64::from)).as_deref());
        let listed: wire::Items<_> = self.read(query.on(&thread(conversation, root))).await?;
        Ok(listed.items)
    }

    pub async fn follow_thread(&self, conversation: Uuid, root: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("PUT", &format!("{}/follow", thread(conversation, root)), None).await
    }

    pub async fn unfollow_thread(&self, conversation: Uuid, root: Uuid) -> Result<Answer<()>, Error> {
        self.exchange("DELETE", &format!("{}/follow", thread(conversation, root)), None).await
    }

    /// Moves the thread's cursor forward.
    pub async fn read_thread(&self, conversation: Uuid, root: Uuid, seq: u64) -> Result<Answer<()>, Error> {
        self.write("PUT", &format!("{}/read", thread(conversation, root)), Some(&wire::Read { seq })).await
    }

    /// What the threads began with that the caller follows, by their newest reply.
    pub async fn threads(&self, unread: bool, page: &Page) -> Result<wire::PageOf<wire::Message>, Error> {
        self.read(page.query().with("unread", unread.then_some("true")).on("/threads")).await
    }
}

fn thread(conversation: Uuid, root: Uuid) -> String {
    format!("/conversations/{conversation}/messages/{root}/thread")
}
