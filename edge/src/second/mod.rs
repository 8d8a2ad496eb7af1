//! The second factor: a code of an app's beside the password.

pub mod http;
