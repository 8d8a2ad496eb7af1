//! Threads: rows of relations, which only conversations with threads have. A reply is one row and, the first time, one for
//! who writes it and one for who is answered; what is counted is counted when it is asked for. A recall takes a reply's row
//! away; what the thread began with may be recalled, and the thread goes on.

use super::{Order, Span, query::Query};
use crate::{
    Error, gate,
    gate::Membership,
    page::{Cursor, Page},
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, conversation::Root, message::Event};
use natter_streams::{Record, statement};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What a batch does.
#[derive(Default)]
pub(crate) struct Changes {
    replies: BTreeMap<(Uuid, u64), Reply>,
    /// Messages that were recalled.
    gone: HashSet<(Uuid, u64)>,
    /// By account, conversation and root.
    readers: BTreeMap<(Uuid, Uuid, u64), Reader>,
}

struct Reply {
    root_seq: u64,
    sender: Uuid,
    at: Timestamp,
}

/// What a batch says of a reader; `None`: nothing.
struct Reader {
    root_id: Uuid,
    takes_part: bool,
    follows: Option<bool>,
    read_seq: Option<u64>,
    /// Lane and position of what they have said, or of the reply by which they take part.
    changed: Option<(i16, u64)>,
}

impl Changes {
    pub(crate) fn reply(&mut self, record: &Record, seq: u64, sender: AccountId, root: Root) {
        let conversation = record.aggregate_id;
        self.replies.insert((conversation, seq), Reply { root_seq: root.seq, sender: sender.0, at: record.time });
        for account in [Some(sender), root.sender].into_iter().flatten() {
            let reader = self.reader(account, conversation, root.seq, root.message_id);
            reader.takes_part = true;
            reader.changed = Some((record.lane.number(), record.position));
        }
    }

    pub(crate) fn recall(&mut self, conversation: Uuid, seq: u64) {
        self.gone.insert((conversation, seq));
    }

    /// Whether it is somebody's own matter, of which the others are not told.
    pub(crate) fn note(&mut self, record: &Record, event: &Event) -> bool {
        let (Event::Followed { account_id, .. }
        | Event::Unfollowed { account_id, .. }
        | Event::ThreadRead { account_id, .. }) = event
        else {
            return false;
        };
        let place = event.message();
        let reader = self.reader(*account_id, place.conversation_id.0, place.seq, place.message_id);
        reader.changed = Some((record.lane.number(), record.position));
        match event {
            Event::Followed { .. } => reader.follows = Some(true),
            Event::Unfollowed { .. } => reader.follows = Some(false),
            Event::ThreadRead { seq, .. } => reader.read_seq = Some(*seq),
            _ => {}
        }
        true
    }

    fn reader(&mut self, account: AccountId, conversation: Uuid, root_seq: u64, root_id: MessageId) -> &mut Reader {
        let nothing = || Reader { root_id: root_id.0, takes_part: false, follows: None, read_seq: None, changed: None };
        self.readers.entry((account.0, conversation, root_seq)).or_insert_with(nothing)
    }

    pub(crate) async fn write(mut self, connection: &mut PgConnection) -> Result<(), Error> {
        self.replies.retain(|place, _| !self.gone.contains(place));
        if !self.replies.is_empty() {
            self.write_replies(connection).await?;
        }
        if !self.readers.is_empty() {
            self.write_readers(connection).await?;
        }
        if !self.gone.is_empty() {
            self.write_gone(connection).await?;
        }
        Ok(())
    }

    async fn write_replies(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<_> = self.replies.iter().collect();
        let conversations: Vec<Uuid> = rows.iter().map(|((conversation, _), _)| *conversation).collect();
        sqlx::query(
            "WITH threaded AS (
                 UPDATE conversation SET has_threads = true WHERE conversation_id = ANY($1) AND NOT has_threads)
             INSERT INTO thread_reply (conversation_id, root_seq, seq, sender, sent_at)
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::timestamptz[])
             ON CONFLICT DO NOTHING",
        )
        .bind(conversations)
        .bind(rows.iter().map(|(_, reply)| reply.root_seq as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, seq), _)| *seq as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reply)| reply.sender).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reply)| OffsetDateTime::from(reply.at)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write replies"))
    }

    /// What a batch does not say stays as it is; a cursor never goes back.
    async fn write_readers(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<_> = self.readers.iter().collect();
        sqlx::query(
            "INSERT INTO thread_reader (account_id, conversation_id, root_seq, root_id, takes_part, follows, read_seq,
                 lane, changed)
             SELECT account, conversation, root, id, part, follows, coalesce(read, 0), lane, changed
             FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::boolean[], $6::boolean[], $7::bigint[],
                         $8::smallint[], $9::bigint[])
                  AS said(account, conversation, root, id, part, follows, read, lane, changed)
             ON CONFLICT (account_id, conversation_id, root_seq) DO UPDATE SET
                 takes_part = thread_reader.takes_part OR excluded.takes_part,
                 follows = coalesce(excluded.follows, thread_reader.follows),
                 read_seq = greatest(excluded.read_seq, thread_reader.read_seq),
                 lane = coalesce(excluded.lane, thread_reader.lane),
                 changed = coalesce(excluded.changed, thread_reader.changed)",
        )
        .bind(rows.iter().map(|((account, ..), _)| *account).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, conversation, _), _)| *conversation).collect::<Vec<_>>())
        .bind(rows.iter().map(|((.., root), _)| *root as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.root_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.takes_part).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.follows).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.read_seq.map(|seq| seq as i64)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.changed.map(|(lane, _)| lane)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, reader)| reader.changed.map(|(_, position)| position as i64)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write who reads threads"))
    }

    async fn write_gone(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = self.gone.iter().map(|(id, seq)| (*id, *seq as i64)).unzip();
        sqlx::query(
            "DELETE FROM thread_reply USING UNNEST($1::uuid[], $2::bigint[]) AS gone(conversation_id, seq)
             WHERE thread_reply.conversation_id = gone.conversation_id AND thread_reply.seq = gone.seq",
        )
        .bind(conversations)
        .bind(seqs)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("forget recalled replies"))
    }
}

