//! Publishing on the live connection, and knowing that the server has taken it. `flush()` says no more than that the
//! bytes were handed to the kernel, and after a reconnect it says so of the new connection; so a batch is confirmed by
//! a message of our own that comes back over the same connection, behind all the frames.

use super::{
    SESSION_ENDED, crowd,
    frame::{Content, Frame, Origin},
    letters::Letters,
    members::To,
};
use crate::Error;
use bytes::Bytes;
use futures::StreamExt;
use natter_domain::{AccountId, SessionId};
use natter_streams::{
    Lane,
    bus::{Bus, Doubt, HeaderMap},
    subject,
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{sync::broadcast, time::timeout};

/// For a connection, and for a round trip over it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Outlet {
    bus: Bus,
}

/// A connection to the server, as it was before something was published on it.
pub(super) struct Connection {
    /// The how manieth it is.
    number: u64,
    /// What has happened to it since.
    doubts: broadcast::Receiver<Doubt>,
}

impl Outlet {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Without one nothing is published: the client would keep it, and then send every try of the same batch.
    pub(super) async fn connection(&self) -> Result<Connection, Error> {
        let doubts = self.bus.doubts();
        if !self.bus.is_connected() {
            // Ends once there is one.
            let flushed = timeout(PATIENCE, self.bus.live().flush()).await.map_err(|_| Error::Disconnected)?;
            flushed.map_err(Error::bus("wait for a connection to NATS"))?;
        }
        Ok(Connection { number: self.number(), doubts })
    }

    /// Whether nothing has happened to the connection yet, as far as is known.
    pub(super) fn still_has(&self, connection: &Connection) -> bool {
        self.bus.is_connected() && self.number() == connection.number
    }

    fn number(&self) -> u64 {
        self.bus.live().statistics().connects.load(Ordering::Relaxed)
    }

    /// Puts a frame into its letters, and sends those that are full. `origin`: of a crowd's.
    pub(super) async fn publish(
        &self,
        frame: &Frame,
        origin: &mut Option<Origin>,
        letters: &mut Letters,
    ) -> Result<(), Error> {
        match (&frame.to, &frame.content, origin) {
            (To::People(people), Content::Push(json), _) => {
                for &account in people {
                    self.send_letter(account, letters.add(account, json.clone())).await?;
                }
            }
            (To::People(people), Content::SessionEnded(session, reason), _) => {
                for &account in people {
                    self.send_letter(account, letters.take(account)).await?;
                    self.send_ended(account, *session, reason).await?;
                }
            }
            (To::Crowd(audience), Content::Push(json), Some(origin)) => {
                if let Some((lane, letter)) = letters.add_to_crowd(origin, *audience, json.clone()) {
                    self.send_to_crowd(lane, letter).await?;
                }
            }
            // Only a crowd's frames are for one, and no session is a crowd's.
            (To::Crowd(_), _, _) => {}
        }
        Ok(())
    }

    /// Sends what is in the letters.
    pub(super) async fn finish(&self, mut letters: Letters) -> Result<(), Error> {
        for (account, letter) in letters.people() {
            self.send(subject::user(account), letter).await?;
        }
        for (lane, letter) in letters.crowds() {
            self.send_to_crowd(lane, letter).await?;
        }
        Ok(())
    }

    /// That who may see or say something may be others now.
    pub(super) async fn tell_edges(&self, word: Bytes) -> Result<(), Error> {
        self.send(subject::STANDING.to_owned(), word).await
    }

    async fn send_to_crowd(&self, lane: Lane, letter: crowd::Letter) -> Result<(), Error> {
        self.send(subject::crowds(lane), letter.close()?).await
    }

    async fn send_letter(&self, account: AccountId, letter: Option<Bytes>) -> Result<(), Error> {
        match letter {
            Some(letter) => self.send(subject::user(account), letter).await,
            None => Ok(()),
        }
    }

    async fn send(&self, subject: String, payload: Bytes) -> Result<(), Error> {
        self.bus.live().publish(subject, payload).await.map_err(Error::bus("publish a frame"))
    }

    /// To the person's devices, and to every edge.
    async fn send_ended(&self, account: AccountId, session: SessionId, reason: &'static str) -> Result<(), Error> {
        let mut headers = HeaderMap::new();
        headers.insert(SESSION_ENDED, session.to_string());
        let told = self.bus.live().publish_with_headers(subject::user(account), headers, reason.into());
        told.await.map_err(Error::bus("publish the end of a session"))?;
        self.send(subject::SESSIONS.to_owned(), session.to_string().into()).await
    }

    /// Waits until the server has taken all that was published since `connection` was asked for.
    pub(super) async fn confirm(&self, mut connection: Connection) -> Result<(), Error> {
        tokio::select! {
            echoed = timeout(PATIENCE, self.echo()) => echoed.map_err(|_| Error::Unconfirmed)??,
            () = lost(&mut connection.doubts) => return Err(Error::Unconfirmed),
        }
        // The echo may have come over the next connection before we are told that the one of the frames was lost.
        if self.still_has(&connection) { Ok(()) } else { Err(Error::Unconfirmed) }
    }

    async fn echo(&self) -> Result<(), Error> {
        let client = self.bus.live();
        let inbox = client.new_inbox();
        let mut echo = client.subscribe(inbox.clone()).await.map_err(Error::bus("subscribe to an echo"))?;
        self.send(inbox, Bytes::new()).await?;
        client.flush().await.map_err(Error::bus("flush frames"))?;
        echo.next().await.map(|_| ()).ok_or(Error::Unconfirmed)
    }
}

/// Ends when the connection does.
async fn lost(doubts: &mut broadcast::Receiver<Doubt>) {
    while let Ok(Doubt::SlowConsumer) = doubts.recv().await {}
}
