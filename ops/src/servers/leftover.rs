//! What an earlier run left alive, after a kill -9 of all or a part of it.
//!
//! A pid file is not believed: its number may be a stranger's by now. A process is ours when the kernel says so: its
//! program has the right name and its working directory lies in ours (PostgreSQL moves into its data directory, with
//! every one of its processes; nats-server is started in its own). It is held by a pidfd before that is checked, so
//! that the signal cannot reach whoever gets its number next.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long a left over server may take to end in order; PostgreSQL writes a checkpoint.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_AFTER_KILL: Duration = Duration::from_secs(10);

pub struct Leftover {
    pub pid: i32,
    handle: OwnedFd,
}

/// Every process of one of `programs` that works in `home` or below.
pub fn find(home: &Path, programs: &[&str]) -> Vec<Leftover> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some(Leftover { pid, handle: pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()? }))
        .filter(|process| works_in(process.pid, home, programs))
        .collect()
}

/// Ends them: asked first, by the signal that `gentle` names for each, then killed. Returns when none is left.
pub async fn end(home: &Path, programs: &[&str], gentle: impl Fn(i32) -> Signal) -> Result<()> {
    for process in find(home, programs) {
        process.signal(gentle(process.pid));
        // One that was stopped hears nothing else.
        process.signal(Signal::CONT);
    }
    if all_gone(home, programs, PATIENCE).await {
        return Ok(());
    }
    for process in find(home, programs) {
        process.signal(Signal::KILL);
    }
    if !all_gone(home, programs, PATIENCE_AFTER_KILL).await {
        let pids: Vec<i32> = find(home, programs).iter().map(|process| process.pid).collect();
        bail!("processes {pids:?} of an earlier run in {} do not end", home.display());
    }
    Ok(())
}

impl Leftover {
    /// One that is gone already needs no signal.
    fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.handle, signal);
    }
}

async fn all_gone(home: &Path, programs: &[&str], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !find(home, programs).is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// Unreadable links belong to others, or to a process that has ended and is waited for: neither is ours to end.
fn works_in(pid: i32, home: &Path, programs: &[&str]) -> bool {
    let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}"));
    let (Ok(cwd), Ok(exe)) = (link("cwd"), link("exe")) else { return false };
    cwd.starts_with(home)
        && exe.file_name().and_then(OsStr::to_str).is_some_and(|name| programs.contains(&without_mark(name)))
}

/// The kernel marks a program whose file was replaced since, by an upgrade for example.
fn without_mark(name: &str) -> &str {
    name.strip_suffix(" (deleted)").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[tokio::test]
    async fn only_the_named_program_in_the_directory_is_ended() {
        let home = std::env::temp_dir().join(format!("natter-leftover-{}", std::process::id()));
        std::fs::create_dir_all(home.join("data")).unwrap();
        let home = home.canonicalize().unwrap();
        let server = home.join("server");
        std::fs::copy("/bin/sleep", &server).unwrap();
        let start = |program: &Path, dir: &Path| {
            Command::new(program).arg("60").current_dir(dir).stdin(Stdio::null()).spawn().unwrap()
        };
        let mut ours = start(&server, &home.join("data"));
        let mut elsewhere = start(&server, Path::new("/"));
        let mut other_program = start(Path::new("/bin/sleep"), &home);

        // A process shows its program only once exec is through.
        while find(&home, &["server"]).is_empty() {
            tokio::task::yield_now().await;
        }
        let waiter = std::thread::spawn(move || ours.wait().unwrap());
        end(&home, &["server"], |_| Signal::TERM).await.unwrap();
        assert!(!waiter.join().unwrap().success(), "ended by the signal");
        for stranger in [&mut elsewhere, &mut other_program] {
            assert!(stranger.try_wait().unwrap().is_none(), "a stranger was ended");
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
        std::fs::remove_dir_all(&home).unwrap();
    }
}
