//! Recomputes what a record says about its evidence from the bytes of the files, which the caller provides.

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::audit::copies::SeenMeasurements;
use crate::audit::record;
use crate::judge::effect::DEFAULT_SESSION_FLOOR;
use crate::judge::noise::LEAST_SESSION_FLOOR;
use crate::judge::{self, Caveat, Comparison, CriterionRole, CriterionRow, Settings, compare};
use crate::model::{
    Artifact, Better, Contract, CriterionResult, Digest, Effect, Event, Kind, MetricId, Outcome, PairSession,
    PairedKpi, RolloutStage, Sampling, SideRevision, Snapshot, SnapshotPurpose, Tick, Verdict, Verdicts, ingest,
};
use crate::workflow::window::{CLOCK_TOLERANCE, earlier, later};
use crate::workflow::{Change, Dated, End, watch};

/// The largest distance between the time in a measurement and that of its event: measuring ends shortly before recording.
const RECORDING_DELAY: Duration = Duration::minutes(15);
/// The largest distance between the time in a snapshot's id and its own; both are taken together.
const ID_DELAY: Duration = Duration::seconds(2);
/// How much the change of an exact KPI may differ between pairs and snapshots, as a share: pairs are measured in another
/// directory, which can affect a size or a count.
pub(crate) const EXACT_TOLERANCE: f64 = 0.01;
const MIN_EFFECT: &str = "pair.min_effect";

/// The definition with which a baseline records the contract's digest.
pub(crate) const CONTRACT: &str = "contract";
/// Time from which every baseline has this definition, in Unix seconds: 2026-11-28.
pub(crate) const CONTRACT_SINCE: i64 = 1_795_824_000;

/// The bytes of a recorded file; `None` if it is missing or altered, which is reported elsewhere.
pub(crate) type Fetch<'a> = dyn Fn(&Artifact) -> Option<Vec<u8>> + 'a;

/// The first problem with a change's measurements and verdicts; `None` if all of them can be reproduced.
pub(crate) fn problem(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let repeated = || record::repeated(change, fetch);
    measurements(change, fetch).or_else(repeated).or_else(|| comparison(change, fetch)).or_else(|| lost(change, fetch))
}

/// A problem if the change was verified although its KPI failed on every monitored day.
fn lost(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let is_verified = matches!(change.end, Some(End::Verified { .. }));
    let watched = Watched::of(change, fetch).filter(|_| is_verified)?;
    let day =
        |tick: &Dated<Tick>| Some((tick.utc_date, watched.watch(change, &snapshot(&tick.taken.snapshot, fetch)?)));
    let kpi = watch::lost(change, &change.ticks.iter().filter_map(day).collect::<Vec<_>>())?;
    Some(format!("`{}` failed on every monitored day, and nobody said why that is no harm", kpi.criterion))
}

/// The first snapshot that is a copy, belongs to another change, was made at another time than the record says, or leads to
/// other conclusions.
fn measurements(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let current = change.artifacts();
    let mut seen = SeenMeasurements::default();
    let watched = Watched::of(change, fetch);
    change.events.iter().find_map(|event| {
        let taken = event.what.recorded_snapshot().filter(|taken| current.contains(&&taken.snapshot))?;
        let bytes = fetch(&taken.snapshot)?;
        let problem = match ingest::parse_snapshot(&bytes) {
            Ok(snapshot) => mismatch(change, event, &snapshot)
                .or_else(|| seen.again(&snapshot))
                .or_else(|| watched.as_ref().and_then(|watched| watched.differs(change, &event.what, &snapshot))),
            Err(error) => Some(error.to_string()),
        }?;
        Some(format!("{}: {problem}", taken.snapshot.path))
    })
}

