//! What was acknowledged beside what everybody can read, and what was pushed to them.
//!
//! Each sender waits for an acknowledgement before they send the next message, and sends again under the same id until
//! it comes. So the order in which one sender's messages were acknowledged is the order in which they were sent.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::AddAssign,
};
use uuid::Uuid;

/// A message that was acknowledged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Acknowledged {
    pub message_id: Uuid,
    pub seq: u64,
    pub sender: Uuid,
    /// Of the text that was sent.
    pub text: u64,
}

/// A message as a member sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    pub message_id: Uuid,
    pub seq: u64,
    pub sender: Option<Uuid>,
    /// Of the text that came.
    pub text: u64,
}

/// Of a text, to be compared with others of this run.
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// How many messages broke a promise, added up over all members.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Compared, each once per member.
    pub compared: u64,
    /// Acknowledged and not there.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// Elsewhere than acknowledged, behind a gap, or against the order of its sender.
    pub reordered: u64,
    /// With another text or sender.
    pub altered: u64,
    /// Nobody was told that they were taken.
    pub unknown: u64,
    /// Places where what was pushed and followed is not what history says.
    pub unfollowed: u64,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        let Self { compared, lost, doubled, reordered, altered, unknown, unfollowed } = self;
        *compared > 0 && lost + doubled + reordered + altered + unknown + unfollowed == 0
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.compared += other.compared;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.altered += other.altered;
        self.unknown += other.unknown;
        self.unfollowed += other.unfollowed;
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compared, lost, doubled, reordered, altered, unknown, unfollowed } = self;
        write!(
            f,
            "{compared} compared: {lost} lost, {doubled} doubled, {reordered} reordered, {altered} altered, \
             {unknown} unknown, {unfollowed} not followed"
        )
    }
}

/// One conversation as one member sees it. `acknowledged`: by sender, each sender's in the order of acknowledgement.
pub fn compare(acknowledged: &[Acknowledged], history: &[Seen], followed: &[Seen]) -> Verdict {
    let mut verdict = Verdict { compared: acknowledged.len() as u64, ..Verdict::default() };
    let mut places: HashMap<Uuid, &Seen> = HashMap::new();
    for seen in history {
        if places.insert(seen.message_id, seen).is_some() {
            verdict.doubled += 1;
        }
    }
    let mut newest: HashMap<Uuid, u64> = HashMap::new();
    for message in acknowledged {
        let last = newest.insert(message.sender, message.seq).unwrap_or(0);
        let Some(seen) = places.get(&message.message_id) else {
            verdict.lost += 1;
            continue;
        };
        verdict.reordered += u64::from(seen.seq != message.seq || message.seq <= last);
        verdict.altered += u64::from(seen.text != message.text || seen.sender != Some(message.sender));
    }
    let known: HashSet<Uuid> = acknowledged.iter().map(|message| message.message_id).collect();
    verdict.unknown = history.iter().filter(|seen| !known.contains(&seen.message_id)).count() as u64;
    verdict.reordered += (1..).zip(history).filter(|(place, seen)| seen.seq != *place).count() as u64;
    verdict.unfollowed = differences(history, followed);
    verdict
}

fn differences(history: &[Seen], followed: &[Seen]) -> u64 {
    let differing = history.iter().zip(followed).filter(|(one, other)| one != other).count();
    (differing + history.len().abs_diff(followed.len())) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];

    /// Two people who take turns, and what both see.
    fn talk() -> (Vec<Acknowledged>, Vec<Seen>) {
        let message = |seq: u64| {
            let (message_id, sender) = (Uuid::from_u128(u128::from(seq) + 100), PEOPLE[seq as usize % 2]);
            Acknowledged { message_id, seq, sender, text: digest(&seq.to_string()) }
        };
        let acknowledged: Vec<Acknowledged> = (1..=6).map(message).collect();
        let seen =
            |it: &Acknowledged| Seen { message_id: it.message_id, seq: it.seq, sender: Some(it.sender), text: it.text };
        let history = acknowledged.iter().map(seen).collect();
        (acknowledged, history)
    }

    fn judged(change: impl FnOnce(&mut Vec<Acknowledged>, &mut Vec<Seen>)) -> Verdict {
        let (mut acknowledged, mut history) = talk();
        change(&mut acknowledged, &mut history);
        compare(&acknowledged, &history, &history)
    }

    #[test]
    fn what_is_whole_is_clean() {
        let verdict = judged(|_, _| ());
        assert!(verdict.is_clean(), "{verdict}");
        assert!(!Verdict::default().is_clean(), "nothing compared proves nothing");
    }

    #[test]
    fn a_lost_message_is_seen_wherever_it_was() {
        for place in 0..6 {
            let verdict = judged(|_, history| {
                history.remove(place);
            });
            assert_eq!(verdict.lost, 1, "{verdict}");
        }
    }

    #[test]
    fn a_doubled_message_is_seen() {
        let again = |history: &mut Vec<Seen>| history.push(Seen { seq: 7, ..history[2] });
        assert_eq!(judged(|_, history| again(history)).doubled, 1);
    }

    #[test]
    fn exchanged_messages_are_seen_even_of_one_sender() {
        let verdict = judged(|_, history| {
            let (one, other) = (history[1].seq, history[3].seq);
            history[1].seq = other;
            history[3].seq = one;
            history.swap(1, 3);
        });
        assert_eq!((verdict.lost, verdict.reordered), (0, 2), "{verdict}");
    }

    #[test]
    fn an_order_against_the_acknowledgements_is_seen() {
        let verdict = judged(|acknowledged, _| acknowledged.swap(0, 2));
        assert_eq!(verdict.reordered, 1, "{verdict}");
    }

    #[test]
    fn a_gap_a_change_and_a_stranger_are_seen() {
        assert_eq!(judged(|_, history| history[5].seq = 9).reordered, 2);
        assert_eq!(judged(|_, history| history[5].text = 9).altered, 1);
        assert_eq!(judged(|_, history| history[5].sender = Some(PEOPLE[1])).altered, 1);
        assert_eq!(
            judged(|acknowledged, _| {
                acknowledged.pop();
            })
            .unknown,
            1
        );
    }

    #[test]
    fn what_was_followed_must_be_what_is_stored() {
        let (acknowledged, history) = talk();
        let compared = |followed: &[Seen]| compare(&acknowledged, &history, followed).unfollowed;
        assert_eq!(compared(&history), 0);
        assert_eq!(compared(&history[..4]), 2);
        let mut other = history.clone();
        other[3].text = 9;
        assert_eq!(compared(&other), 1);
    }
}
