//! Keys behind what is sealed: made once, found again, shared by those who want them at one moment, destroyed for ever.

use crate::support::{LANES, connect, eventually, log};
use natter_domain::{
    AccountId, ConversationId, KeyId, Sealed,
    account::{Event, address},
};
use natter_streams::{
    Draft, Error, Log,
    bus::Bus,
    clock, id,
    keyring::Keyring,
    log::{Appended, chain},
    sealing::{self, Keys, Masters},
};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub const MASTER: [u8; 32] = [2; 32];

pub fn ring() -> Arc<Keyring> {
    Arc::new(Keyring::new(&[1; 32]))
}

/// A process' keys.
pub struct Process {
    pub keys: Keys,
    _stop: DropGuard,
}

pub async fn process(stack: &Stack, log: &Log, masters: Masters) -> Process {
    open(stack, log, masters).await.expect("open the keys")
}

pub async fn open(stack: &Stack, log: &Log, masters: Masters) -> Result<Process, Error> {
    let bus = Bus::connect(stack.nats_url()).await.expect("connect to NATS");
    let stop = CancellationToken::new();
    let keys = Keys::open(log, &bus, ring(), masters, &stop).await?;
    Ok(Process { keys, _stop: stop.drop_guard() })
}

async fn two() -> (Stack, Log, Process, Process) {
    let (stack, log) = log().await;
    let one = process(&stack, &log, Masters::fixed(MASTER)).await;
    let elsewhere = connect(&stack).await;
    let other = process(&stack, &elsewhere, Masters::fixed(MASTER)).await;
    (stack, log, one, other)
}

pub fn account() -> AccountId {
    AccountId(id::new())
}

pub async fn seal(keys: &Keys, account: AccountId, text: &str) -> Sealed {
    keys.of_account(account).await.expect("a key").seal(text.as_bytes())
}

/// What it says; `None`: erased. An error is neither.
pub async fn says(keys: &Keys, owner: Uuid, sealed: &Sealed) -> Result<Option<String>, Error> {
    Ok(keys.opener([(owner, sealed.key)]).await?.open_text(owner, sealed))
}

pub async fn execute(pool: &PgPool, sql: &str) {
    pool.execute(sql).await.expect(sql);
}

/// Nobody reads or writes keys until it is dropped.
async fn held(stack: &Stack) -> PgConnection {
    let mut connection = PgConnection::connect(stack.database_url()).await.expect("connect");
    connection.execute("BEGIN; LOCK TABLE sealing_key IN ACCESS EXCLUSIVE MODE").await.expect("hold the table");
    connection
}

#[tokio::test]
async fn what_one_process_seals_another_opens_and_only_for_its_owner() {
    let (_stack, _log, one, other) = two().await;
    let (alice, bob, talk) = (account(), account(), ConversationId(id::new()));
    let name = seal(&one.keys, alice, "alice").await;
    let body = one.keys.of_conversation(talk).await.unwrap().seal(b"hello");
    assert_eq!(name.key, KeyId::Owner);
    assert!(matches!(body.key, KeyId::Month(682..)), "{:?}", body.key);
    assert_eq!(says(&other.keys, alice.0, &name).await.unwrap().as_deref(), Some("alice"));
    assert_eq!(says(&other.keys, talk.0, &body).await.unwrap().as_deref(), Some("hello"));
    seal(&one.keys, bob, "bob").await;
    assert_eq!(says(&other.keys, bob.0, &name).await.unwrap(), None);
    let before = ring().seal(alice.0, b"from before");
    assert_eq!(says(&other.keys, alice.0, &before).await.unwrap().as_deref(), Some("from before"));
}

