//! Documents name what exists, and the top of the repository stays a short list.

use super::{assert_none, files, read, root};
use std::collections::BTreeSet;

/// What lies at the top. A new entry is a decision: it is the first thing a reader sees.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".gitignore",
    ".rustfmt.toml",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "commands",
    "domain",
    "edge",
    "migrations",
    "ops",
    "projections",
    "streams",
];

/// A name without a slash is taken for a file of ours when it ends like one.
const ENDINGS: &[&str] = &[".md", ".rs", ".toml", ".conf", ".sql", ".cql", ".json", ".yaml"];

#[test]
fn nothing_unexpected_lies_at_the_top() {
    assert_none("the top of the repository (ops/tests/it/house_rules/documents.rs):", &unexpected(&files()));
}

#[test]
fn paths_in_documents_exist() {
    let files = files();
    let is_document =
        |path: &&String| path.ends_with("README.md") || ["ARCHITECTURE.md", "ops/METRICS.md"].contains(&path.as_str());
    let faults: Vec<String> =
        files.iter().filter(is_document).flat_map(|path| missing(path, &read(path), &exists)).collect();
    assert_none("documents name what is not there:", &faults);
}

/// Who runs Natter finds every metric explained, and none that there is not.
#[test]
fn every_metric_is_explained() {
    let sources = files().into_iter().filter(|path| path.ends_with("/metrics.rs") && path.contains("/src/"));
    let made: BTreeSet<String> = sources.flat_map(|path| metrics(&read(&path), '"')).collect();
    let explained = metrics(&read("ops/METRICS.md"), '`').into_iter().collect();
    assert!(made.len() > 30, "the names are looked for in the wrong place: {made:?}");
    assert_none("made, and not in ops/METRICS.md:", &Vec::from_iter(made.difference(&explained).cloned()));
    assert_none("in ops/METRICS.md, and not made:", &Vec::from_iter(explained.difference(&made).cloned()));
}

/// Names of metrics between two of these.
fn metrics(text: &str, quote: char) -> Vec<String> {
    let is_name = |word: &&str| {
        word.starts_with("natter_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') && word.len() > 8
    };
    text.split(quote).filter(is_name).map(str::to_owned).collect()
}

fn exists(path: &str) -> bool {
    root().join(path).exists()
}

fn unexpected(files: &[String]) -> Vec<String> {
    let mut tops: Vec<&str> = files.iter().filter_map(|path| path.split('/').next()).collect();
    tops.dedup();
    tops.into_iter().filter(|top| !TOP.contains(top)).map(str::to_owned).collect()
}

/// Paths in backticks, meant from the top or from where the document lies.
fn missing(document: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let here = document.rsplit_once('/').map_or("", |(directory, _)| directory);
    let quoted = prose(text);
    let quoted = quoted.split('`').skip(1).step_by(2);
    quoted
        .map(|quote| quote.trim_start_matches("./").trim_end_matches('/'))
        .filter(|quote| looks_like_ours(quote, here))
        .filter(|path| !exists(path) && !exists(&format!("{here}/{path}")))
        .map(|path| format!("{document}: `{path}`"))
        .collect()
}

/// Without blocks of code, whose fences are backticks too.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

fn looks_like_ours(quote: &str, here: &str) -> bool {
    let plain = quote.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let Some((first, _)) = quote.split_once('/') else {
        return plain && !quote.starts_with('.') && ENDINGS.iter().any(|ending| quote.ends_with(ending));
    };
    // A route or a media type has a slash too: what starts like a directory of ours is meant as a path.
    plain && (TOP.contains(&first) || (!here.is_empty() && ["src", "tests"].contains(&first)))
}

#[test]
fn the_rules_see_their_faults() {
    let files = ["ops/run".to_owned(), "notes.txt".to_owned()];
    assert_eq!(unexpected(&files), ["notes.txt"]);

    let text = "See `streams/src/gone.rs`, `streams/src/here.rs`, `./ops/run`, `/v1/people`, `application/json`, `a b/c`, `Gone.md`.\n\
        ```\nops/`none`\n```\nAnd `src/here.rs`.";
    let there = |path: &str| ["streams/src/here.rs", "ops/run"].contains(&path);
    assert_eq!(missing("README.md", text, &there), ["README.md: `streams/src/gone.rs`", "README.md: `Gone.md`"]);
    assert_eq!(
        missing("streams/README.md", "`src/here.rs` and `src/gone.rs`", &there),
        ["streams/README.md: `src/gone.rs`"]
    );
}
