//! Loading an aggregate: its snapshot, if there is a good one, and the events behind it, a page at a time.

use super::table::{self, Found, Stored};
use crate::{adapter::Adapter, error::Error, metrics};
use cqrs_es::{
    AggregateError,
    persist::{PersistedEventRepository, SerializedEvent},
};
use natter_domain::Decider;
use natter_streams::{Lane, Log};
use std::ops::RangeInclusive;
use uuid::Uuid;

/// Events in memory at once while an aggregate is replayed.
const PAGE: u64 = 1_000;

/// What an aggregate remembers.
pub struct Loaded<D: Decider> {
    pub state: D::State,
    /// How many events made it.
    pub sequence: u64,
    /// How many of them were read from the log; the others stood in a snapshot.
    pub read: u64,
    /// In so many pages, none longer than a thousand.
    pub pages: u64,
}

impl<D: Decider> Default for Loaded<D> {
    fn default() -> Self {
        Self { state: D::State::default(), sequence: 0, read: 0, pages: 0 }
    }
}

/// All that is stored of an aggregate, as of a moment after the call. Of one that never was: its first state.
pub async fn load<D: Decider>(log: &Log, lane: Lane, id: Uuid) -> Result<Loaded<D>, Error> {
    let Found { newest, snapshot } = table::find(log, lane, D::NOUN, id).await?;
    let begun = begin::<D>(snapshot.as_ref()).unwrap_or_else(|why| {
        metrics::snapshot_ignored(D::NOUN, why);
        Loaded::default()
    });
    let loaded = replay(log, lane, id, begun, newest..=u64::MAX).await?;
    metrics::loaded(D::NOUN, loaded.read);
    Ok(loaded)
}

/// What the snapshot holds, nothing where there is none; or why it is not to be believed.
pub(super) fn begin<D: Decider>(snapshot: Option<&Stored>) -> Result<Loaded<D>, &'static str> {
    let Some(snapshot) = snapshot else { return Ok(Loaded::default()) };
    Ok(Loaded { state: snapshot.state::<D>()?, sequence: snapshot.sequence, ..Loaded::default() })
}

/// Goes on to the first number of `until` at least, and never beyond its last. Pages end at multiples of their size, so
/// that PostgreSQL meets the same few statements again and again.
pub(super) async fn replay<D: Decider>(
    log: &Log,
    lane: Lane,
    id: Uuid,
    mut loaded: Loaded<D>,
    until: RangeInclusive<u64>,
) -> Result<Loaded<D>, Error> {
    while loaded.sequence < *until.start() {
        let end = ((loaded.sequence / PAGE + 1) * PAGE).min(*until.end());
        let page = log.repository_until(lane, end);
        let events = page.get_last_events::<Adapter<D>>(&id.to_string(), loaded.sequence as usize).await;
        let events = events.map_err(|error| Error::loading(AggregateError::<D::Refusal>::from(error)))?;
        loaded.pages += 1;
        if events.is_empty() {
            return Err(missing::<D>(id, loaded.sequence + 1));
        }
        for event in events {
            next(&mut loaded, id, event)?;
        }
    }
    Ok(loaded)
}

fn next<D: Decider>(loaded: &mut Loaded<D>, id: Uuid, event: SerializedEvent) -> Result<(), Error> {
    if event.sequence as u64 != loaded.sequence + 1 {
        return Err(missing::<D>(id, loaded.sequence + 1));
    }
    let event: D::Event = serde_json::from_value(event.payload).map_err(Error::failed("read a stored event"))?;
    D::evolve(&mut loaded.state, &event);
    loaded.sequence += 1;
    loaded.read += 1;
    Ok(())
}

/// The log has lost an event that was there.
fn missing<D: Decider>(id: Uuid, sequence: u64) -> Error {
    Error::failed("replay an aggregate")(format!("event {sequence} of {} {id} is missing", D::NOUN))
}
