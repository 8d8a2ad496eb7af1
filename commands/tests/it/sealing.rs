//! Sealing keeps the order in which people speak, and seals nothing more for who was erased.

use crate::support::{LANES, Node, body, caller, code, eventually, keyed, keyless, message_id};
use natter_commands::{CardChange, Erasures, Error, GivenBody, Named};
use natter_domain::{
    AccountId, Code, ConversationId, GroupName,
    account::{Change, ProfileChange},
};
use natter_streams::{Node as LeaseNode, id, lease, sealing};
use natter_testkit::{BOUND, Stack, within};
use sqlx::{Connection, Executor, PgConnection};

/// Said while the key of the conversation is waited for.
const WAITING: usize = 200;
/// And after, at the most: fewer than may wait at once.
const SAID_MAX: usize = 900;

/// Nobody reads or makes keys until it is dropped.
async fn held(stack: &Stack) -> PgConnection {
    let mut connection = PgConnection::connect(stack.database_url()).await.expect("connect");
    connection.execute("BEGIN; LOCK TABLE sealing_key IN ACCESS EXCLUSIVE MODE").await.expect("hold the table");
    connection
}

async fn waits(stack: &Stack) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND wait_event_type = 'Lock' AND query LIKE '%sealing_key%'";
    eventually("a key is waited for", async || {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(stack.pool()).await.map_err(|it| it.to_string())?;
        if waiting > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
}

/// It is stored; who has made it reads it once more before it is in memory.
async fn is_made(stack: &Stack, conversation: ConversationId) {
    let made = async || -> i64 {
        let made = sqlx::query_scalar("SELECT count(*) FROM sealing_key WHERE owner = $1").bind(conversation.0);
        made.fetch_one(stack.pool()).await.expect("count the keys")
    };
    // Without a pause between: in memory it is a moment later.
    within("the key is made", BOUND, async { while made().await == 0 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_key_is_overtaken_by_nobody() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, talk) = node.friends().await;
    let hold = held(&stack).await;
    let say = |number: usize| tokio::spawn(node.send(alice, talk, message_id(), &number.to_string()));
    let mut said: Vec<_> = (0..WAITING).map(say).collect();
    waits(&stack).await;
    drop(hold);
    is_made(&stack, talk).await;
    // Sooner or later those who speak now find the key in memory, while those before them still wait for their turn.
    while said.len() < SAID_MAX && !said[0].is_finished() {
        said.push(say(said.len()));
        tokio::task::yield_now().await;
    }
    for (number, said) in said.into_iter().enumerate() {
        let sent = within("it is answered", BOUND, said).await.expect("it ends").expect("it is sent");
        assert_eq!(sent.seq, number as u64 + 1, "in the order in which they were said");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_edit_waits_for_its_key_too() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, _, talk) = node.friends().await;
    let sent = node.sent(alice, talk, "one").await;
    let elsewhere = Node::edge(&stack, LANES).await;
    let of = Named { conversation: talk, message: sent.message_id };
    let edited = elsewhere.commands.message().edit(keyless(alice), of, GivenBody::text(body("two"), 3));
    within("it is answered", BOUND, edited).await.expect("it is edited");
    elsewhere.stop().await;
    node.stop().await;
}

/// A snapshot, as far as its being there goes.
async fn remembered(stack: &Stack, account: AccountId) {
    let sql =
        "INSERT INTO snapshots SELECT aggregate_type, aggregate_id, 1, lane, position, hash, 1, '{}', '' FROM events
               WHERE aggregate_type = 'account' AND aggregate_id = $1 LIMIT 1";
    sqlx::query(sql).bind(account.to_string()).execute(stack.pool()).await.expect("remember her");
    assert_eq!(snapshots(stack, account).await, 1);
}

async fn snapshots(stack: &Stack, account: AccountId) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM snapshots WHERE aggregate_id = $1").bind(account.to_string());
    count.fetch_one(stack.pool()).await.expect("count the snapshots")
}

#[tokio::test]
async fn nothing_is_sealed_for_who_was_erased_and_their_key_is_destroyed() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let signed_in = node.sign_up("alice").await;
    let (alice, bob) = (caller(&signed_in), node.person("bob").await);
    let talk: ConversationId = node.befriend(alice, bob).await;
    node.sent(alice, talk, "hello").await;
    remembered(&stack, alice.account).await;
    let operator = lease::Context { node: LeaseNode::new("operator"), ..node.context.clone() };
    let (erasures, _tasks) = Erasures::reach(&operator, node.feeds.clone(), &node.stop);
    erasures.erase(alice.account, "an operator").await.expect("she is erased");
    erasures.erase(alice.account, "an operator").await.expect("she is erased already");
    eventually("her key is destroyed", async || match sealing::is_destroyed(&node.log, alice.account).await {
        Ok(true) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eventually("her state is not remembered", async || match snapshots(&stack, alice.account).await {
        0 => Ok(()),
        left => Err(format!("{left} snapshots")),
    })
    .await;
    let change = ProfileChange { nickname: Change::Set("Al".to_owned()), ..ProfileChange::default() };
    assert_eq!(code(node.commands.account().change_profile(keyless(alice), change).await), Code::NotFound);
    let refreshed = node.commands.session().refresh(&signed_in.refresh_token, None).await;
    assert_eq!(code(refreshed), Code::Unauthenticated);
    let carol = node.person("carol").await;
    let asked = node.commands.friendship().request(keyless(carol), alice.account, None).await;
    assert_eq!(code(asked), Code::RequestsNotTaken);
    // What is others' stays theirs.
    let refused = node.send(bob, talk, message_id(), "are you there?").await;
    assert_eq!(code(refused), Code::ConversationClosed);
    assert!(!sealing::is_destroyed(&node.log, bob.account).await.unwrap());
    node.stop().await;
}

async fn keys_there_are(stack: &Stack) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM sealing_key").fetch_one(stack.pool()).await.expect("count the keys")
}

#[tokio::test]
async fn no_key_is_made_for_what_is_not_there_or_is_not_theirs() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, talk) = node.friends().await;
    let carol = node.person("carol").await;
    let (us, conversations) = (GroupName::parse("us").expect("a name"), node.commands.conversation());
    let group = conversations.start_group(keyless(alice), &us, &[bob.account]).await.expect("start").conversation_id;
    let sent = node.sent(alice, group, "hello").await;
    let elsewhere = Node::edge(&stack, LANES).await;
    let before = keys_there_are(&stack).await;
    let named = CardChange { name: Some(us.clone()), ..CardChange::default() };
    for (there, message) in [(ConversationId(id::new()), message_id()), (talk, message_id()), (group, sent.message_id)]
    {
        for node in [&node, &elsewhere] {
            let (commands, of) = (&node.commands, Named { conversation: there, message });
            assert_eq!(code(node.send(carol, there, message_id(), "hello").await), Code::NotFound);
            assert_eq!(
                code(commands.message().edit(keyless(carol), of, GivenBody::text(body("two"), 3)).await),
                Code::NotFound
            );
            assert_eq!(code(commands.conversation().change(keyless(carol), there, &named).await), Code::NotFound);
        }
    }
    for key in [None, Some(id::new())] {
        let by = key.map_or(keyless(carol), |key| keyed(carol, key));
        let nobody = [AccountId(id::new())];
        let refused = conversations.start_group(by, &us, &nobody).await;
        assert!(matches!(refused, Err(Error::UnknownAccount { index: 0 })));
    }
    assert_eq!(keys_there_are(&stack).await, before);
    node.sent(bob, talk, "hello").await;
    assert_eq!(keys_there_are(&stack).await, before + 1, "who is in makes one");
    elsewhere.stop().await;
    node.stop().await;
}

#[tokio::test]
async fn who_is_out_gets_the_first_answer_again_where_the_key_is_not_at_hand() {
    let stack = Stack::new().await;
    let node = Node::start(&stack).await;
    let (alice, bob, _) = node.friends().await;
    let (us, conversations) = (GroupName::parse("us").expect("a name"), node.commands.conversation());
    let group = conversations.start_group(keyless(alice), &us, &[bob.account]).await.expect("start").conversation_id;
    let message = message_id();
    let first = node.send(bob, group, message, "bye").await.expect("he is in");
    conversations.remove_member(keyless(bob), group, bob.account).await.expect("he leaves");
    let elsewhere = Node::edge(&stack, LANES).await;
    let again = elsewhere.send(bob, group, message, "bye").await.expect("it was said");
    assert_eq!((again.seq, again.repeated), (first.seq, true));
    let later = Node::edge(&stack, LANES).await;
    assert_eq!(code(later.send(bob, group, message_id(), "and").await), Code::NotAMember);
    for node in [later, elsewhere, node] {
        node.stop().await;
    }
}
