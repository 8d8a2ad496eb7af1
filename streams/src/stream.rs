//! A lane's JetStream stream: made, compared with the log, filled and read. Messages are CloudEvents 1.0 in binary
//! mode, with what the hash chain covers in `natter-*` headers; message N is event N.

use crate::{Error, Hash, Lane, Link, Record, event::CommandKey, feed::Batch, subject, tap::Lost};
use async_nats::{
    HeaderMap, HeaderName, HeaderValue, Message, header,
    jetstream::{
        self, Context,
        consumer::{
            DeliverPolicy,
            pull::{Ordered, OrderedConfig, OrderedError},
        },
        context::GetStreamErrorKind,
        message::StreamMessage,
        stream::{self, Stream},
    },
};
use futures::{FutureExt, StreamExt, TryStreamExt};
use natter_domain::{Noun, Timestamp};
use std::{borrow::Cow, collections::HashMap, ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

const INCARNATION: &str = "natter-incarnation";
const FINGERPRINT: &str = "natter-fingerprint";
/// Between tries to subscribe: soon at first, then ever later, since each also looks into the log.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// A consumer that brings what we had so long ago was begun anew from the stream's first message: the client does that
/// after a disconnect if none had come yet. Asking again is cheaper than reading all of it.
const SEEN_AT_ONCE: u64 = 1_000;
const READ_AT_ONCE: usize = 64;

/// Where a stream ends, and which event stands there.
pub struct Tail {
    pub first: u64,
    pub last: u64,
    /// The last message; `None` where there is none or it is not an event of this lane.
    pub event: Option<Record>,
}

impl Tail {
    /// The stream ends with this very event.
    pub fn is_at(&self, link: &Link) -> bool {
        let same = link.position == 0 || self.event.as_ref().is_some_and(|event| event.link().is_same_event(link));
        self.last == link.position && same
    }
}

/// Opens the lane's stream, making it if it is absent. A stream of another incarnation is somebody else's log.
pub async fn open(context: &Context, base: &Link) -> Result<Stream, Error> {
    match find(context, base.lane).await? {
        Some(found) => of_incarnation(found, base),
        None => create(context, base).await,
    }
}

/// The lane's stream, of whichever incarnation.
pub(crate) async fn find(context: &Context, lane: Lane) -> Result<Option<Stream>, Error> {
    let name = subject::stream(lane);
    match context.get_stream(&name).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::bus(format!("open stream {name}"))(error)),
    }
}

/// As its metadata names it; not one of ours where it names none.
pub(crate) fn incarnation(found: &Stream) -> Uuid {
    let named = found.cached_info().config.metadata.get(INCARNATION);
    named.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn is_absent(error: &async_nats::jetstream::context::GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => {
            error.error_code() == async_nats::jetstream::ErrorCode::STREAM_NOT_FOUND
        }
        _ => false,
    }
}

fn of_incarnation(found: Stream, base: &Link) -> Result<Stream, Error> {
    let theirs = incarnation(&found);
    if theirs == base.incarnation {
        return Ok(found);
    }
    let name = subject::stream(base.lane);
    Err(Error::Unfit(format!("stream {name} belongs to incarnation {theirs} of the log, ours is {}", base.incarnation)))
}

pub(crate) async fn create(context: &Context, base: &Link) -> Result<Stream, Error> {
    let name = subject::stream(base.lane);
    let config = stream::Config {
        name: name.clone(),
        subjects: vec![subject::lane_events(base.lane)],
        storage: stream::StorageType::File,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        metadata: HashMap::from([(INCARNATION.to_owned(), base.incarnation.to_string())]),
        ..Default::default()
    };
    context.create_stream(config).await.map_err(Error::bus(format!("create stream {name}")))
}

/// Deletes a stream whose content is not the log's; it is refilled afterwards.
pub async fn delete(context: &Context, lane: Lane) -> Result<(), Error> {
    let name = subject::stream(lane);
    context.delete_stream(&name).await.map(drop).map_err(Error::bus(format!("delete stream {name}")))
}

/// Asks the server where the stream ends.
pub async fn tail(stream: &Stream, lane: Lane) -> Result<Tail, Error> {
    let name = subject::stream(lane);
    let info = stream.get_info().await.map_err(Error::bus(format!("ask stream {name} for its end")))?;
    let (first, last) = (info.state.first_sequence, info.state.last_sequence);
    if info.state.messages == 0 {
        return Ok(Tail { first, last, event: None });
    }
    let message = stream.get_raw_message(last).await.map_err(Error::bus(format!("read the last message of {name}")))?;
    Ok(Tail { first, last, event: event_of(&message, lane) })
}

