//! Single sign-on, and who somebody is elsewhere.

use super::{Device, optional_object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

answer! {
    /// One by which people can sign in.
    OidcProvider {
        /// What it is called in requests.
        name: String,
        /// What people call it.
        title: String,
    }
}
request! {
    OidcStart {
        /// One of `GET /auth/oidc`.
        provider: String,
        /// Where the provider is to send the browser: one that the installation allows; the first of them where absent.
        #[serde(default)] redirect_url: Option<String>,
    }
}
answer! {
    OidcStarted {
        /// Where the browser goes.
        url: String,
        /// What the browser must bring back.
        state: String,
        /// The app keeps it to itself.
        secret: String,
        /// Seconds.
        expires_in: u64,
    }
}
request! {
    OidcFinish {
        /// What the browser has brought, as it is.
        state: String,
        code: String,
        /// Likewise, where it has brought one.
        #[serde(default)] iss: Option<String>,
        /// From the answer to `POST /auth/oidc/start`.
        secret: String,
        /// For a new account: one that the provider suggests where absent.
        #[serde(default)] username: Option<String>,
        /// Likewise.
        #[serde(default)] nickname: Option<String>,
        #[serde(default, deserialize_with = "optional_object")] device: Option<Device>,
    }
}
request! {
    OidcLink {
        state: String,
        code: String,
        #[serde(default)] iss: Option<String>,
        secret: String,
        /// The account's.
        password: String,
    }
}
request! {
    OidcPassword {
        state: String,
        code: String,
        #[serde(default)] iss: Option<String>,
        secret: String,
        /// 8-256 characters.
        new_password: String,
    }
}
answer! {
    /// Who somebody is elsewhere.
    Identity {
        id: Uuid,
        /// What the provider is called in requests; null where the installation knows it no more.
        provider: Option<String>,
        issuer: String,
        /// What the person is called there.
        name: Option<String>,
        linked_at: String,
    }
}