fn mismatch(change: &Change, event: &Event, snapshot: &Snapshot) -> Option<String> {
    let (what, taken) = event.what.measured()?;
    let recorded = [
        ("change id", snapshot.change_id.as_deref() == Some(change.id().as_str())),
        ("revision", snapshot.revision.as_ref() == Some(&taken.revision)),
        ("role", snapshot.role.as_ref() == Some(&what.role())),
        ("moment", snapshot.generated_at == taken.taken_at),
    ];
    if let Some((what, _)) = recorded.into_iter().find(|(_, same)| !same) {
        return Some(format!("its {what} is not what the record says"));
    }
    if what == SnapshotPurpose::Baseline {
        match snapshot.definitions.get(CONTRACT) {
            Some(contract) if *contract != change.contract.digest() => {
                return Some("it was measured for another contract".to_owned());
            }
            None if taken.taken_at.timestamp() >= CONTRACT_SINCE => {
                return Some("it does not say which contract it was measured for".to_owned());
            }
            Some(_) | None => {}
        }
    }
    let apart = |at: DateTime<Utc>| (at - snapshot.generated_at).abs();
    if apart(event.at) > RECORDING_DELAY {
        return Some("it was not measured when it was recorded".to_owned());
    }
    if snapshot.started_at.is_some_and(|started| started > snapshot.generated_at) {
        return Some("it ended before it began".to_owned());
    }
    match snapshot.id.as_deref().and_then(made_at) {
        Some(at) if apart(at) <= ID_DELAY => None,
        Some(_) => Some("its id was made at another moment".to_owned()),
        None => Some("its id carries no moment".to_owned()),
    }
}

fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    Utc.timestamp_opt(i64::try_from(seconds).ok()?, nanos).single()
}

/// The inputs of a change's comparison, if every file is as it was recorded, and the recomputed comparison.
pub(crate) struct Judgement {
    pub(crate) before: Snapshot,
    pub(crate) after: Snapshot,
    pub(crate) pair: Option<PairSession>,
    pub(crate) comparison: Comparison,
}

impl Judgement {
    pub(crate) fn of(change: &Change, fetch: &Fetch<'_>) -> Option<Self> {
        let recorded = change.comparison.as_ref()?;
        let pair = match &recorded.pair {
            Some(artifact) => Some(ingest::parse_pair(&fetch(artifact)?).ok()?),
            None => None,
        };
        let before = snapshot(&change.baseline.as_ref()?.taken.snapshot, fetch)?;
        let after = snapshot(&change.after.as_ref()?.taken.snapshot, fetch)?;
        let stored: Comparison = serde_json::from_slice(&fetch(&recorded.json)?).ok()?;
        let mut comparison = compare::compare(&before, &after, pair.as_ref(), &change.contract, &stored.settings);
        // Caveats from git and the record, and the reason for missing pairs, were only known at that time.
        comparison.caveats.extend(stored.caveats.into_iter().filter(Caveat::is_of_change));
        comparison.not_paired = stored.not_paired;
        Some(Self { before, after, pair, comparison })
    }
}

pub(crate) fn snapshot(artifact: &Artifact, fetch: &Fetch<'_>) -> Option<Snapshot> {
    ingest::parse_snapshot(&fetch(artifact)?).ok()
}

/// The reference for measurements of the rollout and the monitoring window.
pub(crate) struct Watched {
    reference: Snapshot,
    /// The state right after the change; for an emergency, at its rollout.
    after: Snapshot,
    pub(crate) settings: Settings,
}

impl Watched {
    pub(crate) fn of(change: &Change, fetch: &Fetch<'_>) -> Option<Self> {
        let reference = snapshot(watch::reference(change)?, fetch)?;
        let after = match &change.after {
            Some(after) => snapshot(&after.taken.snapshot, fetch)?,
            None => reference.clone(),
        };
        let recorded = match &change.comparison {
            Some(comparison) => Some(serde_json::from_slice::<Comparison>(&fetch(&comparison.json)?).ok()?),
            None => None,
        };
        let reference = match change.measured_on_commit() {
            Some((_, pair)) => compare::without_change(&reference, &after, &ingest::parse_pair(&fetch(pair)?).ok()?),
            None => reference,
        };
        Some(Self { reference, after, settings: watch::settings(change, recorded.as_ref()) })
    }

