//! A calibration for people: the floors, and whether the added slowdown was seen.

use crate::judge::{Calibration, Injected};
use crate::report::compare::row::change_mark;
use crate::report::{Align, Doc, Table, Text, values};

/// Whether the whole interval lies above what was added.
fn showed_more(injected: &Injected) -> bool {
    injected.seen.finding().is_some_and(|finding| finding.estimate.low > injected.share)
}

/// The whole answer.
pub fn document(found: &Calibration) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, "Calibration");
    let mut floors = Table::new([("Metric", Align::Left), ("Pairs", Align::Right), ("Noise floor", Align::Right)]);
    for command in &found.commands {
        for (metric, floor) in &command.floors {
            floors.row([
                Text::new().code(metric.as_str()),
                command.pairs.to_string().into(),
                values::plain_share(*floor).into(),
            ]);
        }
    }
    doc.table(floors);
    let mut apart = Table::new([("Metric", Align::Left), ("Sessions", Align::Right), ("Lie apart", Align::Right)]);
    for command in &found.commands {
        for (metric, floor) in &command.session_floors {
            apart.row([
                Text::new().code(metric.as_str()),
                command.sessions.to_string().into(),
                values::plain_share(*floor).into(),
            ]);
        }
    }
    if !apart.rows.is_empty() {
        doc.table(apart);
    }
    let mut injected = Table::new([
        ("Command", Align::Left),
        ("Added", Align::Right),
        ("Decided by", Align::Left),
        ("Seen", Align::Right),
        ("Verdict", Align::Left),
    ]);
    for command in &found.commands {
        let Some(it) = &command.injected else { continue };
        let (tone, word) = change_mark(&it.seen);
        let seen = it.seen.finding().map(|finding| values::share_estimate(&finding.estimate));
        injected.row([
            Text::new().code(command.name.as_str()),
            values::share(it.share).into(),
            Text::new().code(it.metric.as_str()),
            seen.unwrap_or_else(|| "–".to_owned()).into(),
            Text::new().mark(tone, word).plain(if showed_more(it) { ": more than was added" } else { "" }),
        ]);
    }
    doc.table(injected);
    doc.paragraph(
        "No change below a command's noise floor is called one on this machine. The added slowdown is this tool's own \
         work, run after the command in one arm; starting it costs both arms the same, so less than was added may show; more shows where other work on the \
         machine slows what was added, too.",
    );
    doc
}
