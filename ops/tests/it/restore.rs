//! Servers that went back. PostgreSQL restored from a backup: what was acknowledged meanwhile is in the streams only, so
//! its lanes are closed until somebody says what holds. NATS that went back, or was meddled with: filled again, and
//! nobody notices.

use crate::restart::{Kind, Own, own_dir};
use natter_streams::Lane;
use natter_testkit::{Node, Options, Person, Stack, client::new_id, client::rest::Answer, eventually, law, wire};
use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

/// For a whole lane to come back: a term, a look, a projection that waits half a minute for somebody to mend its log.
const BOUND: Duration = Duration::from_secs(120);
const CLOSED: usize = 5;

/// Two people on servers of their own.
struct House {
    postgres: Own,
    nats: Own,
    stack: Stack,
    node: Node,
    alice: Person,
    bob: Person,
}

/// A message and its first answer.
type Said = (wire::MessageNew, Answer<wire::MessageSent>);

impl House {
    async fn build() -> Self {
        let dir = own_dir();
        let postgres = Own::start(&dir, Kind::Postgres).await;
        let nats = Own::start(&dir, Kind::Nats).await;
        let stack = Stack::on(postgres.url(), nats.url(), &dir.join("stack"));
        // A socket that nobody reads for a while is not to be taken for dead.
        let patient = Options { heartbeat: BOUND, ..Options::default() };
        let node = stack.node_with(patient).await;
        let (alice, bob) = (node.register("alice").await, node.register("bob").await);
        alice.befriends(&bob).await;
        Self { postgres, nats, stack, node, alice, bob }
    }

    async fn say(&self, count: usize) -> Vec<Said> {
        let mut said = Vec::new();
        for number in 0..count {
            let body = wire::Body::text(format!("number {number}"));
            let message = wire::MessageNew::new(new_id(), body);
            said.push((message.clone(), self.send(&message).await));
        }
        said
    }

    /// Again under the same id while the server is away.
    async fn send(&self, message: &wire::MessageNew) -> Answer<wire::MessageSent> {
        let conversation = self.alice.conversation_with(&self.bob);
        self.alice.insists("sends", async || self.alice.client().send(conversation, message).await).await
    }

    /// A copy of PostgreSQL as it is now.
    async fn back_up(&mut self) -> Copy {
        let data = data_of(&self.stack).await;
        self.node.stop().await;
        self.postgres.stop().await;
        let copy = Copy::of(data);
        self.postgres.start_again().await;
        self.node.restart().await;
        copy
    }

    /// PostgreSQL as it was, under the feet of a node that runs.
    async fn restore(&mut self, backup: &Copy) {
        self.postgres.stop().await;
        backup.put_back();
        self.postgres.start_again().await;
    }

    /// No command of the conversation's lane is done, and all are told so.
    async fn is_closed(&self) {
        let raw = self.alice.raw().await;
        let path = format!("/api/v1/conversations/{}/messages", self.alice.conversation_with(&self.bob));
        for _ in 0..CLOSED {
            let message = serde_json::json!({"message_id": new_id(), "body": {"kind": "text", "text": "lost?"}});
            raw.post(&path, message.to_string()).await.refused(503, "unavailable");
        }
    }

    async fn tool(&self, arguments: &[&str]) -> (Output, String) {
        let output = self.node.run(&[&["streams"], arguments].concat()).await;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output, said)
    }

    /// The tool is killed when it comes to the point for the first time; what it was doing is to be done again.
    async fn dies_in(&self, arguments: &[&str], point: &str) {
        let output = self.node.run_with(&[&["streams"], arguments].concat(), &format!("{point}=kill@1")).await;
        assert_eq!(output.status.signal(), Some(9), "killed at {point}: {output:?}");
    }

    async fn is_well(&self) {
        eventually("all is well", BOUND, async || {
            let (checked, words) = self.tool(&["check"]).await;
            if checked.status.success() { Ok(()) } else { Err(words) }
        })
        .await;
    }

    /// Every message of the conversation, as it was at this position or later.
    async fn history(&self, position: &str) -> Vec<wire::Message> {
        self.alice.history(self.alice.conversation_with(&self.bob), position).await
    }

    async fn laws_hold(&self) {
        law::projections_are_at_the_head(&self.stack).await;
        law::log_is_stream(&self.stack).await;
        law::check_chain(&self.stack).await.expect("the chain holds");
    }

    async fn leave(mut self) {
        self.node.stop().await;
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

/// Where the database's files are, as the server says.
async fn data_of(stack: &Stack) -> PathBuf {
    let data: String =
        sqlx::query_scalar("SHOW data_directory").fetch_one(stack.pool()).await.expect("ask for the data");
    data.into()
}

/// A directory of a server that is down, kept aside.
struct Copy {
    of: PathBuf,
    kept: PathBuf,
}

impl Copy {
    fn of(of: PathBuf) -> Self {
        let kept = of.with_extension("kept");
        copy(&of, &kept);
        Self { of, kept }
    }

    fn put_back(&self) {
        std::fs::remove_dir_all(&self.of).expect("remove what came after the copy");
        copy(&self.kept, &self.of);
    }
}

/// With owners and modes, which PostgreSQL insists on.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("run cp");
    assert!(copied.success(), "copy {} to {}", from.display(), to.display());
}

