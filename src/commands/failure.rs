//! Telling why a command failed. Must not decide the exit code; the error knows it.

use serde_json::json;

use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::invocation::Keys;
use crate::report::refusal::RefusalView;
use crate::ui::Ui;

/// Tells the user, as text on standard error and, where JSON was asked for, as JSON on standard output too. `keys` is
/// what the project has of its own in commands.
pub fn tell(ui: &Ui, error: &CommandError, json: bool, keys: Option<Keys<'_>>) -> Exit {
    match error {
        CommandError::Refused { refusal, change } => {
            let report = RefusalView::keyed(refusal, change.as_deref(), keys.unwrap_or_default());
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
