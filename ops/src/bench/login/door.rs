//! What the door costs a request, in microseconds of one thread.

use super::super::report::Part;
use anyhow::{Result, ensure};
use natter_edge::door::Probe;
use natter_streams::bus::Bus;
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_millis(200);
const ROUNDS: usize = 5;
/// Callers in turn, each with buckets of its own.
const PEOPLE: u32 = 50_000;

/// Of each the median of some rounds.
pub struct Door {
    token: f64,
    limits: f64,
    together: f64,
}

impl Door {
    pub async fn measure(nats_url: &str) -> Result<Self> {
        let probe = Probe::new(&Bus::connect(nats_url).await?);
        let [mut token, mut limits, mut together] = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            token.push(micros(async |_| probe.token()).await?);
            limits.push(micros(async |number| probe.limits(number).await).await?);
            together.push(micros(async |number| probe.together(number).await).await?);
        }
        Ok(Self { token: median(token), limits: median(limits), together: median(together) })
    }

    pub fn parts(&self) -> Vec<Part> {
        vec![
            Part::alone("door: token check", self.token, "us"),
            Part::alone("door: limits of any request", self.limits, "us"),
            Part::alone("door: limits that nodes share", self.together, "us, over NATS"),
        ]
    }
}

/// Of one call.
async fn micros(mut call: impl AsyncFnMut(u32) -> bool) -> Result<f64> {
    let (begin, mut calls) = (Instant::now(), 0_u32);
    while begin.elapsed() < ROUND {
        for _ in 0..10 {
            ensure!(call(calls % PEOPLE).await, "the door refuses who is to be let in");
            calls += 1;
        }
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
