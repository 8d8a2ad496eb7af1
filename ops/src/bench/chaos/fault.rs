//! Which process is hurt, how, and when: drawn from a seed before anything runs, so that a run can be told again.

use anyhow::{Result, ensure};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use std::{fmt, time::Duration};

/// Every so many blows hit two parts at once.
const DOUBLE: usize = 4;
const LONGEST_PAUSE_MS: u64 = 8_000;
const SHORTEST_PAUSE_MS: u64 = 1_000;
/// How long what was ended stays away before it is started again.
const LONGEST_ABSENCE_MS: u64 = 2_000;

/// A process that can be hurt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// By its number in the list of nodes.
    Node(usize),
    Postgres,
    Nats,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Harm {
    /// SIGKILL, then started again.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// SIGTERM (PostgreSQL: a fast shutdown), then started again.
    Stop,
}

const HARMS: [Harm; 3] = [Harm::Kill, Harm::Pause, Harm::Stop];

impl Harm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

/// One process, hurt once.
#[derive(Clone, PartialEq, Debug)]
pub struct Strike {
    pub part: Part,
    pub harm: Harm,
    /// The part as people call it: `postgres`, or the roles of a node.
    pub name: String,
    /// Until it is continued, or started again.
    pub lasts: Duration,
}

impl Strike {
    pub fn kind(&self) -> String {
        format!("{}-{}", self.name, self.harm.as_str())
    }
}

/// What happens at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Blow {
    /// Messages that are acknowledged first, once all have recovered from the blow before.
    pub after: u64,
    pub strikes: Vec<Strike>,
}

impl Blow {
    pub fn kind(&self) -> String {
        match self.strikes.as_slice() {
            [one] => one.kind(),
            _ => "two-at-once".to_owned(),
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:>5}:", self.after)?;
        for (number, strike) in self.strikes.iter().enumerate() {
            let which = if let Part::Node(number) = strike.part { format!(" {number}") } else { String::new() };
            let and = if number > 0 { " and" } else { "" };
            write!(f, "{and} {} {}{which} for {} ms", strike.harm.as_str(), strike.name, strike.lasts.as_millis())?;
        }
        Ok(())
    }
}

/// Which kinds are wanted: names such as `postgres-kill`, or the part or the harm alone. None: all.
#[derive(Clone, Default, Debug)]
pub struct Wanted(pub Vec<String>);

impl Wanted {
    fn takes(&self, name: &str, harm: Harm) -> bool {
        let fits = |wanted: &String| {
            let harm = harm.as_str();
            *wanted == name || *wanted == harm || *wanted == format!("{name}-{harm}")
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

/// `nodes`: their roles. Every kind comes before one comes again.
pub fn schedule(seed: u64, count: usize, apart: u64, nodes: &[String], wanted: &Wanted) -> Result<Vec<Blow>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let kinds = kinds(nodes, wanted);
    ensure!(!kinds.is_empty() || count == 0, "no kind of fault is called {:?}", wanted.0);
    let (mut bag, mut blows) = (Vec::new(), Vec::new());
    for number in 0..count {
        if bag.is_empty() {
            bag.clone_from(&kinds);
            bag.shuffle(&mut rng);
        }
        let (name, harm) = bag.pop().expect("it was just filled");
        let mut strikes = vec![strike(&mut rng, &name, harm, nodes)];
        if number % DOUBLE == DOUBLE - 1 {
            let others: Vec<&(String, Harm)> = kinds.iter().filter(|(other, _)| *other != name).collect();
            let second = others.choose(&mut rng).copied().cloned();
            strikes.extend(second.map(|(name, harm)| strike(&mut rng, &name, harm, nodes)));
        }
        blows.push(Blow { after: rng.random_range(apart / 2..=apart * 3 / 2), strikes });
    }
    Ok(blows)
}

fn kinds(nodes: &[String], wanted: &Wanted) -> Vec<(String, Harm)> {
    let mut names = vec!["postgres".to_owned(), "nats".to_owned()];
    names.extend(nodes.iter().map(|roles| name_of(roles)));
    names.sort();
    names.dedup();
    let all = names.into_iter().flat_map(|name| HARMS.map(|harm| (name.clone(), harm)));
    all.filter(|(name, harm)| wanted.takes(name, *harm)).collect()
}

/// A node with every role is just a node.
pub fn name_of(roles: &str) -> String {
    if roles == "all" { "node".to_owned() } else { roles.to_owned() }
}

fn strike(rng: &mut StdRng, name: &str, harm: Harm, nodes: &[String]) -> Strike {
    let part = match name {
        "postgres" => Part::Postgres,
        "nats" => Part::Nats,
        _ => {
            let named: Vec<usize> = (0..nodes.len()).filter(|&node| name_of(&nodes[node]) == name).collect();
            Part::Node(*named.choose(rng).expect("kinds are named after nodes"))
        }
    };
    let lasts = match harm {
        Harm::Pause => rng.random_range(SHORTEST_PAUSE_MS..=LONGEST_PAUSE_MS),
        Harm::Kill | Harm::Stop => rng.random_range(0..=LONGEST_ABSENCE_MS),
    };
    Strike { part, harm, name: name.to_owned(), lasts: Duration::from_millis(lasts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn nodes() -> Vec<String> {
        ["edge", "edge", "commands", "commands", "projections"].map(String::from).to_vec()
    }

    fn drawn(seed: u64, wanted: &[&str]) -> Vec<Blow> {
        let wanted = Wanted(wanted.iter().map(|&word| word.to_owned()).collect());
        schedule(seed, 60, 100, &nodes(), &wanted).unwrap()
    }

    #[test]
    fn the_seed_is_the_whole_story() {
        assert_eq!(drawn(7, &[]), drawn(7, &[]));
        assert_ne!(drawn(7, &[]), drawn(8, &[]));
    }

    #[test]
    fn every_kind_of_process_is_hurt_in_every_way() {
        let kinds: BTreeSet<String> = drawn(7, &[]).iter().flat_map(|blow| &blow.strikes).map(Strike::kind).collect();
        assert_eq!(kinds.len(), 5 * 3, "{kinds:?}");
        let hurt: BTreeSet<String> =
            drawn(7, &[]).iter().flat_map(|blow| &blow.strikes).map(|strike| format!("{:?}", strike.part)).collect();
        assert_eq!(hurt.len(), 7, "{hurt:?}");
    }

    #[test]
    fn two_at_once_are_two_different_parts() {
        let doubles: Vec<Blow> = drawn(7, &[]).into_iter().filter(|blow| blow.strikes.len() == 2).collect();
        assert_eq!(doubles.len(), 15);
        assert!(doubles.iter().all(|blow| blow.strikes[0].name != blow.strikes[1].name));
    }

    #[test]
    fn only_what_is_wanted_is_drawn() {
        let of = |wanted: &[&str]| -> BTreeSet<String> {
            drawn(7, wanted).iter().flat_map(|blow| &blow.strikes).map(Strike::kind).collect()
        };
        assert_eq!(of(&["postgres-kill"]), BTreeSet::from(["postgres-kill".to_owned()]));
        assert_eq!(of(&["nats"]).len(), 3);
        assert_eq!(of(&["pause"]).len(), 5);
        assert!(schedule(7, 1, 100, &nodes(), &Wanted(vec!["sun".to_owned()])).is_err());
    }
}
