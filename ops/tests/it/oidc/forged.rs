//! Providers that lie, and people who pretend to be one.

use super::{SignIn, account, node, signs_in};
use natter_testkit::{
    Stack,
    oidc::{Conduct, Forger},
};

/// What a token can be wrong by. Whoever takes one of them lets in whom somebody else has made up.
const FORGED: [Conduct; 13] = [
    Conduct::WrongNonce,
    Conduct::NoNonce,
    Conduct::WrongAudience,
    Conduct::OtherParty,
    Conduct::WrongIssuer,
    Conduct::WrongSignature,
    Conduct::HiddenKeys,
    Conduct::Expired,
    Conduct::FromTheFuture,
    Conduct::NoSubject,
    Conduct::Unsigned,
    Conduct::Confused,
    Conduct::Swapped,
];

#[tokio::test]
async fn what_is_not_theirs_or_not_for_us_signs_in_nobody() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let node = node(&stack, &[forger.settings()]).await;
    let honest = signs_in(&node, "ada").await.ok(201);
    assert_eq!((&honest["account"]["username"], &honest["account"]["nickname"]), (&"ada".into(), &"ada F.".into()));
    let events = stack.event_count().await;
    for conduct in FORGED {
        forger.behaves(conduct);
        let sign_in = SignIn::of(&node, "ada").await;
        let answer = sign_in.finish(&node).await;
        assert_eq!(answer.status, 422, "{conduct:?}: {}", answer.text());
        answer.refused(422, "code_wrong");
        forger.behaves(Conduct::Answers);
        sign_in.finish(&node).await.refused(422, "code_wrong");
    }
    assert_eq!(stack.event_count().await, events, "nothing was written for any of them");
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), account(&honest));
    let metrics = node.raw().get("/metrics").await.text();
    for why in ["nonce", "audience", "party", "issuer", "signature", "key", "expired", "future", "subject", "algorithm"]
    {
        let line = format!("natter_oidc_tokens_refused_total{{provider=\"forger\",why=\"{why}\"}}");
        assert!(metrics.contains(&line), "{why}: {metrics}");
    }
}

#[tokio::test]
async fn keys_that_are_new_are_asked_for_and_not_more_often_than_that() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let node = node(&stack, &[forger.settings()]).await;
    signs_in(&node, "ada").await.ok(201);
    assert_eq!(forger.asked("/jwks"), 1);
    signs_in(&node, "grace").await.ok(201);
    assert_eq!((forger.asked("/jwks"), forger.asked("/.well-known/openid-configuration")), (1, 1), "they are kept");
    forger.behaves(Conduct::HiddenKeys);
    for _ in 0..5 {
        signs_in(&node, "ada").await.refused(422, "code_wrong");
    }
    assert!(forger.asked("/jwks") <= 2, "{} times", forger.asked("/jwks"));
}

#[tokio::test]
async fn a_provider_changes_its_keys_and_nobody_notices() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let node = node(&stack, &[forger.settings()]).await;
    let first = signs_in(&node, "ada").await.ok(201);
    forger.behaves(Conduct::NewKeys);
    // At the latest once its keys may be asked for again.
    let again = natter_testkit::eventually("the new keys are known", natter_testkit::BOUND, async || {
        let reply = signs_in(&node, "ada").await;
        if reply.status == 200 { Ok(reply.json()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(account(&again), account(&first));
}

#[tokio::test]
async fn what_a_provider_says_of_itself_is_believed_only_of_itself() {
    for conduct in [Conduct::OtherName, Conduct::OpenWay] {
        let (stack, forger) = (Stack::new().await, Forger::start().await);
        forger.behaves(conduct);
        let node = node(&stack, &[forger.settings()]).await;
        super::start(&node.raw(), "forger").await.refused(503, "unavailable");
        assert_eq!(forger.asked("/jwks"), 0, "{conduct:?}");
    }
}
