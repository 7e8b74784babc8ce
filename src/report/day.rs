//! The daily reports: start and end of the day, a monitored day, and the state of monitoring.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::judge::{Caveat, Comparison, CriterionRow, compare::EffectiveChange};
use crate::model::text::joined;
use crate::model::{ChangeId, CriterionResult, Fix, Policy, Problem, Snapshot, Tuneable, WorkTree, fix};
use crate::report::{
    Doc, Table, Text, Tone, code, compare, logbook, mark, markdown, method, metric, problem, rollback, status, values,
    verdict, verdict::CriterionLine, visible::visible_line,
};
use crate::workflow::{Change, Idle, Step, Unjudged, demand_fixes::take_out, watch, window};

#[derive(Debug, Clone, Copy)]
pub(crate) struct DayView<'a> {
    pub(crate) change: &'a Change,
    /// The day of the window; 0 is the day of the rollout.
    pub(crate) day: u32,
    pub(crate) utc_date: NaiveDate,
    pub(crate) snapshot: &'a Snapshot,
    /// The verdicts on the contract; `None` without a reference to compare with.
    pub(crate) judged: Option<&'a [CriterionRow]>,
    /// Comparison of today with the after snapshot.
    pub(crate) drift: Option<&'a Comparison>,
    pub(crate) alarms: &'a [CriterionResult],
}

pub(crate) fn markdown(view: &DayView<'_>) -> String {
    let mut doc = Doc::new();
    doc.heading(1, format!("Day {}: {}", view.day, view.change.opened.title));
    doc.field("Change", code(view.change.id().as_str()));
    doc.field("UTC date", view.utc_date.to_string());
    doc.field("Measured", values::moment(view.snapshot.generated_at));
    doc.field("Code", measured_code(view.snapshot));
    doc.field(
        "Alarms",
        match view.alarms.len() {
            0 => mark(Tone::Good, "none"),
            n => mark(Tone::Bad, n.to_string()),
        },
    );
    if view.judged.is_some_and(|judged| !judged.iter().any(watch::is_conclusive)) {
        doc.field("Judged", mark(Tone::Unsure, "nothing").plain(" of the contract: no verdict was settled"));
    }
    verdicts(&mut doc, view);
    if let Some(comparison) = view.drift {
        drift(&mut doc, view.change, comparison);
    }
    doc.heading(2, "How to go back");
    doc.code(rollback::with_record(view.change));
    markdown::render(&doc)
}

fn measured_code(snapshot: &Snapshot) -> Text {
    let Some(revision) = &snapshot.revision else { return Text::new() };
    let text = code(revision.short());
    match &revision.work_tree {
        WorkTree::Dirty { paths, .. } => {
            let paths = values::count(*paths, "path", "paths");
            let text = text.plain(" ").mark(Tone::Unsure, "with uncommitted work");
            text.plain(format!(" in {paths}: what it does is measured too"))
        }
        WorkTree::Unknown { reason } => text.plain(" ").mark(Tone::Broken, reason.as_str()),
        WorkTree::Clean | WorkTree::Unversioned => text,
    }
}

fn verdicts(doc: &mut Doc, view: &DayView<'_>) {
    if view.change.baseline.is_some() {
        doc.heading(2, "Against the baseline");
    } else {
        doc.heading(2, "Against the contract");
        doc.paragraph("There is no baseline: only criteria with a bound of their own can be judged.");
    }
    let row = |it: &CriterionRow| CriterionLine::new(it.role, &it.criterion, &it.result).alone();
    doc.table(verdict::table(view.judged.into_iter().flatten().map(row).collect(), false));
}

fn drift(doc: &mut Doc, change: &Change, comparison: &Comparison) {
    let since = if change.after.is_some() { "the state after the change" } else { "the rollout" };
    doc.heading(2, format!("Drift since {since}"));
    // A rate without failures has not drifted.
    let shown =
        comparison.metrics.iter().filter(|row| !row.never_failed() || row.before.is_none() || row.after.is_none());
    let rows = shown.map(|row| {
        let [then, today] = [row.before, row.after].map(|level| metric::level(level, row));
        [code(row.metric.as_str()), then, today, metric::difference(row), metric::result(row)]
    });
    doc.table(Table::new("lrrrl", ["Metric", "Then", "Today", "Drift, 95 % interval", "Result"], rows));
    // Drift compares the same code, so caveats about that do not apply.
    let beside =
        |it: &&Caveat| !matches!(it, Caveat::SameCommit { .. } | Caveat::SameCode | Caveat::ServedAsFound { .. });
    doc.list(comparison.caveats.iter().filter(beside).map(method::caveat));
}

