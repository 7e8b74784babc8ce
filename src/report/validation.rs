//! The outcome of a validation: each check, what failed and why, and how to go back.

use crate::model::{Check, Unit};
use crate::report::{Doc, Table, code, rollback, show, values};
use crate::workflow::Change;

/// The checks of a validation of `change`, as it is after the validation was recorded.
pub(crate) fn document(change: &Change, checks: &[Check]) -> Doc {
    let mut doc = Doc::new();
    doc.heading(2, format!("Validation of {}", change.opened.title));
    let mut table = Table::new("llrl", ["Check", "Result", "Time", "Ran"]);
    for check in checks {
        table.row([
            code(check.name.as_str()),
            show::passed(check.passed),
            values::quantity(check.seconds, &Unit::seconds()).into(),
            code(check.what.as_str()),
        ]);
    }
    doc.table_or(table, "No check is configured; the delta alone was looked at.");
    let mut failed = checks.iter().filter(|check| !check.passed).peekable();
    if failed.peek().is_none() {
        return doc;
    }
    for check in failed {
        doc.heading(3, code(check.name.as_str()).plain(" failed"));
        doc.code(check.failure.as_deref().unwrap_or("no output was kept"));
    }
    if change.is_open() {
        doc.paragraph("The change stays open: fix it and validate again.");
    } else {
        doc.paragraph("The change is rejected. To take it back:");
        doc.code(rollback::with_record(change));
    }
    doc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckKind, Delta, DeltaCommit, Kind};
    use crate::report::{Terminal, fixture, terminal};

    #[test]
    fn a_failed_check_shows_its_output_and_the_way_back() {
        let check = |name: &str, failure: Option<&str>| Check {
            name: name.to_owned(),
            kind: CheckKind::Test,
            passed: failure.is_none(),
            what: "cargo test".to_owned(),
            seconds: 12.345,
            failure: failure.map(str::to_owned),
            first_failure: None,
        };
        let checks = vec![check("test", Some("exit code 101\nassertion failed\u{1b}[0m")), check("smoke:health", None)];
        let mut change = fixture::passed(2);
        let artifact = fixture::artifact("validation.json");
        let commit = DeltaCommit {
            sha: "b".repeat(40),
            subject: "x".to_owned(),
            change_ids: Vec::new(),
            evidence_only: false,
            merge: false,
            own_files: false,
        };
        let delta = Delta { commits: vec![commit], ..Delta::default() };
        let failed = Kind::ValidationFailed { delta, checks: checks.clone(), artifact, rejects: true };
        change.record(failed, None, fixture::at(2, 9));
        insta::assert_snapshot!(terminal::render(&document(&change, &checks), Terminal::plain()), @r#"
        Validation of Shorten the advisory cooldown

        Check         Result       Time  Ran
        test          ✗ failed  12.35 s  cargo test
        smoke:health  ✓ passed  12.35 s  cargo test

        test failed

            exit code 101
            assertion failed\u{1b}[0m

        The change is rejected. To take it back:

            git revert bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
            vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        "#);
    }
}
