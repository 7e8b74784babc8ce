//! Whether the validation's file says what the record says of it. Must not read files; the caller hands over its bytes.

use serde::Deserialize;

use crate::model::{ChangeId, Check, CheckKind, Revision, Validation};
use crate::workflow::Change;

/// What of the file the record repeats.
#[derive(Deserialize)]
struct File {
    change_id: ChangeId,
    revision: Revision,
    checks: Vec<Check>,
}

/// What is wrong with the file of the validation that stands.
pub(crate) fn problem(change: &Change, validation: &Validation, bytes: &[u8]) -> Option<String> {
    let path = &validation.artifact.path;
    let file: File = match serde_json::from_slice(bytes) {
        Ok(file) => file,
        Err(error) => return Some(format!("{path}: {error}")),
    };
    let not_said = |what: &str| Some(format!("{path}: its {what} is not what the record says"));
    if file.change_id != *change.id() {
        return not_said("change id");
    }
    if file.revision != validation.revision {
        return not_said("revision");
    }
    if !said(&file.checks).eq(said(&validation.checks)) {
        return not_said("outcome");
    }
    None
}

/// How long a check took is no part of its outcome.
fn said(checks: &[Check]) -> impl Iterator<Item = (&str, CheckKind, bool, &str)> {
    checks.iter().map(|check| (check.name.as_str(), check.kind, check.passed, check.what.as_str()))
}
