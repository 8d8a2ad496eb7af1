//! What a frame asks for, done. Reads are done by tasks of their own, so that a slow one holds up neither heartbeats nor
//! answers; sends are queued here, in the order of their frames, and answered by the connection's task: a task for each
//! would be woken only to wake that one. Where the operator has texts looked at, that is done beside, and what is asked
//! of the same conversation behind them waits for its turn.

use super::Driver;
use crate::{
    edge::Inside,
    http::problem::Problem,
    inbox::{Cursors, Moved},
    message::{self, socket as changes},
    metrics, presence,
    socket::{frame::Op, reply::reply, session::Input},
    sync, typing,
};
use futures::FutureExt;
use natter_client::wire::{DeliveredOk, EditFrame, MessageFrame, PositionOk, ReadOk, SendFrame};
use natter_commands::{Caller, Keyed, Pending};
use natter_domain::ConversationId;
use natter_streams::Positions;
use serde::Serialize;
use uuid::Uuid;

impl Driver {
    pub(super) fn perform(&mut self, op: Op) {
        metrics::frame(op.name());
        match self.edge.door.count_frame(op.name(), self.visitor, self.caller) {
            // Who types too often is told nothing, like everybody else who types.
            Err(_) if matches!(op, Op::Typing(_)) => {}
            Err(wait) => self.step(Input::Limited { id: op.id().map(str::to_owned), weight: op.weight(), wait }),
            Ok(()) if self.starting.is_some() && matches!(op, Op::Subscribe(_) | Op::Unsubscribe(_)) => {
                self.early.push(op);
            }
            Ok(()) => self.carry_out(op),
        }
    }

