//! Signing in with a phone that is signed in.

pub mod http;
