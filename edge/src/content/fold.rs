//! A text as rules compare it: compatibility forms and case are one (NFKC with case folding, so full width is half width),
//! traditional Chinese is simplified, and what nobody sees is not there: zero-width and other ignorable characters, and
//! diacritics that make no letter with what they stand on, or are too many. Words of the rules are folded in the same way.
//!
//! Words are looked for with single spaces, whatever stands between those of a text: [`Spaced`]. Patterns say for
//! themselves what they mean by white space.
//!
//! Letters that only look alike stay different, and so do a letter and the same with its accent: `schwül` is not `schwul`.
//! Each character of the result knows where in the original it comes from, so that exactly that can be masked.

use super::simplified::simplified;
use caseless::Caseless;
use std::{borrow::Cow, iter::once, ops::Range};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// More diacritics than this on one letter are a flood, and none of them counts.
const DIACRITICS_MAX: usize = 2;
/// Of other marks (vowel signs, tones) so many count.
const MARKS_MAX: usize = 8;

pub struct Folded {
    /// As patterns see it.
    pub text: String,
    /// Where each piece begins in the folded text, and where it stands in the original. `None`: both are the same.
    pieces: Option<Vec<Piece>>,
}

struct Piece {
    folded: usize,
    original: Range<usize>,
}

impl Folded {
    pub fn of(text: &str) -> Self {
        if is_plain(text) {
            return Self { text: text.to_ascii_lowercase(), pieces: None };
        }
        let mut folder = Folder::default();
        for (at, character) in text.char_indices().filter(|(_, character)| !is_ignorable(*character)) {
            folder.take(at..at + character.len_utf8(), character);
        }
        folder.finish()
    }

    /// As words are looked for in it.
    pub fn spaced(&self) -> Spaced<'_> {
        Spaced::of(&self.text)
    }

    /// What of the original a part of the folded text comes from.
    pub fn original(&self, folded: Range<usize>) -> Range<usize> {
        let Some(pieces) = &self.pieces else { return folded };
        let holds = |at: usize| pieces.partition_point(|piece| piece.folded <= at).saturating_sub(1);
        let (first, last) = (holds(folded.start), holds(folded.end.saturating_sub(1)));
        match (pieces.get(first), pieces.get(last)) {
            (Some(first), Some(last)) => first.original.start..last.original.end,
            _ => 0..0,
        }
    }
}

/// A folded text with one space in the place of each run of white space: a second one, or the end of a line, hides no
/// phrase.
pub struct Spaced<'a> {
    pub text: Cow<'a, str>,
    runs: Vec<Run>,
}

/// Where a run of white space has ended.
struct Run {
    spaced: usize,
    folded: usize,
}

impl<'a> Spaced<'a> {
    fn of(folded: &'a str) -> Self {
        if is_spaced(folded) {
            return Self { text: Cow::Borrowed(folded), runs: Vec::new() };
        }
        let (mut text, mut runs) = (String::with_capacity(folded.len()), Vec::<Run>::new());
        for (at, character) in folded.char_indices() {
            let end = at + character.len_utf8();
            if !character.is_whitespace() {
                text.push(character);
            } else if let Some(run) = runs.last_mut().filter(|_| text.ends_with(' ')) {
                run.folded = end;
            } else {
                text.push(' ');
                runs.push(Run { spaced: text.len(), folded: end });
            }
        }
        Self { text: Cow::Owned(text), runs }
    }

    /// What of the folded text a part of this one comes from: of a space, the whole run.
    pub fn folded(&self, spaced: Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let before = self.runs.partition_point(|run| run.spaced <= at);
            self.runs[..before].last().map_or(at, |run| run.folded + (at - run.spaced))
        };
        place(spaced.start)..place(spaced.end)
    }
}

/// Single spaces and no other white space: most texts.
fn is_spaced(folded: &str) -> bool {
    !folded.contains("  ") && !folded.contains(|character: char| character.is_whitespace() && character != ' ')
}

/// Letters of ASCII, and nothing that nobody sees: most texts.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'))
}

/// Puts letters and the marks on them together.
#[derive(Default)]
struct Folder {
    text: String,
    pieces: Vec<Piece>,
    open: Vec<char>,
    original: Range<usize>,
}

impl Folder {
    fn take(&mut self, original: Range<usize>, character: char) {
        // Case is folded in between, since each makes new work for the other.
        for part in once(character).nfkd().default_case_fold().nfkd() {
            if !self.open.is_empty() && continues(part) {
                self.original.end = original.end;
            } else {
                self.close();
                self.original = original.clone();
            }
            self.open.push(part);
        }
    }

