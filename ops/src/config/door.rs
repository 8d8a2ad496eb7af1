//! Who may come to the doors, and from where.

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use natter_edge::{
    Tls,
    door::{self, Bounds, Forwarded, IpNet, Origins, Trust},
};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// As it is told; [`DoorArgs::open`] is what it means.
#[derive(Args, Clone, Debug, Default)]
pub struct DoorArgs {
    /// Addresses and networks of proxies that stand before us, comma separated: what they say of where a request comes from
    /// is believed.
    #[arg(long, env = "NATTER_TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: String,
    /// The header in which they say it: `x-forwarded-for` or `forwarded`. The other one is never read [default:
    /// x-forwarded-for].
    #[arg(long, env = "NATTER_FORWARDED", default_value = "")]
    pub forwarded: String,
    /// Origins of pages that may use the API from a browser beside our own, comma separated; `*` for all.
    #[arg(long, env = "NATTER_ORIGINS", default_value = "")]
    pub origins: String,
    /// The certificate chain to serve TLS with, PEM; read again when it changes.
    #[arg(long, env = "NATTER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, env = "NATTER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Paths that are answered only to requests that another server has signed, comma separated.
    #[arg(long, env = "NATTER_SIGNED", default_value = "")]
    pub signed: String,
    /// Requests that may be under way in this process; what is more is refused at once [default: 4096].
    #[arg(long, env = "NATTER_REQUESTS_MAX")]
    pub requests_max: Option<usize>,
}

impl DoorArgs {
    /// Refuses what cannot be meant, and a certificate that cannot be used. Lists are empty: they are the installation's.
    pub async fn open(&self) -> Result<(door::Settings, Option<Tls>)> {
        let origins = Origins::parse(&self.origins);
        let origins =
            origins.map_err(|origin| anyhow!("NATTER_ORIGINS: {origin:?} is no origin: scheme://host[:port]"))?;
        let usual = Bounds::default();
        let bounds = Bounds { requests: self.requests_max.unwrap_or(usual.requests).max(1), ..usual };
        let mut settings = door::Settings { trust: self.trust()?, origins, bounds, ..door::Settings::default() };
        settings.signed.paths = self.signed_paths()?;
        Ok((settings, self.tls().await?))
    }

    fn trust(&self) -> Result<Trust> {
        let listed = self.trusted_proxies.split(',').map(str::trim).filter(|text| !text.is_empty());
        let proxies = listed.map(network).collect::<Result<_>>().context("NATTER_TRUSTED_PROXIES")?;
        let header = match self.forwarded.to_ascii_lowercase().as_str() {
            "" | "x-forwarded-for" => Forwarded::XForwardedFor,
            "forwarded" => Forwarded::Forwarded,
            other => bail!("NATTER_FORWARDED: {other:?} is neither `x-forwarded-for` nor `forwarded`"),
        };
        Ok(Trust { proxies, header })
    }

    fn signed_paths(&self) -> Result<Vec<String>> {
        let listed = self.signed.split(',').map(str::trim).filter(|path| !path.is_empty());
        let path = |path: &str| {
            ensure!(path.starts_with('/') && !path.contains(['?', '{']), "NATTER_SIGNED: {path:?} is no path");
            Ok(path.to_owned())
        };
        listed.map(path).collect()
    }

    async fn tls(&self) -> Result<Option<Tls>> {
        match (given(self.tls_cert.as_ref()), given(self.tls_key.as_ref())) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Tls::read(certificate, key).await.context("serve TLS")?)),
            (Some(_), None) => bail!("NATTER_TLS_CERT is set and NATTER_TLS_KEY is not"),
            (None, Some(_)) => bail!("NATTER_TLS_KEY is set and NATTER_TLS_CERT is not"),
        }
    }
}

/// An empty variable is what scripts and compose files make of one that is not set.
fn given(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}

/// `192.0.2.0/24`, or one address. Bits behind the prefix are dropped. Addresses of IPv4 are compared as such, so networks
/// of them that are written as IPv6 are read as what they mean.
pub fn network(text: &str) -> Result<IpNet> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(one);
    let network = network.with_context(|| format!("{text:?} is neither an address nor a network"))?.trunc();
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => Ok(IpNet::new(IpAddr::V4(address), length)?),
        _ => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_cut_to_their_prefix() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), expected);
        }
        for bad in ["", "192.0.2", "192.0.2.0/33", "example.org", "192.0.2.0/24 "] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused() {
        let refused = async |args: DoorArgs| format!("{:#}", args.open().await.unwrap_err());
        let usual = DoorArgs::default;
        assert!(usual().open().await.is_ok());
        let cert = Some(PathBuf::from("/nowhere/cert.pem"));
        for (args, word) in [
            (DoorArgs { trusted_proxies: "10.0.0.0/8, x".to_owned(), ..usual() }, "\"x\""),
            (DoorArgs { forwarded: "via".to_owned(), ..usual() }, "via"),
            (DoorArgs { signed: "/metrics,healthz".to_owned(), ..usual() }, "healthz"),
            (DoorArgs { origins: "chat.example".to_owned(), ..usual() }, "chat.example"),
            (DoorArgs { tls_cert: cert.clone(), ..usual() }, "NATTER_TLS_KEY is not"),
            (DoorArgs { tls_key: cert.clone(), ..usual() }, "NATTER_TLS_CERT is not"),
            (DoorArgs { tls_key: cert.clone(), tls_cert: cert, ..usual() }, "/nowhere/cert.pem"),
        ] {
            let told = refused(args).await;
            assert!(told.contains(word), "{told}");
        }
    }
}
