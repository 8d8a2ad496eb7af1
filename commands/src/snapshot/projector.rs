//! The reader of a lane that makes the snapshots. What it does can be done twice, or by two at once, and is the same: it
//! stops anywhere and begins again at its checkpoint.

use super::{EVERY, hot::Hot, load, table};
use crate::{error::Error, metrics};
use natter_domain::{
    Decider, Noun, account::Account, conversation::Conversation, friendship::Friendship, handle::Handle, inbox::Inbox,
    message::Message, pending::Pending, projection::Projection, session::Session, subscription::Subscription,
};
use natter_streams::{Lane, Link, Log, Record, checkpoint, reader::Reader};
use std::{sync::LazyLock, time::Duration};

const BATCH: usize = 1_000;
const PAUSE: Duration = Duration::from_secs(1);

/// Events that may pass before the checkpoint moves without a snapshot: reading them again costs little.
const STRIDE: u64 = 10_000;

/// What snapshots are made by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Events of an aggregate between two snapshots of it.
    pub every: u64,
    /// The projector's name in `checkpoints`, which tells the shapes of all states. Another name is another projector: it
    /// begins with the log's first event, and what the old one knew is forgotten.
    pub name: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        static NAME: LazyLock<String> = LazyLock::new(|| name(VERSIONS));
        Self { every: EVERY, name: &NAME }
    }
}

fn name(versions: &[(Noun, u32)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (noun, version) in versions {
        hasher.update(format!("{noun} {version}\n").as_bytes());
    }
    format!("snapshot.{}", &hasher.finalize().to_hex()[..16])
}

/// Makes the snapshots of a lane, until it is dropped; `read` gives a reader from a place on.
pub async fn run(log: &Log, lane: Lane, settings: Settings, read: impl Fn(Link) -> Reader) {
    let projector = Projector { log: log.clone(), lane, settings };
    loop {
        if let Err(error) = projector.follow(&read).await {
            tracing::warn!(%lane, %error, "make snapshots: trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Projector {
    log: Log,
    lane: Lane,
    settings: Settings,
}

impl Projector {
    async fn follow(&self, read: &impl Fn(Link) -> Reader) -> Result<(), Error> {
        let mut done = self.begin().await?;
        let mut reader = read(done);
        let mut hot = Nouns::default();
        loop {
            let mut made = false;
            for record in reader.next(BATCH).await? {
                hot.add(&record);
                if record.sequence.is_multiple_of(self.settings.every) {
                    self.make(&record, &mut hot).await?;
                    made = true;
                }
            }
            if made || reader.last().position - done.position >= STRIDE {
                table::advance(&self.log, self.settings.name, &done, &reader.last()).await?;
                done = reader.last();
            }
        }
    }

    /// A checkpoint of another incarnation of the log is no reason to stop: every snapshot is compared with the log
    /// before it is used, so they are simply made again.
    async fn begin(&self) -> Result<Link, Error> {
        let (log, name, lane) = (&self.log, self.settings.name, self.lane);
        table::forget_checkpoints_but(log, name, lane).await?;
        match checkpoint::load(log, name, lane).await {
            Err(natter_streams::Error::Foreign { .. }) => {
                table::forget_checkpoint(log, name, lane).await?;
                Ok(checkpoint::load(log, name, lane).await?)
            }
            loaded => Ok(loaded?),
        }
    }

    /// Nothing, where there is a good one already that knows as much.
    async fn make_one<D: Decider>(&self, last: &Record, hot: &mut Hot<D>) -> Result<(), Error> {
        let (id, sequence) = (last.aggregate_id, last.sequence);
        loop {
            let snapshot = table::find(&self.log, self.lane, D::NOUN, id).await?.snapshot;
            let begun = load::begin::<D>(snapshot.as_ref()).unwrap_or_default();
            if begun.sequence >= sequence {
                return Ok(());
            }
            let loaded = match hot.take(last) {
                Some(kept) => kept,
                None => load::replay(&self.log, self.lane, id, begun, sequence..=sequence).await?,
            };
            let is_stored = table::put::<D>(&self.log, last, &loaded.state, snapshot.as_ref()).await?;
            hot.keep(id, loaded);
            if is_stored {
                metrics::snapshot_made(D::NOUN);
                return Ok(());
            }
        }
    }
}

/// Every noun: one that is missing here does not compile.
macro_rules! nouns {
    ($($noun:ident => $field:ident),+ $(,)?) => {
        const VERSIONS: &[(Noun, u32)] = &[$((Noun::$noun, $noun::STATE_VERSION)),+];

        #[derive(Default)]
        struct Nouns {
            $($field: Hot<$noun>),+
        }

        impl Nouns {
            fn add(&mut self, record: &Record) {
                match record.noun {
                    $(Noun::$noun => self.$field.add(record)),+
                }
            }
        }

        impl Projector {
            async fn make(&self, last: &Record, hot: &mut Nouns) -> Result<(), Error> {
                match last.noun {
                    $(Noun::$noun => self.make_one(last, &mut hot.$field).await),+
                }
            }
        }
    };
}

nouns! {
    Account => account,
    Handle => handle,
    Session => session,
    Friendship => friendship,
    Conversation => conversation,
    Inbox => inbox,
    Message => message,
    Subscription => subscription,
    Pending => pending,
    Projection => projection,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_any_state_is_another_name() {
        let now = name(VERSIONS);
        assert_eq!(now, Settings::default().name);
        for changed in 0..VERSIONS.len() {
            let mut versions = VERSIONS.to_vec();
            versions[changed].1 += 1;
            assert_ne!(name(&versions), now, "{}", versions[changed].0);
        }
    }
}
