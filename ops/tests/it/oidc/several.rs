//! Many nodes: what one began another ends, and of many who are new at once one is.

use super::{SignIn, account, node, signs_in};
use futures::future::join_all;
use natter_testkit::{
    Stack,
    oidc::{CLIENT_ID, Forger, Provider},
};
use std::collections::BTreeSet;

#[tokio::test]
async fn what_one_node_began_another_ends() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let settings = [provider.settings("corp", CLIENT_ID)];
    let (near, far) = (node(&stack, &settings).await, node(&stack, &settings).await);
    let sign_in = SignIn::of(&near, "ada").await;
    let first = sign_in.finish(&far).await.ok(201);
    sign_in.finish(&near).await.refused(422, "code_wrong");
    assert_eq!(account(&signs_in(&near, "ada").await.ok(200)), account(&first));
}

#[tokio::test]
async fn of_two_that_show_the_same_at_once_one_is_signed_in() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let settings = [forger.settings()];
    let (near, far) = (node(&stack, &settings).await, node(&stack, &settings).await);
    for person in ["ada", "grace", "edith"] {
        let sign_in = SignIn::of(&near, person).await;
        let both = tokio::join!(sign_in.finish(&near), sign_in.finish(&far));
        let mut statuses = [both.0.status, both.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{} {}", both.0.text(), both.1.text());
        sign_in.finish(&far).await.refused(422, "code_wrong");
    }
    assert_eq!(forger.asked("/token"), 3, "for who comes too late the provider is not even asked");
}

#[tokio::test]
async fn whoever_is_new_on_many_devices_at_once_gets_one_account() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let settings = [forger.settings()];
    let nodes = [node(&stack, &settings).await, node(&stack, &settings).await];
    for person in ["ada", "grace", "edith"] {
        let sign_ins = join_all((0..8).map(|_| SignIn::of(&nodes[0], person))).await;
        let ends = sign_ins.iter().zip(nodes.iter().cycle()).map(|(sign_in, node)| sign_in.finish(node));
        let answers = join_all(ends).await;
        let new = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(new, 1, "{answers:?}");
        let accounts: BTreeSet<String> =
            answers.iter().map(|answer| account(&answer.ok(if answer.status == 201 { 201 } else { 200 }))).collect();
        assert_eq!(accounts.len(), 1, "{person}");
    }
}
