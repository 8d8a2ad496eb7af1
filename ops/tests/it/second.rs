//! The second factor: turned on with a real app, asked for at sign-in, and bounded in what can be tried.

pub mod app;
mod bounds;
mod owner;
pub mod permission;
mod sign_in;
