//! The `natter` binary: one subcommand per module of `natter_ops`.

use clap::Parser;
use natter_ops::{
    accounts, bench, demo, door, keys, moderation, projections, run, sealing, serve, streams, tracing, with_servers,
};
use std::process::ExitCode;

/// A message's way makes some hundred small allocations, many freed on the other core: the system's allocator took a
/// sixth of the server's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An event-sourced instant-messaging server.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Start private servers as needed, apply migrations, serve
    Run(run::RunArgs),
    /// Serve on a PostgreSQL and a NATS server that somebody else runs
    Serve(serve::ServeArgs),
    /// Two people meet on a running server and talk
    Demo(demo::DemoArgs),
    /// Measure a scenario beside its raw limit; `natter bench list` names them
    Bench(bench::BenchArgs),
    /// Check the log, or follow it
    Streams(streams::StreamsArgs),
    /// Build read models anew beside those that are read, compare, switch; what projectors have set aside
    Projections(projections::ProjectionsArgs),
    /// Mute, suspend and restore people; give them all that is held on them
    Accounts(accounts::AccountsArgs),
    /// Messages that wait for somebody who looks at them
    Moderation(moderation::ModerationArgs),
    /// Addresses that are let in or not
    Door(door::DoorArgs),
    /// The keys behind what is sealed: another master key, erasing a person
    Sealing(sealing::SealingArgs),
    /// Keys with which other servers sign their requests
    Keys(keys::KeysArgs),
    /// Run a command beside private servers in a fresh directory, and end with its exit code
    WithServers(with_servers::WithServersArgs),
    /// A load process of a benchmark
    #[command(hide = true)]
    BenchLoad(bench::LoadArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing::start();
    let outcome = match Command::parse() {
        Command::Run(args) => run::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Serve(args) => serve::serve_until_told(args).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::demo(args).await.map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::bench(args).await,
        Command::Streams(args) => streams::streams(args).await,
        Command::Projections(args) => projections::projections(args).await,
        Command::Accounts(args) => accounts::accounts(args).await,
        Command::Moderation(args) => moderation::moderation(args).await,
        Command::Door(args) => door::door(args).await,
        Command::Sealing(args) => sealing::sealing(args).await,
        Command::Keys(args) => keys::keys(args).await,
        Command::WithServers(args) => with_servers::with_servers(args).await,
        Command::BenchLoad(args) => bench::load(args).await.map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        // The chain of causes on one line, and no backtrace: an operator's mistake is the usual reason.
        eprintln!("natter: {error:#}");
        ExitCode::FAILURE
    })
}
