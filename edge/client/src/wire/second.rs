//! The second factor.

use serde::{Deserialize, Serialize};

request! {
    SecondLogin {
        /// From `second_factor_required`.
        challenge: String,
        /// Six digits of the app, or a recovery code.
        code: String,
    }
}
request! {
    SecondFactorNew { password: String }
}
request! {
    SecondFactorCode {
        /// Six digits of the app.
        code: String,
    }
}
request! {
    SecondFactorProof {
        password: String,
        /// Six digits of the app, or a recovery code.
        code: String,
    }
}
answer! {
    /// Whether a code is asked for at sign-in.
    SecondFactor { enabled: bool, recovery_codes_left: u64 }
}
answer! {
    /// What the person's app needs. It counts once a code of it was shown.
    SecondFactorOffered {
        /// Base32.
        secret: String,
        /// `otpauth://totp/...`, for a QR code.
        uri: String,
    }
}
answer! {
    /// Each works once. They are not shown again.
    RecoveryCodes { recovery_codes: Vec<String> }
}
