//! Recovery codes: each lets its owner through once, when their app is lost. Fifty random bits: nobody guesses one
//! through the door, and what is kept is a keyed hash.

use natter_domain::{AccountId, limit};
use natter_streams::{id, keyring::Keyring};

/// No two of them look alike.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const LENGTH: usize = 10;

/// As they are shown, once.
pub(super) fn new_codes() -> Vec<String> {
    (0..limit::RECOVERY_CODES).map(|_| shown(&id::random::<LENGTH>())).collect()
}

fn shown(random: &[u8; LENGTH]) -> String {
    // Of 256, 32 letters are each an eighth.
    let letters: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    format!("{}-{}", &letters[..LENGTH / 2], &letters[LENGTH / 2..])
}

/// As it is compared, whatever dashes, spaces and capitals somebody writes.
pub(super) fn parse(given: &str) -> Option<String> {
    let letters = given.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let letters: String = letters.take(LENGTH + 1).map(|c| c.to_ascii_lowercase()).collect();
    (letters.len() == LENGTH && letters.bytes().all(|byte| LETTERS.contains(&byte))).then_some(letters)
}

pub(super) fn hash(keyring: &Keyring, account: AccountId, parsed: &str) -> String {
    keyring.code("recovery", &account.to_string(), parsed).to_hex().to_string()
}

/// Of codes as they are shown.
pub(super) fn hashes(keyring: &Keyring, account: AccountId, codes: &[String]) -> Vec<String> {
    codes.iter().filter_map(|code| parse(code)).map(|code| hash(keyring, account, &code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    #[test]
    fn what_is_shown_is_read_however_it_is_written() {
        let code = shown(&[0, 1, 2, 3, 4, 35, 254, 255, 30, 31]);
        assert_eq!(code, "abcde-d8989");
        for written in ["abcde-d8989", "ABCDED8989", " abcde d8989 "] {
            assert_eq!(parse(written).as_deref(), Some("abcded8989"), "{written}");
        }
        for bad in ["", "abcde", "abcde-d898", "abcde-d89899", "abcde-d898l", "123456"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn codes_differ_and_so_do_their_hashes_from_account_to_account() {
        let (keyring, codes) = (Keyring::new(&[7; 32]), new_codes());
        let of = |account| hashes(&keyring, AccountId(Uuid::from_u128(account)), &codes);
        let all: BTreeSet<String> = of(1).into_iter().chain(of(2)).collect();
        assert_eq!(all.len(), 2 * limit::RECOVERY_CODES);
    }
}
