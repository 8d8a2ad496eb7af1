//! How many things of a kind somebody has at once.

use super::lock;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
};

/// Counts by some key; who has none has no entry. A cheap handle.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<HashMap<u128, usize>>>);

/// One of them. Dropping it gives it back.
pub struct Place {
    counts: Counts,
    who: u128,
}

impl Counts {
    /// A place, where `who` has less than `most`.
    pub fn enter(&self, who: u128, most: usize) -> Option<Place> {
        let mut counts = lock(&self.0);
        let count = counts.entry(who).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { counts: self.clone(), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.counts.0).entry(self.who) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_nothing_is_kept_of_it() {
        let counts = Counts::default();
        let places = [counts.enter(1, 2), counts.enter(1, 2)];
        assert!(places.iter().all(Option::is_some));
        assert!(counts.enter(1, 2).is_none());
        let other = counts.enter(2, 2);
        assert!(other.is_some());
        drop(places);
        assert!(counts.enter(1, 2).is_some());
        drop(other);
        assert!(lock(&counts.0).is_empty());
    }
}
