//! Another master key takes the place of one while nodes run, and nobody notices.

use crate::{
    sealing::{MASTER, account, execute, open, process, says, seal},
    support::{blocked_of, eventually, log},
};
use natter_domain::{AccountId, Sealed};
use natter_streams::{
    Error, Log,
    sealing::{self, Keys, Masters, Rotated},
};
use natter_testkit::{BOUND, within};
use sqlx::{Connection, Executor, PgConnection};
use std::sync::{Arc, Mutex};

const NEXT: [u8; 32] = [3; 32];

/// More than two pages.
const ACCOUNTS: usize = 1_200;

/// A file that an operator changes.
#[derive(Clone)]
struct File(Arc<Mutex<Vec<[u8; 32]>>>);

impl File {
    fn of(keys: &[[u8; 32]]) -> Self {
        Self(Arc::new(Mutex::new(keys.to_vec())))
    }

    fn masters(&self) -> Masters {
        let keys = self.0.clone();
        Masters::new(move || Ok(keys.lock().expect("nobody panics with it").clone())).expect("there are some")
    }

    fn write(&self, keys: &[[u8; 32]]) {
        *self.0.lock().expect("nobody panics with it") = keys.to_vec();
    }
}

/// By master key, the current one first.
async fn counts(log: &Log) -> Vec<(bool, i64)> {
    let counted = sealing::wrapped(log.pool()).await.expect("count");
    counted.into_iter().map(|it| (it.is_current, it.accounts)).collect()
}

async fn many(keys: &Keys) -> Vec<(AccountId, Sealed)> {
    let mut sealed = Vec::new();
    for _ in 0..ACCOUNTS {
        let account = account();
        sealed.push((account, seal(keys, account, "x").await));
    }
    sealed
}

async fn all_open(keys: &Keys, sealed: &[(AccountId, Sealed)]) {
    let wanted: Vec<_> = sealed.iter().map(|(account, sealed)| (account.0, sealed.key)).collect();
    // A file that was changed is looked into again after a second.
    let opener = eventually("they can be unwrapped", async || {
        keys.opener(wanted.clone()).await.map_err(|error| error.to_string())
    });
    let opener = opener.await;
    assert!(sealed.iter().all(|(account, sealed)| opener.open_text(account.0, sealed).as_deref() == Some("x")));
}

/// What is not looked for again within a second is found then.
async fn seals(keys: &Keys) -> (AccountId, Sealed) {
    let account = account();
    let key = eventually("a key is made", async || keys.of_account(account).await.map_err(|error| error.to_string()));
    (account, key.await.seal(b"x"))
}

