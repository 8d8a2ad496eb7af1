//! What somebody has waiting, and what waits for a reviewer.

use crate::{
    Error, Page, Shared,
    message::{lifetime, mentioned},
    page::Cursor,
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{
    AccountId, ConversationId, KeyId, MessageId, Sealed, Timestamp,
    pending::{Content, Place},
};
use natter_streams::{
    sealing::{Keys, Opener},
    statement,
};
use sqlx::{FromRow, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use uuid::Uuid;

pub struct Query<'a>(pub(crate) &'a Shared);

struct Row {
    pending_id: Uuid,
    conversation_id: Uuid,
    message_id: Uuid,
    account_id: Uuid,
    state: String,
    content: Option<String>,
    send_at: Option<OffsetDateTime>,
    rule: Option<String>,
    code: Option<String>,
    until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pending_id: row.try_get("pending_id")?,
            conversation_id: row.try_get("conversation_id")?,
            message_id: row.try_get("message_id")?,
            account_id: row.try_get("account_id")?,
            state: row.try_get("state")?,
            content: row.try_get("content")?,
            send_at: row.try_get("send_at")?,
            rule: row.try_get("rule")?,
            code: row.try_get("code")?,
            until: row.try_get("until")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// A message that waits for a reviewer.
pub struct Held {
    pub message: Place,
    pub held_at: Timestamp,
    pub rule: String,
    /// JSON, as its author gave it; `None`: nobody can read it any more.
    pub body: Option<String>,
}

const COLUMNS: &str = "pending_id, conversation_id, message_id, account_id, state, content, send_at, rule, code, until,
    created_at";

/// What is not over.
const STANDS: &str = "state NOT IN ('sent', 'cancelled')";

impl Query<'_> {
    /// One of the viewer's, whatever became of it.
    pub async fn one(
        &self,
        viewer: AccountId,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) -> Result<Option<wire::Scheduled>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM pending WHERE pending_id = $1");
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(Place { conversation_id, message_id, author: viewer }.id())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read what is pending"))?;
        Ok(shown_all(&self.0.keys, rows).await?.pop())
    }

    /// What the viewer has waiting, and what could not be sent, what came last first.
    pub async fn list(
        &self,
        viewer: AccountId,
        conversation: Option<ConversationId>,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Scheduled>, Error> {
        let (time, id) = page.after()?;
        let sql = format!(
            "SELECT {COLUMNS} FROM pending
             WHERE account_id = $1 AND {STANDS} AND ($2::uuid IS NULL OR conversation_id = $2)
               AND ($3::timestamptz IS NULL OR (created_at, pending_id) < ($3, $4::uuid))
             ORDER BY created_at DESC, pending_id DESC LIMIT $5"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(viewer.0)
            .bind(conversation.map(|id| id.0))
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list what is pending"))?;
        let next_cursor = page.cut(&mut rows, |row| Cursor { time: row.created_at.into(), id: row.pending_id });
        Ok(wire::PageOf { items: shown_all(&self.0.keys, rows).await?, next_cursor })
    }

    /// How much the viewer has waiting in all, and of what could not be sent.
    pub async fn count(&self, viewer: AccountId) -> Result<usize, Error> {
        let sql = format!("SELECT count(*) FROM pending WHERE account_id = $1 AND {STANDS}");
        let count: i64 = sqlx::query_scalar(&sql)
            .bind(viewer.0)
            .fetch_one(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("count what is pending"))?;
        Ok(count.try_into().unwrap_or_default())
    }

    /// The viewer's that changed; who was told nothing yet is not told of what is over.
    pub(crate) async fn changed(&self, since: Since<'_>) -> Result<(Vec<wire::Scheduled>, Option<After>), Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM pending
             WHERE account_id = $1 AND pending_id > $2 AND changed > ($3::bigint[])[lane + 1] AND (NOT $4 OR {STANDS})
             ORDER BY pending_id LIMIT $5"
        );
        let mut rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(since.viewer.0)
            .bind(since.after.id)
            .bind(since.positions())
            .bind(since.told.is_nothing())
            .bind(since.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read what of the pending changed"))?;
        let rest = since.cut(&mut rows, |row| After { id: row.pending_id, number: 0 });
        Ok((shown_all(&self.0.keys, rows).await?, rest))
    }

    /// One that waits for a reviewer.
    pub async fn one_held(&self, message: Place) -> Result<Option<Held>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM pending WHERE pending_id = $1 AND state = 'held'");
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(message.id())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read what is held"))?;
        let opener = opener(&self.0.keys, &rows).await?;
        Ok(rows.into_iter().map(|row| row.held(&opener)).next())
    }

    /// What waits for a reviewer, what has waited longest first.
    pub async fn held(&self, limit: u32) -> Result<Vec<Held>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM pending WHERE state = 'held' ORDER BY created_at, pending_id LIMIT $1");
        let rows: Vec<Row> = sqlx::query_as(&sql)
            .bind(i64::from(limit))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list what is held"))?;
        let opener = opener(&self.0.keys, &rows).await?;
        Ok(rows.into_iter().map(|row| row.held(&opener)).collect())
    }
}

