//! CPU time of processes, from `/proc`: what a message costs the servers, whoever shares their cores.

use std::{collections::BTreeMap, fs};

/// CPU microseconds of every process by the part it plays, found by name.
pub fn by_part(serving: Option<u32>) -> BTreeMap<String, u64> {
    let mut parts = BTreeMap::new();
    for (pid, name, micros) in processes() {
        let part = match name.as_str() {
            "natter" if Some(pid) == serving => "natter",
            "postgres" => "postgresql",
            "nats-server" => "nats",
            _ => continue,
        };
        *parts.entry(part.to_owned()).or_insert(0) += micros;
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

fn processes() -> Vec<(u32, String, u64)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, micros) = parse(&stat)?;
        Some((pid, name, micros))
    })
    .collect()
}

/// `pid (name) state ppid ...`: user and system time, and those of children that have ended, in ticks of 10 ms.
fn parse(stat: &str) -> Option<(String, u64)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((name, ticks * 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 7 3 2 1 20 0 4 0";
        assert_eq!(parse(line), Some(("a) b".to_owned(), 130_000)));
    }
}
