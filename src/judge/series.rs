//! Reading a snapshot or a pair session as metrics. Owns what makes a sample usable; must not judge.
//!
//! Names: `timing.NAME.wall|cpu|max_rss|ok`, `size.PATH`, `size.PATH.tracked`, `size.PATH.files`,
//! `http.NAME.ok|latency`, `kpi.NAME`.

use std::collections::BTreeMap;

use crate::model::snapshot::SCHEMA_V1;
use crate::model::{
    Better, Flaw, Http, Kpi, MetricId, PairSession, PairedCommand, PairedKpi, Reading, Run, Sampling, Series, Size,
    Snapshot, Timing, Unit, Unusable,
};
use crate::stats::Plan;

/// Exit codes that version 1 wrote for a run ended at its timeout.
const V1_TIMEOUT_CODES: [i32; 2] = [-1, 124];

/// Paired samples of one metric, in the order the pairs were run. All samples are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedSeries {
    pub id: MetricId,
    pub unit: Unit,
    pub better: Better,
    pub sampling: Sampling,
    /// The looks that were planned, which fix the level of the interval.
    pub plan: Plan,
    pub pairs: Vec<PairSample>,
}

/// One pair of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairSample {
    pub before: f64,
    pub after: f64,
    pub after_first: bool,
}

/// A paired metric: measured on both sides, or not, with the side and the reason.
pub type PairedReading = Result<PairedSeries, Flaw>;

/// Every metric of a snapshot. What could not be measured is there with its reason.
pub fn metrics(snapshot: &Snapshot) -> BTreeMap<MetricId, Reading> {
    let mut found = BTreeMap::new();
    for timing in &snapshot.timings {
        add_timing(&mut found, timing);
    }
    let v1 = snapshot.schema == SCHEMA_V1;
    for (path, size) in &snapshot.sizes {
        add_size(&mut found, path, size, v1);
    }
    for path in &snapshot.missing_sizes {
        for suffix in ["", ".tracked", ".files"] {
            let reason = Unusable::MissingPath { path: path.clone() };
            found.entry(MetricId::new(format!("size.{path}{suffix}"))).or_insert(Err(reason));
        }
    }
    for http in &snapshot.http {
        add_http(&mut found, http);
    }
    for kpi in &snapshot.kpis {
        found.insert(MetricId::new(format!("kpi.{}", kpi.name)), read_kpi(kpi));
    }
    found
}

/// The reading of one metric; [`Unusable::NotMeasured`] where the snapshot holds no such metric.
pub fn reading<'a>(all: &'a BTreeMap<MetricId, Reading>, id: &MetricId) -> Result<&'a Series, Unusable> {
    match all.get(id) {
        Some(Ok(series)) => Ok(series),
        Some(Err(reason)) => Err(reason.clone()),
        None => Err(Unusable::NotMeasured),
    }
}

fn usable(id: String, unit: Unit, better: Better, sampling: Sampling, samples: Vec<f64>) -> (MetricId, Reading) {
    let id = MetricId::new(id);
    let reading = if samples.is_empty() {
        Err(Unusable::NotMeasured)
    } else if samples.iter().all(|sample| sample.is_finite()) {
        Ok(Series { id: id.clone(), unit, better, sampling, ordered: true, samples })
    } else {
        Err(Unusable::NoValue { message: "a sample is not a finite number".to_owned() })
    };
    (id, reading)
}

fn add_timing(found: &mut BTreeMap<MetricId, Reading>, timing: &Timing) {
    if timing.samples.is_empty() {
        return add_timing_v1(found, timing);
    }
    let name = &timing.name;
    let outcomes = timing.samples.iter().map(|run| f64::from(u8::from(succeeded(run)))).collect();
    found.extend([usable(format!("timing.{name}.ok"), Unit::none(), Better::Higher, Sampling::Rate, outcomes)]);
    let failure = failure_of(timing.samples.iter(), timing.timeout_s);
    for kind in RunMetric::ALL {
        let id = format!("timing.{name}.{}", kind.suffix());
        let samples: Option<Vec<f64>> = timing.samples.iter().map(|run| kind.of(run)).collect();
        let (id, reading) = usable(id, kind.unit(), Better::Lower, Sampling::Sampled, samples.unwrap_or_default());
        found.insert(id, failure.clone().map_or(reading, Err));
    }
}

