//! The rules of the house that a compiler does not know, as tests. Each rule is a function on text or names, so that
//! beside it stands a test that shows it failing: a rule that cannot fail is none.
//!
//! What clippy checks (no `unwrap` outside tests, no clock, no random ids) is not repeated here.

mod dependencies;
mod documents;
mod imports;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Top of the workspace.
fn root() -> PathBuf {
    let ops = Path::new(env!("CARGO_MANIFEST_DIR"));
    ops.parent().expect("ops lies in the workspace").to_owned()
}

/// What git keeps or would keep, relative to the top: new files count before they are added.
fn files() -> Vec<String> {
    // safe.directory: tests also run as another user than the one who cloned.
    let git = ["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = output("git", &git);
    listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// What cargo says, of what is there already: no network.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    output(&cargo, arguments)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().expect("a program of every build");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// All faults at once: who mends them wants the whole list.
fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}\n  {}", faults.join("\n  "));
}
