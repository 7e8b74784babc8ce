//! A monitored day: its report, and where the monitors stand. Must not judge: every verdict is handed over.

use chrono::{DateTime, NaiveDate, Utc};

use crate::judge::Comparison;
use crate::judge::compare::{Caveat, Level};
use crate::model::{Judged, Policy, Sampling, Snapshot, WorkTree};
use crate::report::compare::row;
use crate::report::{Align, Doc, Table, Text, Tone, caveat, markdown, rollback, values, verdict, visible};
use crate::workflow::{Change, Idle, Unjudged, Watch, window};

/// A day that was measured.
#[derive(Debug, Clone, Copy)]
pub struct DayView<'a> {
    pub change: &'a Change,
    /// The day of the window; 0 is the rollout's own.
    pub day: u32,
    pub utc_date: NaiveDate,
    pub snapshot: &'a Snapshot,
    /// The verdicts on the contract; `None` where there was nothing to hold the day against.
    pub watch: Option<&'a Watch>,
    /// Today against the state right after the change.
    pub drift: Option<&'a Comparison>,
    pub alarms: &'a [Judged],
}

/// The day's report as markdown.
pub fn markdown(view: &DayView<'_>) -> String {
    markdown::render(&document(view))
}

/// The day's report.
pub fn document(view: &DayView<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("Day {}: {}", view.day, view.change.opened.title));
    doc.fields(header(view));
    verdicts(&mut doc, view);
    drift(&mut doc, view);
    doc.heading(2, "How to go back");
    doc.code(rollback::with_record(view.change));
    doc
}

fn header(view: &DayView<'_>) -> Vec<(String, Text)> {
    let field = |name: &str, text: Text| (name.to_owned(), text);
    let mut code = Text::new();
    if let Some(revision) = &view.snapshot.revision {
        code = code.code(revision.short());
        match &revision.work_tree {
            WorkTree::Dirty { paths, .. } => {
                code = code
                    .plain(" ")
                    .mark(Tone::Unsure, "with uncommitted work")
                    .plain(format!(" in {}: what it does is measured too", values::count(*paths, "path", "paths")));
            }
            WorkTree::Unknown { reason } => code = code.plain(" ").mark(Tone::Broken, reason.as_str()),
            WorkTree::Clean | WorkTree::Unversioned => {}
        }
    }
    let alarms = match view.alarms.len() {
        0 => Text::new().mark(Tone::Good, "none"),
        n => Text::new().mark(Tone::Bad, n.to_string()),
    };
    let mut fields = vec![
        field("Change", Text::new().code(view.change.id().as_str())),
        field("UTC date", view.utc_date.to_string().into()),
        field("Measured", values::moment(view.snapshot.generated_at).into()),
        field("Code", code),
        field("Alarms", alarms),
    ];
    if view.watch.is_some_and(Watch::judged_nothing) {
        let text = Text::new().mark(Tone::Unsure, "nothing").plain(" of the contract: no verdict was settled");
        fields.push(field("Judged", text));
    }
    fields
}

fn verdicts(doc: &mut Doc, view: &DayView<'_>) {
    let from_baseline = view.change.baseline.is_some();
    doc.heading(2, if from_baseline { "Against the baseline" } else { "Against the contract" });
    if !from_baseline {
        doc.paragraph("There is no baseline: only criteria with a bound of their own can be judged.");
    }
    let Some(watch) = view.watch else { return };
    let columns = [("", Align::Left), ("Criterion", Align::Left), ("Verdict", Align::Left), ("Why", Align::Left)];
    let mut table = Table::new(columns);
    let mut add = |role: &str, judged: &Judged, mark: (Tone, &str), why: String| {
        let criterion = Text::new().code(judged.criterion.as_str());
        table.row([Text::from(role), criterion, Text::new().mark(mark.0, mark.1), Text::from(why)]);
    };
    let kpi = watch.kpi.iter().map(|judged| ("KPI", judged));
    for (role, judged) in kpi.chain(watch.guardrails.iter().map(|judged| ("guardrail", judged))) {
        let outcome = judged.verdict.outcome();
        add(role, judged, (outcome.into(), verdict::word(outcome)), verdict::alone(&verdict::reason(judged)));
    }
    if let Some(judged) = &watch.trigger {
        add(
            "trigger",
            judged,
            verdict::trigger_mark(judged.verdict.outcome()),
            verdict::alone(&verdict::trigger_reason(judged)),
        );
    }
    doc.table(table);
}

