//! Comparing two snapshots, with the pairs taken between them where there are any: every metric, every criterion, one
//! outcome, and what to hold against it. Owns the compare file; must not render text.

pub mod caveat;
pub mod legacy;
pub mod metric_row;
pub mod tuneables;

use std::collections::BTreeMap;

use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;

use crate::evidence::compare::caveat::Caveat;
use crate::evidence::compare::legacy::Deltas;
use crate::evidence::compare::metric_row::Level;
use crate::evidence::compare::metric_row::MetricRow;
use crate::evidence::compare::metric_row::Sides;
use crate::evidence::compare::metric_row::for_metric;
use crate::evidence::compare::metric_row::metric_rows;
use crate::evidence::compare::tuneables::TuneableChange;
use crate::evidence::criterion::Criterion;
use crate::evidence::criterion::Trigger;
use crate::evidence::decisive::Decisive;
use crate::evidence::effect;
use crate::evidence::effect::Circumstances;
use crate::evidence::judge;
use crate::evidence::judge::Change;
use crate::evidence::metric::MetricId;
use crate::evidence::metric::Sampling;
use crate::evidence::pair::PairSession;
use crate::evidence::revision::Revision;
use crate::evidence::series;
use crate::evidence::snapshot::GitV1;
use crate::evidence::snapshot::Snapshot;
use crate::evidence::verdict::Outcome;
use crate::evidence::verdict::Verdict;

/// Schema name of compare files.
pub const SCHEMA: &str = "vibeship_optimizer.compare.v2";

/// The minimum effect where neither the contract nor a calibration says otherwise: 1 %.
pub const DEFAULT_MIN_EFFECT: f64 = 0.01;

/// What a contract demands of the metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demands {
    /// The primary KPI.
    pub kpi: Option<Criterion>,
    /// The guardrails.
    pub guardrails: Vec<Criterion>,
    /// What calls for a rollback.
    pub trigger: Option<Trigger>,
}

/// What is known about noise before anything is compared. All numbers are shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The smallest change that counts, for metrics without a noise floor above it.
    pub min_effect: f64,
    /// Noise floors of paired comparison by metric, as calibrated on this machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise_floors: BTreeMap<MetricId, f64>,
    /// How far one session may differ from the next.
    pub session_floor: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_effect: DEFAULT_MIN_EFFECT,
            noise_floors: BTreeMap::new(),
            session_floor: effect::DEFAULT_SESSION_FLOOR,
        }
    }
}

/// A compare file. `before`, `after` and `deltas` are as version 1 has them, with more beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The baseline.
    pub before: Side,
    /// After the change.
    pub after: Side,
    /// Version 1's differences; a missing side is null.
    pub deltas: Deltas,
    /// The gravest verdict of KPI and guardrails; without any, of the decisive metrics.
    pub outcome: Outcome,
    /// KPI, guardrails and trigger with their verdicts.
    pub criteria: Vec<CriterionRow>,
    /// Words of a trigger that a person has to judge by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_words: Option<String>,
    /// Every metric of either side, by name.
    pub metrics: Vec<MetricRow>,
    /// Tuneables whose effective value or layer changed, by key.
    pub tuneables: Vec<TuneableChange>,
    /// Which time decides about each command.
    pub decisive: Vec<DecisiveRow>,
    /// What to hold against the outcome.
    pub caveats: Vec<Caveat>,
    /// The circumstances that the verdicts were reached under; `min_effect` is that of metrics without a noise floor.
    pub circumstances: Circumstances,
    /// The settings that they were reached with.
    pub settings: Settings,
    /// The pair session that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_id: Option<String>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The snapshot's label.
    pub label: String,
    /// When it was taken.
    pub generated_at: DateTime<Utc>,
    /// Version 1's description of the checkout.
    pub git: GitV1,
    /// The snapshot's id (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which code was measured (v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// What a criterion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The primary KPI.
    Kpi,
    /// A guardrail.
    Guardrail,
    /// The rollback trigger: `pass` means that it fired.
    Trigger,
}

/// A criterion and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionRow {
    /// What it is for.
    pub role: Role,
    /// The criterion.
    pub criterion: Criterion,
    /// Its verdict.
    pub result: Verdict,
}

/// Which time decides about a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisiveRow {
    /// The command's name.
    pub timing: String,
    /// Which, and why.
    pub time: Decisive,
}

/// Compares two snapshots. The same inputs give the same comparison, byte for byte.
pub fn compare(
    before: &Snapshot,
    after: &Snapshot,
    pair: Option<&PairSession>,
    demands: &Demands,
    settings: &Settings,
) -> Comparison {
    let sides = Sides {
        before: series::metrics(before),
        after: series::metrics(after),
        paired: pair.map(series::pair_metrics).unwrap_or_default(),
    };
    let circumstances = circumstances(before, after, settings);
    let metrics = metric_rows(&sides, &circumstances, settings);
    let criteria = criterion_rows(&sides, demands, &circumstances, settings);
    let decisive = decisive_rows(before, after, pair);
    let outcome = outcome(&criteria, &metrics, &decisive);
    let tuneables = tuneables::changes(before, after);
    let caveats = caveat::caveats(before, after, pair, &metrics, &circumstances);
    let trigger_words = match &demands.trigger {
        Some(Trigger::Words(words)) => Some(words.clone()),
        _ => None,
    };
    Comparison {
        schema: SCHEMA.to_owned(),
        before: side(before),
        after: side(after),
        deltas: legacy::deltas(before, after),
        outcome,
        criteria,
        trigger_words,
        metrics,
        tuneables,
        decisive,
        caveats,
        circumstances,
        settings: settings.clone(),
        pair_id: pair.map(|session| session.id.clone()),
    }
}

