//! An accepted request opens the direct conversation. The one who accepts waits for it, and does it; this reader of
//! the log does it once more, for the case that that process died in between. Doing it twice changes nothing.

use crate::{conversation, dispatch::Dispatch, error::Error};
use natter_domain::{Noun, friendship::Event};
use natter_streams::{Lane, Link, Log, Record, checkpoint, feed::Feeds, reader::Reader};
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const NAME: &str = "friendship.opens_conversation";
const BATCH: usize = 1_000;
const PAUSE: Duration = Duration::from_secs(1);

/// Events that may pass before an idle checkpoint is written: reading them again costs little.
const STRIDE: u64 = 10_000;

pub(crate) fn start_all(log: &Log, feeds: &Feeds, dispatch: &Dispatch, tasks: &TaskTracker, stop: &CancellationToken) {
    for lane in log.lanes().iter() {
        let reaction = Reaction { log: log.clone(), feeds: feeds.clone(), dispatch: dispatch.clone(), lane };
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = reaction.run() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

struct Reaction {
    log: Log,
    feeds: Feeds,
    dispatch: Dispatch,
    lane: Lane,
}

impl Reaction {
    async fn run(&self) {
        loop {
            if let Err(error) = self.follow().await {
                tracing::warn!(lane = %self.lane, %error, "friendship opens conversation: trying again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<(), Error> {
        let mut done = checkpoint::load(&self.log, NAME, self.lane).await?;
        let mut reader = Reader::tap(self.log.clone(), &self.feeds, done);
        loop {
            let records = reader.next(BATCH).await?;
            let mut reacted = false;
            for record in &records {
                reacted |= self.react(record).await?;
            }
            if reacted || reader.last().position - done.position >= STRIDE {
                self.advance(&done, &reader.last()).await?;
                done = reader.last();
            }
        }
    }

    /// A refusal is done too: whatever the conversation says, it has heard.
    async fn react(&self, record: &Arc<Record>) -> Result<bool, Error> {
        if record.noun != Noun::Friendship || record.event_type != "accepted" {
            return Ok(false);
        }
        let Event::Accepted { from, to, conversation_id, .. } = record.decode()? else { return Ok(false) };
        match conversation::start_direct(&self.dispatch, conversation_id, [from, to]).await {
            Ok(_) | Err(Error::Refused { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn advance(&self, from: &Link, to: &Link) -> Result<(), Error> {
        let mut connection = self.log.pool().acquire().await.map_err(Error::failed("move a checkpoint"))?;
        Ok(checkpoint::advance(&mut connection, NAME, from, to).await?)
    }
}
