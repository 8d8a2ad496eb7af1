//! What others have answered, for a while and in bounded room: the oldest goes first. What is asked for by several at once
//! is asked for once. Of this process alone: another node asks for itself, so nobody's clock and no bucket is needed.

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// An answer that is known, or on its way.
type Coming<T> = Shared<BoxFuture<'static, Option<T>>>;

/// By keys of texts. A cheap handle.
pub struct Kept<T>(Arc<Mutex<Inner<T>>>);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<T> {
    /// Bytes that there may be.
    room: usize,
    held: usize,
    known: HashMap<String, Known<T>>,
    /// The oldest first, each with the number of its entry.
    order: VecDeque<(String, u64)>,
    number: u64,
    coming: HashMap<String, Coming<T>>,
}

struct Known<T> {
    value: T,
    size: usize,
    until: Instant,
    number: u64,
}

/// What is to be kept of an answer.
pub struct Keep<T> {
    pub value: T,
    pub size: usize,
    pub lasts: Duration,
}

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    pub fn new(room: usize) -> Self {
        let inner =
            Inner { room, held: 0, known: HashMap::new(), order: VecDeque::new(), number: 0, coming: HashMap::new() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// What is known under the key, or what `ask` finds; that goes on when whoever waits has gone. `None`: it ended
    /// without an answer.
    pub async fn get(&self, key: &str, ask: impl FnOnce() -> BoxFuture<'static, Keep<T>>) -> Option<T> {
        let coming = {
            let mut inner = self.inner();
            if let Some(known) = inner.known(key) {
                return Some(known);
            }
            match inner.coming.get(key) {
                Some(coming) => coming.clone(),
                None => {
                    let coming = self.begin(key.to_owned(), ask());
                    inner.coming.insert(key.to_owned(), coming.clone());
                    coming
                }
            }
        };
        coming.await
    }

    fn begin(&self, key: String, asked: BoxFuture<'static, Keep<T>>) -> Coming<T> {
        let kept = self.clone();
        let task = tokio::spawn(async move {
            // Whatever becomes of it, the next one may ask.
            let _gone = Gone(kept.clone(), key.clone());
            let keep = asked.await;
            let value = keep.value.clone();
            kept.inner().put(key, keep);
            value
        });
        async move { task.await.ok() }.boxed().shared()
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Gone<T: Clone + Send + Sync + 'static>(Kept<T>, String);

impl<T: Clone + Send + Sync + 'static> Drop for Gone<T> {
    fn drop(&mut self) {
        self.0.inner().coming.remove(&self.1);
    }
}

impl<T: Clone> Inner<T> {
    fn known(&self, key: &str) -> Option<T> {
        let known = self.known.get(key).filter(|known| known.until > Instant::now())?;
        Some(known.value.clone())
    }

    fn put(&mut self, key: String, keep: Keep<T>) {
        let Keep { value, size, lasts } = keep;
        let size = size + 2 * key.len() + 128;
        if size > self.room || lasts.is_zero() {
            return;
        }
        self.number += 1;
        let known = Known { value, size, until: Instant::now() + lasts, number: self.number };
        if let Some(before) = self.known.insert(key.clone(), known) {
            self.held -= before.size;
        }
        self.order.push_back((key, self.number));
        self.held += size;
        while self.held > self.room {
            self.forget_oldest();
        }
        if self.order.len() > 2 * self.known.len() + 64 {
            let known = &self.known;
            self.order.retain(|(key, number)| known.get(key).is_some_and(|known| known.number == *number));
        }
    }

    fn forget_oldest(&mut self) {
        let Some((key, number)) = self.order.pop_front() else { return };
        // It may have been put again since.
        if self.known.get(&key).is_some_and(|known| known.number == number)
            && let Some(gone) = self.known.remove(&key)
        {
            self.held -= gone.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    const HOUR: Duration = Duration::from_secs(3_600);

    async fn put(kept: &Kept<usize>, key: &str, value: usize, size: usize, lasts: Duration) -> Option<usize> {
        kept.get(key, || async move { Keep { value, size, lasts } }.boxed()).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_not_asked_for_until_its_time_is_over() {
        let kept = Kept::new(10_000);
        assert_eq!(put(&kept, "a", 1, 1, HOUR).await, Some(1));
        assert_eq!(put(&kept, "a", 2, 1, HOUR).await, Some(1));
        tokio::time::advance(HOUR).await;
        assert_eq!(put(&kept, "a", 3, 1, Duration::ZERO).await, Some(3));
        assert_eq!(put(&kept, "a", 4, 1, HOUR).await, Some(4), "what lasts no time is not kept");
    }

    #[tokio::test]
    async fn the_oldest_goes_where_there_is_no_room() {
        let kept = Kept::new(1_000);
        for (number, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
            put(&kept, key, number, 300, HOUR).await;
        }
        assert!(kept.inner().held <= 1_000);
        assert_eq!(put(&kept, "d", 9, 1, HOUR).await, Some(3));
        assert_eq!(put(&kept, "a", 9, 1, HOUR).await, Some(9), "it was forgotten");
        assert_eq!(put(&kept, "huge", 1, 2_000, HOUR).await, Some(1));
        assert_eq!(put(&kept, "huge", 2, 1, HOUR).await, Some(2), "too large to be kept");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_ask_once_and_who_leaves_takes_nothing_along() {
        let (kept, asked, go) = (Kept::new(10_000), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = || {
            let (asked, go) = (asked.clone(), go.clone());
            kept.get("a", move || {
                async move {
                    asked.fetch_add(1, Ordering::Relaxed);
                    go.notified().await;
                    Keep { value: 7, size: 1, lasts: HOUR }
                }
                .boxed()
            })
        };
        let mut first = ask().boxed();
        assert!(first.as_mut().now_or_never().is_none());
        let (mut second, mut third) = (ask().boxed(), ask().boxed());
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        go.notify_one();
        assert_eq!((second.await, third.await), (Some(7), Some(7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_panics_is_asked_for_again() {
        let kept = Kept::new(10_000);
        let panics = || async { if true { panic!("on purpose") } else { Keep { value: 1, size: 1, lasts: HOUR } } };
        assert_eq!(kept.get("a", || panics().boxed()).await, None);
        assert_eq!(put(&kept, "a", 2, 1, HOUR).await, Some(2));
    }
}