    fn close(&mut self) {
        let folded = self.text.len();
        let mut open = std::mem::take(&mut self.open);
        if let [alone] = open[..] {
            if !is_diacritic(alone) {
                self.text.push(simplified(alone));
            }
        } else {
            without_floods(&mut open);
            let whole = open.iter().copied().nfc().filter(|part| !is_diacritic(*part));
            self.text.extend(whole.map(simplified));
        }
        if self.text.len() > folded {
            self.pieces.push(Piece { folded, original: self.original.clone() });
        }
        open.clear();
        self.open = open;
    }

    fn finish(mut self) -> Folded {
        self.close();
        Folded { text: self.text, pieces: Some(self.pieces) }
    }
}

fn without_floods(open: &mut Vec<char>) {
    let is_flood = open.iter().filter(|part| is_diacritic(**part)).count() > DIACRITICS_MAX;
    let mut marks = 0;
    open.retain(|part| {
        marks += usize::from(is_combining_mark(*part));
        !(is_flood && is_diacritic(*part)) && (marks <= MARKS_MAX || !is_combining_mark(*part))
    });
}

/// Marks, and the vowels and finals of a Hangul syllable.
fn continues(character: char) -> bool {
    is_combining_mark(character) || matches!(character, '\u{1161}'..='\u{11ff}')
}

/// Marks of the alphabets that do without them: accents, strokes, rings.
fn is_diacritic(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// What nobody sees: Unicode's `Default_Ignorable_Code_Point`, and control characters that are no white space.
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || (character.is_control() && !character.is_whitespace())
}

