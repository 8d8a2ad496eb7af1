//! Mending a lane whose log has lost what its stream still holds. Only ever done because somebody said so: a stream is
//! good evidence, but it takes a person to know whether PostgreSQL or NATS is the one that went back.
//!
//! - [`import`] takes the missing events from the stream into the log, the same bytes under the same hashes.
//! - [`declare_loss`] keeps the log as it is. A new incarnation begins behind its head, so that nothing which was said
//!   of the lost events can be mistaken for what takes their positions.
//!
//! Both raise the lane's epoch first: who ran the lane is fenced, and who runs it next looks at the seam again. Both can
//! be killed anywhere and begun again.

use crate::{
    Error, Lane, Link, Log, Record,
    bus::Bus,
    fault,
    log::{Appended, Ownership},
    seam::{self, Examined, LOOK_BACK, Seam},
    stream,
};
use async_nats::jetstream::stream::Stream;
use std::sync::Arc;
use uuid::Uuid;

/// Events of one insert.
const PAGE: u64 = 500;

/// What an import did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Imported {
    pub events: u64,
    pub head: Link,
}

/// What was declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Declared {
    /// The lane's log ends here.
    pub head: Link,
    /// The stream ended there.
    pub stream_ended: u64,
    /// The last event that both held, where the stream told it.
    pub agreed: Option<u64>,
    /// From here on.
    pub incarnation: Uuid,
}

/// Takes the events behind the log's head from the stream. `None`: there is nothing to import.
pub async fn import(log: &Log, bus: &Bus, lane: Lane) -> Result<Option<Imported>, Error> {
    let examined = examine(log, bus, lane).await?;
    match (examined.findings.seam, &examined.stream) {
        (Seam::Ahead { .. } | Seam::OtherIncarnation { .. }, Some(found)) => {
            let ownership = log.seize(lane).await?;
            let imported = Import { log, found, ownership }.run().await;
            log.release(&ownership).await?;
            imported.map(Some)
        }
        (seam, _) if seam.refuses() => Err(unmendable(lane, format!("{seam}: there is no continuation to import"))),
        _ => Ok(None),
    }
}

/// Ends the lane's incarnation at the log's head and deletes the stream, which the relay fills anew. `None`: nothing is
/// lost, as far as the stream tells. `even_if_well`: it does not, because it has lost the same events.
pub async fn declare_loss(log: &Log, bus: &Bus, lane: Lane, even_if_well: bool) -> Result<Option<Declared>, Error> {
    let examined = examine(log, bus, lane).await?;
    if let Seam::Ended { .. } = examined.findings.seam {
        // Declared before, by one that did not get so far.
        stream::delete(bus.publishing(), lane).await?;
        return Ok(None);
    }
    if !(examined.findings.seam.refuses() || even_if_well) {
        return Ok(None);
    }
    let ownership = log.seize(lane).await?;
    let head = log.head(lane, ownership.incarnation).await?.link;
    let incarnation = crate::id::new();
    if !log.begin_incarnation(&ownership, head.position, incarnation).await? {
        return Err(unmendable(lane, "somebody else took the lane meanwhile: try again".to_owned()));
    }
    fault::reach("repair.before_delete").await;
    let deleted = match examined.stream {
        Some(_) => stream::delete(bus.publishing(), lane).await,
        None => Ok(()),
    };
    log.release(&ownership).await?;
    deleted?;
    Ok(Some(Declared {
        head: Link { incarnation, ..head },
        stream_ended: examined.findings.stream.map_or(0, |end| end.last),
        agreed: agreed(examined.findings.seam),
        incarnation,
    }))
}

/// `None`: the stream has nothing of what was lost, or is not this lane's.
fn agreed(seam: Seam) -> Option<u64> {
    match seam {
        Seam::Ahead { from, .. } => Some(from - 1),
        Seam::Diverged { position } => Some(position - 1),
        _ => None,
    }
}