/// Version 1 kept sorted wall times and the last exit code only.
fn add_timing_v1(found: &mut BTreeMap<MetricId, Reading>, timing: &Timing) {
    let name = &timing.name;
    let failure = match timing.last_rc {
        Some(0) => None,
        Some(code) if V1_TIMEOUT_CODES.contains(&code) => Some(Unusable::TimedOut { timeout_s: timing.timeout_s }),
        Some(code) => Some(Unusable::CommandFailed { failed: 1, runs: timing.runs.max(1), code: Some(code) }),
        None => Some(Unusable::NotMeasured),
    };
    let wall = format!("timing.{name}.wall");
    let (id, reading) = usable(wall, Unit::seconds(), Better::Lower, Sampling::Sampled, timing.all_s.clone());
    let unordered = reading.map(|series| Series { ordered: series.samples.len() < 2, ..series });
    found.insert(id, failure.map_or(unordered, Err));
    for kind in [RunMetric::Cpu, RunMetric::MaxRss] {
        found.insert(MetricId::new(format!("timing.{name}.{}", kind.suffix())), Err(Unusable::NotMeasured));
    }
}

/// What a run gives beside its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunMetric {
    Wall,
    Cpu,
    MaxRss,
}

impl RunMetric {
    const ALL: [Self; 3] = [Self::Wall, Self::Cpu, Self::MaxRss];

    fn suffix(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::MaxRss => "max_rss",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Wall | Self::Cpu => Unit::seconds(),
            Self::MaxRss => Unit::bytes(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "resident sets stay far below 2^53 bytes")]
    fn of(self, run: &Run) -> Option<f64> {
        match self {
            Self::Wall => Some(run.wall_s),
            Self::Cpu => Some(run.user_s? + run.system_s?),
            Self::MaxRss => run.max_rss_bytes.map(|bytes| bytes as f64),
        }
    }
}

fn succeeded(run: &Run) -> bool {
    run.exit_code == Some(0) && !run.timed_out
}

