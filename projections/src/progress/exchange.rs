//! The change from one generation of a projection to the next, as those who wait see it. What a read was once told is
//! there must be there in what it reads then: so the old generation is frozen, the next one is waited for until it has
//! passed all that the old one had, then what is read and how far it is are exchanged.

use super::{Group, Progress, elsewhere, has_passed};
use crate::{Error, Generation, Projection};
use natter_streams::{Lane, feed::Known, position::Place};
use sqlx::PgPool;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

/// The generation that is read, and the one that will be.
pub(super) struct Groups {
    current: Arc<Group>,
    next: Option<Arc<Group>>,
}

impl Groups {
    pub(super) fn first(projection: Projection, heads: &[Known]) -> Self {
        Self { current: Group::new(projection, Generation::FIRST, heads), next: None }
    }
}

impl Progress {
    /// What is read when this process begins, before anybody has waited.
    pub(crate) fn begin_with(&self, projection: Projection, generation: Generation) {
        self.write(projection).current = Group::new(projection, generation, &self.first_heads);
    }

    pub(crate) fn current(&self, projection: Projection) -> Arc<Group> {
        self.read(projection).current.clone()
    }

    pub(crate) fn is_current(&self, group: &Arc<Group>) -> bool {
        Arc::ptr_eq(&self.read(group.projection).current, group)
    }

    /// Counts a generation that will be read.
    pub(crate) fn prepare(&self, projection: Projection, generation: Generation) -> Arc<Group> {
        let next = Group::new(projection, generation, &self.first_heads);
        self.write(projection).next = Some(next.clone());
        next
    }

    /// It will not be read after all.
    pub(crate) fn abandon(&self, projection: Projection) {
        let mut groups = self.write(projection);
        groups.next = None;
        groups.current.set_frozen(false);
    }

    /// What the current generation has passed is told no further from now on.
    pub(crate) fn freeze(&self, projection: Projection) {
        self.current(projection).set_frozen(true);
    }

    /// The next one takes the place of the current one. What is read was exchanged before.
    pub(crate) fn exchange(&self, projection: Projection) {
        let mut groups = self.write(projection);
        if let Some(next) = groups.next.take() {
            groups.current = next;
        }
        drop(groups);
        self.asked.notify_one();
    }

    /// The counted generation; one that is neither read nor going to be counts for nobody.
    pub(crate) fn group(&self, projection: Projection, generation: Generation) -> Arc<Group> {
        let known = self.counted(projection).into_iter().find(|group| group.generation == generation);
        known.unwrap_or_else(|| Group::new(projection, generation, &self.first_heads))
    }

    /// The current one, and the next where there is one.
    pub(super) fn counted(&self, projection: Projection) -> Vec<Arc<Group>> {
        let groups = self.read(projection);
        [Some(groups.current.clone()), groups.next.clone()].into_iter().flatten().collect()
    }

    /// What this process has told of the current generation.
    pub(crate) fn told(&self, projection: Projection) -> Vec<Place> {
        let current = self.current(projection);
        self.first_heads.iter().map(|head| current.passed(head.lane)).collect()
    }

    /// What the current generation has passed, whether it was told or not.
    pub(crate) async fn written(&self, projection: Projection, pool: &PgPool) -> Result<Vec<Place>, Error> {
        let current = self.current(projection);
        let mut written = self.told(projection);
        let spots: Vec<_> = self.first_heads.iter().map(|head| (current.clone(), head.lane)).collect();
        for ((_, lane), place) in elsewhere::read(pool, &spots).await? {
            // What was told holds also where a crash of PostgreSQL took it back for now.
            if let Some(told) = written.get_mut(lane.index())
                && (place.incarnation != told.incarnation || place.position > told.position)
            {
                *told = place;
            }
        }
        Ok(written)
    }

    /// The lanes in which a generation has not yet passed what was told.
    pub(crate) fn late(&self, group: &Arc<Group>, told: &[Place]) -> Vec<(Arc<Group>, Lane)> {
        let late = |(head, &told): (&Known, &Place)| {
            let is_late = !has_passed(group.passed(head.lane), told, self.now(head.lane));
            is_late.then(|| (group.clone(), head.lane))
        };
        self.first_heads.iter().zip(told).filter_map(late).collect()
    }

    fn read(&self, projection: Projection) -> RwLockReadGuard<'_, Groups> {
        self.groups[projection as usize].read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, projection: Projection) -> RwLockWriteGuard<'_, Groups> {
        self.groups[projection as usize].write().unwrap_or_else(PoisonError::into_inner)
    }
}
