//! Bytes that are no request, hardly one, or two at once, past every HTTP client. What cannot be read is refused with a
//! status and the connection closed; what could be read in two ways is never read as a second request.

use super::{Scene, leaves_nothing};
use natter_testkit::{BOUND, Node, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn connect(node: &Node) -> TcpStream {
    let url = node.base_url();
    let address = url.strip_prefix("http://").expect("in clear");
    TcpStream::connect(address).await.expect("connect to the node")
}

/// All that comes until the node closes, which it must.
async fn exchange(node: &Node, bytes: &[u8]) -> String {
    let mut stream = connect(node).await;
    // It may be closed before all of it is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = within("the end of the connection", BOUND, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Of each answer in turn.
fn statuses(answers: &str) -> Vec<u16> {
    let parts = answers.split("HTTP/1.1 ").skip(1);
    parts.map(|part| part.get(..3).and_then(|status| status.parse().ok()).expect("a status")).collect()
}

const POST: &str = "POST /api/v1/auth/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const VERIFY: &str = "{\"token\": \"x\"}";
const SECOND: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const LAST: &str = "connection: close\r\n";

/// Refused whole: one status, or none, and closed. Nothing behind it is looked at.
#[tokio::test]
async fn what_is_no_request_is_refused_and_closed() {
    let scene = Scene::new().await;
    let no_requests: Vec<Vec<u8>> = [
        "\r\n\r\n\r\nnonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /healthz HTTP/1.1 \r\nhost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "G\u{0}T /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        // Headers.
        "GET /healthz HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\r\n b: c\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\u{0}b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx\u{0}: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n: a\r\n\r\n",
        // To whom?
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nhost: x\r\nhost: x\r\n\r\n",
    ]
    .map(|text| [text, SECOND].concat().into_bytes())
    .into();
    let others = [
        // The beginning of TLS, and a path that is larger than all headers may be.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\xff\xff\xff\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        (0..=255).cycle().take(10_000).collect(),
    ];
    leaves_nothing(&scene.node, async {
        for bytes in no_requests.iter().chain(&others) {
            let shown = String::from_utf8_lossy(bytes).chars().take(60).collect::<String>();
            let answer = exchange(&scene.node, bytes).await;
            let statuses = statuses(&answer);
            let refused = statuses.iter().all(|status| [400, 414, 431, 505].contains(status));
            assert!(refused && statuses.len() <= 1, "{shown:?}: {answer}");
        }
    })
    .await;
}

/// A body's length that is none, or two.
#[tokio::test]
async fn a_length_that_cannot_be_is_refused_and_closed() {
    let scene = Scene::new().await;
    let lengths = [
        "content-length: 14\r\ncontent-length: 15\r\n",
        "content-length: 14, 15\r\n",
        "content-length: +14\r\n",
        "content-length: -14\r\n",
        "content-length: 0xe\r\n",
        "content-length: 1 4\r\n",
        "content-length: 14.0\r\n",
        "content-length: \r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 18446744073709551615\r\n",
        "content-length : 14\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: \r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    ];
    let chunks = [
        "10000000000000000e\r\n",
        "-e\r\n",
        "0xe\r\n",
        "ze\r\n",
        " e\r\n",
        "\r\n",
        "e\n{\"token\": \"x\"}\n0\n\n",
        "e\r\n{\"token\": \"x\"}more\r\n0\r\n\r\n",
    ];
    leaves_nothing(&scene.node, async {
        for length in lengths {
            let answer = exchange(&scene.node, format!("{POST}{length}\r\n{VERIFY}{SECOND}").as_bytes()).await;
            // 431: a number, and larger than any body may be.
            assert!(matches!(statuses(&answer)[..], [400 | 431]), "{length:?}: {answer}");
        }
        for chunk in chunks.iter().map(|chunk| (*chunk).to_owned()).chain([format!("e;{}\r\n", "x".repeat(100_000))]) {
            let request = format!("{POST}transfer-encoding: chunked\r\n\r\n{chunk}{VERIFY}\r\n0\r\n\r\n{SECOND}");
            let answer = exchange(&scene.node, request.as_bytes()).await;
            let shown: String = chunk.chars().take(40).collect();
            assert!(matches!(statuses(&answer)[..], [] | [400]), "{shown:?}: {answer}");
        }
    })
    .await;
}

/// Who reads the length and who reads the chunks see another end: nothing behind it is read.
#[tokio::test]
async fn what_is_hidden_behind_a_body_of_two_lengths_is_never_answered() {
    let scene = Scene::new().await;
    let hidden = format!("0\r\n\r\n{SECOND}");
    let (short, long) = ("content-length: 5\r\n".to_owned(), format!("content-length: {}\r\n", hidden.len()));
    let chunked = "transfer-encoding: chunked\r\n";
    leaves_nothing(&scene.node, async {
        for lengths in [
            format!("{short}{chunked}"),
            format!("{chunked}{short}"),
            format!("{long}{chunked}"),
            format!("{chunked}{long}"),
            format!("{chunked}connection: keep-alive\r\n{short}"),
        ] {
            let answer = exchange(&scene.node, format!("{POST}{lengths}\r\n{hidden}").as_bytes()).await;
            assert_eq!(statuses(&answer), [400], "{lengths:?}: {answer}");
        }
        // By itself a body in chunks is read, and is the last of its connection.
        let request = format!("{POST}{chunked}\r\ne\r\n{VERIFY}\r\n0\r\n\r\n{SECOND}");
        let answer = exchange(&scene.node, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [200], "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    })
    .await;
}

/// Many at once are answered each, in their order, bad ones among them.
#[tokio::test]
async fn what_is_pipelined_is_answered_in_its_order() {
    let scene = Scene::new().await;
    let verify = format!("{POST}content-length: {}\r\n\r\n{VERIFY}", VERIFY.len());
    let kinds = [
        (SECOND.to_owned(), 200),
        ("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 404),
        (verify.clone(), 200),
        ("BREW /healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 405),
        (verify.replace("\"x\"", "\"x\u{0}"), 400),
        ("GET /api/v1/accounts/me HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 401),
    ];
    let many: Vec<&(String, u16)> = kinds.iter().cycle().take(300).collect();
    let mut requests: String = many.iter().map(|(request, _)| request.as_str()).collect();
    requests.push_str(&SECOND.replace("host", &format!("{LAST}host")));
    // Behind the last one nothing is read.
    requests.push_str(SECOND);
    let mut expected: Vec<u16> = many.iter().map(|(_, status)| *status).collect();
    expected.push(200);
    leaves_nothing(&scene.node, async {
        assert_eq!(statuses(&exchange(&scene.node, requests.as_bytes()).await), expected);
    })
    .await;
}

/// Whoever breaks off leaves nothing behind, wherever that is.
#[tokio::test]
async fn who_breaks_off_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let whole = format!("{POST}content-length: {}\r\n\r\n{VERIFY}", VERIFY.len());
    let upgrade = "GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    leaves_nothing(&scene.node, async {
        for request in [whole.as_str(), upgrade] {
            for end in 0..=request.len() {
                let mut stream = connect(&scene.node).await;
                stream.write_all(&request.as_bytes()[..end]).await.expect("send a part of it");
            }
        }
        // A body that was promised, as large as a number can say too, and one that nobody will take.
        for promise in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{"] {
            let promised = format!("{POST}{promise}");
            connect(&scene.node).await.write_all(promised.as_bytes()).await.expect("send a part of it");
        }
        let large = format!("{POST}{LAST}expect: 100-continue\r\ncontent-length: 2000000\r\n\r\n");
        assert_eq!(statuses(&exchange(&scene.node, large.as_bytes()).await), [413]);
    })
    .await;
}

/// Paths and methods that are unusual, each with its plain answer.
#[tokio::test]
async fn strange_paths_and_methods_are_found_nowhere() {
    let scene = Scene::new().await;
    let long = format!("GET /{} HTTP/1.1", "a".repeat(20_000));
    leaves_nothing(&scene.node, async {
        for (line, status) in [
            ("GET // HTTP/1.1", 404),
            ("GET /..%2f..%2fetc%2fpasswd HTTP/1.1", 404),
            ("GET /../../etc/passwd HTTP/1.1", 404),
            ("GET /api/v1/../v1/accounts/me HTTP/1.1", 404),
            ("GET /%00 HTTP/1.1", 404),
            ("GET /%ff%fe HTTP/1.1", 404),
            ("GET /%zz HTTP/1.1", 404),
            ("GET /% HTTP/1.1", 404),
            ("GET /API/V1/accounts/me HTTP/1.1", 404),
            ("GET /api/v1//accounts/me HTTP/1.1", 404),
            ("GET /api/v1/accounts/me/ HTTP/1.1", 404),
            ("GET /api/v1/accounts/%6de HTTP/1.1", 401),
            (long.as_str(), 404),
            ("GET http://elsewhere.example/nothing HTTP/1.1", 404),
            ("get /healthz HTTP/1.1", 405),
            ("TRACE /healthz HTTP/1.1", 405),
            ("PROPFIND /api/v1/accounts/me HTTP/1.1", 405),
            ("PUT /api/v1/auth/login HTTP/1.1", 405),
            ("GET /api/v1/auth/logout HTTP/1.1", 405),
            ("OPTIONS * HTTP/1.1", 404),
            ("CONNECT elsewhere.example:443 HTTP/1.1", 404),
            ("HEAD /healthz HTTP/1.1", 200),
        ] {
            let answer = exchange(&scene.node, format!("{line}\r\nhost: x\r\n{LAST}\r\n").as_bytes()).await;
            let shown: String = line.chars().take(60).collect();
            assert_eq!(statuses(&answer), [status], "{shown}: {answer}");
            assert_eq!(answer.contains("application/problem+json"), status >= 400, "{shown}: {answer}");
        }
    })
    .await;
}