/// What the monitored days could not judge, and days on which the KPI failed, one line each.
pub(crate) fn unjudged(unjudged: &Unjudged) -> Vec<String> {
    let mut lines = Vec::new();
    if !unjudged.missed.is_empty() {
        lines.push(format!(
            "the KPI did not hold on {}: its number is not what the contract asks for",
            joined(&unjudged.missed)
        ));
    }
    if !unjudged.days.is_empty() {
        lines.push(format!("nothing of the contract was judged on {}", joined(&unjudged.days)));
    }
    lines.extend(unjudged.criteria.iter().map(|text| format!("no monitored day could judge {text}")));
    lines
}

pub(crate) fn ticked(done: &[(&Change, Option<Idle>)], now: DateTime<Utc>) -> Doc {
    let rows = done.iter().map(|(change, idle)| {
        let today = match idle {
            None => mark(Tone::Good, "measured"),
            Some(Idle::AlreadyMeasured) => mark(Tone::Quiet, "measured already"),
            Some(Idle::Complete) => mark(Tone::Good, "every day is in"),
            Some(Idle::ClockBackwards) => mark(Tone::Broken, "not measured: the clock went backwards"),
        };
        [code(change.id().as_str()), day_number(change, now), today, alarms(change)]
    });
    monitored(Table::new("lrll", ["Change", "Day", "Today", "Alarms"], rows))
}

pub(crate) fn monitors(changes: &[Change], now: DateTime<Utc>, policy: &Policy) -> Doc {
    let titles = ["Change", "Title", "Day", "Days measured", "Verified from", "Measured until", "Alarms"];
    let rows = changes.iter().map(|change| {
        let from = change.fully_rolled_out_at();
        let closing = |days: u32| from.map(|from| values::moment(window::earliest(change, from, days, now)));
        [
            code(change.id().as_str()),
            visible_line(&change.opened.title).into(),
            day_number(change, now),
            days_measured(change, now, policy).into(),
            closing(window::verify_days(change, policy)).into(),
            closing(window::monitor_days(change, policy)).into(),
            alarms(change),
        ]
    });
    monitored(Table::new("llrllll", titles, rows))
}

fn monitored(table: Table) -> Doc {
    let mut doc = Doc::new();
    doc.table_or(table, "No change is rolled out, so there is nothing to monitor.");
    doc
}

fn day_number(change: &Change, now: DateTime<Utc>) -> Text {
    let day = change.fully_rolled_out_at().and_then(|from| window::day_of(from, now.date_naive()));
    day.map(|day| day.to_string()).into()
}

fn days_measured(change: &Change, now: DateTime<Utc>, policy: &Policy) -> String {
    let Some(from) = change.fully_rolled_out_at() else { return "not rolled out".to_owned() };
    let have = window::ticked_days(change, from, now);
    let shown = if have.is_empty() { String::new() } else { format!(": {}", joined(&have)) };
    format!("{} of {}{shown}", have.len(), window::monitor_days(change, policy))
}

fn alarms(change: &Change) -> Text {
    match change.open_alarms.len() {
        0 => mark(Tone::Good, "none"),
        n => mark(Tone::Bad, values::count(n as u64, "open", "open")),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Probed {
    pub(crate) name: String,
    /// Its URL, without secrets.
    pub(crate) url: String,
    /// Why it failed; `None` if it answered as expected.
    pub(crate) failure: Option<String>,
}

pub(crate) struct DayOpen<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) probes: &'a [Probed],
    pub(crate) tuneables: &'a BTreeMap<String, Tuneable>,
    /// Path of the measurement with the expected values.
    pub(crate) expected: Option<&'a str>,
    pub(crate) moved: &'a [EffectiveChange],
    /// The open changes with their next steps.
    pub(crate) changes: &'a [(&'a Change, Step)],
}

impl DayOpen<'_> {
    /// Whether nothing needs attention before the day's work.
    pub(crate) fn is_well(&self) -> bool {
        let calm = |change: &Change| change.open_alarms.is_empty() && change.expired_override(self.now).is_none();
        self.probes.iter().all(|probe| probe.failure.is_none())
            && self.moved.is_empty()
            && self.changes.iter().all(|(change, _)| calm(change))
    }
}

