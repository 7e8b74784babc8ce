//! Why a commit hook refuses a message, in words, with the exact way on. Must not decide.

use crate::audit::message::Objection;
use crate::report::findings::words;
use crate::report::invocation;
use crate::report::invocation::PROGRAM;
use crate::report::refusal::message;
use crate::report::visible::visible_line;

/// Several lines, without a line end at the end.
pub fn text(objection: &Objection, key: &str) -> String {
    let (what, ways) = match objection {
        Objection::NoText => ("the message is empty but for its trailer".to_owned(), Vec::new()),
        Objection::NoId { active: Some(id) } => (
            "the commit names no change".to_owned(),
            vec![
                format!("git commit --trailer \"{key}: {id}\" ...  # it belongs to the open change"),
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"  # it is another one"),
            ],
        ),
        Objection::NoId { active: None } => (
            "the commit names no change, and none is open".to_owned(),
            vec![
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\""),
                format!("{PROGRAM} route  # says where a change belongs, and what it owes"),
            ],
        ),
        Objection::Several { ids } => {
            (format!("the commit names {} changes: {}; one change, one commit", ids.len(), ids.join(", ")), Vec::new())
        }
        Objection::Malformed { value } => {
            (format!("{value:?} is no change id"), vec![format!("{PROGRAM} change list  # shows the ids")])
        }
        Objection::Unknown { id, nearest } => {
            let hint = nearest.as_ref().map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            (format!("there is no change {id} here{hint}"), vec![format!("{PROGRAM} change list")])
        }
        Objection::Unreadable { id, problem } => {
            (format!("the record of {id} cannot be trusted: {problem}"), vec![format!("{PROGRAM} check")])
        }
        Objection::Ended { id, end } => (
            format!("the change {id} has ended ({})", end.replace('_', " ")),
            vec![format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"")],
        ),
        Objection::TooEarly { id, missing } => (
            format!("the change {id} has not passed {} yet", message::gate_name(*missing)),
            vec![
                "git stash  # so that what is measured is the code before the change".to_owned(),
                invocation::gate(id, *missing),
                "git stash pop".to_owned(),
            ],
        ),
        Objection::SecondCommit { id, first } => (
            format!("the change {id} has its one commit already: {}", words::short(first)),
            vec![
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"  # the next change"),
                format!("git commit --fixup {}  # if it belongs into that commit", words::short(first)),
            ],
        ),
    };
    let mut lines = vec![format!("commit refused: {}", visible_line(&what))];
    lines.extend(ways.iter().enumerate().map(|(number, way)| {
        let label = if number == 0 { "next:" } else { "     " };
        format!("{label} {way}")
    }));
    lines.join("\n")
}
