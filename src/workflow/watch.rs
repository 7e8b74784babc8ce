//! Judges measurements of a rolled out change: guardrails and trigger, compared with its reference snapshot. The result
//! depends on the evidence alone, so it can be reproduced later. Reads no files.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use crate::judge::compare::{self, DEFAULT_MIN_EFFECT};
use crate::judge::{Comparison, CriterionRole, CriterionRow, Settings};
use crate::model::{
    Artifact, Contract, Criterion, CriterionResult, Event, Kind, Outcome, PairSession, Policy, SideRevision, Snapshot,
    Trigger,
};
use crate::workflow::{Change, window};

/// The alarms: violated guardrails, a fired trigger, and either if it can no longer be judged. An inconclusive verdict
/// raises none, as a day's few runs seldom settle one. Nor does the KPI, as the guardrails define what must not happen.
pub fn alarms(judged: &[CriterionRow]) -> Vec<CriterionResult> {
    let is_alarm = |row: &&CriterionRow| match row.role {
        CriterionRole::Kpi => false,
        CriterionRole::Guardrail => matches!(row.result.outcome(), Outcome::Fail | Outcome::Invalid),
        CriterionRole::Trigger => matches!(row.result.outcome(), Outcome::Pass | Outcome::Invalid),
    };
    judged.iter().filter(is_alarm).map(CriterionRow::criterion_result).collect()
}

pub fn is_conclusive(row: &CriterionRow) -> bool {
    matches!(row.result.outcome(), Outcome::Pass | Outcome::Fail)
}

/// What the monitored days could not judge. It does not prevent verification, as the change was judged at promotion and
/// an inconclusive day is no sign of a regression, but it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unjudged {
    /// Days without any conclusive verdict.
    pub days: Vec<NaiveDate>,
    /// Guardrails, and the trigger, without a conclusive verdict on any day.
    pub criteria: Vec<String>,
    /// Days on which the KPI failed; this may be due to others' commits although the change is in effect.
    pub missed: Vec<NaiveDate>,
}

/// What was left unjudged on `days`, which are dates with the verdicts of their measurements.
pub fn unjudged(change: &Change, days: &[(NaiveDate, Vec<CriterionRow>)]) -> Unjudged {
    if days.is_empty() {
        return Unjudged::default();
    }
    let on = |is: &dyn Fn(&CriterionRow) -> bool| -> BTreeSet<NaiveDate> {
        days.iter().filter(|(_, judged)| judged.iter().any(is)).map(|day| day.0).collect()
    };
    let missed = on(&|row| row.role == CriterionRole::Kpi && row.result.outcome() == Outcome::Fail);
    let all: BTreeSet<NaiveDate> = days.iter().map(|day| day.0).collect();
    let conclusive =
        days.iter().flat_map(|(_, judged)| judged).filter(|row| row.role != CriterionRole::Kpi && is_conclusive(row));
    let conclusive: BTreeSet<&str> = conclusive.map(|row| row.criterion.text.as_str()).collect();
    let contract = &change.contract;
    let guards = contract.guardrails.iter().chain(contract.measured_trigger()).map(|criterion| criterion.text.clone());
    Unjudged {
        days: all.difference(&on(&is_conclusive)).copied().collect(),
        criteria: guards.filter(|text| !conclusive.contains(text.as_str())).collect(),
        missed: missed.into_iter().collect(),
    }
}

/// The last verdict on the KPI, if it failed on every monitored day and no alarm was resolved since the first of them.
pub fn lost(change: &Change, days: &[(NaiveDate, Vec<CriterionRow>)]) -> Option<CriterionResult> {
    let kpi = |rows: &[CriterionRow]| {
        rows.iter().find(|row| row.role == CriterionRole::Kpi).map(CriterionRow::criterion_result)
    };
    let kpis: Vec<CriterionResult> = days.iter().map(|(_, judged)| kpi(judged)).collect::<Option<_>>()?;
    let first = change.ticks.first()?.at;
    let is_said = |event: &Event| matches!(event.what, Kind::AlarmResolved { .. }) && event.at >= first;
    let failed = kpis.iter().all(|kpi| kpi.verdict.outcome() == Outcome::Fail);
    kpis.into_iter().last().filter(|_| failed && !change.events.iter().any(is_said))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    AlreadyMeasured,
    /// Enough days are measured, and the window is closed.
    Complete,
    /// The clock is behind the last event, so the date cannot be trusted.
    ClockBackwards,
}

impl Idle {
    pub fn name(self) -> &'static str {
        match self {
            Self::AlreadyMeasured => "already_ran_today",
            Self::Complete => "monitor_complete",
            Self::ClockBackwards => "clock_backwards",
        }
    }
}

