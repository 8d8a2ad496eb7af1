//! `natter streams check`: how each lane's stream and every reader stand to the log, in plain words, with the command that
//! mends it. Only reads.

use anyhow::Result;
use natter_projections::repair::{Beyond, beyond};
use natter_streams::{
    Lane, Log,
    bus::Bus,
    seam::{self, Findings, Seam},
};
use serde_json::{Value, json};
use std::process::ExitCode;

/// One lane, with what has to be said of it.
pub struct Checked {
    pub lane: Lane,
    pub findings: Findings,
    /// Readers that have seen more than the log holds.
    pub beyond: Vec<Beyond>,
}

/// Success only where all is well.
pub async fn check(log: &Log, bus: &Bus, as_json: bool) -> Result<ExitCode> {
    let lanes = look(log, bus, log.lanes().iter()).await?;
    let well = lanes.iter().all(Checked::is_well);
    if as_json {
        let lanes: Vec<Value> = lanes.iter().map(Checked::json).collect();
        println!("{:#}", json!({ "well": well, "lanes": lanes }));
    } else {
        lanes.iter().for_each(Checked::print);
        let troubled = lanes.iter().filter(|lane| !lane.is_well()).count();
        println!("{} lanes looked at, {troubled} not well", lanes.len());
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn look(log: &Log, bus: &Bus, lanes: impl Iterator<Item = Lane>) -> Result<Vec<Checked>> {
    let beyond = beyond(log).await?;
    let mut checked = Vec::new();
    for lane in lanes {
        let findings = seam::look(log, bus, lane).await?;
        let beyond = beyond.iter().filter(|beyond| beyond.lane == lane).cloned().collect();
        checked.push(Checked { lane, findings, beyond });
    }
    Ok(checked)
}

impl Checked {
    pub fn is_well(&self) -> bool {
        self.findings.seam.is_well() && self.beyond.is_empty()
    }

    fn print(&self) {
        let Findings { head, stream, .. } = &self.findings;
        let tail = stream.map_or("none".to_owned(), |end| end.last.to_string());
        println!("lane {}: log {}, stream {tail}: {}", self.lane, head.position, self.means());
        for Beyond { reader, position, .. } in &self.beyond {
            println!("  reader {reader} stands at {position}, an event that the log does not hold");
        }
        for command in self.mended_by() {
            println!("  {command}");
        }
    }

    /// What it means, in a sentence.
    pub fn means(&self) -> String {
        let seam = self.findings.seam;
        match seam {
            Seam::Same if self.beyond.is_empty() => "well, the stream is the log".to_owned(),
            Seam::Same => "the stream is the log, but readers have seen more than it holds".to_owned(),
            Seam::Behind { last } => {
                format!("well, the stream ends at {last} and the next relay fills it up from the log")
            }
            Seam::Ahead { from, to } => format!(
                "PostgreSQL has lost the acknowledged events {from} to {to}, as after a backup was restored; \
                 the stream still holds them and continues the log: the lane is not served until you import them, or declare them lost"
            ),
            Seam::Diverged { position } => format!(
                "log and stream hold different events from {position} on: PostgreSQL went back and the lane was \
                 written to again, so the stream's events cannot be imported; the lane is not served until you declare them lost"
            ),
            Seam::Foreign { position } => format!(
                "message {position} of the stream is not an event of the log: somebody else publishes there; \
                 the next relay deletes the stream and fills it from the log"
            ),
            Seam::Ended { .. } => {
                format!("{seam}: the next relay deletes it and fills it from the log")
            }
            Seam::OtherIncarnation { .. } => format!(
                "{seam}: this is another installation's NATS, or PostgreSQL was made anew or restored from before a \
                 declared loss; the lane is not served until you connect the right servers, import the stream, or declare its events lost"
            ),
            Seam::Unknown => "NATS does not answer, nothing is known of the stream".to_owned(),
        }
    }

    /// The commands of which one mends it.
    fn mended_by(&self) -> Vec<String> {
        let repair = |flag: &str| format!("natter streams repair --lane {} --{flag}", self.lane);
        match self.findings.seam {
            Seam::Ahead { .. } | Seam::OtherIncarnation { .. } => vec![repair("import"), repair("declare-loss")],
            Seam::Diverged { .. } => vec![repair("declare-loss")],
            // It was declared, and the readers are left.
            Seam::Ended { .. } if !self.beyond.is_empty() => vec![repair("declare-loss")],
            // The stream does not tell of what was lost: only who says so nevertheless ends the incarnation.
            _ if !self.beyond.is_empty() => vec![repair("declare-loss --even-if-well")],
            _ => Vec::new(),
        }
    }

    fn json(&self) -> Value {
        let Findings { head, stream, seam } = &self.findings;
        let (name, positions) = match *seam {
            Seam::Same => ("same", Value::Null),
            Seam::Behind { last } => ("behind", json!([last])),
            Seam::Ahead { from, to } => ("ahead", json!([from, to])),
            Seam::Diverged { position } => ("diverged", json!([position])),
            Seam::Foreign { position } => ("foreign", json!([position])),
            Seam::Ended { .. } => ("ended", Value::Null),
            Seam::OtherIncarnation { .. } => ("other_incarnation", Value::Null),
            Seam::Unknown => ("unknown", Value::Null),
        };
        let beyond =
            self.beyond.iter().map(|Beyond { reader, position, .. }| json!({"reader": reader, "position": position}));
        json!({
            "lane": self.lane.to_string(),
            "well": self.is_well(),
            "served": !seam.refuses(),
            "seam": name,
            "positions": positions,
            "head": {"position": head.position, "hash": head.hash.to_string(), "incarnation": head.incarnation},
            "stream": stream.map(|end| json!({"first": end.first, "last": end.last, "incarnation": end.incarnation})),
            "beyond": beyond.collect::<Vec<_>>(),
            "means": self.means(),
            "mend": self.mended_by(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use natter_streams::{Hash, Link};

    fn mended_by(seam: Seam, readers: &[&str]) -> Vec<String> {
        let lane = Lane::new(2);
        let head = Link { lane, incarnation: Default::default(), position: 5, hash: Hash::default() };
        let beyond = readers.iter().map(|reader| Beyond { reader: (*reader).to_owned(), lane, position: 9 });
        Checked { lane, findings: Findings { head, stream: None, seam }, beyond: beyond.collect() }.mended_by()
    }

    #[test]
    fn a_loss_of_which_only_readers_tell_is_declared_although_the_stream_is_well() {
        let declared = "natter streams repair --lane 02 --declare-loss";
        for seam in [Seam::Same, Seam::Behind { last: 3 }] {
            assert_eq!(mended_by(seam, &["history"]), [format!("{declared} --even-if-well")]);
            assert!(mended_by(seam, &[]).is_empty());
        }
        assert_eq!(mended_by(Seam::Diverged { position: 4 }, &["history"]), [declared]);
        assert_eq!(mended_by(Seam::Ended { theirs: Default::default() }, &["history"]), [declared]);
    }
}