/// Of a root among `$3`, the replies that the viewer (`$1`) sees: those in the spans `$4`, `$5`.
const SUMMARIES: &str = "
    SELECT root.seq AS root_seq, count(reply.seq) AS replies, max(reply.seq) AS last_seq, max(sent_at) AS last_at,
           count(reply.seq) FILTER (WHERE reply.sender <> $1 AND reply.seq > coalesce(reader.read_seq, 0)) AS unread,
           coalesce(reader.follows, reader.takes_part, false) AS followed, coalesce(reader.read_seq, 0) AS read_seq
    FROM UNNEST($3::bigint[]) AS root(seq)
         JOIN thread_reply AS reply ON reply.conversation_id = $2 AND reply.root_seq = root.seq
         JOIN UNNEST($4::bigint[], $5::bigint[]) AS span(after, until) ON reply.seq > after AND reply.seq <= until
         LEFT JOIN thread_reader AS reader ON reader.account_id = $1 AND reader.conversation_id = $2
              AND reader.root_seq = root.seq
    GROUP BY root.seq, reader.follows, reader.takes_part, reader.read_seq";

/// The viewer's threads, by the newest reply that there is; `$2`, `$3`: from there on.
const FOLLOWED: &str = "
    SELECT reader.conversation_id, reader.root_id, last.sent_at AS last_at
    FROM thread_reader AS reader CROSS JOIN LATERAL (
         SELECT sent_at, seq FROM thread_reply AS reply WHERE reply.conversation_id = reader.conversation_id
         AND reply.root_seq = reader.root_seq ORDER BY seq DESC LIMIT 1) AS last
    WHERE reader.account_id = $1 AND coalesce(reader.follows, reader.takes_part)
      AND ($2::timestamptz IS NULL OR (last.sent_at, reader.root_id) < ($2, $3::uuid))
      AND (NOT $4 OR EXISTS (
          SELECT FROM thread_reply AS reply WHERE reply.conversation_id = reader.conversation_id
          AND reply.root_seq = reader.root_seq AND reply.seq > reader.read_seq AND reply.sender <> $1))
    ORDER BY last.sent_at DESC, reader.root_id DESC LIMIT $5";