/// These messages of the stream; `None` where one is not an event of this lane.
pub(crate) async fn messages(
    stream: &Stream,
    lane: Lane,
    sequences: RangeInclusive<u64>,
) -> Result<Vec<Option<Record>>, Error> {
    futures::stream::iter(sequences)
        .map(|sequence| stream.get_raw_message(sequence))
        .buffered(READ_AT_ONCE)
        .map_ok(|message| event_of(&message, lane))
        .try_collect()
        .await
        .map_err(Error::bus(format!("read the newest messages of {}", subject::stream(lane))))
}

fn event_of(message: &StreamMessage, lane: Lane) -> Option<Record> {
    decode_stored(message).filter(|event| event.lane == lane)
}

/// What an event's message holds.
pub fn payload(record: &Record) -> bytes::Bytes {
    bytes::Bytes::from_owner(Payload(record.payload.clone()))
}

/// The headers of an event's message, which the server refuses unless the stream ends just before it. Names are constants:
/// the client would check and copy each of them for each message.
pub fn headers(record: &Record) -> HeaderMap {
    const fn name(name: &'static str) -> HeaderName {
        HeaderName::from_static(name)
    }
    let mut headers = HeaderMap::new();
    headers.insert(const { name("ce-specversion") }, "1.0");
    headers.insert(const { name("ce-id") }, record.event_id.to_string());
    headers.insert(const { name("ce-source") }, format!("/natter/{}", record.noun));
    headers.insert(const { name("ce-type") }, format!("natter.{}", record.name()));
    headers.insert(const { name("ce-time") }, record.time.to_string());
    headers.insert(const { name("ce-subject") }, record.aggregate_id.to_string());
    headers.insert(const { name("content-type") }, "application/json");
    headers.insert(const { name("natter-version") }, record.version.to_string());
    headers.insert(const { name("natter-lane") }, record.lane.to_string());
    headers.insert(const { name(INCARNATION) }, record.incarnation.to_string());
    headers.insert(const { name("natter-position") }, record.position.to_string());
    headers.insert(const { name("natter-sequence") }, record.sequence.to_string());
    headers.insert(const { name("natter-previous") }, record.previous.to_string());
    headers.insert(const { name("natter-hash") }, record.hash.to_string());
    headers.insert(const { name("natter-metadata") }, &*record.metadata);
    if let Some(key) = &record.key {
        headers.insert(const { name(FINGERPRINT) }, hex(&key.fingerprint));
    }
    headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(record.position - 1));
    headers
}

/// Lends the record's text to the client without a copy.
struct Payload(Arc<str>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

/// The event of a message, if it is one of ours and its content matches its hash.
pub fn decode(headers: &HeaderMap, payload: &[u8], sequence: u64) -> Option<Record> {
    let field = |name| text(headers, name);
    let (noun, event_type) = field("ce-type")?.strip_prefix("natter.")?.split_once('.')?;
    let metadata = field("natter-metadata")?;
    let record = Record {
        lane: Lane::parse(field("natter-lane")?)?,
        incarnation: field(INCARNATION)?.parse().ok()?,
        position: field("natter-position")?.parse().ok()?,
        event_id: field("ce-id")?.parse().ok()?,
        noun: Noun::parse(noun)?,
        aggregate_id: field("ce-subject")?.parse::<Uuid>().ok()?,
        sequence: field("natter-sequence")?.parse().ok()?,
        event_type: Cow::Owned(event_type.to_owned()),
        version: field("natter-version")?.parse().ok()?,
        payload: std::str::from_utf8(payload).ok()?.into(),
        metadata: metadata.into(),
        key: field(FINGERPRINT).and_then(|fingerprint| command_key(metadata, fingerprint)),
        time: Timestamp::parse(field("ce-time")?)?,
        previous: Hash::parse(field("natter-previous")?)?,
        hash: Hash::parse(field("natter-hash")?)?,
    };
    (record.position == sequence && record.link_hash() == record.hash).then_some(record)
}

fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

/// The key stands in the metadata of every event of a command, the fingerprint on the first one only.
fn command_key(metadata: &str, fingerprint: &str) -> Option<CommandKey> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        command: Uuid,
    }
    let Metadata { command: key } = serde_json::from_str(metadata).ok()?;
    let fingerprint = u128::from_str_radix(fingerprint, 16).ok()?.to_be_bytes();
    Some(CommandKey { key, fingerprint })
}

