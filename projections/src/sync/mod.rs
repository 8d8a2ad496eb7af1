//! What changed for somebody since they last asked, however long they were away: whole things as they are now, in
//! bounded pages.
//!
//! A cursor is a vector: how far every lane had been read, by relations and by history both. Each row names its lane and
//! the position of the event that last wrote it, so "changed since" is a comparison, and nothing is kept for anybody. The
//! vector of the next cursor is read *before* the rows: what is written meanwhile may be told twice, never left out.

mod cursor;

pub(crate) use cursor::{After, Told};

use crate::{Error, Shared, account, conversation, friendship, inbox, message, pending};
use cursor::{Cursor, Resume};
use natter_client::wire;
use natter_domain::AccountId;
use natter_streams::{clock, statement};

pub struct Query<'a>(pub(crate) &'a Shared);

/// What is asked of a section.
#[derive(Clone, Copy)]
pub(crate) struct Since<'a> {
    pub(crate) viewer: AccountId,
    pub(crate) told: &'a Told,
    pub(crate) after: After,
    pub(crate) limit: usize,
}

impl Since<'_> {
    /// By lane, for `changed > ($n::bigint[])[lane + 1]`: who was told nothing gets also what names no position.
    pub(crate) fn positions(&self) -> Vec<i64> {
        self.told.lanes.iter().map(|&position| if position == 0 { -1 } else { position as i64 }).collect()
    }

    /// One more than fits, to know whether something is left.
    pub(crate) fn rows(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// Cuts what was read to what fits; says where the rest begins.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>, after: impl Fn(&T) -> After) -> Option<After> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        rows.last().filter(|_| more).map(after)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Section {
    Account,
    Friends,
    Requests,
    Conversations,
    Messages,
    /// Behind the others: a cursor names a section by its number.
    Blocks,
    Threads,
    Pending,
    Deleted,
    Marks,
}

impl Section {
    const ALL: [Self; 10] = [
        Self::Account,
        Self::Friends,
        Self::Requests,
        Self::Conversations,
        Self::Messages,
        Self::Blocks,
        Self::Threads,
        Self::Pending,
        Self::Deleted,
        Self::Marks,
    ];

    fn from(number: u8) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().skip(usize::from(number))
    }
}

