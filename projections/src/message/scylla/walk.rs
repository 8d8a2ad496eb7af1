//! Which partitions of a conversation to read, from the end that is asked for. Spans are told by relations and mostly
//! exact, so the first partitions are simply read; whoever goes on beyond asks which there are, so that a wide span
//! over few messages is not walked through emptiness.

use super::{
    Fault,
    cell::{Cell, limit},
    session::Session,
    statement::Read,
};
use crate::message::Order;
use natter_domain::ConversationId;
use std::collections::VecDeque;

/// Read without asking.
const STRAIGHT: u32 = 2;
/// Told by one answer.
const LISTED: usize = 64;

pub(super) struct Walk<'a> {
    session: &'a Session,
    conversation: ConversationId,
    table: &'static str,
    order: Order,
    /// What is left of the range, both included; `None` at its end.
    left: Option<(u64, u64)>,
    straight: u32,
    listed: VecDeque<u64>,
}

impl<'a> Walk<'a> {
    /// Over the partitions `first` to `last` of the table.
    pub(super) fn new(
        session: &'a Session,
        conversation: ConversationId,
        table: &'static str,
        (first, last): (u64, u64),
        order: Order,
    ) -> Self {
        let left = (first <= last).then_some((first, last));
        Self { session, conversation, table, order, left, straight: STRAIGHT, listed: VecDeque::new() }
    }

    /// The next partition that may hold something.
    pub(super) async fn next(&mut self) -> Result<Option<u64>, Fault> {
        if self.straight > 0 {
            self.straight -= 1;
            let Some((first, last)) = self.left else { return Ok(None) };
            let next = if self.order == Order::NewestFirst { last } else { first };
            self.pass(next);
            return Ok(Some(next));
        }
        if self.listed.is_empty() {
            self.list().await?;
        }
        let next = self.listed.pop_front();
        if let Some(next) = next {
            self.pass(next);
        }
        Ok(next)
    }

    fn pass(&mut self, partition: u64) {
        self.left = self.left.and_then(|(first, last)| match self.order {
            Order::NewestFirst => (partition > first).then(|| (first, partition - 1)),
            Order::OldestFirst => (partition < last).then(|| (partition + 1, last)),
        });
    }

    async fn list(&mut self) -> Result<(), Fault> {
        let Some((first, last)) = self.left else { return Ok(()) };
        let which = if self.order == Order::NewestFirst { Read::PartsDown } else { Read::PartsUp };
        let cells: [Cell<'_>; 5] =
            [self.conversation.into(), self.table.into(), first.into(), last.into(), limit(LISTED)];
        for (part,) in self.session.rows::<(i64,)>(which, &cells).await? {
            self.listed.push_back(part as u64);
        }
        if self.listed.is_empty() {
            self.left = None;
        }
        Ok(())
    }
}
