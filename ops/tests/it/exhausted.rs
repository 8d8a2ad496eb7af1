//! PostgreSQL that has run out of something: room on its disk, or connections. Nothing is acknowledged then that is not
//! stored, who asks is told `unavailable`, and once there is some again, all goes on by itself.

use crate::{
    restart::{BETWEEN, Kind, Own, own_dir, progress},
    stores::Two,
    talk::Friends,
};
use natter_testkit::{Options, Person, Stack, client::new_id, eventually};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use uuid::Uuid;

/// Several deadlines of a command.
const BOUND: Duration = Duration::from_secs(60);
/// Each pair's conversation is on one of two servers.
const TRIES: usize = 40;
/// A cluster, a database, and room for a few WAL segments.
const SMALL: &str = "size=224m,mode=0755";

/// Somebody whose messages nobody counts, to find out whether they are taken.
struct Bystander {
    person: Person,
    conversation: Uuid,
}

impl Bystander {
    async fn of(stack: &Stack) -> Self {
        Self::where_it_is(stack, async |_| true).await
    }

    /// One whose conversation is where it shall be.
    async fn where_it_is(stack: &Stack, fits: impl AsyncFn(Uuid) -> bool) -> Self {
        for number in 0..TRIES {
            let person = stack.person(&format!("dave{number}")).await;
            let conversation = person.befriends(&stack.person(&format!("erin{number}")).await).await;
            if fits(conversation).await {
                return Self { person, conversation };
            }
        }
        panic!("no conversation is where it shall be in {TRIES} tries");
    }

    /// Waits until what they say is refused with `unavailable`; until then it may be taken, and no more than that.
    async fn is_refused(&self) {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        eventually("a message is refused", BOUND, async || {
            let message = json!({"message_id": new_id(), "body": {"kind": "text", "text": "is there room?"}});
            let reply = self.person.raw().await.post(&path, message.to_string()).await;
            if reply.status < 300 {
                return Err("it was taken".to_owned());
            }
            reply.refused(503, "unavailable");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn appends_that_find_the_disk_full_are_told_as_unavailable_and_go_on_later() {
    let stack = Stack::new().await;
    let full = stack.dir().join("disk-is-full");
    let node = stack.node_with(Options::faults(format!("log.append=fail:{}", full.display()))).await;
    let friends = Friends::meet(&stack).await;
    let bystander = Bystander::of(&stack).await;
    let blows = async {
        progress(&friends).await;
        std::fs::write(&full, "").expect("fill the disk");
        let before = stack.event_count().await;
        bystander.is_refused().await;
        let after = stack.event_count().await;
        assert!(node.reached("log.append") > 0, "appends failed");
        assert!(node.output().contains("no space left"), "the log says why");
        // What was under way when the disk filled up, and no more.
        assert!(after - before <= 8, "{} events were stored on a full disk", after - before);
        std::fs::remove_file(&full).expect("make room");
        progress(&friends).await;
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
}

#[tokio::test]
async fn a_disk_that_is_really_full_loses_nothing_and_all_goes_on_when_there_is_room() {
    let dir = own_dir();
    let Some(disk) = SmallDisk::mount() else { return };
    let mut postgres = Own::start(&disk.0, Kind::Postgres).await;
    let mut nats = Own::start(&dir, Kind::Nats).await;
    let stack = Stack::on(postgres.url(), nats.url(), &dir.join("stack"));
    let mut node = stack.node().await;
    let friends = Friends::meet(&stack).await;
    let bystander = Bystander::of(&stack).await;
    let blows = async {
        progress(&friends).await;
        let ballast = disk.fill();
        bystander.is_refused().await;
        assert!(node.output().contains("No space left on device"), "the log says why");
        std::fs::remove_file(ballast).expect("make room");
        progress(&friends).await;
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&stack, &said).await;
    node.stop().await;
    nats.stop().await;
    postgres.stop().await;
}

#[tokio::test]
async fn a_server_without_connections_left_holds_up_its_own_lanes_only() {
    let two = Two::start().await;
    let friends = two.friends().await;
    let there = async |conversation| two.is_on_the_other(conversation).await;
    let bystander = Bystander::where_it_is(&two.stack, there).await;
    let blows = async {
        progress(&friends).await;
        let taken = take_all_connections(&two).await;
        bystander.is_refused().await;
        for _ in 0..3 {
            progress(&friends).await;
        }
        let why = "too many clients";
        eventually("the log says why", BOUND, async || {
            if two.node.output().contains(why) { Ok(()) } else { Err(format!("no word of {why:?}")) }
        })
        .await;
        drop(taken);
        progress(&friends).await;
    };
    let said = friends.talk_while(BETWEEN, blows).await;
    friends.nothing_is_missing_doubled_or_out_of_order(&two.stack, &said).await;
    two.stop().await;
}

/// Takes every connection of the other server, natter's too.
async fn take_all_connections(two: &Two) -> Vec<PgConnection> {
    const OF_NATTER: &str = "FROM pg_stat_activity WHERE application_name LIKE 'natter %'";
    let mut admin = PgConnection::connect(two.other.url()).await.expect("connect");
    let mut taken = Vec::new();
    eventually("every connection is taken", BOUND, async || {
        let end = format!("SELECT pg_terminate_backend(pid) {OF_NATTER}");
        admin.execute(end.as_str()).await.map_err(|error| error.to_string())?;
        while let Ok(one) = PgConnection::connect(two.other.url()).await {
            taken.push(one);
        }
        let left: i64 = sqlx::query_scalar(&format!("SELECT count(*) {OF_NATTER}"))
            .fetch_one(&mut admin)
            .await
            .map_err(|error| error.to_string())?;
        if left == 0 { Ok(()) } else { Err(format!("natter has {left}")) }
    })
    .await;
    taken.push(admin);
    taken
}

/// A file system of a few megabytes; gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a word about it, where the machine does not let us.
    fn mount() -> Option<Self> {
        let point = std::env::temp_dir().join(format!("natter-small-disk-{}", new_id().simple()));
        std::fs::create_dir(&point).expect("make the mount point");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SMALL, "tmpfs"]).arg(&point).output();
        match mount {
            Ok(output) if output.status.success() => return Some(Self(point)),
            Ok(output) => tell(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => tell(&error.to_string()),
        }
        let _ = std::fs::remove_dir(&point);
        None
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut ballast = std::fs::File::create(&path).expect("make the ballast");
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![b'x'; size];
            while ballast.write(&block).is_ok_and(|written| written > 0) {}
        }
        assert!(is_full(&self.0), "nothing more fits in");
        path
    }
}

fn is_full(place: &Path) -> bool {
    let probe = place.join("probe");
    let fits = std::fs::write(&probe, "x").is_ok();
    let _ = std::fs::remove_file(&probe);
    !fits
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after a failure PostgreSQL may still run on it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Past the capture of a test's output: a test that did not run is to be seen.
fn tell(why: &str) {
    let _ =
        writeln!(std::io::stderr(), "SKIPPED a_disk_that_is_really_full: no small file system here: {}", why.trim());
}
