//! Which addresses a page may be fetched from: those of the open internet, and what the operator adds. Everything that is
//! somebody's own, this machine, its network or its cloud's, is not, in whatever way it is written; what is our own and looks
//! like the open internet only the operator knows, who denies it.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, LazyLock},
};

/// Of IPv4: what is reserved (RFC 6890 and those that amend it), and an address that a cloud uses for itself.
const CLOSED_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // Azure's wire server.
    "168.63.129.16/32",
];

/// Of IPv6 all is closed that is not global unicast; of that, what is reserved, and what leads to IPv4 (Teredo, 6to4).
const OPEN_V6: &str = "2000::/3";
const CLOSED_V6: &[&str] = &["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"];

static CLOSED: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(&[CLOSED_V4, CLOSED_V6].concat()));
static OPEN: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(&[OPEN_V6]));

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// What may be asked.
#[derive(Clone, Default, Debug)]
pub struct Reach {
    /// Whatever else is said of them: our own with addresses of the open internet.
    pub denied: Vec<IpNet>,
    /// Though they are closed: an intranet's. On whichever port.
    pub added: Vec<IpNet>,
}

impl Reach {
    pub fn lets(&self, address: IpAddr, port: u16) -> bool {
        !self.denies(address) && (self.adds(address) || ([80, 443].contains(&port) && is_open(address)))
    }

    /// IPv4 that is written as IPv6 leads to the same place.
    fn denies(&self, address: IpAddr) -> bool {
        let meant = address.to_canonical();
        self.denied.iter().any(|net| net.contains(&address) || net.contains(&meant))
    }

    fn adds(&self, address: IpAddr) -> bool {
        self.added.iter().any(|net| net.contains(&address))
    }
}

fn is_open(address: IpAddr) -> bool {
    let is_closed = CLOSED.iter().any(|net| net.contains(&address));
    match address {
        IpAddr::V4(_) => !is_closed,
        IpAddr::V6(_) => !is_closed && OPEN.iter().any(|net| net.contains(&address)),
    }
}

/// As the one who connects asks: what comes back is what is connected to.
pub type Lookup =
    Arc<dyn Fn(String) -> futures::future::BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The machine's own.
pub fn lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Resolves names, and gives only addresses that may be asked. The connection is made to these and to no others, so a name
/// that means something else a moment later changes nothing.
#[derive(Clone)]
pub struct Guarded {
    pub reach: Reach,
    pub lookup: Lookup,
    /// The port that the page is on.
    pub port: u16,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { reach, lookup, port } = self.clone();
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            let open = found.into_iter().filter(|address| reach.lets(*address, port));
            let open: Vec<SocketAddr> = open.map(|address| SocketAddr::new(address, 0)).collect();
            if open.is_empty() {
                return Err("no address of it may be asked".into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// An address that stands in the url itself is resolved by nobody.
pub fn literal(host: &str) -> Option<IpAddr> {
    let v4 = || host.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    let v6 = || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    v4().or_else(v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_tables_is_one() {
        assert_eq!((CLOSED.len(), OPEN.len()), (CLOSED_V4.len() + CLOSED_V6.len(), 1));
    }

    #[test]
    fn what_is_somebodys_own_is_closed() {
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.215.14",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address = closed.parse().unwrap();
            assert!(!is_open(address) && !Reach::default().lets(address, 80), "{closed}");
        }
        for open in ["1.1.1.1", "93.184.215.14", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(Reach::default().lets(open.parse().unwrap(), 443), "{open}");
        }
    }

    #[test]
    fn ports_are_those_of_pages_but_where_the_operator_opens_a_network() {
        let reach = Reach { added: nets(&["127.0.0.2/32", "fd12::/16"]), ..Reach::default() };
        let lets = |address: &str, port| reach.lets(address.parse().unwrap(), port);
        assert!(lets("1.1.1.1", 80) && !lets("1.1.1.1", 22) && !lets("1.1.1.1", 8080));
        assert!(lets("127.0.0.2", 8080) && lets("fd12::1", 22));
        assert!(!lets("127.0.0.1", 80) && !lets("fd13::1", 443) && !lets("::ffff:127.0.0.2", 80));
    }

    #[test]
    fn what_the_operator_denies_is_closed_whatever_else_is_said_of_it() {
        let denied = nets(&["93.184.215.14/32", "2a00:1::/32", "10.1.2.0/24", "2a00:64::/96"]);
        let reach = Reach { denied, added: nets(&["10.1.0.0/16", "::ffff:0:0/96"]) };
        let lets = |address: &str| [80, 443, 8080].map(|port| reach.lets(address.parse().unwrap(), port));
        for denied in ["93.184.215.14", "::ffff:93.184.215.14", "2a00:1::7", "10.1.2.3", "2a00:64::a01:203"] {
            assert_eq!(lets(denied), [false; 3], "{denied}");
        }
        assert_eq!(lets("93.184.215.15"), [true, true, false]);
        assert_eq!(lets("2a00:2::7"), [true, true, false]);
        assert_eq!(lets("10.1.3.3"), [true; 3]);
    }

    #[tokio::test]
    async fn of_what_a_name_means_only_what_may_be_asked_is_connected_to() {
        let meaning = |addresses: &'static [&'static str]| -> Lookup {
            Arc::new(move |_| {
                Box::pin(async move { Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()) })
            })
        };
        let asks = async |addresses| {
            let reach = Reach { denied: nets(&["1.0.0.1/32"]), ..Reach::default() };
            let guarded = Guarded { reach, lookup: meaning(addresses), port: 80 };
            let found = guarded.resolve("page.example".parse().unwrap()).await.ok()?;
            Some(found.map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(asks(&["127.0.0.1", "1.0.0.1", "1.1.1.1", "::1"]).await, Some(vec!["1.1.1.1".to_owned()]));
        assert_eq!(asks(&["127.0.0.1", "169.254.169.254", "1.0.0.1"]).await, None);
        assert_eq!(asks(&[]).await, None);
    }
}
