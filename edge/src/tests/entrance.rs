//! The door over real connections: what strangers may try before anybody knows who they are.

use super::*;
use crate::{
    door::{self, Bounds, IpNet, Lists, Trust, Verdict, lists::Entry},
    http::peer::Connected,
    server,
};
use futures::StreamExt;
use natter_domain::Timestamp;
use std::net::{IpAddr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

mod browsers;
mod tls;

const SOON: Duration = Duration::from_secs(10);
/// What a test that waits for a bound makes of it.
const SHORT: Duration = Duration::from_millis(200);

fn settings(door: door::Settings) -> Settings {
    Settings { door, drain: Duration::from_secs(1), ..Settings::default() }
}

fn edge_with(settings: Settings) -> Arc<Edge> {
    let auth = Arc::new(Auth::new(&Keyring::new(&[7; 32])));
    Arc::new(Edge::new(auth, Lanes::new(16).unwrap(), settings, CancellationToken::new()))
}

fn bounds(bounds: Bounds) -> Settings {
    settings(door::Settings { bounds, ..door::Settings::default() })
}

/// A request that comes from there.
fn from(address: &str, line: &str, token: Option<&str>) -> Request<Body> {
    let mut request = request(line, token, "");
    request.extensions_mut().insert(Connected(address.parse::<IpAddr>().unwrap()));
    request
}

const LOGIN: &str = "POST /api/v1/auth/login";

/// How many are heard before one is refused; the refusal.
async fn asked(router: &Router, mut make: impl FnMut() -> Request<Body>) -> (usize, Answer) {
    for number in 0..1_000 {
        let answer = call(router, make()).await;
        if answer.status == 429 {
            return (number, answer);
        }
    }
    panic!("none was refused");
}

/// Some may have come back meanwhile: how long it takes is not known.
#[track_caller]
fn is_quota(heard: usize, quota: usize) {
    assert!((quota..quota + 10).contains(&heard), "{heard} of {quota}");
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let router = router(&edge_with(Settings::default()));
    let first = call(&router, from("192.0.2.1", LOGIN, None)).await;
    assert_eq!(first.status, 415, "it was heard, and had no body");
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=3000;w=60, \"login\";q=60;w=300");
    assert_eq!(first.header("ratelimit"), "\"login\";r=59;t=5");
    let (heard, refused) = asked(&router, || from("192.0.2.1", LOGIN, None)).await;
    assert_eq!(refused.code(), "rate_limited");
    is_quota(heard + 1, 60);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), format!("\"login\";r=0;t={wait}"));
    assert!(refused.header("ratelimit-policy").contains("\"login\";q=60;w=300"));
    assert_eq!(call(&router, from("192.0.2.2", LOGIN, None)).await.status, 415, "another address");
    assert_eq!(call(&router, from("192.0.2.1", "GET /.well-known/jwks.json", None)).await.status, 200, "another route");
}

#[tokio::test]
async fn a_network_of_version_6_is_one_address() {
    let router = router(&edge_with(Settings::default()));
    let mut host = 0;
    let (heard, _) = asked(&router, || {
        host += 1;
        from(&format!("2001:db8::{host:x}"), LOGIN, None)
    })
    .await;
    is_quota(heard, 60);
    assert_eq!(call(&router, from("2001:db8:0:1::1", LOGIN, None)).await.status, 415);
}

#[tokio::test]
async fn an_account_is_counted_wherever_it_asks_from() {
    let edge = edge_with(Settings::default());
    let (router, token) = (router(&edge), token(&edge));
    let search = "GET /api/v1/accounts?query=alice";
    let mut hosts = 0..=255;
    let first = call(&router, from("192.0.2.1", search, Some(&token))).await;
    assert_eq!(first.status, 503, "it was let in, and nothing is behind this door");
    assert_eq!(first.header("ratelimit"), "\"search\";r=29;t=2");
    assert_eq!(first.header("ratelimit-policy").matches(";q=").count(), 4, "address, account, session, search");
    let (heard, _) =
        asked(&router, || from(&format!("198.51.100.{}", hosts.next().unwrap()), search, Some(&token))).await;
    is_quota(heard + 1, 30);
    let answer = call(&router, from("192.0.2.99", search, Some(&token))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "rate_limited"));
    assert_eq!(call(&router, from("192.0.2.99", "GET /api/v1/friends", Some(&token))).await.status, 503);
}

#[tokio::test]
async fn without_limits_nobody_is_counted() {
    let router = router(&edge_with(Settings { limits: false, ..Settings::default() }));
    for _ in 0..100 {
        let answer = call(&router, from("192.0.2.1", LOGIN, None)).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (415, ""));
    }
}