pub(crate) fn opening(view: &DayOpen<'_>) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("Start of {} (UTC)", view.now.date_naive()));
    doc.heading(2, "1 Health");
    if view.probes.is_empty() {
        doc.paragraph("The config names no http_probes, so health is not asked.");
    }
    doc.list(view.probes.iter().map(|probe| {
        let answer = match &probe.failure {
            None => mark(Tone::Good, "answers"),
            Some(why) => mark(Tone::Bad, "fails").plain(format!(": {}", visible_line(why))),
        };
        code(probe.name.as_str()).plain(" ").text(answer).plain(" ").code(probe.url.as_str())
    }));
    doc.heading(2, "2 Tuneables");
    tuneables(&mut doc, view);
    doc.heading(2, "3 Open changes");
    doc.table_or(status::open_changes(view.changes), "No change is open.");
    doc.list(view.changes.iter().flat_map(|(change, _)| pressing(change, view.now)));
    doc
}

fn pressing(change: &Change, now: DateTime<Utc>) -> Vec<Text> {
    let about = |word: &str, what: String| code(change.id().as_str()).plain(" ").mark(Tone::Bad, word).plain(what);
    let alarm = |judged| about("alarm", format!(": {}", verdict::alarm_line(judged)));
    let expired = change.expired_override(now).map(|at| about("override expired", format!(" {}", values::moment(at))));
    change.open_alarms.iter().map(alarm).chain(expired).collect()
}

fn tuneables(doc: &mut Doc, view: &DayOpen<'_>) {
    if view.tuneables.is_empty() && view.moved.is_empty() {
        doc.paragraph("No tuneable is set, or the config names no tuneables.");
        return;
    }
    match view.expected {
        Some(path) => doc.paragraph(Text::from("Expected as measured last, in ").link(path).plain(".")),
        None => doc.paragraph("Nothing was measured yet, so nothing is expected of them."),
    }
    let gone = view.moved.iter().filter(|moved| moved.new.is_none()).map(|moved| moved.key.as_str());
    let rows = view.tuneables.keys().map(String::as_str).chain(gone).map(|key| {
        let set = view.tuneables.get(key);
        let mut layer = set.map_or_else(Text::new, |it| code(it.layer.as_str()));
        if let Some(hidden) = set.and_then(|it| it.hides.first()) {
            layer = layer.plain(" over ").code(hidden.as_str());
        }
        let expected = match (view.expected, view.moved.iter().find(|moved| moved.key == key)) {
            (None, _) => mark(Tone::Quiet, "not measured"),
            (Some(_), None) => mark(Tone::Good, "yes"),
            (Some(_), Some(moved)) => {
                mark(Tone::Bad, "no").plain(", it was ").text(compare::setting(moved.old.as_ref()))
            }
        };
        [code(key), compare::setting(set.map(|it| &it.value)), layer, expected]
    });
    doc.table(Table::new("llll", ["Key", "In force", "Layer", "As expected"], rows));
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DayDecision {
    pub(crate) id: ChangeId,
    pub(crate) word: &'static str,
    pub(crate) reason: String,
}

/// Whether the next change may be started: no alarm is open, and every change is decided.
pub(crate) fn is_stable(changes: &[Change], decisions: &[DayDecision]) -> bool {
    let calm = changes.iter().all(|change| change.open_alarms.is_empty() && change.is_decided());
    calm && decisions.iter().all(|decision| matches!(decision.word, "promote" | "hold"))
}

/// `changes` are the open ones, and `decisions` those of the day.
pub(crate) fn closing(utc_date: NaiveDate, changes: &[Change], decisions: &[DayDecision]) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("End of {utc_date} (UTC)"));
    let rows = changes.iter().map(|change| {
        let mut days: Vec<u32> = change.ticks.iter().map(|tick| tick.day).collect();
        days.dedup();
        let decision = decisions.iter().find(|decision| decision.id == *change.id());
        let decision = decision
            .map_or_else(Text::new, |it| Text::new().strong(it.word).plain(format!(": {}", visible_line(&it.reason))));
        [code(change.id().as_str()), logbook::status_mark(change), joined(days).into(), decision]
    });
    doc.table_or(Table::new("llll", ["Change", "State", "Days", "Decision"], rows), "No change is open.");
    let act: Vec<Fix> = decisions.iter().filter_map(|decision| perform(changes, decision)).collect();
    if !act.is_empty() {
        doc.paragraph("Written down; what is left to do:");
        problem::add(&mut doc, &act);
    }
    doc.paragraph(match is_stable(changes, decisions) {
        true => mark(Tone::Good, "stable").plain(": the next smallest delta may be queued"),
        false => mark(Tone::Unsure, "not stable").plain(": queue no further delta before this is settled"),
    });
    doc
}

