//! Fetches a page that a stranger names, so that nobody can have this server ask what only this server may: each hop is
//! looked at anew, names are resolved by [`Guarded`] and connected to as resolved. No cookies, no proxies, no credentials.
//! A page is asked for as it is, not compressed; what comes compressed all the same is not read, so nothing can swell.

use super::{
    address::{Guarded, Lookup, Reach, literal},
    charset,
};
use reqwest::{Client, Response, Url, header, redirect::Policy};
use std::time::Duration;
use tokio::time::timeout;

/// For the whole of it, however many hops.
const PATIENCE: Duration = Duration::from_secs(5);
const REDIRECTS_MAX: usize = 3;
/// Of a page so much is read: what it says of itself stands at its beginning.
const PAGE_MAX_BYTES: usize = 512 * 1024;
const AGENT: &str = "Natter-LinkPreview/1";

/// Why there is no page, for the metrics: whoever asked is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It leads to what may not be asked.
    Closed,
    Away,
    Late,
    /// It answers, with an error.
    Status,
    /// It is no page.
    Kind,
    Redirects,
    /// There is nothing to be shown of it.
    Empty,
}

impl Failure {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Away => "away",
            Self::Late => "late",
            Self::Status => "status",
            Self::Kind => "kind",
            Self::Redirects => "redirects",
            Self::Empty => "empty",
        }
    }
}

/// A page, and where it was found.
pub struct Page {
    pub url: Url,
    pub html: String,
}

pub struct Fetcher {
    reach: Reach,
    /// For the ports of pages.
    usual: Client,
    /// For all others, which only what the operator has added may be asked on.
    added: Client,
}

impl Fetcher {
    pub fn new(reach: Reach, lookup: &Lookup) -> Result<Self, reqwest::Error> {
        let client = |port| {
            let guarded = Guarded { reach: reach.clone(), lookup: lookup.clone(), port };
            Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .user_agent(AGENT)
                .dns_resolver(guarded)
                // A connection is for one page.
                .pool_max_idle_per_host(0)
                .build()
        };
        Ok(Self { usual: client(80)?, added: client(0)?, reach })
    }

    pub async fn page(&self, url: Url) -> Result<Page, Failure> {
        timeout(PATIENCE, self.follow(url)).await.unwrap_or(Err(Failure::Late))
    }

    async fn follow(&self, mut url: Url) -> Result<Page, Failure> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.ask(&url).await?;
            if !response.status().is_redirection() {
                return read(url, response).await;
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or(Failure::Status)?;
        }
        Err(Failure::Redirects)
    }

    async fn ask(&self, url: &Url) -> Result<Response, Failure> {
        let client = self.client(url).ok_or(Failure::Closed)?;
        let request = client
            .get(url.clone())
            .header(header::ACCEPT, "text/html, application/xhtml+xml")
            .header(header::ACCEPT_ENCODING, "identity");
        request.send().await.map_err(|_| Failure::Away)
    }

    /// `None`: it may not be asked. What its name means is the resolver's to look at.
    fn client(&self, url: &Url) -> Option<&Client> {
        let port = port(url)?;
        if literal(url.host_str()?).is_some_and(|address| !self.reach.lets(address, port)) {
            return None;
        }
        Some(if [80, 443].contains(&port) { &self.usual } else { &self.added })
    }
}

/// Of a url that can be a page's; `None`: of no other.
pub fn port(url: &Url) -> Option<u16> {
    let is_plain = ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
    url.port_or_known_default().filter(|_| is_plain && url.host_str().is_some_and(|host| !host.is_empty()))
}

async fn read(url: Url, mut response: Response) -> Result<Page, Failure> {
    if !response.status().is_success() {
        return Err(Failure::Status);
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, encoding) = (header(header::CONTENT_TYPE).to_owned(), header(header::CONTENT_ENCODING));
    if !is_page(&kind) || !["", "identity"].contains(&encoding) {
        return Err(Failure::Kind);
    }
    let mut page = Vec::new();
    while page.len() < PAGE_MAX_BYTES {
        // One that breaks off has said what it has said.
        let Ok(Some(chunk)) = response.chunk().await else { break };
        page.extend_from_slice(&chunk);
    }
    page.truncate(PAGE_MAX_BYTES);
    Ok(Page { url, html: charset::text(&kind, &page) })
}