#[tokio::test]
async fn who_stands_behind_our_proxy_is_counted_apart_and_who_only_says_so_is_not() {
    let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
    let trust = Trust { proxies, ..Trust::default() };
    let router = router(&edge_with(settings(door::Settings { trust, ..door::Settings::default() })));
    let forwarded = |peer: &str, client: &str| {
        let mut request = from(peer, LOGIN, None);
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        request
    };
    let (heard, _) = asked(&router, || forwarded("10.0.0.1", "192.0.2.1")).await;
    is_quota(heard, 60);
    assert_eq!(call(&router, forwarded("10.0.0.2", "192.0.2.1")).await.status, 429, "the same through another proxy");
    assert_eq!(
        call(&router, forwarded("10.0.0.1", "203.0.113.9, 192.0.2.1")).await.status,
        429,
        "it writes another before it"
    );
    assert_eq!(call(&router, forwarded("10.0.0.1", "192.0.2.2")).await.status, 415);
    let mut host = 0;
    let (heard, _) = asked(&router, || {
        host += 1;
        forwarded("203.0.113.7", &format!("198.51.100.{host}"))
    })
    .await;
    // What a stranger says of other addresses does not count.
    is_quota(heard, 60);
}

/// A list that can be changed.
fn listed() -> (watch::Sender<Arc<Lists>>, Settings) {
    let (sender, lists) = watch::channel(Arc::default());
    (sender, settings(door::Settings { lists, ..door::Settings::default() }))
}

fn list(entries: &[(&str, Verdict)]) -> Arc<Lists> {
    let entry = |(network, verdict): &(&str, Verdict)| {
        let until = Some(Timestamp::parse("2999-01-01T00:00:00Z").unwrap());
        Entry { network: network.parse().unwrap(), verdict: *verdict, until }
    };
    Arc::new(Lists::new(entries.iter().map(entry)))
}

#[tokio::test]
async fn from_where_it_is_denied_nothing_is_asked_and_who_is_allowed_is_not_counted() {
    let (sender, settings) = listed();
    let edge = edge_with(settings);
    let (router, without_doors) = (router(&edge), crate::http::router::health(&edge));
    let keys = "GET /.well-known/jwks.json";
    assert_eq!(call(&router, from("192.0.2.1", keys, None)).await.status, 200);
    sender.send_replace(list(&[("192.0.2.0/24", Verdict::Deny), ("192.0.2.7/32", Verdict::Allow)]));
    for line in [keys, LOGIN, "GET /healthz", "GET /metrics", "GET /nothing", "GET /ws", "GET /docs/"] {
        let answer = call(&router, from("192.0.2.1", line, None)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "forbidden"), "{line}");
    }
    assert_eq!(call(&without_doors, from("192.0.2.1", "GET /metrics", None)).await.status, 403);
    assert_eq!(call(&without_doors, from("192.0.3.1", "GET /metrics", None)).await.status, 200);
    assert_eq!(call(&router, from("192.0.3.1", keys, None)).await.status, 200);
    for _ in 0..100 {
        assert_eq!(call(&router, from("192.0.2.7", LOGIN, None)).await.status, 415);
    }
    sender.send_replace(list(&[]));
    assert_eq!(call(&router, from("192.0.2.1", keys, None)).await.status, 200);
}

struct House {
    edge: Arc<Edge>,
    address: SocketAddr,
}

async fn house(settings: Settings) -> House {
    let edge = edge_with(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, ground, end) = (router(&edge), edge.ground(), edge.end());
    tokio::spawn(async move { server::run(listener, router, ground, end).await });
    House { edge, address }
}

impl House {
    async fn connect(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    async fn socket(&self, origin: Option<&str>) -> Result<Socket, Error> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| socket)
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// Everything until the other side closes, which it must.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // It may be reset, where we have sent what it did not read.
    let _ = timeout(SOON, stream.read_to_end(&mut text)).await.expect("the connection is closed");
    String::from_utf8(text).unwrap()
}

