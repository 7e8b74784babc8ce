//! Compares two snapshots, with the pairs between them if any: every metric, every criterion, one outcome, and caveats.
//! Owns the format of the compare file; renders no text.

pub mod caveats;
mod changes;
mod rows;

pub use changes::{
    Deltas, EffectiveChange, VariableChange, governs, has_general, is_general, redefined, tuneable_changes,
};
pub(crate) use changes::{other_commands, variable_changes};
pub(crate) use rows::files_read;
pub use rows::{Level, MetricRow, PairRow, for_metric, pair_rows};

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::judge::compare::rows::{Sides, metric_rows};
use crate::judge::{Caveat, Circumstances, Decisive, MetricChange, Which, effect, rule, series};
use crate::model::{
    Contract, Criterion, CriterionResult, GitV1, MetricId, MetricSource, Outcome, PairSession, Revision, Run, Sampling,
    Snapshot, Trigger, Verdict, Verdicts,
};
pub const SCHEMA: &str = "vibeship_optimizer.compare.v2";

/// The default minimum effect: 1 %.
pub const DEFAULT_MIN_EFFECT: f64 = 0.01;

/// What is known about noise before anything is compared. All numbers are shares.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The smallest change that counts, for metrics without a noise floor above it.
    pub min_effect: f64,
    /// Noise floors of paired comparison by metric, as calibrated on this machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noise_floors: BTreeMap<MetricId, f64>,
    /// How far one session may differ from the next, for metrics whose sessions were not calibrated.
    pub session_floor: f64,
    /// The same by metric, as calibrated on this machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_floors: BTreeMap<MetricId, f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_effect: DEFAULT_MIN_EFFECT,
            noise_floors: BTreeMap::new(),
            session_floor: effect::DEFAULT_SESSION_FLOOR,
            session_floors: BTreeMap::new(),
        }
    }
}

/// A compare file. `before`, `after` and `deltas` are as version 1 has them, with more beside.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub schema: String,
    pub before: ComparedSnapshot,
    pub after: ComparedSnapshot,
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
    pub tuneables: Vec<EffectiveChange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<VariableChange>,
    pub decisive: Vec<DecisiveRow>,
    pub caveats: Vec<Caveat>,
    /// The circumstances that the verdicts were reached under; `min_effect` is that of metrics without a noise floor.
    pub circumstances: Circumstances,
    /// The settings that they were reached with.
    pub settings: Settings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_id: Option<String>,
    /// Why there is none, where pairs were wanted; in words, set by whoever tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_paired: Option<String>,
}

/// One side of a comparison.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedSnapshot {
    pub label: String,
    pub generated_at: DateTime<Utc>,
    pub git: GitV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// What a criterion is for.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriterionRole {
    Kpi,
    Guardrail,
    /// The rollback trigger: `pass` means that it fired.
    Trigger,
}

/// A criterion and its verdict.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionRow {
    pub role: CriterionRole,
    pub criterion: Criterion,
    pub result: Verdict,
}

impl CriterionRow {
    pub fn criterion_result(&self) -> CriterionResult {
        CriterionResult { criterion: self.criterion.text.clone(), verdict: self.result.clone() }
    }
}

/// The verdicts on a whole contract, as recorded in an event; `None` if it has no KPI.
pub fn verdicts(rows: &[CriterionRow]) -> Option<Verdicts> {
    let of = |role| rows.iter().filter(move |row| row.role == role).map(CriterionRow::criterion_result);
    let kpi = of(CriterionRole::Kpi).next()?;
    Some(Verdicts {
        kpi,
        guardrails: of(CriterionRole::Guardrail).collect(),
        trigger: of(CriterionRole::Trigger).next(),
    })
}

/// Which time decides about a command.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisiveRow {
    pub timing: String,
    pub time: Decisive,
}