fn side(snapshot: &Snapshot) -> Side {
    Side {
        label: snapshot.label.clone(),
        generated_at: snapshot.generated_at,
        git: snapshot.git.clone(),
        id: snapshot.id.clone(),
        revision: snapshot.revision.clone(),
    }
}

fn circumstances(before: &Snapshot, after: &Snapshot, settings: &Settings) -> Circumstances {
    let machines = before.machine.as_ref().zip(after.machine.as_ref());
    let other_machine = machines.map_or_else(
        || caveat::other_platform(before, after),
        |(before, after)| before.differences(after).into_iter().map(str::to_owned).collect(),
    );
    let code = before.revision.as_ref().zip(after.revision.as_ref());
    let same_files = code.is_some_and(|(before, after)| before.same_code(after));
    Circumstances {
        other_machine,
        same_code: same_files && before.tuneables == after.tuneables && before.env == after.env,
        reference_ratio: effect::reference_ratio(&before.reference_s, &after.reference_s),
        session_floor: settings.session_floor,
        min_effect: settings.min_effect,
    }
}

fn criterion_rows(sides: &Sides, demands: &Demands, known: &Circumstances, settings: &Settings) -> Vec<CriterionRow> {
    let trigger = match &demands.trigger {
        Some(Trigger::Measured(criterion)) => Some((Role::Trigger, criterion)),
        _ => None,
    };
    let kpi = demands.kpi.iter().map(|criterion| (Role::Kpi, criterion));
    let guardrails = demands.guardrails.iter().map(|criterion| (Role::Guardrail, criterion));
    kpi.chain(guardrails)
        .chain(trigger)
        .map(|(role, criterion)| {
            let known = for_metric(known, settings, &criterion.metric);
            let result = judge::judge(criterion, sides.measured(&criterion.metric), &known);
            CriterionRow { role, criterion: criterion.clone(), result }
        })
        .collect()
}

fn decisive_rows(before: &Snapshot, after: &Snapshot, pair: Option<&PairSession>) -> Vec<DecisiveRow> {
    let mut rows: BTreeMap<&str, Decisive> = BTreeMap::new();
    for timing in &after.timings {
        let old = before.timings.iter().find(|other| other.name == timing.name);
        let runs = timing.samples.iter().chain(old.iter().flat_map(|old| &old.samples));
        let times = runs.map(|run| (run.user_s.zip(run.system_s).map(|(user, system)| user + system), run.wall_s));
        rows.insert(&timing.name, Decisive::by_runs(times));
    }
    for command in pair.iter().flat_map(|session| &session.commands) {
        rows.insert(&command.name, Decisive::of_pairs(command));
    }
    rows.into_iter().map(|(timing, decisive)| DecisiveRow { timing: timing.to_owned(), time: decisive }).collect()
}

/// A fired trigger is as grave as a failure; one that has not fired says nothing. Without KPI and guardrails the decisive
/// times, the rates and the KPIs speak; sizes do not, as nearly every change of code moves them.
fn outcome(criteria: &[CriterionRow], metrics: &[MetricRow], decisive: &[DecisiveRow]) -> Outcome {
    let fired = criteria.iter().any(|row| row.role == Role::Trigger && row.result.outcome() == Outcome::Pass);
    if fired {
        return Outcome::Fail;
    }
    let demanded = criteria.iter().filter(|row| row.role != Role::Trigger);
    if let Some(gravest) = demanded.map(|row| row.result.outcome()).max() {
        return gravest;
    }
    let decides = |row: &&MetricRow| {
        let name = row.metric.as_str();
        let time = decisive.iter().any(|row| row.time.metric(&row.timing).as_str() == name);
        time || name.starts_with("kpi.") || row.sampling == Sampling::Rate
    };
    let speaking = metrics.iter().filter(decides).filter(|row| !settled_rate(row));
    speaking.map(|row| outcome_of(&row.result)).max().unwrap_or(Outcome::Inconclusive)
}

/// A rate at which nothing failed on either side has nothing to hold against the change.
fn settled_rate(row: &MetricRow) -> bool {
    let all = |side: Option<Level>| side.is_some_and(|level| level.value >= 1.0);
    row.sampling == Sampling::Rate && all(row.before) && all(row.after)
}

fn outcome_of(change: &Change) -> Outcome {
    match change {
        Change::Improved(_) | Change::NoDifference(_) => Outcome::Pass,
        Change::Inconclusive { .. } => Outcome::Inconclusive,
        Change::Invalid { .. } => Outcome::Invalid,
        Change::Regressed(_) => Outcome::Fail,
    }
}
