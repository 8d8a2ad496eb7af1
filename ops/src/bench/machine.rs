//! Where a figure was measured.

use serde::Serialize;
use std::{fmt, fs, io::Write, os::fd::AsFd, path::Path, process::Command, time::Instant};

#[derive(Serialize, Clone, Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    /// Median of an append of 4 KiB with fdatasync, just now.
    pub fdatasync_us: u64,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, fdatasync_us } = self;
        write!(f, "{cores} cores {cpu}, {memory_gib} GiB, {kernel}, fdatasync {fdatasync_us} us")
    }
}

/// `folder`: on the disk that counts.
pub fn describe(folder: &Path) -> Machine {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let kilobytes: u64 = line("/proc/meminfo", "MemTotal").split(' ').next().unwrap_or("").parse().unwrap_or(0);
    Machine {
        cpu: line("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gib: kilobytes >> 20,
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        fdatasync_us: fdatasync(folder).unwrap_or(0),
    }
}

fn fdatasync(folder: &Path) -> std::io::Result<u64> {
    let path = folder.join(format!("fdatasync-{}", std::process::id()));
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..50 {
        file.write_all(&[7; 4096])?;
        let begin = Instant::now();
        rustix::fs::fdatasync(file.as_fd())?;
        times.push(begin.elapsed().as_micros() as u64);
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// The commit of the working tree, if this is one.
pub fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
