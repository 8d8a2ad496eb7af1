//! The app that a person keeps their second factor in: it reads the QR code's text and counts codes (RFC 6238), written
//! from the standard and not from the server.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use natter_streams::clock;

const PERIOD: u64 = 30;

pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// From an `otpauth://` text.
    pub fn scan(uri: &str) -> Self {
        let query = uri.strip_prefix("otpauth://totp/").and_then(|rest| rest.split_once('?')).expect("a TOTP's text").1;
        let value = |name: &str| {
            let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            found.unwrap_or_else(|| panic!("no {name} in {uri}")).1
        };
        assert_eq!((value("algorithm"), value("digits"), value("period")), ("SHA1", "6", "30"));
        Self::of(value("secret"))
    }

    /// From the secret as somebody types it.
    pub fn of(base32: &str) -> Self {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0_u32);
        for letter in base32.chars() {
            let value = ALPHABET.find(letter).unwrap_or_else(|| panic!("{letter} is no letter of base32"));
            held = held << 5 | value as u32;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push((held >> bits) as u8);
                held &= (1 << bits) - 1;
            }
        }
        Self(bytes)
    }

    /// What it shows so many seconds from now.
    pub fn code(&self, seconds_from_now: u64) -> String {
        self.of_step((clock::now().as_millis() as u64 / 1_000 + seconds_from_now) / PERIOD)
    }

    /// Six digits that it does not show, within minutes of that moment.
    pub fn wrong_code(&self, seconds_from_now: u64) -> String {
        let step = (clock::now().as_millis() as u64 / 1_000 + seconds_from_now) / PERIOD;
        let shown: Vec<String> = (step - 10..step + 10).map(|step| self.of_step(step)).collect();
        let mut others = (0..1_000).map(|number| format!("{number:06}"));
        others.find(|code| !shown.contains(code)).expect("it shows twenty of them")
    }

    fn of_step(&self, step: u64) -> String {
        let mac = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0), &step.to_be_bytes());
        let mac: [u8; 20] = mac.as_ref().try_into().expect("SHA-1 has twenty bytes");
        let at = usize::from(mac[19] % 16);
        let number = u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) % (1 << 31);
        format!("{:06}", number % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six of its eight digits.
    #[test]
    fn it_shows_what_the_standard_says() {
        let app = Authenticator::of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(app.0, b"12345678901234567890");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(app.of_step(seconds / PERIOD), code, "{seconds}");
        }
    }
}
