//! Why runs of a pair failed, in words, and in which arm. Must not judge.

use crate::measure::command;
use crate::measure::pair::Side;
use crate::os::{Ended, Finished};

/// The end of what a run wrote to standard error; how it ended where it wrote nothing.
pub(crate) fn failed(finished: &Finished) -> String {
    match (command::error_tail(finished), finished.ended) {
        (said, Ended::Code(code)) if said.is_empty() => format!("exit code {code}"),
        (said, _) => said,
    }
}

/// Adds an arm's reason. Both arms may fail: neither's takes the place of the other's.
pub(crate) fn blame(error: &mut Option<String>, side: Side, why: &str) {
    let why = format!("{}: {why}", side.name());
    *error = Some(error.take().map_or_else(|| why.clone(), |first| format!("{first}; {why}")));
}
