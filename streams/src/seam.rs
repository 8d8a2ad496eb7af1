//! The seam between the log and its distribution: does the lane's stream end where the log says, or does it know of
//! events that PostgreSQL has lost?
//!
//! Whoever opens a lane looks here first. A stream that lags or was written to by somebody else is mended by the relay,
//! from the log. One that holds events of ours which the log has not may be the only copy of something acknowledged: then
//! the lane is not served, and a person decides (`repair`). Where NATS does not answer, the lane opens, because
//! PostgreSQL is the truth; the relay looks again.
//!
//! Every hash covers all that came before it. So one equal hash speaks for the whole part in front of it, and the place
//! where two chains part is found by halving.

use crate::{Error, Lane, Link, Log, Record, bus::Bus, stream, stream::Tail};
use async_nats::{
    connection::State,
    jetstream::{Context, stream::Stream},
};
use std::{fmt, sync::Arc, time::Duration};
use uuid::Uuid;

/// How many of a stream's newest messages are compared with the log: as many as were ever in flight at once. The relay
/// sends on while fewer than a window wait, and then all that one read has handed out, to which a whole batch of the
/// committer's may have come when it lacked one event only.
pub(crate) const LOOK_BACK: u64 = (2 * (crate::relay::WINDOW - 1) + crate::committer::BATCH_EVENTS) as u64;

/// A lane does not stay closed for longer because NATS is silent.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a lane's stream stands to its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seam {
    /// Both end with the same event.
    Same,
    /// The stream ends earlier, with an event of the log: the relay goes on from there.
    Behind { last: u64 },
    /// The stream goes on behind the log's head with these events of ours, and they continue its chain.
    Ahead { from: u64, to: u64 },
    /// Log and stream hold different events of ours from here on.
    Diverged { position: u64 },
    /// This message is not an event of ours: the relay fills the stream anew.
    Foreign { position: u64 },
    /// The stream belongs to an incarnation that a declared loss has ended: the relay fills it anew.
    Ended { theirs: Uuid },
    /// The stream belongs to an incarnation that the log has never heard of.
    OtherIncarnation { theirs: Uuid },
    /// NATS did not answer in time.
    Unknown,
}

impl Seam {
    /// Whether the lane must not be served.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Diverged { .. } | Self::OtherIncarnation { .. })
    }

    /// Whether nobody need look at it.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Same | Self::Behind { .. })
    }
}

impl fmt::Display for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the stream is the log"),
            Self::Behind { last } => write!(f, "the stream ends at {last}, the log goes on"),
            Self::Ahead { from, to } => write!(f, "the log has lost {from} to {to}, which the stream still holds"),
            Self::Diverged { position } => write!(f, "log and stream hold different events from {position} on"),
            Self::Foreign { position } => write!(f, "message {position} of the stream is not an event of the log"),
            Self::Ended { theirs } => write!(f, "the stream belongs to incarnation {theirs}, whose loss was declared"),
            Self::OtherIncarnation { theirs } => {
                write!(f, "the stream belongs to incarnation {theirs}, of which the log knows nothing")
            }
            Self::Unknown => f.write_str("NATS does not answer"),
        }
    }
}

/// Where a stream begins and ends, and whose it says it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    pub first: u64,
    pub last: u64,
    pub incarnation: Uuid,
}

/// What was seen of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Findings {
    pub head: Link,
    /// `None` where there is no stream, or NATS did not answer.
    pub stream: Option<End>,
    pub seam: Seam,
}

/// For whoever is about to serve the lane: a glance, bounded in time.
pub async fn inspect(log: &Log, bus: &Bus, lane: Lane) -> Result<Seam, Error> {
    if bus.publishing().client().connection_state() != State::Connected {
        return Ok(Seam::Unknown);
    }
    match tokio::time::timeout(PATIENCE, examine(log, bus.publishing(), lane, 1)).await {
        Ok(Ok(examined)) => Ok(examined.findings.seam),
        Ok(Err(Error::Bus { .. })) | Err(_) => Ok(Seam::Unknown),
        Ok(Err(error)) => Err(error),
    }
}

/// For whoever wants to know: all that is compared before publishing too.
pub async fn look(log: &Log, bus: &Bus, lane: Lane) -> Result<Findings, Error> {
    match examine(log, bus.consuming(), lane, LOOK_BACK).await {
        Ok(examined) => Ok(examined.findings),
        Err(Error::Bus { .. }) => {
            let head = log.head(lane, log.incarnation(lane).await?).await?.link;
            Ok(Findings { head, stream: None, seam: Seam::Unknown })
        }
        Err(error) => Err(error),
    }
}

pub(crate) struct Examined {
    pub findings: Findings,
    pub stream: Option<Stream>,
    /// The last event that both hold; the start where the stream is to be filled anew.
    pub agreed: Link,
}