#[tokio::test]
async fn of_two_processes_that_make_the_same_key_the_first_one_counts() {
    let (_stack, log, one, other) = two().await;
    for _ in 0..50 {
        let alice = account();
        let (mine, theirs) = tokio::join!(seal(&one.keys, alice, "mine"), seal(&other.keys, alice, "theirs"));
        assert_eq!(says(&one.keys, alice.0, &theirs).await.unwrap().as_deref(), Some("theirs"));
        assert_eq!(says(&other.keys, alice.0, &mine).await.unwrap().as_deref(), Some("mine"));
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM sealing_key").fetch_one(log.pool()).await.unwrap();
    assert_eq!(rows, 50);
}

#[tokio::test]
async fn a_key_is_stored_wrapped_before_it_seals_and_asked_for_once() {
    let (_stack, log, one, _other) = two().await;
    let talk = ConversationId(id::new());
    assert!(one.keys.of_conversation_at_hand(talk).is_none());
    one.keys.of_conversation(talk).await.unwrap();
    let stored = "SELECT wrapped IS NOT NULL AND length(wrapped) > 32 FROM sealing_key WHERE owner = $1";
    let is_stored: bool = sqlx::query_scalar(stored).bind(talk.0).fetch_one(log.pool()).await.unwrap();
    assert!(is_stored);
    let asked = one.keys.queries();
    for _ in 0..1_000 {
        let sealed = one.keys.of_conversation_at_hand(talk).expect("it is in memory").seal(b"hello");
        assert_eq!(says(&one.keys, talk.0, &sealed).await.unwrap().as_deref(), Some("hello"));
    }
    assert_eq!(one.keys.queries(), asked, "no message costs a query");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_want_keys_at_one_moment_share_a_query() {
    let (stack, _log, one, other) = two().await;
    let accounts: Vec<AccountId> = (0..300).map(|_| account()).collect();
    let hold = held(&stack).await;
    let before = one.keys.queries();
    let asking: Vec<_> = accounts
        .iter()
        .flat_map(|account| [*account; 3])
        .map(|account| {
            let keys = one.keys.clone();
            tokio::spawn(async move { keys.of_account(account).await.map(|key| key.seal(b"x")) })
        })
        .collect();
    eventually("the first one asks", async || if one.keys.queries() > before { Ok(()) } else { Err(String::new()) })
        .await;
    drop(hold);
    for (number, asked) in asking.into_iter().enumerate() {
        let sealed = within("it is answered", BOUND, asked).await.unwrap().expect("a key");
        let opened = says(&other.keys, accounts[number / 3].0, &sealed).await.unwrap();
        assert_eq!(opened.as_deref(), Some("x"));
    }
    let queries = one.keys.queries() - before;
    assert!(queries <= 10, "{queries} queries for 900 questions");
}

/// Who wants a key that is wrapped with a master key that nobody has, or one that cannot be made, is told so, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_beside_one_whose_key_cannot_be_unwrapped_gets_theirs() {
    let (stack, log, one, other) = two().await;
    let accounts: Vec<AccountId> = (0..20).map(|_| account()).collect();
    let lacking = [accounts[10], accounts[15]];
    for account in accounts.iter().filter(|account| **account != accounts[15]) {
        seal(&one.keys, *account, "x").await;
    }
    let unknown = r"UPDATE sealing_key SET master = '\x00' WHERE owner = $1";
    sqlx::query(unknown).bind(accounts[10].0).execute(log.pool()).await.unwrap();
    execute(log.pool(), r"UPDATE master_key SET id = '\x00'").await;
    let (hold, before) = (held(&stack).await, other.keys.queries());
    let ask = |account: AccountId| {
        let keys = other.keys.clone();
        tokio::spawn(async move { keys.of_account(account).await.map(drop) })
    };
    let first = ask(accounts[0]);
    eventually("the first one asks", async || if other.keys.queries() > before { Ok(()) } else { Err(String::new()) })
        .await;
    let asking: Vec<_> = accounts[1..].iter().map(|account| ask(*account)).collect();
    tokio::task::yield_now().await;
    drop(hold);
    first.await.unwrap().expect("a key");
    for (account, asked) in accounts[1..].iter().zip(asking) {
        match within("it is answered", BOUND, asked).await.unwrap() {
            Err(Error::NoMaster { .. }) if lacking.contains(account) => {}
            answer => answer.expect("a key"),
        }
    }
}

#[tokio::test]
async fn a_destroyed_key_is_erased_everywhere_and_never_made_again() {
    let (_stack, log, one, other) = two().await;
    let (alice, bob) = (account(), account());
    let (hers, his) = (seal(&one.keys, alice, "alice").await, seal(&one.keys, bob, "bob").await);
    assert_eq!(says(&other.keys, alice.0, &hers).await.unwrap().as_deref(), Some("alice"));
    let mut forgotten = other.keys.forgotten();
    one.keys.destroy(alice).await.unwrap();
    assert_eq!(says(&one.keys, alice.0, &hers).await.unwrap(), None);
    let heard = within("the other process hears of it", BOUND, forgotten.recv()).await.unwrap();
    assert_eq!(heard, sealing::Forgotten::Of(alice.0));
    for keys in [&one.keys, &other.keys] {
        assert_eq!(says(keys, alice.0, &hers).await.unwrap(), None, "erased is no error");
        assert!(matches!(keys.of_account(alice).await, Err(Error::Erased { owner }) if owner == alice.0));
        assert_eq!(says(keys, bob.0, &his).await.unwrap().as_deref(), Some("bob"));
    }
    one.keys.destroy(alice).await.unwrap();
    let gone = sealing::destroyed(&log).await.unwrap();
    assert_eq!(gone.iter().map(|it| it.account).collect::<Vec<_>>(), [alice]);
    assert!(sealing::is_destroyed(&log, alice).await.unwrap() && !sealing::is_destroyed(&log, bob).await.unwrap());
    // Also of whom there never was one.
    let nobody = account();
    one.keys.destroy(nobody).await.unwrap();
    assert!(matches!(other.keys.of_account(nobody).await, Err(Error::Erased { .. })));
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_never_taken_for_erasure() {
    let (stack, log, one, other) = two().await;
    let alice = account();
    let hers = seal(&one.keys, alice, "alice").await;
    let hold = held(&stack).await;
    let away = says(&other.keys, alice.0, &hers).await.expect_err("nobody answers");
    assert!(away.is_passing(), "{away}");
    let away = other.keys.of_account(alice).await.map(drop).expect_err("nobody answers");
    assert!(away.is_passing(), "{away}");
    assert_eq!(says(&one.keys, alice.0, &hers).await.unwrap().as_deref(), Some("alice"), "it is in memory");
    drop(hold);
    assert_eq!(says(&other.keys, alice.0, &hers).await.unwrap().as_deref(), Some("alice"));
    // Nor is a row that is gone without having been destroyed; but nothing opens without it.
    execute(log.pool(), "DELETE FROM sealing_key").await;
    let third = process(&stack, &log, Masters::fixed(MASTER)).await;
    assert_eq!(says(&third.keys, alice.0, &hers).await.unwrap(), None);
    assert!(!sealing::is_destroyed(&log, alice).await.unwrap());
}

#[tokio::test]
async fn a_damaged_key_opens_nothing_and_is_not_replaced() {
    let (stack, log, one, _other) = two().await;
    let alice = account();
    let hers = seal(&one.keys, alice, "alice").await;
    execute(log.pool(), "UPDATE sealing_key SET wrapped = set_byte(wrapped, 30, 255 - get_byte(wrapped, 30))").await;
    let third = process(&stack, &log, Masters::fixed(MASTER)).await;
    assert_eq!(says(&third.keys, alice.0, &hers).await.unwrap(), None);
    assert!(matches!(third.keys.of_account(alice).await, Err(Error::KeyLost { .. })));
}

/// As a backup would bring it.
#[tokio::test]
async fn what_the_log_says_was_destroyed_is_destroyed_again_after_a_backup() {
    let (stack, log, one, _other) = two().await;
    let (alice, bob) = (account(), account());
    let (hers, his) = (seal(&one.keys, alice, "alice").await, seal(&one.keys, bob, "bob").await);
    execute(log.pool(), "CREATE TABLE backup AS SELECT * FROM sealing_key").await;
    append_erased(&log, alice).await;
    one.keys.destroy(alice).await.unwrap();
    assert_eq!(sealing::destroy_again(&log).await.unwrap(), 0, "nothing is back");

    execute(log.pool(), "DELETE FROM sealing_key; INSERT INTO sealing_key SELECT * FROM backup").await;
    let restored = process(&stack, &log, Masters::fixed(MASTER)).await;
    assert_eq!(says(&restored.keys, alice.0, &hers).await.unwrap().as_deref(), Some("alice"), "it is back");
    assert_eq!(restored.keys.destroy_again().await.unwrap(), 1);
    assert_eq!(says(&restored.keys, alice.0, &hers).await.unwrap(), None);
    assert_eq!(says(&restored.keys, bob.0, &his).await.unwrap().as_deref(), Some("bob"));

    // Where the log has lost the erasure too, an operator names whom it was.
    assert_eq!(sealing::destroy_these(&log, &[bob.0, alice.0]).await.unwrap(), 1);
    let third = process(&stack, &log, Masters::fixed(MASTER)).await;
    assert_eq!(says(&third.keys, bob.0, &his).await.unwrap(), None);
}

async fn append_erased(log: &Log, account: AccountId) {
    let lane = log.lanes().of(account.0);
    let (ownership, head) = log.take_over(lane, "test").await.expect("take the lane over");
    let draft =
        Draft::encode(&Event::Erased { by: None, released: vec![] }, address(account), 1, "{}".into(), clock::now());
    let batch = chain(&head.link, [draft.expect("it is small")]);
    assert!(matches!(log.append(&ownership, head.link.position, &batch).await, Appended::Durable));
}

#[tokio::test]
async fn another_master_key_is_refused_with_its_name() {
    let (stack, log) = log().await;
    assert!(!sealing::is_begun(&log).await.unwrap());
    let right = Masters::fixed(MASTER);
    drop(process(&stack, &log, right.clone()).await);
    assert!(sealing::is_begun(&log).await.unwrap());
    let wrong = Masters::fixed([3; 32]);
    let refused = open(&stack, &log, wrong.clone()).await.err().expect("it opens nothing").to_string();
    for part in ["master key", &right.ids()[0].to_string(), &wrong.ids()[0].to_string()] {
        assert!(refused.contains(part), "no {part} in {refused}");
    }
    drop(process(&stack, &log, right).await);
    assert_eq!(log.lanes().count(), usize::from(LANES));
}
