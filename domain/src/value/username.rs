//! The name people sign in with and find each other by. Shown as given, compared by [`Username::normalised`].

use super::{folded, has_length, is_invisible};
use crate::limit;
use caseless::default_case_fold_str;
use std::ops::RangeInclusive;
use unicode_normalization::UnicodeNormalization;

/// 3 to 50 letters, digits, `_`, `.`, `-`, the first a letter: never an e-mail address, never a phone number.
/// `==` compares what was given; whether two names are the same name is asked of `normalised`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Username(String);

impl Username {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !has_length(text, limit::USERNAME_MIN, limit::USERNAME_MAX) {
            return Err("must have 3 to 50 characters");
        }
        // Both forms: compatibility characters may hide spaces and signs (one ligature is a whole sentence).
        if !text.chars().all(is_allowed) || !text.nfkc().all(is_allowed) {
            return Err("may hold only letters, digits, '_', '.' and '-'");
        }
        if !text.starts_with(char::is_alphabetic) {
            return Err("must begin with a letter");
        }
        Ok(Self(text.to_owned()))
    }

    /// One that somebody chooses now: its letters are not of several alphabets that have letters in common for the eye, or
    /// `alice` could be somebody else with an `а` of Cyrillic. Names that were given before stay good.
    pub fn choose(text: &str) -> Result<Self, &'static str> {
        let name = Self::parse(text)?;
        let mut alphabets = name.0.nfkc().filter_map(alphabet_of);
        let first = alphabets.next();
        if alphabets.any(|other| Some(other) != first) {
            return Err("may not mix letters of several alphabets");
        }
        Ok(name)
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// [`folded`]: `Ａlice`, `ALICE` and `alice` are one name, `Straße` and `strasse` too.
    pub fn normalised(&self) -> String {
        folded(&self.0)
    }

    /// The beginnings of the normalised form, from three characters on.
    pub fn beginnings(&self) -> Vec<String> {
        let normalised = self.normalised();
        let ends = normalised.char_indices().map(|(at, c)| at + c.len_utf8()).take(limit::NAME_PREFIX_MAX);
        ends.skip(limit::NAME_PREFIX_MIN - 1).map(|end| normalised[..end].to_owned()).collect()
    }
}

/// Alphabets with letters that look like those of another one of them: Latin, Greek, Cyrillic, Armenian, Cherokee, Coptic,
/// Lisu. Other letters go with any.
const ALIKE: &[&[RangeInclusive<char>]] = &[
    &[
        'a'..='z',
        'A'..='Z',
        '\u{c0}'..='\u{2af}',
        '\u{1d00}'..='\u{1d7f}',
        '\u{1e00}'..='\u{1eff}',
        '\u{2c60}'..='\u{2c7f}',
        '\u{a722}'..='\u{a7ff}',
    ],
    &['\u{370}'..='\u{3ff}', '\u{1f00}'..='\u{1fff}'],
    &['\u{400}'..='\u{52f}', '\u{1c80}'..='\u{1c8f}', '\u{a640}'..='\u{a69f}'],
    &['\u{530}'..='\u{58f}'],
    &['\u{13a0}'..='\u{13ff}', '\u{ab70}'..='\u{abbf}'],
    &['\u{2c80}'..='\u{2cff}'],
    &['\u{a4d0}'..='\u{a4ff}'],
];

fn alphabet_of(c: char) -> Option<usize> {
    ALIKE.iter().position(|ranges| ranges.iter().any(|range| range.contains(&c)))
}

fn is_allowed(c: char) -> bool {
    (c.is_alphanumeric() && !is_invisible(c) && is_foldable(c)) || matches!(c, '_' | '.' | '-')
}

/// Whether the folding tables know the letter: the compiler's may be a Unicode version ahead, and a name with a newer
/// letter would change its normalised form when the tables follow. (Dotless i is the one old letter that does not fold with its capital.)
fn is_foldable(c: char) -> bool {
    let folds_alike = |it: String| default_case_fold_str(&it) == default_case_fold_str(c.encode_utf8(&mut [0; 4]));
    c == 'ı' || (folds_alike(c.to_uppercase().to_string()) && folds_alike(c.to_lowercase().to_string()))
}
