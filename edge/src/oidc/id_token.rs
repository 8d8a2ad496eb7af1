//! What a provider says of somebody: a JWT that it signed (OpenID Connect Core, 3.1.3.7). Nothing in it chooses how it is
//! checked but the name of the key, among those that the provider publishes.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use natter_domain::Timestamp;
use serde::Deserialize;

/// By how much a provider's clock may be off.
const LEEWAY_SECONDS: i64 = 60;
const MAX_BYTES: usize = 16 * 1024;
const SUBJECT_MAX_BYTES: usize = 255;

/// Those with a public key: what is signed with a secret, or not at all, is signed by anybody.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What is expected of a token.
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct Claims {
    pub sub: String,
    nonce: Option<String>,
    azp: Option<String>,
    aud: Audience,
    /// Seconds, as all times; a number that need not be whole.
    exp: f64,
    iat: f64,
    pub name: Option<String>,
    pub preferred_username: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A word for the log and the metrics: what stands in a token is told nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// Signed with a key that is not among those we know: there may be newer ones.
    UnknownKey,
    /// Anything else.
    Token(&'static str),
}

impl Wrong {
    pub fn why(self) -> &'static str {
        match self {
            Self::UnknownKey => "key",
            Self::Token(why) => why,
        }
    }
}

pub(super) fn verify(keys: &JwkSet, token: &str, expected: &Expected<'_>) -> Result<Claims, Wrong> {
    if token.len() > MAX_BYTES {
        return Err(Wrong::Token("size"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Wrong::Token("shape"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Wrong::Token("algorithm"));
    }
    let key = key(keys, header.kid.as_deref()).ok_or(Wrong::UnknownKey)?;
    if key.common.key_algorithm.is_some_and(|its| its != KeyAlgorithm::from(header.alg)) {
        return Err(Wrong::Token("algorithm"));
    }
    let key = DecodingKey::from_jwk(key).map_err(|_| Wrong::Token("key"))?;
    let mut validation = Validation::new(header.alg);
    // By our clock, below: this library has its own.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    validation.set_issuer(&[expected.issuer]);
    let read = jsonwebtoken::decode::<Claims>(token, &key, &validation);
    let claims = read.map_err(|error| Wrong::Token(why(&error)))?.claims;
    check(&claims, expected)?;
    Ok(claims)
}

fn why(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "algorithm",
        _ => "shape",
    }
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), Wrong> {
    let (now, leeway) = (expected.now.as_millis() as f64 / 1000.0, LEEWAY_SECONDS as f64);
    let is_ours = |audience: &String| audience == expected.client_id;
    let (is_for_us, is_shared) = match &claims.aud {
        Audience::One(one) => (is_ours(one), false),
        Audience::Many(all) => (all.iter().any(is_ours), all.len() > 1),
    };
    let wrong = match () {
        () if !is_for_us => "audience",
        () if claims.azp.as_ref().map_or(is_shared, |azp| !is_ours(azp)) => "party",
        () if claims.nonce.as_deref() != Some(expected.nonce) => "nonce",
        () if now - claims.exp >= leeway => "expired",
        () if claims.iat - now >= leeway => "future",
        () if claims.sub.is_empty() || claims.sub.len() > SUBJECT_MAX_BYTES => "subject",
        () => return Ok(()),
    };
    Err(Wrong::Token(wrong))
}

/// By its name; where the token names none, the only one there is.
fn key<'a>(keys: &'a JwkSet, named: Option<&str>) -> Option<&'a Jwk> {
    let mut keys = keys.keys.iter().filter(|key| is_for_signing(key));
    match named {
        Some(name) => keys.find(|key| key.common.key_id.as_deref() == Some(name)),
        None => keys.next().filter(|_| keys.next().is_none()),
    }
}

