//! Events that a projector cannot apply are set aside, with the reason, and behind each the later events that build on the
//! same ([`key`]); everything else goes on. The checkpoint moves over what is set aside in the transaction that writes it down, so that
//! it is either waited for or written down, never skipped.
//!
//! An event of a type or shape that this binary does not know is no such event: another binary knows it, and skipping it
//! would leave rows behind. Its lane waits.
//!
//! Delivery has no rows, so what it has set aside cannot be applied by anybody else: an operator asks for it, and who runs
//! it does it ([`Aside::tend`]).

use crate::{
    Error, Generation, Projection,
    generation::{
        self,
        table::{self, End},
    },
    metrics,
    projector::{Batch, Projector, Step},
};
use natter_domain::Noun;
use natter_streams::{Error as LogError, Lane, Log, Record, checkpoint, statement};
use sqlx::{Connection, PgConnection};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// While something waits, it is looked at so often: an operator may ask for it, or have ended it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was set aside of one lane of one generation of a projection.
pub(crate) struct Aside {
    log: Log,
    projection: Projection,
    generation: Generation,
    lane: Lane,
    /// Keys whose events wait, and how many do.
    waiting: HashMap<Uuid, u64>,
    /// When it is looked at again.
    due: Instant,
}

impl Aside {
    pub(crate) async fn load(
        log: &Log,
        projection: Projection,
        generation: Generation,
        lane: Lane,
    ) -> Result<Self, Error> {
        let (waiting, due) = (HashMap::new(), Instant::now());
        let mut aside = Self { log: log.clone(), projection, generation, lane, waiting, due };
        aside.look().await?;
        Ok(aside)
    }

