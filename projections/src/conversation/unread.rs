//! What waits for somebody: of all their conversations together, and of one with the reasons. There is one rule of what is
//! unread: messages of others that are seen behind the cursor ([`read_up_to`], the gate's spans), neither system messages nor
//! recalled ([`HistoryStore::unread`](crate::message::HistoryStore::unread)).

use super::Query;
use crate::{
    Error, Shared,
    gate::{self, Interval, Membership},
    message::{Span, Tally, mention},
};
use natter_client::wire;
use natter_domain::{AccountId, ConversationId};
use natter_streams::{clock, statement};
use sqlx::{Row, postgres::PgRow, types::time::OffsetDateTime};
use std::collections::HashMap;
use uuid::Uuid;

/// Conversations that are counted together: one query of each projection for so many.
const AT_ONCE: usize = 1_000;

/// Who never moved the cursor has read up to where they came: `entered`. What is gone is not to be read any more.
pub(super) fn read_up_to(membership: &Membership, cursor: u64, entered: u64) -> u64 {
    cursor.max(begin(membership)).max(entered)
}

/// Behind it is what the viewer may see of the latest stay.
pub(super) fn begin(membership: &Membership) -> u64 {
    membership.latest().joined_seq.max(membership.cleared_seq())
}

/// The counts of one, and the spans that they are of, with what was deleted one by one. The rest is for who knows the
/// conversation.
pub(super) async fn of_one(
    shared: &Shared,
    membership: &Membership,
    spans: &[Span],
) -> Result<wire::UnreadExplained, Error> {
    let (viewer, conversation) = (membership.viewer(), membership.conversation());
    let tally = shared.history().tally(viewer, conversation, spans).await?;
    let gone: Vec<Span> = spans.iter().flat_map(|span| membership.deleted_of(*span)).collect();
    // What is nothing else would be unread.
    let deleted = shared.history().tally(viewer, conversation, &gone).await?.unread();
    let seen = spans.iter().flat_map(|span| membership.visible(span.after, span.until));
    let named: Vec<_> = seen.map(|span| (conversation, span)).collect();
    let mentions = mention::count(&shared.pool(), viewer, &named).await?;
    let Tally { messages, own, system, recalled } = tally;
    Ok(wire::UnreadExplained {
        // Counted a moment apart, and history may lag.
        unread: tally.unread().saturating_sub(deleted),
        mentions: mentions.get(&conversation).copied().unwrap_or(0),
        read_seq: 0,
        last_seq: 0,
        cleared_seq: 0,
        marked_unread: false,
        spans: spans.iter().map(|span| wire::UnreadSpan { after_seq: span.after, until_seq: span.until }).collect(),
        counted: wire::UnreadCounted { messages, own, system, recalled, deleted },
        position: String::new(),
    })
}

/// The viewer's conversations behind `$2` in which something may wait. Those that are left out have nothing behind the cursor,
/// or are not counted: hidden, archived, a channel to which the viewer does not subscribe.
const WAITING: &str = "
    WITH mine AS (
        SELECT conversation_id, array_agg(joined_seq ORDER BY joined_seq) AS joined,
               array_agg(left_seq ORDER BY joined_seq) AS left_seqs,
               array_agg(left_position ORDER BY joined_seq) AS left_positions,
               (array_agg(entered_seq ORDER BY joined_seq DESC))[1] AS entered_seq,
               CASE WHEN bool_and(left_seq IS NOT NULL) THEN max(left_seq) END AS left_seq
        FROM member WHERE account_id = $1 AND conversation_id > $2 GROUP BY conversation_id)
    SELECT conversation_id, joined, left_seqs, left_positions, entered_seq, last_seq, kind = 'channel' AS is_channel,
           coalesce(read_seq, 0) AS read_seq, coalesce(cleared_seq, 0) AS cleared_seq,
           coalesce(marked_unread, false) AS marked_unread, coalesce(quiet_until > $4, false) AS is_quiet,
           ARRAY(SELECT seq FROM message_deleted WHERE message_deleted.conversation_id = mine.conversation_id
                 AND account_id = $1 ORDER BY seq) AS deleted
    FROM mine JOIN conversation USING (conversation_id)
         LEFT JOIN (SELECT * FROM inbox_cursor WHERE account_id = $1) AS view USING (conversation_id)
    WHERE (kind <> 'channel' OR left_seq IS NULL AND NOT has_ended)
      AND NOT coalesce(hidden_seq >= coalesce(left_seq, last_seq), false) AND NOT coalesce(archived, false)
      AND (last_seq > coalesce(read_seq, 0) OR marked_unread)
    ORDER BY conversation_id LIMIT $3";

