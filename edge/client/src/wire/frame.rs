//! Frames of the connection itself, and the shape of every answer to one.

use super::FieldError;
use serde::{Deserialize, Serialize};

request! {
    /// `op`: `auth`. Without an `id` there is no `ok`; as the first frame, `ready` tells that it worked.
    AuthFrame { #[serde(default)] id: Option<String>, op: String, token: String }
}
request! {
    /// `op`: `ping`.
    PingFrame { #[serde(default)] id: Option<String>, op: String }
}
answer! {
    /// `ok` of `auth`.
    AuthOk { expires_at: String }
}
answer! {
    /// Why a frame was refused.
    FrameError {
        code: String,
        status: u16,
        detail: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] errors: Vec<FieldError>,
        /// Of `muted` and `account_suspended`, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")] until: Option<String>,
        /// Seconds, of `rate_limited`.
        #[serde(default, skip_serializing_if = "Option::is_none")] retry_after: Option<u64>,
    }
}

/// The answer to a frame: `ok` or `error`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply<T> {
    /// Null where the frame's could not be read.
    pub id: Option<String>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub ok: Option<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FrameError>,
}