/// One message of a stream as an event, for auditors and tests.
pub fn decode_stored(message: &StreamMessage) -> Option<Record> {
    decode(&message.headers, &message.payload, message.sequence)
}

/// A stream as a source for a [`crate::reader::Reader`].
pub struct Source {
    context: Context,
    lane: Lane,
    messages: Option<Ordered>,
    /// When the next try to subscribe is due, and how long after it the one after that.
    retry: Option<Instant>,
    pause: Duration,
}

impl Source {
    pub(crate) fn new(context: Context, lane: Lane) -> Self {
        Self { context, lane, messages: None, retry: None, pause: RETRY }
    }

    pub(crate) fn reset(&mut self) {
        self.messages = None;
    }

    /// The next event, or that the stream lost or changed something and the log must be asked.
    pub(crate) async fn recv(&mut self, last: &Link) -> Result<Batch, Lost> {
        if self.messages.is_none() {
            if let Some(retry) = self.retry {
                tokio::time::sleep_until(retry).await;
            }
            match subscribe(&self.context, self.lane, last.position + 1).await {
                Ok(messages) => self.messages = Some(messages),
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "subscribe to the stream");
                    return Err(self.give_up());
                }
            }
        }
        let next = self.messages.as_mut().ok_or(Lost)?.next().await;
        self.take(next, last)
    }

    /// To be begun anew, but not at once.
    fn give_up(&mut self) -> Lost {
        self.messages = None;
        self.retry = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_RETRY);
        Lost
    }

    /// What has arrived already; `None`: nothing.
    pub(crate) fn try_recv(&mut self, last: &Link) -> Option<Result<Batch, Lost>> {
        // Unconstrained: the runtime's budget would say "nothing" while there is more.
        let next = tokio::task::unconstrained(self.messages.as_mut()?.next()).now_or_never()?;
        Some(self.take(next, last))
    }

    fn take(&mut self, next: Option<Result<jetstream::Message, OrderedError>>, last: &Link) -> Result<Batch, Lost> {
        let Some(Ok(message)) = next else { return Err(self.give_up()) };
        let record = received(&message).ok_or(Lost)?;
        if record.position + SEEN_AT_ONCE < last.position {
            return Err(self.give_up());
        }
        (self.retry, self.pause) = (None, RETRY);
        Ok(Arc::new(vec![Arc::new(record)]))
    }
}

/// Not a method: what reads a stream cannot be shared between threads, so nothing may borrow it across an await.
async fn subscribe(context: &Context, lane: Lane, first: u64) -> Result<Ordered, Error> {
    let name = subject::stream(lane);
    let stream = context.get_stream_no_info(&name).await.map_err(Error::bus(format!("open stream {name}")))?;
    let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: first };
    let consumer = stream
        .create_consumer(OrderedConfig { deliver_policy, ..Default::default() })
        .await
        .map_err(Error::bus(format!("create a consumer of {name}")))?;
    consumer.messages().await.map_err(Error::bus(format!("read {name}")))
}

fn received(message: &async_nats::jetstream::Message) -> Option<Record> {
    let sequence = message.info().ok()?.stream_sequence;
    let Message { headers, payload, .. } = &message.message;
    decode(headers.as_ref()?, payload, sequence)
}

/// Compares a stream's messages with the log, one by one.
pub struct Audit {
    stream: Stream,
    first: u64,
    last: u64,
}

impl Audit {
    /// `None` where the lane has no stream yet.
    pub async fn open(bus: &crate::bus::Bus, base: &Link) -> Result<Option<Self>, Error> {
        let Some(found) = find(bus.consuming(), base.lane).await? else { return Ok(None) };
        let stream = of_incarnation(found, base)?;
        let state = &stream.cached_info().state;
        let (first, last) = (state.first_sequence, state.last_sequence);
        Ok(Some(Self { stream, first, last }))
    }

    /// The message at the event's position must be the event. What the stream does not hold (retention before it,
    /// the relay's way behind it) is not compared.
    pub async fn compare(&self, record: &Record) -> Result<(), Error> {
        let position = record.position;
        if !(self.first..=self.last).contains(&position) {
            return Ok(());
        }
        let message = self.stream.direct_get(position).await.map_err(Error::bus(format!("read message {position}")))?;
        let carried = decode_stored(&message);
        let same = carried.is_some_and(|carried| carried.hash == record.hash && carried.payload == record.payload);
        let what = "the stream's message is not the log's event";
        if same { Ok(()) } else { Err(Error::Broken { lane: record.lane, position, what }) }
    }
}
