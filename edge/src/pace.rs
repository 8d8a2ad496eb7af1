//! A connection whose client keeps a pace. Once a request's head has begun it has a time to come whole, however its bytes
//! are dripped; what we have to say must be taken before another time is over. Hyper has one time for waiting and
//! head together, and none for writing.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep, sleep},
};

/// What a connection tells of the heads that it reads. A cheap handle.
#[derive(Clone, Default)]
pub struct Heads(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Even: one is waited for; odd: it has begun, or is there.
    number: AtomicU64,
    /// Of a head that has begun and is there.
    whole: AtomicU64,
    begun: Notify,
}

impl Heads {
    /// Bytes came.
    fn heard(&self) {
        let number = self.0.number.load(Ordering::Relaxed);
        if number.is_multiple_of(2) {
            self.0.number.store(number + 1, Ordering::Relaxed);
            self.0.begun.notify_one();
        }
    }

    /// The head is there: its request begins.
    pub fn came(&self) {
        self.heard();
        self.0.whole.store(self.0.number.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Its request was answered: what comes next is another head.
    pub fn answered(&self) {
        self.0.number.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves where a head that has begun is not whole within `patience`.
    pub async fn slow(&self, patience: Duration) {
        loop {
            self.0.begun.notified().await;
            let number = self.0.number.load(Ordering::Relaxed);
            sleep(patience).await;
            let is_same = self.0.number.load(Ordering::Relaxed) == number;
            if is_same && number % 2 == 1 && self.0.whole.load(Ordering::Relaxed) != number {
                return;
            }
        }
    }
}

pub struct Paced<S> {
    stream: S,
    heads: Heads,
    stall: Duration,
    /// When we give up, since the client takes nothing.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub fn new(stream: S, heads: Heads, stall: Duration) -> Self {
        Self { stream, heads, stall, patience: None }
    }

    /// What a write came to; an error once it has waited too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.patience = None;
            return outcome;
        }
        let stall = self.stall;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(patience.as_mut().poll(cx));
        // A later poll waits anew: nobody polls a sleep that is over.
        patience.as_mut().reset(Instant::now() + stall);
        crate::metrics::slow("write");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.heads.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::{
        io::{AsyncWriteExt, duplex},
        time::timeout,
    };

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn pass(time: Duration) {
        let _ = timeout(time, std::future::pending::<()>()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_has_its_time_whatever_came_of_it() {
        let heads = Heads::default();
        let begun = Instant::now();
        heads.heard();
        let mut slow = Box::pin(heads.slow(PATIENCE));
        assert!((&mut slow).now_or_never().is_none());
        heads.heard();
        slow.await;
        assert!(begun.elapsed() >= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn heads_that_come_whole_may_be_followed_by_silence() {
        let heads = Heads::default();
        let watching = async {
            for _ in 0..3 {
                heads.heard();
                heads.came();
                pass(PATIENCE * 3).await;
                heads.answered();
                pass(PATIENCE * 3).await;
            }
        };
        tokio::select! {
            () = heads.slow(PATIENCE) => panic!("none of them was slow"),
            () = watching => {}
        }
        heads.heard();
        heads.slow(PATIENCE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (ours, theirs) = duplex(16);
        let mut paced = Paced::new(ours, Heads::default(), PATIENCE);
        let error = paced.write_all(&[0; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