fn drift(doc: &mut Doc, view: &DayView<'_>) {
    let Some(comparison) = view.drift else { return };
    let since = if view.change.after.is_some() { "the state after the change" } else { "the rollout" };
    doc.heading(2, format!("Drift since {since}"));
    let columns = [
        ("Metric", Align::Left),
        ("Then", Align::Right),
        ("Today", Align::Right),
        ("Drift, 95 % interval", Align::Right),
        ("Result", Align::Left),
    ];
    let mut table = Table::new(columns);
    for metric in &comparison.metrics {
        // A rate at which nothing failed has not drifted.
        let all = |level: Option<Level>| level.is_some_and(|l| l.value >= 1.0);
        if metric.sampling == Sampling::Rate && all(metric.before) && all(metric.after) {
            continue;
        }
        table.row([
            Text::new().code(metric.metric.as_str()),
            row::level(metric.before, metric).into(),
            row::level(metric.after, metric).into(),
            row::difference(metric).into(),
            row::change_text(metric),
        ]);
    }
    doc.table(table);
    // That the code is the same is what drift is about.
    let beside = |it: &&Caveat| !matches!(it, Caveat::SameCommit { .. } | Caveat::SameCode);
    doc.list(comparison.caveats.iter().filter(beside).map(caveat::text).collect());
}

/// What the monitored days could not judge, a line each.
pub fn unjudged(unjudged: &Unjudged) -> Vec<String> {
    let mut lines = Vec::new();
    if !unjudged.days.is_empty() {
        let days: Vec<String> = unjudged.days.iter().map(ToString::to_string).collect();
        lines.push(format!("nothing of the contract was judged on {}", days.join(", ")));
    }
    lines.extend(unjudged.criteria.iter().map(|text| format!("no monitored day could judge {text}")));
    lines
}

/// What a tick did, a line a change.
pub fn ticked(done: &[(&Change, Option<Idle>)], now: DateTime<Utc>) -> Doc {
    let mut doc = Doc::new();
    if done.is_empty() {
        doc.paragraph("No change is rolled out, so there is nothing to monitor.");
        return doc;
    }
    let columns = [("Change", Align::Left), ("Day", Align::Right), ("Today", Align::Left), ("Alarms", Align::Left)];
    let mut table = Table::new(columns);
    for (change, idle) in done {
        let today = match idle {
            None => Text::new().mark(Tone::Good, "measured"),
            Some(Idle::AlreadyMeasured) => Text::new().mark(Tone::Quiet, "measured already"),
            Some(Idle::Complete) => Text::new().mark(Tone::Good, "every day is in"),
            Some(Idle::ClockBackwards) => Text::new().mark(Tone::Broken, "not measured: the clock went backwards"),
        };
        table.row([Text::new().code(change.id().as_str()), day_number(change, now), today, alarms(change)]);
    }
    doc.table(table);
    doc
}