/// Whether the baseline already meets an absolute KPI, so that nothing has to improve.
pub(crate) fn is_met_already(baseline: &Snapshot, contract: &Contract) -> bool {
    let is_absolute = contract.kpi.as_ref().is_some_and(|kpi| !kpi.is_relative());
    let rows = || compare(baseline, baseline, None, contract, &Settings::default()).criteria;
    is_absolute && rows().iter().any(|row| row.role == CriterionRole::Kpi && row.result.outcome() == Outcome::Pass)
}

/// Compares two snapshots. The same inputs give the same comparison, byte for byte.
pub fn compare(
    before: &Snapshot,
    after: &Snapshot,
    pair: Option<&PairSession>,
    contract: &Contract,
    settings: &Settings,
) -> Comparison {
    let on_commit = pair.filter(|pair| pair.of_commit);
    let read = on_commit.map(|pair| (attributed(before, pair, Which::Before), attributed(after, pair, Which::After)));
    let (before, after) = read.as_ref().map_or((before, after), |(before, after)| (before, after));
    let mut sides = Sides {
        before: series::metrics(before),
        after: series::metrics(after),
        paired: pair.map(series::pair_metrics).unwrap_or_default(),
    };
    sides.refuse_redefined(&redefined(&before.definitions, &after.definitions));
    sides.refuse_redefined(&other_commands(&before.timings, &after.timings));
    let circumstances = circumstances(before, after, settings);
    if !circumstances.same_code && !caveats::is_same_snapshot(before, after) {
        sides.refuse_unwritten(before, after);
    }
    let metrics = metric_rows(&sides, &circumstances, settings);
    let criteria = criterion_rows(&sides, contract, &circumstances, settings);
    let decisive = decisive_rows(before, after, pair);
    let outcome = match caveats::is_same_snapshot(before, after) {
        true => Outcome::Invalid,
        false => outcome(&criteria, &metrics, &decisive),
    };
    let caveats =
        caveats::caveats(before, after, pair, (&metrics, contract.kpi.as_ref().map(|kpi| &kpi.metric)), &circumstances);
    let trigger_words = if let Some(Trigger::Words(words)) = &contract.trigger { Some(words.clone()) } else { None };
    Comparison {
        schema: SCHEMA.to_owned(),
        before: side(before),
        after: side(after),
        deltas: changes::deltas(before, after),
        outcome,
        criteria,
        trigger_words,
        metrics,
        tuneables: tuneable_changes(&before.tuneables, &after.tuneables),
        env: variable_changes(before, after),
        decisive,
        caveats,
        circumstances,
        settings: settings.clone(),
        pair_id: pair.map(|session| session.id.clone()),
        not_paired: None,
    }
}

/// The snapshot reduced to the change's commit or its parent: sizes and exact KPIs have the values read there, and what
/// was not measured there has no value. Sampled metrics are judged by their pairs.
pub fn attributed(snapshot: &Snapshot, pair: &PairSession, side: Which) -> Snapshot {
    let mut found = snapshot.clone();
    fn of<T>(side: Which, (before, after): (T, T)) -> T {
        if side == Which::Before { before } else { after }
    }
    let sizes = pair.sizes.iter().map(|(path, sizes)| (path.clone(), of(side, sizes.clone())));
    found.sizes = sizes.collect();
    found.missing_sizes = snapshot.sizes.keys().filter(|path| !found.sizes.contains_key(*path)).cloned().collect();
    found.http.clear();
    found.timings.retain(|timing| pair.commands.iter().any(|command| command.name == timing.name));
    for kpi in &mut found.kpis {
        let paired = pair.kpi(&kpi.name);
        match paired.and_then(|paired| paired.pairs.last()) {
            Some(values) if kpi.sampling == Sampling::Exact => kpi.values = vec![of(side, *values)],
            Some(_) => {}
            None => {
                let why = paired.and_then(|paired| paired.kpi.error.clone());
                kpi.error =
                    Some(why.unwrap_or_else(|| "it was not read on the change's commit and its parent".to_owned()));
                kpi.values.clear();
            }
        }
    }
    found
}