    pub(super) fn carry_out(&mut self, op: Op) {
        let (Some(inside), Some(caller)) = (self.edge.inside.clone(), self.caller) else { return };
        let weight = op.weight();
        match op {
            Op::Send(frame) if inside.content.gate().is_some() => self.look_and_send(inside, caller, frame),
            Op::Send(frame) => {
                let queued = message::socket::queue(&inside, caller, &frame);
                let sent = whole(async { message::socket::sent(queued?).await });
                self.sending.push(async { (frame.id, sent.await) }.boxed());
            }
            Op::Edit(frame) if inside.content.gate().is_some() => self.look_and_edit(inside, caller, frame),
            Op::Edit(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || changes::edit(&inside, caller, &frame));
            }
            Op::Recall(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || Ok(changes::recall(&inside, caller, &frame)));
            }
            Op::React(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || changes::react(&inside, caller, &frame));
            }
            Op::Unreact(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || changes::unreact(&inside, caller, &frame));
            }
            Op::Pin(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || Ok(changes::pin(&inside, caller, &frame)));
            }
            Op::Unpin(frame) => {
                let (id, of) = (frame.id.clone(), frame.conversation_id);
                self.change(id, weight, of, move || Ok(changes::unpin(&inside, caller, &frame)));
            }
            Op::Star(frame) => self.mark(inside, caller, weight, frame, (Some(true), false)),
            Op::Unstar(frame) => self.mark(inside, caller, weight, frame, (Some(false), false)),
            Op::Listen(frame) => self.mark(inside, caller, weight, frame, (None, true)),
            Op::Delete(frame) => {
                let id = frame.id.clone();
                self.answer(id, weight, async move { changes::delete(&inside, caller, &frame).await });
            }
            Op::List(frame) => {
                let id = frame.id.clone();
                self.answer(id, weight, async move { message::socket::list(&inside, caller, frame).await });
            }
            Op::Sync(frame) => {
                let id = frame.id.clone();
                self.answer(id, weight, async move { sync::socket::sync(&inside, caller, frame).await });
            }
            Op::Read(frame) => {
                let cursor = Moving { id: frame.conversation_id, seq: frame.seq, key: frame.command_id };
                let moved = cursor.moves(inside.cursors.clone(), caller);
                let read = async { moved.await.map(|(seq, at)| ReadOk { seq, position: at.to_string() }) };
                self.answer(frame.id, weight, read);
            }
            Op::Delivered(frame) => {
                let cursor = Moving { id: frame.conversation_id, seq: frame.seq, key: frame.command_id };
                let moved = cursor.moves(inside.deliveries.clone(), caller);
                self.answer(frame.id, weight, async { moved.await.map(|_| DeliveredOk {}) });
            }
            Op::Typing(frame) => {
                self.edge.sockets.spawn(typing::pass(inside, caller, ConversationId(frame.conversation_id)));
            }
            Op::Subscribe(_) | Op::Unsubscribe(_) | Op::SetPresence(_) => self.attend(inside, op, weight),
            // The session answers these by itself.
            Op::Auth(_) | Op::Ping(_) => {}
        }
    }

    /// `marks`: the star, and whether it was listened to.
    fn mark(
        &mut self,
        inside: Inside,
        caller: Caller,
        weight: usize,
        frame: MessageFrame,
        (starred, listened): (Option<bool>, bool),
    ) {
        let (id, of) = (frame.id.clone(), frame.conversation_id);
        self.change(id, weight, of, move || Ok(changes::mark(&inside, caller, &frame, starred, listened)));
    }

    fn attend(&mut self, inside: Inside, op: Op, weight: usize) {
        let Some(attendance) = &mut self.attendance else { return };
        match op {
            Op::Subscribe(frame) => {
                let outbox = self.outbox.clone();
                self.edge.sockets.spawn(presence::socket::subscribe(attendance, inside, outbox, frame, weight));
            }
            Op::Unsubscribe(frame) => {
                let id = Some(frame.id.clone());
                self.outbox.give(reply(id, presence::socket::unsubscribe(attendance, frame)), weight);
            }
            Op::SetPresence(frame) => {
                let set = presence::socket::set(attendance, &frame.state);
                self.outbox.give(reply(Some(frame.id), set), weight);
            }
            _ => {}
        }
    }

    /// Where the operator has rules or a hook: a task of its own, and the next of the conversation behind it.
    fn look_and_send(&mut self, inside: Inside, caller: Caller, frame: SendFrame) {
        let (id, turn) = (frame.id.clone(), self.turns.take(frame.conversation_id));
        self.answer(id, Op::SEND_WEIGHT, async move {
            let gate = inside.content.gate().ok_or_else(Problem::unavailable)?;
            changes::look_and_send(&inside, gate, caller, &frame, turn).await
        });
    }

    fn look_and_edit(&mut self, inside: Inside, caller: Caller, frame: EditFrame) {
        let (id, turn) = (frame.id.clone(), self.turns.take(frame.conversation_id));
        self.answer(id, Op::SEND_WEIGHT, async move {
            let gate = inside.content.gate().ok_or_else(Problem::unavailable)?;
            changes::look_and_edit(&inside, gate, caller, &frame, turn).await
        });
    }

    /// What is queued is answered once it is durable. It is queued now, or behind what is still looked at.
    fn change(
        &mut self,
        id: String,
        weight: usize,
        conversation: Uuid,
        queue: impl FnOnce() -> Result<Pending<Positions>, Problem> + Send + 'static,
    ) {
        if !self.turns.has(conversation) {
            let queued = queue();
            return self.answer(id, weight, async move { Ok(PositionOk { position: queued?.await?.to_string() }) });
        }
        let mut turn = self.turns.take(conversation);
        self.answer(id, weight, async move {
            turn.come().await;
            let queued = queue();
            drop(turn);
            Ok(PositionOk { position: queued?.await?.to_string() })
        });
    }

    /// Lets a task of its own give the answer.
    fn answer<T: Serialize + Send>(
        &self,
        id: String,
        weight: usize,
        outcome: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) {
        let outbox = self.outbox.clone();
        self.edge.sockets.spawn(async move { outbox.answer(reply(Some(id), whole(outcome).await), weight) });
    }
}

/// A request that panics is answered too.
async fn whole<T>(outcome: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let outcome = std::panic::AssertUnwindSafe(outcome).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(Problem::internal("a request panicked")))
}

/// A cursor, as a frame has it.
struct Moving {
    id: Uuid,
    seq: u64,
    key: Option<Uuid>,
}

impl Moving {
    /// Moves it: with others within a second, or at once under a key of its own.
    fn moves(self, cursors: Cursors, caller: Caller) -> impl Future<Output = Moved> + Send + use<> {
        let Self { id, seq, key } = self;
        let conversation_id = ConversationId(id);
        let held = key.is_none().then(|| cursors.hold(caller, conversation_id, seq));
        async move {
            match held {
                Some(held) => held.await.unwrap_or_else(|_| Err(Problem::unavailable())),
                None => cursors.write_now(Keyed { caller, key }, conversation_id, seq).await,
            }
        }
    }
}
