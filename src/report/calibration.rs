//! What the tool knows of its own measuring: a calibration with its noise floors and whether the added slowdown was seen,
//! and a self-test.

use crate::judge::{Calibration, Injected, Row};
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

/// How often the judgement is wrong, and how often it sees what is there.
pub(crate) fn selftest(rows: &[Row], min_effect: f64) -> Doc {
    let titles = [
        "Metric",
        "True change",
        "Trials",
        "Says slower",
        "Says faster",
        "Says no difference",
        "Undecided",
        "Changed, any size",
        "Error of 9 in 10",
    ];
    let mut table = Table::new("lrrrrrrrr", titles);
    for row in rows {
        let tally = &row.tally;
        let part = |n: u32| values::plain_share(f64::from(n) / f64::from(tally.trials.max(1))).into();
        table.row([
            code(row.metric.as_str()),
            values::share(row.slowdown).into(),
            tally.trials.to_string().into(),
            part(tally.slower),
            part(tally.faster),
            part(tally.same),
            part(tally.open),
            values::plain_share(row.without_min_effect.share_changed()).into(),
            row.error_90.map(values::plain_share).into(),
        ]);
    }
    let mut doc = Doc::new();
    doc.heading(1, "Self-test");
    doc.table(table);
    doc.paragraph(format!(
        "A true change of 0 % is the program against itself: there, \"slower\" and \"faster\" are false alarms. With the \
         minimum effect of {} unless said otherwise; such an alarm is to come in at most 5 % of trials, and the exit code is \
         1 where they are more than chance explains or a verdict has the wrong direction. Each trial ends at the first \
         planned look that settles it.",
        values::plain_share(min_effect)
    ));
    doc
}
