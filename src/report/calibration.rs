//! A calibration for people: the floors, and whether the added slowdown was seen.

use crate::judge::{Calibration, Injected};
use crate::report::{Doc, Table, code, metric, values};

/// Whether the whole interval lies above what was added.
fn showed_more(injected: &Injected) -> bool {
    injected.seen.finding().is_some_and(|finding| finding.estimate.low > injected.share)
}

/// The whole answer.
pub(crate) fn document(found: &Calibration) -> Doc {
    let mut floors = Table::new("lrr", ["Metric", "Pairs", "Noise floor"]);
    let mut apart = Table::new("lrr", ["Metric", "Sessions", "Differ by"]);
    let mut injected = Table::new("lrlrl", ["Command", "Added", "Decided by", "Seen", "Verdict"]);
    for command in &found.commands {
        let pairs = || command.pairs.to_string().into();
        for (metric, floor) in &command.floors {
            floors.row([code(metric.as_str()), pairs(), values::plain_share(*floor).into()]);
        }
        for (metric, floor) in &command.session_floors {
            let sessions = command.sessions.to_string().into();
            apart.row([code(metric.as_str()), sessions, values::plain_share(*floor).into()]);
        }
        if let Some(it) = &command.injected {
            injected.row([
                code(command.name.as_str()),
                values::share(it.share).into(),
                code(it.metric.as_str()),
                it.seen.finding().map(|finding| values::share_estimate(&finding.estimate)).into(),
                metric::change_mark(&it.seen).plain(if showed_more(it) { ": more than was added" } else { "" }),
            ]);
        }
    }
    let mut doc = Doc::new();
    doc.heading(1, "Calibration");
    doc.table(floors);
    doc.table(apart);
    doc.table(injected);
    doc.paragraph(
        "On this machine no difference below a command's noise floor counts as a change. The added slowdown is this tool's own \
         work, run after the command on one side; starting it costs both sides the same, so less than was added may \
         show; more shows where other work on the machine slows what was added, too.",
    );
    doc
}
