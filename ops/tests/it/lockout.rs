//! Guessed passwords cost time: on all nodes together, the same for names that nobody has, and never the account.

use crate::standing::{Clock, clocked, login};
use futures::future::join_all;
use natter_testkit::{BOUND, Node, Options, PASSWORD, Proxy, Reply, Stack, eventually, within};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::Instant,
};

/// Wrong tries that cost nothing.
const FREE: usize = 5;

/// Wrong tries that a place has at once; then one each minute.
const OF_A_PLACE: usize = 50;

/// A wait that is over on no machine while a test makes its next try.
const LONG: u64 = 60;

const LIMITS: (&str, &str) = ("NATTER_LIMITS", "standard");

async fn wrong(node: &Node, name: &str) -> Reply {
    login(&node.raw(), name, "a guess").await
}

/// Seconds to wait.
fn wait(reply: &Reply) -> u64 {
    reply.refused(429, "rate_limited");
    reply.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds")
}

/// The clock of both nodes, which has gone on by so many seconds.
struct Ahead(Clock, i64);

impl Ahead {
    fn by(&mut self, seconds: u64) {
        self.1 += i64::try_from(seconds).expect("seconds");
        self.0.is_ahead(self.1);
    }
}

/// Wrong tries until the next one has to wait for long.
async fn slowed(clock: &mut Ahead, mut guess: impl AsyncFnMut() -> Reply) {
    for _ in 0..10 * FREE {
        let told = guess().await;
        if told.status == 401 {
            continue;
        }
        match wait(&told) {
            seconds if seconds > LONG => return,
            seconds => clock.by(seconds),
        }
    }
    panic!("wrong tries are not slowed down");
}

async fn two_nodes(stack: &Stack) -> (Node, Node, Ahead) {
    let (near, clock) = clocked(stack, &[LIMITS]).await;
    let (far, _) = clocked(stack, &[LIMITS]).await;
    (near, far, Ahead(clock, 0))
}

#[tokio::test]
async fn wrong_tries_are_slowed_down_on_all_nodes_together_and_unknown_names_like_known_ones() {
    let stack = Stack::new().await;
    let (near, far, mut clock) = two_nodes(&stack).await;
    near.register("alice").await;
    for name in ["nobody.at.all", "alice"] {
        for number in 0..=FREE {
            let node = if number % 2 == 0 { &near } else { &far };
            wrong(node, name).await.refused(401, "wrong_credentials");
        }
        let mut longest = 0;
        for tried in 0..5 {
            let (node, other) = if tried % 2 == 0 { (&near, &far) } else { (&far, &near) };
            let told = wrong(node, name).await;
            // A slow machine may have waited long enough already, while the waits are short.
            if told.status == 401 && tried < 3 {
                continue;
            }
            let seconds = wait(&told);
            assert!(seconds <= 1 << tried, "{name}: {seconds} s after {tried} more");
            if tried >= 3 {
                assert!(wait(&wrong(other, name).await) <= seconds, "who waits is not counted");
            }
            longest = longest.max(seconds);
            clock.by(seconds);
            wrong(other, name).await.refused(401, "wrong_credentials");
        }
        assert!(longest > 1 << 3, "{name}: {longest} s at the most");
    }
    // Who knows it waits too, and then is in.
    let seconds = wait(&login(&near.raw(), "ALICE", PASSWORD).await);
    assert!(seconds <= 32, "{seconds}");
    clock.by(seconds);
    login(&far.raw(), "alice", PASSWORD).await.ok(200);
    for _ in 0..FREE {
        wrong(&near, "alice").await.refused(401, "wrong_credentials");
    }
}

