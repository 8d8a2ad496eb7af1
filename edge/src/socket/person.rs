//! One person's subscription, and the connections that it feeds. Frames are taken as they come, copied once out of the
//! client's read buffer, and handed to every connection of the person.

use super::{hub::MARK_TIMEOUT, outbox::Outbox};
use axum::{body::Bytes, extract::ws::Utf8Bytes};
use futures::StreamExt;
use natter_domain::{AccountId, SessionId};
use natter_projections::delivery::{MARK, SESSION_ENDED};
use natter_streams::{
    bus::{Bus, HeaderMap},
    subject,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

pub struct Person {
    account: AccountId,
    edge: String,
    listeners: Mutex<Vec<Listener>>,
    /// The number of the last mark that was sent.
    marked: AtomicU64,
    /// The number of the last mark that came back.
    echoed: watch::Sender<u64>,
    leave: CancellationToken,
}

struct Listener {
    number: u64,
    session: SessionId,
    outbox: Arc<Outbox>,
}

impl Person {
    pub fn new(account: AccountId, edge: String, leave: CancellationToken) -> Self {
        let (marked, echoed) = (AtomicU64::new(0), watch::Sender::new(0));
        Self { account, edge, listeners: Mutex::default(), marked, echoed, leave }
    }

    pub fn add(&self, number: u64, session: SessionId, outbox: Arc<Outbox>) {
        self.listeners().push(Listener { number, session, outbox });
    }

    /// True where that was the last one.
    pub fn remove(&self, number: u64) -> bool {
        let mut listeners = self.listeners();
        listeners.retain(|listener| listener.number != number);
        listeners.is_empty()
    }

    /// Nobody is left to listen for.
    pub fn dismiss(&self) {
        self.leave.cancel();
    }

    pub fn resync(&self, reason: &'static str) {
        self.listeners().iter().for_each(|listener| listener.outbox.resync(reason));
    }

    /// Asks delivery for an echo on the person's subject.
    pub async fn mark(&self, bus: &Bus) -> u64 {
        let number = self.marked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut headers = HeaderMap::new();
        headers.insert(MARK, format!("{}:{number}", self.edge));
        let account = Bytes::from(self.account.to_string());
        if let Err(error) = bus.live().publish_with_headers(subject::MARK, headers, account).await {
            tracing::warn!(%error, "send a mark");
        }
        number
    }

    /// Resolves once that mark, or a later one, has come back.
    pub async fn echoed(&self, mark: u64) {
        // The sender is ours: it cannot be gone.
        let _ = self.echoed.subscribe().wait_for(|&echoed| echoed >= mark).await;
    }

    /// Listens until the last connection has left.
    pub async fn listen(self: Arc<Self>, bus: Bus) {
        let leave = self.leave.clone();
        let listening = async {
            loop {
                if let Err(error) = self.receive(&bus).await {
                    tracing::warn!(%error, account = %self.account, "listen for a person");
                }
                sleep(Duration::from_secs(1)).await;
                self.resync("bus");
            }
        };
        leave.run_until_cancelled(listening).await;
    }

    async fn receive(&self, bus: &Bus) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut frames = bus.live().subscribe(subject::user(self.account)).await?;
        let mut again = interval(MARK_TIMEOUT);
        loop {
            tokio::select! {
                frame = frames.next() => {
                    let Some(frame) = frame else { return Ok(()) };
                    let header = |name| frame.headers.as_ref().and_then(|headers| headers.get(name)).map(ToString::to_string);
                    self.take(header(MARK), header(SESSION_ENDED), &frame.payload);
                }
                _ = again.tick(), if *self.echoed.borrow() == 0 => {
                    self.mark(bus).await;
                }
            }
        }
    }

    fn take(&self, mark: Option<String>, session_ended: Option<String>, payload: &[u8]) {
        if let Some(mark) = mark {
            return self.echo(&mark);
        }
        let Ok(text) = std::str::from_utf8(payload) else {
            return tracing::error!(account = %self.account, "a frame is not UTF-8");
        };
        match session_ended.map(|session| session.parse()) {
            None => self.push(text),
            Some(Ok(session)) => self.end(session, text),
            Some(Err(_)) => tracing::error!(account = %self.account, "the word of an ended session names none"),
        }
    }

    fn push(&self, text: &str) {
        let frame = Utf8Bytes::from(text);
        self.listeners().iter().for_each(|listener| listener.outbox.push(frame.clone()));
    }

    fn end(&self, session: SessionId, reason: &str) {
        let listeners = self.listeners();
        let theirs = listeners.iter().filter(|listener| listener.session == session);
        theirs.for_each(|listener| listener.outbox.end(reason));
    }

    /// Marks of other edges come here too.
    fn echo(&self, mark: &str) {
        let number: Option<u64> =
            mark.split_once(':').filter(|(edge, _)| *edge == self.edge).and_then(|(_, n)| n.parse().ok());
        if let Some(number) = number {
            self.echoed.send_modify(|echoed| *echoed = number.max(*echoed));
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn session(number: u128) -> SessionId {
        SessionId(Uuid::from_u128(number))
    }

    fn person() -> (Person, Arc<Outbox>) {
        let person = Person::new(AccountId(Uuid::from_u128(1)), "e".to_owned(), CancellationToken::new());
        let outbox = Arc::new(Outbox::default());
        outbox.collect();
        outbox.flow();
        person.add(1, session(2), outbox.clone());
        (person, outbox)
    }

    #[test]
    fn a_frame_is_forwarded_as_it_is() {
        let (person, outbox) = person();
        person.take(None, None, br#"{"event":"x"}"#);
        assert_eq!(outbox.take().frames[0].as_str(), r#"{"event":"x"}"#);
    }

    #[test]
    fn only_our_own_marks_are_proof_and_no_mark_is_a_frame() {
        let (person, outbox) = person();
        for mark in ["f:1", "e:x", "1", ""] {
            person.take(Some(mark.to_owned()), None, b"");
        }
        assert_eq!(*person.echoed.borrow(), 0);
        person.take(Some("e:3".to_owned()), None, b"");
        person.take(Some("e:2".to_owned()), None, b"");
        assert_eq!(*person.echoed.borrow(), 3);
        assert!(outbox.take().frames.is_empty());
    }

    #[test]
    fn an_ended_session_ends_its_own_connections() {
        let (person, outbox) = person();
        person.take(None, Some(session(3).to_string()), b"logged_out");
        assert_eq!(outbox.take().ended, None);
        person.take(None, Some(session(2).to_string()), b"logged_out");
        assert_eq!(outbox.take().ended.as_deref(), Some("logged_out"));
    }

    #[test]
    fn the_last_one_to_leave_is_told_apart() {
        let (person, outbox) = person();
        person.add(2, session(2), outbox);
        assert!(!person.remove(1));
        assert!(person.remove(2));
    }
}
