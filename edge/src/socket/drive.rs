//! One connection's task. It carries between the socket, the session (which says what to do), the outbox (what waits
//! to be sent) and the hub; it decides nothing. What frames ask for is `carry`.

mod carry;

use super::{
    close::Close,
    frame::Op,
    hub::Seat,
    outbox::Outbox,
    reply::reply,
    session::{Action, Input, Rules, Session},
    wire::{self, Gone, Read},
};
use crate::{
    auth::{Identity, Refused},
    content::order::Turns,
    conversation,
    door::{Full, Place, Visitor},
    edge::{Edge, Inside},
    http::problem::Problem,
    metrics,
    presence::{self, Attendance, Class},
};
use axum::extract::ws::WebSocket;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use natter_client::wire::SentOk;
use natter_commands::Caller;
use natter_projections::Projection;
use natter_streams::clock;
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// How long what is asked may wait at a read side that lags, before it is asked again.
const CATCH_UP_AGAIN: Duration = Duration::from_millis(200);

/// Why a connection's task ends.
enum End {
    Close { close: Close, readable: bool },
    Gone,
}

struct Driver {
    edge: Arc<Edge>,
    visitor: Visitor,
    /// Resolves when nobody is let in any more from where it comes.
    denied: BoxFuture<'static, ()>,
    /// Among those of its account.
    place: Option<Place>,
    session: Session,
    outbox: Arc<Outbox>,
    caller: Option<Caller>,
    seat: Option<Seat>,
    attendance: Option<Attendance>,
    /// Resolves when `ready` may be said; gives what the device is, and what is needed to tell later that history can be read
    /// too, if it cannot.
    starting: Option<BoxFuture<'static, (Class, Option<Inside>)>>,
    /// What was asked before `ready` and is answered by pushes that flow from then on.
    early: Vec<Op>,
    /// Resolves when history can be read that could not at `ready`.
    lagging: Option<BoxFuture<'static, ()>>,
    /// What is looked at before it is queued, and what comes behind it.
    turns: Turns,
    /// Messages that were queued, each with its frame's id.
    sending: FuturesUnordered<BoxFuture<'static, (String, Result<SentOk, Problem>)>>,
    /// Kept over many waits, as is `stop`: the session's deadline moves with every frame, and is nearly never reached.
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopping: bool,
    end: Option<End>,
    ping: bool,
    /// There may be more in the outbox than the last batch.
    more: bool,
}

/// Takes a connection over, until it ends.
pub async fn begin(
    socket: WebSocket,
    edge: Arc<Edge>,
    visitor: Visitor,
    credentials: Option<Result<Identity, Refused>>,
) {
    let tasks = edge.sockets.clone();
    let driver = Driver::new(edge, visitor);
    tasks.track_future(driver.run(socket, credentials)).await;
}

impl Driver {
    fn new(edge: Arc<Edge>, visitor: Visitor) -> Self {
        let settings = &edge.settings;
        let rules = Rules { heartbeat: settings.heartbeat, greeting: settings.greeting, drain: settings.drain / 2 };
        let session = Session::new(rules, Instant::now());
        let outbox = Arc::new(Outbox::default());
        let timer = Box::pin(sleep_until(session.deadline()));
        let stop = Box::pin(edge.stop.clone().cancelled_owned());
        let door = edge.door.clone();
        let denied = async move { door.denied(visitor).await }.boxed();
        Self {
            edge,
            visitor,
            denied,
            place: None,
            session,
            outbox,
            caller: None,
            seat: None,
            attendance: None,
            starting: None,
            early: Vec::new(),
            lagging: None,
            turns: Turns::default(),
            sending: FuturesUnordered::new(),
            timer,
            stop,
            stopping: false,
            end: None,
            ping: false,
            more: false,
        }
    }

    async fn run(mut self, mut socket: WebSocket, credentials: Option<Result<Identity, Refused>>) {
        metrics::socket_opened();
        if let Some(outcome) = credentials {
            self.verified(None, outcome);
        }
        let end = loop {
            if let Err(Gone) = self.write(&mut socket).await {
                break End::Gone;
            }
            if let Some(end) = self.end.take() {
                break end;
            }
            self.wait(&mut socket).await;
        };
        self.finish(socket, end).await;
    }

    /// Sends a batch of what waits: what is still in the outbox can be dropped when it is too much, and between two
    /// batches the client is heard.
    async fn write(&mut self, socket: &mut WebSocket) -> Result<(), Gone> {
        let patience = self.edge.settings.heartbeat * 2;
        if std::mem::take(&mut self.ping) {
            wire::ping(socket, patience).await?;
        }
        let batch = self.outbox.take();
        self.more = !batch.frames.is_empty();
        if batch.answered > 0 {
            self.step(Input::Answered(batch.answered));
        }
        if batch.overflowed {
            self.step(Input::Overflowed);
        }
        if let Some(reason) = batch.ended {
            self.step(Input::Ended(reason));
        }
        if batch.frames.is_empty() {
            return Ok(());
        }
        metrics::pushes_sent(batch.pushes as u64);
        wire::write(socket, batch.frames, patience).await
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self, socket: &mut WebSocket) {
        let reads = self.session.reads();
        if self.session.deadline() < self.timer.deadline() {
            self.timer.as_mut().reset(self.session.deadline());
        }
        tokio::select! {
            read = wire::read(socket), if reads => self.read(read),
            () = self.outbox.rung() => {}
            () = std::future::ready(()), if self.more => {}
            Some(sent) = self.sending.next(), if !self.sending.is_empty() => self.sent(sent),
            (class, lagging) = done(&mut self.starting) => self.started(class, lagging),
            () = done(&mut self.lagging) => {
                self.lagging = None;
                self.outbox.resync("history");
            }
            () = &mut self.stop, if !self.stopping => self.stop(),
            () = &mut self.timer => self.tick(),
            () = &mut self.denied => self.end = Some(End::Close { close: Close::Denied, readable: true }),
        }
    }

