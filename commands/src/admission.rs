//! How much a lane, and this process, may hold without an answer, by count and by bytes. What would go beyond is refused
//! at once: a queue that only grows answers nobody in time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Commands of one lane without an answer: well under what a busy lane does in the five seconds that a caller waits.
const LANE_JOBS: usize = 4_096;
const LANE_BYTES: usize = 16 * 1024 * 1024;
/// All lanes together.
const PROCESS_JOBS: usize = 65_536;
const PROCESS_BYTES: usize = 128 * 1024 * 1024;

/// What a command takes beside its own content.
pub(crate) const OVERHEAD: usize = 512;

#[derive(Default)]
struct Held {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

impl Held {
    /// Adds, unless a bound would be passed.
    fn add(&self, bytes: usize, most_jobs: usize, most_bytes: usize) -> bool {
        let jobs = self.jobs.fetch_add(1, Ordering::Relaxed);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = jobs < most_jobs && held + bytes <= most_bytes;
        if !fits {
            self.remove(bytes);
        }
        fits
    }

    fn remove(&self, bytes: usize) {
        self.jobs.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One lane's share of the process' room.
#[derive(Clone, Default)]
pub(crate) struct Admission {
    lane: Arc<Held>,
    process: Arc<Held>,
}

/// Room that a command takes until it is answered or forgotten.
pub(crate) struct Permit {
    admission: Admission,
    bytes: usize,
}

impl Admission {
    /// Another lane of the same process.
    pub fn another(&self) -> Self {
        Self { lane: Arc::default(), process: self.process.clone() }
    }

    /// `None`: there is no room.
    pub fn admit(&self, bytes: usize) -> Option<Permit> {
        let bytes = bytes + OVERHEAD;
        if !self.lane.add(bytes, LANE_JOBS, LANE_BYTES) {
            return None;
        }
        if !self.process.add(bytes, PROCESS_JOBS, PROCESS_BYTES) {
            self.lane.remove(bytes);
            return None;
        }
        Some(Permit { admission: self.clone(), bytes })
    }

    /// Commands of the lane without an answer.
    pub fn held(&self) -> usize {
        self.lane.jobs.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.lane.remove(self.bytes);
        self.admission.process.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_bounded_by_count_and_leaves_room_for_others() {
        let lane = Admission::default();
        let permits: Vec<_> = (0..LANE_JOBS).map(|_| lane.admit(0).unwrap()).collect();
        assert!(lane.admit(0).is_none());
        assert!(lane.another().admit(0).is_some(), "one hot lane does not close the others");
        drop(permits);
        assert!(lane.admit(0).is_some());
        assert_eq!(lane.held(), 0, "what was refused or dropped takes no room");
    }

    #[test]
    fn a_lane_is_bounded_by_bytes() {
        let lane = Admission::default();
        let permit = lane.admit(LANE_BYTES - OVERHEAD).unwrap();
        assert!(lane.admit(1).is_none());
        drop(permit);
        assert!(lane.admit(1).is_some());
    }

    #[test]
    fn all_lanes_together_are_bounded() {
        let first = Admission::default();
        let lanes: Vec<_> = (0..PROCESS_BYTES / LANE_BYTES).map(|_| first.another()).collect();
        let permits: Vec<_> = lanes.iter().map(|lane| lane.admit(LANE_BYTES - OVERHEAD).unwrap()).collect();
        assert!(first.admit(0).is_none());
        drop(permits);
        assert!(first.admit(0).is_some());
    }
}
