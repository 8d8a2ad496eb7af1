//! The rules of every noun as examples (given, when, then), the laws that hold for all nouns as properties, the
//! values as tables, and the stored shape of every event and state as golden files.

mod account;
mod blocks;
mod channel;
mod conversation;
mod details;
mod direct;
mod erasure;
mod friends;
mod friendship;
mod golden;
mod group;
mod handle;
mod identities;
mod inbox;
mod inbox_view;
mod laws;
mod message;
mod owned;
mod pending;
mod projection;
mod scenario;
mod second;
mod self_destruct;
mod session;
mod standing;
mod state;
mod status;
mod subscription;
mod values;
