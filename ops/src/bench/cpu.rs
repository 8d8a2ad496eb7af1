//! CPU time of processes, from `/proc`: what a message costs the servers, whoever shares their cores.

use crate::servers::Servers;
use std::{collections::BTreeMap, fs};

/// Whose time counts.
#[derive(Clone, Default, Debug)]
pub struct Whose {
    pub natter: Vec<u32>,
    /// The first process of PostgreSQL; its children count too. Unknown: every PostgreSQL of this machine.
    pub postgres: Option<u32>,
    /// Unknown: every nats-server of this machine.
    pub nats: Option<u32>,
}

impl Whose {
    /// Private servers, and who serves on them.
    pub fn on(servers: &Servers, natter: Vec<u32>) -> Self {
        Self { natter, postgres: servers.postgres_pid(), nats: servers.nats_pid() }
    }

    fn part(&self, process: &Process) -> Option<&'static str> {
        let is = |pid: Option<u32>| pid.is_none_or(|pid| pid == process.pid);
        match process.name.as_str() {
            _ if self.natter.contains(&process.pid) => Some("natter"),
            "postgres" if is(self.postgres) || self.postgres == Some(process.parent) => Some("postgresql"),
            "nats-server" if is(self.nats) => Some("nats"),
            // Ours, and no server: they play the clients.
            "natter" if process.parent == std::process::id() => Some("load clients"),
            _ => None,
        }
    }
}

/// CPU microseconds by the part a process plays.
pub fn by_part(whose: &Whose) -> BTreeMap<String, u64> {
    let mut parts = BTreeMap::new();
    for process in processes() {
        let Some(part) = whose.part(&process) else { continue };
        *parts.entry(part.to_owned()).or_insert(0) += process.micros;
    }
    parts
}

/// `after` - `before`, per operation.
pub fn per_operation(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    operations: u64,
) -> BTreeMap<String, f64> {
    let spent = |part: &str, now: u64| now.saturating_sub(before.get(part).copied().unwrap_or(0));
    after.iter().map(|(part, &now)| (part.clone(), spent(part, now) as f64 / operations.max(1) as f64)).collect()
}

/// Adds what was spent since `before`.
pub fn add_spent(spent: &mut BTreeMap<String, u64>, before: &BTreeMap<String, u64>, whose: &Whose) {
    for (part, micros) in by_part(whose) {
        let more = micros.saturating_sub(before.get(&part).copied().unwrap_or(0));
        *spent.entry(part).or_insert(0) += more;
    }
}

#[derive(PartialEq, Debug)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    micros: u64,
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// The children of a process.
pub fn children(of: u32) -> Vec<u32> {
    processes().into_iter().filter(|process| process.parent == of).map(|process| process.pid).collect()
}

/// `pid (name) state ppid ...`: user and system time, and those of children that have ended, in ticks of 10 ms.
fn parse(stat: &str) -> Option<Process> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (pid, name) = head.split_once(" (")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let (pid, parent) = (pid.parse().ok()?, fields.get(1)?.parse().ok()?);
    Some(Process { pid, parent, name: name.to_owned(), micros: ticks * 10_000 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194304 100 0 0 0 7 3 2 1 20 0 4 0";
        let process = Process { pid: 42, parent: 7, name: "a) b".to_owned(), micros: 130_000 };
        assert_eq!(parse(line), Some(process));
    }

    #[test]
    fn another_server_on_this_machine_does_not_count() {
        let of = |pid, parent, name: &str| Process { pid, parent, name: name.to_owned(), micros: 1 };
        let ours = Whose { natter: vec![5], postgres: Some(10), nats: Some(20) };
        let part = |process: Process| ours.part(&process);
        assert_eq!(part(of(10, 1, "postgres")), Some("postgresql"));
        assert_eq!(part(of(11, 10, "postgres")), Some("postgresql"));
        assert_eq!(part(of(31, 30, "postgres")), None);
        assert_eq!(part(of(21, 1, "nats-server")), None);
        assert_eq!(part(of(5, 1, "natter")), Some("natter"));
        assert_eq!(Whose::default().part(&of(31, 30, "postgres")), Some("postgresql"));
    }
}