/// The reason not to measure a rolled out change now, if any. `force` allows measuring a day again, but not with a
/// wrong clock.
pub fn idle(change: &Change, policy: &Policy, now: DateTime<Utc>, force: bool) -> Option<Idle> {
    if window::later(now, window::CLOCK_TOLERANCE) < change.latest_at {
        return Some(Idle::ClockBackwards);
    }
    let from = change.fully_rolled_out_at().filter(|_| !force)?;
    let have = window::ticked_days(change, from, now);
    if have.contains(&now.date_naive()) {
        return Some(Idle::AlreadyMeasured);
    }
    let days = window::monitor_days(change, policy);
    (have.len() >= days as usize && now >= window::closes(from, days)).then_some(Idle::Complete)
}

/// The snapshot that a rolled out change is compared with: its baseline, or for an emergency, the snapshot of its
/// rollout.
pub fn reference(change: &Change) -> Option<&Artifact> {
    let rolled_out = change.rollout.first().map(|done| &done.taken);
    change.baseline.as_ref().map(|baseline| &baseline.taken).or(rolled_out).map(|taken| &taken.snapshot)
}

/// The settings to judge a change with: those of its recorded comparison, so that a later calibration or config changes
/// no verdict. Without a comparison (an emergency), the contract's minimum effect and the defaults.
pub fn settings(change: &Change, recorded: Option<&Comparison>) -> Settings {
    let min_effect = change.contract.min_effect.unwrap_or(DEFAULT_MIN_EFFECT);
    recorded.map_or_else(|| Settings { min_effect, ..Settings::default() }, |comparison| comparison.settings.clone())
}

/// Judges `today` against `reference`: KPI, guardrails, and the trigger if it is a criterion. For an emergency, which
/// has no baseline, only criteria with an absolute bound are judged.
pub fn watch(change: &Change, reference: &Snapshot, today: &Snapshot, settings: &Settings) -> Vec<CriterionRow> {
    let has_baseline = change.baseline.is_some();
    let kept = |criterion: &&Criterion| has_baseline || !criterion.is_relative();
    let contract = &change.contract;
    let judged = Contract {
        kpi: contract.kpi.as_ref().filter(kept).cloned(),
        guardrails: contract.guardrails.iter().filter(kept).cloned().collect(),
        trigger: contract.measured_trigger().filter(kept).cloned().map(Trigger::Measured),
        ..Contract::default()
    };
    let comparison = if has_baseline {
        compare::compare(reference, today, pairs_of(change, today), &judged, settings)
    } else {
        compare::compare(&unattributed(reference), today, None, &judged, settings)
    };
    comparison.criteria
}

/// The day's pairs, if their sides are the baseline and the commit that was measured on that day.
fn pairs_of<'a>(change: &Change, today: &'a Snapshot) -> Option<&'a PairSession> {
    let baseline = change.baseline_commit();
    let before = change.commit_and_parent().map(|(parent, _)| parent).or(baseline);
    let now = today.revision.as_ref().and_then(|revision| revision.commit.as_deref());
    let is_of = |side: &SideRevision, commit: Option<&str>| commit.is_some() && side.commit.as_deref() == commit;
    today.pair.as_deref().filter(|pair| !pair.of_commit && is_of(&pair.before, before) && is_of(&pair.after, now))
}

/// Compares `today` with the after snapshot: the drift of the same code to another day.
pub fn drift(after: &Snapshot, today: &Snapshot, settings: &Settings) -> Comparison {
    compare::compare(&unattributed(after), today, None, &Contract::default(), settings)
}

/// Removes the revision, so that a comparison of the same code is not refused.
fn unattributed(snapshot: &Snapshot) -> Snapshot {
    Snapshot { revision: None, ..snapshot.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Effect, Estimate, Flaw, Verdict};

    fn row(role: CriterionRole, outcome: Outcome) -> CriterionRow {
        let finding = Effect {
            estimate: Estimate { value: 0.1, low: 0.05, high: 0.15, confidence: 0.95 },
            design: crate::model::Design::Exact,
            n_before: 5,
            n_after: 5,
            p_value: None,
            min_effect: 0.01,
            from_zero: false,
            unit: None,
        };
        let result = match outcome {
            Outcome::Pass => Verdict::Pass(finding),
            Outcome::Fail => Verdict::Fail(finding),
            _ => Verdict::Invalid { because: Flaw::SameCode },
        };
        CriterionRow { role, criterion: Criterion::parse("m <= +5%").unwrap(), result }
    }

    #[test]
    fn a_violated_guardrail_a_fired_trigger_and_what_cannot_be_judged_are_alarms() {
        let alarmed = |kpi, guardrail, trigger| {
            let roles =
                [(CriterionRole::Kpi, kpi), (CriterionRole::Guardrail, guardrail), (CriterionRole::Trigger, trigger)];
            alarms(&roles.map(|(role, outcome)| row(role, outcome))).len()
        };
        assert_eq!(alarmed(Outcome::Fail, Outcome::Pass, Outcome::Fail), 0);
        assert_eq!(alarmed(Outcome::Pass, Outcome::Fail, Outcome::Fail), 1);
        assert_eq!(alarmed(Outcome::Pass, Outcome::Pass, Outcome::Pass), 1);
        assert_eq!(alarmed(Outcome::Pass, Outcome::Invalid, Outcome::Invalid), 2);
    }
}
