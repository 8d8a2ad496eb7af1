//! Waiting for projections that run in another process. Their checkpoints are read, all that anybody waits for in one
//! query, every 10 to 50 ms while somebody does; and whoever runs them is told to hurry, since projectors pace
//! themselves while nobody waits. A hurry is repeated as long as it is needed, so it may be lost.

use super::{Group, Progress};
use crate::{Error, Projection};
use futures::StreamExt;
use natter_streams::{Lane, bus::Bus, position::Place, statement, subject};
use sqlx::{PgPool, Row};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Between two looks: the less, the newer the wait is.
const SOONEST: Duration = Duration::from_millis(10);
const LATEST: Duration = Duration::from_millis(50);

/// Before another try, where the bus or PostgreSQL is away.
const PAUSE: Duration = Duration::from_secs(1);

/// A lane of a generation of a projection.
type Spot = (Arc<Group>, Lane);

/// Looks for those who wait, until told to stop.
pub(crate) async fn watch(progress: Arc<Progress>, pool: PgPool, bus: Bus, stop: CancellationToken) {
    let watching = async {
        tokio::join!(progress.get_ready(), async {
            loop {
                progress.asked.notified().await;
                look_while_somebody_waits(&progress, &pool, &bus).await;
            }
        });
    };
    stop.run_until_cancelled(watching).await;
}

async fn look_while_somebody_waits(progress: &Progress, pool: &PgPool, bus: &Bus) {
    let mut pause = SOONEST;
    loop {
        let wanted = progress.late_elsewhere();
        if wanted.is_empty() {
            return;
        }
        let looked = Instant::now();
        match read(pool, &wanted).await {
            Ok(places) => {
                for ((group, lane), place) in places {
                    group.learn(lane, place);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "look at the checkpoints of projections elsewhere");
                sleep(LATEST).await;
            }
        }
        hurry(bus, &progress.late_elsewhere()).await;
        tokio::select! {
            () = sleep_until(looked + pause) => pause = (pause * 2).min(LATEST),
            () = progress.asked.notified() => {
                pause = SOONEST;
                sleep_until(looked + SOONEST).await;
            }
        }
    }
}

impl Progress {
    /// What somebody waits for and does not run here.
    fn late_elsewhere(&self) -> Vec<Spot> {
        let groups = Projection::ALL.map(|projection| self.current(projection));
        let lanes = || self.first_heads.iter().map(|head| head.lane);
        let all = groups.iter().flat_map(|group| lanes().map(move |lane| (group.clone(), lane)));
        all.filter(|(group, lane)| {
            let spot = group.spot(*lane);
            !spot.is_here() && spot.is_late(self.now(*lane))
        })
        .collect()
    }

    /// Another process waits for it.
    fn hear(&self, (projection, lane): (Projection, Lane)) {
        for group in self.counted(projection) {
            if lane.index() < group.lanes() && group.spot(lane).is_here() {
                group.spot(lane).hurry.notify_one();
                self.hurries.fetch_add(1, Ordering::Relaxed);
                crate::metrics::hurried(projection);
            }
        }
    }
}

/// Looks how far these are and makes them hurry, wherever they run.
pub(crate) async fn look_at(pool: &PgPool, bus: &Bus, late: &[Spot]) -> Result<(), Error> {
    for ((group, lane), place) in read(pool, late).await? {
        group.learn(lane, place);
        group.spot(lane).hurry.notify_one();
    }
    hurry(bus, late).await;
    Ok(())
}

pub(super) async fn read(pool: &PgPool, wanted: &[Spot]) -> Result<Vec<(Spot, Place)>, Error> {
    let rows = sqlx::query(
        "SELECT number, incarnation, position FROM checkpoints
         JOIN UNNEST($1::text[], $2::smallint[]) WITH ORDINALITY AS wanted(projection, lane, number)
             USING (projection, lane)",
    )
    .bind(wanted.iter().map(|(group, _)| group.reader()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, lane)| lane.number()).collect::<Vec<_>>())
    .fetch_all(statement::bounded(pool))
    .await
    .map_err(Error::database("read checkpoints"))?;
    let place = |row: &sqlx::postgres::PgRow| Place::new(row.get::<i64, _>("position") as u64, row.get("incarnation"));
    Ok(rows.iter().map(|row| (wanted[row.get::<i64, _>("number") as usize - 1].clone(), place(row))).collect())
}

async fn hurry(bus: &Bus, late: &[Spot]) {
    if late.is_empty() {
        return;
    }
    if let Err(error) = bus.live().publish(subject::HURRY, encode(late).into()).await {
        tracing::warn!(%error, "hurry projections elsewhere");
    }
}

/// Hears what other processes wait for, until told to stop.
pub(crate) async fn listen(progress: Arc<Progress>, bus: Bus, stop: CancellationToken) {
    let listening = async {
        loop {
            match bus.live().subscribe(subject::HURRY).await {
                // Until the subscription ends. The client itself renews it after a reconnect.
                Ok(mut heard) => {
                    while let Some(message) = heard.next().await {
                        decode(&message.payload).for_each(|spot| progress.hear(spot));
                    }
                }
                Err(error) => tracing::warn!(%error, "listen for those who wait"),
            }
            sleep(PAUSE).await;
        }
    };
    stop.run_until_cancelled(listening).await;
}

/// `relations:0a,history:0b`: whichever generations of them run there.
fn encode(spots: &[Spot]) -> String {
    let text = |(group, lane): &Spot| format!("{}:{lane}", group.projection.as_str());
    spots.iter().map(text).collect::<Vec<_>>().join(",")
}

fn decode(payload: &[u8]) -> impl Iterator<Item = (Projection, Lane)> {
    let texts = std::str::from_utf8(payload).unwrap_or_default().split(',');
    texts.filter_map(|text| {
        let (projection, lane) = text.split_once(':')?;
        Some((Projection::parse(projection)?, Lane::parse(lane)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    #[test]
    fn a_hurry_names_what_is_waited_for() {
        let spots = [(Projection::Relations, Lane::new(10)), (Projection::Delivery, Lane::new(0))];
        let groups = spots.map(|(projection, lane)| (Group::new(projection, Generation::new(2), &[]), lane));
        assert_eq!(encode(&groups), "relations:0a,delivery:00");
        assert_eq!(decode(encode(&groups).as_bytes()).collect::<Vec<_>>(), spots);
        assert_eq!(decode(b"relations:xx,nobody:00,\xff").count(), 0);
    }
}
