//! Coming in and going out: registration, sign-in, tokens, sessions, codes and passwords.

use super::{Account, optional_object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    /// What a device says of itself.
    Device { #[serde(default)] name: Option<String>, #[serde(default)] platform: Option<String> }
}
request! {
    Register {
        /// 3-50 letters, digits, `_ . -`, beginning with a letter; unique by NFKC and case folding.
        username: String,
        /// 8-256 characters.
        password: String,
        /// 1-64 characters; the user name where absent.
        #[serde(default)] nickname: Option<String>,
        /// With `code`: one that was sent there to `register`.
        #[serde(default)] email: Option<String>,
        /// In place of `email`.
        #[serde(default)] phone: Option<String>,
        /// Six digits.
        #[serde(default)] code: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] device: Option<Device>,
    }
}

impl Register {
    /// By user name and password.
    pub fn new(username: &str, password: &str) -> Self {
        let (username, password) = (username.to_owned(), password.to_owned());
        Self { username, password, nickname: None, email: None, phone: None, code: None, device: None }
    }
}

request! {
    /// Asks for a code.
    CodeNew {
        /// `email` or `sms`.
        channel: String,
        /// An e-mail address, or a phone number with its country: `+49 30 1234567`.
        target: String,
        /// `register`, `login`, `reset_password`, `change_email` or `change_phone`.
        purpose: String,
    }
}
request! {
    PasswordReset {
        /// The user name, the e-mail address or the phone number.
        login: String,
        /// Six digits, sent to `reset_password`.
        code: String,
        /// 8-256 characters.
        new_password: String,
    }
}
request! {
    Login {
        /// The user name, the e-mail address or the phone number.
        login: String,
        /// Or `code`.
        #[serde(default)] password: Option<String>,
        /// Six digits, sent to `login`, in place of the password.
        #[serde(default)] code: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] device: Option<Device>,
    }
}
request! {
    Refresh { refresh_token: String }
}
request! {
    PasswordChange {
        old_password: String,
        /// 8-256 characters.
        new_password: String,
    }
}
request! {
    /// Asks whether an access token works.
    Verify { token: String }
}
answer! {
    Tokens {
        /// `Bearer`
        token_type: String,
        access_token: String,
        /// Seconds.
        expires_in: u64,
        refresh_token: String,
    }
}
answer! {
    SignedIn { account: Account, tokens: Tokens }
}
answer! {
    Refreshed { tokens: Tokens }
}
answer! {
    /// Whether the token works now; the other fields only where it does.
    Verified {
        active: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")] account_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] session_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")] expires_at: Option<String>,
    }
}
answer! {
    /// A device that is signed in.
    Session {
        id: Uuid,
        device: SessionDevice,
        created_at: String,
        /// When its tokens were last exchanged; at first when it was opened.
        last_used_at: String,
        /// Where from, then.
        address: Option<String>,
        /// Whether it is the one that asks.
        current: bool,
    }
}
answer! {
    /// What a device said of itself.
    SessionDevice { name: Option<String>, platform: Option<String> }
}
