//! What people do, and how often.

use rand::Rng;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A message to one other.
    Direct,
    /// A message to a group.
    Group,
    /// How far one has read; held by the server for up to a second.
    Read,
    /// A reaction, or its end.
    React,
    /// What one said last, said differently.
    Edit,
    /// The newest messages of a conversation.
    Page,
    /// Not answered.
    Typing,
    /// The connection is lost, another is opened, and what changed since is read.
    Return,
    /// Not of the mix: what it is measured beside.
    Ping,
}

/// In a hundred.
pub const SHARES: &[(Kind, u32)] = &[
    (Kind::Direct, 20),
    (Kind::Group, 10),
    (Kind::Read, 24),
    (Kind::React, 7),
    (Kind::Edit, 5),
    (Kind::Page, 14),
    (Kind::Typing, 15),
    (Kind::Return, 5),
];

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "send to one",
            Self::Group => "send to a group",
            Self::Read => "read cursor",
            Self::React => "reaction",
            Self::Edit => "edit",
            Self::Page => "page of history",
            Self::Typing => "typing",
            Self::Return => "reconnect and sync",
            Self::Ping => "ping",
        }
    }

    pub fn is_answered(self) -> bool {
        self != Self::Typing
    }

    /// Whether something else waits until it is answered; a cursor is held on purpose.
    pub fn is_waited_for(self) -> bool {
        !matches!(self, Self::Typing | Self::Read)
    }
}

/// By their shares.
pub fn any(dice: &mut impl Rng) -> Kind {
    let mut drawn = dice.random_range(0..100);
    for &(kind, share) in SHARES {
        if drawn < share {
            return kind;
        }
        drawn -= share;
    }
    Kind::Direct
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};
    use std::collections::BTreeMap;

    #[test]
    fn shares_are_of_a_hundred_and_are_kept() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u32>(), 100);
        let (mut dice, mut drawn) = (StdRng::seed_from_u64(1), BTreeMap::<Kind, u32>::new());
        for _ in 0..100_000 {
            *drawn.entry(any(&mut dice)).or_default() += 1;
        }
        for (kind, share) in SHARES {
            assert!(drawn[kind].abs_diff(share * 1_000) < 800, "{kind:?} {drawn:?}");
        }
    }
}