/// The baseline for later measurements of a change that was measured on its own commit: the values of its parent, plus
/// what other commits had added by the time of the after snapshot.
pub fn without_change(reference: &Snapshot, after: &Snapshot, pair: &PairSession) -> Snapshot {
    let mut found = attributed(reference, pair, Which::Before);
    let moved = |value: u64, now: u64, alone: u64| value.saturating_add(now).saturating_sub(alone);
    for (path, size) in &mut found.sizes {
        let (Some(now), Some((_, alone))) = (after.sizes.get(path), pair.sizes.get(path)) else { continue };
        size.bytes = moved(size.bytes, now.bytes, alone.bytes);
        if let (Some(tracked), Some(now), Some(alone)) =
            (&mut size.tracked_bytes, now.tracked_bytes, alone.tracked_bytes)
        {
            *tracked = moved(*tracked, now, alone);
        }
    }
    for kpi in found.kpis.iter_mut().filter(|kpi| kpi.sampling == Sampling::Exact) {
        let now = after.kpis.iter().find(|now| now.name == kpi.name).and_then(|now| now.values.first());
        let alone = pair.kpi(&kpi.name).and_then(|alone| alone.pairs.last());
        if let (Some(value), Some(now), Some((_, alone))) = (kpi.values.first_mut(), now, alone) {
            *value += now - alone;
        }
    }
    found
}

fn side(snapshot: &Snapshot) -> ComparedSnapshot {
    ComparedSnapshot {
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
        || caveats::other_platform(before, after),
        |(before, after)| before.differences(after).into_iter().map(str::to_owned).collect(),
    );
    Circumstances {
        other_machine,
        same_code: caveats::is_same_code(before, after)
            && before.tuneables == after.tuneables
            && before.env == after.env,
        reference_ratio: effect::reference_ratio(&before.reference_s, &after.reference_s),
        session_floor: settings.session_floor,
        min_effect: settings.min_effect,
    }
}

fn criterion_rows(sides: &Sides, contract: &Contract, known: &Circumstances, settings: &Settings) -> Vec<CriterionRow> {
    let kpi = contract.kpi.iter().map(|criterion| (CriterionRole::Kpi, criterion));
    let guardrails = contract.guardrails.iter().map(|criterion| (CriterionRole::Guardrail, criterion));
    kpi.chain(guardrails)
        .chain(contract.measured_trigger().map(|criterion| (CriterionRole::Trigger, criterion)))
        .map(|(role, criterion)| {
            let known = for_metric(known, settings, &criterion.metric);
            let in_git = sides.in_git(&criterion.metric);
            let result = rule::judge(criterion, sides.measured(in_git.as_ref().unwrap_or(&criterion.metric)), &known);
            CriterionRow { role, criterion: criterion.clone(), result }
        })
        .collect()
}

fn decisive_rows(before: &Snapshot, after: &Snapshot, pair: Option<&PairSession>) -> Vec<DecisiveRow> {
    let mut rows: BTreeMap<&str, Decisive> = BTreeMap::new();
    let mut runs: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for timing in after.timings.iter().chain(&before.timings) {
        runs.entry(&timing.name).or_default().extend(&timing.samples);
    }
    rows.extend(runs.into_iter().map(|(name, runs)| (name, Decisive::by_runs(runs.into_iter()))));
    for command in pair.iter().flat_map(|session| &session.commands) {
        rows.insert(&command.name, Decisive::of_pairs(command));
    }
    rows.into_iter().map(|(timing, decisive)| DecisiveRow { timing: timing.to_owned(), time: decisive }).collect()
}