    pub(crate) fn watch(&self, change: &Change, today: &Snapshot) -> Vec<CriterionRow> {
        watch::watch(change, &self.reference, today, &self.settings)
    }

    /// The criteria that a measurement after a rollback proves to be worse than before the change, or cannot judge.
    pub(crate) fn not_back(&self, change: &Change, today: &Snapshot) -> Vec<CriterionResult> {
        let judged = self.watch(change, today);
        let is_found = |row: &&CriterionRow| match row.result.outcome() {
            Outcome::Fail => row.role == CriterionRole::Guardrail,
            Outcome::Invalid => row.role != CriterionRole::Trigger,
            Outcome::Pass | Outcome::Inconclusive => false,
        };
        let mut found: Vec<CriterionResult> =
            judged.iter().filter(is_found).map(CriterionRow::criterion_result).collect();
        let rows = watch::drift(&self.reference, today, &self.settings).metrics;
        let kpi = change.contract.kpi.as_ref();
        let kpi = rows.into_iter().filter(|row| kpi.is_some_and(|kpi| kpi.metric == row.metric));
        found.extend(kpi.filter_map(|row| {
            let judge::MetricChange::Regressed(finding) = row.result else { return None };
            let bound = if row.better == Better::Higher { ">= -0%" } else { "<= +0%" };
            Some(CriterionResult { criterion: format!("{} {bound}", row.metric), verdict: Verdict::Fail(finding) })
        }));
        found
    }

    pub(crate) fn drift(&self, today: &Snapshot) -> Comparison {
        watch::drift(&self.after, today, &self.settings)
    }

    fn differs(&self, change: &Change, what: &Kind, snapshot: &Snapshot) -> Option<String> {
        let again = || self.watch(change, snapshot);
        let same = if let Kind::RolledOut(RolloutStage { verdicts: Some(verdicts), .. }) = what {
            compare::verdicts(&again()).as_ref() == Some(verdicts)
        } else if let Kind::Ticked(tick) = what {
            watch::alarms(&again()) == tick.alarms
        } else {
            true
        };
        (!same).then(|| "recomputing the verdicts from it gives other results".to_owned())
    }
}

/// Checks that the comparison's file has the record's verdicts, and that snapshots and pairs reproduce them.
fn comparison(change: &Change, fetch: &Fetch<'_>) -> Option<String> {
    let (baseline, after, recorded) = (change.baseline.as_ref()?, change.after.as_ref()?, change.comparison.as_ref()?);
    let (before, after) = (snapshot(&baseline.taken.snapshot, fetch)?, snapshot(&after.taken.snapshot, fetch)?);
    let mut pair = None;
    if let Some(artifact) = &recorded.pair {
        let read = ingest::parse_pair(&fetch(artifact)?).map_err(|error| error.to_string());
        let read = read.and_then(|pair| pair_session(change, (&before, &after), &pair).map_or(Ok(pair), Err));
        match read {
            Ok(read) => pair = Some(read),
            Err(problem) => return Some(format!("{}: {problem}", artifact.path)),
        }
    } else if change.commit_and_parent().is_some() {
        let problem = "others committed since the baseline, and the change was not measured on its commit alone";
        return Some(problem.to_owned());
    }
    let of_json = |problem: String| Some(format!("{}: {problem}", recorded.json.path));
    let stored: Comparison = match serde_json::from_slice(&fetch(&recorded.json)?) {
        Ok(stored) => stored,
        Err(error) => return of_json(error.to_string()),
    };
    if let Some(problem) = settings(&change.contract, &before, &stored.settings) {
        return of_json(problem);
    }
    if compare::is_met_already(&before, &change.contract) {
        return Some("the baseline meets the KPI already, so that it proves no improvement".to_owned());
    }
    if compare::verdicts(&stored.criteria).is_none_or(|stored| difference(&recorded.verdicts, &stored).is_some()) {
        return of_json("its verdicts are not those of the record".to_owned());
    }
    let again = compare::compare(&before, &after, pair.as_ref(), &change.contract, &stored.settings);
    let Some(again) = compare::verdicts(&again.criteria) else {
        return Some("the contract has no KPI to judge".to_owned());
    };
    difference(&recorded.verdicts, &again).or_else(|| {
        let alone = compare::compare(&before, &after, None, &change.contract, &stored.settings);
        let alone = compare::verdicts(&alone.criteria)?;
        let is_of_both = pair.as_ref().is_some_and(|pair| !pair.of_commit);
        is_of_both.then(|| contradicted(&after, &again, &alone)).flatten()
    })
}

