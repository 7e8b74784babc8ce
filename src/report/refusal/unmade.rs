//! The commands that help where the change itself is missing: nothing was made, or nothing of this project. Must not
//! repeat what is missing.

use crate::model::Class;
use crate::report::Hint;
use crate::report::invocation::{self, PROGRAM};
use crate::workflow::{Change, Missing, Refusal};

/// What to run.
pub(crate) fn hints(refusal: &Refusal, change: &Change) -> Vec<Hint> {
    let id = change.id();
    let again = invocation::gate(id, refusal.gate);
    match refusal.missing {
        Missing::OnlyOutside { .. } => vec![
            Hint::to("open it in the project that holds these files instead", invocation::with_reason(id, "reject")),
            Hint::to("or make the change in this project", invocation::commit(id)),
        ],
        Missing::CodeBeside { .. } => vec![
            Hint::to("take the code out of the commit (`git commit --amend`), then", again),
            Hint::to(
                "or drop it and open it anew with `--class code`, which tests it",
                invocation::with_reason(id, "reject"),
            ),
            Hint::to(
                "or, where a file holds knobs alone, name it in surfaces.tuneables",
                format!("{PROGRAM} route --hierarchy"),
            ),
        ],
        _ if change.is_outside_git() => vec![Hint::to("make the one change, then", again)],
        _ if change.opened.class == Class::Tuneable => vec![
            Hint::to("set the tuneable to its new value, then", again),
            Hint::to("or, where git has its file, commit it first", invocation::commit(id)),
        ],
        _ => vec![Hint::to("make the one change, then commit it", invocation::commit(id)), Hint::to("then", again)],
    }
}
