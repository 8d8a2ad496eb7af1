//! Building a generation, with a bar that says how fast and how long still. Ctrl-C ends it between two batches.

use crate::signals;
use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use natter_projections::{
    Store,
    generation::{Compared, Entry, Meter, Operator, Outcome, Pace},
};
use std::{process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

const DRAW_EVERY: Duration = Duration::from_millis(200);
const BAR: &str = "{msg:<22} {wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";

#[derive(Args, Clone, Debug)]
pub struct PaceArgs {
    /// Of a hundred: how much of the time the building may take. Less while live projections lag
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
}

/// What the steps of a building have in common.
struct Work {
    pace: Pace,
    meter: Meter,
    stop: CancellationToken,
}

impl Work {
    fn begin(pace: &PaceArgs) -> Result<Self> {
        Ok(Self { pace: Pace::new(pace.share), meter: Meter::default(), stop: signals::stop_on_signal()? })
    }

    /// Shows the bar while the step is under way.
    async fn shown<T>(&self, what: &'static str, step: impl Future<Output = T>) -> T {
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(0).with_style(style).with_message(what);
        let (begun, _) = self.meter.read();
        bar.set_position(begun);
        bar.reset_eta();
        let drawing = async {
            loop {
                let (passed, whole) = self.meter.read();
                bar.set_length(whole);
                bar.set_position(passed);
                tokio::time::sleep(DRAW_EVERY).await;
            }
        };
        tokio::select! {
            done = step => {
                bar.finish_and_clear();
                done
            }
            never = drawing => never,
        }
    }

    async fn catch_up(&self, operator: &Operator, entry: &Entry) -> Result<Outcome<()>> {
        let step = operator.catch_up(entry, &self.pace, &self.meter, &self.stop);
        Ok(self.shown("building", step).await?)
    }

    async fn compare(&self, operator: &Operator, entry: &Entry) -> Result<Outcome<Compared>> {
        let step = operator.compare(entry, &self.pace, &self.meter, &self.stop);
        Ok(self.shown("comparing", step).await?)
    }
}

pub async fn rebuild(operator: &Operator, store: Store, shadow: bool, pace: &PaceArgs) -> Result<ExitCode> {
    let work = Work::begin(pace)?;
    let entry = operator.shadow(store).await?;
    println!("{}: building from the log", entry.reader());
    let Outcome::Done(()) = work.catch_up(operator, &entry).await? else { return Ok(stopped(&entry)) };
    println!("{}: caught up, comparing", entry.reader());
    let Outcome::Done(compared) = work.compare(operator, &entry).await? else { return Ok(stopped(&entry)) };
    let code = told(&entry, &compared);
    if shadow || !compared.is_same() {
        return Ok(code);
    }
    switched(operator, &entry, &work, false).await
}

pub async fn compare(operator: &Operator, pace: &PaceArgs) -> Result<ExitCode> {
    let work = Work::begin(pace)?;
    let entry = operator.other().await?;
    let Outcome::Done(compared) = work.compare(operator, &entry).await? else { return Ok(stopped(&entry)) };
    Ok(told(&entry, &compared))
}

pub async fn switch(operator: &Operator, unchecked: bool, pace: &PaceArgs) -> Result<ExitCode> {
    let work = Work::begin(pace)?;
    let entry = operator.other().await?;
    switched(operator, &entry, &work, unchecked).await
}

/// Once more near the heads: comparing took its time.
async fn switched(operator: &Operator, entry: &Entry, work: &Work, unchecked: bool) -> Result<ExitCode> {
    let Outcome::Done(()) = work.catch_up(operator, entry).await? else { return Ok(stopped(entry)) };
    operator.switch(entry, unchecked).await?;
    println!(
        "{}: live, which every node learns within a second; the one before is kept until it is dropped",
        entry.reader()
    );
    Ok(ExitCode::SUCCESS)
}

fn stopped(entry: &Entry) -> ExitCode {
    println!("{}: stopped; the same command goes on from here", entry.reader());
    ExitCode::FAILURE
}

/// Success where both are the same.
fn told(entry: &Entry, compared: &Compared) -> ExitCode {
    for (lane, count) in &compared.lanes {
        let verdict = if count.live == count.shadow { "the same" } else { "NOT the same" };
        println!(
            "lane {lane} at {}: live {} rows, sum {:016x}; {} {} rows, sum {:016x}: {verdict}",
            count.position,
            count.live.rows,
            count.live.checksum,
            entry.reader(),
            count.shadow.rows,
            count.shadow.checksum
        );
    }
    for difference in &compared.differences {
        println!("{difference}");
    }
    if compared.is_cut {
        println!("and more");
    }
    if compared.is_same() {
        println!("{}: the same as what is live", entry.reader());
        return ExitCode::SUCCESS;
    }
    println!(
        "{}: not the same as what is live. Built from the log, it is right unless it was altered since: \
         `switch --unchecked` takes it, `drop` throws it away",
        entry.reader()
    );
    ExitCode::FAILURE
}