/// Compares the stream's newest messages, so many at first, with the log.
pub(crate) async fn examine(log: &Log, context: &Context, lane: Lane, depth: u64) -> Result<Examined, Error> {
    // The stream first: what is published was committed before, so a log that is read later has it.
    let Some(found) = stream::find(context, lane).await? else {
        let head = log.head(lane, log.incarnation(lane).await?).await?.link;
        let agreed = Link::start(lane, head.incarnation);
        return Ok(Examined {
            findings: Findings { head, stream: None, seam: ends(&agreed, &head) },
            stream: None,
            agreed,
        });
    };
    let tail = stream::tail(&found, lane).await?;
    let head = log.head(lane, log.incarnation(lane).await?).await?.link;
    let theirs = stream::incarnation(&found);
    let (seam, agreed) = if theirs == head.incarnation {
        Comparison { log, found: &found, tail: &tail, head }.made(depth).await?
    } else if log.ended_incarnations(lane).await?.contains(&theirs) {
        (Seam::Ended { theirs }, Link::start(lane, head.incarnation))
    } else {
        (Seam::OtherIncarnation { theirs }, Link::start(lane, head.incarnation))
    };
    let end = End { first: tail.first, last: tail.last, incarnation: theirs };
    Ok(Examined { findings: Findings { head, stream: Some(end), seam }, stream: Some(found), agreed })
}

/// A stream that agrees with the log up to `agreed`, where it ends.
fn ends(agreed: &Link, head: &Link) -> Seam {
    if agreed.position == head.position { Seam::Same } else { Seam::Behind { last: agreed.position } }
}

/// What the newest messages of a stream are, compared with the log.
enum Newest {
    Ours(Link),
    /// One is an event of ours that the log does not have.
    Lost,
    /// This one is somebody else's.
    Foreign(u64),
}

struct Comparison<'a> {
    log: &'a Log,
    found: &'a Stream,
    tail: &'a Tail,
    head: Link,
}

impl Comparison<'_> {
    async fn made(&self, mut depth: u64) -> Result<(Seam, Link), Error> {
        let start = Link::start(self.head.lane, self.head.incarnation);
        if self.tail.last > 0 && self.tail.first > self.tail.last {
            // Nothing in it says whose numbers these are.
            return Ok((Seam::Foreign { position: self.tail.last }, start));
        }
        loop {
            match self.newest(depth).await? {
                Newest::Ours(link) => return Ok((ends(&link, &self.head), link)),
                Newest::Lost => return Ok((self.parted().await?, start)),
                // Somebody else's may be the last only, with a lost one of ours before it.
                Newest::Foreign(_) if depth < LOOK_BACK => depth = LOOK_BACK,
                Newest::Foreign(position) => return Ok((Seam::Foreign { position }, start)),
            }
        }
    }

    async fn newest(&self, depth: u64) -> Result<Newest, Error> {
        let Link { lane, incarnation, .. } = self.head;
        let before = self.tail.last.saturating_sub(depth).max(self.tail.first.saturating_sub(1));
        let Some(base) = self.log.link_at(lane, incarnation, before).await? else { return Ok(Newest::Lost) };
        let messages = stream::messages(self.found, lane, before + 1..=self.tail.last).await?;
        let events = self.log.read(&base, messages.len()).await?;
        Ok(newest(base, &messages, &events))
    }

    /// Where log and stream part, one of whose messages is an event that the log has not.
    async fn parted(&self) -> Result<Seam, Error> {
        let common = self.head.position.min(self.tail.last);
        let (mut same, mut other) = (self.tail.first.saturating_sub(1), common + 1);
        while other > same + 1 {
            let middle = same + (other - same) / 2;
            *(if self.agree(middle).await? { &mut same } else { &mut other }) = middle;
        }
        let next = self.head.position + 1;
        if other <= common {
            Ok(Seam::Diverged { position: other })
        } else if self.continues(next).await? {
            Ok(Seam::Ahead { from: next, to: self.tail.last })
        } else {
            Ok(Seam::Diverged { position: next.min(self.tail.last) })
        }
    }

    async fn agree(&self, position: u64) -> Result<bool, Error> {
        let Link { lane, incarnation, .. } = self.head;
        let (message, event) = tokio::try_join!(self.message(position), self.log.link_at(lane, incarnation, position))?;
        Ok(message.zip(event).is_some_and(|(message, event)| message.link().is_same_event(&event)))
    }

    /// The message behind the head continues the log's chain.
    async fn continues(&self, position: u64) -> Result<bool, Error> {
        Ok(self.message(position).await?.is_some_and(|message| message.previous == self.head.hash))
    }

    async fn message(&self, position: u64) -> Result<Option<Record>, Error> {
        if !(self.tail.first..=self.tail.last).contains(&position) {
            return Ok(None);
        }
        Ok(stream::messages(self.found, self.head.lane, position..=position).await?.pop().flatten())
    }
}

/// `messages` and `events` both follow `base`.
fn newest(base: Link, messages: &[Option<Record>], events: &[Arc<Record>]) -> Newest {
    let (mut last, mut foreign) = (base, None);
    for (index, message) in messages.iter().enumerate() {
        match (message, events.get(index)) {
            (Some(message), Some(event)) if message.link().is_same_event(&event.link()) => last = event.link(),
            (Some(_), _) => return Newest::Lost,
            (None, _) => foreign = Some(base.position + 1 + index as u64),
        }
    }
    foreign.map_or(Newest::Ours(last), Newest::Foreign)
}
