//! A day in the life of five people with three devices each, on an installation whose every role is a process of its own. They
//! do whatever can be done with messages (`deed`), drawn from a seed; meanwhile each process is killed once, NATS and PostgreSQL
//! too, whoever is asked (about texts, for a translation, for a page, to take a mail) is slow, wrong or dead, one device of
//! each misses every tenth push, and one is away for most of the day.
//!
//! In the evening each device holds what the server answers, without a last look that another kind of client would need;
//! every send that was acknowledged is there once and in order for everybody who may see it, and none that was refused; the
//! read models count as the log does, and the log is whole (`judge`, `acknowledged`).
//!
//! The seed is printed; `NATTER_TEST_DAY_SEED` gives another one. What can be done from now on gets a row in [`deed::ALL`].

mod acknowledged;
mod around;
mod bodies;
mod deed;
mod device;
mod group;
mod held;
mod house;
mod judge;
mod ledger;
mod lists;
mod message;
mod own;
mod person;

use deed::Deed;
use house::{Blow, House};
use person::{Person, World};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::{sync::Arc, time::Duration};

const SEED: u64 = 2_026;
/// Ten times what it takes on two cores that others use too.
const BOUND: Duration = Duration::from_secs(1_200);
/// What somebody does again until it is answered, and what heals by itself.
const PATIENCE: Duration = Duration::from_secs(120);
/// The last of the five's last device is away between these blows.
const AWAY: std::ops::Range<usize> = 1..8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_every_device_ends_with_what_the_server_answers() {
    let seed = variable("NATTER_TEST_DAY_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("day          seed {seed}");
    natter_testkit::within("the day", BOUND, day(seed)).await;
}

async fn day(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut house = House::build(seed).await;
    let (world, people) = person::meet(&house, seed).await;
    around::who_goes_is_seen_to_go(&people).await;
    let mut blows = Blow::all();
    blows.shuffle(&mut dice);
    let mut shares = shares(&people, blows.len(), &mut dice);
    for (number, blow) in blows.into_iter().enumerate() {
        the_tablet_goes_and_comes(&people, number).await;
        println!("day          {blow:?}, {} deeds done", world.done());
        let share = shares.remove(0);
        let deeds = share.iter().map(Vec::len).sum::<usize>();
        let living = futures::future::join_all(people.iter().zip(share).map(|(person, deeds)| person.lives(deeds)));
        tokio::join!(living, house.suffers(blow, &world, &people, deeds / 3));
    }
    judge::is_as_it_should_be(&house, &world, &people).await;
    house.ends().await;
}

/// What each does between two blows: all of it over the day, in an order of their own.
fn shares(people: &[Arc<Person>], hours: usize, dice: &mut StdRng) -> Vec<Vec<Vec<Deed>>> {
    let mut shares: Vec<Vec<Vec<Deed>>> = vec![Vec::new(); hours];
    for _ in people {
        let mut bag = deed::bag();
        bag.shuffle(dice);
        for (hour, share) in shares.iter_mut().enumerate() {
            share.push(bag.iter().skip(hour).step_by(hours).copied().collect());
        }
    }
    shares
}

async fn the_tablet_goes_and_comes(people: &[Arc<Person>], hour: usize) {
    let tablet = people.last().and_then(|person| person.devices.last()).expect("five people with three devices");
    if hour == AWAY.start {
        tablet.goes_offline().await;
    } else if hour == AWAY.end {
        tablet.comes_online();
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Who is there, and where they talk.
pub struct Talks {
    /// Everybody, alice's.
    us: uuid::Uuid,
    /// All but alice, bob's.
    them: uuid::Uuid,
    /// Carol's channel.
    news: uuid::Uuid,
    /// By which one comes to the groups.
    links: [String; 2],
}

type Shared = Arc<World>;
