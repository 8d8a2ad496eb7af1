//! What a server counts of itself, as `/metrics` shows it.

use anyhow::Result;
use natter_client::Client;
use std::collections::BTreeMap;

const PROJECTIONS: [&str; 3] = ["relations", "history", "delivery"];

/// One reading: every series, labels included, with its value.
#[derive(Clone, Default, Debug)]
pub struct Counters(BTreeMap<String, f64>);

impl Counters {
    pub async fn read(url: &str) -> Result<Self> {
        Ok(Self::parse(&Client::new(url)?.raw("GET", "/metrics", &[], None).await?.text()))
    }

    /// Of this process.
    pub fn own() -> Self {
        Self::parse(&natter_edge::metrics::recorder().render())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(series.collect())
    }

    /// Every series of that name, with this label where one is given (`projection="history"`), added up.
    pub fn sum(&self, name: &str, label: Option<&str>) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let labelled = |series: &str| label.is_none_or(|label| series.contains(label));
        self.0.iter().filter(|(series, _)| of_name(series) && labelled(series)).map(|(_, value)| value).sum()
    }

    /// How much a counter has grown since an earlier reading.
    pub fn since(&self, before: &Self, name: &str, label: Option<&str>) -> f64 {
        self.sum(name, label) - before.sum(name, label)
    }

    pub fn events_per_commit_since(&self, before: &Self) -> f64 {
        let commits = self.since(before, "natter_log_commits_total", None);
        self.since(before, "natter_log_events_total", None) / commits.max(1.0)
    }

    /// Mean time of a commit, from the moment its batch was built.
    pub fn commit_us_since(&self, before: &Self) -> f64 {
        let seconds = self.since(before, "natter_log_commit_seconds_sum", None);
        seconds * 1e6 / self.since(before, "natter_log_commit_seconds_count", None).max(1.0)
    }

    /// Events that were committed and not projected since a moment at which nothing was left to do: of the projection
    /// that is furthest behind.
    pub fn lag_since(&self, idle: &Self) -> f64 {
        let committed = self.since(idle, "natter_log_events_total", None);
        let behind = |projection: &str| {
            let label = format!("projection=\"{projection}\"");
            committed - self.since(idle, "natter_projection_events_total", Some(&label))
        };
        PROJECTIONS.into_iter().map(behind).fold(0.0, f64::max)
    }

    /// What to look at where projections stay behind: of each what it counted, what it says of itself, what failed.
    pub fn projections_since(&self, idle: &Self) -> String {
        let committed = self.since(idle, "natter_log_events_total", None);
        let of = |projection: &str| {
            let label = format!("projection=\"{projection}\"");
            let applied = self.since(idle, "natter_projection_events_total", Some(&label));
            let lag = self.sum("natter_projection_lag_events", Some(&label));
            let failed = self.since(idle, "natter_projection_errors_total", Some(&label));
            format!("{projection} applied {applied}, says it lags {lag}, failed {failed} times")
        };
        let changes = self.since(idle, "natter_lease_changes_total", None);
        format!("committed {committed}; {}; leases changed {changes} times", PROJECTIONS.map(of).join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# TYPE a counter\na 3\na_total{lane=\"00\",projection=\"history\"} 4\na_total{lane=\"01\"} 2.5\n";

    #[test]
    fn series_are_added_up_by_name_and_label() {
        let counters = Counters::parse(TEXT);
        assert_eq!(counters.sum("a", None), 3.0);
        assert_eq!(counters.sum("a_total", None), 6.5);
        assert_eq!(counters.sum("a_total", Some("projection=\"history\"")), 4.0);
        assert_eq!(counters.sum("b", None), 0.0);
    }

    #[test]
    fn lag_is_what_the_last_projection_has_not_seen() {
        let reading = |committed: u32, history: u32, others: u32| {
            Counters::parse(&format!(
                "natter_log_events_total {committed}\n\
                 natter_projection_events_total{{projection=\"history\"}} {history}\n\
                 natter_projection_events_total{{projection=\"relations\"}} {others}\n\
                 natter_projection_events_total{{projection=\"delivery\"}} {others}\n"
            ))
        };
        assert_eq!(reading(150, 130, 145).lag_since(&reading(100, 100, 100)), 20.0);
        assert_eq!(reading(150, 150, 150).lag_since(&reading(100, 100, 100)), 0.0);
    }
}
