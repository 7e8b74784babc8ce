//! The rollback note that a promotion leaves: when to go back, how, and how that was tried. Must not decide
//! whether it is time.

use crate::model::{Rehearsal, Trigger};
use crate::report::{Doc, Text, Tone, invocation, markdown};
use crate::workflow::{Change, rollback_text};

/// The rollback action as it can be run: where `git revert` would not go through as it stands, because the commit
/// touches this tool's own files too or is a merge, the command that does the same stands in its place.
pub fn action(change: &Change) -> String {
    let known = rollback_text::known(change);
    let hard = rollback_text::delta(change).is_some_and(|it| it.own_commits().any(|it| it.own_files || it.merge));
    let hard = hard || change.is_squashed();
    match rollback_text::commits(change).as_slice() {
        [sha] if hard => known.replace(&format!("git revert {sha}"), &applied(change)),
        _ => known,
    }
}

/// Has the tool make the reverting commit.
pub fn applied(change: &Change) -> String {
    format!("{} --apply", invocation::with_reason(change.id(), "rollback"))
}

/// The action, and what writes it down where it does not do so itself.
pub fn with_record(change: &Change) -> String {
    let action = action(change);
    if action.contains(&applied(change)) {
        return action;
    }
    format!("{action}\n{}", invocation::with_reason(change.id(), "rollback"))
}

/// The note as markdown.
pub fn note(change: &Change, rehearsal: &Rehearsal) -> String {
    let mut doc = Doc::new();
    doc.heading(1, format!("How to take back: {}", change.opened.title));
    doc.fields(vec![("Change".to_owned(), Text::new().code(change.id().as_str()))]);
    doc.heading(2, "When");
    let mut when = match &change.contract.trigger {
        Some(Trigger::Measured(criterion)) => vec![Text::new().code(criterion.text.as_str()).plain(" holds")],
        Some(Trigger::Words(words)) => vec![Text::from(words.as_str()).plain(" (a person decides)")],
        None => Vec::new(),
    };
    let guardrails = change.contract.guardrails.iter();
    when.extend(guardrails.map(|guardrail| Text::new().code(guardrail.text.as_str()).plain(" is violated")));
    doc.list(when);
    doc.heading(2, "How");
    doc.code(action(change));
    let rest = with_record(change).strip_prefix(&action(change)).unwrap_or_default().trim_start().to_owned();
    let gap = if rest.is_empty() { "" } else { "\n" };
    doc.paragraph("Then, so that the record knows and the baseline's values are measured to be back:");
    doc.code(format!("{rest}{gap}{}", invocation::after(change.id())));
    doc.heading(2, "Tried before it is needed");
    doc.paragraph(tried(change, rehearsal));
    markdown::render(&doc)
}

fn tried(change: &Change, rehearsal: &Rehearsal) -> Text {
    match rehearsal {
        Rehearsal::Applies { .. } if action(change).contains(&applied(change)) => {
            Text::new().mark(Tone::Good, "applies").plain("; this tool's own files stay as they are then")
        }
        Rehearsal::Applies { commits } => {
            let shas: Vec<&str> = commits.iter().map(String::as_str).collect();
            Text::new().mark(Tone::Good, "applies").plain(": ").code(format!("git revert {}", shas.join(" ")))
        }
        Rehearsal::NotApplicable => Text::new()
            .mark(Tone::Quiet, "not tried")
            .plain(": there is no commit to revert; the action above is manual"),
        Rehearsal::Conflicts { paths } => {
            Text::new().mark(Tone::Bad, "conflicts").plain(format!(" in {}", paths.join(", ")))
        }
        Rehearsal::ChecksFail { names } => {
            Text::new().mark(Tone::Bad, "checks fail").plain(format!(" on the result: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_note_says_when_how_and_that_it_was_tried() {
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
