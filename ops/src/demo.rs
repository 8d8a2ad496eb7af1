//! `natter demo`: two people meet on a running server and talk. Prints what each of them sees, how long things took,
//! the history as read back, and, where the servers are known, the events as they stand in the log.

use crate::servers;
use anyhow::{Context, Result, bail};
use clap::Args;
use natter_client::{
    Client, Signed, Socket, new_id,
    rest::{Page, Range},
    socket::{Handover, Incoming},
    wire,
};
use natter_streams::{Link, Log, Record};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(10);

const LINES: [&str; 6] = [
    "Hello Bob! Did you see the first snow?",
    "Hello Alice. I did, the whole street is quiet.",
    "Shall we walk up the hill at seven?",
    "Seven is good. I bring tea.",
    "And I bring the sledge.",
    "Then nothing can go wrong.",
];

#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// The server
    #[arg(long, env = "NATTER_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The data directory of the run whose log is shown
    #[arg(long, env = "NATTER_DATA_DIR", default_value = ".natter")]
    data_dir: PathBuf,
    /// The database whose log is shown [default: the private one of the data directory]
    #[arg(long, env = "NATTER_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

pub async fn demo(args: DemoArgs) -> Result<()> {
    let client = Client::new(&args.url)?;
    if !client.is_ready().await {
        bail!("no Natter is ready at {}: start one with ./ops/run", args.url);
    }
    let mut alice = Person::register(&client, "alice").await?;
    let mut bob = Person::register(&client, "bob").await?;
    let conversation = befriend(&mut alice, &mut bob).await?;
    talk(&mut alice, &mut bob, conversation).await?;
    show_history(&bob, conversation).await?;
    match args.database_url.clone().or_else(|| servers::database_url_of(&args.data_dir)) {
        Some(url) => show_log(&url, &[alice.id(), bob.id(), conversation]).await,
        None => {
            println!("\n(The log is shown where NATTER_DATABASE_URL or NATTER_DATA_DIR says where it is.)");
            Ok(())
        }
    }
}

struct Person {
    name: &'static str,
    signed: Signed,
    socket: Socket,
}

impl Person {
    /// With a name of their own each time, so that the demo can be run again.
    async fn register(client: &Client, name: &'static str) -> Result<Self> {
        let suffix = new_id().simple().to_string();
        let registration = wire::Register {
            username: format!("{name}-{}", &suffix[20..]),
            password: format!("a long password {suffix}"),
            nickname: Some(capitalised(name)),
            device: Some(wire::Device { name: Some("natter demo".to_owned()), platform: Some("cli".to_owned()) }),
            email: None,
            phone: None,
            code: None,
        };
        let begin = Instant::now();
        let signed = client.register(&registration).await.with_context(|| format!("register {name}"))?;
        let socket = Socket::connect(&signed, Handover::Header).await.with_context(|| format!("connect {name}"))?;
        println!("{name:<6} registered as {} and is online ({})", registration.username, ms(begin.elapsed()));
        Ok(Self { name, signed, socket })
    }

    fn id(&self) -> Uuid {
        self.signed.id()
    }

    /// Waits for a push that `wanted` takes, and tells of the others on the way.
    async fn sees<T>(&mut self, wanted: impl Fn(&wire::Push) -> Option<T>) -> Result<T> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let incoming = tokio::time::timeout_at(deadline, self.socket.next()).await;
            let incoming = incoming.with_context(|| format!("{} sees nothing", self.name))?;
            match incoming.map_err(|close| anyhow::anyhow!("{}'s connection was closed: {close:?}", self.name))? {
                Incoming::Push(push) => {
                    println!("{:<6} sees {}", self.name, told(&push));
                    if let Some(found) = wanted(&push) {
                        return Ok(found);
                    }
                }
                other => println!("{:<6} hears {other:?}", self.name),
            }
        }
    }
}

