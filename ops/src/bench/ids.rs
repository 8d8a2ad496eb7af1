//! UUIDv7 per second on one and two threads, beside what the machine needs at least for a rising number with a time
//! in it: a clock read and an atomic add. The law: rising within the process, over all threads.

use super::{
    machine,
    report::{Part, Report},
};
use anyhow::Result;
use indicatif::ProgressBar;
use std::{
    collections::BTreeMap,
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};
use uuid::Uuid;

const ROUND: Duration = Duration::from_millis(500);
const ROUNDS: u32 = 4;
const CHECKED: usize = 200_000;

pub fn run() -> Result<Report> {
    let begin = Instant::now();
    let progress = ProgressBar::new(4 * u64::from(ROUNDS)).with_message("ids");
    let mut rates = [[0f64; 2]; 2];
    for _ in 0..ROUNDS {
        for threads in [1, 2] {
            // In turn, so that a change of the machine's speed meets both.
            rates[0][threads - 1] += rate(threads, || {
                black_box(natter_streams::id::new());
            });
            progress.inc(1);
            rates[1][threads - 1] += rate(threads, clock_and_add);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let [ours, raw] = rates.map(|pair| pair.map(|sum| sum / f64::from(ROUNDS)));
    let parts =
        vec![Part::of("one thread", ours[0], "ids/s", raw[0]), Part::of("two threads", ours[1], "ids/s", raw[1])];
    let rising = rising_on_one_thread() && unique_on_two_threads();
    Ok(Report {
        scenario: "ids",
        value: ours[0],
        unit: "ids/s",
        limit: raw[0],
        limit_name: "clock reads with an atomic add/s",
        ratio: (ours[0] / raw[0]).min(ours[1] / raw[1]),
        aim: 0.05,
        parts,
        server_cpu_us_per_op: None,
        percentiles_us: BTreeMap::new(),
        duration_s: begin.elapsed().as_secs_f64(),
        machine: machine::describe(Path::new(".")),
        commit: machine::commit(),
        law: Some(rising),
    })
}

#[expect(clippy::disallowed_methods, reason = "the clock is what is measured")]
fn clock_and_add() {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    black_box((SystemTime::now(), NUMBER.fetch_add(1, Ordering::Relaxed)));
}

/// Calls per second of all threads together.
fn rate(threads: usize, call: impl Fn() + Sync) -> f64 {
    let one = || {
        let (begin, mut calls) = (Instant::now(), 0u64);
        while begin.elapsed() < ROUND {
            for _ in 0..1_000 {
                call();
            }
            calls += 1_000;
        }
        calls as f64 / begin.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

fn rising_on_one_thread() -> bool {
    let ids: Vec<Uuid> = (0..CHECKED).map(|_| natter_streams::id::new()).collect();
    ids.windows(2).all(|pair| pair[0] < pair[1])
}

/// Each thread sees rising ids, and no id comes twice.
fn unique_on_two_threads() -> bool {
    let make = || (0..CHECKED).map(|_| natter_streams::id::new()).collect::<Vec<Uuid>>();
    let lists: Vec<Vec<Uuid>> = std::thread::scope(|scope| {
        let running = [scope.spawn(make), scope.spawn(make)];
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let rising = lists.iter().all(|ids| ids.windows(2).all(|pair| pair[0] < pair[1]));
    let mut all = lists.concat();
    all.sort_unstable();
    all.dedup();
    rising && all.len() == 2 * CHECKED
}
