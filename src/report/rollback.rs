//! The rollback note of a promotion: when to roll back, how, and the result of the rehearsal.

use crate::model::{Rehearsal, fix};
use crate::report::{Doc, Text, Tone, code, mark, markdown, show};
use crate::workflow::{Change, demand_fixes};

/// The rollback action as a command that works: if a plain `git revert` would fail or revert too much, because the
/// commit is a merge, was squashed, or touches this tool's own files, this tool's command replaces it.
pub(crate) fn action(change: &Change) -> String {
    let known = change.known_rollback();
    let hard = change.newest_delta().is_some_and(|it| it.own_commits().any(|it| it.own_files || it.merge));
    match change.commits_to_revert().as_slice() {
        [sha] if hard || change.is_squashed() => {
            known.replace(&format!("git revert {sha}"), &demand_fixes::revert(change).to_string())
        }
        _ => known,
    }
}

/// The command that records the rollback, if the action itself does not.
fn then_recorded(change: &Change) -> Option<String> {
    let id = change.id();
    (!action(change).contains(&demand_fixes::revert(change).to_string()))
        .then(|| fix::with_reason(id, "rollback").to_string())
}

pub(crate) fn with_record(change: &Change) -> String {
    [Some(action(change)), then_recorded(change)].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

pub(crate) fn note(change: &Change, rehearsal: &Rehearsal) -> String {
    let mut doc = Doc::new();
    doc.heading(1, format!("How to take back: {}", change.opened.title));
    doc.field("Change", code(change.id().as_str()));
    doc.heading(2, "When");
    let trigger = change.contract.trigger.iter().map(|it| show::trigger(it, " holds"));
    let guardrails = change.contract.guardrails.iter();
    let guardrails = guardrails.map(|guardrail| code(guardrail.text.as_str()).plain(" is violated"));
    doc.list(trigger.chain(guardrails));
    doc.heading(2, "How");
    doc.code(action(change));
    doc.paragraph("Then, so that the record knows and the baseline's values are measured to be back:");
    let rest: Vec<String> = then_recorded(change).into_iter().chain([fix::after(change.id()).to_string()]).collect();
    doc.code(rest.join("\n"));
    doc.heading(2, "Tried before it is needed");
    doc.paragraph(tried(change, rehearsal));
    markdown::render(&doc)
}

fn tried(change: &Change, rehearsal: &Rehearsal) -> Text {
    match rehearsal {
        Rehearsal::Applies { .. } if then_recorded(change).is_none() => {
            mark(Tone::Good, "applies").plain("; this tool's own files stay as they are then")
        }
        Rehearsal::Applies { commits } => {
            let shas: Vec<&str> = commits.iter().map(String::as_str).collect();
            mark(Tone::Good, "applies").plain(": ").code(format!("git revert {}", shas.join(" ")))
        }
        Rehearsal::NotApplicable => {
            mark(Tone::Quiet, "not tried").plain(": there is no commit to revert; the action above is manual")
        }
        Rehearsal::Conflicts { paths } => mark(Tone::Bad, "conflicts").plain(format!(" in {}", paths.join(", "))),
        Rehearsal::ChecksFail { names } => {
            mark(Tone::Bad, "checks fail").plain(format!(" on the result: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_note_says_when_and_how_to_roll_back_and_the_rehearsals_result() {
        let rehearsal = Rehearsal::Applies { commits: vec!["b".repeat(40)] };
        insta::assert_snapshot!(note(&fixture::passed(5), &rehearsal), @r#"
        # How to take back: Shorten the advisory cooldown

        - **Change:** `chg-1`

        ## When

        - `timing.tests.wall > +10%` holds
        - `size.lib <= 40MiB` is violated

        ## How

        ```text
        git revert bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        ```

        Then, so that the record knows and the baseline's values are measured to be back:

        ```text
        vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        vibeship-optimizer snapshot --label after --change-id chg-1 --as after
        ```

        ## Tried before it is needed

        ✓ **applies**: `git revert bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`
        "#);
    }
}
