//! The one place that reads the wall clock, and the handle for those whom a test tells what time it is.
//!
//! With the feature `fault-points`, which no release has, a test moves the clock of a running process: the variable
//! `NATTER_CLOCK` names a file that holds an offset in seconds. No such file means none.

use natter_domain::Timestamp;
use std::{fmt, sync::Arc};

#[cfg(not(feature = "fault-points"))]
pub fn now() -> Timestamp {
    wall()
}

#[cfg(feature = "fault-points")]
pub use shifted::now;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall() -> Timestamp {
    time::OffsetDateTime::now_utc().into()
}

/// What time it is. A cheap handle.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock of the caller's.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// The wall clock.
impl Default for Clock {
    fn default() -> Self {
        Self::new(now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[cfg(feature = "fault-points")]
mod shifted {
    use natter_domain::Timestamp;
    use std::{
        path::{Path, PathBuf},
        sync::{
            LazyLock,
            atomic::{AtomicI64, Ordering},
        },
    };

    static FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("NATTER_CLOCK").map(PathBuf::from));
    /// The seconds that the file held when it was last read.
    static LAST: AtomicI64 = AtomicI64::new(0);

    pub fn now() -> Timestamp {
        let now = super::wall();
        FILE.as_ref().map_or(now, |file| Timestamp::from_millis(now.as_millis() + offset(file) * 1_000))
    }

    /// Read each time: what a test does after it has moved the clock happens after that. A file that cannot be read
    /// keeps the last one.
    fn offset(file: &Path) -> i64 {
        let seconds = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
        match seconds {
            Some(seconds) => {
                LAST.store(seconds, Ordering::Relaxed);
                seconds
            }
            None => LAST.load(Ordering::Relaxed),
        }
    }
}
