//! Rules on what texts may say, made ready once and asked for every text: all words are one automaton (Aho-Corasick), all
//! patterns are of the kind whose time is linear in the text. Both are looked for in the folded text ([`super::fold`]), words
//! with single spaces in it.
//!
//! Where several rules match, refusing goes before holding and that before masking. A word is found where it stands by
//! itself, `ass` not in `class`; in scripts without spaces, and with `inside`, anywhere.

use super::fold::{Folded, masked};
use aho_corasick::AhoCorasick;
use regex::{Regex, RegexSet};
use std::ops::Range;

/// A text in which a pattern is to be masked so often is not mended but refused.
const MASKS_MAX: usize = 1_000;

/// What becomes of a text that matches. The later one wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// What matched becomes `*`.
    Mask,
    /// Somebody is to look at it first.
    Hold,
    Refuse,
}

/// What kind of text it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// What is said, and what people react with.
    Messages,
    /// Names, descriptions and announcements of groups and channels, and what people are called there.
    Groups,
    /// What people tell of themselves, their names included.
    Profiles,
    /// What people write to ask to be friends, or to come to a group.
    Requests,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Messages, Self::Groups, Self::Profiles, Self::Requests];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Groups => "groups",
            Self::Profiles => "profiles",
            Self::Requests => "requests",
        }
    }
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

impl Scopes {
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |all, scope| all | 1 << *scope as u8))
    }

    fn hold(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// For operators: no client is told it.
    pub name: String,
    pub action: Action,
    pub scopes: Scopes,
}

/// A word of the automaton.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Its number among the rules.
    pub rule: usize,
    /// Also as a part of another word.
    pub inside: bool,
}

/// What the rules say of a text. Numbers are those of rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Nothing,
    Masked {
        text: String,
        rules: Vec<usize>,
    },
    /// `masked`: where other rules mask something in it.
    Held {
        rule: usize,
        masked: Option<String>,
    },
    Refused {
        rule: usize,
    },
}

#[derive(Debug)]
pub struct Rules {
    pub all: Vec<Rule>,
    words: AhoCorasick,
    of_words: Vec<Word>,
    patterns: Vec<(Regex, usize)>,
    any_pattern: RegexSet,
}

impl Rules {
    pub fn new(
        all: Vec<Rule>,
        words: AhoCorasick,
        of_words: Vec<Word>,
        patterns: Vec<(Regex, usize)>,
        any_pattern: RegexSet,
    ) -> Self {
        Self { all, words, of_words, patterns, any_pattern }
    }

    pub fn word_count(&self) -> usize {
        self.of_words.len()
    }

    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    pub fn look(&self, text: &str, scope: Scope) -> Found {
        let folded = Folded::of(text);
        let mut looking = Looking { all: &self.all, scope, held: None, masked: Vec::new(), rules: Vec::new() };
        let refused = self.words_of(&folded, &mut looking).or_else(|| self.patterns_of(&folded, &mut looking));
        if let Some(rule) = refused {
            return Found::Refused { rule };
        }
        let spans: Vec<_> = looking.masked.into_iter().map(|span| folded.original(span)).collect();
        let masked = (!spans.is_empty()).then(|| masked(text, spans));
        match (looking.held, masked) {
            (Some(rule), masked) => Found::Held { rule, masked },
            (None, Some(text)) => Found::Masked { text, rules: looking.rules },
            (None, None) => Found::Nothing,
        }
    }

    /// The rule that refuses, if a word's does.
    fn words_of(&self, folded: &Folded, looking: &mut Looking<'_>) -> Option<usize> {
        let spaced = folded.spaced();
        self.words.find_overlapping_iter(&*spaced.text).find_map(|found| {
            let word = self.of_words[found.pattern().as_usize()];
            let stands = looking.wants(word.rule) && (word.inside || stands_alone(&spaced.text, found.range()));
            if stands { looking.hit(word.rule, spaced.folded(found.range())) } else { None }
        })
    }

