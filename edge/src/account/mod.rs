//! People. Every signed-in person may read the public part of an account.

mod given;
pub mod http;
pub mod mutes;
pub mod settings;

use natter_projections::Projection;

/// What answers about accounts are made of.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations];
