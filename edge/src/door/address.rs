//! Where a request comes from. The other end of its connection says so, unless that is a proxy that we trust: then the
//! header that it writes does. What a stranger writes into that header stands to the left of what our own proxies added,
//! so it is read from the right, and the first address that is no proxy of ours is the client's.

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The header that our proxies write. One: a proxy passes on what it does not write, so the other one is the client's word.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Forwarded {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

/// Proxies of ours.
#[derive(Clone, Default, Debug)]
pub struct Trust {
    pub proxies: Vec<IpNet>,
    pub header: Forwarded,
}

impl Trust {
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|proxy| proxy.contains(&address))
    }

    /// `peer`: the other end of the connection.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.is_proxy(client) {
            return client;
        }
        let hops = self.header.hops(headers);
        for hop in hops.iter().rev() {
            // What cannot be read was written by somebody who hides: whoever passed it on answers for it.
            let Some(address) = address(hop) else { return client };
            client = address;
            if !self.is_proxy(client) {
                return client;
            }
        }
        client
    }
}

impl Forwarded {
    /// From the first to the last, over all lines of the header.
    fn hops(self, headers: &HeaderMap) -> Vec<String> {
        let name = match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        };
        let lines = headers.get_all(name).iter();
        // Hop by hop: what a stranger wrote may be no text, and stands in one line with what our proxy wrote.
        let hops = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(String::from_utf8_lossy);
        hops.map(|hop| if self == Self::Forwarded { for_of(&hop) } else { hop.trim().to_owned() }).collect()
    }
}

/// `for` of `for=192.0.2.60;proto=http`; empty where there is none.
fn for_of(hop: &str) -> String {
    let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    named.next().map(|(_, value)| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
}

/// `192.0.2.60`, `192.0.2.60:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// What stands for an address where it is counted: itself, or the /64 that it is in.
pub fn counted(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn trust(header: Forwarded) -> Trust {
        Trust { proxies: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()], header }
    }

    #[track_caller]
    fn client(trust: &Trust, peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        trust.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn what_is_no_text_hides_nothing_behind_it() {
        for (header, name, line) in [
            (Forwarded::XForwardedFor, "x-forwarded-for", &b"\xff, 192.0.2.1"[..]),
            (Forwarded::Forwarded, "forwarded", &b"for=\xe9;proto=http, for=192.0.2.1"[..]),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
            assert_eq!(trust(header).client("10.0.0.1".parse().unwrap(), &headers).to_string(), "192.0.2.1", "{name}");
        }
    }

    #[test]
    fn without_trust_the_header_is_a_strangers_word() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client(&Trust::default(), "203.0.113.7", &lines), "203.0.113.7");
        assert_eq!(client(&trust(Forwarded::XForwardedFor), "203.0.113.7", &lines), "203.0.113.7");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_of_ours_counts() {
        let trust = trust(Forwarded::XForwardedFor);
        for (value, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.9, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.9, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]:4711", "2001:db8::5"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 2001:db8:1::7", "192.0.2.1"),
        ] {
            assert_eq!(client(&trust, "10.0.0.1", &[("x-forwarded-for", value)]), expected, "{value}");
        }
        assert_eq!(client(&trust, "::ffff:10.0.0.1", &[("x-forwarded-for", "192.0.2.1")]), "192.0.2.1");
        assert_eq!(client(&trust, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn who_hides_is_whoever_passed_it_on() {
        let trust = trust(Forwarded::XForwardedFor);
        for value in ["unknown", "_hidden", "", "192.0.2.1, unknown", "192.0.2.1, ", "'", "999.1.1.1"] {
            assert_eq!(client(&trust, "10.0.0.1", &[("x-forwarded-for", value)]), "10.0.0.1", "{value}");
        }
        assert_eq!(client(&trust, "10.0.0.1", &[("x-forwarded-for", "unknown, 10.2.2.2")]), "10.2.2.2");
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "198.51.100.9"), ("x-forwarded-for", "192.0.2.1, 10.1.1.1")];
        assert_eq!(client(&trust(Forwarded::XForwardedFor), "10.0.0.1", &lines), "192.0.2.1");
    }

    #[test]
    fn only_the_header_that_our_proxies_write_is_read() {
        let lines = [("x-forwarded-for", "198.51.100.9"), ("forwarded", "for=\"[2001:db8::17]:4711\";proto=https")];
        assert_eq!(client(&trust(Forwarded::Forwarded), "10.0.0.1", &lines), "2001:db8::17");
        assert_eq!(client(&trust(Forwarded::XForwardedFor), "10.0.0.1", &lines), "198.51.100.9");
        let several = [("forwarded", "for=198.51.100.9, For=192.0.2.1;by=10.0.0.1, for=10.1.1.1")];
        assert_eq!(client(&trust(Forwarded::Forwarded), "10.0.0.1", &several), "192.0.2.1");
        let silent = [("forwarded", "for=192.0.2.1, proto=https")];
        assert_eq!(client(&trust(Forwarded::Forwarded), "10.0.0.1", &silent), "10.0.0.1");
    }

    #[test]
    fn addresses_of_one_network_of_version_6_are_counted_as_one() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