impl Query<'_> {
    /// The next page, of about so many things at most.
    pub async fn since(&self, viewer: AccountId, cursor: Option<&str>, things: usize) -> Result<wire::Sync, Error> {
        let log = self.log();
        let Cursor { told, resume, .. } = self.read(viewer, cursor, log)?;
        let Resume { until, section, mut after } = match resume {
            Some(resume) => resume,
            None => Resume { until: self.by_now(told.lanes.len()).await?, section: 0, after: After::default() },
        };
        let mut answer = nothing();
        let mut room = things;
        for section in Section::from(section) {
            let since = Since { viewer, told: &told, after, limit: room };
            let (taken, rest) = self.section(section, since, &until, &mut answer).await?;
            if let Some(after) = rest {
                let resume = Some(Resume { until, section: section as u8, after });
                return self.finish(answer, viewer, &Cursor { log, told, resume });
            }
            // A section that fills the page ends it: the next one begins with room.
            room = (room - taken.min(room)).max(1);
            after = After::default();
        }
        self.finish(answer, viewer, &Cursor { log, told: until, resume: None })
    }

    fn read(&self, viewer: AccountId, text: Option<&str>, log: u64) -> Result<Cursor, Error> {
        let lanes = self.0.feeds.lanes().count();
        let Some(text) = text else { return Ok(Cursor { log, told: Told::nothing(lanes), resume: None }) };
        let cursor = Cursor::parse(text, viewer, &self.0.keyring).ok_or(Error::BadCursor)?;
        if cursor.log != log {
            return Err(Error::CursorGone);
        }
        Ok(cursor)
    }

    /// Stands for the incarnations of all lanes.
    fn log(&self) -> u64 {
        let heads = self.0.feeds.heads();
        let incarnations: Vec<u8> = heads.iter().flat_map(|head| head.incarnation.into_bytes()).collect();
        u64::from_be_bytes(self.0.keyring.fingerprint(&incarnations)[..8].try_into().unwrap_or_default())
    }

    /// How far both projections have read every lane: the rows that are read after this show at least that. What was set
    /// aside is not in the rows yet: until it is applied, what comes behind it in its lane is told again.
    async fn by_now(&self, lanes: usize) -> Result<Told, Error> {
        let at = clock::now().as_millis();
        let rows: Vec<(i16, i64)> = sqlx::query_as(
            "SELECT lane, min(least(position, before)) FROM public.checkpoints, LATERAL (
                 SELECT min(aside.position) - 1 AS before FROM public.projection_failures AS aside
                 WHERE aside.projection = checkpoints.projection AND aside.lane = checkpoints.lane) AS aside
             WHERE projection = ANY($1) GROUP BY lane HAVING count(*) = cardinality($1)",
        )
        .bind(self.0.live.readers())
        .fetch_all(statement::bounded(&self.0.control))
        .await
        .map_err(Error::database("read how far projections are"))?;
        let mut told = Told { at, ..Told::nothing(lanes) };
        for (lane, position) in rows {
            if let Some(mine) = told.lanes.get_mut(lane as usize) {
                *mine = position as u64;
            }
        }
        Ok(told)
    }

    /// How many things of it were told, and where the rest begins.
    async fn section(
        &self,
        section: Section,
        since: Since<'_>,
        until: &Told,
        answer: &mut wire::Sync,
    ) -> Result<(usize, Option<After>), Error> {
        let shared = self.0;
        Ok(match section {
            Section::Account => {
                answer.account = account::Query(shared).changed(since).await?;
                answer.settings = account::Query(shared).settings_changed(since).await?;
                answer.friend_folders = friendship::Query(shared).folder_order_changed(since).await?;
                (usize::from(answer.account.is_some()) + usize::from(answer.settings.is_some()), None)
            }
            Section::Friends => {
                let (items, removed, rest) = friendship::Query(shared).friends_changed(since).await?;
                answer.removed_friends = removed;
                taken(&mut answer.friends, (items, rest))
            }
            Section::Requests => {
                let (items, ignored, rest) = friendship::Query(shared).requests_changed(since).await?;
                answer.ignored_requests = ignored;
                taken(&mut answer.requests, (items, rest))
            }
            Section::Blocks => {
                let (items, unblocked, rest) = friendship::Query(shared).blocks_changed(since).await?;
                answer.unblocked = unblocked;
                taken(&mut answer.blocks, (items, rest))
            }
            Section::Conversations => {
                let (items, left, rest) = conversation::Query(shared).changed(since).await?;
                answer.left = left;
                taken(&mut answer.conversations, (items, rest))
            }
            Section::Threads => taken(&mut answer.threads, message::Query(shared).threads_changed(since).await?),
            Section::Pending => taken(&mut answer.scheduled, pending::Query(shared).changed(since).await?),
            Section::Messages => taken(&mut answer.messages, message::Query(shared).changed(since, until).await?),
            Section::Deleted => taken(&mut answer.deleted_messages, inbox::Query(shared).changed(since).await?),
            Section::Marks => {
                // Behind those that have changed for everybody.
                let (items, rest) = message::Query(shared).marks_changed(since).await?;
                let count = items.len();
                answer.messages.extend(items);
                (count, rest)
            }
        })
    }

    fn finish(&self, answer: wire::Sync, viewer: AccountId, cursor: &Cursor) -> Result<wire::Sync, Error> {
        let more = cursor.resume.is_some();
        let cursor = cursor.text(viewer, &self.0.keyring).map_err(Error::Frame)?;
        Ok(wire::Sync { cursor, more, ..answer })
    }
}

fn taken<T>(list: &mut Vec<T>, (items, rest): (Vec<T>, Option<After>)) -> (usize, Option<After>) {
    *list = items;
    (list.len(), rest)
}

fn nothing() -> wire::Sync {
    wire::Sync {
        conversations: Vec::new(),
        left: Vec::new(),
        messages: Vec::new(),
        deleted_messages: Vec::new(),
        threads: Vec::new(),
        friends: Vec::new(),
        removed_friends: Vec::new(),
        requests: Vec::new(),
        ignored_requests: Vec::new(),
        blocks: Vec::new(),
        scheduled: Vec::new(),
        unblocked: Vec::new(),
        friend_folders: None,
        settings: None,
        account: None,
        cursor: String::new(),
        more: false,
    }
}
