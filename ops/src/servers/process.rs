//! A child that is watched: started with its output in a file, waited for from the first moment, ended by signals in
//! steps.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::{oneshot, watch};

/// From here on a log is put aside when its server starts; the one before goes.
const LOG_LIMIT: u64 = 4 << 20;
/// Lines of the log that a failure shows.
const LOG_TAIL: usize = 12;

pub struct Process {
    name: &'static str,
    pid: u32,
    /// Signals go through it: the number alone could be a stranger's once the process was waited for.
    handle: OwnedFd,
    exit: watch::Receiver<Option<ExitStatus>>,
    log: Log,
    gentle: Signal,
}

/// What one start of a server wrote: its file, and where it began.
struct Log {
    path: PathBuf,
    begin: u64,
}

impl Process {
    /// `gentle` is the signal that asks it to end in order.
    pub async fn start(name: &'static str, mut command: Command, log: &Path, gentle: Signal) -> Result<Process> {
        let (file, log) = Log::open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone().context("share log")?).stderr(file);
        // A group of its own: an interrupt from the terminal is for us, we end the servers in order.
        command.process_group(0);
        let child = spawn(command).await.with_context(|| format!("start {name}"))?;
        let pid = child.id();
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).context("pid out of range")?;
        let handle = pidfd_open(number, PidfdFlags::empty()).with_context(|| format!("hold {name}"))?;
        Ok(Process { name, pid, handle, exit: watch_exit(child), log, gentle })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Waits for the end of a program that is to end by itself.
    pub async fn finished(&self) -> Result<()> {
        let mut exit = self.exit.clone();
        let success =
            exit.wait_for(Option::is_some).await.is_ok_and(|status| status.is_some_and(|status| status.success()));
        if !success {
            bail!("{} failed:\n{}", self.name, tail(&self.output()));
        }
        Ok(())
    }

    /// What it wrote since it was started.
    pub fn output(&self) -> String {
        self.log.read()
    }

    /// Waits until it ends, however long that takes; the answer is for people.
    pub async fn died(&self) -> anyhow::Error {
        let how = match self.exit.clone().wait_for(Option::is_some).await {
            Ok(status) => status.map(|status| status.to_string()).unwrap_or_default(),
            Err(_) => "unknown end".to_owned(),
        };
        anyhow!(
            "{} ended by itself ({how}); the last it wrote to {}:\n{}",
            self.name,
            self.log.path.display(),
            tail(&self.output())
        )
    }

    /// Sends the gentle signal and waits; then each harder step.
    pub async fn stop(&self, patience: Duration, harder: &[Signal]) -> Result<()> {
        self.signal(self.gentle);
        if self.ends_within(patience).await {
            return Ok(());
        }
        for signal in harder {
            self.signal(*signal);
            if self.ends_within(Duration::from_secs(10)).await {
                return Ok(());
            }
        }
        bail!("{} with pid {} does not end", self.name, self.pid)
    }

    fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            let _ = pidfd_send_signal(&self.handle, signal);
        }
    }

    async fn ends_within(&self, patience: Duration) -> bool {
        let mut exit = self.exit.clone();
        tokio::time::timeout(patience, exit.wait_for(Option::is_some)).await.is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.gentle);
    }
}

impl Log {
    fn open(path: &Path) -> Result<(File, Log)> {
        if path.metadata().is_ok_and(|found| found.len() > LOG_LIMIT) {
            std::fs::rename(path, path.with_extension("old"))
                .with_context(|| format!("put {} aside", path.display()))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("open {}", path.display()))?;
        let begin = file.seek(SeekFrom::End(0)).with_context(|| format!("find the end of {}", path.display()))?;
        Ok((file, Log { path: path.to_owned(), begin }))
    }

    fn read(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.path) {
            let _ = file.seek(SeekFrom::Start(self.begin)).and_then(|_| file.read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The last lines of a server's output, for a failure's message.
pub fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}

type Order = (Command, oneshot::Sender<std::io::Result<Child>>);

/// Starts children from one thread that lives as long as we do: "signal me when my parent dies" means the *thread* that
/// started the child, and a thread of the runtime's blocking pool ends when it has nothing to do.
async fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, received) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in received {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = oneshot::channel();
    let gone = |_| std::io::Error::other("the thread that starts servers is gone");
    spawner.send((command, answer)).map_err(|_| gone(()))?;
    child.await.map_err(|_| gone(()))?
}

fn watch_exit(mut child: Child) -> watch::Receiver<Option<ExitStatus>> {
    let (tell, exit) = watch::channel(None);
    std::thread::spawn(move || {
        if let Ok(status) = child.wait() {
            let _ = tell.send(Some(status));
        }
    });
    exit
}