/// A login from another address of this machine: its status, and the seconds to wait.
async fn login_from(from: [u8; 4], node: &Node, name: &str, password: &str) -> (u16, Option<u64>) {
    let port: u16 = node.base_url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let socket = TcpSocket::new_v4().expect("make a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("bind to another address");
    let mut stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.expect("connect");
    let body = json!({"login": name, "password": password}).to_string();
    let head = [
        "POST /api/v1/auth/login HTTP/1.1",
        "host: natter",
        "content-type: application/json",
        &format!("content-length: {}", body.len()),
        "connection: close",
        "",
        "",
    ];
    stream.write_all(format!("{}{body}", head.join("\r\n")).as_bytes()).await.expect("ask");
    let mut answer = String::new();
    within("an answer", BOUND, stream.read_to_string(&mut answer)).await.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let retry = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")?.trim().parse().ok());
    (status, retry)
}

#[tokio::test]
async fn what_strangers_try_costs_the_owner_half_a_minute_at_the_most_and_only_where_she_is_not_known() {
    let stack = Stack::new().await;
    let (near, far, mut clock) = two_nodes(&stack).await;
    near.register("alice").await;
    let (home, abroad) = ([127, 0, 0, 9], [127, 0, 0, 10]);
    assert_eq!(login_from(home, &near, "alice", PASSWORD).await.0, 200);
    let mut longest = 0;
    for stranger in 20..36 {
        for number in 0..4 {
            let (node, from) = (if number % 2 == 0 { &near } else { &far }, [127, 0, 0, stranger]);
            match login_from(from, node, "alice", "a guess").await {
                (401, _) => {}
                (429, Some(seconds)) => {
                    longest = longest.max(seconds);
                    clock.by(seconds);
                    assert_eq!(login_from(from, node, "alice", "a guess").await.0, 401);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(longest, 30, "each waited once when they came");
    let (status, seconds) = login_from(abroad, &far, "alice", PASSWORD).await;
    assert_eq!((status, seconds), (429, Some(30)));
    // They go on meanwhile, which is not hers to wait for.
    clock.by(29);
    assert_eq!(login_from([127, 0, 0, 35], &near, "alice", "a guess").await.0, 401);
    clock.by(1);
    assert_eq!(login_from(abroad, &near, "alice", PASSWORD).await.0, 200);
    assert_eq!(
        login_from(home, &far, "alice", PASSWORD).await.0,
        200,
        "where she was before nothing is to be waited for"
    );
}

#[tokio::test]
async fn many_names_from_one_place_are_slowed_down_whatever_is_right_there_and_other_places_are_not() {
    let stack = Stack::new().await;
    let (near, far, mut clock) = two_nodes(&stack).await;
    near.register("alice").await;
    let there = [127, 0, 0, 7];
    let mut numbers = 0..60;
    let mut guess = async || {
        let number = numbers.next().expect("it is slowed down");
        let node = if number % 2 == 0 { &near } else { &far };
        login_from(there, node, &format!("name.{number}"), "a guess").await
    };
    let (mut made, mut told) = (0, guess().await);
    while told.0 == 401 {
        (made, told) = (made + 1, guess().await);
    }
    let (429, Some(seconds)) = told else { panic!("{told:?}") };
    assert!((OF_A_PLACE..OF_A_PLACE + 3).contains(&made) && seconds <= 60, "{made}, then {seconds} s");
    assert_eq!(login_from([127, 0, 0, 8], &near, "alice", PASSWORD).await.0, 200);
    assert_eq!(login_from(there, &near, "alice", PASSWORD).await.0, 429, "nobody knows that it is right");
    clock.by(seconds);
    for node in [&near, &far] {
        assert_eq!(login_from(there, node, "alice", PASSWORD).await.0, 200, "what is right takes nothing");
    }
    assert_eq!(guess().await.0, 401, "one is forgiven");
    assert_eq!(guess().await.0, 429, "and no more, whatever was right");
}

#[tokio::test]
async fn of_many_tries_at_once_from_one_place_few_are_made() {
    let stack = Stack::new().await;
    let (near, far, _clock) = two_nodes(&stack).await;
    let begun = Instant::now();
    let tries = (0..60).map(async |number| {
        let node = if number % 2 == 0 { &near } else { &far };
        login_from([127, 0, 0, 7], node, &format!("name.{number}"), "a guess").await.0
    });
    let answers = join_all(tries).await;
    let made = answers.iter().filter(|&&status| status == 401).count();
    let most = OF_A_PLACE + 1 + begun.elapsed().as_secs() as usize / 60;
    assert!((1..=most).contains(&made), "{made} were made: {answers:?}");
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn a_place_that_an_operator_lets_in_is_not_counted_and_a_name_tried_there_is() {
    let stack = Stack::new().await;
    let more = vec![(LIMITS.0, LIMITS.1.to_owned()), ("NATTER_TRUSTED_PROXIES", "127.0.0.1".to_owned())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    let office = node.raw().with("x-forwarded-for", "192.0.2.7");
    let done = node.run(&["door", "allow", "192.0.2.7", "--by", "anna"]).await;
    assert!(done.status.success(), "{done:?}");
    eventually("the office is let in", BOUND, async || match office.get("/.well-known/jwks.json").await {
        counted if counted.header("ratelimit").is_some() => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    for number in 0..OF_A_PLACE + 20 {
        login(&office, &format!("name.{number}"), "a guess").await.refused(401, "wrong_credentials");
    }
    let mut tries = 0;
    while login(&office, "alice", "a guess").await.status == 401 {
        tries += 1;
        assert!(tries < 4 * FREE, "a name is slowed down");
    }
    assert!(tries > FREE, "{tries}");
}

#[tokio::test]
async fn the_password_of_who_is_signed_in_is_not_guessed_either() {
    let stack = Stack::new().await;
    let (node, clock) = clocked(&stack, &[LIMITS]).await;
    let mut clock = Ahead(clock, 0);
    let alice = node.register("alice").await;
    let phone = alice.on_another_device().await;
    let change = |old: &str| json!({"old_password": old, "new_password": "a longer password"}).to_string();
    let raw = alice.raw().await;
    for _ in 0..=FREE {
        raw.post("/api/v1/auth/password/change", change("a guess")).await.refused(401, "wrong_credentials");
    }
    let json = raw.with("content-type", "application/json");
    let close = async |password: &str| {
        let body = json!({"password": password}).to_string().into_bytes();
        json.call("DELETE", "/api/v1/accounts/me", Some(body)).await
    };
    slowed(&mut clock, async || close("a guess").await).await;
    wait(&close(PASSWORD).await);
    wait(&raw.post("/api/v1/auth/password/change", change(PASSWORD)).await);
    let changed = phone.raw().await.post("/api/v1/auth/password/change", change(PASSWORD)).await;
    assert_eq!(changed.status, 204, "another session of hers is not held up: {}", changed.text());
}

#[tokio::test]
async fn without_limits_nobody_waits() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    node.register("alice").await;
    for _ in 0..3 * FREE {
        wrong(&node, "alice").await.refused(401, "wrong_credentials");
    }
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
}

#[tokio::test]
async fn people_sign_in_while_nothing_can_be_counted() {
    let stack = Stack::new().await;
    let proxy = Proxy::before(stack.nats_url()).await;
    let more = vec![("NATTER_LIMITS", "standard".to_owned()), ("NATTER_NATS_URL", proxy.url.clone())];
    let node = stack.node_with(Options { more, ..Options::default() }).await;
    node.register("alice").await;
    proxy.silent();
    for _ in 0..FREE + 2 {
        wrong(&node, "alice").await.refused(401, "wrong_credentials");
    }
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    assert!(node.output().contains("tries of passwords are not counted"));
}

#[tokio::test]
async fn what_was_counted_too_slowly_is_taken_back() {
    let stack = Stack::new().await;
    let slow = stack.dir().join("slow");
    let faults = format!("lockout.after_count=hold:{}", slow.display());
    let more = vec![(LIMITS.0, LIMITS.1.to_owned())];
    let node = stack.node_with(Options { more, ..Options::faults(faults) }).await;
    node.register("alice").await;
    for _ in 0..FREE {
        wrong(&node, "alice").await.refused(401, "wrong_credentials");
    }
    std::fs::write(&slow, "").expect("hold it");
    login(&node.raw(), "alice", PASSWORD).await.ok(200);
    assert!(node.output().contains("tries of passwords are not counted"));
    std::fs::remove_file(&slow).expect("let it go");
    for _ in 0..FREE {
        wrong(&node, "alice").await.refused(401, "wrong_credentials");
    }
}

#[tokio::test]
async fn whoever_has_a_session_guesses_its_password_nowhere() {
    let stack = Stack::new().await;
    let node = stack.node_with(Options { more: vec![(LIMITS.0, LIMITS.1.to_owned())], ..Options::default() }).await;
    for (name, path, body) in [
        ("alice", "/api/v1/auth/second", json!({"password": "a guess"})),
        (
            "bob",
            "/api/v1/accounts/me/email/change",
            json!({"email": "b@example.org", "code": "123456", "password": "a guess"}),
        ),
    ] {
        let session = node.register(name).await.raw().await;
        let mut answers = Vec::new();
        // On a slow machine the first waits, of a second or two, are over already. A thirtieth would be too much for the door.
        while answers.len() < 20 && answers.last() != Some(&429) {
            answers.push(session.post(path, body.to_string()).await.status);
        }
        assert_eq!(answers.pop(), Some(429), "{path}: {answers:?}");
        assert!(answers.len() > FREE && answers.iter().all(|&status| status == 401), "{path}: {answers:?}");
    }
}
