//! What is forgotten soon, and shared by all nodes until then: values in a key-value bucket of NATS, each with a time of
//! its own, each written on the version that was read. It holds nothing that the log depends on, and may be lost.

use crate::{Error, bus::Bus, subject};
use async_nats::{
    HeaderMap, header,
    jetstream::{
        Context,
        context::PublishErrorKind,
        stream::{self, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream},
    },
};
use std::time::Duration;

/// Nothing stays longer, whatever was asked for.
const LONGEST: Duration = Duration::from_secs(25 * 60 * 60);

/// For one question; the client's own patience is longer than anybody waits.
const PATIENCE: Duration = Duration::from_secs(3);

async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|late| Err(Error::bus("ask a bucket")(late)))
}

/// One bucket. A cheap handle.
#[derive(Clone)]
pub struct Bucket {
    context: Context,
    kind: &'static Kind,
}

/// What a bucket is for.
struct Kind {
    stream: &'static str,
    all: &'static str,
    key: fn(&str) -> String,
    storage: StorageType,
    /// What becomes of more than [`MOST`]. Strangers write here, so there is an end to it.
    beyond: DiscardPolicy,
}

/// Values of one bucket; a few hundred bytes each.
const MOST: i64 = 500_000;

/// The codes that were sent.
static CODES: Kind = Kind {
    stream: subject::CODES,
    all: subject::CODES_ALL,
    key: subject::code,
    storage: StorageType::File,
    beyond: DiscardPolicy::Old,
};
/// How often somebody has asked. Counting begins anew where it is lost, so it need not wait for a disk.
static LIMITS: Kind = Kind {
    stream: subject::LIMITS,
    all: subject::LIMITS_ALL,
    key: subject::limit,
    storage: StorageType::Memory,
    beyond: DiscardPolicy::Old,
};

/// What may be believed once. Whoever loses it could be told twice: it waits for the disk, and nothing is believed where
/// there is no room to remember it.
static NONCES: Kind = Kind {
    stream: subject::NONCES,
    all: subject::NONCES_ALL,
    key: subject::nonce,
    storage: StorageType::File,
    beyond: DiscardPolicy::New,
};

/// What a key holds; nothing has the version 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    pub value: Option<Vec<u8>>,
    pub version: u64,
}

impl Bucket {
    pub fn codes(bus: &Bus) -> Self {
        Self { context: bus.publishing().clone(), kind: &CODES }
    }

    pub fn nonces(bus: &Bus) -> Self {
        Self { context: bus.publishing().clone(), kind: &NONCES }
    }

    pub fn limits(bus: &Bus) -> Self {
        Self { context: bus.publishing().clone(), kind: &LIMITS }
    }

    /// As its leader knows it.
    pub async fn get(&self, key: &str) -> Result<Entry, Error> {
        within(self.read(key)).await
    }

    async fn read(&self, key: &str) -> Result<Entry, Error> {
        let found = self.stream().await?.get_last_raw_message_by_subject(&(self.kind.key)(key)).await;
        match found {
            Ok(message) => Ok(Entry { value: Some(message.payload.to_vec()), version: message.sequence }),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Entry::default()),
            Err(error) => Err(Error::bus("read a value that is forgotten soon")(error)),
        }
    }

    /// Writes on the version that was read, to be forgotten after `lifetime` (a second at the least). `false`: somebody
    /// else has written meanwhile.
    pub async fn put(&self, key: &str, on: u64, value: Vec<u8>, lifetime: Duration) -> Result<bool, Error> {
        within(self.write(key, on, value, lifetime)).await
    }

    async fn write(&self, key: &str, on: u64, value: Vec<u8>, lifetime: Duration) -> Result<bool, Error> {
        let failed = || Error::bus("write a value that is forgotten soon");
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, on.to_string());
        headers.insert(header::NATS_MESSAGE_TTL, format!("{}s", lifetime.as_secs().max(1)));
        let publishing = self.context.publish_with_headers((self.kind.key)(key), headers, value.into());
        match publishing.await.map_err(failed())?.await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(error) => Err(failed()(error)),
        }
    }

    /// Asked for each time: they are few, and somebody may delete it. One of a release that knew no bound gets it.
    async fn stream(&self) -> Result<Stream, Error> {
        let config = stream::Config {
            name: self.kind.stream.to_owned(),
            subjects: vec![self.kind.all.to_owned()],
            storage: self.kind.storage,
            max_messages: MOST,
            max_messages_per_subject: 1,
            discard: self.kind.beyond,
            max_age: LONGEST,
            allow_direct: true,
            allow_rollup: true,
            deny_delete: true,
            allow_message_ttl: true,
            ..Default::default()
        };
        let failed = || Error::bus("open a bucket");
        let stream = self.context.get_or_create_stream(config).await.map_err(failed())?;
        let has = &stream.cached_info().config;
        if has.max_messages <= 0 {
            let bounded = stream::Config { max_messages: MOST, discard: self.kind.beyond, ..has.clone() };
            self.context.update_stream(bounded).await.map_err(failed())?;
        }
        Ok(stream)
    }
}
