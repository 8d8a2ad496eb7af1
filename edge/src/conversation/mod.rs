//! Conversations as their members see them.

mod given;
pub mod http;
pub mod members;

use natter_projections::Projection;

/// What answers about conversations are made of: who is in them, and what was said last.
pub const SHOWN_BY: &[Projection] = &[Projection::Relations, Projection::History];