    fn reader(&self) -> &'static str {
        generation::reader(self.projection, self.generation)
    }

    async fn look(&mut self) -> Result<(), Error> {
        let waiting: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT key, count(*) FROM public.projection_failures WHERE projection = $1 AND lane = $2 GROUP BY key",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .fetch_all(statement::bounded(self.log.pool()))
        .await
        .map_err(Error::database("read what was set aside"))?;
        self.waiting = waiting.into_iter().map(|(key, count)| (key, count as u64)).collect();
        self.due = Instant::now() + LOOK_EVERY;
        Ok(())
    }

    /// How many events wait.
    pub(crate) fn count(&self) -> u64 {
        self.waiting.values().sum()
    }

    /// When [`Self::tend`] is due; `None` while nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.due)
    }

    /// Applies what an operator asks for, in order, and looks at what still waits.
    pub(crate) async fn tend<P: Projector>(&mut self, projector: &mut P) -> Result<(), Error> {
        for key in self.asked().await? {
            while let Some(position) = self.first(key).await? {
                if !self.again(projector, key, position).await? {
                    break;
                }
            }
        }
        self.look().await
    }

    /// Keys of which an operator asks that they be applied.
    async fn asked(&self) -> Result<Vec<Uuid>, Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT key FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND asked",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .fetch_all(statement::bounded(self.log.pool()))
        .await
        .map_err(Error::database("read which events are asked for"))
    }

    async fn first(&self, key: Uuid) -> Result<Option<u64>, Error> {
        let first: Option<i64> = sqlx::query_scalar(
            "SELECT position FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND key = $3
             ORDER BY position LIMIT 1",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .bind(key)
        .fetch_optional(statement::bounded(self.log.pool()))
        .await
        .map_err(Error::database("read what was set aside"))?;
        Ok(first.map(|position| position as u64))
    }

    /// One event, which stays where it fails again: with all that is behind it, nobody asks for it any more.
    async fn again<P: Projector>(&self, projector: &mut P, key: Uuid, position: u64) -> Result<bool, Error> {
        let records = [record(&self.log, self.lane, position).await?];
        let at = checkpoint::load(&self.log, self.reader(), self.lane).await?;
        let failed = match projector.again(Batch::again(self.generation, at, &records)).await {
            Ok(()) => None,
            Err(error) => Some(in_vain(&error).or_else(|| fault(&error)).ok_or(error)?),
        };
        match &failed {
            None => table::take_out(self.log.pool(), self.reader(), self.lane, position, End::Retry).await?,
            Some(reason) => {
                table::fails_again(self.log.pool(), self.reader(), self.lane, position, reason).await?;
                sqlx::query(
                    "UPDATE public.projection_failures SET asked = false
                     WHERE projection = $1 AND lane = $2 AND key = $3 AND asked",
                )
                .bind(self.reader())
                .bind(self.lane.number())
                .bind(key)
                .execute(statement::bounded(self.log.pool()))
                .await
                .map_err(Error::database("note that an event failed again"))?;
            }
        }
        Ok(failed.is_none())
    }

    /// Applies all of the batch or sets it aside; `applied` hears of each part. An error leaves what came before it done.
    pub(crate) async fn apply<P: Projector>(
        &mut self,
        projector: &mut P,
        batch: Batch<'_>,
        mut applied: impl FnMut(&Step) + Send,
    ) -> Result<(), Error> {
        let mut rest = batch;
        let mut size = usize::MAX;
        while !rest.records.is_empty() {
            let part = rest.first(self.alike(rest.records).min(size));
            if self.waits(&part.records[0]) {
                projector.settle().await?;
                self.set_behind(part).await?;
            } else {
                match projector.apply(part).await {
                    Ok(()) => size = size.saturating_mul(2),
                    Err(error) => match self.cause(&error, part).await? {
                        Some(reason) if part.records.len() == 1 => {
                            projector.settle().await?;
                            self.set_aside(part, &reason).await?;
                        }
                        Some(_) => {
                            size = part.records.len() / 2;
                            continue;
                        }
                        None => match error.undecodable().and_then(|position| part.before(position)) {
                            Some(readable) => {
                                size = readable.records.len();
                                continue;
                            }
                            None => return Err(error),
                        },
                    },
                }
            }
            applied(&part.step());
            rest = rest.behind(part.records.len());
        }
        Ok(())
    }

    /// How many of the first are all to be applied, or all to be set aside.
    fn alike(&self, records: &[Arc<Record>]) -> usize {
        if self.waiting.is_empty() {
            return records.len();
        }
        let first = self.waits(&records[0]);
        records.iter().take_while(|record| self.waits(record) == first).count()
    }

    fn waits(&self, record: &Record) -> bool {
        !self.waiting.is_empty() && self.waiting.contains_key(&self.key(record))
    }

    /// What it waits behind. Where what an event builds on cannot be told, the later ones of its aggregate wait with it.
    fn key(&self, record: &Record) -> Uuid {
        let own = record.aggregate_id;
        if self.waiting.contains_key(&own) { own } else { key(record) }
    }

    /// Why an event itself cannot be applied; `None`: it is not the event's fault, or another binary may know it.
    async fn cause(&self, error: &Error, part: Batch<'_>) -> Result<Option<String>, Error> {
        match error {
            Error::NobodyIn(_) | Error::NoRequest(_) => self.behind_relations(error, part).await,
            Error::Log(LogError::Undecodable { position, .. }) => {
                let record = part.records.iter().find(|record| record.position == *position);
                let is_known = record.is_some_and(|record| knows(record));
                Ok(fault(error).filter(|_| is_known))
            }
            _ => Ok(fault(error)),
        }
    }

    /// What relations has set aside or given up, delivery looks for in vain.
    async fn behind_relations(&self, error: &Error, part: Batch<'_>) -> Result<Option<String>, Error> {
        let live = table::live(self.log.pool(), Projection::Relations).await?;
        let keys: HashSet<Uuid> = part.records.iter().map(|record| key(record)).collect();
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM public.projection_failures
                            WHERE projection = $1 AND lane = $2 AND key = ANY($3))
                 OR EXISTS (SELECT FROM public.projection_skipped
                            WHERE projection = $1 AND lane = $2 AND key = ANY($3))",
        )
        .bind(live.reader())
        .bind(self.lane.number())
        .bind(keys.into_iter().collect::<Vec<_>>())
        .fetch_one(statement::bounded(self.log.pool()))
        .await
        .map_err(Error::database("ask what relations has set aside"))?;
        Ok(waits.then(|| error.to_string()))
    }

    async fn set_aside(&mut self, part: Batch<'_>, reason: &str) -> Result<(), Error> {
        let mut connection = statement::lend(self.log.pool()).await.map_err(Error::database("set an event aside"))?;
        let mut transaction = connection.begin().await.map_err(Error::database("set an event aside"))?;
        part.step().take(self.projection, &mut transaction).await?;
        for record in part.records {
            self.write(&mut transaction, record, "failed", reason).await?;
        }
        transaction.commit().await.map_err(Error::database("set an event aside"))?;
        connection.give_back();
        for record in part.records {
            tracing::error!(reader = self.reader(), lane = %self.lane, position = record.position, event = record.name(), reason,
                "projection: an event cannot be applied and was set aside, with what follows and builds on the same");
        }
        self.has_set_aside(part);
        Ok(())
    }

    /// Behind those that wait; where none does any more, because somebody retried them, nothing is done and all is looked
    /// at again.
    async fn set_behind(&mut self, part: Batch<'_>) -> Result<(), Error> {
        let mut connection = statement::lend(self.log.pool()).await.map_err(Error::database("set events aside"))?;
        let mut transaction = connection.begin().await.map_err(Error::database("set events aside"))?;
        // Whoever retries takes the checkpoint's row too: from here on nothing is taken out.
        part.step().take(self.projection, &mut transaction).await?;
        let keys: HashSet<Uuid> = part.records.iter().map(|record| self.key(record)).collect();
        let free: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM UNNEST($3::uuid[]) AS wanted(id) WHERE NOT EXISTS (
                 SELECT FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND key = wanted.id))",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .bind(keys.into_iter().collect::<Vec<_>>())
        .fetch_one(&mut *transaction)
        .await
        .map_err(Error::database("look whether events still wait"))?;
        if free {
            transaction.rollback().await.map_err(Error::database("set events aside"))?;
            connection.give_back();
            return Err(LogError::Overtaken { projection: self.reader(), lane: self.lane }.into());
        }
        for record in part.records {
            self.write(&mut transaction, record, "behind", "").await?;
        }
        transaction.commit().await.map_err(Error::database("set events aside"))?;
        connection.give_back();
        self.has_set_aside(part);
        Ok(())
    }

    fn has_set_aside(&mut self, part: Batch<'_>) {
        if self.waiting.is_empty() {
            self.due = Instant::now() + LOOK_EVERY;
        }
        for record in part.records {
            let key = self.key(record);
            *self.waiting.entry(key).or_default() += 1;
        }
        metrics::set_aside(self.projection, self.lane, part.records.len());
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        record: &Record,
        state: &str,
        reason: &str,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO public.projection_failures
                 (projection, lane, position, aggregate_id, event_id, event, state, reason, key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (projection, lane, position) DO UPDATE
                 SET aggregate_id = $4, event_id = $5, event = $6, state = $7, reason = $8, key = $9, at = now()",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .bind(record.position as i64)
        .bind(record.aggregate_id)
        .bind(record.event_id.0)
        .bind(record.name())
        .bind(state)
        .bind(reason)
        .bind(self.key(record))
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write down an event that was set aside"))
    }
}

