//! Everybody whom an installation asks, in one process: see `natter_testkit::Outsider`, which starts it, tells it how to feel
//! over its standard input, and hears over its standard output what it was asked. It ends when nobody tells it anything more.

use natter_testkit::{
    Mood, Outside,
    mail::{Mail, MailServer, Mood as MailMood},
    outside::{Asked, Does},
    outsider::{NEW_WORDS, REFUSED, REWRITTEN},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Late, and still in time.
const LATE: Duration = Duration::from_millis(150);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|address| address.parse::<SocketAddr>().expect("an address"));
    let (http, smtp) = (arguments.next().expect("a port for HTTP"), arguments.next().expect("a port for mail"));
    let feels = Arc::new(Mutex::new(Mood::Well));
    let (mood, number) = (feels.clone(), AtomicUsize::new(0));
    let _asked = Outside::on(http, move |asked: Asked| {
        let (mood, number) = (now(&mood), number.fetch_add(1, Ordering::Relaxed));
        println!("asked {} {mood}", asked.path.split('/').nth(1).unwrap_or_default());
        async move {
            if mood == Mood::Slow {
                tokio::time::sleep(LATE).await;
            }
            answer(mood, number, &asked)
        }
    })
    .await;
    let mood = feels.clone();
    let mails = MailServer::telling(smtp, move |mail: &Mail| {
        println!("asked mail {}", now(&mood));
        for to in &mail.to {
            println!("mail {to} {}", json!(mail.data));
        }
    })
    .await;
    println!("mood {}", Mood::Well);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        let mood = Mood::of(&order).expect("a mood");
        *feels.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        mails.feel(match mood {
            Mood::Well => MailMood::Takes,
            Mood::Slow => MailMood::Hangs,
            Mood::Wrong => MailMood::PutsOff,
        });
        println!("mood {mood}");
    }
}

fn now(mood: &Mutex<Mood>) -> Mood {
    *mood.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In a bad mood one kind of it after the other.
fn answer(mood: Mood, number: usize, asked: &Asked) -> Does {
    match (mood, number % 4) {
        (Mood::Well, _) | (Mood::Slow, 0 | 2) => well(asked),
        (Mood::Slow, _) => Does::Hangs,
        (Mood::Wrong, 0) => Does::status(500),
        (Mood::Wrong, 1) => Does::json(&json!({"action": "perhaps", "text": 7})),
        (Mood::Wrong, 2) => {
            Does::Says { status: 200, headers: vec![("content-type", "text/html".to_owned())], body: vec![0xff; 64] }
        }
        (Mood::Wrong, _) => Does::Babbles { kind: "application/json", first: "{\"action\":".to_owned() },
    }
}

fn well(asked: &Asked) -> Does {
    let question = asked.json();
    if let Some(number) = asked.path.strip_prefix("/page/") {
        return Does::page(&format!("<html><head><title>Page {number}</title></head><body>much more</body></html>"));
    }
    if asked.path == "/translate" {
        let said = question["text"].as_str().unwrap_or_default();
        return Does::json(&json!({"text": format!("{said}, translated")}));
    }
    Does::json(&verdict(question["body"]["text"].as_str().unwrap_or_default()))
}

fn verdict(said: &str) -> Value {
    if said.contains(REFUSED) {
        return json!({"action": "refuse", "reason": "not here"});
    }
    if said.contains(REWRITTEN) {
        return json!({"action": "rewrite", "body": {"kind": "text", "text": said.replace(REWRITTEN, NEW_WORDS)}});
    }
    json!({"action": "allow"})
}
