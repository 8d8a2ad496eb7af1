//! A lane in this process' hands: opened with the head that the log has, served by its worker, its stream filled by the
//! relay, and let go again.

use crate::{
    road::{Boxed, Inbox, Road, Roads},
    worker::{End, Worker},
};
use natter_streams::{
    Head, Lane, Link, Log, Node,
    bus::Bus,
    committer::Committer,
    fault,
    feed::{Feed, Feeds},
    lease::{Directory, Lease},
    log::Ownership,
    metrics, relay,
    seam::{self, Seam},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(100);

/// How often the owner of a closed lane looks whether it was mended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A lane whose worker is here. It is closed also where that panics, or is ended in the middle: nobody may go on waiting
/// at its door, nor read what nobody adds to.
struct Opened<'a> {
    feed: &'a Feed,
    road: &'a Road,
    inbox: Inbox,
    closed: bool,
}

impl<'a> Opened<'a> {
    fn new(feed: &'a Feed, road: &'a Road, head: Link) -> Self {
        let (door, inbox) = mpsc::unbounded_channel();
        feed.open(head);
        road.open(door);
        Self { feed, road, inbox, closed: false }
    }

    fn close(mut self, held: Vec<Boxed>, owner: Option<&Node>) {
        self.give_back(held, owner);
    }

    fn give_back(&mut self, held: Vec<Boxed>, owner: Option<&Node>) {
        if !std::mem::replace(&mut self.closed, true) {
            self.feed.close();
            self.road.close(held, &mut self.inbox, owner);
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.give_back(Vec::new(), None);
    }
}

/// What every lane of this process is served with.
#[derive(Clone)]
pub(crate) struct Owner {
    pub log: Log,
    pub bus: Bus,
    pub node: Node,
    pub directory: Directory,
    pub feeds: Feeds,
    pub roads: Roads,
    pub relays: bool,
}

impl Owner {
    /// Until the lease ends, one way or the other.
    pub async fn serve(self, lease: Lease) {
        let (lane, ownership) =
            (lease.lane(), Ownership { lane: lease.lane(), epoch: lease.epoch(), incarnation: lease.incarnation() });
        fault::reach("lease.after_takeover").await;
        let Some(head) = self.head(&lease).await else { return };
        if self.must_refuse(&lease, &head.link).await {
            return self.stay_closed(&lease).await;
        }
        let owner: Arc<str> = self.node.to_string().into();
        let committer = Committer::resume(self.log.clone(), owner, ownership, head);
        tracing::info!(%lane, epoch = ownership.epoch, position = head.link.position, "serving the lane");

        let relaying = CancellationToken::new();
        let _ends_with_us = relaying.clone().drop_guard();
        let (log, bus, feeds) = (self.log.clone(), self.bus.clone(), self.feeds.clone());
        let mut opened = Opened::new(self.feeds.lane(lane), self.roads.lane(lane), head.link);
        let closing = CancellationToken::new();
        if self.relays {
            tokio::spawn(closing_unless_well(relay::run(log, bus, feeds, lane, relaying), closing.clone()));
        }

        let worker = Worker::new(self.log.clone(), committer, self.feeds.clone(), lease.clone(), closing);
        let (end, held) = worker.run(&mut opened.inbox).await;
        match end {
            End::GivenUp => tracing::info!(%lane, undone = held.len(), "handing the lane over"),
            End::Lost | End::Fenced => {
                tracing::error!(%lane, ?end, undone = held.len(), "the lane is lost: its states are dropped, nothing more is answered here");
                self.directory.refresh();
            }
            End::Restored => tracing::error!(%lane, undone = held.len(), "PostgreSQL went back: the lane is closed"),
        }
        let owner = self.directory.owner(lane).filter(|owner| *owner != self.node);
        opened.close(held, owner.as_ref());
        if end == End::Restored {
            self.stay_closed(&lease).await;
        }
    }

