//! The command line, run as a user runs it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::paths;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ran {
    /// What it printed, if it did what it was told.
    pub fn ok(self) -> String {
        assert!(self.code == 0, "{self:#?}");
        self.stdout
    }

    /// The JSON that it printed, if it did what it was told.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("-o json prints one document")
    }

    /// The one line in which it said why not.
    pub fn refusal(&self) -> &str {
        let mut lines = self.stderr.lines();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line,
            _ => unreachable!("a refusal is one line: {self:#?}"),
        }
    }
}

pub(crate) fn run(folder: &Path, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = Command::new(paths::binary());
    command.env_clear().envs(variables.iter().copied()).current_dir(folder).args(args);
    let output = command.output().expect("the binary can be run");
    Ran {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it prints UTF-8"),
    }
}
