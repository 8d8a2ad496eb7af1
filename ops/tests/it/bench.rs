//! The short forms of `natter bench groups`, `history`, `login`, `mixed`, `presence` and `replay`: what they check holds. Figures say nothing here.

use clap::Parser;
use natter_commands::Cost;
use natter_ops::bench::{BenchArgs, groups, history, login, mixed, node, presence, replay, view::Site};
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
    Line::parse_from(line.into_iter().chain(["--readers", "8", "--pairs", "4"])).args
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
async fn groups_are_changed_and_a_message_writes_no_more_rows_in_a_larger_one() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let mut args = arguments("groups", 0);
    args.groups.sizes = vec![5, 1_500];
    let measured = within("the scenario", BOUND, groups::measure(&args, &site(&stack), stack.dir())).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.law, Some(true), "{report:#?}");
    for (size, adds) in [(5, 0), (1_500, 1)] {
        let rows = format!("rows written, {size} members");
        let rows = report.parts.iter().find(|part| part.name == rows).expect("the report has it").value;
        assert!((1.0..4.0).contains(&rows), "{rows} rows for a message among {size}");
        let count = |what: &str| report.percentiles_us.get(&format!("{what}, {size} members")).map_or(0, |it| it.count);
        assert_eq!([count("add 1,000"), count("join"), count("role")], [adds, 40, 80], "{report:#?}");
    }
    let bytes = |size: usize| {
        let name = format!("snapshot, {size} members");
        report.parts.iter().find(|part| part.name == name).expect("the report has it").value
    };
    assert!(bytes(1_500) < 40.0, "{} bytes of the snapshot for each of many members", bytes(1_500));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_told_to_everybody_who_watches() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let mut args = arguments("presence", 0);
    args.presence = presence::PresenceArgs { people: 120, watchers: 10, watched: 20, changes: 40 };
    let measured = within("the scenario", BOUND, presence::measure(&args, &of_nodes(&stack))).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    let figure = |name: &str| report.parts.iter().find(|part| part.name == name).expect("the report has it").value;
    assert!(figure("told") > 0.0, "{report:#?}");
    // How long it took says something about this machine only.
    assert_eq!(figure("not told"), 0.0, "{report:#?}");
    assert_eq!(figure("online at the end"), figure("people online"), "{report:#?}");
    assert!(report.limit > 0.0 && report.percentiles_us["change to watcher"].count > 0, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_do_is_answered_and_told_to_everybody() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let mut args = arguments("mixed", 0);
    args.mixed = mixed::MixedArgs { connections: 40, members: 8, under_way: 8, mixed_pace: 0.3 };
    let measured = within("the scenario", BOUND, mixed::measure(&args, &of_nodes(&stack))).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.law, Some(true), "{report:#?}");
    assert!(report.value > 0.0 && report.limit > report.value, "{report:#?}");
    let count = |what: &str| report.percentiles_us.get(what).map_or(0, |it| it.count);
    for phase in ["full", "paced"] {
        let says = ["send to one", "send to a group", "read cursor", "reaction", "edit"];
        for kind in says.into_iter().chain(["page of history", "reconnect and sync", "delivery"]) {
            assert!(count(&format!("{kind}, {phase}")) > 0, "{kind}, {phase}: {report:#?}");
        }
    }
    // What was pushed of what was sent, to one or to seven.
    let (direct, group) = (count("send to one, paced"), count("send to a group, paced"));
    assert!(count("delivery, paced") > (direct + group) / 2, "{report:#?}");
}

fn of_nodes(stack: &Stack) -> node::Site {
    node::Site {
        program: natter_testkit::binary(),
        dir: stack.dir().to_owned(),
        database_url: stack.database_url().to_owned(),
        nats_url: stack.nats_url().to_owned(),
        more: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_beside_bare_hashes_and_the_door_is_measured() {
    let _alone = ALONE.lock().await;
    let stack = Stack::new().await;
    let (args, site) = (arguments("login", 0), of_nodes(&stack));
    let measured = within("the scenario", BOUND, login::measure(&args, &site, Cost::Cheap)).await;
    let report = measured.unwrap_or_else(|error| panic!("{error:#}"));
    let events = stack.event_count().await;
    // An account with its handle, and a session for each login.
    let logins = report.percentiles_us["login"].count;
    assert!(logins > 0 && events as u64 >= logins + 8, "{logins} logins, {events} events");
    assert!(report.limit > 0.0 && report.ratio > 0.0, "{report:#?}");
    for name in ["door: token check", "door: limits of any request", "door: limits that nodes share"] {
        let part = report.parts.iter().find(|part| part.name == name).expect("the report has it");
        assert!(part.value > 0.0, "{part:?}");
    }
}