/// What an event builds on, of which an earlier one that waits holds it back: a message's fate on the conversation in which
/// it was sent, a subscription on its channel. A session builds on nothing of its person's: that it ends must not wait for a cursor.
fn key(record: &Record) -> Uuid {
    let conversation = |path: &str| {
        let content: serde_json::Value = serde_json::from_str(&record.payload).ok()?;
        let (_, event) = content.as_object()?.iter().next()?;
        event.pointer(path)?.as_str()?.parse().ok()
    };
    let host = match record.noun {
        Noun::Message => conversation("/message/conversation_id"),
        Noun::Subscription => conversation("/conversation_id"),
        _ => None,
    };
    host.unwrap_or(record.aggregate_id)
}

/// An event of the log, by its place.
pub(super) async fn record(log: &Log, lane: Lane, position: u64) -> Result<Arc<Record>, Error> {
    let incarnation = log.incarnation(lane).await?;
    let found = match log.link_at(lane, incarnation, position.saturating_sub(1)).await? {
        Some(before) => log.read(&before, 1).await?.pop(),
        None => None,
    };
    found.ok_or_else(|| Error::Generation(format!("lane {lane} has no event {position}")))
}

/// Delivery asked again and looked in vain: relations has skipped what it looks for.
fn in_vain(error: &Error) -> Option<String> {
    matches!(error, Error::NobodyIn(_) | Error::NoRequest(_)).then(|| error.to_string())
}

