//! The file of the rules: a JSON object a line, empty lines and those that begin with `#` left out. What is wrong is told
//! with its line. `ops/CONTENT.md` is the operator's page.

use super::{
    fold::Folded,
    rules::{Action, Rule, Rules, Scope, Scopes, Word},
    simplified::simplified,
};
use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder, RegexSetBuilder};
use serde::Deserialize;
use std::path::Path;

pub const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
const RULES_MAX: usize = 1_000;
const NAME_MAX: usize = 64;
const WORDS_MAX: usize = 200_000;
/// Characters of a word, folded.
const WORD_MAX: usize = 256;
const PATTERNS_MAX: usize = 200;
const PATTERN_MAX_BYTES: usize = 1_000;
/// What a pattern may become in memory.
const PATTERN_ROOM: usize = 1024 * 1024;
const PATTERNS_ROOM: usize = 16 * 1024 * 1024;

/// What is wrong with the rules, in words for who wrote them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path}: {wrong}")]
    Wrong { path: String, wrong: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    words: Option<Vec<String>>,
    pattern: Option<String>,
    action: GivenAction,
    scope: Option<Vec<GivenScope>>,
    #[serde(default)]
    inside: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenAction {
    Mask,
    Hold,
    Refuse,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenScope {
    Messages,
    Groups,
    Profiles,
    Requests,
}

/// Reads and makes them ready; seconds for the largest, so not where people are served.
pub fn read(path: &Path) -> Result<Rules, Error> {
    let name = || path.display().to_string();
    let unreadable = |source| Error::Unreadable { path: name(), source };
    let wrong = |wrong| Error::Wrong { path: name(), wrong };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX_BYTES {
        return Err(wrong("is larger than 16 MiB".to_owned()));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(text).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    parse(&text).map_err(wrong)
}

pub fn parse(text: &str) -> Result<Rules, String> {
    let mut made = Making::default();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            made.take(line).map_err(|wrong| format!("line {}: {wrong}", index + 1))?;
        }
    }
    made.finish()
}

#[derive(Default)]
struct Making {
    rules: Vec<Rule>,
    words: Vec<String>,
    of_words: Vec<Word>,
    patterns: Vec<(Regex, usize)>,
}

impl Making {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let Line { name, words, pattern, action, scope, inside } = serde_json::from_str(line).map_err(told)?;
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(format!("a name has 1 to {NAME_MAX} characters"));
        }
        if self.rules.len() == RULES_MAX {
            return Err(format!("there are more than {RULES_MAX} rules"));
        }
        match (words, pattern) {
            (Some(words), None) => self.take_words(&words, inside)?,
            (None, Some(_)) if inside => return Err("`inside` is for words".to_owned()),
            (None, Some(pattern)) => self.take_pattern(&pattern)?,
            _ => return Err("a rule has either `words` or a `pattern`".to_owned()),
        }
        let scopes = scopes(scope.as_deref())?;
        self.rules.push(Rule { name, action: action.into(), scopes });
        Ok(())
    }

    fn take_words(&mut self, words: &[String], inside: bool) -> Result<(), String> {
        if words.is_empty() {
            return Err("`words` is empty".to_owned());
        }
        for (index, word) in words.iter().enumerate() {
            // What nobody sees may stand around the white space.
            let folded = Folded::of(word).spaced().text.trim().to_owned();
            match folded.chars().count() {
                0 => return Err(format!("word {}: nothing of it can be seen", index + 1)),
                1..=WORD_MAX => {}
                _ => return Err(format!("word {}: has more than {WORD_MAX} characters", index + 1)),
            }
            self.words.push(folded);
            self.of_words.push(Word { rule: self.rules.len(), inside });
        }
        if self.words.len() > WORDS_MAX {
            return Err(format!("there are more than {WORDS_MAX} words"));
        }
        Ok(())
    }

    fn take_pattern(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > PATTERN_MAX_BYTES {
            return Err(format!("a pattern has at most {PATTERN_MAX_BYTES} bytes"));
        }
        if self.patterns.len() == PATTERNS_MAX {
            return Err(format!("there are more than {PATTERNS_MAX} patterns"));
        }
        // Texts are simplified before they are looked at.
        let pattern: String = pattern.chars().map(simplified).collect();
        let mut builder = RegexBuilder::new(&pattern);
        let built = builder.case_insensitive(true).size_limit(PATTERN_ROOM).dfa_size_limit(PATTERN_ROOM).build();
        let built = built.map_err(|error| one_line(&error.to_string()))?;
        if built.is_match("") {
            return Err("the pattern matches where there is nothing".to_owned());
        }
        self.patterns.push((built, self.rules.len()));
        Ok(())
    }

    fn finish(self) -> Result<Rules, String> {
        let Self { rules, words, of_words, patterns } = self;
        let words = AhoCorasick::new(&words).map_err(|error| format!("the words are too many: {error}"))?;
        let texts = patterns.iter().map(|(pattern, _)| pattern.as_str());
        let mut builder = RegexSetBuilder::new(texts);
        let any = builder.case_insensitive(true).size_limit(PATTERNS_ROOM).dfa_size_limit(PATTERNS_ROOM).build();
        let any =
            any.map_err(|error| format!("the patterns together are too large: {}", one_line(&error.to_string())))?;
        Ok(Rules::new(rules, words, of_words, patterns, any))
    }
}