async fn examine(log: &Log, bus: &Bus, lane: Lane) -> Result<Examined, Error> {
    seam::examine(log, bus.publishing(), lane, LOOK_BACK).await
}

fn unmendable(lane: Lane, why: String) -> Error {
    Error::Unmendable { lane, why }
}

struct Import<'a> {
    log: &'a Log,
    found: &'a Stream,
    ownership: Ownership,
}

impl Import<'_> {
    async fn run(&self) -> Result<Imported, Error> {
        let lane = self.ownership.lane;
        let head = self.log.head(lane, self.ownership.incarnation).await?.link;
        let tail = stream::tail(self.found, lane).await?;
        self.check_join(&head, tail.first, tail.last).await?;
        let mut last = head;
        while last.position < tail.last {
            self.log.keep_seized(&self.ownership).await?;
            let until = tail.last.min(last.position + PAGE);
            let page = stream::messages(self.found, lane, last.position + 1..=until).await?;
            let events = continuing(&last, page);
            for part in events.chunk_by(|one, next| one.incarnation == next.incarnation) {
                last = self.store(&last, part).await?;
            }
            if last.position < until {
                break;
            }
        }
        if last.position == head.position && tail.last > head.position {
            let what = "the stream's message does not continue the log";
            return Err(Error::Broken { lane, position: head.position + 1, what });
        }
        let theirs = stream::incarnation(self.found);
        if theirs != last.incarnation {
            self.begin(&last, theirs).await?;
        }
        Ok(Imported { events: last.position - head.position, head: Link { incarnation: theirs, ..last } })
    }

    /// The stream holds the log's head, or begins with it.
    async fn check_join(&self, head: &Link, first: u64, last: u64) -> Result<(), Error> {
        let no = |why: &str| Err(unmendable(head.lane, format!("the stream holds {first} to {last}: {why}")));
        if last < head.position || first > head.position + 1 {
            return no(&format!("it does not reach the log's head at {}", head.position));
        }
        if head.position == 0 || first == head.position + 1 {
            return Ok(());
        }
        let join = stream::messages(self.found, head.lane, head.position..=head.position).await?.pop().flatten();
        if join.is_some_and(|join| join.link().is_same_event(head)) {
            return Ok(());
        }
        no(&format!("its message {} is not the log's head", head.position))
    }

    /// Stores events of one incarnation behind `last`.
    async fn store(&self, last: &Link, part: &[Arc<Record>]) -> Result<Link, Error> {
        let Some(newest) = part.last().map(|record| record.link()) else { return Ok(*last) };
        if newest.incarnation != last.incarnation {
            self.begin(last, newest.incarnation).await?;
        }
        let appended = self.log.append(&self.ownership, last.position, part).await;
        fault::reach("repair.after_append").await;
        match appended {
            Appended::Durable => Ok(newest),
            Appended::Fenced => Err(unmendable(newest.lane, "somebody else took the lane meanwhile: try again".into())),
            Appended::Repeated => {
                Err(unmendable(newest.lane, "a command of these events is in the log already".into()))
            }
            Appended::Unknown(source) => {
                let source = Arc::into_inner(source).unwrap_or(sqlx::Error::WorkerCrashed);
                Err(Error::lane("import events", newest.lane)(source))
            }
        }
    }

    async fn begin(&self, last: &Link, incarnation: Uuid) -> Result<(), Error> {
        if self.log.begin_incarnation(&self.ownership, last.position, incarnation).await? {
            return Ok(());
        }
        Err(unmendable(last.lane, "somebody else took the lane meanwhile: try again".to_owned()))
    }
}

/// The messages as events, as far as they continue the chain: what somebody else wrote behind them is for the relay.
fn continuing(last: &Link, messages: Vec<Option<Record>>) -> Vec<Arc<Record>> {
    let mut last = *last;
    let mut next = |message: Option<Record>| {
        let event = message.filter(|event| event.previous == last.hash && event.position == last.position + 1)?;
        last = event.link();
        Some(Arc::new(event))
    };
    messages.into_iter().map_while(&mut next).collect()
}
