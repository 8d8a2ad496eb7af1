//! Who is connected here, without IO and without a clock. A connection that has ended counts for [`GRACE`] more: somebody
//! who is back by then was never gone.

use super::{
    Moment,
    signs::{Class, Signs},
    word::Change,
};
use natter_domain::{AccountId, Timestamp};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// How long somebody may take to reconnect.
pub const GRACE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Here {
    people: HashMap<AccountId, Vec<Device>>,
    /// Connections that have ended, by when they are forgotten.
    leaving: BTreeSet<(Instant, AccountId, u64)>,
    /// What other edges were told of people.
    told: HashMap<AccountId, Signs>,
    dirty: HashSet<AccountId>,
    /// When the last connection of those who have none any more ended, until that is told.
    left: HashMap<AccountId, Timestamp>,
}

/// A connection.
struct Device {
    number: u64,
    class: Class,
    is_away: bool,
    /// It has ended then.
    left: Option<Timestamp>,
}

impl Here {
    pub fn come(&mut self, account: AccountId, number: u64, class: Class, is_away: bool) {
        self.people.entry(account).or_default().push(Device { number, class, is_away, left: None });
        self.dirty.insert(account);
    }

    pub fn set_away(&mut self, account: AccountId, number: u64, is_away: bool) {
        if let Some(device) = self.device(account, number) {
            device.is_away = is_away;
            self.dirty.insert(account);
        }
    }

    pub fn leave(&mut self, account: AccountId, number: u64, now: Moment) {
        if let Some(device) = self.device(account, number) {
            device.left = Some(now.wall);
            self.leaving.insert((now.at + GRACE, account, number));
        }
    }

    fn device(&mut self, account: AccountId, number: u64) -> Option<&mut Device> {
        self.people.get_mut(&account)?.iter_mut().find(|device| device.number == number)
    }

    /// Forgets the connections whose grace is over.
    pub fn tick(&mut self, now: Moment) {
        while let Some(&(due, account, number)) = self.leaving.first()
            && due <= now.at
        {
            self.leaving.pop_first();
            self.forget(account, number);
        }
    }

    fn forget(&mut self, account: AccountId, number: u64) {
        let Some(devices) = self.people.get_mut(&account) else { return };
        let Some(index) = devices.iter().position(|device| device.number == number) else { return };
        let device = devices.swap_remove(index);
        self.left.insert(account, self.left.get(&account).copied().max(device.left).unwrap_or_default());
        self.dirty.insert(account);
        if devices.is_empty() {
            self.people.remove(&account);
        }
    }

    /// Of all devices here together.
    pub fn signs(&self, account: AccountId) -> Signs {
        let devices = self.people.get(&account).map(Vec::as_slice).unwrap_or_default();
        let signs = devices.iter().map(|device| Signs::of(device.class, device.is_away));
        signs.fold(Signs::NONE, Signs::with)
    }

    /// What other edges are to be told; they have been from now on.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().filter_map(|account| self.change(account)).collect()
    }

    fn change(&mut self, account: AccountId) -> Option<Change> {
        let signs = self.signs(account);
        let left = self.left.remove(&account).filter(|_| !signs.is_online());
        let before = if signs.is_online() { self.told.insert(account, signs) } else { self.told.remove(&account) };
        (before.unwrap_or_default() != signs).then_some(Change { account, signs, left })
    }

    /// All of whom other edges were told.
    pub fn told(&self) -> Vec<(AccountId, Signs)> {
        self.told.iter().map(|(account, signs)| (*account, *signs)).collect()
    }

    /// Everybody who is here, and when they were last: now, or when their last connection ended.
    pub fn last_seen(&self, now: Timestamp) -> Vec<(AccountId, Timestamp)> {
        let last = |devices: &[Device]| {
            let lefts: Option<Vec<Timestamp>> = devices.iter().map(|device| device.left).collect();
            lefts.and_then(|lefts| lefts.into_iter().max()).unwrap_or(now)
        };
        self.people.iter().map(|(account, devices)| (*account, last(devices))).collect()
    }

    pub fn count(&self) -> usize {
        self.people.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const ALICE: AccountId = AccountId(Uuid::from_u128(1));
    const BOB: AccountId = AccountId(Uuid::from_u128(2));

    /// So long after a beginning.
    fn after(begin: Instant, millis: u64) -> Moment {
        Moment { at: begin + Duration::from_millis(millis), wall: Timestamp::from_millis(1_000_000 + millis as i64) }
    }

    fn told(here: &mut Here) -> Vec<(AccountId, &'static str, Option<i64>)> {
        let mut changes = here.take_changes();
        changes.sort_by_key(|change| change.account);
        let left = |change: &Change| change.left.map(|left| left.as_millis() - 1_000_000);
        changes.iter().map(|change| (change.account, change.signs.state(), left(change))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_back_within_the_grace_was_never_gone() {
        let (begin, mut here) = (Instant::now(), Here::default());
        here.come(ALICE, 1, Class::Web, false);
        assert_eq!(told(&mut here), [(ALICE, "online", None)]);
        here.leave(ALICE, 1, after(begin, 0));
        here.tick(after(begin, 1_999));
        assert_eq!(told(&mut here), []);
        here.come(ALICE, 2, Class::Web, false);
        here.tick(after(begin, 2_000));
        assert_eq!(told(&mut here), [], "there is another connection");
        here.leave(ALICE, 2, after(begin, 3_000));
        here.tick(after(begin, 5_000));
        assert_eq!(told(&mut here), [(ALICE, "offline", Some(3_000))], "since the connection ended");
        assert_eq!((here.count(), here.told()), (0, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn several_devices_are_one_person_and_only_what_changed_is_told() {
        let (begin, mut here) = (Instant::now(), Here::default());
        here.come(ALICE, 1, Class::Web, false);
        here.come(ALICE, 2, Class::Mobile, false);
        here.come(BOB, 3, Class::Other, true);
        assert_eq!(told(&mut here), [(ALICE, "online", None), (BOB, "away", None)]);
        here.set_away(ALICE, 1, true);
        assert_eq!(told(&mut here), [], "the other one is not");
        here.set_away(ALICE, 2, true);
        assert_eq!(told(&mut here), [(ALICE, "away", None)]);
        here.set_away(ALICE, 2, false);
        here.set_away(ALICE, 2, true);
        assert_eq!(told(&mut here), [], "as it was");
        here.leave(ALICE, 1, after(begin, 0));
        here.tick(after(begin, 2_000));
        let changes = here.take_changes();
        assert_eq!((changes.len(), changes[0].signs, changes[0].left), (1, Signs::of(Class::Mobile, true), None));
        assert_eq!(here.signs(ALICE).devices(), ["mobile"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_here_was_last_seen_now() {
        let (begin, mut here) = (Instant::now(), Here::default());
        here.come(ALICE, 1, Class::Web, false);
        here.come(ALICE, 2, Class::Web, false);
        here.come(BOB, 3, Class::Web, false);
        here.leave(ALICE, 1, after(begin, 10));
        here.leave(BOB, 3, after(begin, 20));
        let mut seen = here.last_seen(after(begin, 30).wall);
        seen.sort();
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        assert_eq!(seen, [(ALICE, at(30)), (BOB, at(20))]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_of_who_is_not_here_changes_nothing() {
        let (begin, mut here) = (Instant::now(), Here::default());
        here.set_away(ALICE, 1, true);
        here.leave(ALICE, 1, after(begin, 0));
        here.tick(after(begin, 9_000));
        assert_eq!(told(&mut here), []);
    }
}
