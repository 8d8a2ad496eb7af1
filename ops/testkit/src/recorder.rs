//! What the code under test says in metrics, on the thread of a test: its runtime has to be of one thread.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Counters and gauges by their names alone: of all labels, the one that spoke first was given a place, and shares it.
#[derive(Clone, Default)]
pub struct Recorded(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Recorded {
    /// From here on, until the guard is dropped.
    pub fn here(&self) -> LocalRecorderGuard<'_> {
        set_default_local_recorder(self)
    }

    /// 0 while nobody has said anything.
    pub fn counter(&self, name: &str) -> u64 {
        self.place(name).load(Ordering::SeqCst)
    }

    pub fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.counter(name))
    }

    fn place(&self, name: &str) -> Arc<AtomicU64> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(name.to_owned()).or_default().clone()
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.place(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.place(key.name()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
