//! Telling why a command failed. Must not decide the exit code; the error knows it.

use serde_json::json;

use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::refusal;
use crate::ui::Ui;

/// Tells the user, as text on standard error and, where JSON was asked for, as JSON on standard output too.
pub fn tell(ui: &Ui, error: &CommandError, json: bool) -> Exit {
    match error {
        CommandError::Refused { refusal, change } => {
            ui.tell(&refusal::text(refusal, change.as_ref()));
            if json {
                // Failing to print leaves only the exit code, which says it too.
                let _ = ui.answer(&pretty(&refusal::json(refusal, change.as_ref())));
            }
        }
        CommandError::Trouble { error, hints } => {
            ui.error(&format!("{error:#}"));
            for hint in hints {
                ui.tell(&format!("hint: {hint}"));
            }
            if json {
                let _ = ui.answer(&pretty(&json!({ "error": format!("{error:#}"), "hints": hints })));
            }
        }
        CommandError::ClosedPipe => {}
    }
    error.exit()
}

/// JSON as it is printed.
pub fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}