fn is_for_signing(key: &Jwk) -> bool {
    let is_meant = key.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    let may = key.common.key_operations.as_ref();
    is_meant && may.is_none_or(|all| all.contains(&KeyOperations::Verify))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://id.example", client_id: "natter", nonce: "nonce", now: NOW };

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
    }

    fn keys() -> JwkSet {
        let x = URL_SAFE_NO_PAD.encode(pair().public_key());
        serde_json::from_value(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig", "x": x}]}))
            .unwrap()
    }

    fn claims() -> Value {
        let exp = NOW.as_millis() / 1000 + 300;
        json!({"iss": "https://id.example", "sub": "47", "aud": "natter", "exp": exp, "iat": exp - 300, "nonce": "nonce"})
    }

    fn signed(header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ed_der(pair().to_pkcs8v1().unwrap().as_ref());
        jsonwebtoken::encode(header, claims, &key).unwrap()
    }

    fn header() -> Header {
        Header { kid: Some("one".into()), ..Header::new(Algorithm::EdDSA) }
    }

    fn with(field: &str, value: Value) -> Result<Claims, Wrong> {
        let mut claims = claims();
        claims[field] = value;
        verify(&keys(), &signed(&header(), &claims), &EXPECTED)
    }

    #[test]
    fn a_token_of_the_providers_for_us_and_for_this_sign_in_is_taken() {
        assert_eq!(verify(&keys(), &signed(&header(), &claims()), &EXPECTED).unwrap().sub, "47");
        let unnamed = Header::new(Algorithm::EdDSA);
        assert!(verify(&keys(), &signed(&unnamed, &claims()), &EXPECTED).is_ok(), "there is one key only");
        assert!(with("aud", json!(["natter"])).is_ok());
        assert!(with("aud", json!(["other", "natter"])).is_err(), "for two, and nobody says for which");
        assert!(with("exp", json!(NOW.as_millis() / 1000 - 59)).is_ok(), "clocks differ");
        assert!(with("exp", json!(NOW.as_millis() as f64 / 1000.0 + 0.5)).is_ok(), "not all count in whole seconds");
        assert!(with("iat", json!(NOW.as_millis() / 1000 + 59)).is_ok(), "clocks differ");
    }

    #[test]
    fn what_is_wrong_with_a_token_is_found() {
        for (field, value) in [
            ("iss", json!("https://other.example")),
            ("iss", json!("https://id.example/")),
            ("aud", json!("other")),
            ("aud", json!(["natter", "other"])),
            ("azp", json!("other")),
            ("nonce", json!("another")),
            ("nonce", Value::Null),
            ("exp", json!(NOW.as_millis() / 1000 - 60)),
            ("sub", json!("")),
            ("sub", json!("4".repeat(256))),
            ("iat", json!(NOW.as_millis() / 1000 + 60)),
            ("exp", json!("soon")),
            ("aud", json!([])),
        ] {
            assert!(matches!(with(field, value.clone()), Err(Wrong::Token(_))), "{field}: {value}");
        }
        for field in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(field);
            assert!(verify(&keys(), &signed(&header(), &claims), &EXPECTED).is_err(), "without {field}");
        }
    }

    #[test]
    fn a_signature_is_checked_with_the_providers_key_and_nothing_else() {
        let good = signed(&header(), &claims());
        let other = Header { kid: Some("two".into()), ..header() };
        assert_eq!(verify(&keys(), &signed(&other, &claims()), &EXPECTED), Err(Wrong::UnknownKey));
        let shared = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
        let public = EncodingKey::from_secret(pair().public_key().as_ref());
        let confused = jsonwebtoken::encode(&shared, &claims(), &public).unwrap();
        assert!(matches!(verify(&keys(), &confused, &EXPECTED), Err(Wrong::Token(_))));
        let parts: Vec<&str> = good.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"one"}"#);
        let changed = URL_SAFE_NO_PAD.encode(claims().to_string().replace("47", "48"));
        for bad in [
            format!("{}.{}.", none, parts[1]),
            format!("{}.{}.{}", parts[0], changed, parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            String::new(),
            "a.b.c".to_owned(),
        ] {
            assert!(matches!(verify(&keys(), &bad, &EXPECTED), Err(Wrong::Token(_))), "{bad}");
        }
    }
}