#[tokio::test]
async fn what_a_restored_postgresql_has_lost_is_imported_when_told() {
    let mut house = House::build().await;
    let before = house.say(3).await;
    let backup = house.back_up().await;
    let after = house.say(20).await;
    house.laws_hold().await;
    let log = house.stack.log().await;

    house.restore(&backup).await;
    house.is_closed().await;
    let left = house.stack.event_count().await;
    assert!(left < log.len() as i64, "something was lost");

    let (checked, words) = house.tool(&["check"]).await;
    assert_eq!(checked.status.code(), Some(1), "{words}");
    for part in ["PostgreSQL has lost the acknowledged events", "--import", "--declare-loss"] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    let (checked, words) = house.tool(&["check", "--json"]).await;
    assert_eq!(checked.status.code(), Some(1), "{words}");
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("the report is JSON");
    let lanes = report["lanes"].as_array().expect("a report has lanes");
    assert_eq!((&report["well"], lanes.len()), (&false.into(), law::lanes(&house.stack).await.count()));
    let lost: Vec<_> = lanes.iter().filter(|lane| lane["seam"] == "ahead").collect();
    assert!(!lost.is_empty() && lost.iter().all(|lane| lane["served"] == false), "{report:#}");

    let (explained, words) = house.tool(&["repair", "--lane", "all"]).await;
    assert_eq!(explained.status.code(), Some(1), "{words}");
    assert!(words.contains("nothing was done"), "{words}");
    assert_eq!(house.stack.event_count().await, left, "only told, nothing is done");
    house.is_closed().await;

    house.dies_in(&["repair", "--lane", "all", "--import"], "repair.after_append").await;
    let (repaired, words) = house.tool(&["repair", "--lane", "all", "--import"]).await;
    assert!(repaired.status.success(), "{words}");
    assert_eq!(house.stack.log().await, log, "every event, with the key of its command");

    for (message, first) in before.iter().chain(&after) {
        let again = house.send(message).await;
        assert_eq!((again.seq, &again.sent_at), (first.seq, &first.sent_at), "done once, and known");
    }
    let new = house.say(3).await;
    let seqs: Vec<u64> = new.iter().map(|(_, answer)| answer.seq).collect();
    assert_eq!(seqs, [24, 25, 26], "numbers go on");
    let position = new[2].1.position.as_deref().expect("a write has a position");
    assert_eq!(house.history(position).await.len(), 26);
    house.laws_hold().await;
    house.is_well().await;
    house.leave().await;
}

#[tokio::test]
async fn a_loss_with_nats_away_meanwhile_is_refused_and_declared_when_told() {
    let mut house = House::build().await;
    house.say(3).await;
    let backup = house.back_up().await;
    let kept = house.stack.log().await;
    let cursor = house.bob.client().sync(None).await.expect("sync").cursor;
    let lost = house.say(20).await;
    house.laws_hold().await;
    let mut socket = house.bob.raw_socket().await;

    house.nats.stop().await;
    house.restore(&backup).await;
    house.is_closed().await;
    let (checked, words) = house.tool(&["check"]).await;
    assert!(!checked.status.success() && words.contains("NATS"), "{words}");
    house.nats.start_again().await;
    house.is_closed().await;

    house.dies_in(&["repair", "--lane", "all", "--declare-loss"], "repair.before_delete").await;
    let (repaired, words) = house.tool(&["repair", "--lane", "all", "--declare-loss"]).await;
    assert!(repaired.status.success(), "{words}");
    assert!(words.contains("incarnation"), "{words}");
    socket.find("the word of it", |frame| frame["event"] == "resync" && frame["reason"] == "restored").await;

    let new = house.say(4).await;
    let seqs: Vec<u64> = new.iter().map(|(_, answer)| answer.seq).collect();
    assert_eq!(seqs, [4, 5, 6, 7], "numbers go on behind what is left");
    let position = new[3].1.position.as_deref().expect("a write has a position");
    let history = house.history(position).await;
    assert_eq!(history.len(), 7);
    assert!(!history.iter().any(|message| lost.iter().any(|(lost, _)| lost.message_id == message.message_id)));
    let log = house.stack.log().await;
    assert!(kept.iter().all(|event| log.contains(event)), "what was not lost is what it was");
    house.laws_hold().await;
    house.is_well().await;
    let gone = house.bob.client().sync(Some(&cursor)).await.expect_err("positions mean other events now");
    assert_eq!(gone.code(), Some("gone"));
    let anew = house.bob.client().sync(None).await.expect("sync").cursor;
    assert!(house.bob.client().sync(Some(&anew)).await.is_ok());

    // Also where nothing came behind the seam, a node is ready that begins there.
    assert!(house.node.stop().await.success());
    house.node.restart().await;
    house.say(1).await;
    house.laws_hold().await;
    house.leave().await;
}

