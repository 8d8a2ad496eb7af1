//! `natter streams repair`: mends lanes whose log has lost what their streams still hold, one way or the other, only when
//! told which.

use super::check::{self, Checked};
use anyhow::{Context, Result, bail};
use natter_projections::{
    Settings,
    repair::{Agreed, Mended, mend},
};
use natter_streams::{Lane, Log, bus::Bus, repair, seam::Seam, subject};
use std::process::ExitCode;

/// What to do with what the log has lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Import,
    DeclareLoss {
        /// Also of lanes whose streams say nothing of it.
        even_if_well: bool,
    },
}

/// `all`, or a lane's two digits.
pub fn chosen(log: &Log, text: &str) -> Result<Vec<Lane>> {
    if text == "all" {
        return Ok(log.lanes().iter().collect());
    }
    match Lane::parse(text).filter(|lane| log.lanes().contains(*lane)) {
        Some(lane) => Ok(vec![lane]),
        None => bail!("lane {text:?}: two hexadecimal digits of one of the {} lanes, or all", log.lanes().count()),
    }
}

/// Success where the lanes are well afterwards.
/// `settings` say where views are that may have to be built again.
pub async fn repair(log: &Log, bus: &Bus, settings: &Settings, lanes: &[Lane], way: Option<Way>) -> Result<ExitCode> {
    let anyway = way == Some(Way::DeclareLoss { even_if_well: true });
    let looked = check::look(log, bus, lanes.iter().copied()).await?;
    let troubled: Vec<Checked> = looked.into_iter().filter(|lane| anyway || !lane.is_well()).collect();
    for lane in &troubled {
        println!("lane {}: {}", lane.lane, lane.means());
    }
    match way {
        _ if troubled.is_empty() => println!("nothing to repair"),
        None => return Ok(explain()),
        Some(Way::Import) => import(log, bus, &troubled).await?,
        Some(Way::DeclareLoss { even_if_well }) => declare_loss(log, bus, settings, &troubled, even_if_well).await?,
    }
    let left = check::look(log, bus, lanes.iter().copied()).await?;
    let left: Vec<&Checked> = left.iter().filter(|lane| !lane.is_well()).collect();
    for lane in &left {
        println!("lane {}: still not well: {}", lane.lane, lane.means());
    }
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain() -> ExitCode {
    println!(
        "nothing was done. With --import the events that the log has lost are taken from the stream: nothing is lost, commands that come again \
         are known. With --declare-loss the log stays as it is and goes on under a new incarnation: the stream is deleted and made anew from the \
         log, views that have seen lost events are built again, and every client is told to read its state again. Make sure first that it is \
         PostgreSQL that went back, and that no newer copy of it exists."
    );
    ExitCode::FAILURE
}

async fn import(log: &Log, bus: &Bus, troubled: &[Checked]) -> Result<()> {
    for &Checked { lane, .. } in troubled {
        println!("lane {lane}: importing from the stream what the log has lost");
        match repair::import(log, bus, lane).await.with_context(|| format!("import into lane {lane}"))? {
            Some(done) => {
                println!("lane {lane}: {} events imported, the log ends at {}", done.events, done.head.position);
            }
            None => println!("lane {lane}: there is nothing to import"),
        }
    }
    Ok(())
}

async fn declare_loss(
    log: &Log,
    bus: &Bus,
    settings: &Settings,
    troubled: &[Checked],
    even_if_well: bool,
) -> Result<()> {
    let mut agreed = Agreed::new();
    for Checked { lane, findings, .. } in troubled {
        if let Seam::Unknown = findings.seam {
            bail!("lane {lane}: NATS does not answer: what is lost is not known");
        }
        println!("lane {lane}: declaring lost what the log does not hold");
        let declared = repair::declare_loss(log, bus, *lane, even_if_well).await;
        match declared.with_context(|| format!("declare the loss of lane {lane}"))? {
            Some(done) => {
                agreed.extend(done.agreed.map(|position| (*lane, position)));
                println!(
                    "lane {lane}: goes on behind {} as incarnation {}; its stream, which ended at {}, is deleted and will be filled from the log",
                    done.head.position, done.incarnation, done.stream_ended
                );
            }
            None => println!("lane {lane}: its log is not touched"),
        }
    }
    for mended in mend(log, settings, &agreed).await? {
        match mended {
            Mended::BegunAnew { reader } => {
                println!("{reader}: had seen lost events; emptied, it reads every lane from its start");
            }
            Mended::SetBack { reader, lane, position } => {
                println!("{reader}: had seen lost events of lane {lane}; goes on behind {position}");
            }
        }
    }
    resync(bus).await?;
    println!("every client that is connected is told to read its state again");
    Ok(())
}

/// Heard by every edge.
async fn resync(bus: &Bus) -> Result<()> {
    bus.live().publish(subject::RESYNC, Vec::new().into()).await.context("tell the edges")?;
    bus.live().flush().await.context("tell the edges")
}
