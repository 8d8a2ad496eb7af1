//! The rules' file, read again when it changes. What cannot be used is told, and the last good rules hold.

use super::{
    rules::Rules,
    source::{self, Error},
};
use crate::metrics;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

/// How often it is asked whether the file is another: one question to the file system.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The rules as they are now. A cheap handle.
#[derive(Clone, Debug)]
pub struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    first: Option<Mark>,
    rules: RwLock<Arc<Rules>>,
}

/// By which a file is told from what it was.
type Mark = (SystemTime, u64, u64);

fn mark(path: &Path) -> Option<Mark> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}

impl Watched {
    /// Fails where they cannot be used: a start with broken rules is none.
    pub async fn read(path: &Path) -> Result<Self, Error> {
        // Before the file is read: a change meanwhile is seen as one.
        let first = mark(path);
        let rules = RwLock::new(Arc::new(read(path).await?));
        Ok(Self(Arc::new(Inner { path: path.to_owned(), first, rules })))
    }

    pub fn now(&self) -> Arc<Rules> {
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the file for as long as it is polled.
    pub async fn watch(self) {
        self.count();
        let mut seen = self.0.first;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let path = self.0.path.clone();
            let found = spawn_blocking(move || mark(&path)).await.ok().flatten();
            if found != seen {
                seen = found;
                self.take(read(&self.0.path).await);
            }
        }
    }

    fn take(&self, read: Result<Rules, Error>) {
        metrics::rules_read(read.is_ok());
        match read {
            Ok(rules) => {
                *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
                self.count();
                tracing::info!(path = %self.0.path.display(), "other rules");
            }
            Err(error) => tracing::error!(%error, "the rules cannot be used: the last ones hold"),
        }
    }

    fn count(&self) {
        let rules = self.now();
        metrics::rules(rules.all.len(), rules.word_count(), rules.pattern_count());
    }
}

async fn read(path: &Path) -> Result<Rules, Error> {
    let owned = path.to_owned();
    let read = spawn_blocking(move || source::read(&owned)).await;
    read.unwrap_or_else(|failed| {
        Err(Error::Wrong { path: path.display().to_string(), wrong: format!("reading it ended: {failed}") })
    })
}
