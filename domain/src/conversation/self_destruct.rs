//! Messages that end by themselves: a while after they were sent or, between two people, after the other one has read them.
//! Of the latter the conversation remembers those that were not read yet: who reads says only how far.

use super::{Event, Kind, Refusal, State};
use crate::{AccountId, Context, MessageId, Timestamp, limit};
use serde::{Deserialize, Serialize};
use std::{ops::RangeInclusive, time::Duration};

/// How long a message is there, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// From its sending.
    AfterS(u64),
    /// From the moment when the other one of a direct conversation has read it.
    AfterReadS(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidLifetime {
    #[error("either after_s or after_read_s is given")]
    NotOne,
    #[error("must lie between 5 seconds and 30 days")]
    AfterS,
    #[error("must lie between a second and 30 days")]
    AfterReadS,
}

impl InvalidLifetime {
    /// Below the field that holds both.
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::NotOne => "",
            Self::AfterS => "/after_s",
            Self::AfterReadS => "/after_read_s",
        }
    }
}

impl Lifetime {
    pub fn parse(after_s: Option<u64>, after_read_s: Option<u64>) -> Result<Self, InvalidLifetime> {
        let within = |span: RangeInclusive<Duration>, seconds| span.contains(&Duration::from_secs(seconds));
        match (after_s, after_read_s) {
            (Some(seconds), None) if within(limit::EXPIRY_MIN..=limit::EXPIRY_MAX, seconds) => {
                Ok(Self::AfterS(seconds))
            }
            (Some(_), None) => Err(InvalidLifetime::AfterS),
            (None, Some(seconds)) if within(limit::READ_EXPIRY_MIN..=limit::EXPIRY_MAX, seconds) => {
                Ok(Self::AfterReadS(seconds))
            }
            (None, Some(_)) => Err(InvalidLifetime::AfterReadS),
            (Some(_), Some(_)) | (None, None) => Err(InvalidLifetime::NotOne),
        }
    }
}

/// What a message has of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SelfDestruct {
    #[serde(flatten)]
    pub lifetime: Lifetime,
    /// When the message was sent: the conversation writes it down.
    pub sent_at: Timestamp,
}

impl SelfDestruct {
    /// Of a message that is to be sent.
    pub fn of(lifetime: Lifetime) -> Self {
        Self { lifetime, sent_at: Timestamp::default() }
    }

    /// `None`: that is not known before the other one has read it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.lifetime {
            Lifetime::AfterS(seconds) => Some(self.sent_at + Duration::from_secs(seconds)),
            Lifetime::AfterReadS(_) => None,
        }
    }
}

/// A message that ends so many seconds after it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unread {
    pub message_id: MessageId,
    pub sender: AccountId,
    pub sent_at: Timestamp,
    pub after_read_s: u64,
}

/// CNV-24.
pub(super) fn checked(
    state: &State,
    context: &Context,
    given: Option<SelfDestruct>,
) -> Result<Option<SelfDestruct>, Refusal> {
    let Some(SelfDestruct { lifetime, .. }) = given else { return Ok(None) };
    if let Lifetime::AfterReadS(_) = lifetime {
        if state.kind != Some(Kind::Direct) {
            return Err(Refusal::NotDirect);
        }
        if state.unread.len() >= limit::UNREAD_EXPIRING_MAX {
            return Err(Refusal::TooManyUnread);
        }
    }
    Ok(Some(SelfDestruct { lifetime, sent_at: context.now }))
}

/// CNV-25. The oldest first.
pub(super) fn begin_countdowns(state: &State, reader: AccountId, seq: u64, read_at: Timestamp) -> Vec<Event> {
    let mut read: Vec<(u64, Unread)> = state.read_by(reader, seq).collect();
    read.sort_unstable_by_key(|(seq, _)| *seq);
    let begun = |(seq, unread): (u64, Unread)| {
        let Unread { message_id, sender, sent_at, after_read_s } = unread;
        let expires_at = read_at.max(sent_at) + Duration::from_secs(after_read_s);
        Event::CountdownBegan { message_id, seq, sender, sent_at, expires_at }
    };
    read.into_iter().map(begun).collect()
}

impl State {
    /// Whether something ends because this one has read up to there.
    pub fn ends_by_reading(&self, reader: AccountId, seq: u64) -> bool {
        self.read_by(reader, seq).next().is_some()
    }

    fn read_by(&self, reader: AccountId, seq: u64) -> impl Iterator<Item = (u64, Unread)> + '_ {
        let is_read = move |(at, unread): &(u64, Unread)| *at <= seq && unread.sender != reader;
        self.unread.iter().map(|(at, unread)| (*at, *unread)).filter(is_read)
    }

    pub(super) fn remember_unread(&mut self, event: &Event) {
        let Event::MessageSent { message_id, seq, sender, details, .. } = event else { return };
        if let Some(SelfDestruct { lifetime: Lifetime::AfterReadS(after_read_s), sent_at }) = details.self_destruct {
            let unread = Unread { message_id: *message_id, sender: *sender, sent_at, after_read_s };
            self.unread.insert(*seq, unread);
        }
    }
}
