//! The name under which an operator asks for something. Whoever audits the log reads it.

use crate::limit;

/// 1 to 100 characters without control characters.
pub(crate) fn is_operator(text: &str) -> bool {
    (1..=limit::OPERATOR_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
