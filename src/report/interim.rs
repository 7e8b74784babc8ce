//! Plain documents for answers whose own files are being written. Must not outlive them.

use crate::change::facts::Check;
use crate::change::next::Step;
use crate::change::state::Change;
use crate::change::view;
use crate::change::window::Demand;
use crate::evidence::compare::Comparison;
use crate::report::logbook;
use crate::report::markup::Doc;
use crate::report::step::StepView;

/// The comparison.
pub fn compare(comparison: &Comparison, _change: Option<&Change>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, "Comparison");
    doc.code(serde_json::to_string_pretty(comparison).unwrap_or_default());
    doc
}

/// A change.
pub fn show(change: &Change) -> Doc {
    logbook::document(change)
}

/// A contract.
pub fn contract(change: &Change) -> Doc {
    let mut doc = Doc::new();
    doc.code(serde_json::to_string_pretty(&change.contract).unwrap_or_default());
    doc
}

/// All changes, as the original's JSON entries.
pub fn list(entries: &[serde_json::Value]) -> Doc {
    let mut doc = Doc::new();
    doc.code(entries.iter().map(|e| format!("{} {}", e["change_id"], e["status"])).collect::<Vec<_>>().join("\n"));
    doc
}

/// Where the changes stand.
pub fn status(active: Option<(&Change, &Step)>, others: &[(&Change, Step)]) -> Doc {
    let mut doc = Doc::new();
    for (change, step) in active.into_iter().chain(others.iter().map(|(change, step)| (*change, step))) {
        doc.paragraph(format!("{} {}", change.id(), view::status(change)));
        doc.code(StepView::new(change, step).lines());
    }
    doc
}

/// A validation.
pub fn validation(_change: &Change, checks: &[Check]) -> Doc {
    let mut doc = Doc::new();
    doc.code(checks.iter().map(|c| format!("{} {}", c.name, c.passed)).collect::<Vec<_>>().join("\n"));
    doc
}

/// The demands of verification.
pub fn verify(_change: &Change, demands: &[Demand], _applied: Option<bool>) -> Doc {
    let mut doc = Doc::new();
    doc.code(demands.iter().map(|d| format!("{} {:?}", d.met, d.kind)).collect::<Vec<_>>().join("\n"));
    doc
}