fn capitalised(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

fn told(push: &wire::Push) -> String {
    match push {
        wire::Push::MessageSent { message, .. } => {
            let wire::Message { seq, body, .. } = message;
            format!("message {seq}: {}", words(body.as_ref()))
        }
        wire::Push::ThreadChanged { message_id, .. } => format!("a thread was read or followed: {message_id}"),
        wire::Push::MessageCountdown { seq, expires_at, .. } => format!("message {seq} ends at {expires_at}"),
        wire::Push::MessageMarked { seq, .. } => format!("message {seq} marked for oneself"),
        wire::Push::MessageDeleted { seq, .. } => format!("message {seq} deleted for oneself"),
        wire::Push::MessageScheduled { scheduled, .. } => format!("a scheduled message is {}", scheduled.state),
        wire::Push::ConversationStarted { conversation, .. } => format!("conversation {} started", conversation.id),
        wire::Push::ConversationUpdated { conversation, .. } => format!("conversation {} changed", conversation.id),
        wire::Push::MemberJoined { account_ids, .. } => format!("{} joined", account_ids.len()),
        wire::Push::MemberLeft { account_ids, .. } => format!("{} left", account_ids.len()),
        wire::Push::MemberChanged { .. } => "a member changed".to_owned(),
        wire::Push::MemberInvited { .. } => "an invitation".to_owned(),
        wire::Push::MemberUninvited { .. } => "an invitation ended".to_owned(),
        wire::Push::MemberRequested { .. } => "somebody asks to come".to_owned(),
        wire::Push::MemberDeclined { .. } => "somebody does not come".to_owned(),
        wire::Push::ConversationDissolved { .. } => "the group dissolved".to_owned(),
        wire::Push::ConversationRead { seq, .. } => format!("read up to message {seq}"),
        wire::Push::MessageDelivered { seq, .. } => format!("come up to message {seq}"),
        wire::Push::InboxChanged { .. } => "their own view changed".to_owned(),
        wire::Push::FriendRequested { .. } => "a friend request".to_owned(),
        wire::Push::FriendAccepted { .. } => "the friend request accepted".to_owned(),
        wire::Push::FriendRejected { .. } => "the friend request rejected".to_owned(),
        wire::Push::FriendCancelled { .. } => "the friend request taken back".to_owned(),
        wire::Push::FriendExpired { .. } => "the friend request expired".to_owned(),
        wire::Push::FriendRemoved { .. } => "a friendship ended".to_owned(),
        wire::Push::Typing { .. } => "somebody types".to_owned(),
        wire::Push::Presence(wire::Presence { state, .. }) => format!("somebody is {state}"),
        wire::Push::MessageEdited { .. } => "a message edited".to_owned(),
        wire::Push::MessageRecalled { .. } => "a message recalled".to_owned(),
        wire::Push::MessageReacted { emoji, .. } => format!("a reaction: {emoji}"),
        wire::Push::MessageUnreacted { emoji, .. } => format!("a reaction taken back: {emoji}"),
        wire::Push::MessagePinned { .. } => "a message pinned".to_owned(),
        wire::Push::MessageUnpinned { .. } => "a message unpinned".to_owned(),
    }
}

async fn befriend(alice: &mut Person, bob: &mut Person) -> Result<Uuid> {
    println!();
    alice
        .signed
        .request_friend(bob.id(), Some("It is me, from the old bridge."))
        .await
        .context("ask for friendship")?;
    let request = bob
        .sees(|push| match push {
            wire::Push::FriendRequested { request, .. } => Some(request.id),
            _ => None,
        })
        .await?;
    let begin = Instant::now();
    bob.signed.accept_friend(request).await.context("accept")?;
    println!("bob    accepted, the conversation is open ({})", ms(begin.elapsed()));
    let started = |push: &wire::Push| match push {
        wire::Push::ConversationStarted { conversation, .. } => Some(conversation.id),
        _ => None,
    };
    alice.sees(started).await?;
    bob.sees(started).await
}

async fn talk(alice: &mut Person, bob: &mut Person, conversation: Uuid) -> Result<()> {
    println!();
    let (mut acknowledged, mut received) = (Vec::new(), Vec::new());
    for (number, line) in LINES.iter().enumerate() {
        let (from, to) = if number % 2 == 0 { (&mut *alice, &mut *bob) } else { (&mut *bob, &mut *alice) };
        let message = wire::MessageNew::new(new_id(), wire::Body::text(*line));
        let begin = Instant::now();
        let pending = from.socket.requests().send(conversation, &message).await.context("send")?;
        let hers = |push: &wire::Push| match push {
            wire::Push::MessageSent { message: pushed, .. } => (pushed.message_id == message.message_id).then_some(()),
            _ => None,
        };
        let ((), answered) = tokio::try_join!(to.sees(hers), async {
            pending.answer().await.context("wait for the acknowledgement")?;
            Ok(begin.elapsed())
        })?;
        received.push(begin.elapsed());
        acknowledged.push(answered);
    }
    bob.signed.read_up_to(conversation, LINES.len() as u64).await.context("move the read cursor")?;
    alice.sees(|push| matches!(push, wire::Push::ConversationRead { .. }).then_some(())).await?;
    println!(
        "\ndurable after {}, at the other person after {} (medians of {})",
        median(acknowledged),
        median(received),
        LINES.len()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort();
    ms(times[times.len() / 2])
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn words(body: Option<&wire::Body>) -> &str {
    body.map_or("(erased)", |body| body.as_text().unwrap_or("(no text)"))
}

async fn show_history(bob: &Person, conversation: Uuid) -> Result<()> {
    println!("\nthe history, as read back by Bob:");
    for message in bob.signed.messages(conversation, Range::default()).await?.iter().rev() {
        println!("  {:>3}  {}  {}", message.seq, message.sent_at, words(message.body.as_ref()));
    }
    let listed = bob.signed.conversations(&Page::default()).await?;
    for own in listed.items {
        println!(
            "his list: conversation {} with {} messages, {} unread",
            own.conversation.id, own.conversation.last_seq, own.unread
        );
    }
    Ok(())
}

/// Every event of these aggregates, lane by lane.
async fn show_log(database_url: &str, ids: &[Uuid]) -> Result<()> {
    let log = Log::connect(database_url, None).await.context("open the log")?;
    println!("\nthe events, as they stand in the log:");
    for lane in log.lanes().iter() {
        let mut last = Link::start(lane, log.incarnation(lane).await?);
        loop {
            let page = log.read(&last, 1_000).await?;
            let Some(newest) = page.last() else { break };
            last = newest.link();
            page.iter().filter(|record| concerns(record, ids)).for_each(show);
        }
    }
    Ok(())
}

fn concerns(record: &Record, ids: &[Uuid]) -> bool {
    ids.contains(&record.aggregate_id) || ids.iter().any(|id| record.payload.contains(&id.to_string()))
}

fn show(record: &Arc<Record>) {
    let payload: String = record.payload.chars().take(90).collect();
    println!("  {}:{:<5} {}  {:<32} {payload}", record.lane, record.position, record.time, record.name());
}