/// The worst verdict. A fired trigger is a failure; one that has not fired does not count. Without KPI and guardrails,
/// the decisive times, the rates and the KPIs determine it, but not sizes, which nearly every code change alters.
fn outcome(criteria: &[CriterionRow], metrics: &[MetricRow], decisive: &[DecisiveRow]) -> Outcome {
    let fired = criteria.iter().any(|row| row.role == CriterionRole::Trigger && row.result.outcome() == Outcome::Pass);
    if fired {
        return Outcome::Fail;
    }
    let demanded = criteria.iter().filter(|row| row.role != CriterionRole::Trigger);
    if let Some(gravest) = demanded.map(|row| row.result.outcome()).max() {
        return gravest;
    }
    let times: BTreeSet<MetricId> = decisive.iter().map(|row| row.time.metric(&row.timing)).collect();
    let decides = |row: &&MetricRow| {
        let is_kpi = row.metric.source() == Some(MetricSource::Kpi);
        is_kpi || row.sampling == Sampling::Rate || times.contains(&row.metric)
    };
    let speaking =
        metrics.iter().filter(decides).filter(|row| !row.never_failed() || row.before.is_none() || row.after.is_none());
    speaking.map(|row| outcome_of(&row.result)).max().unwrap_or(Outcome::Inconclusive)
}

