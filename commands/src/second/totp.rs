//! Codes that a person's app and we count from one secret: RFC 6238 over RFC 4226, as every such app does it (SHA-1, six
//! digits, thirty seconds). SHA-1's weakness, collisions, is none of an HMAC's.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use data_encoding::BASE32_NOPAD;
use natter_domain::Timestamp;
use natter_streams::id;
use std::fmt::Write;

/// As long as what SHA-1 gives: what RFC 4226 advises.
const SECRET: usize = 20;
const STEP_MILLIS: u64 = 30_000;
const DIGITS: u32 = 6;
/// Who is written on the app's entry.
const ISSUER: &str = "Natter";

pub(super) fn new_secret() -> [u8; SECRET] {
    id::random()
}

/// As a person types it.
pub(super) fn text(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// What an app reads from a QR code. Defaults are spelled out: apps differ in theirs.
pub(super) fn uri(secret: &[u8], username: &str) -> String {
    let label = encoded(username);
    let secret = text(secret);
    format!("otpauth://totp/{ISSUER}:{label}?secret={secret}&issuer={ISSUER}&algorithm=SHA1&digits={DIGITS}&period=30")
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Six digits, as people write them.
pub(super) fn parse(given: &str) -> Option<String> {
    let digits: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    (digits.len() == DIGITS as usize && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// In which step this is the secret's code: of the step that is now, or of a neighbour, since clocks differ. All are
/// compared, each in constant time; the latest is told.
pub(super) fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<u64> {
    let current = now.as_millis().max(0).cast_unsigned() / STEP_MILLIS;
    let steps = current.saturating_sub(1)..=current + 1;
    let is_its = |step: &u64| verify_slices_are_equal(self::code(secret, *step).as_bytes(), code.as_bytes()).is_ok();
    let matching: Vec<u64> = steps.filter(is_its).collect();
    matching.last().copied()
}

fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let start = usize::from(tag[tag.len() - 1] & 0x0f);
    let word = tag[start..start + 4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:0width$}", (word & 0x7fff_ffff) % 10_u32.pow(DIGITS), width = DIGITS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 4226, appendix D.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        let codes: Vec<String> = (0..10).map(|step| code(SECRET, step)).collect();
        let standard =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        assert_eq!(codes, standard);
    }

    /// RFC 6238, appendix B: the last six of its eight digits.
    #[test]
    fn the_steps_are_those_of_the_standard() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(SECRET, code, at(seconds)), Some(seconds.cast_unsigned() / 30), "{seconds}");
        }
    }

    #[test]
    fn a_neighbours_code_is_taken_for_what_it_is_and_no_other() {
        let code = code(SECRET, 100);
        for (step, taken) in [(98, None), (99, Some(100)), (100, Some(100)), (101, Some(100)), (102, None)] {
            assert_eq!(step_of(SECRET, &code, at(step * 30 + 15)), taken, "{step}");
        }
        assert_eq!(step_of(b"another secret", &code, at(3000)), None);
    }

    #[test]
    fn an_app_is_told_all_it_needs() {
        assert_eq!(
            uri(SECRET, "Zoë.x"),
            "otpauth://totp/Natter:Zo%C3%AB.x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Natter\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn digits_are_read_as_people_write_them() {
        assert_eq!(parse(" 123 456 ").as_deref(), Some("123456"));
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