/// What comes next.
async fn next(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4_096];
    let read = timeout(SOON, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

async fn status(refused: Result<Socket, Error>) -> u16 {
    match refused {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_list_closes_websockets_that_are_open() {
    let (sender, settings) = listed();
    let house = house(Settings { greeting: SOON, ..settings }).await;
    let mut socket = house.socket(None).await.unwrap();
    sender.send_replace(list(&[("203.0.113.0/24", Verdict::Deny)]));
    sender.send_replace(list(&[("127.0.0.1/32", Verdict::Deny)]));
    let closed = timeout(SOON, socket.next()).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = closed else { panic!("{closed:?}") };
    assert_eq!(u16::from(frame.code), 1008);
    assert_eq!(status(house.socket(None).await).await, 403);
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_head_that_drips_is_cut_off_and_silence_between_requests_is_not() {
    let house = house(bounds(Bounds { head: SHORT, idle: SOON * 2, ..Bounds::default() })).await;
    let mut patient = house.connect(HEALTH).await;
    assert!(next(&mut patient).await.starts_with("HTTP/1.1 200"));
    // The first request, and one behind an answered one.
    let (first, second) = (house.connect("").await, house.connect(HEALTH).await);
    for mut stream in [first, second] {
        let dripping = async {
            let mut dripped = 0;
            // It is answered, where it was asked, and cut off then.
            while stream.write_all(b"GET /healthz"[dripped % 12..=dripped % 12].as_ref()).await.is_ok() {
                dripped += 1;
                if timeout(SHORT / 10, stream.readable()).await.is_ok() {
                    let mut bytes = [0; 4_096];
                    match stream.try_read(&mut bytes) {
                        Ok(0) => return,
                        Ok(_) => {}
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
            }
        };
        timeout(SOON, dripping).await.expect("it is cut off");
    }
    // Longer than a head may take has passed.
    patient.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(next(&mut patient).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_says_nothing_at_all_is_let_go() {
    let house = house(bounds(Bounds { head: SHORT, ..Bounds::default() })).await;
    assert_eq!(rest(house.connect("").await).await, "");
    let house = self::house(bounds(Bounds { idle: SHORT, ..Bounds::default() })).await;
    assert!(rest(house.connect(HEALTH).await).await.starts_with("HTTP/1.1 200"), "and who says nothing more");
}

/// It asks on and on, and reads nothing: what we have to say fills every buffer on the way, and then waits.
#[tokio::test]
async fn who_takes_nothing_of_what_we_say_is_cut_off() {
    let house = house(bounds(Bounds { stall: SHORT, ..Bounds::default() })).await;
    let mut stream = house.connect("").await;
    let asking = async { while stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} };
    timeout(SOON * 2, asking).await.expect("it is cut off");
}

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{")
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so() {
    let house = house(bounds(Bounds { body: SHORT, ..Bounds::default() })).await;
    let mut stream = house.connect(&post("/api/v1/auth/login", 100)).await;
    let answer = next(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not come in time"), "{answer}");
}

#[tokio::test]
async fn a_request_ends_in_time_whatever_becomes_of_it() {
    let house = house(bounds(Bounds { request: SHORT, ..Bounds::default() })).await;
    let mut stream = house.connect(&post("/api/v1/auth/login", 100)).await;
    let answer = next(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
}

#[tokio::test]
async fn heads_are_bounded_in_number_and_size() {
    let house = house(settings(door::Settings::default())).await;
    let many: String = (0..101).map(|number| format!("x-{number}: y\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(40 * 1024));
    for lines in [many, large] {
        let answer = rest(house.connect(&format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{lines}\r\n")).await).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let fit: String = (0..90).map(|number| format!("x-{number}: {}\r\n", "y".repeat(300))).collect();
    let mut stream = house.connect(&format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{fit}\r\n")).await;
    assert!(next(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_more_than_we_can_do_is_refused_at_once_and_health_is_not() {
    let house = house(bounds(Bounds { requests: 2, ..Bounds::default() })).await;
    // Two that are inside: their bodies are to come.
    let inside =
        [house.connect(&post("/api/v1/auth/login", 2)).await, house.connect(&post("/api/v1/auth/login", 2)).await];
    let begun = Instant::now();
    let full = loop {
        let mut stream = house.connect("GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = next(&mut stream).await;
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        assert!(begun.elapsed() < SOON, "it is never full");
    };
    assert!(
        full.starts_with("HTTP/1.1 503") && full.contains("\"unavailable\"") && full.contains("retry-after: 1"),
        "{full}"
    );
    assert!(next(&mut house.connect(HEALTH).await).await.starts_with("HTTP/1.1 200"));
    for mut stream in inside {
        stream.write_all(b"}").await.unwrap();
        assert!(next(&mut stream).await.starts_with("HTTP/1.1 422"), "who was inside is answered");
    }
    let mut stream = house.connect("GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(next(&mut stream).await.starts_with("HTTP/1.1 200"), "there is room again");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_gets_them_back() {
    let house = house(bounds(Bounds { connections_of_address: 2, ..Bounds::default() })).await;
    let mut held = vec![house.connect(HEALTH).await, house.connect(HEALTH).await];
    for stream in &mut held {
        assert!(next(stream).await.starts_with("HTTP/1.1 200"));
    }
    let third = TcpStream::connect(house.address).await.unwrap();
    assert_eq!(rest(third).await, "");
    held.pop();
    let begun = Instant::now();
    loop {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let mut bytes = [0; 1_024];
        if stream.write_all(HEALTH.as_bytes()).await.is_ok() && matches!(stream.read(&mut bytes).await, Ok(1..)) {
            break;
        }
        assert!(begun.elapsed() < SOON, "the place is not given back");
    }
}

#[tokio::test]
async fn an_address_has_so_many_websockets() {
    let small = Bounds { sockets_of_address: 1, ..Bounds::default() };
    let house = house(Settings { greeting: SOON * 2, ..bounds(small) }).await;
    let held = house.socket(None).await.unwrap();
    assert_eq!(status(house.socket(None).await).await, 429);
    drop(held);
    let begun = Instant::now();
    while house.socket(None).await.is_err() {
        assert!(begun.elapsed() < SOON, "the place is not given back");
    }
}
