//! A self-test for people: how often the judgement is wrong, and how often it sees what is there.

use crate::judge::{Row, Tally};
use crate::report::{Align, Doc, Table, Text, values};

/// The whole answer.
pub fn document(rows: &[Row], min_effect: f64) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, "Self-test");
    let mut table = Table::new([
        ("Metric", Align::Left),
        ("True change", Align::Right),
        ("Trials", Align::Right),
        ("Says slower", Align::Right),
        ("Says faster", Align::Right),
        ("Says no difference", Align::Right),
        ("Undecided", Align::Right),
        ("Changed, any size", Align::Right),
        ("Error of 9 in 10", Align::Right),
    ]);
    for row in rows {
        let part = |n: u32, tally: &Tally| values::plain_share(f64::from(n) / f64::from(tally.trials.max(1)));
        table.row([
            Text::new().code(row.metric.as_str()),
            values::share(row.slowdown).into(),
            row.tally.trials.to_string().into(),
            part(row.tally.slower, &row.tally).into(),
            part(row.tally.faster, &row.tally).into(),
            part(row.tally.same, &row.tally).into(),
            part(row.tally.open, &row.tally).into(),
            values::plain_share(row.without_min_effect.share_changed()).into(),
            row.error_90.map_or_else(|| "–".to_owned(), values::plain_share).into(),
        ]);
    }
    doc.table(table);
    doc.paragraph(format!(
        "A true change of 0 % is the program against itself: there, \"slower\" and \"faster\" are false alarms. With the \
         minimum effect of {} unless said otherwise; such an alarm is to come in at most 5 % of trials, and the exit code is \
         1 where they are more than chance explains or a verdict has the wrong direction. Each trial ends at the first planned look that settles it.",
        values::plain_share(min_effect)
    ));
    doc
}