fn is_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{IpAddr, SocketAddr},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// Whoever connects gets this; how many did.
    async fn target(address: &str, answer: String) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let (bound, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (bound, count)
    }

    fn page(more: &str, body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n{more}\r\n{body}")
    }

    fn meaning(meant: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Lookup {
        let asked = AtomicUsize::new(0);
        Arc::new(move |_| {
            let address: IpAddr = meant(asked.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
            Box::pin(async move { Ok(vec![address]) })
        })
    }

    fn fetcher(lookup: &Lookup) -> Fetcher {
        Fetcher::new(Reach { added: vec!["127.0.0.2/32".parse().unwrap()], ..Reach::default() }, lookup).unwrap()
    }

    async fn fetched(fetcher: &Fetcher, url: &str) -> Result<String, Failure> {
        fetcher.page(Url::parse(url).unwrap()).await.map(|page| page.html)
    }

    #[tokio::test]
    async fn a_name_that_means_something_else_a_moment_later_leads_nowhere() {
        let (open, _) = target("127.0.0.2", page("", "open")).await;
        let (closed, count) = target("127.0.0.1", page("", "closed")).await;
        let fetcher = fetcher(&meaning(|asked| if asked == 0 { "127.0.0.2" } else { "127.0.0.1" }));
        assert_eq!(fetched(&fetcher, &format!("http://page.example:{}/", open.port())).await.as_deref(), Ok("open"));
        let again = fetched(&fetcher, &format!("http://page.example:{}/", closed.port())).await;
        assert_eq!((again, count.load(Ordering::Relaxed)), (Err(Failure::Away), 0));
    }

    #[tokio::test]
    async fn what_is_closed_is_not_connected_to_however_it_is_written() {
        let (closed, count) = target("127.0.0.1", page("", "closed")).await;
        let (port, fetcher) = (closed.port(), fetcher(&meaning(|_| "127.0.0.1")));
        for host in
            ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
        {
            let url = format!("http://{host}:{port}/");
            assert!(fetched(&fetcher, &url).await.is_err(), "{url}");
        }
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn every_hop_is_looked_at() {
        let (closed, count) = target("127.0.0.1", page("", "closed")).await;
        let fetcher = fetcher(&meaning(|_| "127.0.0.1"));
        let there = format!("{closed}/");
        for location in [
            format!("http://{there}"),
            format!("//{there}"),
            format!("http://localhost:{}/", closed.port()),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "file:///etc/passwd".to_owned(),
            "gopher://127.0.0.2/".to_owned(),
            "http://user@127.0.0.2/".to_owned(),
        ] {
            let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\nconnection: close\r\n\r\n");
            let (first, _) = target("127.0.0.2", redirect).await;
            let fetched = fetched(&fetcher, &format!("http://{first}/")).await;
            assert!(matches!(fetched, Err(Failure::Closed | Failure::Away)), "{location}: {fetched:?}");
        }
        assert_eq!(count.load(Ordering::Relaxed), 0);
        let (round, _) =
            target("127.0.0.2", "HTTP/1.1 302 x\r\nlocation: /again\r\nconnection: close\r\n\r\n".into()).await;
        assert_eq!(fetched(&fetcher, &format!("http://{round}/")).await, Err(Failure::Redirects));
        let (nowhere, _) = target("127.0.0.2", "HTTP/1.1 302 x\r\nconnection: close\r\n\r\n".into()).await;
        assert_eq!(fetched(&fetcher, &format!("http://{nowhere}/")).await, Err(Failure::Status));
    }

    #[tokio::test]
    async fn only_pages_are_read_and_of_those_the_beginning() {
        let fetcher = fetcher(&meaning(|_| "127.0.0.1"));
        let long = format!("<title>t</title>{}", "x".repeat(PAGE_MAX_BYTES));
        for (answer, expected) in [
            (page("", "hi"), Ok("hi".to_owned())),
            (page("content-encoding: identity\r\n", "hi"), Ok("hi".to_owned())),
            (page("content-encoding: gzip\r\n", "\u{1f}"), Err(Failure::Kind)),
            (page("", "").replace("text/html", "image/png"), Err(Failure::Kind)),
            (page("", "").replace("content-type: text/html\r\n", ""), Err(Failure::Kind)),
            (page("", "").replace("200", "404"), Err(Failure::Status)),
            ("nonsense".to_owned(), Err(Failure::Away)),
            (page("content-length: 100\r\n", "cut"), Ok("cut".to_owned())),
            (page("", &long), Ok(long[..PAGE_MAX_BYTES].to_owned())),
        ] {
            let (address, _) = target("127.0.0.2", answer.clone()).await;
            let fetched = fetched(&fetcher, &format!("http://{address}/")).await;
            assert!(fetched == expected, "{:?}: {:?}", answer.get(..80), fetched.map(|page| page.len()));
        }
    }

    #[test]
    fn a_page_is_on_the_web() {
        let port = |url: &str| Url::parse(url).ok().as_ref().and_then(super::port);
        assert_eq!(
            [port("http://a"), port("https://a/b?c#d"), port("http://a:8080")],
            [Some(80), Some(443), Some(8080)]
        );
        for bad in
            ["ftp://a", "file:///etc/passwd", "gopher://a", "http://user@a", "http://:pw@a", "data:text/html,a", "a"]
        {
            assert_eq!(port(bad), None, "{bad}");
        }
    }
}
