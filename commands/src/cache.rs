//! A bounded map that forgets what was not used for long, in two generations: constant time, no list to keep.
//! What is pinned is never forgotten.

use std::{collections::HashMap, hash::Hash};

pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// A generation's size; the cache holds at most twice as many, pinned ones apart.
    size: usize,
    pinned: fn(&V) -> bool,
}

impl<K: Eq + Hash + Copy, V> Cache<K, V> {
    pub fn new(size: usize, pinned: fn(&V) -> bool) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), size, pinned }
    }

    pub fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Finds the value and counts it as used.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.place(*key, value);
        }
        self.young.get_mut(key)
    }

    /// True where a generation was forgotten to make room.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        self.old.remove(&key);
        self.place(key, value)
    }

    /// A key is in one generation only: an older value must never come back over a newer one.
    fn place(&mut self, key: K, value: V) -> bool {
        let full = self.young.len() >= self.size && !self.young.contains_key(&key);
        if full {
            let kept = std::mem::take(&mut self.young);
            let mut forgotten = std::mem::replace(&mut self.old, kept);
            self.young = forgotten.extract_if(|_, value| (self.pinned)(value)).collect();
        }
        self.young.insert(key, value);
        full
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(2, |_| false);
        for number in 0..20 {
            cache.insert(number, number);
            assert!(cache.get(&0).is_some(), "0 is used all the time");
        }
        assert!(!cache.contains(&5));
        assert!(cache.young.len() + cache.old.len() <= 4);
    }

    #[test]
    fn what_is_pinned_is_never_forgotten() {
        let mut cache = Cache::new(2, |&value| value == 100);
        cache.insert(100, 100);
        for number in 0..20 {
            cache.insert(number, number);
        }
        assert!(cache.contains(&100));
    }

    #[test]
    fn the_newest_value_is_the_one_found_whenever_it_was_put() {
        let mut cache = Cache::new(2, |_| false);
        let mut newest = HashMap::new();
        for number in 0..500_u32 {
            let key = number.wrapping_mul(2_654_435_761).rotate_left(7) % 4;
            if number % 3 == 0 {
                cache.insert(key, number);
                newest.insert(key, number);
            }
            for (key, newest) in &newest {
                assert!(cache.get(key).is_none_or(|found| found == newest), "an older value came back");
            }
        }
    }

    #[test]
    fn a_cache_whose_every_entry_is_used_again_stays_bounded() {
        let mut cache = Cache::new(4, |_| false);
        for number in 0..1_000 {
            cache.insert(number, number);
            for used in 0..number {
                cache.get(&used);
            }
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
    }
}
