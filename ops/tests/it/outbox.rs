//! Mails and text messages: handed to a real server, again when it was away, and given up when it says no.

use natter_testkit::{
    BOUND, Clock, Node, Options, Stack, eventually,
    mail::{Gateway, MailServer, Mood},
};
use serde_json::json;
use std::net::SocketAddr;

fn by_smtp(address: SocketAddr) -> Options {
    let more = vec![
        ("NATTER_SMTP_URL", format!("smtp://{address}")),
        ("NATTER_SMTP_FROM", "Natter <natter@example.org>".to_owned()),
    ];
    Options { more, ..Options::default() }
}

async fn ask(node: &Node, channel: &str, target: &str) {
    let body = json!({"channel": channel, "target": target, "purpose": "register"}).to_string();
    assert_eq!(node.raw().post("/api/v1/auth/codes", body).await.status, 202);
}

fn code(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6)
}

/// Letters that were given up, and why.
async fn dead(stack: &Stack) -> Vec<String> {
    let query = sqlx::query_scalar("SELECT why FROM outbox WHERE dead_at IS NOT NULL");
    query.fetch_all(stack.pool()).await.expect("read the outbox")
}

#[tokio::test]
async fn a_mail_server_gets_real_mails_and_their_code_registers() {
    let (stack, server) = (Stack::new().await, MailServer::start().await);
    let node = stack.node_with(by_smtp(server.address)).await;
    ask(&node, "email", "alice@example.org").await;
    let mail = server.mail_to("alice@example.org").await;
    assert_eq!(mail.from, "natter@example.org");
    for part in [
        "From: Natter <natter@example.org>",
        "To: alice@example.org",
        "Subject: Your code for Natter",
        "multipart/alternative",
        "text/plain; charset=utf-8",
        "text/html; charset=utf-8",
        "@example.org>",
    ] {
        assert!(mail.data.contains(part), "{part}: {}", mail.data);
    }
    let text = mail.data.split("text/plain").nth(1).expect("a text");
    let code = code(text.split("\r\n\r\n").nth(2).expect("its code")).expect("six digits");
    let body = json!({"username": "alice", "password": "eight characters", "email": "alice@example.org", "code": code});
    node.raw().post("/api/v1/auth/register", body.to_string()).await.ok(201);
}

