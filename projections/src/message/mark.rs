//! What people have marked for themselves: stars, and voice messages that they have listened to. Rows of relations, for most
//! messages never are. A recall takes a message's rows away, an erasure a person's, whichever lane is ahead of the other: who
//! writes marks and who erases wait for each other, account by account.

use super::query::Query;
use crate::{
    Error, erasure, gate,
    page::{Cursor, Page},
    sync::{After, Since},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId, MessageId, Timestamp, message::Event};
use natter_streams::{Record, statement};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What a batch does.
#[derive(Default)]
pub(crate) struct Changes {
    /// By account, conversation and seq.
    marked: BTreeMap<(Uuid, Uuid, u64), Marked>,
    /// Messages that were recalled.
    gone: HashSet<(Uuid, u64)>,
}

struct Marked {
    message_id: Uuid,
    mark_id: Uuid,
    starred_at: Option<Timestamp>,
    listened: bool,
    lane: i16,
    position: u64,
}

impl Changes {
    pub(crate) fn note(&mut self, record: &Record, event: &Event) {
        let place = event.message();
        match event {
            Event::Marked { account_id, starred_at, listened, .. } => {
                let marked = Marked {
                    message_id: place.message_id.0,
                    mark_id: record.aggregate_id,
                    starred_at: *starred_at,
                    listened: *listened,
                    lane: record.lane.number(),
                    position: record.position,
                };
                self.marked.insert((account_id.0, place.conversation_id.0, place.seq), marked);
            }
            Event::Recalled { .. } | Event::Expired { .. } => {
                self.gone.insert((place.conversation_id.0, place.seq));
            }
            _ => {}
        }
    }

    /// `erased`: accounts that the same batch erased.
    pub(crate) async fn write(mut self, erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
        self.marked.retain(|(_, conversation, seq), _| !self.gone.contains(&(*conversation, *seq)));
        if !self.marked.is_empty() || !erased.is_empty() {
            let marking = self.marked.keys().map(|(account, ..)| *account);
            erasure::wait(marking, erased, connection).await?;
        }
        if !self.marked.is_empty() {
            self.write_marked(connection).await?;
        }
        if !self.gone.is_empty() {
            self.write_gone(connection).await?;
        }
        if erased.is_empty() { Ok(()) } else { forget(erased, connection).await }
    }

    /// Of who was erased, be it further on in their own lane, nothing is written.
    async fn write_marked(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows: Vec<_> = self.marked.iter().collect();
        sqlx::query(
            "INSERT INTO message_mark (account_id, conversation_id, seq, message_id, mark_id, starred_at, listened, lane, changed)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::timestamptz[],
                                  $7::boolean[], $8::smallint[], $9::bigint[]) AS marked(account)
             WHERE NOT EXISTS (SELECT FROM account WHERE account_id = marked.account AND erased_at IS NOT NULL)
             ON CONFLICT (account_id, conversation_id, seq) DO UPDATE SET
                 starred_at = excluded.starred_at, listened = excluded.listened, lane = excluded.lane,
                 changed = excluded.changed",
        )
        .bind(rows.iter().map(|((account, ..), _)| *account).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, conversation, _), _)| *conversation).collect::<Vec<_>>())
        .bind(rows.iter().map(|((.., seq), _)| *seq as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.message_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.mark_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.starred_at.map(OffsetDateTime::from)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.listened).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.lane).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, marked)| marked.position as i64).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write what people have marked"))
    }

    async fn write_gone(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = self.gone.iter().map(|(id, seq)| (*id, *seq as i64)).unzip();
        sqlx::query(
            "DELETE FROM message_mark USING UNNEST($1::uuid[], $2::bigint[]) AS gone(conversation_id, seq)
             WHERE message_mark.conversation_id = gone.conversation_id AND message_mark.seq = gone.seq",
        )
        .bind(conversations)
        .bind(seqs)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("forget marks of recalled messages"))
    }
}

async fn forget(erased: &[Uuid], connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM message_mark WHERE account_id = ANY($1)")
        .bind(erased)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("forget the marks of erased accounts"))
}

/// Seq, whether it has a star, whether it was listened to.
type Marks = (i64, bool, bool);

/// Where a message is that somebody has marked.
struct Place {
    conversation: ConversationId,
    message: MessageId,
}

fn place(row: &PgRow) -> Place {
    Place { conversation: ConversationId(row.get("conversation_id")), message: MessageId(row.get("message_id")) }
}

const STARRED: &str = "
    SELECT conversation_id, message_id, mark_id, starred_at FROM message_mark
    WHERE account_id = $1 AND starred_at IS NOT NULL AND ($2::timestamptz IS NULL OR (starred_at, mark_id) < ($2, $3::uuid))
    ORDER BY starred_at DESC, mark_id DESC LIMIT $4";

/// One that was marked.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct HeldMark {
    pub conversation_id: Uuid,
    pub message_id: Uuid,
    pub seq: u64,
    pub starred_at: Option<String>,
    pub listened: bool,
}