#[tokio::test]
async fn nodes_go_on_while_all_keys_are_wrapped_anew() {
    let (stack, log) = log().await;
    let file = File::of(&[MASTER]);
    let node = process(&stack, &log, file.masters()).await;
    let sealed = many(&node.keys).await;
    assert_eq!(counts(&log).await, [(true, ACCOUNTS as i64)]);

    // A key that is destroyed meanwhile stays so.
    let gone = sealed[7].0;
    node.keys.destroy(gone).await.unwrap();
    file.write(&[NEXT, MASTER]);
    let rotated = sealing::rotate(log.pool(), &file.masters()).await.unwrap();
    assert_eq!(rotated, Rotated { wrapped: ACCOUNTS as u64 - 1, retired: 1 });
    let newest = seals(&node.keys).await;
    let others: Vec<_> = sealed.iter().filter(|(account, _)| *account != gone).cloned().chain([newest]).collect();
    all_open(&node.keys, &others).await;
    assert_eq!(says(&node.keys, gone.0, &sealed[7].1).await.unwrap(), None);
    assert_eq!(counts(&log).await, [(true, ACCOUNTS as i64), (false, 1)], "what was destroyed has none");

    // The old one is not needed any more, and does not do any more.
    all_open(&process(&stack, &log, Masters::fixed(NEXT)).await.keys, &others).await;
    assert!(matches!(open(&stack, &log, Masters::fixed(MASTER)).await, Err(Error::Unfit(_))));
    assert_eq!(sealing::rotate(log.pool(), &file.masters()).await.unwrap(), Rotated { wrapped: 0, retired: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_interrupted_goes_on() {
    let (stack, log) = log().await;
    let file = File::of(&[MASTER]);
    let node = process(&stack, &log, file.masters()).await;
    let sealed = many(&node.keys).await;
    file.write(&[NEXT, MASTER]);
    let mut hold = PgConnection::connect(stack.database_url()).await.unwrap();
    let last = "BEGIN; SELECT FROM sealing_key ORDER BY owner DESC, term DESC LIMIT 1 FOR UPDATE";
    hold.execute(last).await.unwrap();
    let (pool, masters) = (log.pool().clone(), file.masters());
    let rotating = tokio::spawn(async move { sealing::rotate(&pool, &masters).await });
    blocked_of(&stack, &["natter readers"], 1).await;
    rotating.abort();
    let _ = rotating.await;
    // What it was doing would be done once it could, whoever asked for it.
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    hold.execute(end).await.unwrap();
    hold.execute("ROLLBACK").await.unwrap();

    let both = counts(&log).await;
    assert!(both.len() == 2 && both.iter().all(|(_, accounts)| *accounts > 0), "some are wrapped anew: {both:?}");
    all_open(&process(&stack, &log, file.masters()).await.keys, &sealed).await;
    // Both are needed now.
    for one in [MASTER, NEXT] {
        assert!(matches!(open(&stack, &log, Masters::fixed(one)).await, Err(Error::Unfit(_))));
    }
    let rotated = within("it goes on", BOUND, sealing::rotate(log.pool(), &file.masters())).await.unwrap();
    assert_eq!(rotated.retired, 1);
    assert_eq!(counts(&log).await, [(true, ACCOUNTS as i64)]);
    all_open(&process(&stack, &log, Masters::fixed(NEXT)).await.keys, &sealed).await;
}

/// Nothing is erased by it, and nothing is made that the others could not open.
#[tokio::test]
async fn a_node_without_the_new_master_key_waits_for_it() {
    let (stack, log) = log().await;
    let (ours, theirs) = (File::of(&[MASTER]), File::of(&[MASTER]));
    let node = process(&stack, &log, theirs.masters()).await;
    let known = account();
    let sealed = seal(&node.keys, known, "x").await;
    let other = process(&stack, &log, ours.masters()).await;
    let unseen = account();
    let unread = seal(&other.keys, unseen, "x").await;
    ours.write(&[NEXT, MASTER]);
    sealing::rotate(log.pool(), &ours.masters()).await.unwrap();

    assert_eq!(says(&node.keys, known.0, &sealed).await.unwrap().as_deref(), Some("x"), "it is in memory");
    let refused = says(&node.keys, unseen.0, &unread).await.expect_err("it cannot be unwrapped");
    assert!(matches!(refused, Error::NoMaster { .. }) && refused.is_passing(), "{refused}");
    assert!(matches!(node.keys.of_account(account()).await, Err(Error::NoMaster { .. })));
    theirs.write(&[NEXT, MASTER]);
    let made = seals(&node.keys).await;
    all_open(&other.keys, &[made, (unseen, unread.clone())]).await;
    all_open(&node.keys, &[(unseen, unread)]).await;
}

/// The old one stands in for the new one again.
#[tokio::test]
async fn it_goes_back_as_it_came() {
    let (stack, log) = log().await;
    let node = process(&stack, &log, Masters::fixed(MASTER)).await;
    let sealed = [seals(&node.keys).await, seals(&node.keys).await];
    sealing::rotate(log.pool(), &File::of(&[NEXT, MASTER]).masters()).await.unwrap();
    sealing::rotate(log.pool(), &File::of(&[MASTER, NEXT]).masters()).await.unwrap();
    all_open(&process(&stack, &log, Masters::fixed(MASTER)).await.keys, &sealed).await;
    // Whoever has not all that are needed changes nothing.
    execute(log.pool(), "UPDATE master_key SET state = 'retiring' WHERE state = 'retired'").await;
    let refused = sealing::rotate(log.pool(), &Masters::fixed(MASTER)).await;
    assert!(matches!(refused, Err(Error::NoMaster { .. })), "{refused:?}");
}
