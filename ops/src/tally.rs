//! Adds up what `cargo test` says of each test binary: it prints a summary per binary and none for all.

use std::io::Write;
use std::process::ExitStatus;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

#[derive(Default, Debug, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Passes a command's output on, line by line as it comes, and adds it up.
pub async fn copy(output: impl AsyncRead + Unpin, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        tally.add(&String::from_utf8_lossy(&line));
        // A reader that went away is no reason to stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        line.clear();
    }
    tally
}

impl Tally {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// The closing lines. A binary that crashes or does not build leaves no summary: then the exit code is all there is
    /// to say.
    pub fn print(&self, status: ExitStatus) {
        println!();
        if self.ignored > 0 {
            println!("{} ignored", self.ignored);
        }
        if !status.success() && self.failed == 0 {
            println!("cargo test failed without a failed test ({status}): see above");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_of_all_binaries_are_added_up() {
        let output: &[u8] = b"running 3 tests\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s\n\
            test a ... ok\ntest result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.2s\n";
        let mut copied = Vec::new();
        assert_eq!(copy(output, &mut copied).await, Tally { passed: 7, failed: 2, ignored: 1 });
        assert_eq!(copied, output);
    }
}