impl Query<'_> {
    /// Messages that have the viewer's star, of all conversations, the newest star first. Those that they do not see any more
    /// are left out: a page may hold fewer than asked for.
    pub async fn stars(&self, viewer: AccountId, page: &Page) -> Result<wire::PageOf<wire::Message>, Error> {
        let (time, id) = page.after()?;
        let mut rows: Vec<PgRow> = sqlx::query(STARRED)
            .bind(viewer.0)
            .bind(time)
            .bind(id)
            .bind(page.rows())
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("list stars"))?;
        let cursor =
            |row: &PgRow| Cursor { time: row.get::<OffsetDateTime, _>("starred_at").into(), id: row.get("mark_id") };
        let next_cursor = page.cut(&mut rows, cursor);
        let mut items = self.at_places(viewer, &rows.iter().map(place).collect::<Vec<_>>()).await?;
        items.retain(|message| message.starred);
        Ok(wire::PageOf { items, next_cursor })
    }

    /// Those of the messages that the viewer sees, in this order; of each conversation together.
    async fn at_places(&self, viewer: AccountId, places: &[Place]) -> Result<Vec<wire::Message>, Error> {
        let mut of = BTreeMap::<Uuid, Vec<MessageId>>::new();
        for Place { conversation, message } in places {
            of.entry(conversation.0).or_default().push(*message);
        }
        let mut found = HashMap::new();
        for (conversation, ids) in of {
            let seen = self.lookup(viewer, ConversationId(conversation), &ids).await?.unwrap_or_default();
            found.extend(seen.into_iter().map(|message| ((conversation, message.message_id), message)));
        }
        Ok(places.iter().filter_map(|place| found.remove(&(place.conversation.0, place.message.0))).collect())
    }

    /// Puts what the viewer has marked to the messages.
    pub(super) async fn with_marks(
        &self,
        membership: &gate::Membership,
        mut messages: Vec<wire::Message>,
    ) -> Result<Vec<wire::Message>, Error> {
        if !membership.has_marks() {
            return Ok(messages);
        }
        let rows: Vec<Marks> = sqlx::query_as(
            "SELECT seq, starred_at IS NOT NULL, listened FROM message_mark
             WHERE account_id = $1 AND conversation_id = $2 AND seq = ANY($3)",
        )
        .bind(membership.viewer().0)
        .bind(membership.conversation().0)
        .bind(messages.iter().map(|message| message.seq as i64).collect::<Vec<_>>())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read what somebody has marked"))?;
        let marks: HashMap<u64, Marks> = rows.into_iter().map(|marks| (marks.0 as u64, marks)).collect();
        for message in &mut messages {
            if let Some(&(_, starred, listened)) = marks.get(&message.seq) {
                (message.starred, message.listened) = (starred, listened);
            }
        }
        Ok(messages)
    }

    /// Messages that the viewer has marked since, or of which they have taken a mark back. Who was told nothing holds none.
    pub(crate) async fn marks_changed(&self, since: Since<'_>) -> Result<(Vec<wire::Message>, Option<After>), Error> {
        if since.told.is_nothing() {
            return Ok((Vec::new(), None));
        }
        let mut rows: Vec<PgRow> = sqlx::query(
            "SELECT conversation_id, message_id, seq FROM message_mark
             WHERE account_id = $1 AND changed > ($2::bigint[])[lane + 1] AND (conversation_id, seq) > ($3, $4)
             ORDER BY conversation_id, seq LIMIT $5",
        )
        .bind(since.viewer.0)
        .bind(since.positions())
        .bind(since.after.id)
        .bind(since.after.number as i64)
        .bind(since.rows())
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read which marks changed"))?;
        let rest = since.cut(&mut rows, after);
        Ok((self.at_places(since.viewer, &rows.iter().map(place).collect::<Vec<_>>()).await?, rest))
    }

    /// All that somebody has marked, by conversation and number, whatever they see of it now: for who gives them all that is held
    /// on them.
    pub async fn held_marks(&self, viewer: AccountId, after: (Uuid, u64), rows: u32) -> Result<Vec<HeldMark>, Error> {
        let rows: Vec<PgRow> = sqlx::query(
            "SELECT conversation_id, message_id, seq, starred_at, listened FROM message_mark
             WHERE account_id = $1 AND (conversation_id, seq) > ($2, $3) ORDER BY conversation_id, seq LIMIT $4",
        )
        .bind(viewer.0)
        .bind(after.0)
        .bind(after.1 as i64)
        .bind(i64::from(rows))
        .fetch_all(statement::bounded(&self.0.pool()))
        .await
        .map_err(Error::database("read an account's marks"))?;
        let held = |row: &PgRow| HeldMark {
            conversation_id: row.get("conversation_id"),
            message_id: row.get("message_id"),
            seq: row.get::<i64, _>("seq") as u64,
            starred_at: row.get::<Option<OffsetDateTime>, _>("starred_at").map(|at| Timestamp::from(at).to_string()),
            listened: row.get("listened"),
        };
        Ok(rows.iter().map(held).collect())
    }
}

fn after(row: &PgRow) -> After {
    After { id: row.get("conversation_id"), number: row.get::<i64, _>("seq") as u64 }
}
