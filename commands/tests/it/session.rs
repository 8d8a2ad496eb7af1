//! Signing in and staying so.

use crate::support::{Node, PASSWORD, caller, code};
use natter_commands::Origin;
use natter_domain::Code;
use natter_testkit::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_signs_in_refreshes_and_leaves() {
    let node = Node::start(&Stack::new().await).await;
    let registered = node.sign_up("alice").await;
    let session = node.commands.session();
    let signed_in = session.login("Alice", PASSWORD, Origin::default()).await.unwrap();
    assert_eq!(signed_in.account_id, registered.account_id);
    assert_ne!(signed_in.session_id, registered.session_id);
    let refreshed = session.refresh(&signed_in.refresh_token, None).await.unwrap();
    assert_eq!(refreshed.session_id, signed_in.session_id);
    assert_ne!(refreshed.refresh_token, signed_in.refresh_token);
    session.refresh(&refreshed.refresh_token, None).await.unwrap();
    session.logout(caller(&registered)).await.unwrap();
    assert_eq!(code(session.refresh(&registered.refresh_token, None).await), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_was_used_before_ends_its_session() {
    let node = Node::start(&Stack::new().await).await;
    let first = node.sign_up("alice").await;
    let session = node.commands.session();
    let second = session.refresh(&first.refresh_token, None).await.unwrap();
    assert_eq!(code(session.refresh(&first.refresh_token, None).await), Code::Unauthenticated);
    assert_eq!(
        code(session.refresh(&second.refresh_token, None).await),
        Code::Unauthenticated,
        "the newest ends with it"
    );
    let other = session.login("alice", PASSWORD, Origin::default()).await.unwrap();
    session.refresh(&other.refresh_token, None).await.expect("another session lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_sign_in_is_not_told_why() {
    let node = Node::start(&Stack::new().await).await;
    node.sign_up("alice").await;
    let session = node.commands.session();
    assert_eq!(code(session.login("alice", "wrong horse battery", Origin::default()).await), Code::WrongCredentials);
    assert_eq!(code(session.login("nobody", PASSWORD, Origin::default()).await), Code::WrongCredentials);
    assert_eq!(code(session.refresh("nrt_invented", None).await), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_name_at_once_one_gets_it() {
    let node = Node::start(&Stack::new().await).await;
    let outcomes = futures::future::join_all((0..8).map(|_| node.register("alice"))).await;
    let (got, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(got.len(), 1);
    assert!(refused.into_iter().all(|outcome| code(outcome) == Code::NameTaken));
    assert_eq!(code(node.register("ALICE").await), Code::NameTaken);
    node.commands.session().login("alice", PASSWORD, Origin::default()).await.expect("the one who has it signs in");
}
