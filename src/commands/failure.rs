//! Tells why a command failed; the error knows the exit code.

use serde_json::json;

use crate::commands::{Ctx, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::Fix;
use crate::report::problem;
use crate::ui::Ui;
use crate::workflow::Reason;

/// Tells the user, as text on standard error and, where JSON was asked for, as JSON on standard output too.
pub(crate) fn tell(ui: &Ui, error: &CommandError, json: bool, ctx: Option<&Ctx>) -> Exit {
    match error {
        CommandError::Refused { refusal, change, proposed } => {
            let mut fixes = ctx.map(Ctx::fix_context).unwrap_or_default();
            fixes.proposed = (**proposed).clone();
            if names_paths(&refusal.missing) {
                fixes.uncommitted = ctx.map(uncommitted::paths).unwrap_or_default();
            }
            let refused = problem::refused(refusal, change.as_deref(), &fixes);
            ui.tell(&problem::refusal_text(&refused));
            if json {
                // Failing to print leaves only the exit code, which says it too.
                let _ = ui.answer(&format!("{:#}", problem::refusal_json(refusal, &refused)));
            }
        }
        CommandError::Trouble { error, hints, fixes } => told(ui, &in_words(error), hints, fixes, json),
        CommandError::Failed { message, hints, fixes } => told(ui, message, hints, fixes, json),
        CommandError::ClosedPipe => {}
    }
    error.exit()
}

fn names_paths(reason: &Reason) -> bool {
    matches!(reason, Reason::Dirty { .. } | Reason::CommitsBeforeBaseline { .. } | Reason::NotAsCommitted { .. })
}

/// The error with its causes; a cause that the text names already is not repeated.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match () {
        () if text.is_empty() => cause,
        () if text.contains(&cause) => text,
        () => format!("{text}: {cause}"),
    })
}

fn told(ui: &Ui, message: &str, hints: &[String], fixes: &[Fix], json: bool) {
    ui.error(message);
    for hint in hints {
        ui.tell(&format!("hint: {hint}"));
    }
    for line in problem::lines(fixes) {
        ui.tell(&line);
    }
    if json {
        let commands: Vec<_> = fixes.iter().filter_map(Fix::command).collect();
        let answer = json!({ "error": message, "hints": hints, "next": commands, "fixes": fixes });
        let _ = ui.answer(&format!("{answer:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("cannot save");
        assert_eq!(in_words(&error), "cannot save: cannot write x: disk full");
    }
}
