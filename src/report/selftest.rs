//! A self-test for people: how often the judgement is wrong, and how often it sees what is there.

use crate::judge::Row;
use crate::report::{Doc, Table, code, values};

/// The whole answer.
pub(crate) fn document(rows: &[Row], min_effect: f64) -> Doc {
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