/// What cannot be applied whenever it is tried: content that is not what its type says, a row that does not fit its column
/// or that a constraint refuses.
pub(super) fn fault(error: &Error) -> Option<String> {
    match error {
        Error::Database { source: sqlx::Error::Database(refusal), what } => {
            let code = refusal.code().unwrap_or_default();
            let is_the_rows = code.starts_with("22") || code.starts_with("23");
            is_the_rows.then(|| format!("{what}: {} ({code})", refusal.message()))
        }
        Error::Log(LogError::Undecodable { source, .. }) if !is_unknown(source) => Some(format!("{error}: {source}")),
        _ => None,
    }
}

/// Versions above 1 that this binary reads; a test compares with the golden files.
const VERSIONS: &[(&str, u32)] = &[
    ("account.registration_started", 5),
    ("account.registration_abandoned", 2),
    ("account.settings_changed", 3),
    ("conversation.members_joined", 2),
    ("conversation.message_sent", 2),
    ("conversation.nickname_changed", 2),
    ("conversation.renamed", 2),
    ("conversation.started", 2),
    ("friendship.accepted", 2),
    ("friendship.requested", 2),
    ("handle.claimed", 2),
    ("message.edited", 2),
    ("session.opened", 2),
    ("session.refreshed", 2),
];

/// Whether the event is of a version that this binary reads.
fn knows(record: &Record) -> bool {
    record.version <= newest_version(&record.name())
}

fn newest_version(event: &str) -> u32 {
    VERSIONS.iter().find(|(name, _)| *name == event).map_or(1, |(_, version)| *version)
}

/// A type, or a word in an event, that a newer binary may know. serde tells it from wrong content by its words only.
fn is_unknown(source: &serde_json::Error) -> bool {
    let words = source.to_string();
    words.starts_with("unknown variant") || words.starts_with("unknown field")
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_domain::{account, conversation};

    #[test]
    fn the_versions_are_those_of_the_golden_files() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/golden");
        let mut looked_at = 0;
        for noun in std::fs::read_dir(golden).unwrap().map(Result::unwrap) {
            for file in std::fs::read_dir(noun.path()).unwrap().map(Result::unwrap) {
                let (noun, file) = (noun.file_name().into_string().unwrap(), file.file_name().into_string().unwrap());
                let (event, version) = file.strip_suffix(".json").and_then(|name| name.split_once(".v")).unwrap();
                let version: u32 = version.parse().unwrap();
                assert!(
                    event == "state" || version <= newest_version(&format!("{noun}.{event}")),
                    "{noun}.{event} {version}"
                );
                looked_at += 1;
            }
        }
        assert!(looked_at > 10, "{looked_at}");
    }

    #[test]
    fn a_word_of_another_binary_is_told_from_wrong_content() {
        let unknown = |text| is_unknown(&serde_json::from_str::<conversation::Event>(text).unwrap_err());
        assert!(unknown(r#"{"knighted":{}}"#));
        assert!(unknown(r#"{"started":{"kind":"court","members":[]}}"#), "a kind that was added later");
        assert!(!unknown(r#"{"started":{"kind":"direct","members":7}}"#));
        assert!(!unknown(r#"{"started":{"kind":"direct"}}"#));
        assert!(!unknown(r#"{"started":"#));
        assert!(serde_json::from_str::<account::Event>(r#"{"registered":{}}"#).is_ok());
    }
}
