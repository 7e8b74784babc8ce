//! What is wrong or doubtful in a config file, each with its key, line and column.

use std::cell::RefCell;
use std::fmt;

use crate::config::At;

/// Something wrong, or doubtful, at one place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key path, such as `timings[0].runs`; empty for the file as a whole.
    pub key: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What was expected, and what stands there.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// What reading found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Notes {
    /// The problems in file order, and the warnings in file order.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let sorted = |cell: RefCell<Vec<Problem>>| {
            let mut list = cell.into_inner();
            list.sort_by_key(|problem| (problem.line, problem.column));
            list
        };
        (sorted(self.problems), sorted(self.warnings))
    }

    /// Notes a problem.
    pub(crate) fn problem(&self, path: &str, at: At, message: String) {
        self.problems.borrow_mut().push(Problem { key: path.to_owned(), line: at.line, column: at.column, message });
    }

    /// Notes a warning.
    pub(crate) fn warn(&self, path: &str, at: At, message: String) {
        self.warnings.borrow_mut().push(Problem { key: path.to_owned(), line: at.line, column: at.column, message });
    }
}