/// The stream has lost the same events, so that it looks well: only the readers tell, and only who insists ends the
/// incarnation.
#[tokio::test]
async fn a_loss_that_the_stream_says_nothing_of_is_declared_by_who_insists() {
    let stack = Stack::new().await;
    let mut node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    let conversation = alice.befriends(&bob).await;
    for number in 0..10 {
        alice.says(&bob, &format!("number {number}")).await;
    }
    law::projections_are_at_the_head(&stack).await;
    law::log_is_stream(&stack).await;
    assert!(node.stop().await.success());
    let tool = async |node: &Node, arguments: &[&str]| {
        let output = node.run(&[&["streams"], arguments].concat()).await;
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let lane = law::lanes(&stack).await.of(conversation);
    let lose =
        "DELETE FROM events WHERE lane = $1 AND position > (SELECT max(position) - 3 FROM events WHERE lane = $1)";
    let lost = sqlx::query(lose).bind(lane.number()).execute(stack.pool()).await.expect("lose events");
    assert_eq!(lost.rows_affected(), 3);
    stack.delete_stream(lane).await;
    let before = incarnations(&stack).await;

    let (code, words) = tool(&node, &["check"]).await;
    let advice = format!("natter streams repair --lane {lane} --declare-loss --even-if-well");
    assert!(code == Some(1) && words.contains(&advice) && words.contains("reader history stands at"), "{words}");
    let (code, words) = tool(&node, &["repair", "--lane", &lane.to_string(), "--declare-loss", "--even-if-well"]).await;
    assert!(code == Some(0) && words.contains("incarnation"), "{words}");
    let ended: Vec<Lane> = incarnations(&stack)
        .await
        .into_iter()
        .zip(before)
        .filter(|(now, before)| now != before)
        .map(|((lane, _), _)| Lane::new(lane as u8))
        .collect();
    assert_eq!(ended, [lane], "of this lane only");
    let (code, words) = tool(&node, &["check"]).await;
    assert_eq!(code, Some(0), "{words}");

    node.restart().await;
    let said = alice.says(&bob, "on we go").await;
    assert_eq!(said.seq, 8, "numbers go on behind what is left");
    let position = said.position.as_deref().expect("a write has a position");
    assert_eq!(alice.history(conversation, position).await.len(), 8);
    law::projections_are_at_the_head(&stack).await;
    law::log_is_stream(&stack).await;
}

async fn incarnations(stack: &Stack) -> Vec<(i16, uuid::Uuid)> {
    let rows = sqlx::query_as("SELECT lane, incarnation FROM lanes ORDER BY lane").fetch_all(stack.pool()).await;
    rows.expect("read the lanes")
}

#[tokio::test]
async fn streams_that_lost_their_newest_messages_are_filled_up() {
    let mut house = House::build().await;
    house.laws_hold().await;
    house.nats.stop().await;
    let copy = Copy::of(house.nats.dir().join("nats/jetstream"));
    house.nats.start_again().await;
    let said = house.say(20).await;
    law::log_is_stream(&house.stack).await;

    // As after a power failure: the server had not written them through.
    house.nats.crash().await;
    copy.put_back();
    house.nats.start_again().await;
    law::log_is_stream(&house.stack).await;
    house.is_well().await;
    let more = house.say(1).await;
    assert_eq!(more[0].1.seq, said[19].1.seq + 1);
    house.laws_hold().await;
    house.leave().await;
}

#[tokio::test]
async fn streams_that_are_deleted_or_written_to_by_others_are_filled_anew() {
    let stack = Stack::new().await;
    let node = stack.node().await;
    let (alice, bob) = (node.register("alice").await, node.register("bob").await);
    alice.befriends(&bob).await;
    alice.says(&bob, "one").await;
    law::log_is_stream(&stack).await;
    for lane in law::lanes(&stack).await.iter() {
        if stack.stream(lane).await.is_empty() {
            continue;
        }
        stack.delete_stream(lane).await;
        law::log_is_stream(&stack).await;
        stack.intrude(lane).await;
        eventually("the stream is the log again", BOUND, async || law::compare_log_and_streams(&stack).await).await;
    }
    alice.says(&bob, "two").await;
    bob.sees("two").await;
    law::log_is_stream(&stack).await;
}