/// One of them, read.
struct Waiting {
    id: ConversationId,
    spans: Vec<Span>,
    is_marked: bool,
    is_quiet: bool,
}

impl Waiting {
    fn of(viewer: AccountId, row: &PgRow) -> Option<Self> {
        let number = |column| row.get::<i64, _>(column) as u64;
        let id = ConversationId(row.get("conversation_id"));
        let intervals = if row.get("is_channel") { vec![Interval::begun(0, 0)] } else { stays(row) };
        let membership = Membership::new(viewer, id, intervals, number("last_seq"), number("cleared_seq"))?;
        let membership = membership.without(gate::seqs(row.get("deleted")));
        let entered = row.get::<Option<i64>, _>("entered_seq").unwrap_or(0) as u64;
        let read_seq = read_up_to(&membership, number("read_seq"), entered);
        let spans = membership.visible(read_seq, u64::MAX);
        Some(Self { id, spans, is_marked: row.get("marked_unread"), is_quiet: row.get("is_quiet") })
    }

    fn spans(&self) -> impl Iterator<Item = (ConversationId, Span)> {
        self.spans.iter().map(|span| (self.id, *span))
    }
}

fn stays(row: &PgRow) -> Vec<Interval> {
    let ends = row.get::<Vec<Option<i64>>, _>("left_seqs").into_iter();
    let ends = ends.zip(row.get::<Vec<Option<i64>>, _>("left_positions"));
    let stays = row.get::<Vec<i64>, _>("joined").into_iter().zip(ends);
    stays.map(|(joined, (left, left_at))| gate::interval(joined, left, left_at)).collect()
}

impl Query<'_> {
    /// What waits in all of the viewer's conversations but for those that are hidden or archived: for badges.
    pub async fn unread_totals(&self, viewer: AccountId) -> Result<wire::UnreadTotals, Error> {
        let (now, mut after) = (clock::now().into(), Uuid::nil());
        let nothing = || wire::UnreadSum { unread: 0, mentions: 0, conversations: 0 };
        let (mut loud, mut quiet) = (nothing(), nothing());
        loop {
            let rows = self.waiting(viewer, after, now).await?;
            let waiting: Vec<Waiting> = rows.iter().filter_map(|row| Waiting::of(viewer, row)).collect();
            self.add(viewer, &waiting, &mut loud, &mut quiet).await?;
            match rows.last().filter(|_| rows.len() == AT_ONCE) {
                Some(row) => after = row.get("conversation_id"),
                None => break,
            }
        }
        let wire::UnreadSum { unread, mentions, conversations } = loud;
        Ok(wire::UnreadTotals { unread, mentions, conversations, quiet })
    }

    async fn waiting(&self, viewer: AccountId, after: Uuid, now: OffsetDateTime) -> Result<Vec<PgRow>, Error> {
        sqlx::query(WAITING)
            .bind(viewer.0)
            .bind(after)
            .bind(AT_ONCE as i64)
            .bind(now)
            .fetch_all(statement::bounded(&self.0.pool()))
            .await
            .map_err(Error::database("read where something waits"))
    }

    async fn add(
        &self,
        viewer: AccountId,
        waiting: &[Waiting],
        loud: &mut wire::UnreadSum,
        quiet: &mut wire::UnreadSum,
    ) -> Result<(), Error> {
        let spans: Vec<_> = waiting.iter().flat_map(Waiting::spans).collect();
        let unread = self.0.history().unread(viewer, &spans).await?;
        let mentions = mention::count(&self.0.pool(), viewer, &spans).await?;
        for one in waiting {
            let count = |counts: &HashMap<ConversationId, u64>| counts.get(&one.id).copied().unwrap_or(0);
            let sum = if one.is_quiet { &mut *quiet } else { &mut *loud };
            sum.unread += count(&unread);
            // Relations may know of a message that history has not got yet.
            sum.mentions += count(&mentions).min(count(&unread));
            sum.conversations += u64::from(one.is_marked || count(&unread) > 0);
        }
        Ok(())
    }
}
