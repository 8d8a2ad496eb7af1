//! The short form of `natter bench chaos`: some thousand messages, a dozen faults and three: every kind once at the least. The
//! schedule is printed; `NATTER_TEST_CHAOS_SEED` draws another one.

use natter_ops::bench::chaos::{self, Options, Wanted};
use natter_testkit::{client::new_id, within};
use std::{path::PathBuf, time::Duration};

const SENDS: u64 = 3_000;
/// Three ways to hurt PostgreSQL, NATS and each role.
const FAULTS: usize = 15;
const NODES: [&str; 6] = ["edge", "edge", "commands", "commands", "projections", "projections"];
const SEED: u64 = 2_026;
/// Ten times what it takes on two cores that others use too.
const BOUND: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_reordered_whatever_is_hurt() {
    let dir = variable("NATTER_TEST_DIR").map(PathBuf::from).expect("NATTER_TEST_DIR is not set: run ./ops/test");
    let dir = dir.join(format!("chaos-{}", new_id().simple()));
    std::fs::create_dir_all(&dir).expect("make a directory");
    let options = Options {
        program: natter_testkit::binary(),
        dir,
        sends: SENDS,
        seed: variable("NATTER_TEST_CHAOS_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(SEED),
        faults: FAULTS,
        wanted: Wanted::default(),
        nodes: NODES.map(str::to_owned).to_vec(),
        pairs: 8,
        settings: chaos::settings(Some(4)),
        bound: Duration::from_secs(120),
    };
    let ran = within("the chaos", BOUND, chaos::run(&options, &|line| println!("{line}"))).await;
    let outcome = ran.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(outcome.acknowledged >= SENDS, "{} acknowledged", outcome.acknowledged);
    assert_eq!(outcome.recoveries.len(), FAULTS);
    assert_eq!(outcome.verdict.compared, 2 * outcome.acknowledged, "both members' histories");
    assert!(outcome.verdict.is_clean(), "{}", outcome.verdict);
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