    fn patterns_of(&self, folded: &Folded, looking: &mut Looking<'_>) -> Option<usize> {
        self.any_pattern.matches(&folded.text).into_iter().find_map(|number| {
            let (pattern, rule) = &self.patterns[number];
            if !looking.wants(*rule) {
                return None;
            }
            let spans = pattern.find_iter(&folded.text).map(|found| found.range());
            // Of a rule that does not mask the first match says all.
            let most = if looking.all[*rule].action == Action::Mask { MASKS_MAX } else { 1 };
            let mut count = 0;
            let refused = spans.take(most).inspect(|_| count += 1).find_map(|span| looking.hit(*rule, span));
            refused.or((count == MASKS_MAX).then_some(*rule))
        })
    }
}

/// What has been found so far.
struct Looking<'a> {
    all: &'a [Rule],
    scope: Scope,
    held: Option<usize>,
    /// Parts of the folded text, none within another.
    masked: Vec<Range<usize>>,
    rules: Vec<usize>,
}

impl Looking<'_> {
    fn wants(&self, rule: usize) -> bool {
        self.all[rule].scopes.hold(self.scope)
    }

    /// The rule, where it refuses.
    fn hit(&mut self, rule: usize, span: Range<usize>) -> Option<usize> {
        match self.all[rule].action {
            Action::Refuse => return Some(rule),
            Action::Hold => self.held = self.held.or(Some(rule)),
            Action::Mask => self.mask(rule, span),
        }
        None
    }

    /// Words come by their ends, so what a longer one covers lies at the end of what there is.
    fn mask(&mut self, rule: usize, span: Range<usize>) {
        while self.masked.last().is_some_and(|last| span.start <= last.start && last.end <= span.end) {
            self.masked.pop();
        }
        self.masked.push(span);
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }
}

/// Neither end stands within a word.
fn stands_alone(text: &str, span: Range<usize>) -> bool {
    let joined =
        |one: Option<char>, other: Option<char>| one.is_some_and(is_of_words) && other.is_some_and(is_of_words);
    let (before, found, after) = (&text[..span.start], &text[span.start..span.end], &text[span.end..]);
    !joined(before.chars().next_back(), found.chars().next())
        && !joined(found.chars().next_back(), after.chars().next())
}