async fn opener(keys: &Keys, rows: &[Row]) -> Result<Opener, Error> {
    let wanted = rows.iter().filter_map(|row| Some(key(row.place(), &row.content()?)));
    Ok(keys.opener(wanted.collect::<Vec<_>>()).await?)
}

async fn shown_all(keys: &Keys, rows: Vec<Row>) -> Result<Vec<wire::Scheduled>, Error> {
    let opener = opener(keys, &rows).await?;
    Ok(rows.iter().map(|row| row.shown(&opener)).collect())
}

/// What it is opened with: its author's.
pub(crate) fn key(message: Place, content: &Content) -> (Uuid, KeyId) {
    (message.author.0, content.body.key)
}

impl Row {
    fn place(&self) -> Place {
        let (conversation_id, message_id) = (ConversationId(self.conversation_id), MessageId(self.message_id));
        Place { conversation_id, message_id, author: AccountId(self.account_id) }
    }

    fn content(&self) -> Option<Content> {
        serde_json::from_str(self.content.as_deref()?).ok()
    }

    fn shown(&self, opener: &Opener) -> wire::Scheduled {
        let text = |moment: Option<OffsetDateTime>| moment.map(|at| Timestamp::from(at).to_string());
        wire::Scheduled {
            send_at: text(self.send_at),
            code: self.code.clone(),
            until: text(self.until),
            ..shown(self.place(), &self.state, self.content().as_ref(), opener)
        }
    }

    fn held(self, opener: &Opener) -> Held {
        let open = |sealed: &Sealed| opener.open_text(self.account_id, sealed);
        let body = self.content().and_then(|content| open(&content.body));
        Held { message: self.place(), held_at: self.created_at.into(), rule: self.rule.unwrap_or_default(), body }
    }
}

/// As its author sees it, but for what it waits for and what came of it.
pub(crate) fn shown(message: Place, state: &str, content: Option<&Content>, opener: &Opener) -> wire::Scheduled {
    let body = content.and_then(|content| opener.open_text(message.author.0, &content.body));
    wire::Scheduled {
        conversation_id: message.conversation_id.0,
        message_id: message.message_id.0,
        body: body.and_then(|json| serde_json::from_str(&json).ok()),
        reply_to: content.and_then(|content| content.reply_to).map(|id| id.0),
        thread: content.and_then(|content| content.thread).map(|id| id.0),
        mentions: content.map(|content| mentioned(&content.mentions)).unwrap_or_default(),
        silent: content.is_some_and(|content| content.silent),
        self_destruct: content.and_then(|content| content.self_destruct).map(lifetime),
        send_at: None,
        state: state.to_owned(),
        code: None,
        until: None,
    }
}
