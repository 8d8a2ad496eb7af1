//! What people may give us: tables of good and bad inputs.

use crate::laws::check;
use natter_domain::{
    Email, Emoji, GivenText, GroupName, KeyId, Nickname, Password, Phone, RequestMessage, Sealed, Timestamp, Username,
    limit,
};
use proptest::prelude::*;
use std::time::Duration;

#[track_caller]
fn all_pass<T>(parse: fn(&str) -> Result<T, &'static str>, inputs: &[&str]) {
    for input in inputs {
        assert_eq!(parse(input).err(), None, "{}", input.escape_unicode());
    }
}

#[track_caller]
fn all_fail<T>(parse: fn(&str) -> Result<T, &'static str>, why: &str, inputs: &[&str]) {
    for input in inputs {
        assert_eq!(parse(input).err(), Some(why), "{}", input.escape_unicode());
    }
}

#[test]
fn user_names_hold_letters_digits_and_three_signs() {
    let longest = "ü".repeat(50);
    all_pass(
        Username::parse,
        &["bob", "Alice_1.2-3", "élodie", "Ａlice", "дмитрий", "李小龙", "a--", "a..", "Straße", "İstanbul", &longest],
    );
}

#[test]
fn user_names_have_3_to_50_characters() {
    all_fail(Username::parse, "must have 3 to 50 characters", &["", "al", "üü", &"a".repeat(51), &"a".repeat(100_000)]);
}

#[test]
fn user_names_hold_nothing_else() {
    let signs = [
        "al ice",
        " alice",
        "alice ",
        "alice@example.org",
        "al/ice",
        "al+ice",
        "al:ice",
        "al*ice",
        "al>ice",
        "alice😀",
    ];
    let unseen = [
        "ali\0ce",
        "ali\nce",
        "ali\u{7f}ce",
        "ali\u{200b}ce",
        "ali\u{202e}ce",
        "ali\u{2066}ce",
        "alice\u{3164}",
        "alice\u{115f}",
    ];
    let disguised = ["ali\u{fdfa}ce", "ali½ce", "e\u{301}lodie"]; // a sentence with spaces, a fraction with its stroke, a loose accent
    for inputs in [&signs[..], &unseen, &disguised] {
        all_fail(Username::parse, "may hold only letters, digits, '_', '.' and '-'", inputs);
    }
}

/// Pairs of Unicode 17, which the folding tables do not know. When they do, this goes.
#[test]
fn user_names_hold_no_letters_that_cannot_be_folded_yet() {
    let inputs = ["ab\u{a7ce}", "ab\u{a7cf}", "ab\u{16ea0}", "ab\u{16ebb}"];
    all_fail(Username::parse, "may hold only letters, digits, '_', '.' and '-'", &inputs);
}

#[test]
fn user_names_begin_with_a_letter() {
    all_fail(
        Username::parse,
        "must begin with a letter",
        &["1alice", "_alice", ".alice", "-alice", "491701234567", "٣alice"],
    );
}