/// Letters and digits of scripts that put something between words.
fn is_of_words(character: char) -> bool {
    let is_unspaced = matches!(character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}');
    character.is_alphanumeric() && !is_unspaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::source;
    use std::fmt::Write;

    fn rules(lines: &str) -> Rules {
        source::parse(lines).unwrap()
    }

    fn look(rules: &Rules, text: &str) -> Found {
        rules.look(text, Scope::Messages)
    }

    /// The masked text; `None` where nothing is masked.
    fn masked(rules: &Rules, text: &str) -> Option<String> {
        match look(rules, text) {
            Found::Masked { text, .. } => Some(text),
            Found::Nothing => None,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn words_are_found_whatever_they_are_dressed_as_and_only_by_themselves() {
        let rules = rules(r#"{"name": "a", "words": ["Bad", "賭博", "bad day", "धन"], "action": "mask"}"#);
        for (text, expected) in [
            ("bad", Some("***")),
            ("too BAD, ｂａｄ!", Some("too ***, ***!")),
            ("b\u{200b}ad", Some("***")),
            ("中文赌博网", Some("中文**网")),
            ("a bad day", Some("a *** ***")),
            ("a bad \u{200b}\n\tDAY!", Some("a *** \n\t***!")),
            ("badly embadded bad2", None),
            ("bad中", Some("***中")),
            ("निधन", None),
            ("धन।", Some("**।")),
            ("b ad", None),
        ] {
            assert_eq!(masked(&rules, text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_word_that_may_be_inside_is_found_in_others() {
        let rules = rules(r#"{"name": "a", "words": ["bad"], "action": "mask", "inside": true}"#);
        assert_eq!(masked(&rules, "embadded").as_deref(), Some("em***ded"));
    }

    #[test]
    fn patterns_look_at_the_folded_text() {
        let rules = rules(
            "{\"name\": \"phone\", \"pattern\": \"\\\\b1\\\\d{10}\\\\b\", \"action\": \"mask\"}\n\
             {\"name\": \"b\", \"pattern\": \"B+A+D|賭.博\", \"action\": \"refuse\"}",
        );
        assert_eq!(masked(&rules, "call １3800138000!").as_deref(), Some("call ***********!"));
        assert_eq!(masked(&rules, "call 138001380001"), None);
        for text in ["bbbaaad", "賭x博", "赌x博"] {
            assert_eq!(look(&rules, text), Found::Refused { rule: 1 });
        }
    }

    #[test]
    fn words_are_written_with_any_white_space_and_patterns_see_what_there_is() {
        let rules = rules(
            "{\"name\": \"a\", \"words\": [\"\u{200b} one \\n  two\u{a0}\"], \"action\": \"mask\"}\n\
             {\"name\": \"b\", \"pattern\": \"(?m)^x {2}y\\\\ny$\", \"action\": \"refuse\"}",
        );
        for (text, expected) in [("one two", "*** ***"), ("(one\u{3000}  two)", "(***\u{3000}  ***)")] {
            assert_eq!(masked(&rules, text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(look(&rules, "z\nx  y\ny"), Found::Refused { rule: 1 });
        for text in ["z x  y\ny", "z\nx y\ny", "z\nx  y y"] {
            assert_eq!(look(&rules, text), Found::Nothing, "{text:?}");
        }
    }

    #[test]
    fn refusing_goes_before_holding_and_that_before_masking() {
        let rules = rules(
            "{\"name\": \"m\", \"words\": [\"one\"], \"action\": \"mask\"}\n\
             {\"name\": \"h\", \"words\": [\"two\"], \"action\": \"hold\"}\n\
             {\"name\": \"r\", \"words\": [\"three\"], \"action\": \"refuse\"}\n\
             {\"name\": \"p\", \"pattern\": \"four\", \"action\": \"refuse\"}",
        );
        assert_eq!(masked(&rules, "one"), Some("***".to_owned()));
        let held = |masked: Option<&str>| Found::Held { rule: 1, masked: masked.map(str::to_owned) };
        assert_eq!(look(&rules, "two"), held(None));
        assert_eq!(look(&rules, "one two"), held(Some("*** two")));
        assert_eq!(look(&rules, "two one"), held(Some("two ***")));
        assert_eq!(look(&rules, "one two three"), Found::Refused { rule: 2 });
        assert_eq!(look(&rules, "three two one"), Found::Refused { rule: 2 });
        assert_eq!(look(&rules, "two one four"), Found::Refused { rule: 3 });
    }

    #[test]
    fn a_rule_holds_where_it_is_meant_to() {
        let rules = rules(r#"{"name": "a", "words": ["x"], "action": "refuse", "scope": ["groups", "profiles"]}"#);
        let found: Vec<Found> = Scope::ALL.iter().map(|scope| rules.look("x", *scope)).collect();
        let refused = Found::Refused { rule: 0 };
        assert_eq!(found, [Found::Nothing, refused.clone(), refused, Found::Nothing]);
    }

    #[test]
    fn overlapping_matches_are_masked_as_one() {
        let rules = rules(r#"{"name": "a", "words": ["abc", "bcd", "b", "xabcd"], "action": "mask", "inside": true}"#);
        assert_eq!(masked(&rules, "abcde").as_deref(), Some("****e"));
        assert_eq!(masked(&rules, "xabcde").as_deref(), Some("*****e"));
    }

    #[test]
    fn what_a_pattern_masks_too_often_is_refused() {
        let rules = rules(r#"{"name": "a", "pattern": "a", "action": "mask"}"#);
        assert!(matches!(look(&rules, &"a".repeat(MASKS_MAX - 1)), Found::Masked { .. }));
        assert_eq!(look(&rules, &"a".repeat(MASKS_MAX)), Found::Refused { rule: 0 });
    }

    #[test]
    fn ten_thousand_words_are_one_look_at_the_text() {
        let words = (0..10_000).fold(String::new(), |mut words, number| {
            let _ = write!(words, "{}\"word{number}x\"", if number == 0 { "" } else { ", " });
            words
        });
        let rules = rules(&format!(r#"{{"name": "many", "words": [{words}], "action": "refuse"}}"#));
        assert_eq!(rules.word_count(), 10_000);
        let text = "what people say all day 中文 ".repeat(500);
        let begun = std::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(look(&rules, &text), Found::Nothing);
        }
        // Of 15 KiB each, in a build that is not optimised; one after the other each word would take minutes.
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(look(&rules, &format!("{text} word9999x")), Found::Refused { rule: 0 });
    }
}
