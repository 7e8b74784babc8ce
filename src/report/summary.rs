//! All changes in short, for a pull request or a terminal: what the page shows, without its pictures.

use chrono::{DateTime, Utc};

use crate::report::pipeline::Day;
use crate::report::visible::visible_line;
use crate::report::{
    Doc, Entry, Page, StepView, Table, Text, Tone, code, logbook, mark, page, pipeline, problem, values, verdict,
};
use crate::workflow::Change;

/// A table of all changes, then each one that needs somebody, with its gates, verdicts and next command.
pub(crate) fn document(page: &Page<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("{}: changes", page.project));
    doc.paragraph(format!("As of {}.", values::moment(page.now)));
    doc.list(page.problems.iter().map(|it| mark(Tone::Bad, it.as_str())));
    let mut table = Table::new("lllll", ["Change", "Title", "State", "Verdict", "Days"]);
    for Entry { change, .. } in &page.entries {
        let outcome = change.comparison.as_ref().map(|comparison| comparison.verdicts.overall());
        table.row([
            code(change.id().as_str()),
            visible_line(&change.opened.title).into(),
            logbook::status_mark(change),
            outcome.map_or_else(Text::new, |outcome| mark(outcome.into(), verdict::word(outcome))),
            measured_days(change, page.now),
        ]);
    }
    doc.table_or(table, "There is no change yet.");
    for entry in page.entries.iter().filter(|entry| entry.is_unfinished() || !entry.faults.is_empty()) {
        one(&mut doc, entry);
    }
    doc
}

fn measured_days(change: &Change, now: DateTime<Utc>) -> Text {
    let days = pipeline::days(change, now);
    if days.is_empty() {
        return Text::new();
    }
    let of = |wanted: Day| days.iter().filter(|(_, day)| *day == wanted).count();
    let (measured, alarms, missed) = (of(Day::Measured), of(Day::Alarm), of(Day::Missed));
    let text = Text::from(format!("{} measured", measured + alarms));
    let text = if missed > 0 { text.plain(format!(", {missed} missed")) } else { text };
    if alarms > 0 { text.plain(", ").mark(Tone::Bad, format!("{alarms} with an alarm")) } else { text }
}

fn one(doc: &mut Doc, entry: &Entry<'_>) {
    let change = entry.change;
    doc.heading(2, change.opened.title.as_str());
    doc.field("Change", code(change.id().as_str()).plain(format!(", {}", page::state(change))));
    doc.field("Gates", pipeline::line(change));
    if let Some(comparison) = &change.comparison {
        doc.table(verdict::table(verdict::rows(&comparison.verdicts)));
    }
    faults(doc, entry);
    next(doc, entry);
}

/// Evidence that is missing or altered.
pub(crate) fn faults(doc: &mut Doc, entry: &Entry<'_>) {
    doc.list(entry.faults.iter().map(|path| mark(Tone::Bad, "evidence").plain(format!(" {path}"))));
}

/// The next step with its commands.
pub(crate) fn next(doc: &mut Doc, entry: &Entry<'_>) {
    let view = StepView::new(entry.change, &entry.step, &entry.fixes);
    doc.paragraph(Text::new().strong("Next:").plain(format!(" {}", view.text)));
    commands(doc, &view);
}

/// The commands of a step.
pub(crate) fn commands(doc: &mut Doc, view: &StepView) {
    if !view.next.is_empty() {
        doc.code(problem::lines(&view.next).join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FixContext;
    use crate::model::Kind;
    use crate::report::{fixture, markdown};
    use crate::workflow::next;

    #[test]
    fn it_says_what_the_page_says() {
        let now = fixture::at(7, 12);
        let mut ended = fixture::passed(5);
        ended.record(Kind::Held { reason: "not now".to_owned() }, None, fixture::at(3, 9));
        let open = fixture::passed(7);
        let entry = |change| Entry {
            change,
            step: next::next(change, &fixture::policy(), now),
            fixes: FixContext::default(),
            plots: Vec::new(),
            faults: Vec::new(),
        };
        let page = Page { project: "spark", now, entries: vec![entry(&open), entry(&ended)], problems: Vec::new() };
        insta::assert_snapshot!(markdown::render(&document(&page)), @r#"
        # spark: changes

        As of 2026-02-07 12:00 UTC.

        | Change | Title | State | Verdict | Days |
        | --- | --- | --- | --- | --- |
        | `chg-1` | Shorten the advisory cooldown | ✗ **monitoring, alarm open** | ✓ **pass** | 2 measured, 1 missed, ✗ **1 with an alarm** |
        | `chg-1` | Shorten the advisory cooldown | · **held** | ✓ **pass** |  |

        ## Shorten the advisory cooldown

        - **Change:** `chg-1`, monitoring
        - **Gates:** ✓ **open** → ✓ **contract** → ✓ **baseline** → ✓ **validate** → ✓ **after** → ✓ **compare** → ✓ **decide** → ✓ **rollout** → ▸ **verify (next)**

        |  | Criterion | Verdict | Why |
        | --- | --- | --- | --- |
        | KPI | `timing.tests.wall <= -10%` | ✓ **pass** | -12.3 % \[-14.1 %, -10.2 %\] meets ≤ -10 % (12 pairs) |
        | guardrail | `size.lib <= 40MiB` | ✓ **pass** | 1.2 MiB meets ≤ 40 MiB (exact) |
        | trigger | `timing.tests.wall > +10%` | ✓ **not fired** | -12.3 % \[-14.1 %, -10.2 %\] does not meet \> +10 % (12 pairs) |

        **Next:** 1 alarm is open: go back, or resolve with a reason

        ```text
        # go back
        next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
        # if it is harmless
        or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        ```
        "#);
    }
}
