//! Why a commit hook refuses a message, in words, with the exact way on. Must not decide.

use crate::audit::Objection;
use crate::model::{ChangeId, Gate};
use crate::report::Uncommitted;
use crate::report::findings::words;
use crate::report::invocation::{self, PROGRAM};
use crate::report::refusal::message;
use crate::report::visible::visible_line;

/// The commit once more, with an id: what was staged still is.
fn commit(key: &str, id: impl std::fmt::Display) -> String {
    format!("git commit -m \"WHAT CHANGED\" --trailer \"{key}: {id}\"")
}

/// Several lines, without a line end at the end. Of `lying` the project's place is enough. `hidden` stages the records,
/// where a program keeps what is not staged from this one.
pub fn text(objection: &Objection, key: &str, lying: &Uncommitted, hidden: Option<&str>) -> String {
    let (what, mut ways) = said(objection, key, lying);
    let mut more = if matches!(objection, Objection::TooEarly { .. }) { "then:" } else { "or:  " };
    if let Some(stage) = hidden.filter(|_| rests_on_the_record(objection)) {
        // What advises to stash would take away what was hidden already.
        if let Objection::TooEarly { id, missing } = objection {
            ways = vec![format!("{}  # where that changes nothing", invocation::gate(id, *missing))];
        }
        more = "or:  ";
        ways.insert(
            0,
            format!("{stage}  # stage the record first: what is not staged is hidden from hooks; then commit again"),
        );
    }
    let mut lines = vec![format!("commit refused: {}", visible_line(&what))];
    lines.extend(ways.iter().enumerate().map(|(number, way)| {
        let label = if number == 0 { "next:" } else { more };
        format!("{label} {way}")
    }));
    lines.join("\n")
}

/// Whether another version of the record could say otherwise.
fn rests_on_the_record(objection: &Objection) -> bool {
    let early = matches!(objection, Objection::TooEarly { .. } | Objection::Unknown { .. });
    early || matches!(objection, Objection::NoId { active: None, .. })
}

/// What is wrong, and the ways on.
fn said(objection: &Objection, key: &str, lying: &Uncommitted) -> (String, Vec<String>) {
    match objection {
        Objection::NoText => ("the message is empty but for its trailer".to_owned(), Vec::new()),
        Objection::NoId { active: Some(id), .. } => (
            "the commit names no change".to_owned(),
            vec![
                format!("{}  # it belongs to the open change", commit(key, id)),
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"  # it is another one"),
            ],
        ),
        Objection::NoId { active: None, open, waiting } if !open.is_empty() => several_open(key, open, *waiting),
        Objection::NoId { active: None, .. } => (
            "the commit names no change, and none is open".to_owned(),
            vec![
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\""),
                format!("{PROGRAM} route  # says where a change belongs, and what it owes"),
            ],
        ),
        Objection::Several { ids } => {
            let way = ids.first().map(|id| format!("{}  # with the one that it belongs to", commit(key, id)));
            let what = format!("the commit names {} changes: {}; one change, one commit", ids.len(), ids.join(", "));
            (what, way.into_iter().collect())
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
            too_early(key, id, *missing, lying),
        ),
        Objection::SecondCommit { id, first } => (
            format!("the change {id} has its one commit already: {}", words::short(first)),
            vec![
                format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"  # the next change"),
                format!("git commit --fixup {}  # if it belongs into that commit", words::short(first)),
            ],
        ),
    }
}

fn several_open(key: &str, open: &[ChangeId], waiting: bool) -> (String, Vec<String>) {
    let names: Vec<&str> = open.iter().map(ChangeId::as_str).collect();
    let names = names.join(", ");
    if !waiting {
        let what = format!("the commit names no change, and what is open has its one commit already: {names}");
        return (what, vec![format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\"  # the next change")]);
    }
    let use_it = open.first().map(|id| format!("{PROGRAM} change use {id}  # and commit again; or another of them"));
    let ways = use_it.into_iter().chain([
        format!("{}  # this once, with the one that it belongs to", commit(key, "CHANGE-ID")),
        format!("{PROGRAM} change start --title \"SHORT HYPOTHESIS\" --parallel  # it is another one"),
    ]);
    (format!("the commit names no change, and several are open: {names}"), ways.collect())
}

fn too_early(key: &str, id: &ChangeId, missing: Gate, lying: &Uncommitted) -> Vec<String> {
    let pass = invocation::gate(id, missing);
    if missing != Gate::Baseline {
        return vec![pass];
    }
    // Each by itself: a chain that stops would leave the work in the stash, and nobody told.
    vec![
        format!("{}  # what is measured is the code before the change", lying.stash()),
        pass,
        format!("git stash pop && git add -A && {}", commit(key, id)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_on_is_one_line_that_can_be_copied_whole() {
        let id = || "chg-1".parse::<crate::model::ChangeId>().unwrap();
        let objections = [
            Objection::NoId { active: Some(id()), open: Vec::new(), waiting: false },
            Objection::NoId { active: None, open: Vec::new(), waiting: false },
            Objection::Several { ids: vec!["chg-1".to_owned(), "chg-2".to_owned()] },
            Objection::TooEarly { id: id(), missing: Gate::Baseline },
            Objection::TooEarly { id: id(), missing: Gate::Contract },
            Objection::SecondCommit { id: id(), first: "a".repeat(40) },
            Objection::NoId { active: None, open: vec![id(), id()], waiting: true },
            Objection::NoId { active: None, open: vec![id()], waiting: false },
        ];
        let all: Vec<String> =
            objections.iter().map(|objection| text(objection, "Tuning", &Uncommitted::default(), None)).collect();
        for line in all.iter().flat_map(|text| text.lines().skip(1)) {
            let command = ["next: ", "then: ", "or:   "].iter().find_map(|label| line.strip_prefix(label)).unwrap();
            assert!(command.starts_with("git ") || command.starts_with(PROGRAM), "{line}");
            assert!(!command.contains("..."), "{line}");
        }
        assert!(all[0].contains("git commit -m \"WHAT CHANGED\" --trailer \"Tuning: chg-1\""), "{}", all[0]);
        assert!(
            all[3].contains("next: git stash push -u -- ") && all[3].contains("then: git stash pop && "),
            "{}",
            all[3]
        );
    }
}