/// The text with a `*` for each character that a reader would see there; white space stays, and what nobody sees goes.
/// `spans`: of the text, in any order. A character that is matched in part is masked whole.
pub fn masked(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut spans = spans.into_iter().peekable();
    let mut masked = String::with_capacity(text.len());
    for (at, seen) in text.grapheme_indices(true) {
        while spans.next_if(|span| span.end <= at).is_some() {}
        let is_hit = spans.peek().is_some_and(|span| span.start < at + seen.len());
        if !is_hit || seen.chars().all(char::is_whitespace) {
            masked.push_str(seen);
        } else if !seen.chars().all(is_ignorable) {
            masked.push('*');
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        Folded::of(text).text
    }

    /// Masks all of `word` in the text.
    fn mask(text: &str, word: &str) -> String {
        let (folded, word) = (Folded::of(text), fold(word));
        let spaced = folded.spaced();
        let found = spaced.text.match_indices(&word).map(|(at, word)| spaced.folded(at..at + word.len()));
        masked(text, found.map(|span| folded.original(span)).collect())
    }

    #[test]
    fn width_case_and_chinese_forms_are_one() {
        for (text, folded) in [
            ("Hello", "hello"),
            ("ＨＥＬＬＯ", "hello"),
            ("ℌ𝓮𝕝𝑙ⓞ", "hello"),
            ("STRASSE", "strasse"),
            ("straße", "strasse"),
            ("ΑΣ ας", "ασ ασ"),
            ("賭博", "赌博"),
            ("ｶﾞ", "ガ"),
            ("カ\u{3099}", "ガ"),
            ("한", "한"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("ﬁnd", "find"),
            ("①", "1"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn what_nobody_sees_is_not_there() {
        let flood = "\u{200b}".repeat(5_000);
        for text in [
            &format!("b{flood}a{flood}d"),
            "b\u{ad}a\u{2060}d",
            "b\u{202e}a\u{202c}d",
            "b\u{fe0f}a\u{e0101}d",
            "b\u{1}a\u{7f}d",
            "\u{feff}bad",
            "b\u{336}a\u{336}d\u{336}",
            &format!("b{}ad", "\u{301}".repeat(5_000)),
            "\u{301}bad",
        ] {
            assert_eq!(fold(text), "bad", "{text:?}");
        }
    }

    #[test]
    fn letters_with_their_marks_stay_letters_of_their_own() {
        for (one, other) in [("schwül", "schwul"), ("ばか", "はか"), ("कि", "की"), ("й", "и"), ("각", "가")]
        {
            assert_ne!(fold(one), fold(other));
        }
        assert_eq!(fold("u\u{308}"), fold("Ü"));
    }

    #[test]
    fn exactly_what_matched_is_masked() {
        for (text, word, masked) in [
            ("a bad day", "bad", "a *** day"),
            ("a ＢＡＤ day", "bad", "a *** day"),
            ("中文賭博網站", "赌博", "中文**網站"),
            ("x b\u{200b}a\u{200b}d y", "bad", "x *** y"),
            ("b\u{301}\u{302}\u{303}\u{304}ad!", "bad", "***!"),
            ("ﬁnd it", "find", "*** it"),
            ("ﬁnd it", "i", "*nd *t"),
            ("한국 한", "한", "*국 *"),
            ("no", "yes", "no"),
        ] {
            assert_eq!(mask(text, word), masked, "{text:?}");
        }
        assert_eq!(mask("so bad day", "bad day"), "so *** ***");
    }

    #[test]
    fn white_space_of_any_kind_and_length_is_one_space() {
        for (text, expected) in [
            ("bad day", "*** ***"),
            ("bad  day!", "***  ***!"),
            ("x bad\n\t\r\n day y", "x ***\n\t\r\n *** y"),
            ("bad\u{a0}\u{3000}day", "***\u{a0}\u{3000}***"),
            ("bad \u{200b} day", "***  ***"),
            ("a  b  bad  day  b  bad\nday", "a  b  ***  ***  b  ***\n***"),
            ("badday", "badday"),
        ] {
            assert_eq!(mask(text, "bad day"), expected, "{text:?}");
        }
        for (text, expected) in [(" a \n b\t", " a b "), ("a \u{200b} \u{301}b", "a b"), ("a b", "a b")] {
            assert_eq!(Folded::of(text).spaced().text, expected, "{text:?}");
        }
        let folded = Folded::of("a \n b  c");
        let spaced = folded.spaced();
        for (part, expected) in [(0..1, 0..1), (1..2, 1..4), (0..3, 0..5), (2..3, 4..5), (3..4, 5..7), (4..5, 7..8)] {
            assert_eq!(spaced.folded(part.clone()), expected, "{part:?}");
        }
        assert_eq!(folded.text, "a \n b  c", "as patterns see it");
    }

    #[test]
    fn emoji_are_one_character_each_however_they_are_made() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(mask(&format!("a{family}b"), family), "a*b");
        assert_eq!(mask(&format!("a{family}b"), "\u{1f469}"), "a*b", "in part is whole");
        assert_eq!(mask("\u{1f44d}\u{1f3fd}!", "\u{1f44d}"), "*!");
        assert_eq!(mask("\u{2764}\u{fe0f} \u{2764}", "\u{2764}"), "* *");
        assert_eq!(mask("\u{1f1e9}\u{1f1ea}", "\u{1f1e9}\u{1f1ea}"), "*");
        assert_eq!(mask("\u{1f346}\u{1f346}bad", "bad"), "\u{1f346}\u{1f346}***");
    }

    #[test]
    fn masks_of_several_matches_are_one_and_never_longer_than_the_text() {
        assert_eq!(masked("abcdef", vec![3..5, 0..2, 1..4]), "*****f");
        assert_eq!(masked("", vec![]), "");
        let text = "é\u{1f600}中a";
        assert_eq!(masked(text, vec![0..text.len(), 0..1]), "****");
    }

    #[test]
    fn any_text_is_folded_and_every_part_of_it_comes_from_somewhere() {
        proptest::proptest!(|(text in "\\PC{0,40}", marks in "[a \n\u{3000}\u{300}-\u{310}\u{200b}-\u{200f}\u{1100}-\u{11ff}ｱ-ﾟ]{0,20}")| {
            for text in [&text, &marks, &format!("{text}{marks}")] {
                let folded = Folded::of(text);
                for (at, character) in folded.text.char_indices() {
                    let original = folded.original(at..at + character.len_utf8());
                    proptest::prop_assert!(text.get(original.clone()).is_some_and(|part| !part.is_empty()), "{:?}", original);
                }
                let spaced = folded.spaced();
                for (at, character) in spaced.text.char_indices() {
                    let part = folded.text.get(spaced.folded(at..at + character.len_utf8()));
                    let is_it = |c: char| c == character || (character == ' ' && c.is_whitespace());
                    proptest::prop_assert!(part.is_some_and(|part| part.starts_with(is_it)), "{:?}", part);
                }
                masked(text, vec![folded.original(0..folded.text.len())]);
            }
        });
    }
}
