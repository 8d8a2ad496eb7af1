//! What comes from outside: one TLS provider, and licences that let everybody use the whole.

use super::{assert_none, cargo};

/// Licences we take, as SPDX names them.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Root certificates: data.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    // Asks only that changes to its own files are published; we change none.
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that must not be built in, and why.
const BANNED: &[(&str, &str)] = &[
    ("ring", "a second TLS provider in one binary panics at its first use: aws-lc-rs everywhere"),
    ("openssl-sys", "a system library that every machine has in another version: rustls with aws-lc-rs"),
    ("native-tls", "rustls with aws-lc-rs"),
];

#[test]
fn licences_are_from_the_list_and_banned_crates_are_not_built() {
    // What is built here, with every feature we use: cargo metadata also lists what nothing asks for.
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}\t{l}",
    ]);
    assert!(tree.lines().count() > 50, "the workspace has dependencies: {tree}");
    assert_none("dependencies (ops/tests/it/house_rules/dependencies.rs):", &faults(&tree));
}

fn faults(tree: &str) -> Vec<String> {
    let mut lines: Vec<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().filter_map(fault).collect()
}

fn fault(line: &str) -> Option<String> {
    let (package, licence) = line.split_once('\t')?;
    let name = package.split(' ').next()?;
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        return Some(format!("{package} is banned: {why}"));
    }
    (!is_accepted(licence)).then(|| format!("{package} has a licence that is not on the list: {licence:?}"))
}

/// Reads `A OR (B AND C)`; older packages write `A/B` for OR.
fn is_accepted(licence: &str) -> bool {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let accepted = any(&mut rest);
    accepted && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut accepted = all(words);
    while skip(words, "OR") {
        accepted |= all(words);
    }
    accepted
}

fn all(words: &mut &[&str]) -> bool {
    let mut accepted = one(words);
    while skip(words, "AND") {
        accepted &= one(words);
    }
    accepted
}

fn one(words: &mut &[&str]) -> bool {
    if skip(words, "(") {
        return any(words) & skip(words, ")");
    }
    let Some((name, rest)) = words.split_first() else { return false };
    *words = rest;
    if skip(words, "WITH") {
        let Some((exception, rest)) = words.split_first() else { return false };
        *words = rest;
        return ACCEPTED.contains(&format!("{name} WITH {exception}").as_str());
    }
    ACCEPTED.contains(name)
}

fn skip(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[test]
fn the_rule_reads_licence_expressions() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_accepted(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
        "MIT WITH Something",
        "(MIT",
        "MIT Apache-2.0",
    ] {
        assert!(!is_accepted(bad), "{bad}");
    }
}

#[test]
fn the_rule_sees_banned_crates_and_bad_licences() {
    let sample = "serde v1.0.0\tMIT OR Apache-2.0\nring v0.17.0\tApache-2.0 AND ISC\nspring v1.0.0\tMIT\nreadline v1.0.0\tGPL-3.0\nbare v1.0.0\t\n";
    let found = faults(sample);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("bare v1.0.0 has a licence"));
    assert!(found[1].starts_with("readline v1.0.0 has a licence"));
    assert!(found[2].starts_with("ring v0.17.0 is banned"));
}