/// Why runs cannot be used as times, if any failed. A timeout is named before other failures.
fn failure_of<'a>(runs: impl Iterator<Item = &'a Run> + Clone, timeout_s: f64) -> Option<Unusable> {
    if runs.clone().any(|run| run.timed_out) {
        return Some(Unusable::TimedOut { timeout_s });
    }
    let all = u32::try_from(runs.clone().count()).unwrap_or(u32::MAX);
    let failing: Vec<&Run> = runs.filter(|run| !succeeded(run)).collect();
    let last = failing.last()?;
    let failed = u32::try_from(failing.len()).unwrap_or(u32::MAX);
    Some(Unusable::CommandFailed { failed, runs: all, code: last.exit_code })
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53 bytes")]
fn add_size(found: &mut BTreeMap<MetricId, Reading>, path: &str, size: &Size, v1: bool) {
    let mut add = |suffix: &str, unit: Unit, value: Option<u64>| {
        let samples = value.map(|value| value as f64).into_iter().collect();
        let (id, reading) = usable(format!("size.{path}{suffix}"), unit, Better::Lower, Sampling::Exact, samples);
        // Version 1 wrote 0 both for an empty path and for one that does not exist.
        let ambiguous = v1 && value == Some(0);
        let reading = if ambiguous { Err(Unusable::MissingOrEmpty { path: path.to_owned() }) } else { reading };
        found.insert(id, reading);
    };
    add("", Unit::bytes(), Some(size.bytes));
    add(".tracked", Unit::bytes(), size.tracked_bytes);
    add(".files", Unit::none(), size.files);
}

/// Latency is that of the expected answers; how many were unexpected is what `ok` says.
fn add_http(found: &mut BTreeMap<MetricId, Reading>, http: &Http) {
    let name = http.name.as_deref().unwrap_or(&http.url);
    let flag = |ok: bool| f64::from(u8::from(ok));
    let outcomes = if http.requests.is_empty() {
        vec![flag(http.ok)]
    } else {
        http.requests.iter().map(|request| flag(request.ok)).collect()
    };
    let latencies: Vec<f64> = http.requests.iter().filter(|request| request.ok).map(|r| r.latency_s).collect();
    let nothing_ok = !http.requests.is_empty() && latencies.is_empty();
    found.extend([usable(format!("http.{name}.ok"), Unit::none(), Better::Higher, Sampling::Rate, outcomes)]);
    let latency = format!("http.{name}.latency");
    let (id, reading) = usable(latency, Unit::seconds(), Better::Lower, Sampling::Sampled, latencies);
    let message = || http.error.clone().unwrap_or_else(|| "no request gave the expected answer".to_owned());
    found.insert(id, if nothing_ok { Err(Unusable::NoValue { message: message() }) } else { reading });
}

fn read_kpi(kpi: &Kpi) -> Reading {
    if let Some(message) = &kpi.error {
        return Err(Unusable::NoValue { message: message.clone() });
    }
    usable(format!("kpi.{}", kpi.name), Unit::new(&kpi.unit), kpi.better, kpi.sampling, kpi.values.clone()).1
}

/// Every metric of a pair session. A failed run on either side makes the command's times unusable.
pub fn pair_metrics(session: &PairSession) -> BTreeMap<MetricId, PairedReading> {
    let mut found = BTreeMap::new();
    for command in &session.commands {
        for (id, reading) in command_pairs(command) {
            found.insert(id, reading);
        }
    }
    for paired in &session.kpis {
        found.insert(MetricId::new(format!("kpi.{}", paired.kpi.name)), kpi_pairs(paired));
    }
    found
}

/// The metrics of one command's pairs, as far as they have been run: what the pair engine hands to its stopping rule.
pub fn command_pairs(command: &PairedCommand) -> Vec<(MetricId, PairedReading)> {
    let name = &command.name;
    let timeout_s = command.timeout_s;
    let before = failure_of(command.pairs.iter().map(|pair| &pair.before), timeout_s);
    let after = failure_of(command.pairs.iter().map(|pair| &pair.after), timeout_s);
    let failure = match (before, after) {
        (Some(reason), _) => Some(Flaw::Before { reason }),
        (None, Some(reason)) => Some(Flaw::After { reason }),
        (None, None) => None,
    };
    let mut found = Vec::new();
    for kind in RunMetric::ALL {
        let sample = |before: f64, after: f64, after_first: bool| PairSample { before, after, after_first };
        let pairs = command.pairs.iter();
        let pairs: Option<Vec<PairSample>> =
            pairs.map(|pair| Some(sample(kind.of(&pair.before)?, kind.of(&pair.after)?, pair.after_first))).collect();
        let id = format!("timing.{name}.{}", kind.suffix());
        let (id, reading) = paired(id, kind.unit(), Better::Lower, Sampling::Sampled, pairs.unwrap_or_default());
        found.push((id, failure.clone().map_or(reading, Err)));
    }
    let outcome = |run: &Run| f64::from(u8::from(succeeded(run)));
    let outcomes = command.pairs.iter().map(|pair| PairSample {
        before: outcome(&pair.before),
        after: outcome(&pair.after),
        after_first: pair.after_first,
    });
    let ok = format!("timing.{name}.ok");
    found.push(paired(ok, Unit::none(), Better::Higher, Sampling::Rate, outcomes.collect()));
    let plan = Plan::new(command.min_pairs, command.max_pairs);
    found.into_iter().map(|(id, reading)| (id, reading.map(|series| PairedSeries { plan, ..series }))).collect()
}

/// KPIs alternate like commands: the head ran first in every second pair.
pub fn kpi_pairs(measured: &PairedKpi) -> PairedReading {
    let kpi = &measured.kpi;
    if let Some(message) = &kpi.error {
        return Err(Flaw::After { reason: Unusable::NoValue { message: message.clone() } });
    }
    let pairs = measured.pairs.iter().enumerate();
    let pairs =
        pairs.map(|(i, (before, after))| PairSample { before: *before, after: *after, after_first: i % 2 == 1 });
    let plan = Plan::new(measured.min_pairs, measured.max_pairs);
    let (_, reading) =
        paired(format!("kpi.{}", kpi.name), Unit::new(&kpi.unit), kpi.better, kpi.sampling, pairs.collect());
    reading.map(|series| PairedSeries { plan, ..series })
}

fn paired(
    id: String,
    unit: Unit,
    better: Better,
    sampling: Sampling,
    pairs: Vec<PairSample>,
) -> (MetricId, PairedReading) {
    let id = MetricId::new(id);
    let finite = pairs.iter().all(|pair| pair.before.is_finite() && pair.after.is_finite());
    let reading = if pairs.is_empty() {
        Err(Flaw::Before { reason: Unusable::NotMeasured })
    } else if finite {
        Ok(PairedSeries { id: id.clone(), unit, better, sampling, plan: Plan::default(), pairs })
    } else {
        let reason = Unusable::NoValue { message: "a sample is not a finite number".to_owned() };
        Err(Flaw::Before { reason })
    };
    (id, reading)
}

#[cfg(test)]
mod tests {
    use crate::model::ingest::{parse_pair, parse_snapshot};

    use super::*;

    fn read(version: u8, body: &str) -> BTreeMap<MetricId, Reading> {
        let text = format!(
            r#"{{"schema":"vibeship_optimizer.snapshot.v{version}","generated_at":"2026-02-15T13:23:31Z","label":"x",{body}}}"#
        );
        metrics(&parse_snapshot(text.as_bytes()).unwrap())
    }

    fn samples(all: &BTreeMap<MetricId, Reading>, id: &str) -> Result<Vec<f64>, Unusable> {
        reading(all, &MetricId::new(id)).map(|series| series.samples.clone())
    }

    #[test]
    fn runs_give_wall_cpu_memory_and_rate() {
        let run = r#"{"wall_s":2,"user_s":1,"system_s":0.5,"max_rss_bytes":4096,"exit_code":0}"#;
        let all = read(2, &format!(r#""timings":[{{"name":"t","cmd":"c","samples":[{run},{run}]}}]"#));
        assert_eq!(samples(&all, "timing.t.wall"), Ok(vec![2.0, 2.0]));
        assert_eq!(samples(&all, "timing.t.cpu"), Ok(vec![1.5, 1.5]));
        assert_eq!(samples(&all, "timing.t.max_rss"), Ok(vec![4096.0, 4096.0]));
        assert_eq!(samples(&all, "timing.t.ok"), Ok(vec![1.0, 1.0]));
        assert_eq!(samples(&all, "timing.other.wall"), Err(Unusable::NotMeasured));
    }

    #[test]
    fn one_failed_run_makes_the_times_unusable_and_counts_in_the_rate() {
        let runs = r#"[{"wall_s":2,"exit_code":0},{"wall_s":0.1,"exit_code":3}]"#;
        let all = read(2, &format!(r#""timings":[{{"name":"t","cmd":"c","samples":{runs}}}]"#));
        let failed = Unusable::CommandFailed { failed: 1, runs: 2, code: Some(3) };
        assert_eq!(samples(&all, "timing.t.wall"), Err(failed));
        assert_eq!(samples(&all, "timing.t.ok"), Ok(vec![1.0, 0.0]));
    }

    #[test]
    fn version_1_walls_are_unordered_and_its_failures_are_never_times() {
        let timing = |rc: i32| {
            read(
                1,
                &format!(r#""timings":[{{"name":"t","cmd":"c","runs":2,"timeout_s":9,"last_rc":{rc},"all_s":[1,2]}}]"#),
            )
        };
        assert!(matches!(timing(0).get(&MetricId::new("timing.t.wall")), Some(Ok(series)) if !series.ordered));
        assert_eq!(samples(&timing(0), "timing.t.cpu"), Err(Unusable::NotMeasured));
        assert_eq!(samples(&timing(-1), "timing.t.wall"), Err(Unusable::TimedOut { timeout_s: 9.0 }));
        assert!(matches!(samples(&timing(1), "timing.t.wall"), Err(Unusable::CommandFailed { code: Some(1), .. })));
    }

    #[test]
    fn a_size_of_zero_counts_in_version_2_only() {
        let sizes = r#""sizes":{"lib":{"path":"/lib","bytes":0}}"#;
        assert!(matches!(samples(&read(1, sizes), "size.lib"), Err(Unusable::MissingOrEmpty { .. })));
        assert_eq!(samples(&read(2, sizes), "size.lib"), Ok(vec![0.0]));
        let missing = read(2, r#""missing_sizes":["gone"]"#);
        assert!(matches!(samples(&missing, "size.gone.tracked"), Err(Unusable::MissingPath { .. })));
    }

    #[test]
    fn latency_is_that_of_expected_answers() {
        let requests = r#"[{"latency_s":0.2,"ok":true},{"latency_s":9,"ok":false}]"#;
        let all = read(2, &format!(r#""http":[{{"url":"http://h","name":"h","ok":false,"requests":{requests}}}]"#));
        assert_eq!(samples(&all, "http.h.latency"), Ok(vec![0.2]));
        assert_eq!(samples(&all, "http.h.ok"), Ok(vec![1.0, 0.0]));
        let v1 = read(1, r#""http":[{"url":"http://h","ok":true}]"#);
        assert_eq!(samples(&v1, "http.http://h.ok"), Ok(vec![1.0]));
        assert_eq!(samples(&v1, "http.http://h.latency"), Err(Unusable::NotMeasured));
    }

    #[test]
    fn a_failed_run_in_either_arm_makes_the_pairs_unusable() {
        let session = |code: i32| {
            let run = |code: i32| format!(r#"{{"wall_s":1,"exit_code":{code}}}"#);
            let arm = r#"{"rev":"r","commit":null,"tree":null}"#;
            let pair = format!(r#"{{"before":{},"after":{},"after_first":true}}"#, run(0), run(code));
            let text = format!(
                r#"{{"schema":"vibeship_optimizer.pair.v1","id":"i","tool":"t","started_at":"2026-02-15T13:23:31Z",
                "generated_at":"2026-02-15T13:23:31Z","machine":{{}},"before":{arm},"after":{arm},
                "commands":[{{"name":"t","cmd":"c","pairs":[{pair}],"stopped":"settled"}}]}}"#
            );
            pair_metrics(&parse_pair(text.as_bytes()).unwrap())
        };
        let wall = MetricId::new("timing.t.wall");
        assert_eq!(
            session(0)[&wall].as_ref().unwrap().pairs,
            [PairSample { before: 1.0, after: 1.0, after_first: true }]
        );
        assert!(matches!(
            session(7)[&wall],
            Err(Flaw::After { reason: Unusable::CommandFailed { code: Some(7), .. } })
        ));
        assert!(session(7)[&MetricId::new("timing.t.ok")].is_ok());
    }
}
