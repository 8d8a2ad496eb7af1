//! Signing in by a certified provider, a process of its own.

use super::{FINISH, PASSWORD_PATH, START, SignIn, account, as_signed_in, identities, node, options, signs_in, start};
use natter_testkit::{
    BOUND, Clock, Letters, PASSWORD, Stack, eventually,
    oidc::{CLIENT_ID, CLIENT_SECRET, Conduct, Forger, Provider, REDIRECT, browse, variables},
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_first_sign_in_makes_the_account_and_the_next_finds_it() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let mut settings = provider.settings("corp", CLIENT_ID);
    settings["title"] = json!("Example Corp");
    let node = node(&stack, &[settings]).await;
    let listed = node.raw().get("/api/v1/auth/oidc").await.ok(200);
    assert_eq!(listed, json!({"items": [{"name": "corp", "title": "Example Corp"}]}));

    let device = json!({"device": {"name": "a new laptop", "platform": "linux"}});
    let reply = SignIn::of(&node, "ada").await.finish_with(&node, &device).await;
    let first = reply.ok(201);
    let (me, shown) = (as_signed_in(&node, &first).with("natter-position", &reply.position()), &first["account"]);
    assert_eq!((&shown["username"], &shown["nickname"]), (&json!("ada"), &json!("ada of 127.0.0.1")), "{shown}");
    assert_eq!(shown["email"], Value::Null, "what the provider says of an address is not taken for theirs");
    let sessions = me.get("/api/v1/auth/sessions").await.ok(200);
    assert_eq!(sessions["items"][0]["device"], device["device"]);
    let linked = &identities(&me).await[0];
    assert_eq!((&linked["provider"], &linked["name"]), (&json!("corp"), &json!("ada")), "{linked}");
    assert_eq!(linked["issuer"], provider.issuer);

    let again = signs_in(&node, "ada").await.ok(200);
    assert_eq!(account(&again), account(&first));
    assert_ne!(again["tokens"], first["tokens"]);
    let other = signs_in(&node, "grace").await.ok(201);
    assert_ne!(account(&other), account(&first));
    for password in ["", "ada", PASSWORD] {
        let login = json!({"login": "ada", "password": password}).to_string();
        node.raw().post("/api/v1/auth/login", login).await.refused(401, "wrong_credentials");
    }
    for secret in [CLIENT_SECRET, "secret: 100"] {
        assert!(!node.output().contains(secret), "the client's secret is in no log line");
    }
}

/// While a sign-in goes on, what the provider has said of somebody is kept, for whoever needs another name.
#[tokio::test]
async fn what_is_kept_of_a_sign_in_tells_nothing() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    node.register("augusta").await;
    let sign_in = SignIn::of(&node, "augusta").await;
    let device = json!({"name": "a new laptop", "platform": "linux"});
    let taken = sign_in.finish_with(&node, &json!({"username": "AUGUSTA", "device": device})).await;
    taken.refused(409, "name_taken");
    let kept = stack.kept_for_minutes().await.to_lowercase();
    for told in ["augusta", "laptop", "linux", &provider.issuer, &sign_in.secret, sign_in.brought.get("state")] {
        assert!(!kept.contains(&told.to_lowercase()), "{told} is in the bucket: {kept}");
    }
    assert!(kept.contains("\"said\":\"i."), "it is looked at while something is sealed there: {kept}");
    sign_in.finish_with(&node, &json!({"username": "ada"})).await.ok(201);
}

#[tokio::test]
async fn a_provider_that_wants_the_secret_in_the_form_gets_it_there() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    forger.behaves(Conduct::WantsPost);
    let node = node(&stack, &[forger.settings()]).await;
    let first = signs_in(&node, "ada").await.ok(201);
    assert_eq!(account(&signs_in(&node, "ada").await.ok(200)), account(&first));
}

#[tokio::test]
async fn however_the_provider_signs_and_whoever_we_are_to_it() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(
        &stack,
        &[
            provider.settings("rsa", CLIENT_ID),
            provider.settings("curve", "natter-es"),
            provider.settings_without_secret("edwards", "natter-ed"),
        ],
    )
    .await;
    let first = SignIn::at(&node, "rsa", "ada").await.finish(&node).await.ok(201);
    for name in ["curve", "edwards"] {
        let other = SignIn::at(&node, name, "ada").await.finish(&node).await.ok(200);
        assert_eq!(account(&other), account(&first), "{name}: the same person of the same provider");
    }
}

