//! Why something was refused.

use serde::{Deserialize, Serialize};

answer! {
    /// RFC 9457, as `application/problem+json`.
    Problem {
        r#type: String,
        title: String,
        status: u16,
        detail: String,
        /// Stable: what programs switch on.
        code: String,
        request_id: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] errors: Vec<FieldError>,
        /// Of `muted` and `account_suspended`, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")] until: Option<String>,
        /// With `second_factor_required`: what the code is shown with.
        #[serde(default, skip_serializing_if = "Option::is_none")] challenge: Option<String>,
    }
}
answer! {
    FieldError {
        /// A JSON pointer into the request.
        pointer: String,
        detail: String,
    }
}