/// A criterion on an exact KPI that pairs and snapshots decide differently: an exact value is the same in both.
fn contradicted(after: &Snapshot, paired: &Verdicts, alone: &Verdicts) -> Option<String> {
    let exact: Vec<MetricId> =
        after.kpis.iter().filter(|kpi| kpi.sampling == Sampling::Exact).map(|kpi| MetricId::kpi(&kpi.name)).collect();
    let is_exact = |judged: &CriterionResult| judged.parsed().is_some_and(|it| exact.contains(&it.metric));
    let mut both = paired.all().zip(alone.all());
    let differs = |(one, other): &(&CriterionResult, &CriterionResult)| {
        is_exact(one) && one.verdict.outcome() != other.verdict.outcome()
    };
    let (one, other) = both.find(differs)?;
    let [paired, alone] = [one, other].map(|judged| judged.verdict.outcome().name());
    Some(format!("`{}` is {paired} by the pairs and {alone} by the snapshots, though the KPI is exact", one.criterion))
}

/// Checks that the pairs are of this change and its commits, from before the comparison, with the snapshots' exact values.
fn pair_session(change: &Change, sides: (&Snapshot, &Snapshot), pair: &PairSession) -> Option<String> {
    if pair.change_id.as_deref() != Some(change.id().as_str()) {
        return Some("it belongs to another change".to_owned());
    }
    let mut machines = std::iter::once(pair).chain(&pair.others);
    machines.find_map(|pair| on_one_machine(change, sides, pair))
}

fn on_one_machine(change: &Change, sides: (&Snapshot, &Snapshot), pair: &PairSession) -> Option<String> {
    let (baseline, after, compared) = (change.baseline.as_ref()?, change.after.as_ref()?, change.comparison.as_ref()?);
    let is_of = |side: &SideRevision, commit: Option<&str>| side.commit.is_some() && side.commit.as_deref() == commit;
    let of_snapshots = (baseline.taken.revision.commit.as_deref(), after.taken.revision.commit.as_deref());
    let on_commit = change.commit_and_parent().map(|(parent, commit)| (Some(parent), Some(commit)));
    let (first, second) = on_commit.unwrap_or(of_snapshots);
    if !is_of(&pair.before, first) || !is_of(&pair.after, second) || pair.of_commit != on_commit.is_some() {
        return Some("it measured other commits than the ones to compare".to_owned());
    }
    // If the clock was set back in between, only the comparison is a bound.
    let early = after.at <= compared.at && pair.started_at < earlier(after.at, CLOCK_TOLERANCE);
    let late = pair.generated_at > later(compared.at, CLOCK_TOLERANCE);
    if early || late || pair.started_at > later(pair.generated_at, CLOCK_TOLERANCE) {
        return Some("it was not measured between the state after and the comparison".to_owned());
    }
    // If others committed in between, the snapshots also differ by their work.
    let other =
        pair.kpis.iter().filter(|it| !pair.of_commit && !it.http).find(|paired| changes_otherwise(paired, sides))?;
    Some(format!(
        "{} is exact, and changes otherwise in the pairs than between the snapshots; `compare --no-pair` judges by the snapshots alone",
        other.kpi.name
    ))
}