fn outcome_of(change: &MetricChange) -> Outcome {
    match change {
        MetricChange::Improved(_) | MetricChange::NoDifference(_) => Outcome::Pass,
        MetricChange::Inconclusive { .. } => Outcome::Inconclusive,
        MetricChange::Invalid { .. } => Outcome::Invalid,
        MetricChange::Regressed(_) => Outcome::Fail,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::judge::Which;
    use crate::model::ingest::{parse_pair, parse_snapshot};
    use crate::model::{Design, Flaw, Unusable};

    use super::*;

    fn snapshot(version: u8, body: &str) -> Snapshot {
        let text = format!(
            r#"{{"schema":"vibeship_optimizer.snapshot.v{version}","generated_at":"2026-02-15T13:23:31Z","label":"x",{body}}}"#
        );
        parse_snapshot(text.as_bytes()).unwrap()
    }

    fn runs(walls: &[f64]) -> String {
        let run = |wall: &f64| format!(r#"{{"wall_s":{wall},"user_s":{wall},"system_s":0,"exit_code":0}}"#);
        let samples: Vec<String> = walls.iter().map(run).collect();
        format!(r#""timings":[{{"name":"t","cmd":"c","last_rc":0,"samples":[{}]}}]"#, samples.join(","))
    }

    fn bare(before: &Snapshot, after: &Snapshot) -> Comparison {
        compare(before, after, None, &Contract::default(), &Settings::default())
    }

    #[test]
    fn times_of_another_command_or_without_runs_are_no_improvement() {
        let of = |cmd: &str, rest: &str| {
            let git = format!(r#""git":{{"is_git":true,"commit":"{cmd}"}}"#);
            snapshot(1, &format!(r#"{git},"timings":[{{"name":"a","cmd":"{cmd}","runs":3,{rest}}}]"#))
        };
        let (slow, fast) = (r#""last_rc":0,"all_s":[2,2,2]"#, r#""last_rc":0,"all_s":[1,1,1]"#);
        let invalid = |before: &Snapshot, after: &Snapshot, why: Unusable| {
            let found = bare(before, after);
            assert_eq!(found.outcome, Outcome::Invalid);
            let row = found.metrics.iter().find(|row| row.metric.as_str() == "timing.a.wall").unwrap();
            assert_eq!(row.result, MetricChange::Invalid { because: Flaw::After { reason: why } });
        };
        invalid(&of("pytest", slow), &of("true", fast), Unusable::Redefined);
        let none = Unusable::NoValue { message: "the record holds no run times".to_owned() };
        invalid(&of("pytest", slow), &of("pytest", r#""last_rc":0,"all_s":[]"#), none);
        invalid(&of("pytest", slow), &snapshot(1, r#""timings":[]"#), Unusable::NotMeasured);
    }

    #[test]
    fn an_endpoint_not_started_for_each_side_is_a_caveat() {
        let of = |commit: &str| {
            let requests = r#"[{"latency_s":0.2,"ok":true},{"latency_s":0.2,"ok":true}]"#;
            let git = format!(r#""git":{{"is_git":true,"commit":"{commit}"}}"#);
            snapshot(2, &format!(r#"{git},"http":[{{"url":"http://h","name":"h","ok":true,"requests":{requests}}}]"#))
        };
        let told = |it: &Caveat| *it == Caveat::ServedAsFound { probes: vec!["h".to_owned()] };
        assert!(bare(&of("a"), &of("b")).caveats.iter().any(told));
    }

    fn session(ratio: f64, n: u32) -> PairSession {
        let run = |wall: f64| format!(r#"{{"wall_s":{wall},"user_s":{wall},"system_s":0,"exit_code":0}}"#);
        let pair = |i: u32| {
            let after = ratio * (1.0 + f64::from((i * 7) % 11) / 1000.0);
            format!(r#"{{"before":{},"after":{},"after_first":{}}}"#, run(1.0), run(after), i % 2 == 1)
        };
        let pairs: Vec<String> = (0..n).map(pair).collect();
        let side = r#"{"rev":"r","commit":null,"tree":null}"#;
        let text = format!(
            r#"{{"schema":"vibeship_optimizer.pair.v1","id":"i","tool":"t","started_at":"2026-02-15T13:23:31Z",
            "generated_at":"2026-02-15T13:23:31Z","machine":{{}},"before":{side},"after":{side},
            "commands":[{{"name":"t","cmd":"c","pairs":[{}],"stopped":"settled"}}]}}"#,
            pairs.join(",")
        );
        parse_pair(text.as_bytes()).unwrap()
    }

    fn demands(kpi: &str) -> Contract {
        Contract { kpi: Some(Criterion::parse(kpi).unwrap()), ..Contract::default() }
    }

    fn with(before: &Snapshot, after: &Snapshot) -> Comparison {
        compare(before, after, None, &Contract::default(), &Settings::default())
    }

    #[test]
    fn pairs_decide_where_single_runs_could_not() {
        let (before, after) = (snapshot(2, &runs(&[1.0])), snapshot(2, &runs(&[0.8])));
        let kpi = demands("timing.t.cpu <= -10%");
        let alone = compare(&before, &after, None, &kpi, &Settings::default());
        assert_eq!(alone.outcome, Outcome::Inconclusive);
        assert!(alone.caveats.iter().any(|caveat| matches!(caveat, Caveat::SingleRuns { .. })));
        let paired = compare(&before, &after, Some(&session(0.8, 10)), &kpi, &Settings::default());
        assert_eq!(paired.outcome, Outcome::Pass);
        assert!(!paired.caveats.iter().any(|caveat| matches!(caveat, Caveat::SingleRuns { .. })));
    }

    #[test]
    fn the_gravest_verdict_is_the_outcome_and_a_fired_trigger_is_a_failure() {
        let (before, after) = (snapshot(2, &runs(&[1.0])), snapshot(2, &runs(&[1.1])));
        let outcome = |guardrail: &str, trigger: &str| {
            let demands = Contract {
                kpi: Some(Criterion::parse("timing.t.cpu <= +50%").unwrap()),
                guardrails: vec![Criterion::parse(guardrail).unwrap()],
                trigger: Some(Trigger::parse(trigger).unwrap()),
                ..Contract::default()
            };
            compare(&before, &after, Some(&session(1.2, 20)), &demands, &Settings::default()).outcome
        };
        assert_eq!(outcome("timing.t.wall <= +30%", "someone complains"), Outcome::Pass);
        assert_eq!(outcome("timing.t.wall <= +10%", "someone complains"), Outcome::Fail);
        assert_eq!(outcome("timing.t.max_rss <= +10%", "someone complains"), Outcome::Invalid);
        assert_eq!(outcome("timing.t.wall <= +30%", "timing.t.wall > +10%"), Outcome::Fail);
    }

    #[test]
    fn a_missing_side_is_null_and_never_zero() {
        let size = r#""sizes":{"lib":{"path":"/lib","bytes":10}}"#;
        let comparison = with(&snapshot(2, size), &snapshot(2, r#""missing_sizes":["lib"]"#));
        let json = serde_json::to_value(&comparison).unwrap();
        let delta = &json["deltas"]["sizes"]["lib"];
        assert_eq!(
            (&delta["before_bytes"], &delta["after_bytes"], &delta["delta_bytes"]),
            (&Value::from(10), &Value::Null, &Value::Null)
        );
        let gone = |caveat: &Caveat| matches!(caveat, Caveat::Unusable { side: Which::After, .. });
        assert!(comparison.caveats.iter().any(gone), "{:?}", comparison.caveats);
    }

    #[test]
    fn the_times_of_a_failed_command_are_null() {
        let timing =
            |rc: i32| format!(r#""timings":[{{"name":"t","cmd":"c","runs":1,"last_rc":{rc},"mean_s":2,"all_s":[2]}}]"#);
        let comparison = with(&snapshot(1, &timing(1)), &snapshot(1, &timing(0)));
        let delta = &comparison.deltas.timings[0];
        assert_eq!((delta.before_mean_s, delta.after_mean_s, delta.delta_mean_s), (None, Some(2.0), None));
        assert_eq!((delta.before_last_rc, delta.after_last_rc), (Some(1), Some(0)));
        assert_eq!(comparison.outcome, Outcome::Invalid);
    }

    #[test]
    fn changed_tuneables_are_listed_and_an_override_that_hides_one_is_named() {
        let tuneables = |value: u8, layer: &str, digest: char| {
            let digest: String = std::iter::repeat_n(digest, 64).collect();
            format!(
                r#""tuneables":{{"a":{{"value":{value},"layer":"{layer}","hides":["t.json"]}},"b":{{"value":1,"layer":"t.json"}}}},
                "tuneable_files":[{{"path":"t.json","sha256":"{digest}"}}]"#
            )
        };
        let changed = with(&snapshot(2, &tuneables(1, "t.json", 'a')), &snapshot(2, &tuneables(2, "env:A", 'b')));
        assert_eq!(changed.tuneables.len(), 1);
        assert_eq!(
            (changed.tuneables[0].key.as_str(), changed.tuneables[0].new_layer.as_deref()),
            ("a", Some("env:A"))
        );
        let hidden = with(&snapshot(2, &tuneables(1, "env:A", 'a')), &snapshot(2, &tuneables(1, "env:A", 'b')));
        let named = |caveat: &Caveat| matches!(caveat, Caveat::EnvHidesTuneable { key, .. } if key == "a");
        assert!(hidden.tuneables.is_empty() && hidden.caveats.iter().any(named));
    }

    #[test]
    fn a_watched_variable_with_another_value_is_listed_and_is_a_caveat() {
        let watching = |env: &str| snapshot(2, &format!(r#""env":{{{env}}}"#));
        let before = watching(r#""A":"1","FOO":"bar","ONLY":"x""#);
        let changed = with(&before, &watching(r#""A":"1","FOO":null"#));
        let foo = VariableChange { name: "FOO".into(), old: Some("bar".into()), new: None };
        assert_eq!(changed.env, [foo]);
        assert!(changed.caveats.contains(&Caveat::EnvDiffers { names: vec!["FOO".into()] }), "{:?}", changed.caveats);
        let same = with(&before, &watching(r#""A":"1","FOO":"bar","NEW":"x""#));
        assert!(same.env.is_empty() && !same.caveats.iter().any(|it| matches!(it, Caveat::EnvDiffers { .. })));
    }

    #[test]
    fn pairs_from_a_baseline_of_zero_are_no_separate_sessions() {
        let kpi = r#""kpis":[{"name":"errors","unit":"","better":"lower","sampling":"sampled","values":[0,0,0,0]}]"#;
        let side = snapshot(2, kpi);
        let pairs: Vec<String> = (0..10).map(|i| format!("[0,{}]", i % 2)).collect();
        let mut session = serde_json::to_value(session(1.0, 10)).unwrap();
        session["kpis"] = serde_json::from_str(&format!(
            r#"[{{"kpi":{{"name":"errors","unit":"","better":"lower","sampling":"sampled","values":[]}},"pairs":[{}]}}]"#,
            pairs.join(",")
        ))
        .unwrap();
        let session = parse_pair(session.to_string().as_bytes()).unwrap();
        let comparison = compare(&side, &side, Some(&session), &Contract::default(), &Settings::default());
        let row = comparison.metrics.iter().find(|row| row.metric.as_str() == "kpi.errors").unwrap();
        let finding = row.result.finding().unwrap();
        assert_eq!((row.pairs, finding.design, finding.from_zero), (Some(10), Design::Paired, true));
        let apart =
            |it: &Caveat| matches!(it, Caveat::Unpaired { .. } | Caveat::DriftUnknown | Caveat::SingleRuns { .. });
        assert!(!comparison.caveats.iter().any(apart), "{:?}", comparison.caveats);
    }

    #[test]
    fn cpu_and_wall_that_disagree_are_named() {
        let pair = r#"{"before":{"wall_s":2,"user_s":1.5,"system_s":0,"exit_code":0},
            "after":{"wall_s":3,"user_s":1.0,"system_s":0,"exit_code":0},"after_first":false}"#;
        let text = serde_json::to_string(&session(1.0, 1)).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        value["commands"][0]["pairs"] = vec![serde_json::from_str::<Value>(pair).unwrap(); 10].into();
        let session = parse_pair(value.to_string().as_bytes()).unwrap();
        let side = snapshot(2, &runs(&[1.0]));
        let comparison = compare(&side, &side, Some(&session), &Contract::default(), &Settings::default());
        assert!(comparison.caveats.contains(&Caveat::CpuAndWallDisagree { timing: "t".into(), cpu_improved: true }));
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes_and_read_back_the_same() {
        let (before, after) = (snapshot(2, &runs(&[1.0, 1.1, 1.2, 1.3])), snapshot(2, &runs(&[1.0, 1.2, 1.1, 1.4])));
        let write = || {
            let kpi = demands("timing.t.wall <= +5%");
            let comparison = compare(&before, &after, Some(&session(1.01, 12)), &kpi, &Settings::default());
            serde_json::to_string(&comparison).unwrap()
        };
        assert_eq!(write(), write());
        let read: Comparison = serde_json::from_str(&write()).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), write());
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the evidence files of a public project are read from beside the repository"
    )]
    fn real_evidence_of_one_run_each_settles_nothing() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/spark");
        let read = |name: &str| std::fs::read(folder.join(name)).ok();
        let mut grown = Vec::new();
        for change in [
            "chg-20260215-132034",
            "chg-20260215-142935-step1-advisory-speed-default-force_p",
            "chg-20260215-144142-step2-self-evolution-speed-stable-se",
        ] {
            let sides =
                (read(&format!("{change}_before_snapshot.json")), read(&format!("{change}_after_snapshot.json")));
            let (Some(before), Some(after)) = sides else { return };
            let (before, after) = (parse_snapshot(&before).unwrap(), parse_snapshot(&after).unwrap());
            let comparison = with(&before, &after);
            assert_eq!(comparison.outcome, Outcome::Inconclusive, "{change}");
            for row in comparison.metrics.iter().filter(|row| row.metric.as_str().starts_with("timing.")) {
                assert!(matches!(row.result, MetricChange::Inconclusive { .. }), "{change}: {row:?}");
            }
            let caveat = |wanted: fn(&Caveat) -> bool| comparison.caveats.iter().any(wanted);
            assert!(caveat(|c| matches!(c, Caveat::SingleRuns { .. })), "{change}");
            assert!(caveat(|c| matches!(c, Caveat::DirtyTree { own_files_counted: true, .. })), "{change}");
            let lib = comparison.metrics.iter().find(|row| row.metric.as_str() == "size.lib").unwrap();
            if let MetricChange::Regressed(finding) = &lib.result {
                grown.push(finding.estimate.value);
                let named = |c: &Caveat| matches!(c, Caveat::TrackedBytesNotRecorded { paths } if paths.iter().any(|p| p == "lib"));
                assert!(comparison.caveats.iter().any(named), "{change}");
            }
        }
        assert!(grown.iter().any(|share| *share > 1.0), "lib more than doubled in one of them: {grown:?}");
    }
}
