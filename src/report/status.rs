//! Where the changes stand: the pipeline of the active one, and a line for each other open one.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::model::{CommandLine, Fix, FixContext, fix};
use crate::report::visible::visible_line;
use crate::report::{
    Doc, StepView, Table, Text, Tone, code, day, logbook, mark, pipeline, problem, rollback, summary, values, verdict,
};
use crate::workflow::{Change, Step, Unjudged};

/// Where everything stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatusView<'a> {
    /// The change that is clearly meant, with its next step.
    pub(crate) active: Option<(&'a Change, &'a StepView)>,
    pub(crate) others: &'a [(&'a Change, Step)],
    /// Rejected or rolled back ones whose commit is still in the tree.
    pub(crate) left: &'a [&'a Change],
    /// Those that were rolled back and not measured since.
    pub(crate) to_confirm: &'a [&'a Change],
    /// What no monitored day of the active one could judge.
    pub(crate) unjudged: Option<&'a Unjudged>,
    pub(crate) damaged: usize,
}

/// The active change with its next step, the other open ones, and what rejected ones left behind.
pub(crate) fn document(view: &StatusView<'_>) -> Doc {
    let mut doc = Doc::new();
    match view.active {
        Some((change, next)) => one(&mut doc, view, change, next),
        None if !view.others.is_empty() => {}
        None if view.damaged > 0 => {
            let records = values::count(view.damaged as u64, "record", "records");
            doc.paragraph(format!("{records} cannot be read, so it is not known whether a change is open."));
            doc.code(CommandLine::tool("check").to_string());
        }
        None => {
            doc.paragraph("No change is open.");
            doc.code(fix::start().to_string());
        }
    }
    for change in view.left {
        let commits = change.commits_to_revert();
        let commits = commits.iter().map(|sha| values::short_sha(sha)).collect::<Vec<_>>().join(", ");
        let end = if change.rollback.is_some() { "rolled back" } else { "rejected" };
        let text = mark(Tone::Bad, "still in the tree").plain(": ").code(commits);
        let text = text.plain(format!(" of the {end} change ")).code(change.id().as_str());
        doc.paragraph(text.plain(". To take it out:"));
        doc.code(rollback::applied(change));
    }
    for change in view.to_confirm {
        let text = mark(Tone::Unsure, "rolled back").plain(": ").code(change.id().as_str());
        doc.paragraph(text.plain(". To measure that the baseline's values are back:"));
        doc.code(fix::after(change.id()).to_string());
    }
    others(&mut doc, view);
    doc
}

fn others(doc: &mut Doc, view: &StatusView<'_>) {
    if view.others.is_empty() {
        return;
    }
    doc.heading(2, if view.active.is_some() { "Other open changes" } else { "Open changes" });
    doc.table(open_changes(view.others));
    if view.active.is_none() {
        let choose = |(at, (change, _)): (usize, &(&Change, Step))| {
            let command = CommandLine::tool("change use").word(change.id().as_str());
            if at == 0 { Fix::next("", command) } else { Fix::or("", command) }
        };
        let choose: Vec<Fix> = view.others.iter().enumerate().map(choose).collect();
        doc.paragraph("Commands mean the one that is chosen, or named with --change-id.");
        doc.code(problem::lines(&choose).join("\n"));
    }
}

/// Open changes with what comes next, a line each.
pub(crate) fn open_changes(changes: &[(&Change, Step)]) -> Table {
    let mut table = Table::new("llll", ["Change", "Title", "State", "Next"]);
    for (change, step) in changes {
        table.row([
            code(change.id().as_str()),
            visible_line(&change.opened.title).into(),
            logbook::status_mark(change),
            StepView::new(change, step, &FixContext::default()).text.into(),
        ]);
    }
    table
}

fn one(doc: &mut Doc, view: &StatusView<'_>, change: &Change, next: &StepView) {
    doc.heading(1, change.opened.title.as_str());
    doc.field("change", code(change.id().as_str()).plain(format!(" ({})", change.opened.class.name())));
    doc.field("state", logbook::status_mark(change));
    doc.field("gates", pipeline::line(change));
    if let Some(comparison) = &change.comparison {
        let (outcome, why) = verdict::overall(&comparison.verdicts);
        doc.field("verdict", mark(outcome.into(), verdict::word(outcome)).plain(why));
    }
    if let Some(expires) = change.opened.expires {
        let until = Text::from(format!("holds until {}", values::moment(expires)));
        doc.field(
            "override",
            match &change.follow_up {
                Some(by) => until.plain("; taken over by ").code(by.as_str()),
                None => until.plain("; no change takes it over yet"),
            },
        );
    }
    if let Some(text) = days(change) {
        doc.field("days", text);
    }
    for line in view.unjudged.map(day::unjudged).unwrap_or_default() {
        doc.field("not judged", mark(Tone::Unsure, line));
    }
    for judged in &change.open_alarms {
        doc.field("alarm", mark(Tone::Bad, verdict::alarm_line(judged)));
    }
    doc.field("next", Text::new().strong(next.text.as_str()));
    summary::commands(doc, next);
}

