//! One connection's task. It carries between the socket, the session (which says what to do), the outbox (what waits
//! to be sent) and the hub; it decides nothing. Requests are done by tasks of their own, so that a slow read of
//! history holds up neither heartbeats nor answers; sends are queued here first, in the order of their frames.

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
    conversation,
    edge::{Edge, Inside},
    http::problem::Problem,
    message, metrics,
};
use axum::extract::ws::WebSocket;
use futures::{FutureExt, future::BoxFuture};
use natter_client::wire::{ReadFrame, ReadOk};
use natter_commands::{Caller, Keyed};
use natter_domain::ConversationId;
use natter_streams::clock;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// How long what is asked may wait at a read side that lags, before it is asked again.
const CATCH_UP_AGAIN: Duration = Duration::from_millis(200);

/// Why a connection's task ends.
enum End {
    Close { close: Close, readable: bool },
    Gone,
}

struct Driver {
    edge: Arc<Edge>,
    session: Session,
    outbox: Arc<Outbox>,
    caller: Option<Caller>,
    seat: Option<Seat>,
    /// Resolves when `ready` may be said.
    starting: Option<BoxFuture<'static, ()>>,
    stopping: bool,
    end: Option<End>,
    ping: bool,
    /// There may be more in the outbox than the last batch.
    more: bool,
}

/// Takes a connection over, until it ends.
pub async fn begin(socket: WebSocket, edge: Arc<Edge>, credentials: Option<Result<Identity, Refused>>) {
    let tasks = edge.sockets.clone();
    let driver = Driver::new(edge);
    tasks.track_future(driver.run(socket, credentials)).await;
}

impl Driver {
    fn new(edge: Arc<Edge>) -> Self {
        let settings = &edge.settings;
        let rules = Rules { heartbeat: settings.heartbeat, greeting: settings.greeting, drain: settings.drain / 2 };
        let session = Session::new(rules, Instant::now());
        let outbox = Arc::new(Outbox::default());
        Self {
            edge,
            session,
            outbox,
            caller: None,
            seat: None,
            starting: None,
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
        let stop = self.edge.stop.clone();
        let outbox = self.outbox.clone();
        tokio::select! {
            read = wire::read(socket), if reads => self.read(read),
            () = outbox.rung() => {}
            () = std::future::ready(()), if self.more => {}
            () = started(&mut self.starting) => {
                self.starting = None;
                self.step(Input::Ready { server_time: clock::now() });
            }
            () = stop.cancelled(), if !self.stopping => self.stop(),
            () = sleep_until(self.session.deadline()) => self.step(Input::Tick),
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
                let outcome = self.edge.auth.verify(&token);
                self.verified(id, outcome);
            }
            Action::Join(identity) => self.join(identity.caller),
            Action::Do(op) => self.perform(op),
            Action::Say(frame) => self.outbox.say(frame),
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
        let seat = inside.hub.join(caller, self.outbox.clone());
        self.starting = Some(start(inside, &seat, self.outbox.clone()).boxed());
        self.caller = Some(caller);
        self.seat = Some(seat);
        // The session may have ended between the look at the token and the seat.
        if self.edge.auth.ended.contains(caller.session) {
            self.outbox.end("ended");
        }
    }

    fn perform(&mut self, op: Op) {
        let (Some(inside), Some(caller)) = (self.edge.inside.clone(), self.caller) else { return };
        metrics::frame(op.name());
        let weight = op.weight();
        match op {
            Op::Send(frame) => {
                let queued = message::socket::queue(&inside, caller, &frame);
                self.answer(frame.id, weight, async { message::socket::sent(queued?).await });
            }
            Op::List(frame) => {
                let id = frame.id.clone();
                self.answer(id, weight, async move { message::socket::list(&inside, caller, frame).await });
            }
            Op::Read(frame) => self.answer(frame.id.clone(), weight, advance(inside, caller, &frame)),
            // The session answers these by itself.
            Op::Auth(_) | Op::Ping(_) => {}
        }
    }

    /// Lets a task of its own give the answer.
    fn answer<T: Serialize + Send>(
        &self,
        id: String,
        weight: usize,
        outcome: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) {
        let outbox = self.outbox.clone();
        self.edge.sockets.spawn(async move {
            let outcome = std::panic::AssertUnwindSafe(outcome).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(Problem::internal("a request panicked")));
            outbox.answer(reply(Some(id), outcome), weight);
        });
    }

    fn flush_cursors(&self) {
        if let (Some(inside), Some(caller)) = (&self.edge.inside, self.caller) {
            inside.cursors.flush(caller.account);
        }
    }

    async fn finish(self, mut socket: WebSocket, end: End) {
        self.flush_cursors();
        drop(self.seat);
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

async fn started(starting: &mut Option<BoxFuture<'static, ()>>) {
    match starting {
        Some(starting) => starting.await,
        None => std::future::pending().await,
    }
}

/// Until pushes come here, and until what was pushed before that can be read: a client that reads its state after
/// `ready` misses nothing.
fn start(inside: Inside, seat: &Seat, outbox: Arc<Outbox>) -> impl Future<Output = ()> + Send + 'static {
    let proven = seat.proven();
    async move {
        proven.await;
        outbox.collect();
        while inside.projections.catch_up(conversation::SHOWN_BY).await.is_err() {
            sleep(CATCH_UP_AGAIN).await;
        }
    }
}

/// Moves a cursor: with others within a second, or at once under a key of its own.
fn advance(
    inside: Inside,
    caller: Caller,
    frame: &ReadFrame,
) -> impl Future<Output = Result<ReadOk, Problem>> + Send + use<> {
    let (conversation_id, seq, key) = (ConversationId(frame.conversation_id), frame.seq, frame.command_id);
    let held = key.is_none().then(|| inside.cursors.hold(caller, conversation_id, seq));
    async move {
        let by = Keyed { caller, key };
        let moved = match held {
            Some(held) => held.await.unwrap_or_else(|_| Err(Problem::unavailable())),
            None => crate::inbox::advance(&inside.commands, by, conversation_id, seq).await,
        };
        moved.map(|(seq, positions)| ReadOk { seq, position: positions.to_string() })
    }
}
