//! What may be asked of a handle. Its serde shape is for nodes of one version that ask each other; nothing stores it.

use crate::AccountId;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    Claim { by: AccountId },
}
