//! Where a person gets text messages.

/// A phone number as E.164 has it: `+`, the country, the rest, digits only. One number has one form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phone(String);

const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl Phone {
    /// Takes the signs that people write between digits.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "must be a phone number with its country, such as +49 30 1234567";
        let rest = text.trim().strip_prefix('+').ok_or(wrong)?;
        if rest.len() > 64 || !rest.bytes().all(|byte| byte.is_ascii_digit() || b" -().".contains(&byte)) {
            return Err(wrong);
        }
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        if !DIGITS.contains(&digits.len()) || digits.starts_with('0') {
            return Err(wrong);
        }
        Ok(Self(format!("+{digits}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