#[test]
fn user_names_are_shown_as_given_and_compared_normalised() {
    let normalised = |text: &str| Username::parse(text).map(|name| name.normalised());
    assert_eq!(Username::parse("ＡLice").map(|name| name.as_str().to_owned()), Ok("ＡLice".to_owned()));
    for (given, same) in [
        ("Alice", "alice"),
        ("ＡLICE", "alice"),
        ("ÉLODIE", "élodie"),
        ("Straße", "STRASSE"),
        ("STRAẞE", "strasse"),
        ("ﬁona", "FIONA"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Ⓐlice", "alice"),
        ("K\u{212a}K", "kkk"),
        ("Ꭰꭰꭰ", "ᎠᎠᎠ"),
    ] {
        assert_eq!(normalised(given), normalised(same), "{given}, {same}");
    }
    for (given, other) in [("alice", "аlice"), ("alice", "alicé"), ("al.ice", "alice"), ("al_ice", "al-ice")] {
        assert_ne!(normalised(given), normalised(other), "{given}, {other}");
    }
}

#[test]
fn a_normalised_letter_stays_as_it_is() {
    for letter in (char::MIN..=char::MAX).filter(|c| c.is_alphabetic()) {
        let Ok(name) = Username::parse(&format!("a{letter}b")) else { continue };
        let once = name.normalised();
        let Ok(again) = Username::parse(&once) else { continue };
        assert_eq!(again.normalised(), once, "{}", letter.escape_unicode());
    }
}

/// Except the Turkish dotless i, which Unicode's folding keeps apart from the i whose capital it shares.
#[test]
fn a_letter_is_the_same_name_in_upper_and_lower_case() {
    for letter in (char::MIN..=char::MAX).filter(|c| c.is_alphabetic()) {
        let [name, upper, lower] =
            [letter.to_string(), letter.to_uppercase().to_string(), letter.to_lowercase().to_string()]
                .map(|it| Username::parse(&format!("a{it}b")));
        let (Ok(name), Ok(upper), Ok(lower)) = (name, upper, lower) else { continue };
        assert_eq!(name.normalised(), lower.normalised(), "{}", letter.escape_unicode());
        if letter != 'ı' {
            assert_eq!(name.normalised(), upper.normalised(), "{}", letter.escape_unicode());
        }
    }
}

#[test]
fn a_normalised_name_stays_as_it_is() {
    check("[\\p{L}][\\p{L}\\p{Nd}_.-]{2,20}", |text| {
        let Ok(name) = Username::parse(&text) else { return Ok(()) };
        let again = Username::parse(&name.normalised()).map(|name| name.normalised());
        prop_assert!(again.is_err() || again == Ok(name.normalised()));
        Ok(())
    });
}

#[test]
fn nicknames_are_free() {
    let longest = "ü".repeat(64);
    all_pass(
        Nickname::parse,
        &["A", "Alice B. Ünal", " a ", "😀", "👩\u{200d}👩\u{200d}👧", "שלום", "\u{200f}שלום", "a\u{301}", &longest],
    );
}

#[test]
fn nicknames_have_1_to_64_characters() {
    all_fail(Nickname::parse, "must have 1 to 64 characters", &["", &"a".repeat(65)]);
}

#[test]
fn nicknames_hold_no_control_characters() {
    all_fail(
        Nickname::parse,
        "must not hold control characters",
        &["a\0", "a\nb", "\ta", "a\u{7f}", "a\u{85}b", "a\u{9f}", "a\u{1b}[31m"],
    );
}

#[test]
fn nicknames_do_not_override_the_direction_of_text() {
    let given: Vec<String> =
        ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').map(|c| format!("a{c}b")).collect();
    let inputs: Vec<&str> = given.iter().map(String::as_str).collect();
    assert_eq!(inputs.len(), 9);
    all_fail(Nickname::parse, "must not hold characters that override the direction of text", &inputs);
}

#[test]
fn nicknames_can_be_seen() {
    let inputs = [
        " ",
        "   ",
        "\u{a0}",
        "\u{3000}",
        "\u{200b}",
        "\u{200d}",
        "\u{feff}",
        "\u{2800}",
        "\u{3164}",
        "\u{2060} \u{ad}",
        "\u{2028}",
    ];
    all_fail(Nickname::parse, "must hold a visible character", &inputs);
}

#[test]
fn group_names_are_nicknames_of_1_to_100_characters() {
    all_pass(GroupName::parse, &["a", "Höhlenforscher 🦇", &"ü".repeat(100)]);
    all_fail(GroupName::parse, "must have 1 to 100 characters", &["", &"a".repeat(101)]);
    all_fail(GroupName::parse, "must not hold control characters", &["a\0", "a\nb"]);
    all_fail(GroupName::parse, "must not hold characters that override the direction of text", &["a\u{202e}b"]);
    all_fail(GroupName::parse, "must hold a visible character", &[" ", "\u{200b}"]);
}

#[test]
fn passwords_are_counted_in_characters_and_free_otherwise() {
    all_pass(
        Password::parse,
        &["12345678", "pass wörter", "        ", "密码密码密码密码", &"ü".repeat(256), "a\0b\n\u{202e}cdef"],
    );
    all_fail(Password::parse, "must have 8 to 256 characters", &["", "1234567", "üüüüüüü", &"a".repeat(257)]);
}

#[test]
fn passwords_and_texts_do_not_show_in_debug_output() {
    let password = Password::parse("correct horse").expect("it is long enough");
    assert_eq!(format!("{password:?}"), "Password(..)");
    assert_eq!(password.as_str(), "correct horse");
    assert_eq!(format!("{:?}", GivenText::parse("secret").expect("it is a text")), "GivenText(6 bytes)");
    assert_eq!(format!("{:?}", RequestMessage::parse("secret").expect("it is short")), "Some(RequestMessage(6 bytes))");
}

#[test]
fn texts_have_1_to_16384_bytes() {
    all_pass(GivenText::parse, &["a", " ", &"a".repeat(16_384), &"ü".repeat(8_192)]);
    all_fail(GivenText::parse, "must have 1 to 16384 bytes", &["", &"a".repeat(16_385), &"ü".repeat(8_193)]);
}

#[test]
fn texts_hold_anything_but_nul_and_come_back_as_given() {
    for given in
        [" a\r\n\t ", "\u{202e}\u{200b}\u{7f}\u{1b}", "e\u{301}é", "\u{feff}a", "👩\u{200d}👧", "\u{ffff}\u{10ffff}"]
    {
        assert_eq!(GivenText::parse(given).map(|text| text.as_str().to_owned()), Ok(given.to_owned()));
    }
    all_fail(GivenText::parse, "must not hold the character NUL", &["\0", "a\0b"]);
}

#[test]
fn emojis_have_1_to_32_bytes_and_no_control_characters() {
    all_pass(
        Emoji::parse,
        &["+", "\u{1f44d}", "/", "%", "%2f", "\"", ":cats/tabby:", &"a".repeat(32), &"\u{1f600}".repeat(8)],
    );
    all_fail(Emoji::parse, "must have 1 to 32 bytes", &["", &"a".repeat(33), &"\u{1f600}".repeat(9)]);
    all_fail(Emoji::parse, "must not hold control characters", &["\0", "a\n", "\u{7f}", "\u{85}"]);
    let turned = "must not hold characters that override the direction of text";
    all_fail(Emoji::parse, turned, &["\u{202e}a", "a\u{2066}"]);
    let marked = "must not hold marks of the direction of text";
    all_fail(Emoji::parse, marked, &["\u{200f}", "\u{1f44d}\u{200e}", "\u{61c}a"]);
    all_fail(Emoji::parse, "must hold a visible character", &[" ", "\u{200d}", "\u{feff}\u{200b}"]);
}

#[test]
fn request_messages_have_at_most_200_characters() {
    all_pass(RequestMessage::parse, &["", "a", "ü\n\u{202e}", &"ü".repeat(200)]);
    all_fail(RequestMessage::parse, "must have at most 200 characters", &[&"a".repeat(201)]);
    all_fail(RequestMessage::parse, "must not hold the character NUL", &["\0", "a\0b"]);
}

#[test]
fn an_empty_request_message_is_none() {
    assert_eq!(RequestMessage::parse(""), Ok(None));
    let blank = RequestMessage::parse(" ").map(|message| message.map(|it| it.as_str().to_owned()));
    assert_eq!(blank, Ok(Some(" ".to_owned())));
}

#[test]
fn the_limits_are_those_of_the_contract() {
    assert_eq!((limit::USERNAME_MIN, limit::USERNAME_MAX), (3, 50));
    assert_eq!((limit::PASSWORD_MIN, limit::PASSWORD_MAX), (8, 256));
    assert_eq!((limit::NICKNAME_MIN, limit::NICKNAME_MAX), (1, 64));
    assert_eq!((limit::TEXT_MIN_BYTES, limit::TEXT_MAX_BYTES, limit::REQUEST_MESSAGE_MAX), (1, 16_384, 200));
    assert_eq!((limit::REQUEST_BODY_MAX_BYTES, limit::FRAME_MAX_BYTES), (1_048_576, 131_072));
    assert_eq!((limit::PAGE_DEFAULT, limit::PAGE_MAX, limit::LOOKUP_IDS_MAX), (50, 200, 100));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    assert_eq!(
        (limit::REQUEST_EXPIRY, limit::REQUEST_REPEAT_WINDOW, limit::REFRESH_TOKEN_LIFETIME),
        (hours(168), hours(24), hours(720))
    );
}

#[test]
fn timestamps_are_written_with_milliseconds_in_utc() {
    let moment = Timestamp::parse("2026-01-01T01:00:00.0015+01:00").expect("it is RFC 3339");
    assert_eq!(moment.to_string(), "2026-01-01T00:00:00.001Z");
    assert_eq!((moment + Duration::from_secs(60)).to_string(), "2026-01-01T00:01:00.001Z");
    assert_eq!(Timestamp::from_millis(i64::MAX) + Duration::MAX, Timestamp::from_millis(i64::MAX));
    assert_eq!(Timestamp::parse("yesterday"), None);
}

#[test]
fn sealed_values_are_read_as_they_were_written() {
    let sealed = Sealed { key: KeyId::Installation, bytes: vec![0xfb, 0xff, 0xbf] };
    assert_eq!(sealed.to_string(), "i.-_-_");
    assert_eq!(Sealed::parse("i.-_-_"), Some(sealed.clone()));
    assert_eq!(format!("{sealed:?}"), "Sealed(i, 3 bytes)");
    for (key, text) in [(KeyId::Owner, "o.-_-_"), (KeyId::Month(682), "m682.-_-_"), (KeyId::Month(0), "m0.-_-_")] {
        let sealed = Sealed { key, ..sealed.clone() };
        assert_eq!((sealed.to_string().as_str(), Sealed::parse(text)), (text, Some(sealed)));
    }
    for broken in ["", "i", "x.-_-_", "i.+/+/", "i.-_-_=", "m.-_-_", "m01.-_-_", "m+1.-_-_", "m65536.-_-_", "o1.-_-_"] {
        assert_eq!(Sealed::parse(broken), None, "{broken}");
    }
}

#[test]
fn an_address_is_compared_without_case_and_its_domain_by_idna() {
    for (given, address, normalised) in [
        ("Alice@Example.ORG", "Alice@example.org", "alice@example.org"),
        ("  a.b+c@example.org ", "a.b+c@example.org", "a.b+c@example.org"),
        ("x@bücher.example", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@BÜCHER.example", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@ｅxample.org", "x@example.org", "x@example.org"),
    ] {
        let email = Email::parse(given).unwrap_or_else(|wrong| panic!("{given}: {wrong}"));
        assert_eq!((email.address().as_str(), email.normalised().as_str()), (address, normalised));
    }
}

#[test]
fn what_is_no_plain_address_is_refused() {
    let long = format!("{}@example.org", "a".repeat(65));
    let longer = format!("a@{}.org", "a.".repeat(130));
    for bad in [
        "",
        "@",
        "a",
        "a@",
        "@example.org",
        "a@b@example.org",
        "a@localhost",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a b@example.org",
        "a@exa mple.org",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "\"a b\"@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "a\r\nBcc: b@example.org",
        "a,b@example.org",
        "<a@example.org>",
        "ü@example.org",
        "a@-example.org",
        "a@example..org",
        "a@example.org\0",
        &long,
        &longer,
    ] {
        assert!(Email::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_phone_number_has_one_form() {
    for given in ["+4930123456", "+49 30 123456", " +49 (30) 12-34.56 "] {
        assert_eq!(Phone::parse(given).unwrap().as_str(), "+4930123456", "{given}");
    }
    for bad in [
        "",
        "+",
        "4930123456",
        "004930123456",
        "+049301234",
        "+49301",
        "+1234567890123456",
        "+49 30 x",
        "+４９30123456",
        "++4930123456",
    ] {
        assert!(Phone::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_name_is_chosen_in_one_of_the_alphabets_that_look_alike() {
    for good in ["alice", "Алиса", "αλίκη", "爱丽丝.alice", "アリスalice", "alice_2", "Ａlice", "Жужа-42", "Ünal.ß"]
    {
        assert!(Username::choose(good).is_ok(), "{good}");
    }
    for mixed in ["аlice", "аliсе", "αlice", "alicօ", "Ａлиса", "bоb.爱丽丝"] {
        assert!(Username::parse(mixed).is_ok(), "{mixed} was a name before");
        assert_eq!(Username::choose(mixed), Err("may not mix letters of several alphabets"), "{mixed}");
    }
    assert_eq!(Username::choose("al"), Username::parse("al"));
}