#[tokio::test]
async fn a_sign_in_ends_once_and_for_who_began_it() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let (sign_in, others) = (SignIn::of(&node, "ada").await, SignIn::of(&node, "mallory").await);
    // Somebody saw the address that the browser was sent to.
    let stolen = SignIn { secret: others.secret.clone(), ..sign_in.clone() };
    stolen.finish(&node).await.refused(422, "code_wrong");
    // Somebody was lured to an address that another's browser was sent to.
    let lured = SignIn { secret: sign_in.secret.clone(), ..others.clone() };
    lured.finish(&node).await.refused(422, "code_wrong");
    // Another's code under one's own state: the provider gave it for another challenge.
    let mut mixed = others.clone();
    mixed.brought.0.insert("code".to_owned(), SignIn::of(&node, "eve").await.brought.get("code").to_owned());
    mixed.finish(&node).await.refused(422, "code_wrong");
    // What was sent by another issuer.
    let mut elsewhere = SignIn::of(&node, "ada").await;
    elsewhere.brought.0.insert("iss".to_owned(), "https://id.example".to_owned());
    elsewhere.finish(&node).await.refused(422, "code_wrong");
    let mut nowhere = SignIn::of(&node, "ada").await;
    nowhere.brought.0.remove("iss").expect("this provider says who it is");
    nowhere.finish(&node).await.refused(422, "code_wrong");

    let raw = node.raw().with("content-type", "application/json");
    let cookies = raw.with("cookie", "state=1; session=2").post(FINISH, sign_in.shown(&json!({"secret": ""}))).await;
    cookies.refused(422, "code_wrong");
    sign_in.finish(&node).await.ok(201);
    sign_in.finish(&node).await.refused(422, "code_wrong");
    let reset = sign_in.shown(&json!({"new_password": PASSWORD}));
    node.raw().post(PASSWORD_PATH, reset).await.refused(422, "code_wrong");
}

#[tokio::test]
async fn the_provider_checks_what_we_prove_by() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings_without_secret("corp", "natter-ed")]).await;
    let started = start(&node.raw(), "corp").await.ok(200);
    let url = started["url"].as_str().expect("a url");
    assert!(url.starts_with(&provider.issuer) && url.contains("code_challenge_method=S256"), "{url}");
    assert!(!url.contains(started["secret"].as_str().expect("a secret")), "{url}");
    // Without the challenge there is no code.
    let (before, rest) = url.split_once("code_challenge=").expect("a challenge");
    let without =
        format!("{before}{}", rest.split_once('&').expect("more").1.replace("code_challenge_method=S256", "a=b"));
    let brought = browse(&without, "ada").await;
    assert_eq!((brought.get("error"), brought.get("code")), ("invalid_request", ""), "{brought:?}");
    // With a challenge of somebody else's there is one, and ours is not taken for it.
    let other = format!("{before}code_challenge={}&{}", "A".repeat(43), rest.split_once('&').expect("more").1);
    let sign_in =
        SignIn { secret: started["secret"].as_str().expect("a text").to_owned(), brought: browse(&other, "ada").await };
    assert!(!sign_in.brought.get("code").is_empty());
    sign_in.finish(&node).await.refused(422, "code_wrong");
}

#[tokio::test]
async fn a_name_is_proposed_or_made_of_what_the_provider_says() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    node.register("ada").await;
    let sign_in = SignIn::of(&node, "ada").await;
    for taken in ["ADA", "ａｄａ"] {
        sign_in.finish_with(&node, &json!({"username": taken})).await.refused(409, "name_taken");
    }
    for no_name in ["a b", "\u{430}da"] {
        sign_in.finish_with(&node, &json!({"username": no_name})).await.invalid("/username");
    }
    sign_in.finish_with(&node, &json!({"nickname": ""})).await.invalid("/nickname");
    let wanted = json!({"username": "countess", "nickname": "The Countess"});
    let signed_in = sign_in.finish_with(&node, &wanted).await.ok(201);
    assert_eq!(signed_in["account"]["username"], "countess");
    assert_eq!(signed_in["account"]["nickname"], "The Countess");
    // Who has an account is not asked for a name.
    let again = SignIn::of(&node, "ada").await.finish_with(&node, &json!({"username": "duchess"})).await.ok(200);
    assert_eq!(again["account"]["username"], "countess");

    node.register("grace").await;
    for not_to_be_had in ["grace", "support"] {
        let suggested = signs_in(&node, not_to_be_had).await.ok(201);
        let username = suggested["account"]["username"].as_str().expect("a name");
        let digits = username.strip_prefix(not_to_be_had).and_then(|rest| rest.strip_prefix('-'));
        assert!(digits.is_some_and(|it| it.len() == 4 && it.parse::<u16>().is_ok()), "{username}");
    }
    let number = signs_in(&node, "47").await.ok(201);
    assert!(number["account"]["username"].as_str().is_some_and(|name| name.starts_with("user-")), "{number}");
}

