//! Tokens that are expired, forged, or something else.

use super::Scene;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use natter_testkit::token::{Key, Token};
use serde_json::json;

/// What a forger can make of a true token, each with the code that refuses it.
fn forgeries(token: &str, installation: &[u8; 32]) -> Vec<(&'static str, String, &'static str)> {
    let (own, other) = (Key::of_installation(installation), Key::from_seed(&[7; 32]));
    let honest = Token::read(token);
    let changed = |field: &str, value: serde_json::Value| {
        let mut token = honest.clone();
        token.claims[field] = value;
        token
    };
    let of_kind = |kind: &str| {
        let mut token = honest.clone();
        token.header["typ"] = json!(kind);
        token
    };
    let with_header = |field: &str, value: serde_json::Value| {
        let mut token = honest.clone();
        token.header[field] = value;
        token
    };
    let expired = changed("exp", json!(1_600_000_000));
    let now = natter_streams::clock::now().as_millis() / 1_000;
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": honest.header["kid"], "x": encoded(&other.public())});
    let [head, claims, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().expect("a token has three parts");
    vec![
        ("expired", expired.signed(&own), "token_expired"),
        ("of another key", honest.signed(&other), "unauthenticated"),
        ("expired and of another key", expired.signed(&other), "unauthenticated"),
        ("alg none", honest.unsigned("none"), "unauthenticated"),
        ("alg None", honest.unsigned("None"), "unauthenticated"),
        ("alg nOnE", honest.unsigned("nOnE"), "unauthenticated"),
        ("HS256 with the public key", honest.signed_with_secret(&own.public()), "unauthenticated"),
        ("another type", of_kind("JWT").signed(&own), "unauthenticated"),
        ("another issuer", changed("iss", json!("someone")).signed(&own), "unauthenticated"),
        ("expired by a second", changed("exp", json!(now - 1)).signed(&own), "token_expired"),
        ("ends as a text", changed("exp", json!("9999999999")).signed(&own), "unauthenticated"),
        ("ends at a fraction", changed("exp", json!(9_999_999_999.5)).signed(&own), "unauthenticated"),
        ("ends never", changed("exp", json!(1e300)).signed(&own), "unauthenticated"),
        ("ended before time", changed("exp", json!(-1)).signed(&own), "unauthenticated"),
        ("of nobody", changed("sub", json!("*")).signed(&own), "unauthenticated"),
        ("a list of issuers", changed("iss", json!(["natter", "someone"])).signed(&own), "unauthenticated"),
        ("its own key inside", with_header("jwk", jwk).signed(&other), "unauthenticated"),
        (
            "its keys elsewhere",
            with_header("jku", json!("http://127.0.0.1/jwks.json")).signed(&other),
            "unauthenticated",
        ),
        (
            "its certificate elsewhere",
            with_header("x5u", json!("file:///etc/passwd")).signed(&other),
            "unauthenticated",
        ),
        ("more must be understood", with_header("crit", json!(["exp"])).signed(&own), "unauthenticated"),
        ("a key that is a path", with_header("kid", json!("../../dev/null")).signed(&own), "unauthenticated"),
        ("a key that is SQL", with_header("kid", json!("' UNION SELECT 'key")).signed(&own), "unauthenticated"),
        ("no key named", with_header("kid", json!(null)).signed(&own), "unauthenticated"),
        ("of a key a year ahead", honest.signed(&Key::of_installation_in(installation, 12)), "unauthenticated"),
        ("alg ES256", with_header("alg", json!("ES256")).signed(&own), "unauthenticated"),
        ("alg as a list", with_header("alg", json!(["EdDSA", "none"])).signed(&own), "unauthenticated"),
        ("the other signature of the same", format!("{head}.{claims}.{}", malleated(signature)), "unauthenticated"),
        ("a signature of nothing", format!("{head}.{claims}.{}", encoded(&[0; 64])), "unauthenticated"),
        ("in the other alphabet", format!("{head}.{claims}.{}", standard(signature)), "unauthenticated"),
        ("a fourth part", format!("{token}.{signature}"), "unauthenticated"),
        ("a space within", format!("{head}. {claims}.{signature}"), "unauthenticated"),
        ("no session", changed("sid", json!(null)).signed(&own), "unauthenticated"),
        ("no expiry", changed("exp", json!(null)).signed(&own), "unauthenticated"),
        (
            "claims of another token",
            format!("{head}.{}.{signature}", &expired.signed(&own).split('.').nth(1).unwrap_or_default()),
            "unauthenticated",
        ),
        ("without a signature", format!("{head}.{claims}."), "unauthenticated"),
        ("two parts", format!("{head}.{claims}"), "unauthenticated"),
        ("padded", format!("{token}=="), "unauthenticated"),
        ("empty", String::new(), "unauthenticated"),
        ("garbage", "\u{1f}a.b.c".replace('\u{1f}', "%"), "unauthenticated"),
    ]
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Padded, in the alphabet with `+` and `/`: the bytes are the same.
fn standard(signature: &str) -> String {
    STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
}

/// With the order of Ed25519's group added to the half that is a number: a verifier that does not look takes both.
fn malleated(signature: &str) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut carry = 0;
    for (byte, more) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    encoded(&bytes)
}

#[tokio::test]
async fn a_token_that_is_not_ours_and_fresh_opens_nothing() {
    let scene = Scene::new().await;
    let tokens = scene.alice.client().tokens().await;
    let key = scene.stack.installation_key();
    let again = Token::read(&tokens.access_token).signed(&Key::of_installation(&key));
    let honest = scene.node.raw().with("authorization", &format!("Bearer {again}"));
    assert_eq!(honest.get("/api/v1/accounts/me").await.status, 200, "what the forgeries differ from is good");

    let attempts = async {
        let mut bad = forgeries(&tokens.access_token, &key);
        bad.push(("a refresh token", tokens.refresh_token.clone(), "unauthenticated"));
        for (what, token, code) in bad {
            println!("{what}");
            let raw = scene.node.raw().with("authorization", &format!("Bearer {token}"));
            raw.get("/api/v1/accounts/me").await.refused(401, code);
            raw.put(&scene.path("/read"), json!({"seq": 2}).to_string()).await.refused(401, code);
            let refused = raw.try_socket().await.err().and_then(|error| error.code().map(str::to_owned));
            assert_eq!(refused.as_deref(), Some(code), "{what}: the handshake");

            let mut frame = scene.node.raw().socket().await;
            frame.send(json!({"id": "1", "op": "auth", "token": token}).to_string()).await;
            assert_eq!(frame.closed().await.code, Some(4401), "{what}: the first frame");
            let verified = scene.node.raw().post("/api/v1/auth/verify", json!({"token": token}).to_string()).await;
            assert_eq!(verified.ok(200)["active"], false, "{what}");
        }
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn other_schemes_and_two_tokens_are_refused() {
    let scene = Scene::new().await;
    let token = scene.alice.client().tokens().await.access_token;
    let nobody = scene.node.raw();
    let attempts = async {
        for value in ["Basic YTpi".to_owned(), token.clone(), "Bearer".to_owned(), format!("Token {token}")] {
            nobody.with("authorization", &value).get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
        }
        let twice =
            nobody.with("authorization", &format!("Bearer {token}")).with("authorization", &format!("Bearer {token}"));
        twice.get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
        let cookie = nobody.with("cookie", &format!("access_token={token}"));
        cookie.get("/api/v1/accounts/me").await.refused(401, "unauthenticated");
        let query = format!("/api/v1/accounts/me?access_token={token}");
        nobody.get(&query).await.refused(401, "unauthenticated");
    };
    scene.unchanged(attempts).await;
}

#[tokio::test]
async fn a_refresh_token_that_was_never_given_is_refused() {
    let scene = Scene::new().await;
    let attempts = async {
        let tokens = scene.alice.client().tokens().await;
        let mut cut = tokens.refresh_token.clone();
        cut.pop();
        for bad in ["", "x", &tokens.access_token, &cut, &"x".repeat(10_000)] {
            let reply = scene.node.raw().post("/api/v1/auth/refresh", json!({"refresh_token": bad}).to_string()).await;
            assert!([401, 422].contains(&reply.status), "{}", reply.text());
            if reply.status == 401 {
                reply.refused(401, "unauthenticated");
            }
        }
        scene.alice.client().me().await.expect("the session lives: nothing was used twice");
    };
    scene.unchanged(attempts).await;
}
