//! What a scenario found: for people as lines, for programs as one JSON object.

use super::machine;
use anyhow::{Context, Result};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// `ratio` is better when larger: ours / raw for rates, raw / ours for times and bytes.
#[derive(Serialize, Clone, Debug)]
pub struct Report {
    pub scenario: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub limit: f64,
    pub limit_name: &'static str,
    /// Of several parts the worst.
    pub ratio: f64,
    pub aim: f64,
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_per_op: Option<BTreeMap<String, f64>>,
    pub percentiles_us: BTreeMap<String, Percentiles>,
    pub duration_s: f64,
    pub machine: machine::Machine,
    pub commit: String,
    /// Whether what the scenario checks besides its figures held.
    #[serde(rename = "law")]
    pub law: Option<bool>,
}

/// One figure beside its limit, or a figure by itself (`limit` null).
#[derive(Serialize, Clone, Debug)]
pub struct Part {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub limit: Option<f64>,
    pub ratio: Option<f64>,
}

impl Part {
    pub fn of(name: impl Into<String>, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { name: name.into(), value, unit, limit: Some(limit), ratio: Some(value / limit) }
    }

    pub fn alone(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, limit: None, ratio: None }
    }
}

#[derive(Serialize, Clone, Copy, Debug, Default)]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub max: u64,
    pub count: u64,
}

impl Percentiles {
    pub fn of(histogram: &hdrhistogram::Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: histogram.max(), count: histogram.len() }
    }
}

impl Report {
    pub fn law_holds(&self) -> bool {
        self.law.unwrap_or(true)
    }

    pub fn print(&self) {
        let verdict = if self.ratio >= self.aim { "reached" } else { "missed" };
        println!();
        println!("{}: {:.0} {} beside {:.0} {}", self.scenario, self.value, self.unit, self.limit, self.limit_name);
        println!("  ratio {:.3}, aim {:.3}: {verdict}", self.ratio, self.aim);
        for part in &self.parts {
            let beside = match (part.limit, part.ratio) {
                (Some(limit), Some(ratio)) => format!("   of {limit:.1} = {ratio:.3}"),
                _ => String::new(),
            };
            println!("  {:<34} {:>14.1} {}{beside}", part.name, part.value, part.unit);
        }
        for (name, at) in &self.percentiles_us {
            println!("  {name:<34} p50 {} us, p90 {} us, p99 {} us, max {} us", at.p50, at.p90, at.p99, at.max);
        }
        for (process, cpu) in self.server_cpu_us_per_op.iter().flatten() {
            println!("  {:<34} {cpu:>14.1} us per operation", format!("cpu of {process}"));
        }
        if let Some(law) = self.law {
            println!("  what it checks {}", if law { "held" } else { "WAS BROKEN" });
        }
        println!("  {:.1} s on {}, commit {}", self.duration_s, self.machine, self.commit);
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }
}
