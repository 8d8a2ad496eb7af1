//! Answers of a store that are shared: readers who ask the same at the same time share one query, and what is asked
//! often stays in memory. How old an answer may be is measured in positions, never in time: it is good for whoever needs
//! nothing that came after the place up to which the store had read the lane when it was asked.

use crate::Error;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hashlink::LruCache;
use natter_streams::position::Place;
use std::{
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Answer<V> = Shared<BoxFuture<'static, Result<Arc<V>, Arc<Error>>>>;

/// A cheap handle.
pub(crate) struct Shelf<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    books: Mutex<Books<K, V>>,
    weigh: fn(&V) -> usize,
    /// Bytes, as `weigh` counts them, of all answers together.
    room: usize,
}

struct Books<K, V> {
    by_key: LruCache<K, Book<V>>,
    weight: usize,
    /// Of the next query.
    number: u64,
}

struct Book<V> {
    number: u64,
    /// How far the store had read the lane before it was asked.
    at: Place,
    /// 0 until the answer is there.
    weight: usize,
    answer: Answer<V>,
}

impl<V> Book<V> {
    fn is_good_for(&self, needed: Place) -> bool {
        self.at.incarnation == needed.incarnation && self.at.position >= needed.position
    }
}

impl<K, V> Clone for Shelf<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Shelf<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(room: usize, weigh: fn(&V) -> usize) -> Self {
        let books = Books { by_key: LruCache::new_unbounded(), weight: 0, number: 0 };
        Self(Arc::new(Inner { books: Mutex::new(books), weigh, room }))
    }

    /// The answer to `key` as it stood at `needed` or later. Where there is none, `ask` is run to its end, whoever stops
    /// waiting for it. `now`: how far the store has read the lane by now.
    pub(crate) async fn get<F>(&self, key: K, needed: Place, now: Place, ask: F) -> Result<Arc<V>, Error>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let answer = self.lend(&key, needed).unwrap_or_else(|| self.ask(key, now, ask));
        answer.await.map_err(Error::Shared)
    }

    /// Keeps nothing of what was asked before: who waits for it gets it, nobody else does.
    pub(crate) fn forget(&self) {
        let mut books = self.books();
        books.by_key.clear();
        books.weight = 0;
    }

    /// The same for some of it.
    pub(crate) fn forget_those(&self, is_meant: impl Fn(&K) -> bool) {
        let mut books = self.books();
        let meant: Vec<K> = books.by_key.iter().map(|(key, _)| key).filter(|key| is_meant(key)).cloned().collect();
        meant.iter().for_each(|key| books.take(key));
    }

    fn lend(&self, key: &K, needed: Place) -> Option<Answer<V>> {
        let mut books = self.books();
        books.by_key.get(key).filter(|book| book.is_good_for(needed)).map(|book| book.answer.clone())
    }

    fn ask<F>(&self, key: K, at: Place, ask: F) -> Answer<V>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let mut books = self.books();
        books.number += 1;
        let number = books.number;
        let (shelf, mine) = (self.clone(), key.clone());
        // A task of its own: an answer that nobody polls any more would keep its connection.
        let asking = tokio::spawn(async move {
            let answer = AssertUnwindSafe(ask).catch_unwind().await.unwrap_or(Err(Error::Unanswered));
            let answer = answer.map(Arc::new).map_err(Arc::new);
            shelf.arrived(&mine, number, answer.as_deref().ok());
            answer
        });
        let answer = async { asking.await.unwrap_or_else(|_| Err(Arc::new(Error::Unanswered))) }.boxed().shared();
        books.put(key, Book { number, at, weight: 0, answer: answer.clone() });
        answer
    }

    /// Failures are told to those who wait for them and not kept.
    fn arrived(&self, key: &K, number: u64, value: Option<&V>) {
        let weight = value.map(self.0.weigh);
        let mut books = self.books();
        let Some(book) = books.by_key.get_mut(key).filter(|book| book.number == number) else { return };
        match weight {
            Some(weight) => {
                book.weight = weight;
                books.weight += weight;
                books.make_room(self.0.room);
            }
            None => books.take(key),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books<K, V>> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Books<K, V> {
    fn put(&mut self, key: K, book: Book<V>) {
        let before = self.by_key.insert(key, book);
        self.weight -= before.map_or(0, |book| book.weight);
    }

    fn take(&mut self, key: &K) {
        let before = self.by_key.remove(key);
        self.weight -= before.map_or(0, |book| book.weight);
    }

    /// What was not asked for the longest goes first.
    fn make_room(&mut self, room: usize) {
        while self.weight > room {
            let Some((_, book)) = self.by_key.remove_lru() else { return };
            self.weight -= book.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    const KEY: &str = "newest";

    fn place(position: u64) -> Place {
        Place { position, incarnation: 7 }
    }

    fn shelf() -> Shelf<&'static str, String> {
        Shelf::new(10, String::len)
    }

    async fn get(shelf: &Shelf<&'static str, String>, key: &'static str, needed: u64, says: &str) -> String {
        let says = says.to_owned();
        let answer = shelf.get(key, place(needed), place(needed), async { Ok(says) });
        answer.await.expect("an answer").to_string()
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_query() {
        let shelf = shelf();
        let (let_go, gate) = oneshot::channel::<()>();
        let first = shelf.get(KEY, place(1), place(5), async {
            let _ = gate.await;
            Ok("a".to_owned())
        });
        let others = futures::future::join_all((0..100).map(|_| get(&shelf, KEY, 5, "asked again")));
        let (first, others, ()) = futures::join!(first, others, async { drop(let_go) });
        assert_eq!(*first.unwrap(), "a");
        assert!(others.iter().all(|answer| answer == "a"));
    }

    #[tokio::test]
    async fn an_answer_from_before_is_not_good_enough() {
        let shelf = shelf();
        assert_eq!(get(&shelf, KEY, 5, "old").await, "old");
        assert_eq!(get(&shelf, KEY, 4, "not asked").await, "old");
        assert_eq!(get(&shelf, KEY, 6, "new").await, "new");
        assert_eq!(get(&shelf, KEY, 6, "not asked").await, "new");
        let other_log = Place { position: 1, incarnation: 8 };
        let answer = shelf.get(KEY, other_log, other_log, async { Ok("restored".to_owned()) }).await;
        assert_eq!(*answer.unwrap(), "restored");
    }

    #[tokio::test]
    async fn failures_are_told_and_not_kept() {
        let shelf = shelf();
        let failed = shelf.get(KEY, place(1), place(1), async { Err(Error::Disconnected) }).await;
        assert!(matches!(failed, Err(Error::Shared(_))));
        assert_eq!(get(&shelf, KEY, 1, "now").await, "now");
    }

    #[tokio::test]
    async fn a_query_that_panics_is_an_error_once() {
        let shelf = shelf();
        let failed = shelf.get(KEY, place(1), place(1), async { panic!("in a query") }).await;
        assert!(matches!(failed, Err(Error::Shared(error)) if matches!(*error, Error::Unanswered)));
        assert_eq!(get(&shelf, KEY, 1, "now").await, "now");
    }

    #[tokio::test]
    async fn what_was_not_asked_for_the_longest_makes_room() {
        let shelf = shelf();
        get(&shelf, "a", 1, "12345").await;
        get(&shelf, "b", 1, "12345").await;
        get(&shelf, "a", 1, "not asked").await;
        get(&shelf, "c", 1, "1").await;
        assert_eq!(get(&shelf, "a", 1, "gone").await, "12345");
        assert_eq!(get(&shelf, "b", 1, "gone").await, "gone");
    }

    #[tokio::test]
    async fn what_was_asked_before_all_was_forgotten_is_asked_again() {
        let shelf = shelf();
        get(&shelf, "a", 1, "12345").await;
        let (let_go, gate) = oneshot::channel::<()>();
        let asked = shelf.clone();
        let asking = tokio::spawn(async move {
            let old = async {
                let _ = gate.await;
                Ok("old".to_owned())
            };
            asked.get(KEY, place(1), place(1), old).await
        });
        tokio::task::yield_now().await;
        shelf.forget();
        drop(let_go);
        assert_eq!(*asking.await.unwrap().unwrap(), "old", "who waits for it gets it");
        assert_eq!(get(&shelf, KEY, 1, "new").await, "new");
        assert_eq!(get(&shelf, "a", 1, "new").await, "new");
        assert_eq!(shelf.books().weight, 6);
    }

    #[tokio::test]
    async fn some_of_it_can_be_forgotten() {
        let shelf = shelf();
        get(&shelf, "a", 1, "12345").await;
        get(&shelf, "b", 1, "123").await;
        shelf.forget_those(|key| *key == "a");
        assert_eq!(shelf.books().weight, 3);
        assert_eq!(get(&shelf, "b", 1, "not asked").await, "123");
        assert_eq!(get(&shelf, "a", 1, "anew").await, "anew");
    }

    #[tokio::test]
    async fn the_query_ends_when_nobody_waits_any_more() {
        let shelf = shelf();
        let (tell, told) = oneshot::channel();
        let (let_go, gate) = oneshot::channel::<()>();
        let asking = shelf.get(KEY, place(1), place(1), async {
            let _ = gate.await;
            let _ = tell.send(());
            Ok("a".to_owned())
        });
        // Polled once, then dropped.
        assert!(futures::FutureExt::now_or_never(asking).is_none());
        drop(let_go);
        told.await.expect("it went on");
        assert_eq!(get(&shelf, KEY, 1, "not asked").await, "a");
    }
}
