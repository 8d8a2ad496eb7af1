//! Events as the log holds them, and the chain that ties each to the one before.

use crate::{Error, Lane};
use natter_domain::{Address, EventId, Noun, Timestamp};
use std::{borrow::Cow, fmt, sync::Arc};
use uuid::Uuid;

/// The most an event may take encoded, headers included: half of NATS' `max_payload`, because one oversized
/// publish resets the connection, for ever.
pub const MAX_BYTES: usize = 512 * 1024;

/// What the headers of a published event add to payload and metadata, at the most.
const HEADER_BYTES: usize = 1024;

/// A link of the chain: BLAKE3 over the previous link and everything stored of the event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a reader stands: the last event it accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    pub lane: Lane,
    /// The event's own, or the one that what comes next belongs to.
    pub incarnation: Uuid,
    /// 0 before the first event.
    pub position: u64,
    pub hash: Hash,
}

impl Link {
    pub fn start(lane: Lane, incarnation: Uuid) -> Self {
        Self { lane, incarnation, position: 0, hash: Hash::default() }
    }

    /// The same place in the same chain. Incarnations need not be asked: every hash covers the one it was made in.
    pub fn is_same_event(&self, other: &Self) -> bool {
        (self.lane, self.position, self.hash) == (other.lane, other.position, other.hash)
    }
}

/// An event that was decided and waits for its position.
#[derive(Clone, Debug)]
pub struct Draft {
    pub event_id: EventId,
    pub address: Address,
    /// The event's number in its aggregate, from 1.
    pub sequence: u64,
    pub event_type: &'static str,
    pub version: u32,
    pub payload: Arc<str>,
    pub metadata: Arc<str>,
    pub key: Option<CommandKey>,
    pub time: Timestamp,
}

/// What makes a command the same command when it comes again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CommandKey {
    pub key: Uuid,
    /// Keyed hash of the command's content: the same key with another body is a conflict.
    pub fingerprint: [u8; 16],
}

impl Draft {
    /// Encodes a decided event; refuses one that could not be published later.
    pub fn encode<E: natter_domain::Event>(
        event: &E,
        address: Address,
        sequence: u64,
        metadata: Arc<str>,
        time: Timestamp,
    ) -> Result<Self, Error> {
        let event_type = event.name();
        let payload = serde_json::to_string(event).map_err(|source| Error::Unencodable { event_type, source })?;
        let size = payload.len() + metadata.len() + HEADER_BYTES;
        if size > MAX_BYTES {
            return Err(Error::Oversized { event_type, size });
        }
        let event_id = crate::id::event();
        let payload = payload.into();
        Ok(Self {
            event_id,
            address,
            sequence,
            event_type,
            version: event.version(),
            payload,
            metadata,
            key: None,
            time,
        })
    }

    /// Gives the event its place behind `last`.
    pub(crate) fn record(self, last: &Link) -> Record {
        let mut record = Record {
            lane: last.lane,
            incarnation: last.incarnation,
            position: last.position + 1,
            event_id: self.event_id,
            noun: self.address.noun,
            aggregate_id: self.address.id,
            sequence: self.sequence,
            event_type: Cow::Borrowed(self.event_type),
            version: self.version,
            payload: self.payload,
            metadata: self.metadata,
            key: self.key,
            time: self.time,
            previous: last.hash,
            hash: Hash::default(),
        };
        record.hash = record.link_hash();
        record
    }
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub lane: Lane,
    pub incarnation: Uuid,
    /// 1, 2, 3... in the lane; the sequence of the stream's message too.
    pub position: u64,
    pub event_id: EventId,
    pub noun: Noun,
    pub aggregate_id: Uuid,
    pub sequence: u64,
    pub event_type: Cow<'static, str>,
    pub version: u32,
    /// JSON, byte for byte as stored.
    pub payload: Arc<str>,
    pub metadata: Arc<str>,
    /// Of the first event of a command. Published too (the key in the metadata, the fingerprint in a header), so that
    /// events that were read back from a stream are still known as done.
    pub key: Option<CommandKey>,
    pub time: Timestamp,
    pub previous: Hash,
    pub hash: Hash,
}

impl Record {
    pub fn link(&self) -> Link {
        Link { lane: self.lane, incarnation: self.incarnation, position: self.position, hash: self.hash }
    }

    /// What the hash must be, from the previous hash and every stored field.
    pub fn link_hash(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.previous.0);
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(&[self.lane.index() as u8]);
        part(self.incarnation.as_bytes());
        part(&self.position.to_le_bytes());
        part(self.event_id.0.as_bytes());
        part(self.noun.as_str().as_bytes());
        part(self.event_type.as_bytes());
        part(&self.version.to_le_bytes());
        part(self.aggregate_id.as_bytes());
        part(&self.sequence.to_le_bytes());
        part(&self.time.as_millis().to_le_bytes());
        part(self.metadata.as_bytes());
        part(self.payload.as_bytes());
        Hash(*hasher.finalize().as_bytes())
    }

    /// The event itself. An unknown type or shape is an error that names the place: an old binary, usually.
    pub fn decode<E: natter_domain::Event>(&self) -> Result<E, Error> {
        serde_json::from_str(&self.payload).map_err(|source| Error::Undecodable {
            lane: self.lane,
            position: self.position,
            event_type: self.event_type.to_string(),
            source,
        })
    }

    /// `conversation.message_sent`
    pub fn name(&self) -> String {
        format!("{}.{}", self.noun, self.event_type)
    }
}