#[tokio::test]
async fn an_address_that_the_provider_has_verified_leads_to_no_account() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let letters = Letters::new(stack.dir());
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more.push(letters.variable());
    let node = stack.node_with(options).await;
    let code = letters.code(&node.raw(), "ada@example.org", "register").await;
    let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.org", "code": code});
    let registered = node.raw().post("/api/v1/auth/register", body.to_string()).await.ok(201);
    let signed_in = signs_in(&node, "ada").await.ok(201);
    assert_ne!(account(&signed_in), account(&registered));
    assert_eq!(signed_in["account"]["email"], Value::Null);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_sign_in_does_so_here_too() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more.push(("NATTER_SESSIONS", "max:1".to_owned()));
    let node = stack.node_with(options).await;
    let first = signs_in(&node, "ada").await.ok(201);
    let (me, id) = (as_signed_in(&node, &first), account(&first));
    // One session at the most.
    let second = signs_in(&node, "ada").await.ok(200);
    eventually("the first session is refused", BOUND, async || match me.get("/api/v1/accounts/me").await {
        reply if reply.status == 401 => Ok(()),
        reply => Err(reply.text()),
    })
    .await;
    // A second factor.
    let set = SignIn::of(&node, "ada").await.shown(&json!({"new_password": PASSWORD}));
    assert_eq!(node.raw().post(PASSWORD_PATH, set).await.status, 204);
    as_signed_in(&node, &second).get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
    let person = node.sign_in("ada").await;
    let (_, codes) = crate::second::app::turn_on(&person).await;
    let asked = signs_in(&node, "ada").await.refused(403, "second_factor_required");
    let challenge = asked["challenge"].as_str().expect("a challenge");
    let answered = crate::second::app::answer(&node, challenge, &codes[0]).await.ok(200);
    assert_eq!(account(&answered), id);
}

#[tokio::test]
async fn who_is_suspended_is_told_until_when() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let id = account(&signs_in(&node, "ada").await.ok(201));
    let output = node.run(&["accounts", "suspend", &id, "--until", "7d", "--by", "root"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = signs_in(&node, "ada").await.refused(403, "account_suspended");
    assert!(told["until"].is_string(), "{told}");
}

#[tokio::test]
async fn who_does_not_agree_there_is_not_signed_in_here() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let node = node(&stack, &[provider.settings("corp", CLIENT_ID)]).await;
    let events = stack.event_count().await;
    let sign_in = SignIn::of(&node, "nobody").await;
    assert_eq!((sign_in.brought.get("error"), sign_in.brought.get("code")), ("access_denied", ""));
    sign_in.finish_with(&node, &json!({"code": "made up"})).await.refused(422, "code_wrong");
    assert_eq!(stack.event_count().await, events);
}

#[tokio::test]
async fn a_sign_in_begins_at_a_provider_that_there_is_and_ends_where_it_may() {
    let (stack, provider) = (Stack::new().await, Provider::start().await);
    let mut options = options(&[provider.settings("corp", CLIENT_ID)]);
    options.more = variables(&[provider.settings("corp", CLIENT_ID)]);
    let node = stack.node_with(options).await;
    start(&node.raw(), "other").await.invalid("/provider");
    for (url, is_ours) in
        [(REDIRECT, true), ("https://app.example/signed-in/", false), ("https://evil.example/", false)]
    {
        let body = json!({"provider": "corp", "redirect_url": url}).to_string();
        let answer = node.raw().post(START, body).await;
        if is_ours { drop(answer.ok(200)) } else { answer.invalid("/redirect_url") }
    }
}

#[tokio::test]
async fn it_is_too_late_after_ten_minutes() {
    let (stack, forger) = (Stack::new().await, Forger::start().await);
    let clock = Clock::of(&stack);
    let mut options = clock.options();
    options.more.extend(variables(&[forger.settings()]));
    let node = stack.node_with(options).await;
    let (in_time, late) = (SignIn::of(&node, "ada").await, SignIn::of(&node, "grace").await);
    // What the provider says is of its own clock: nothing but the sign-in is too old.
    for (sign_in, minutes, status) in [(in_time, 9, 201), (late, 10, 422)] {
        clock.ahead_by(minutes * 60);
        forger.is_ahead_by(minutes * 60);
        let reply = sign_in.finish(&node).await;
        assert_eq!(reply.status, status, "after {minutes} minutes: {}", reply.text());
    }
    assert_eq!(forger.asked("/token"), 1, "for the one that was late nobody asks the provider");
}
