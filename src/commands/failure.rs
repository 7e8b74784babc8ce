//! Telling why a command failed. Must not decide the exit code; the error knows it.

use serde_json::json;

use crate::commands::{Ctx, uncommitted};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{Around, RefusalView};
use crate::ui::Ui;
use crate::workflow::Missing;

/// Tells the user, as text on standard error and, where JSON was asked for, as JSON on standard output too.
pub fn tell(ui: &Ui, error: &CommandError, json: bool, ctx: Option<&Ctx>) -> Exit {
    match error {
        CommandError::Refused { refusal, change } => {
            let keys = ctx.map(Ctx::keys).unwrap_or_default();
            let lying = ctx.filter(|_| names_paths(&refusal.missing)).map(uncommitted::lying).unwrap_or_default();
            let report = RefusalView::keyed(refusal, change.as_deref(), keys, &Around { lying, given: given() });
            ui.tell(&report.text());
            if json {
                // Failing to print leaves only the exit code, which says it too.
                let _ = ui.answer(&pretty(report.json()));
            }
        }
        CommandError::Trouble { error, hints } => told(ui, &in_words(error), hints, json),
        CommandError::Failed { message, hints } => told(ui, message, hints, json),
        CommandError::ClosedPipe => {}
    }
    error.exit()
}

/// The words of this command; none where one of them cannot be written down again.
fn given() -> Vec<String> {
    let words = std::env::args_os().skip(1).map(|word| word.into_string().ok());
    words.collect::<Option<_>>().unwrap_or_default()
}

/// Whether what lies uncommitted is what the refusal is about.
fn names_paths(missing: &Missing) -> bool {
    matches!(missing, Missing::Dirty { .. } | Missing::CommitsBeforeBaseline { .. })
}

/// The error with its causes; a cause that the text names already is not repeated.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match () {
        () if text.is_empty() => cause,
        () if text.contains(&cause) => text,
        () => format!("{text}: {cause}"),
    })
}

fn told(ui: &Ui, message: &str, hints: &[String], json: bool) {
    ui.error(message);
    for hint in hints {
        ui.tell(&format!("hint: {hint}"));
    }
    if json {
        let _ = ui.answer(&pretty(&json!({ "error": message, "hints": hints })));
    }
}

/// JSON as it is printed.
pub fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
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
