//! The short forms of `natter bench history` and `natter bench replay`: what they check holds. Figures say nothing here.

use clap::Parser;
use natter_ops::bench::{BenchArgs, history, replay, view::Site};
use natter_projections::Store;
use natter_testkit::{Stack, within};
use std::time::Duration;
use tokio::sync::Mutex;

/// Ten times what one takes on two cores that others use too.
const BOUND: Duration = Duration::from_secs(300);

/// Scenarios go by the counters of their process: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: BenchArgs,
}

fn arguments(scenario: &str, count: usize) -> BenchArgs {
    let count = count.to_string();
    let line = ["natter", scenario, "--count", &count, "--groups", "20", "--lanes", "4", "--seconds", "3"];
    Line::parse_from(line.into_iter().chain(["--readers", "8"])).args
}

fn site(stack: &Stack) -> Site {
    Site {
        database_url: stack.database_url().to_owned(),
        nats_url: stack.nats_url().to_owned(),
        store: Store::Postgres,
        cluster: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_read_right_while_it_grows() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let args = arguments("history", 3_000);
    let measured = within("the scenario", BOUND, history::measure(&args, &site(&stack), stack.dir())).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.law, Some(true), "{report:#?}");
    let figure = |name: &str| report.parts.iter().find(|part| part.name == name).expect("the report has it").value;
    assert!(figure("messages sent meanwhile") > 0.0 && figure("pages") > 0.0, "{report:#?}");
    assert!(report.percentiles_us["page"].count > 0 && report.percentiles_us["page, the bare select"].count > 0);
    assert!(figure("hot pages per read of the store (aim 10)") > 1.0, "readers share: {report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_anew_is_the_same_while_people_send() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let args = arguments("replay", 4_000);
    let measured = within("the scenario", BOUND, replay::measure(&args, &site(&stack), stack.dir())).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.law, Some(true), "{report:#?}");
    for name in ["relations: rows compared", "history: rows compared"] {
        let rows = report.parts.iter().find(|part| part.name == name).expect("the report has it").value;
        assert!(rows > 100.0, "{name}: {rows}");
    }
    assert!(report.percentiles_us.values().all(|times| times.count > 0), "somebody sent all the while: {report:#?}");
}