fn scopes(given: Option<&[GivenScope]>) -> Result<Scopes, String> {
    match given {
        None => Ok(Scopes::of(&Scope::ALL)),
        Some([]) => Err("`scope` is empty".to_owned()),
        Some(given) => Ok(Scopes::of(&given.iter().map(|scope| (*scope).into()).collect::<Vec<_>>())),
    }
}

impl From<GivenAction> for Action {
    fn from(given: GivenAction) -> Self {
        match given {
            GivenAction::Mask => Self::Mask,
            GivenAction::Hold => Self::Hold,
            GivenAction::Refuse => Self::Refuse,
        }
    }
}

impl From<GivenScope> for Scope {
    fn from(given: GivenScope) -> Self {
        match given {
            GivenScope::Messages => Self::Messages,
            GivenScope::Groups => Self::Groups,
            GivenScope::Profiles => Self::Profiles,
            GivenScope::Requests => Self::Requests,
        }
    }
}

/// Every line is the first one to the parser.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands on")]
fn told(error: serde_json::Error) -> String {
    let column = error.column();
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("column {column}: {text}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_rules_is_read() {
        let text = "\u{feff}# insults\n\n{\"name\": \"a\", \"words\": [\"x\", \" y \"], \"action\": \"mask\"}\r\n\
            {\"name\": \"b\", \"pattern\": \"z\", \"action\": \"hold\", \"scope\": [\"messages\"]}\n";
        let rules = parse(text).unwrap();
        assert_eq!((rules.all.len(), rules.word_count(), rules.pattern_count()), (2, 2, 1));
        assert_eq!(parse("").unwrap().all, []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let long = "x".repeat(257);
        let huge = format!("{{\"name\": \"a\", \"pattern\": \"{}\", \"action\": \"mask\"}}", "x".repeat(1_001));
        for (line, words) in [
            ("nonsense", "column 2"),
            ("[]", "invalid"),
            ("{\"name\": \"a\", \"words\": [\"x\"]}", "missing field `action`"),
            ("{\"name\": \"a\", \"words\": [\"x\"], \"action\": \"delete\"}", "unknown variant `delete`"),
            ("{\"name\": \"a\", \"words\": [\"x\"], \"action\": \"mask\", \"colour\": 1}", "unknown field `colour`"),
            ("{\"name\": \"\", \"words\": [\"x\"], \"action\": \"mask\"}", "a name has"),
            ("{\"name\": \"a\", \"words\": [], \"action\": \"mask\"}", "empty"),
            ("{\"name\": \"a\", \"words\": [\"x\", \"\u{200b} \"], \"action\": \"mask\"}", "word 2"),
            (&format!("{{\"name\": \"a\", \"words\": [\"{long}\"], \"action\": \"mask\"}}"), "word 1"),
            ("{\"name\": \"a\", \"action\": \"mask\"}", "either"),
            ("{\"name\": \"a\", \"words\": [\"x\"], \"pattern\": \"x\", \"action\": \"mask\"}", "either"),
            ("{\"name\": \"a\", \"pattern\": \"(\", \"action\": \"mask\"}", "unclosed group"),
            ("{\"name\": \"a\", \"pattern\": \"x*\", \"action\": \"mask\"}", "nothing"),
            ("{\"name\": \"a\", \"pattern\": \"(\\\\w{900}){900}\", \"action\": \"mask\"}", "size limit"),
            ("{\"name\": \"a\", \"pattern\": \"x\", \"action\": \"mask\", \"inside\": true}", "`inside`"),
            ("{\"name\": \"a\", \"pattern\": \"x\", \"action\": \"mask\", \"scope\": []}", "`scope`"),
            (
                "{\"name\": \"a\", \"pattern\": \"x\", \"action\": \"mask\", \"scope\": [\"all\"]}",
                "unknown variant `all`",
            ),
            (&huge, "1000 bytes"),
        ] {
            let told = parse(&format!("# rules\n\n{line}\n")).unwrap_err();
            assert!(told.starts_with("line 3: ") && told.contains(words), "{line}: {told}");
            assert!(!told.contains('\n'), "{told}");
        }
        let many = "{\"name\": \"a\", \"words\": [\"x\"], \"action\": \"mask\"}\n".repeat(1_001);
        assert!(parse(&many).unwrap_err().starts_with("line 1001: there are more than 1000 rules"));
    }

    #[test]
    fn a_file_that_is_not_there_or_no_text_is_named() {
        let path = std::env::temp_dir().join(format!("natter-rules-{}", std::process::id()));
        assert!(read(&path).unwrap_err().to_string().contains(&path.display().to_string()));
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("is not UTF-8"));
        std::fs::remove_file(&path).unwrap();
    }
}