    fn started(&mut self, class: Class, lagging: Option<Inside>) {
        self.starting = None;
        self.lagging = lagging.map(|inside| caught_up(inside, conversation::SHOWN_BY).boxed());
        self.step(Input::Ready { server_time: clock::now() });
        if self.end.is_some() {
            return;
        }
        self.attendance.iter_mut().for_each(|attendance| attendance.begin(class));
        for op in std::mem::take(&mut self.early) {
            self.carry_out(op);
        }
    }

    fn tick(&mut self) {
        if self.session.deadline() <= Instant::now() {
            self.step(Input::Tick);
        }
        self.timer.as_mut().reset(self.session.deadline());
    }

    /// Gives the answer, and those that have come with it: what was committed together is answered in one write.
    fn sent(&mut self, first: (String, Result<SentOk, Problem>)) {
        let mut next = Some(first);
        while let Some((id, outcome)) = next {
            self.outbox.give(reply(Some(id), outcome), Op::SEND_WEIGHT);
            next = self.sending.next().now_or_never().flatten();
        }
    }

    fn read(&mut self, read: Read) {
        match read {
            Read::Text(text) => self.step(Input::Text(text.as_str())),
            Read::Binary => self.step(Input::Binary),
            Read::Heard => self.step(Input::Heard),
            Read::Unreadable(close) => self.end = Some(End::Close { close, readable: false }),
            Read::Gone => self.end = Some(End::Gone),
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.flush_cursors();
        self.step(Input::Stop);
    }

    fn step(&mut self, input: Input<'_>) {
        for action in self.session.step(Instant::now(), input) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Verify { id, token } => {
                if self.edge.door.count_frame("auth", self.visitor, None).is_err() {
                    self.end = Some(End::Close { close: Close::Limited, readable: true });
                    return;
                }
                let outcome = self.edge.auth.verify(&token);
                self.verified(id, outcome);
            }
            Action::Join(identity) => self.join(identity.caller),
            Action::Do(op) => self.perform(*op),
            Action::Say(frame) => self.outbox.give(frame, 0),
            Action::Flow => self.outbox.flow(),
            Action::Ping => self.ping = true,
            Action::Close(close) => self.end = Some(End::Close { close, readable: true }),
        }
    }

    fn verified(&mut self, id: Option<String>, outcome: Result<Identity, Refused>) {
        let lives = |identity: Identity| {
            let millis = identity.expires_at.as_millis() - clock::now().as_millis();
            (identity, Duration::from_millis(millis.max(0) as u64))
        };
        self.step(Input::Verified { id, outcome: outcome.map(lives) });
    }

    fn join(&mut self, caller: Caller) {
        let Some(inside) = self.edge.inside.clone() else {
            self.end = Some(End::Close { close: Close::Fault, readable: true });
            return;
        };
        match self.edge.door.socket_of(caller) {
            Ok(place) => self.place = place,
            Err(Full) => {
                self.end = Some(End::Close { close: Close::Crowded, readable: true });
                return;
            }
        }
        let seat = inside.hub.join(caller, self.outbox.clone());
        self.attendance = Some(inside.presence.attend(caller.account, self.outbox.clone()));
        self.starting = Some(start(inside, caller, &seat, self.outbox.clone()).boxed());
        self.caller = Some(caller);
        self.seat = Some(seat);
        // The session may have ended between the look at the token and the seat.
        if self.edge.auth.ended.contains(caller.session) {
            self.outbox.end("ended");
        }
    }

    fn flush_cursors(&self) {
        if let (Some(inside), Some(caller)) = (&self.edge.inside, self.caller) {
            inside.cursors.flush(caller.account);
            inside.deliveries.flush(caller.account);
        }
    }

    async fn finish(self, mut socket: WebSocket, end: End) {
        self.flush_cursors();
        drop((self.seat, self.attendance));
        match end {
            End::Close { close, readable } => {
                metrics::socket_closed(close.code());
                wire::close(socket, &self.outbox, close, readable).await;
            }
            End::Gone => {
                metrics::socket_closed(1000);
                let _ = tokio::time::timeout(Duration::from_secs(1), wire::farewell(&mut socket)).await;
            }
        }
    }
}

async fn done<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Until pushes come here, and until what was pushed before that can be read: a client that reads its state after
/// `ready` misses nothing. History is given one chance: its cluster may be away for hours, and pushes need it not. Who is
/// let in without it is told `resync` once it can be read.
fn start(
    inside: Inside,
    caller: Caller,
    seat: &Seat,
    outbox: Arc<Outbox>,
) -> impl Future<Output = (Class, Option<Inside>)> + Send + 'static {
    let proven = seat.proven();
    async move {
        proven.await;
        outbox.collect();
        let whole = inside.projections.catch_up(conversation::SHOWN_BY).await.is_ok();
        if !whole {
            caught_up(inside.clone(), &[Projection::Relations]).await;
        }
        let class = presence::socket::class(&inside, caller).await;
        (class, (!whole).then_some(inside))
    }
}

async fn caught_up(inside: Inside, projections: &'static [Projection]) {
    while inside.projections.catch_up(projections).await.is_err() {
        sleep(CATCH_UP_AGAIN).await;
    }
}
