//! The result of a command: exit code, standard output, standard error.

use std::fmt;

use serde_json::Value;

/// The result of one run, normalised.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts that the output contains each text.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "{text:?} is missing in\n{self}");
        }
        self
    }

    /// Asserts that the output contains none of the texts.
    #[track_caller]
    pub(crate) fn never_says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "{text:?} is in\n{self}");
        }
        self
    }

    /// Asserts an error without a panic: exit code 2, an error line with each text, and nothing on standard output.
    #[track_caller]
    pub(crate) fn troubled(self, texts: &[&str]) -> Self {
        assert!(self.stderr.contains("error: "), "{self}");
        assert_eq!(self.stdout, "", "{self}");
        self.exits(2).says(texts).never_says(&["panicked", "RUST_BACKTRACE"])
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{self}"))
    }
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.command)?;
        writeln!(f, "exit {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}