/// Every monitored change with its days.
pub fn monitors(changes: &[Change], now: DateTime<Utc>, policy: &Policy) -> Doc {
    let mut doc = Doc::new();
    if changes.is_empty() {
        doc.paragraph("No change is rolled out, so there is nothing to monitor.");
        return doc;
    }
    let columns = [
        ("Change", Align::Left),
        ("Title", Align::Left),
        ("Day", Align::Right),
        ("Days measured", Align::Left),
        ("Verified from", Align::Left),
        ("Measured until", Align::Left),
        ("Alarms", Align::Left),
    ];
    let mut table = Table::new(columns);
    let closing = |change: &Change, days: u32| {
        let from = change.fully_rolled_out_at();
        from.map_or_else(|| Text::from("–"), |from| Text::from(values::moment(window::closes(from, days))))
    };
    for change in changes {
        table.row([
            Text::new().code(change.id().as_str()),
            Text::from(visible::visible_line(&change.opened.title)),
            day_number(change, now),
            days_measured(change, now, policy),
            closing(change, window::verify_days(change, policy)),
            closing(change, window::monitor_days(change, policy)),
            alarms(change),
        ]);
    }
    doc.table(table);
    doc
}

fn day_number(change: &Change, now: DateTime<Utc>) -> Text {
    let day = change.fully_rolled_out_at().and_then(|from| window::day_of(from, now.date_naive()));
    day.map_or_else(|| Text::from("–"), |day| Text::from(day.to_string()))
}

fn days_measured(change: &Change, now: DateTime<Utc>, policy: &Policy) -> Text {
    let Some(from) = change.fully_rolled_out_at() else { return Text::from("not rolled out") };
    let have = window::ticked_days(change, from, now);
    let dates: Vec<String> = have.iter().map(ToString::to_string).collect();
    let shown = if dates.is_empty() { String::new() } else { format!(": {}", dates.join(", ")) };
    Text::from(format!("{} of {}{shown}", have.len(), window::monitor_days(change, policy)))
}

fn alarms(change: &Change) -> Text {
    match change.open_alarms.len() {
        0 => Text::new().mark(Tone::Good, "none"),
        n => Text::new().mark(Tone::Bad, values::count(n as u64, "open", "open")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Doubt, Verdict, Verdicts};
    use crate::report::fixture;
    use crate::workflow::watch;

    fn watched(settled: bool) -> Watch {
        let Verdicts { kpi, guardrails, trigger } = fixture::verdicts();
        let doubt = || Verdict::Inconclusive { finding: None, because: Doubt::Drift { ratio: 0.5 }, more_runs: None };
        let open = |judged: Judged| if settled { judged } else { Judged { verdict: doubt(), ..judged } };
        let trigger = trigger.map(|judged| Judged { verdict: doubt(), ..judged });
        Watch { kpi: Some(open(kpi)), guardrails: guardrails.into_iter().map(open).collect(), trigger }
    }

    #[test]
    fn a_day_that_judged_nothing_is_marked_in_its_report() {
        let (change, snapshot) = (fixture::passed(7), fixture::snapshot("day", 1.0, 5, 100, 4));
        let report = |settled: bool| {
            let watch = watched(settled);
            let (day, utc_date) = (1, fixture::at(5, 12).date_naive());
            let watch = Some(&watch);
            markdown(&DayView { change: &change, day, utc_date, snapshot: &snapshot, watch, drift: None, alarms: &[] })
        };
        assert!(report(false).contains("**nothing** of the contract"), "{}", report(false));
        assert!(!report(true).contains("Judged"), "{}", report(true));
    }

    #[test]
    fn days_and_criteria_without_a_verdict_are_named() {
        let change = fixture::passed(7);
        let (one, two) = (fixture::at(4, 12).date_naive(), fixture::at(5, 12).date_naive());
        let said = |days: &[(NaiveDate, Watch)]| unjudged(&watch::unjudged(&change, days)).join("\n");
        insta::assert_snapshot!(said(&[(one, watched(false)), (two, watched(false))]), @r"
        nothing of the contract was judged on 2026-02-04, 2026-02-05
        no monitored day could judge size.lib <= 40MiB
        no monitored day could judge timing.tests.wall > +10%
        ");
        insta::assert_snapshot!(said(&[(one, watched(false)), (one, watched(true)), (two, watched(true))]), @"no monitored day could judge timing.tests.wall > +10%");
        assert_eq!(said(&[]), "");
    }
}
