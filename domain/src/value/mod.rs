//! What people give us, parsed once into types that prove it. `parse` answers with the value or with what is
//! wrong, in words for the person who typed it. None of these is an event's shape: events hold the sealed form.

mod email;
mod emoji;
mod name;
mod operator;
mod password;
mod phone;
pub mod profile;
mod text;
mod username;

pub use email::Email;
pub use emoji::Emoji;
pub use name::{GroupName, Label, Nickname};
pub(crate) use operator::is_operator;
pub use password::Password;
pub use phone::Phone;
pub use text::{Announcement, Description, GivenText, RequestMessage};
pub use username::Username;

use caseless::default_case_fold_str;
use unicode_normalization::UnicodeNormalization;

/// The form in which names are compared: NFKC, full case folding, NFKC again for what folding took apart. Handles are hashes
/// of it, so it may never change for a name that was once given.
pub(crate) fn folded(text: &str) -> String {
    let composed: String = text.nfkc().collect();
    default_case_fold_str(&composed).nfkc().collect()
}

/// Whether the text holds from `min` to `max` Unicode scalar values.
fn has_length(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.chars().take(max + 1).count())
}

/// Characters that take part in no picture: a name made of them alone cannot be seen, and two names that differ
/// only in them look the same.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}') // letters that show nothing
}
