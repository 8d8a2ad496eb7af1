//! What people look at: few things very often, most of them rarely. Number `n` (from 0) is drawn in proportion to
//! `1 / (n + 1)^exponent`.

use rand::Rng;

#[derive(Clone, Debug)]
pub struct Zipf {
    /// What the numbers up to each one weigh together.
    sums: Vec<f64>,
}

impl Zipf {
    /// Of the numbers below `count`, which is at least 1.
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weigh = |number: usize| {
            sum += (number as f64 + 1.0).powf(-exponent);
            sum
        };
        Self { sums: (0..count.max(1)).map(weigh).collect() }
    }

    pub fn draw(&self, random: &mut impl Rng) -> usize {
        let last = self.sums.len() - 1;
        let at = random.random::<f64>() * self.sums[last];
        self.sums.partition_point(|sum| *sum <= at).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const DRAWS: usize = 100_000;

    fn drawn(count: usize, exponent: f64) -> Vec<f64> {
        let (zipf, mut random) = (Zipf::new(count, exponent), StdRng::seed_from_u64(7));
        let mut times = vec![0.0; count];
        (0..DRAWS).for_each(|_| times[zipf.draw(&mut random)] += 1.0 / DRAWS as f64);
        times
    }

    #[test]
    fn each_number_is_drawn_as_often_as_it_weighs() {
        let harmonic: f64 = (1..=100).map(|n| 1.0 / f64::from(n)).sum();
        for (number, times) in drawn(100, 1.0).into_iter().enumerate() {
            let expected = 1.0 / (number as f64 + 1.0) / harmonic;
            // Five times the spread that chance gives it.
            let spread = 5.0 * (expected / DRAWS as f64).sqrt();
            assert!((times - expected).abs() < spread, "{number}: {times} instead of {expected}");
        }
    }

    #[test]
    fn without_an_exponent_all_are_alike_and_one_alone_is_always_drawn() {
        assert!(drawn(10, 0.0).iter().all(|times| (times - 0.1).abs() < 0.01));
        assert_eq!(drawn(1, 1.0).len(), 1);
    }
}
