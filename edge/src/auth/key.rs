//! The key pair of the access tokens. It is derived from the installation key, so every edge has the same one and
//! none is stored.

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};

pub struct Key {
    pub signing: EncodingKey,
    pub verifying: DecodingKey,
    /// The thumbprint of the public key (RFC 7638).
    pub id: String,
    /// The public key, base64url.
    pub public: String,
}

impl Key {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 seed");
        let private = pair.to_pkcs8v1().expect("a key made from its seed can be written down");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        Self {
            signing: EncodingKey::from_ed_der(private.as_ref()),
            verifying: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            id: thumbprint(&public),
            public,
        }
    }

    pub fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": self.public,
        }]})
    }
}

fn thumbprint(public: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}