/// The monitored days: when the window closes and which days have a measurement.
fn days(change: &Change) -> Option<Text> {
    let from = change.fully_rolled_out_at()?;
    let text = Text::from(format!("since {}: ", values::moment(from)));
    if change.ticks.is_empty() {
        return Some(text.plain("none measured yet"));
    }
    // A day that was measured again is one day.
    let mut days: BTreeMap<NaiveDate, bool> = BTreeMap::new();
    for tick in &change.ticks {
        *days.entry(tick.utc_date).or_default() |= !tick.alarms.is_empty();
    }
    Some(days.into_iter().enumerate().fold(text, |text, (i, (date, alarmed))| {
        let tone = if alarmed { Tone::Bad } else { Tone::Good };
        text.plain(if i == 0 { "" } else { ", " }).mark(tone, date.to_string())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Class;
    use crate::report::{Terminal, fixture, terminal};
    use crate::workflow::next;

    fn step(change: &Change) -> Step {
        next::next(change, &fixture::policy(), fixture::at(5, 12))
    }

    #[test]
    fn the_active_change_has_its_pipeline_and_the_others_a_line() {
        let (active, other) = (fixture::passed(5), fixture::opened(fixture::HOSTILE, Class::Code));
        let others = [(&other, step(&other))];
        let view = StatusView {
            active: Some((&active, &StepView::new(&active, &step(&active), &FixContext::default()))),
            others: &others,
            ..StatusView::default()
        };
        let doc = document(&view);
        insta::assert_snapshot!(terminal::render(&doc, Terminal { width: Some(100), color: false }), @r"
        Shorten the advisory cooldown

        change   chg-1 (tuneable)
        state    ▸ compared
        gates    ✓ open → ✓ contract → ✓ baseline → ✓ validate → ✓ after → ✓ compare → ▸ decide (next) →
                 · rollout → · verify
        verdict  ✓ pass: KPI and every guardrail hold
        next     everything passes: promote it

            next: vibeship-optimizer change promote --change-id chg-1

        Other open changes

        Change  Title                                     State      Next
        chg-1   x | y ⏎ # z <script>alert(1)</script>     ▸ planned  write the contract: hypothesis, primary
                --> `c` *b* [l](u) @octocat                          KPI, guardrails, rollback trigger,
                \u{1b}[31m\u{202e}                                   rollback action
        ");
    }

    #[test]
    fn alarms_and_days_are_shown() {
        let active = fixture::passed(7);
        let doc = document(&StatusView {
            active: Some((&active, &StepView::new(&active, &step(&active), &FixContext::default()))),
            ..StatusView::default()
        });
        insta::assert_snapshot!(terminal::render(&doc, Terminal::plain()), @r#"
        Shorten the advisory cooldown

        change   chg-1 (tuneable)
        state    ✗ monitoring, alarm open
        gates    ✓ open → ✓ contract → ✓ baseline → ✓ validate → ✓ after → ✓ compare → ✓ decide → ✓ rollout → ▸ verify (next)
        verdict  ✓ pass: KPI and every guardrail hold
        days     since 2026-02-04 10:00 UTC: ✓ 2026-02-04, ✗ 2026-02-05
        alarm    ✗ timing.tests.cpu <= +2% is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        next     1 alarm is open: go back, or resolve with a reason

            # go back
            next: vibeship-optimizer change rollback --change-id chg-1 --reason "WHY"
            # if it is harmless
            or:   vibeship-optimizer change resolve --change-id chg-1 --reason "WHY"
        "#);
    }

    #[test]
    fn with_nothing_open_it_says_how_to_begin() {
        let text = terminal::render(&document(&StatusView::default()), Terminal::plain());
        assert_eq!(text, "No change is open.\n\n    vibeship-optimizer change start --title \"SHORT HYPOTHESIS\"\n");
    }

    #[test]
    fn a_record_that_cannot_be_read_may_be_of_an_open_change() {
        let text = terminal::render(&document(&StatusView { damaged: 1, ..StatusView::default() }), Terminal::plain());
        assert!(text.starts_with("1 record cannot be read"), "{text}");
        assert!(!text.contains("No change is open"), "{text}");
    }
}
