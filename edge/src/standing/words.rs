//! Up to where the read side has to be before it is believed who may see somebody, or speak somewhere.
//!
//! - A word is noted before anything is doubted by it. So whoever takes a number first, and then asks here what to wait for,
//!   waits for every word by which that number was not voided.
//! - A word that relations shows is forgotten. One lane of the log has one at the most: the newest.
//! - Where words were lost it is not known what to wait for: whoever asks waits for all that is in the log, each for
//!   themselves, until words come again and all has been asked anew.

use natter_projections::{Projection, Projections, Wait};
use natter_streams::{Lane, Positions, position::Place};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};

/// Who may see or speak is asked of it.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];

#[derive(Default)]
pub struct Words {
    heard: Mutex<Heard>,
    /// Something has to be asked anew.
    bell: Notify,
}

struct Heard {
    /// What is not known to be shown.
    newest: BTreeMap<Lane, Place>,
    /// How often words may have been lost.
    losses: u64,
    /// The loss after which all was asked anew.
    made_good: u64,
}

impl Default for Heard {
    /// What was said before this process listened is lost to it.
    fn default() -> Self {
        Self { newest: BTreeMap::new(), losses: 1, made_good: 0 }
    }
}

impl Words {
    pub fn note(&self, positions: &Positions) {
        self.heard().note(positions);
    }

    /// They are shown, or nobody waits for them any more.
    pub fn forget(&self, positions: &Positions) {
        self.heard().forget(positions);
    }

    /// Any word may have been lost until now.
    pub fn lose(&self) {
        self.heard().losses += 1;
        self.bell.notify_one();
    }

    /// What was not asked in time is to be asked once it can be.
    pub fn call(&self) {
        self.bell.notify_one();
    }

    /// Resolves where somebody has called since, or words were lost.
    pub async fn called(&self) {
        self.bell.notified().await;
    }

    /// The last one, until it is made good.
    pub fn loss(&self) -> Option<u64> {
        self.heard().loss()
    }

    /// Nothing that was lost up to this loss is believed any more.
    pub fn make_good(&self, loss: u64) {
        self.heard().made_good = loss;
    }

    /// Waits until relations shows what was said before this call, so long at the most.
    pub async fn shown(&self, projections: &Projections, bound: Duration) -> Result<(), Wait> {
        let (loss, positions) = self.awaited();
        let waiting = async {
            if loss.is_some() {
                projections.catch_up(SHOWN_BY).await?;
            }
            projections.wait_within(bound, &positions, SHOWN_BY).await
        };
        timeout(bound, waiting).await.map_err(|_| Wait::TooLate)??;
        self.forget(&positions);
        Ok(())
    }

    fn awaited(&self) -> (Option<u64>, Positions) {
        let heard = self.heard();
        (heard.loss(), heard.positions())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn note(&mut self, positions: &Positions) {
        for (lane, place) in positions.iter() {
            let known = self.newest.entry(lane).or_insert(place);
            // Of two logs it is the one that is spoken of now.
            if known.incarnation != place.incarnation || known.position < place.position {
                *known = place;
            }
        }
    }

    /// What is newer stays.
    fn forget(&mut self, positions: &Positions) {
        for (lane, place) in positions.iter() {
            let is_meant = |known: &Place| known.incarnation == place.incarnation && known.position <= place.position;
            if self.newest.get(&lane).is_some_and(is_meant) {
                self.newest.remove(&lane);
            }
        }
    }

    fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        self.newest.iter().for_each(|(&lane, &place)| positions.merge(&Positions::at(lane, place)));
        positions
    }

    fn loss(&self) -> Option<u64> {
        (self.made_good < self.losses).then_some(self.losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_streams::Lanes;

    fn positions(text: &str) -> Positions {
        Positions::parse(text, Lanes::new(16).unwrap()).unwrap()
    }

    fn awaited(words: &Words) -> String {
        words.awaited().1.to_string()
    }

    #[test]
    fn the_newest_word_of_each_lane_is_waited_for_until_it_is_shown() {
        let words = Words::default();
        assert_eq!(awaited(&words), "");
        for heard in ["03:7:1", "0a:4:1", "03:9:1", "03:8:1"] {
            words.note(&positions(heard));
        }
        assert_eq!(awaited(&words), "03:9:00000001,0a:4:00000001");
        words.forget(&positions("03:8:1"));
        assert_eq!(awaited(&words), "03:9:00000001,0a:4:00000001", "there is a newer one");
        words.forget(&positions("03:9:1"));
        assert_eq!(awaited(&words), "0a:4:00000001");
    }

    #[test]
    fn a_log_that_went_back_is_waited_for_where_it_is_now() {
        let words = Words::default();
        words.note(&positions("03:9:1"));
        words.note(&positions("03:2:2"));
        assert_eq!(awaited(&words), "03:2:00000002");
        words.forget(&positions("03:9:1"));
        assert_eq!(awaited(&words), "03:2:00000002", "that is another one");
    }

    #[tokio::test]
    async fn what_is_lost_is_so_until_all_was_asked_after_it() {
        let words = Words::default();
        assert_eq!(words.loss(), Some(1), "nobody has listened before");
        words.make_good(1);
        assert_eq!(words.loss(), None);
        words.lose();
        words.called().await;
        let loss = words.loss().unwrap();
        words.lose();
        words.make_good(loss);
        assert_eq!(words.loss(), Some(loss + 1), "that came meanwhile");
        words.called().await;
    }
}