fn changes_otherwise(paired: &PairedKpi, (before, after): (&Snapshot, &Snapshot)) -> bool {
    let value = |snapshot: &Snapshot| {
        let kpi = snapshot.kpis.iter().find(|kpi| kpi.name == paired.kpi.name)?;
        (kpi.sampling == Sampling::Exact).then(|| kpi.values.first().copied())?
    };
    let (Some(old), Some(new)) = (value(before), value(after)) else { return false };
    let allowed = EXACT_TOLERANCE * old.abs().max(new.abs());
    paired.pairs.iter().any(|(before, after)| ((after - before) - (new - old)).abs() > allowed)
}

/// Checks that the settings can have been in force: a change's own file must not define how it is judged.
fn settings(contract: &Contract, baseline: &Snapshot, settings: &Settings) -> Option<String> {
    let effect = settings.min_effect;
    let (agreed, whose) = match (contract.min_effect, baseline.definitions.get(MIN_EFFECT)) {
        (Some(agreed), _) => (effect == agreed, "contract"),
        (None, Some(fixed)) => (Digest::of_json(&json!(effect)) == *fixed, "baseline"),
        (None, None) => (effect >= 0.0, "baseline"),
    };
    if !agreed {
        return Some(format!("it was judged with another effect than the {whose}'s"));
    }
    // Only timed commands are calibrated, and never below the smallest difference assumed between sessions.
    let calibrated =
        |(metric, floor): (&MetricId, &f64)| metric.as_str().starts_with("timing.") && *floor >= LEAST_SESSION_FLOOR;
    let sessions = settings.session_floor >= DEFAULT_SESSION_FLOOR && settings.session_floors.iter().all(calibrated);
    let pairs = settings.noise_floors.values().all(|floor| *floor >= 0.0);
    (!sessions || !pairs).then(|| "it was judged with less noise than any calibration gives".to_owned())
}

/// The first criterion that was not judged as the evidence gives it.
fn difference(recorded: &Verdicts, again: &Verdicts) -> Option<String> {
    if recorded.all().count() != again.all().count() {
        return Some("the record judges other criteria than the contract has".to_owned());
    }
    let (one, other) = recorded.all().zip(again.all()).find(|(one, other)| !rests_on_the_same(one, other))?;
    if one.verdict.outcome() == other.verdict.outcome() {
        return Some(format!("the numbers of `{}` are not those that the evidence gives", one.criterion));
    }
    let [was, is] = [one, other].map(|judged| judged.verdict.outcome().name());
    Some(format!("`{}` was recorded as {was}, the evidence gives {is}", one.criterion))
}

/// Whether two verdicts rest on the same numbers. The number of further runs is advice and may differ between versions, and
/// early versions recorded no unit.
fn rests_on_the_same(one: &CriterionResult, other: &CriterionResult) -> bool {
    let finding = |it: Effect| Effect { unit: None, ..it };
    let evidence = |judged: &CriterionResult| match judged.verdict.clone() {
        Verdict::Pass(found) => Verdict::Pass(finding(found)),
        Verdict::Fail(found) => Verdict::Fail(finding(found)),
        Verdict::Inconclusive { finding: found, because, .. } => {
            Verdict::Inconclusive { finding: found.map(finding), because, more_runs: None }
        }
        verdict @ Verdict::Invalid { .. } => verdict,
    };
    one.criterion == other.criterion && evidence(one) == evidence(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        // RFC 9562, appendix A.6: made on 22 February 2022 at 19:22:22 UTC.
        let at = made_at("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").unwrap();
        assert_eq!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "2022-02-22T19:22:22Z");
        assert_eq!(made_at("0190-before"), None);
    }
}
