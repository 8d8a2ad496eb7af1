//! What may be asked of a handle.

use crate::AccountId;

#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    Claim { by: AccountId },
}
