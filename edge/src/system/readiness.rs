//! Whether a process can do what it is there for: each of its roles says what hinders it.

use std::sync::Arc;

type Hindrance = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

/// The roles of this process, in the order in which they are told.
#[derive(Clone, Default)]
pub struct Readiness(Vec<(&'static str, Hindrance)>);

impl Readiness {
    /// One more role. `hindrance` says why it cannot do its part now: `is not connected to the bus`.
    #[must_use]
    pub fn and(
        mut self,
        role: &'static str,
        hindrance: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        self.0.push((role, Arc::new(hindrance)));
        self
    }

    /// Each role that is not ready, with the reason; none: the process is.
    pub fn hindrances(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["the process has no role yet".to_owned()];
        }
        let hindered = |(role, hindrance): &(&str, Hindrance)| hindrance().map(|why| format!("{role} {why}"));
        self.0.iter().filter_map(hindered).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn every_role_that_is_not_ready_is_named() {
        assert_eq!(Readiness::default().hindrances(), ["the process has no role yet"]);
        let behind = Arc::new(AtomicBool::new(true));
        let asked = behind.clone();
        let readiness = Readiness::default()
            .and("edge", || None)
            .and("projections", move || asked.load(Ordering::Relaxed).then_some("have not caught up"));
        assert_eq!(readiness.hindrances(), ["projections have not caught up"]);
        behind.store(false, Ordering::Relaxed);
        assert_eq!(readiness.hindrances(), [""; 0]);
    }
}
