//! Signing in with a phone.

use super::{Account, Device, SessionDevice, Tokens, optional_object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

request! {
    QrNew { #[serde(default, deserialize_with = "optional_object")] device: Option<Device> }
}
request! {
    QrPoll {
        /// From the answer to `POST /auth/qr`; never in the QR code.
        secret: String,
    }
}
answer! {
    QrShown {
        id: Uuid,
        /// The device keeps it to itself.
        secret: String,
        /// What the QR code says: `natter:qr:<id>`.
        code: String,
        /// Seconds.
        expires_in: u64,
    }
}
answer! {
    /// What asks to be signed in, and from where.
    QrScanned {
        device: SessionDevice,
        address: Option<String>,
        /// Seconds.
        expires_in: u64,
    }
}
answer! {
    /// How it stands.
    QrState {
        /// `pending`, `scanned`, `approved`, `refused`, `expired`
        state: String,
        /// While it is scanned: by whom.
        #[serde(default, skip_serializing_if = "Option::is_none")] by: Option<QrBy>,
        /// Once it is approved, in one answer only: after it, `expired`.
        #[serde(default, skip_serializing_if = "Option::is_none")] account: Option<Account>,
        #[serde(default, skip_serializing_if = "Option::is_none")] tokens: Option<Tokens>,
    }
}
answer! {
    QrBy { nickname: Option<String> }
}