#[tokio::test]
async fn what_could_not_be_sent_outlives_a_kill_and_nobody_waits_for_it() {
    let (stack, nowhere) = (Stack::new().await, MailServer::nowhere().await);
    let mut node = stack.node_with(by_smtp(nowhere)).await;
    // More than it takes to leave the server alone for a while.
    let people: Vec<String> = (0..8).map(|number| format!("p{number}@example.org")).collect();
    for person in &people {
        ask(&node, "email", person).await;
    }
    eventually("it was tried", BOUND, async || {
        let tried = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox WHERE tries > 0 AND why = 'no_answer'");
        match tried.fetch_one(stack.pool()).await.expect("read the outbox") {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    eventually("the server is left alone", BOUND, async || {
        let text = node.raw().get("/metrics").await.text();
        let is_open = text.contains("natter_outbox_breaker_open{channel=\"email\"} 1");
        if is_open { Ok(()) } else { Err("it is asked on".to_owned()) }
    })
    .await;
    node.register("bob").await;

    node.kill().await;
    let server = MailServer::on(nowhere).await;
    node.restart().await;
    for person in &people {
        server.mail_to(person).await;
    }
    assert!(dead(&stack).await.is_empty());
}

#[tokio::test]
async fn a_mail_that_is_put_off_comes_and_one_that_is_refused_is_given_up() {
    let (stack, server) = (Stack::new().await, MailServer::start().await);
    let node = stack.node_with(by_smtp(server.address)).await;
    server.feel(Mood::PutsOff);
    ask(&node, "email", "alice@example.org").await;
    eventually("it was put off", BOUND, async || match server.refused() {
        0 => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    server.feel(Mood::Takes);
    server.mail_to("alice@example.org").await;
    server.feel(Mood::Refuses);
    ask(&node, "email", "bob@example.org").await;
    eventually("it is given up", BOUND, async || match dead(&stack).await {
        dead if dead == ["refused"] => Ok(()),
        dead => Err(format!("{dead:?}")),
    })
    .await;
    server.feel(Mood::Takes);
    ask(&node, "email", "carol@example.org").await;
    server.mail_to("carol@example.org").await;
    let to: Vec<Vec<String>> = server.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [["alice@example.org"], ["carol@example.org"]]);
}

/// By a clock that is behind nobody wants it from the beginning.
#[tokio::test]
async fn what_nobody_wants_any_more_is_given_up_and_not_sent() {
    let (stack, server) = (Stack::new().await, MailServer::start().await);
    let clock = Clock::of(&stack);
    let mut options = by_smtp(server.address);
    options.more.extend(clock.options().more);
    clock.behind_by(60 * 60);
    let node = stack.node_with(options).await;
    ask(&node, "email", "alice@example.org").await;
    eventually("it is given up", BOUND, async || match dead(&stack).await {
        dead if dead == ["expired"] => Ok(()),
        dead => Err(format!("{dead:?}")),
    })
    .await;
    assert!(server.mails().is_empty() && server.refused() == 0);
    let metrics = node.raw().get("/metrics").await.text();
    assert!(metrics.contains("natter_outbox_dead_total{channel=\"email\"} 1"), "{metrics}");
}

/// One that was tried says why it was not taken.
#[tokio::test]
async fn what_was_tried_until_nobody_wanted_it_keeps_its_reason() {
    let (stack, nowhere) = (Stack::new().await, MailServer::nowhere().await);
    let node = stack.node_with(by_smtp(nowhere)).await;
    ask(&node, "email", "alice@example.org").await;
    eventually("it was tried", BOUND, async || {
        let over = "UPDATE outbox SET expires_at = now() WHERE tries > 0 AND why = 'no_answer'";
        match sqlx::query(over).execute(stack.pool()).await.expect("end its time").rows_affected() {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    eventually("it is given up", BOUND, async || match dead(&stack).await {
        dead if dead == ["no_answer"] => Ok(()),
        dead => Err(format!("{dead:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_gateway_gets_text_messages_and_is_asked_again_when_it_fails() {
    let (stack, gateway) = (Stack::new().await, Gateway::start(&[503, 429]).await);
    let options = Options { more: vec![("NATTER_SMS_URL", gateway.url())], ..Options::default() };
    let node = stack.node_with(options).await;
    ask(&node, "sms", "+4930123456").await;
    let taken = eventually("the gateway takes it", BOUND, async || {
        gateway.taken().first().cloned().ok_or_else(|| "not yet".to_owned())
    })
    .await;
    assert_eq!(taken["to"], "+4930123456");
    assert!(taken["text"].as_str().and_then(code).is_some(), "{taken}");
    assert_eq!(taken.as_object().map(serde_json::Map::len), Some(2), "{taken}");
}

#[tokio::test]
async fn several_nodes_send_each_letter_once() {
    let (stack, server) = (Stack::new().await, MailServer::start().await);
    let nodes = [stack.node_with(by_smtp(server.address)).await, stack.node_with(by_smtp(server.address)).await];
    let people: Vec<String> = (0..20).map(|number| format!("p{number}@example.org")).collect();
    for (person, node) in people.iter().zip(nodes.iter().cycle()) {
        ask(node, "email", person).await;
    }
    eventually("the outbox is empty", BOUND, async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox");
        match count.fetch_one(stack.pool()).await.expect("count the outbox") {
            0 => Ok(()),
            left => Err(format!("{left}")),
        }
    })
    .await;
    let mut got: Vec<String> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
    got.sort();
    let mut wanted = people;
    wanted.sort();
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn wrong_settings_are_told_at_the_start_without_their_values() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    for (name, value, more) in [
        ("NATTER_SMTP_URL", "https://user:secret@example.org", "NATTER_SMTP_FROM=a@example.org"),
        ("NATTER_SMTP_URL", "smtp://user:secret@example.org", "NATTER_SMTP_FROM="),
        ("NATTER_SMS_URL", "ftp://user:secret@example.org", "NATTER_SMTP_FROM="),
    ] {
        let flag = format!("--{}={value}", name.trim_start_matches("NATTER_").to_lowercase().replace('_', "-"));
        let (_, from) = more.split_once('=').expect("name and value");
        let from = format!("--smtp-from={from}");
        let output = node.run(&["serve", "--listen", "127.0.0.1:0", &flag, &from]).await;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && text.contains("NATTER_SM"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
