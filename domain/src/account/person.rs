//! What we remember of somebody who is registered.

use crate::Sealed;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Person {
    pub username: Sealed,
    pub nickname: Sealed,
    pub password_hash: String,
}
