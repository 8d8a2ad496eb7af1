//! Fault points: named places at which a test kills or holds this process. Without the feature
//! `fault-points`, which no release has, reaching one does nothing.
//!
//! `NATTER_FAULTS` holds `point=action` pairs, comma separated: `kill@N` (SIGKILL when reached the Nth time),
//! `drop@N` (every Nth time [`drops`] says yes), `fail@N` ([`fails`] says yes the Nth time), `fail:/path` (it says
//! yes while that file exists), `hold:/path` (waits while that file exists). Each reaching is one line `point` in the file that `NATTER_FAULTS_LOG` names, written before anything else happens, so that a
//! test can count that its point was reached.

#[cfg(feature = "fault-points")]
pub use armed::{drops, fails, reach};

/// A place that a test may choose.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub async fn reach(_point: &'static str) {}

/// True where the test wants this one dropped.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn drops(_point: &'static str) -> bool {
    false
}

/// True where the test wants this to fail.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn fails(_point: &'static str) -> bool {
    false
}

#[cfg(feature = "fault-points")]
mod armed {
    use std::{
        collections::HashMap,
        io::Write,
        path::PathBuf,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    enum Action {
        Kill(u64),
        Drop(u64),
        FailAt(u64),
        FailWhile(PathBuf),
        Hold(PathBuf),
    }

    struct Fault {
        action: Action,
        reached: AtomicU64,
    }

    static FAULTS: LazyLock<HashMap<String, Fault>> = LazyLock::new(|| {
        let text = std::env::var("NATTER_FAULTS").unwrap_or_default();
        text.split(',').filter_map(parse).collect()
    });

    fn parse(pair: &str) -> Option<(String, Fault)> {
        let (point, action) = pair.split_once('=')?;
        let action = match action.split_once(['@', ':'])? {
            ("kill", nth) => Action::Kill(nth.parse().ok()?),
            ("drop", nth) => Action::Drop(nth.parse().ok()?),
            ("fail", path) if path.starts_with('/') => Action::FailWhile(path.into()),
            ("fail", nth) => Action::FailAt(nth.parse().ok()?),
            ("hold", path) => Action::Hold(path.into()),
            _ => return None,
        };
        Some((point.to_owned(), Fault { action, reached: AtomicU64::new(0) }))
    }

    pub async fn reach(point: &'static str) {
        let Some(fault) = FAULTS.get(point) else { return };
        note(point);
        let times = fault.reached.fetch_add(1, Ordering::SeqCst) + 1;
        match &fault.action {
            Action::Kill(nth) if *nth == times => kill(),
            Action::Hold(path) => {
                while path.exists() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Action::Kill(_) | Action::Drop(_) | Action::FailAt(_) | Action::FailWhile(_) => {}
        }
    }

    pub fn drops(point: &'static str) -> bool {
        let Some(Fault { action: Action::Drop(nth), reached }) = FAULTS.get(point) else { return false };
        let drops = (reached.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(*nth);
        if drops {
            note(point);
        }
        drops
    }

    pub fn fails(point: &'static str) -> bool {
        let Some(Fault { action, reached }) = FAULTS.get(point) else { return false };
        let times = reached.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = match action {
            Action::FailAt(nth) => *nth == times,
            Action::FailWhile(path) => path.exists(),
            Action::Kill(_) | Action::Drop(_) | Action::Hold(_) => false,
        };
        if fails {
            note(point);
        }
        fails
    }

    fn kill() -> ! {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    fn note(point: &str) {
        let Some(path) = std::env::var_os("NATTER_FAULTS_LOG") else { return };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            // In one write, so that two threads' lines do not mix.
            let _ = file.write_all(format!("{point}\n").as_bytes());
        }
    }
}
