//! What every source file keeps to.

use super::{assert_none, files, read};

/// The one file that spells subjects, and the start of each.
const SUBJECT_FILE: &str = "streams/src/subject.rs";
const SUBJECTS: &[&str] = &[concat!("natter", ".events"), concat!("natter", ".users")];

/// Tests that may sleep, each with its reason.
const SLEEPERS: &[(&str, &str)] = &[
    ("projections/tests/it/support.rs", "asks again and again, with a bound"),
    ("projections/tests/it/slow.rs", "the server is made slow: nobody waits by it"),
];
/// These files quote what they look for.
const RULES: &str = "ops/tests/it/house_rules";

type Rule = fn(&str, &str) -> Vec<String>;

#[test]
fn every_module_says_what_it_is_for() {
    check("modules start with //!", begins_with_its_purpose);
}

#[test]
fn subjects_are_spelled_in_one_file() {
    check("subjects come from streams/src/subject.rs", spells_no_subject);
}

#[test]
fn exceptions_carry_their_reason() {
    check("#[allow] and #[expect] carry a reason", excuses_have_reasons);
}

#[test]
fn tests_wait_for_a_state_and_never_sleep() {
    check("no sleep in tests: wait for a state, with a bound", tests_do_not_sleep);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests: Vec<String> = files().into_iter().filter(|path| path.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() > 5, "{manifests:?}");
    let faults: Vec<String> = manifests.iter().flat_map(|path| takes_the_lints(path, &read(path))).collect();
    assert_none("lints are said once:", &faults);
}

fn check(what: &str, rule: Rule) {
    let sources: Vec<String> =
        files().into_iter().filter(|path| path.ends_with(".rs") && !path.starts_with(RULES)).collect();
    assert!(sources.len() > 20, "{sources:?}");
    let faults: Vec<String> = sources.iter().flat_map(|path| rule(path, &read(path))).collect();
    assert_none(what, &faults);
}

fn begins_with_its_purpose(path: &str, text: &str) -> Vec<String> {
    let silent = !text.starts_with("//! ");
    Vec::from_iter(silent.then(|| format!("{path}: what is it for, what does it promise, what does it leave out?")))
}

fn spells_no_subject(path: &str, text: &str) -> Vec<String> {
    if path == SUBJECT_FILE {
        return Vec::new();
    }
    lines(text)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| SUBJECTS.iter().any(|subject| line.contains(subject)))
        .map(|(number, line)| format!("{path}:{number}: {}", line.trim()))
        .collect()
}

fn excuses_have_reasons(path: &str, text: &str) -> Vec<String> {
    let starts = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    let found = starts.iter().flat_map(|start| text.match_indices(start));
    found
        .filter(|(at, _)| !text[*at..].split(")]").next().is_some_and(|excuse| excuse.contains("reason =")))
        .map(|(at, start)| format!("{path}:{}: {start}…", text[..at].lines().count().max(1)))
        .collect()
}

fn tests_do_not_sleep(path: &str, text: &str) -> Vec<String> {
    if SLEEPERS.iter().any(|(sleeper, _)| *sleeper == path) {
        return Vec::new();
    }
    let tests = match (path.contains("/tests/") || path.ends_with("/tests.rs"), text.find("#[cfg(test)]\nmod tests {"))
    {
        (true, _) => 0,
        (false, Some(at)) => text[..at].lines().count(),
        (false, None) => return Vec::new(),
    };
    lines(text)
        .skip(tests)
        .filter(|(_, line)| line.contains("sleep(") && !line.trim_start().starts_with("//"))
        .map(|(number, line)| format!("{path}:{number}: {}", line.trim()))
        .collect()
}

fn takes_the_lints(path: &str, text: &str) -> Vec<String> {
    let taken = text.contains("[lints]\nworkspace = true");
    Vec::from_iter((!taken).then(|| format!("{path}: wants `[lints]` with `workspace = true`")))
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[test]
fn the_rules_see_their_faults() {
    assert_eq!(begins_with_its_purpose("a/src/b.rs", "use std::fs;\n").len(), 1);
    assert_eq!(begins_with_its_purpose("a/src/b.rs", "//! For this.\n").len(), 0);

    let spelled = concat!("//! About natter", ".events.\nconst A: &str = \"natter", ".events.>\";\n");
    assert_eq!(spells_no_subject("edge/src/push.rs", spelled).len(), 1);
    assert_eq!(spells_no_subject(SUBJECT_FILE, spelled).len(), 0);

    assert_eq!(excuses_have_reasons("a.rs", "\n#[expect(clippy::a)]\nfn b() {}\n"), ["a.rs:1: #[expect(…"]);
    assert_eq!(excuses_have_reasons("a.rs", "#[expect(clippy::a, reason = \"b\")]\n").len(), 0);

    let asleep =
        "//! A.\nasync fn wait() { sleep(TICK).await }\n#[cfg(test)]\nmod tests {\n    sleep(SECOND).await;\n}\n";
    assert_eq!(tests_do_not_sleep("a/src/b.rs", asleep), ["a/src/b.rs:5: sleep(SECOND).await;"]);
    assert_eq!(tests_do_not_sleep("a/tests/it/b.rs", asleep).len(), 2);

    assert_eq!(takes_the_lints("a/Cargo.toml", "[package]\nname = \"a\"\n").len(), 1);
    assert_eq!(takes_the_lints("a/Cargo.toml", "[lints]\nworkspace = true\n").len(), 0);
}
