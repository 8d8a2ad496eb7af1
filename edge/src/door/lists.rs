//! Addresses that an operator lets in or not. The narrowest entry that holds an address decides; one that is let in
//! so is counted by no limit of addresses either (an office behind one address, a load generator).

use ipnet::IpNet;
use natter_domain::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Allow,
    Deny,
}

/// One line of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub network: IpNet,
    pub verdict: Verdict,
    /// `None`: until somebody changes it.
    pub until: Option<Timestamp>,
}

/// All of them, those of IPv4 and those of IPv6. Asked for every request, so one is found by length of prefix, the longest
/// first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lists([BTreeMap<Reverse<u8>, HashMap<u128, Entry>>; 2]);

impl Lists {
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut lists = Self::default();
        for entry in entries {
            let (length, (version, bits)) = (entry.network.prefix_len(), bits(entry.network.network()));
            lists.0[version].entry(Reverse(length)).or_default().insert(bits & mask(length), entry);
        }
        lists
    }

    pub fn verdict(&self, address: IpAddr, now: Timestamp) -> Option<Verdict> {
        let (version, bits) = bits(address);
        let lengths = self.0[version].iter();
        let mut found = lengths.filter_map(|(Reverse(length), entries)| entries.get(&(bits & mask(*length))));
        found.find(|entry| entry.until.is_none_or(|until| until > now)).map(|entry| entry.verdict)
    }
}

/// Which version, and the address from the highest bit on.
fn bits(address: IpAddr) -> (usize, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (0, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (1, address.to_bits()),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Allow, Deny};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn entry(network: &str, verdict: Verdict) -> Entry {
        Entry { network: network.parse().unwrap(), verdict, until: None }
    }

    fn ask(lists: &Lists, address: &str) -> Option<Verdict> {
        lists.verdict(address.parse().unwrap(), NOW)
    }

    #[test]
    fn the_narrowest_entry_decides() {
        let lists = Lists::new([
            entry("192.0.2.0/24", Deny),
            entry("192.0.2.7/32", Allow),
            entry("2001:db8::/32", Allow),
            entry("2001:db8:5::/48", Deny),
        ]);
        assert_eq!(ask(&lists, "192.0.2.1"), Some(Deny));
        assert_eq!(ask(&lists, "::ffff:192.0.2.1"), Some(Deny));
        assert_eq!(ask(&lists, "192.0.2.7"), Some(Allow));
        assert_eq!(ask(&lists, "192.0.3.1"), None);
        assert_eq!(ask(&lists, "2001:db8:4::1"), Some(Allow));
        assert_eq!(ask(&lists, "2001:db8:5::1"), Some(Deny));
        assert_eq!(ask(&Lists::default(), "192.0.2.1"), None);
    }

    #[test]
    fn all_of_one_version_can_be_denied_but_for_some() {
        let lists = Lists::new([entry("0.0.0.0/0", Deny), entry("127.0.0.1/32", Allow)]);
        assert_eq!(ask(&lists, "203.0.113.7"), Some(Deny));
        assert_eq!(ask(&lists, "127.0.0.1"), Some(Allow));
        assert_eq!(ask(&lists, "2001:db8::1"), None);
        let all = Lists::new([entry("::/0", Deny)]);
        assert_eq!((ask(&all, "2001:db8::1"), ask(&all, "192.0.2.1")), (Some(Deny), None));
    }

    #[test]
    fn an_entry_whose_time_is_over_says_nothing() {
        let until = |millis| Some(Timestamp::from_millis(NOW.as_millis() + millis));
        let wide = entry("192.0.2.0/24", Deny);
        let over = Entry { until: until(0), ..entry("192.0.2.7/32", Allow) };
        assert_eq!(ask(&Lists::new([wide, over]), "192.0.2.7"), Some(Deny));
        let still = Entry { until: until(1), ..over };
        assert_eq!(ask(&Lists::new([wide, still]), "192.0.2.7"), Some(Allow));
    }
}
