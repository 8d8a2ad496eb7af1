//! What all REST routes have in common: the router and its layers, what is taken out of a request, and how it is
//! answered. What a route does is in the folder of its noun.

pub mod answer;
pub mod cursor;
pub mod json;
pub mod key;
pub mod layers;
mod openapi;
pub mod path;
pub mod peer;
pub mod position;
pub mod problem;
pub mod query;
pub mod request_id;
pub mod router;