/// The command that carries out a decision; the gates may still refuse it.
fn perform(changes: &[Change], decision: &DayDecision) -> Option<Fix> {
    let id = &decision.id;
    match decision.word {
        "rollback" => {
            let change = changes.iter().find(|change| change.id() == id)?;
            Some(Fix::next("", take_out(change, Some(&decision.reason))))
        }
        "promote" => Some(Fix::next("", fix::on(id, "status"))),
        _ => None,
    }
}

pub(crate) fn findings(found: &[Problem]) -> Doc {
    let mut doc = Doc::new();
    if found.is_empty() {
        doc.paragraph(mark(Tone::Good, "no problem").plain(" that would invalidate measurements was found"));
    }
    doc.list(found.iter().map(|it| problem::item(problem::tone(it.severity), it.severity.name(), it)));
    doc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::CriterionRole;
    use crate::model::{Doubt, Verdict, Verdicts};
    use crate::report::fixture;

    fn row(role: CriterionRole, judged: &CriterionResult) -> CriterionRow {
        CriterionRow { role, criterion: judged.parsed().unwrap(), result: judged.verdict.clone() }
    }

    fn watched(conclusive: bool) -> Vec<CriterionRow> {
        let Verdicts { kpi, guardrails, trigger } = fixture::verdicts();
        let guards = guardrails.iter().map(|judged| row(CriterionRole::Guardrail, judged));
        let trigger = trigger.iter().map(|judged| row(CriterionRole::Trigger, judged));
        let mut rows: Vec<CriterionRow> = guards.chain([row(CriterionRole::Kpi, &kpi)]).chain(trigger).collect();
        for row in rows.iter_mut().filter(|row| !conclusive || row.role == CriterionRole::Trigger) {
            row.result = Verdict::Inconclusive { finding: None, because: Doubt::Drift { ratio: 0.5 }, more_runs: None };
        }
        rows
    }

    #[test]
    fn a_day_that_judged_nothing_is_marked_in_its_report() {
        let (change, snapshot) = (fixture::passed(7), fixture::snapshot("day", 1.0, 5, 100, 4));
        let report = |conclusive: bool| {
            let rows = watched(conclusive);
            let (day, utc_date) = (1, fixture::at(5, 12).date_naive());
            let judged = Some(rows.as_slice());
            markdown(&DayView { change: &change, day, utc_date, snapshot: &snapshot, judged, drift: None, alarms: &[] })
        };
        assert!(report(false).contains("**nothing** of the contract"), "{}", report(false));
        assert!(!report(true).contains("Judged"), "{}", report(true));
    }

    #[test]
    fn days_and_criteria_without_a_verdict_are_named() {
        let change = fixture::passed(7);
        let (one, two) = (fixture::at(4, 12).date_naive(), fixture::at(5, 12).date_naive());
        let said = |days: &[(NaiveDate, Vec<CriterionRow>)]| unjudged(&watch::unjudged(&change, days)).join("\n");
        insta::assert_snapshot!(said(&[(one, watched(false)), (two, watched(false))]), @r"
        nothing of the contract was judged on 2026-02-04, 2026-02-05
        no monitored day could judge size.lib <= 40MiB
        no monitored day could judge timing.tests.wall > +10%
        ");
        insta::assert_snapshot!(said(&[(one, watched(false)), (one, watched(true)), (two, watched(true))]), @"no monitored day could judge timing.tests.wall > +10%");
        assert_eq!(said(&[]), "");
        // A trigger that has not fired has a failing verdict, which serves as that of a failing KPI.
        let mut lost = watched(true);
        lost.retain(|row| row.role != CriterionRole::Kpi);
        lost.push(row(CriterionRole::Kpi, &fixture::verdicts().trigger.unwrap()));
        assert!(said(&[(one, watched(true)), (two, lost)]).starts_with("the KPI did not hold on 2026-02-05: "));
    }
}