impl Query<'_> {
    /// Puts the threads that begin with these messages to them, as the viewer sees them.
    pub(super) async fn with_threads(
        &self,
        membership: &Membership,
        mut messages: Vec<wire::Message>,
    ) -> Result<Vec<wire::Message>, Error> {
        if !membership.has_threads() || messages.is_empty() {
            return Ok(messages);
        }
        let spans = membership.visible(0, u64::MAX);
        let rows = sqlx::query(SUMMARIES)
            .bind(membership.viewer().0)
            .bind(membership.conversation().0)
            .bind(messages.iter().map(|message| message.seq as i64).collect::<Vec<_>>())
            .bind(bounds(&spans, |span| span.after))
            .bind(bounds(&spans, |span| span.until))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read threads"))?;
        let mut threads: HashMap<u64, wire::ThreadSummary> = rows.iter().map(summary).collect();
        for message in &mut messages {
            message.thread_summary = threads.remove(&message.seq);
        }
        Ok(messages)
    }

    /// Replies of a thread; the bounds are exclusive, newest first, with `after_seq` oldest first. `None`: the message does
    /// not exist for the viewer.
    pub async fn thread(
        &self,
        viewer: AccountId,
        conversation: ConversationId,
        root: MessageId,
        (after, before, limit): (Option<u64>, Option<u64>, u32),
    ) -> Result<Option<Vec<wire::Message>>, Error> {
        let Some(membership) = gate::member(self.0, viewer, conversation).await? else { return Ok(None) };
        let found = self.0.history().by_ids(conversation, &[root]).await?;
        let Some(root) = found.first().filter(|root| membership.sees(root.seq)) else { return Ok(None) };
        let order = if after.is_some() { Order::OldestFirst } else { Order::NewestFirst };
        let until = before.map_or(u64::MAX, |seq| seq.saturating_sub(1));
        let spans = membership.visible(after.unwrap_or(0), until);
        let seqs = self.replies(conversation, root.seq, &spans, order, limit).await?;
        if seqs.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut singles: Vec<Span> = seqs.iter().map(|seq| Span::now(seq - 1, *seq)).collect();
        singles.sort_unstable_by_key(|span| span.after);
        let found = self.0.history().page(conversation, &singles, order, limit).await?;
        let mut seen = self.as_seen(&membership, found).await?;
        seen.sort_unstable_by_key(|message| message.seq);
        if order == Order::NewestFirst {
            seen.reverse();
        }
        Ok(Some(self.shown_to(&membership, &seen).await?))
    }

    async fn replies(
        &self,
        conversation: ConversationId,
        root_seq: u64,
        spans: &[Span],
        order: Order,
        limit: u32,
    ) -> Result<Vec<u64>, Error> {
        let direction = match order {
            Order::NewestFirst => "DESC",
            Order::OldestFirst => "ASC",
        };
        let sql = format!(
            "SELECT seq FROM thread_reply JOIN UNNEST($3::bigint[], $4::bigint[]) AS span(after, until)
                 ON seq > after AND seq <= until
             WHERE conversation_id = $1 AND root_seq = $2 ORDER BY seq {direction} LIMIT $5"
        );
        let seqs: Vec<i64> = sqlx::query_scalar(&sql)
            .bind(conversation.0)
            .bind(root_seq as i64)
            .bind(bounds(spans, |span| span.after))
            .bind(bounds(spans, |span| span.until))
            .bind(i64::from(limit))
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read replies"))?;
        Ok(seqs.into_iter().map(|seq| seq as u64).collect())
    }

    /// What the threads that the viewer follows began with, by their newest reply. Those of conversations that are over for
    /// them, and those whose replies they do not see, are left out: a page may hold fewer than asked for.
    pub async fn threads(
        &self,
        viewer: AccountId,
        unread: bool,
        page: &Page,
    ) -> Result<wire::PageOf<wire::Message>, Error> {
        let (time, id) = page.after()?;
        let mut rows: Vec<PgRow> = sqlx::query(FOLLOWED)
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(unread)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list threads"))?;
        let place =
            |row: &PgRow| Cursor { time: row.get::<OffsetDateTime, _>("last_at").into(), id: row.get("root_id") };
        let next_cursor = page.cut(&mut rows, place);
        let mut items = Vec::new();
        for row in rows {
            let (conversation, root) = (ConversationId(row.get("conversation_id")), MessageId(row.get("root_id")));
            let found = self.one(viewer, conversation, root).await?;
            let followed = |message: &wire::Message| {
                message.thread_summary.as_ref().is_some_and(|thread| !unread || thread.unread > 0)
            };
            items.extend(found.filter(followed));
        }
        Ok(wire::PageOf { items, next_cursor })
    }

    /// Of which threads the viewer has said something since, or has taken part in: by a reply, or because one came.
    pub(crate) async fn threads_changed(
        &self,
        since: Since<'_>,
    ) -> Result<(Vec<wire::ThreadState>, Option<After>), Error> {
        let mut rows: Vec<PgRow> = sqlx::query(
            "SELECT conversation_id, root_id, root_seq, coalesce(follows, takes_part) AS followed, read_seq
             FROM thread_reader WHERE account_id = $1 AND changed > ($2::bigint[])[lane + 1]
               AND (conversation_id, root_seq) > ($3, $4) ORDER BY conversation_id, root_seq LIMIT $5",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .bind(since.after.id)
        .bind(since.after.number as i64)
        .bind(since.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read which threads changed"))?;
        let place =
            |row: &PgRow| After { id: row.get("conversation_id"), number: row.get::<i64, _>("root_seq") as u64 };
        let rest = since.cut(&mut rows, place);
        let state = |row: &PgRow| wire::ThreadState {
            conversation_id: row.get("conversation_id"),
            message_id: row.get("root_id"),
            followed: row.get("followed"),
            read_seq: row.get::<i64, _>("read_seq") as u64,
        };
        Ok((rows.iter().map(state).collect(), rest))
    }
}

fn summary(row: &PgRow) -> (u64, wire::ThreadSummary) {
    let number = |name: &str| row.get::<i64, _>(name) as u64;
    let last_at: Timestamp = row.get::<OffsetDateTime, _>("last_at").into();
    let thread = wire::ThreadSummary {
        replies: number("replies"),
        last_seq: number("last_seq"),
        last_at: last_at.to_string(),
        unread: number("unread"),
        followed: row.get("followed"),
        read_seq: number("read_seq"),
    };
    (number("root_seq"), thread)
}

fn bounds(spans: &[Span], bound: impl Fn(&Span) -> u64) -> Vec<i64> {
    spans.iter().map(|span| i64::try_from(bound(span)).unwrap_or(i64::MAX)).collect()
}
