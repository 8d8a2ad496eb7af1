//! Generations: the rows of a projection can be built anew beside those that are read, compared with them, and switched to
//! without a failed read. What runs is a projection *of a generation*: it has its own checkpoints, leases and rows.
//!
//! The table `projection_generation` says which one of each is live. Every process looks each second (`live`): it first
//! lets the new one pass all that reads were told is there, then exchanges both what is read and how far it is. `table`
//! is that table, `home` where a generation's rows are and how they are reached, `build` makes a shadow from the log,
//! `compare` names the rows in which two differ, `across` where one of them is in a cluster. `operate` is what an operator
//! orders.
//!
//! Delivery has no rows, so it has no generations.

mod across;
pub(crate) mod aside;
mod build;
mod compare;
pub(crate) mod home;
pub(crate) mod live;
mod operate;
mod retry;
mod table;
mod walk;

use build::Builder;
pub use build::{Meter, Pace};
pub use compare::{Compared, Difference, LaneCount, What};
pub use home::Store;
pub use operate::{Operator, Outcome, Standing, lag, status};
pub use retry::{Failure, Retried, failures};
pub use table::{Entry, State, list};
pub(crate) use table::{begin_in, schema};
pub use walk::Sum;

use crate::Projection;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

/// Which building of a projection's rows; 1 is the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(u32);

impl Generation {
    pub const FIRST: Self = Self(1);

    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name in checkpoints, leases and failures: `history`, later `history@2`.
pub fn reader(projection: Projection, generation: Generation) -> &'static str {
    if generation == Generation::FIRST {
        return projection.as_str();
    }
    interned(format!("{}@{generation}", projection.as_str()))
}

/// Who reads under this name, if it is a projection.
pub(crate) fn parse(reader: &str) -> Option<(Projection, Generation)> {
    let Some((name, number)) = reader.split_once('@') else {
        return Some((Projection::parse(reader)?, Generation::FIRST));
    };
    Some((Projection::parse(name)?, Generation(number.parse().ok()?)))
}

/// Names live as long as the process: leases and errors hold them, and a person makes each new one.
fn interned(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}

/// A table that a projection writes. Its key is what PostgreSQL's catalogue says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    pub name: &'static str,
    /// The column whose hash is the lane that writes the row.
    pub route: &'static str,
}

impl Projection {
    /// What it writes. Without one, it has no rows that could be wrong.
    pub const fn tables(self) -> &'static [Table] {
        const fn table(name: &'static str, route: &'static str) -> Table {
            Table { name, route }
        }
        const RELATIONS: &[Table] = &[
            table("account", "account_id"),
            table("account_prefix", "account_id"),
            table("account_identity", "account_id"),
            table("session", "account_id"),
            table("friend_request", "friendship_id"),
            table("friendship", "friendship_id"),
            table("block", "friendship_id"),
            table("conversation", "conversation_id"),
            table("member", "conversation_id"),
            table("group_invitation", "conversation_id"),
            table("group_request", "conversation_id"),
            table("group_link", "conversation_id"),
            table("group_ban", "conversation_id"),
            table("channel_person", "conversation_id"),
            table("group_log", "conversation_id"),
            table("mention", "conversation_id"),
            table("pin", "conversation_id"),
            table("thread_reply", "conversation_id"),
            table("thread_reader", "conversation_id"),
            table("pending", "conversation_id"),
            table("inbox_cursor", "account_id"),
            table("message_mark", "conversation_id"),
            table("message_deleted", "account_id"),
        ];
        const HISTORY: &[Table] = &[
            table("message", "conversation_id"),
            table("message_change", "conversation_id"),
            table("reaction", "conversation_id"),
        ];
        match self {
            Self::Relations => RELATIONS,
            Self::History => HISTORY,
            Self::Delivery => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generation_keeps_the_old_name() {
        assert_eq!(reader(Projection::History, Generation::FIRST), "history");
        assert_eq!(reader(Projection::History, Generation(2)), "history@2");
        for (projection, number) in [(Projection::History, 1), (Projection::Relations, 7)] {
            let both = (projection, Generation(number));
            assert_eq!(parse(reader(both.0, both.1)), Some(both));
        }
        assert_eq!(parse("reaction"), None);
        assert_eq!(parse("history@x"), None);
    }
}
