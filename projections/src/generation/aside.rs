//! Events that a projector cannot apply are set aside, with the reason, and behind each the later events of its aggregate;
//! everything else goes on. The checkpoint moves over what is set aside in the transaction that writes it down, so that
//! it is either waited for or written down, never skipped.
//!
//! An event of a type or shape that this binary does not know is no such event: another binary knows it, and skipping it
//! would leave rows behind. Its lane waits.

use crate::{
    Error, Generation, Projection,
    generation::{self, table},
    metrics,
    projector::{Batch, Projector, Step},
};
use natter_streams::{Error as LogError, Lane, Log, Record, statement};
use sqlx::{Connection, PgConnection};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

/// What was set aside of one lane of one generation of a projection.
pub(crate) struct Aside {
    log: Log,
    projection: Projection,
    generation: Generation,
    lane: Lane,
    /// Aggregates whose events wait.
    waiting: HashSet<Uuid>,
}

impl Aside {
    pub(crate) async fn load(
        log: &Log,
        projection: Projection,
        generation: Generation,
        lane: Lane,
    ) -> Result<Self, Error> {
        let mut aside = Self { log: log.clone(), projection, generation, lane, waiting: HashSet::new() };
        aside.look().await?;
        Ok(aside)
    }

    fn reader(&self) -> &'static str {
        generation::reader(self.projection, self.generation)
    }

    async fn look(&mut self) -> Result<(), Error> {
        let waiting: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT aggregate_id FROM public.projection_failures WHERE projection = $1 AND lane = $2",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .fetch_all(statement::bounded(self.log.pool()))
        .await
        .map_err(Error::database("read what was set aside"))?;
        self.waiting = waiting.into_iter().collect();
        Ok(())
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
            if self.waiting.contains(&part.records[0].aggregate_id) {
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
        let waits = |record: &Arc<Record>| self.waiting.contains(&record.aggregate_id);
        records.iter().take_while(|record| waits(record) == waits(&records[0])).count()
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

    /// What relations has set aside, delivery looks for in vain.
    async fn behind_relations(&self, error: &Error, part: Batch<'_>) -> Result<Option<String>, Error> {
        let live = table::live(self.log.pool(), Projection::Relations).await?;
        let aggregates: Vec<Uuid> = part.records.iter().map(|record| record.aggregate_id).collect();
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM public.projection_failures
                            WHERE projection = $1 AND lane = $2 AND aggregate_id = ANY($3))",
        )
        .bind(live.reader())
        .bind(self.lane.number())
        .bind(aggregates)
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
                "projection: an event cannot be applied and was set aside, with what follows in its aggregate");
            self.waiting.insert(record.aggregate_id);
        }
        metrics::set_aside(self.projection, self.lane, part.records.len());
        Ok(())
    }

    /// Behind those that wait; where none does any more, because somebody retried them, nothing is done and all is looked
    /// at again.
    async fn set_behind(&mut self, part: Batch<'_>) -> Result<(), Error> {
        let mut connection = statement::lend(self.log.pool()).await.map_err(Error::database("set events aside"))?;
        let mut transaction = connection.begin().await.map_err(Error::database("set events aside"))?;
        // Whoever retries takes the checkpoint's row too: from here on nothing is taken out.
        part.step().take(self.projection, &mut transaction).await?;
        let ids: Vec<Uuid> = part.records.iter().map(|record| record.aggregate_id).collect();
        let free: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM UNNEST($3::uuid[]) AS wanted(id) WHERE NOT EXISTS (
                 SELECT FROM public.projection_failures WHERE projection = $1 AND lane = $2 AND aggregate_id = wanted.id))",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .bind(ids)
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
        metrics::set_aside(self.projection, self.lane, part.records.len());
        Ok(())
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
                 (projection, lane, position, aggregate_id, event_id, event, state, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (projection, lane, position) DO UPDATE SET state = $7, reason = $8",
        )
        .bind(self.reader())
        .bind(self.lane.number())
        .bind(record.position as i64)
        .bind(record.aggregate_id)
        .bind(record.event_id.0)
        .bind(record.name())
        .bind(state)
        .bind(reason)
        .execute(connection)
        .await
        .map(drop)
        .map_err(Error::database("write down an event that was set aside"))
    }
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
const VERSIONS: &[(&str, u32)] =
    &[("account.registration_started", 2), ("account.registration_abandoned", 2), ("conversation.started", 2)];

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
