//! Providers that do not answer: nobody but those who come by them notices.

use super::{PASSWORD_PATH, SignIn, node, options, signs_in, start};
use natter_testkit::{
    BOUND, Node, PASSWORD, Proxy, Stack, eventually,
    oidc::{Conduct, Forger},
};
use serde_json::json;

/// A metric's value.
async fn metric(node: &Node, name: &str) -> Option<String> {
    let text = node.raw().get("/metrics").await.text();
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[tokio::test]
async fn whoever_came_back_while_it_was_away_shows_the_same_again() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let node = node(&stack, &[forger.settings()]).await;
    signs_in(&node, "grace").await.ok(201);
    for conduct in [Conduct::Fails, Conduct::Babbles, Conduct::Redirects, Conduct::NotAClient] {
        let person = format!("{conduct:?}");
        let sign_in = SignIn::of(&node, &person).await;
        forger.behaves(conduct);
        let told = sign_in.finish(&node).await;
        told.refused(503, "unavailable");
        assert!(told.header("retry-after").is_some());
        forger.behaves(Conduct::Answers);
        sign_in.finish(&node).await.ok(201);
    }
    assert_eq!(forger.asked("/elsewhere/token"), 0, "nobody goes where a provider sends them");
}

#[tokio::test]
async fn a_slow_one_is_waited_for_a_while_and_holds_up_nobody_else() {
    let (stack, forger, another) = (Stack::new().await, Forger::start().await, Forger::start().await);
    let mut settings = another.settings();
    settings["name"] = "another".into();
    let node = node(&stack, &[forger.settings(), settings]).await;
    let (alice, raw) = (node.register("alice").await, node.raw());
    let sign_in = SignIn::of(&node, "ada").await;
    forger.behaves(Conduct::Hangs);
    let mut slow = Box::pin(sign_in.finish(&node));
    let others = async {
        eventually("it is asked", BOUND, async || match forger.asked("/token") {
            1 => Ok(()),
            asked => Err(format!("{asked} times")),
        })
        .await;
        let started = async || start(&raw, "another").await.ok(200);
        let read = async || alice.client().me().await.expect("it is hers");
        tokio::join!(started(), read(), async { raw.get("/healthz").await.ok(200) });
    };
    tokio::select! {
        biased;
        () = others => {}
        early = &mut slow => panic!("others waited for the slow one, which was answered first: {early:?}"),
    }
    slow.await.refused(503, "unavailable");
    assert_eq!(forger.asked("/token"), 1);
    forger.behaves(Conduct::Answers);
    sign_in.finish(&node).await.ok(201);
}

#[tokio::test]
async fn one_that_is_away_is_left_alone_for_a_while_and_used_again() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let node = node(&stack, &[forger.settings()]).await;
    forger.behaves(Conduct::Fails);
    for _ in 0..8 {
        start(&node.raw(), "forger").await.refused(503, "unavailable");
    }
    let asked = forger.asked("/.well-known/openid-configuration");
    assert!((5..8).contains(&asked), "five times, and then it is spared: {asked}");
    assert_eq!(metric(&node, "natter_oidc_breaker_open{provider=\"forger\"}").await.as_deref(), Some("1"));
    node.register("alice").await;
    forger.behaves(Conduct::Answers);
    eventually("it is asked again", BOUND * 2, async || {
        let reply = start(&node.raw(), "forger").await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    signs_in(&node, "ada").await.ok(201);
    assert_eq!(metric(&node, "natter_oidc_breaker_open{provider=\"forger\"}").await.as_deref(), Some("0"));
    let signed_in = "natter_oidc_sign_ins_total{provider=\"forger\",account=\"new\"}";
    assert_eq!(metric(&node, signed_in).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn one_that_was_never_there_hinders_no_start() {
    let stack = Stack::new().await;
    let mut settings = Forger::start().await.settings();
    // Ended with the value that was dropped.
    settings["name"] = "gone".into();
    let node = node(&stack, &[settings]).await;
    node.register("alice").await;
    start(&node.raw(), "gone").await.refused(503, "unavailable");
}

/// What a provider has said it says once. It is not lost because something of ours was away just then.
#[tokio::test]
async fn whoever_came_back_while_we_could_not_write_shows_the_same_again() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let database = Proxy::before(stack.database_url()).await;
    let mut options = options(&[forger.settings()]);
    options.more.push(("NATTER_DATABASE_URL", database.url.clone()));
    let node = stack.node_with(options).await;
    signs_in(&node, "ada").await.ok(201);
    let (entering, forgetful) = (SignIn::of(&node, "ada").await, SignIn::of(&node, "ada").await);
    let set_password =
        async || node.raw().post(PASSWORD_PATH, forgetful.shown(&json!({"new_password": PASSWORD}))).await;
    database.silent();
    let (entered, set) = tokio::join!(entering.finish(&node), set_password());
    entered.refused(503, "unavailable");
    set.refused(503, "unavailable");
    let asked = forger.asked("/token");
    database.heal();
    let signed_in = eventually("it signs in", BOUND, async || {
        let reply = entering.finish(&node).await;
        if reply.status == 503 { Err(reply.text()) } else { Ok(reply) }
    });
    signed_in.await.ok(200);
    let set = eventually("it sets a password", BOUND, async || {
        let reply = set_password().await;
        if reply.status == 503 { Err(reply.text()) } else { Ok(reply) }
    });
    assert_eq!(set.await.status, 204);
    assert_eq!(forger.asked("/token"), asked, "the provider is not asked again");
}
