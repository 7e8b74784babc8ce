//! Exit codes: public interface, listed in `--help` and the README; a test pins the table.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Yes = 0,
    /// 1: no: refused, failed, regressed, not verified.
    No = 1,
    Trouble = 2,
    /// 3: not yet: inconclusive, or the window is still open.
    NotYet = 3,
}

impl Exit {
    /// Every code with its meaning, for `--help` and the documents.
    pub const TABLE: [(Self, &'static str); 4] = [
        (Self::Yes, "yes: done, or it holds"),
        (Self::No, "no: refused, failed, regressed, or not verified"),
        (Self::Trouble, "trouble: usage, input, or the system"),
        (Self::NotYet, "not yet: inconclusive, or the window is still open"),
    ];

    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
