//! Access tokens: JWTs of the type `at+jwt`, signed with EdDSA, for fifteen minutes. Nothing in a token chooses how
//! it is checked: one algorithm, the keys of now, of which it names one, and no leeway, since edges only compare with
//! their own clock.

use super::{Identity, Refused, key::Key};
use jsonwebtoken::{Algorithm, Header, Validation};
use natter_commands::Caller;
use natter_domain::{AccountId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long an access token works.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// No token of ours comes near it.
const MAX_BYTES: usize = 2048;
const ISSUER: &str = "natter";
const TYPE: &str = "at+jwt";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The account.
    sub: Uuid,
    /// The session.
    sid: Uuid,
    /// Seconds.
    iat: i64,
    /// Seconds.
    exp: i64,
}

pub fn issue(key: &Key, caller: Caller, now: Timestamp) -> String {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: caller.account.0,
        sid: caller.session.0,
        iat: now.as_millis() / 1000,
        exp: (now + LIFETIME).as_millis() / 1000,
    };
    let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &key.signing).expect("five plain claims can be signed")
}

/// `keys`: those that are good now.
pub fn verify(keys: &[Key], token: &str, now: Timestamp) -> Result<Identity, Refused> {
    let claims = verified(keys, token).ok_or(Refused::Unauthenticated)?;
    let expires_at = Timestamp::from_millis(claims.exp.saturating_mul(1000));
    if expires_at <= now {
        return Err(Refused::Expired);
    }
    let caller = Caller { account: AccountId(claims.sub), session: SessionId(claims.sid) };
    Ok(Identity { caller, expires_at })
}

/// The claims, where the token was made here. Time is compared by our own clock, not by the library's.
fn verified(keys: &[Key], token: &str) -> Option<Claims> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let named = jsonwebtoken::decode_header(token).ok()?.kid?;
    let key = keys.iter().find(|key| key.id == named)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.set_issuer(&[ISSUER]);
    let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, &validation).ok()?;
    let Header { typ, crit, .. } = data.header;
    let ours = typ.as_deref() == Some(TYPE) && crit.is_none();
    ours.then_some(data.claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};
    use std::slice::from_ref;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key() -> Key {
        Key::from_seed(&[7; 32])
    }

    fn caller() -> Caller {
        Caller { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) }
    }

    /// A token with this header and these claims, rightly signed by `signer`.
    fn forged(signer: &EncodingKey, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, signer).unwrap()
    }

    fn header(key: &Key) -> Header {
        Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) }
    }

    fn claims() -> Value {
        let seconds = NOW.as_millis() / 1000;
        json!({"iss": "natter", "sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2), "iat": seconds, "exp": seconds + 900})
    }

    #[track_caller]
    fn refused(token: &str) {
        assert_eq!(verify(&[key()], token, NOW), Err(Refused::Unauthenticated), "{token}");
    }

    #[test]
    fn a_token_names_its_caller_for_fifteen_minutes() {
        let token = issue(&key(), caller(), NOW);
        let identity = verify(&[key()], &token, NOW).unwrap();
        assert_eq!(identity, Identity { caller: caller(), expires_at: NOW + LIFETIME });
        assert!(verify(&[key()], &token, NOW + Duration::from_secs(899)).is_ok());
        assert_eq!(verify(&[key()], &token, NOW + LIFETIME), Err(Refused::Expired));
    }

    #[test]
    fn what_the_forgers_of_the_tests_below_change_is_all_that_is_wrong_with_their_tokens() {
        let key = key();
        assert!(verify(from_ref(&key), &forged(&key.signing, &header(&key), &claims()), NOW).is_ok());
    }

    #[test]
    fn any_good_key_is_as_good_and_is_found_by_its_name() {
        let (key, other) = (key(), Key::from_seed(&[8; 32]));
        let token = issue(&other, caller(), NOW);
        assert!(verify(&[key, other], &token, NOW).is_ok());
        let (key, other) = (self::key(), Key::from_seed(&[8; 32]));
        let misnamed = forged(&other.signing, &header(&key), &claims());
        assert_eq!(verify(&[key, other], &misnamed, NOW), Err(Refused::Unauthenticated));
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let parts: Vec<String> = issue(&key(), caller(), NOW).split('.').map(str::to_owned).collect();
        for algorithm in ["none", "None", "nOnE", ""] {
            let head = json!({"alg": algorithm, "typ": TYPE, "kid": key().id});
            let head = URL_SAFE_NO_PAD.encode(head.to_string());
            refused(&format!("{head}.{}.", parts[1]));
            refused(&format!("{head}.{}.{}", parts[1], parts[2]));
        }
        refused(&format!("{}.{}.", parts[0], parts[1]));
    }

    #[test]
    fn the_public_key_is_not_a_shared_secret() {
        let key = key();
        let head = Header { alg: Algorithm::HS256, ..header(&key) };
        for secret in [URL_SAFE_NO_PAD.decode(&key.public).unwrap(), key.public.clone().into_bytes()] {
            refused(&forged(&EncodingKey::from_secret(&secret), &head, &claims()));
        }
    }

    #[test]
    fn another_key_another_name_of_the_key_or_none_is_refused() {
        let (key, other) = (key(), Key::from_seed(&[8; 32]));
        refused(&issue(&other, caller(), NOW));
        refused(&forged(&other.signing, &header(&key), &claims()));
        for kid in [Some("../../dev/null".to_owned()), Some("' OR 1=1--".to_owned()), Some(other.id), None] {
            refused(&forged(&key.signing, &Header { kid, ..header(&key) }, &claims()));
        }
    }

    #[test]
    fn another_type_or_what_must_be_understood_is_refused() {
        let key = key();
        for typ in [Some("JWT".to_owned()), Some("rt+jwt".to_owned()), None] {
            refused(&forged(&key.signing, &Header { typ, ..header(&key) }, &claims()));
        }
        let crit = Some(vec!["exp".to_owned()]);
        refused(&forged(&key.signing, &Header { crit, ..header(&key) }, &claims()));
    }

    #[test]
    fn claims_of_the_wrong_kind_are_refused() {
        let key = key();
        for (name, value) in [
            ("exp", json!("1800000000")),
            ("exp", json!(1e30)),
            ("exp", Value::Null),
            ("iss", json!("someone")),
            ("sub", json!("*")),
            ("sid", Value::Null),
            ("aud", json!("files")),
        ] {
            let mut claims = claims();
            claims[name] = value;
            refused(&forged(&key.signing, &header(&key), &claims));
        }
    }

    #[test]
    fn garbage_is_refused() {
        let token = issue(&key(), caller(), NOW);
        for bad in ["", ".", "..", "...", "a.b.c", "\u{0}", "Bearer", &"a".repeat(5000)] {
            refused(bad);
        }
        refused(&format!("{token}="));
        refused(&format!("{token}.x"));
        refused(&format!(" {token}"));
        refused(&token.replacen('.', "", 1));
        refused(&token[..token.len() - 3]);
    }

    #[test]
    fn the_published_key_is_the_one_that_signs() {
        let published = key().jwk();
        assert_eq!(published["kid"], key().id);
        let verifying = jsonwebtoken::DecodingKey::from_ed_components(published["x"].as_str().unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        assert!(jsonwebtoken::decode::<Value>(&issue(&key(), caller(), NOW), &verifying, &validation).is_ok());
    }
}
