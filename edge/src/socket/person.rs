//! One person's subscription, and the connections that it feeds. Frames are taken as they come, several of them in one
//! message, copied once out of the client's read buffer, and handed to every connection of the person.

use super::{deliverers::Deliverers, outbox::Outbox};
use axum::{body::Bytes, extract::ws::Utf8Bytes};
use futures::{FutureExt, Stream, StreamExt};
use natter_domain::{AccountId, SessionId};
use natter_projections::delivery::{DELIVERER, MARK, SESSION_ENDED, frames_of};
use natter_streams::{
    bus::{Bus, HeaderMap},
    id, subject,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::unconstrained,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long what has come may take to be handed on: who does not listen at all is told `resync` when they do again.
const PASSING: Duration = Duration::from_secs(1);

/// How long a mark may take to come back from everybody before another is sent.
const MARK_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Person {
    account: AccountId,
    listeners: Mutex<Vec<Listener>>,
    /// Tells our marks from those of other edges, and from those of an earlier subscription of ours.
    mark: String,
    /// The nodes that have echoed it, and those that should.
    echoed: Mutex<BTreeSet<Uuid>>,
    deliverers: watch::Receiver<Deliverers>,
    /// All of them did.
    proven: watch::Sender<bool>,
    /// The crowds that are known here know the person.
    settled: watch::Sender<bool>,
    /// How often it was asked that what has come be handed on, and up to which time it was.
    asked: watch::Sender<u64>,
    passed: watch::Sender<u64>,
    leave: CancellationToken,
}

struct Listener {
    number: u64,
    session: SessionId,
    outbox: Arc<Outbox>,
}

impl Person {
    pub fn new(account: AccountId, deliverers: watch::Receiver<Deliverers>, leave: CancellationToken) -> Self {
        Self {
            account,
            listeners: Mutex::default(),
            mark: id::new().to_string(),
            echoed: Mutex::default(),
            deliverers,
            proven: watch::Sender::new(false),
            settled: watch::Sender::new(false),
            asked: watch::Sender::new(0),
            passed: watch::Sender::new(0),
            leave,
        }
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

    pub fn is_gone(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// To all connections.
    pub fn push(&self, frames: &[Utf8Bytes]) {
        self.listeners().iter().for_each(|listener| listener.outbox.push(frames));
    }

    /// Has the crowds learn of the person; pointless once nobody is left to listen for.
    pub async fn settle(&self, crowds_learn: impl Future<Output = ()>) {
        if self.leave.run_until_cancelled(crowds_learn).await.is_some() {
            self.settled.send_replace(true);
        }
    }

    /// Resolves once the crowds know the person.
    pub async fn settled(&self) {
        let _ = self.settled.subscribe().wait_for(|&settled| settled).await;
    }

    /// Resolves when all that has come for the person by now has been handed on, or nobody is left to listen for.
    pub async fn passes(&self) {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        let mut passed = self.passed.subscribe();
        let passes = timeout(PASSING, passed.wait_for(|&passed| passed >= number));
        let _ = self.leave.run_until_cancelled(passes).await;
    }

    pub fn resync(&self, reason: &'static str) {
        self.listeners().iter().for_each(|listener| listener.outbox.resync(reason));
    }

    /// Asks all who deliver for an echo on the person's subject.
    async fn ask(&self, bus: &Bus) {
        let mut headers = HeaderMap::new();
        headers.insert(MARK, self.mark.as_str());
        let account = Bytes::from(self.account.to_string());
        if let Err(error) = bus.live().publish_with_headers(subject::MARK, headers, account).await {
            tracing::warn!(%error, "send a mark");
        }
    }

    /// Resolves once every node that delivers has echoed: what is published for the person comes here.
    pub async fn proven(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.proven.subscribe().wait_for(|&proven| proven).await;
    }

    /// Listens until the last connection has left, and only while the process `hears` crowds: the person's subscription
    /// proves that one too.
    pub async fn listen(self: Arc<Self>, bus: Bus, mut hears: watch::Receiver<bool>) {
        let leave = self.leave.clone();
        let listening = async {
            loop {
                let _ = hears.wait_for(|&hears| hears).await;
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
        let mut deliverers = self.deliverers.clone();
        let mut asked = self.asked.subscribe();
        asked.mark_changed();
        loop {
            let is_proven = *self.proven.borrow();
            tokio::select! {
                frame = frames.next() => {
                    let Some(frame) = frame else { return Ok(()) };
                    self.take(frame.headers.as_ref(), &frame.payload);
                }
                Ok(()) = asked.changed() => {
                    let number = *asked.borrow_and_update();
                    for frame in drained(&mut frames) {
                        self.take(frame.headers.as_ref(), &frame.payload);
                    }
                    self.passed.send_replace(number);
                }
                _ = again.tick(), if !is_proven => self.ask(bus).await,
                Ok(()) = deliverers.changed(), if !is_proven => self.compare(),
            }
        }
    }

    fn take(&self, headers: Option<&HeaderMap>, payload: &[u8]) {
        let header = |name| headers.and_then(|headers| headers.get(name)).map(natter_streams::bus::HeaderValue::as_str);
        if let Some(mark) = header(MARK) {
            return self.echo(mark, header(DELIVERER));
        }
        match header(SESSION_ENDED).map(str::parse) {
            None => self.forward(payload),
            Some(Ok(session)) => self.end(session, &String::from_utf8_lossy(payload)),
            Some(Err(_)) => tracing::error!(account = %self.account, "the word of an ended session names none"),
        }
    }

    fn forward(&self, payload: &[u8]) {
        let frames: Result<Vec<_>, _> = frames_of(&Bytes::copy_from_slice(payload)).map(Utf8Bytes::try_from).collect();
        let Ok(frames) = frames else {
            return tracing::error!(account = %self.account, "a frame is not UTF-8");
        };
        self.push(&frames);
    }

    fn end(&self, session: SessionId, reason: &str) {
        let listeners = self.listeners();
        let theirs = listeners.iter().filter(|listener| listener.session == session);
        theirs.for_each(|listener| listener.outbox.end(reason));
    }

    /// Marks of other edges come here too.
    fn echo(&self, mark: &str, deliverer: Option<&str>) {
        if let Some(deliverer) = deliverer.filter(|_| mark == self.mark).and_then(|start| start.parse().ok()) {
            self.echoed().insert(deliverer);
            self.compare();
        }
    }

    /// Once proven is for good: who begins to deliver afterwards is the hub's care.
    fn compare(&self) {
        if self.deliverers.borrow().are_among(&self.echoed()) {
            self.proven.send_replace(true);
        }
    }

    fn echoed(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.echoed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that is there, without the runtime's budget, which would say after a while that nothing is.
fn drained<S: Stream + Unpin>(stream: &mut S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(Some(item)) = unconstrained(stream.next()).now_or_never() {
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn all_that_is_there_is_drained_however_much() {
        let (send, mut receive) = mpsc::unbounded_channel();
        (0..1_000).for_each(|number| send.send(number).unwrap());
        let mut stream = futures::stream::poll_fn(move |context| receive.poll_recv(context));
        assert_eq!(drained(&mut stream), (0..1_000).collect::<Vec<_>>());
    }

    fn session(number: u128) -> SessionId {
        SessionId(Uuid::from_u128(number))
    }

    fn node(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// Delivered to by the nodes 1 and 2.
    fn person() -> (Person, Arc<Outbox>) {
        let mut deliverers = Deliverers::default();
        deliverers.learn([node(1), node(2)].into());
        let (_, deliverers) = watch::channel(deliverers);
        let person = Person::new(AccountId(Uuid::from_u128(1)), deliverers, CancellationToken::new());
        let outbox = Arc::new(Outbox::default());
        outbox.collect();
        outbox.flow();
        person.add(1, session(2), outbox.clone());
        (person, outbox)
    }

    fn headers(pairs: &[(&str, String)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn take_echo(person: &Person, mark: &str, node: Uuid) {
        let headers = headers(&[(MARK, mark.to_owned()), (DELIVERER, node.to_string())]);
        person.take(Some(&headers), b"");
    }

    #[test]
    fn a_frame_is_forwarded_as_it_is() {
        let (person, outbox) = person();
        person.take(None, br#"{"event":"x"}"#);
        assert_eq!(outbox.take().frames[0].as_str(), r#"{"event":"x"}"#);
    }

    #[test]
    fn frames_that_come_together_are_forwarded_one_by_one() {
        let (person, outbox) = person();
        person.take(None, b"{\"event\":\"x\"}\n{\"event\":\"y\"}");
        let frames = outbox.take().frames;
        let frames: Vec<&str> = frames.iter().map(Utf8Bytes::as_str).collect();
        assert_eq!(frames, [r#"{"event":"x"}"#, r#"{"event":"y"}"#]);
    }

    #[test]
    fn our_own_mark_from_all_who_deliver_is_proof_and_no_mark_is_a_frame() {
        let (person, outbox) = person();
        let mark = person.mark.clone();
        take_echo(&person, &mark, node(1));
        take_echo(&person, "another's", node(2));
        take_echo(&person, &mark, node(3));
        person.take(Some(&headers(&[(MARK, mark.clone())])), b"");
        assert!(!*person.proven.borrow());
        take_echo(&person, &mark, node(2));
        assert!(*person.proven.borrow());
        assert!(outbox.take().frames.is_empty());
    }

    #[test]
    fn an_ended_session_ends_its_own_connections() {
        let (person, outbox) = person();
        let told = |number| headers(&[(SESSION_ENDED, session(number).to_string())]);
        person.take(Some(&told(3)), b"logged_out");
        assert_eq!(outbox.take().ended, None);
        person.take(Some(&told(2)), b"logged_out");
        assert_eq!(outbox.take().ended.as_deref(), Some("logged_out"));
    }

    #[tokio::test]
    async fn who_is_gone_is_not_waited_for() {
        let (person, _) = person();
        assert!(person.passes().now_or_never().is_none(), "nobody listens for them, so nothing passes yet");
        person.dismiss();
        assert!(person.passes().now_or_never().is_some());
    }

    #[test]
    fn the_last_one_to_leave_is_told_apart() {
        let (person, outbox) = person();
        person.add(2, session(2), outbox);
        assert!(!person.remove(1));
        assert!(person.remove(2));
    }
}
