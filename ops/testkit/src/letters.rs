//! Mails and text messages of a node that writes each as a file.

use crate::{
    Raw,
    eventually::{BOUND, eventually},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The directory of `NATTER_OUTBOX_DIR`.
#[derive(Clone, Debug)]
pub struct Letters(PathBuf);

impl Letters {
    pub fn new(within: &Path) -> Self {
        Self(within.join("letters"))
    }

    /// For [`crate::Options::more`].
    pub fn variable(&self) -> (&'static str, String) {
        ("NATTER_OUTBOX_DIR", self.0.display().to_string())
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// All letters to somebody, the oldest first.
    pub fn to(&self, to: &str) -> Vec<Value> {
        let Ok(files) = std::fs::read_dir(&self.0) else { return vec![] };
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file can be listed").path()).collect();
        // Named by ids that rise.
        paths.sort();
        let whole = paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a letter can be read");
        let letters = whole.map(|path| serde_json::from_str::<Value>(&read(path)).expect("a letter is JSON"));
        letters.filter(|letter| letter["to"] == to).collect()
    }

    /// The number of this letter counts from 1.
    pub async fn letter(&self, to: &str, number: usize) -> Value {
        eventually(&format!("letter {number} to {to}"), BOUND, async || {
            self.to(to).get(number - 1).cloned().ok_or_else(|| "not yet".to_owned())
        })
        .await
    }

    /// Asks the node for a code and reads it.
    pub async fn code(&self, node: &Raw, to: &str, purpose: &str) -> String {
        let before = self.to(to).len();
        let channel = if to.contains('@') { "email" } else { "sms" };
        let body = json!({"channel": channel, "target": to, "purpose": purpose}).to_string();
        let asked = node.post("/api/v1/auth/codes", body).await;
        assert_eq!((asked.status, asked.text().as_str()), (202, ""));
        eventually(&format!("a code to {to}"), BOUND, async || {
            self.to(to)[before..].iter().find_map(code).ok_or_else(|| "not yet".to_owned())
        })
        .await
    }
}

/// The six digits of a letter.
pub fn digits(letter: &Value) -> String {
    code(letter).unwrap_or_else(|| panic!("no code in {letter}"))
}

fn code(letter: &Value) -> Option<String> {
    let text = letter["text"].as_str().expect("a letter has a text");
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).map(str::to_owned)
}