    /// Whether the log has lost what the stream holds, or what this process knows to have been durable. Where NATS does
    /// not answer, the log is the truth, as long as nobody here remembers more.
    async fn must_refuse(&self, lease: &Lease, head: &Link) -> bool {
        let lane = lease.lane();
        let inspected = tokio::select! {
            inspected = seam::inspect(&self.log, &self.bus, lane) => inspected,
            () = lease.lost() => return false,
        };
        let seam = inspected.unwrap_or(Seam::Unknown);
        let refuses = seam.refuses() || self.remembers_more(head);
        if refuses {
            tracing::error!(%lane, %seam, head = head.position, "PostgreSQL has lost events: the lane is not served, see `natter streams check`");
        }
        refuses
    }

    /// What was durable is gone, without a new incarnation that would say so.
    fn remembers_more(&self, head: &Link) -> bool {
        let known = self.feeds.lane(head.lane).head();
        known.incarnation == head.incarnation && known.position > head.position
    }

    /// Holds the lane without serving it, so that nobody else does, until it is mended or goes: commands wait for their
    /// deadlines.
    async fn stay_closed(&self, lease: &Lease) {
        let _refused = metrics::Refused::of(lease.lane());
        let mended = async {
            while !self.is_mended(lease.lane()).await.unwrap_or(false) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            () = mended => {}
            () = lease.lost() => {}
            () = lease.given_up() => {}
        }
    }

    async fn is_mended(&self, lane: Lane) -> Result<bool, natter_streams::Error> {
        let head = self.log.head(lane, self.log.incarnation(lane).await?).await?.link;
        let seam = seam::inspect(&self.log, &self.bus, lane).await?;
        Ok(!seam.refuses() && seam != Seam::Unknown && !self.remembers_more(&head))
    }

    /// Read by a statement after the takeover: what was appended before is in it, nothing comes behind.
    async fn head(&self, lease: &Lease) -> Option<Head> {
        let read = async {
            loop {
                match self.log.head(lease.lane(), lease.incarnation()).await {
                    Ok(head) => return head,
                    Err(error) => tracing::warn!(lane = %lease.lane(), %error, "read the head: trying again"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            head = read => Some(head),
            () = lease.lost() => None,
            () = lease.given_up() => None,
        }
    }
}

/// A relay that ends otherwise than it was told to, by panic too, closes the lane: nobody else would fill its stream.
async fn closing_unless_well<E>(relaying: impl Future<Output = Result<(), E>>, closing: CancellationToken) {
    let close = closing.drop_guard();
    if relaying.await.is_ok() {
        close.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admission::Admission, queue::tests::job};
    use futures::future::BoxFuture;
    use natter_streams::{Lanes, id};

    #[test]
    fn a_lane_whose_work_dies_is_closed_and_what_lay_at_its_door_waits_for_the_next() {
        let lane = Lanes::new(1).unwrap().iter().next().unwrap();
        let head = Link::start(lane, id::new());
        let (feeds, road) = (Feeds::new([head]), Road::new(lane, Admission::default()));
        let opened = Opened::new(feeds.lane(lane), &road, head);
        road.put(job(1));
        assert!(feeds.lane(lane).is_open() && !road.waits());
        drop(opened);
        assert!(!feeds.lane(lane).is_open() && road.waits(), "it waits for the next owner");
        let next = Opened::new(feeds.lane(lane), &road, head);
        assert!(feeds.lane(lane).is_open() && !road.waits() && next.inbox.len() == 1);
    }

    #[tokio::test]
    async fn a_relay_that_dies_closes_the_lane_and_one_that_was_told_to_end_does_not() {
        let ended = async |relaying: BoxFuture<'static, Result<(), ()>>| {
            let closing = CancellationToken::new();
            let _ = tokio::spawn(closing_unless_well(relaying, closing.clone())).await;
            closing.is_cancelled()
        };
        assert!(!ended(Box::pin(async { Ok(()) })).await);
        assert!(ended(Box::pin(async { Err(()) })).await);
        assert!(ended(Box::pin(async { panic!("a fault of the relay") })).await);
    }
}
