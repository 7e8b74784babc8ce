//! Extracts the metrics of a snapshot or a pair session, by the table of their kinds. Owns which samples are usable.

use std::collections::BTreeMap;

use clap::ValueEnum as _;

use crate::model::metric::{Reads, flag};
use crate::model::snapshot::SCHEMA_V1;
use crate::model::{
    Flaw, Http, Kpi, MetricId, MetricKind, MetricSource, MetricSpec, Pair, PairSession, PairedCommand, PairedKpi,
    ReadFile, Run, Sampling, Size, Snapshot, Timing, Unit, Unusable,
};
use crate::stats::LookPlan;

/// Exit codes that version 1 wrote for a timeout.
const V1_TIMEOUT_CODES: [i32; 2] = [-1, 124];

/// A measured metric, with its samples in run order. All samples are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub spec: MetricSpec,
    pub samples: Vec<f64>,
}

/// A metric of a snapshot, or the reason why it has no value.
pub type Reading = Result<Series, Unusable>;

/// Paired samples of one metric, in the order the pairs were run. All samples are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedSeries {
    pub spec: MetricSpec,
    /// The planned interim analyses (looks), which determine the level of the interval.
    pub plan: LookPlan,
    /// The pairs of all machines.
    pub pairs: Vec<PairSample>,
    /// Each machine's own pairs, if there are several machines.
    pub machines: Vec<PairedSeries>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairSample {
    pub before: f64,
    pub after: f64,
}

/// A paired metric, or the side without a value and the reason.
pub type PairedReading = Result<PairedSeries, Flaw>;

#[derive(Debug, Clone, Copy)]
pub struct MetricReadings<'a> {
    pub before: &'a Reading,
    pub after: &'a Reading,
    /// The alternating pairs, if any; preferred to the snapshots.
    pub paired: Option<&'a PairedReading>,
}

pub(crate) static NOT_MEASURED: Reading = Err(Unusable::NotMeasured);

impl<'a> MetricReadings<'a> {
    pub fn of_pairs(paired: &'a PairedReading) -> Self {
        Self { before: &NOT_MEASURED, after: &NOT_MEASURED, paired: Some(paired) }
    }
}

impl PairedSeries {
    pub fn side(&self, of: impl Fn(&PairSample) -> f64) -> Vec<f64> {
        self.pairs.iter().map(of).collect()
    }
}

/// Every metric of a snapshot, including those that could not be measured, with the reason.
pub fn metrics(snapshot: &Snapshot) -> BTreeMap<MetricId, Reading> {
    let v1 = snapshot.schema == SCHEMA_V1;
    let mut found = BTreeMap::new();
    for path in &snapshot.missing_sizes {
        found.extend(
            MetricSource::Size.kinds().map(|it| (it.of(path), Err(Unusable::MissingPath { path: path.clone() }))),
        );
    }
    found.extend(snapshot.timings.iter().flat_map(timing));
    found.extend(snapshot.sizes.iter().flat_map(|(path, it)| size(path, it, v1)));
    found.extend(snapshot.http.iter().flat_map(http));
    found.extend(snapshot.kpis.iter().map(|it| (MetricId::kpi(&it.name), kpi(it))));
    found
}

/// The reading of one metric; [`Unusable::NotMeasured`] if the snapshot has no such metric.
pub fn reading<'a>(all: &'a BTreeMap<MetricId, Reading>, id: &MetricId) -> Result<&'a Series, Unusable> {
    all.get(id).unwrap_or(&NOT_MEASURED).as_ref().map_err(Clone::clone)
}

fn series(spec: MetricSpec, samples: Vec<f64>) -> Reading {
    if samples.is_empty() {
        Err(Unusable::NotMeasured)
    } else if samples.iter().all(|sample| sample.is_finite()) {
        Ok(Series { spec, samples })
    } else {
        Err(not_finite())
    }
}

fn not_finite() -> Unusable {
    Unusable::NoValue { message: "a sample is not a finite number".to_owned() }
}

/// The metrics of the command, path or probe `name`: of each kind for which `read` gives a reading.
fn of_kinds<T>(name: &str, read: impl Fn(MetricKind, Reads) -> Option<T>) -> Vec<(MetricId, T)> {
    let one = |kind: &MetricKind| Some((kind.of(name), read(*kind, kind.row().reads)?));
    MetricKind::value_variants().iter().filter_map(one).collect()
}

/// Whether a failed run makes the metric's other samples unusable: true for all but success rates.
fn needs_success(kind: MetricKind) -> bool {
    kind.row().sampling != Sampling::Rate
}

fn timing(timing: &Timing) -> Vec<(MetricId, Reading)> {
    if timing.samples.is_empty() {
        return timing_v1(timing);
    }
    let stale = timing.read_from.as_ref().and_then(ReadFile::stale);
    let failure = stale.or_else(|| failure_of(timing.samples.iter(), timing.timeout_s));
    of_kinds(&timing.name, |kind, reads| {
        let Reads::Run(read) = reads else { return None };
        let samples: Option<Vec<f64>> = timing.samples.iter().map(read).collect();
        let reading = series(kind.spec(&timing.name), samples.unwrap_or_default());
        Some(failure.clone().filter(|_| needs_success(kind)).map_or(reading, Err))
    })
}

/// Version 1 recorded only wall times and the last exit code.
fn timing_v1(timing: &Timing) -> Vec<(MetricId, Reading)> {
    let failure = match timing.last_rc {
        Some(0) => None,
        Some(code) if V1_TIMEOUT_CODES.contains(&code) => Some(Unusable::TimedOut { timeout_s: timing.timeout_s }),
        Some(code) => Some(Unusable::CommandFailed { failed: 1, runs: timing.runs.max(1), code: Some(code) }),
        None => Some(Unusable::NoValue { message: "the record does not say how it ended".to_owned() }),
    };
    let no_times = || Unusable::NoValue { message: "the record holds no run times".to_owned() };
    let failure = failure.or_else(|| timing.all_s.is_empty().then(no_times));
    of_kinds(&timing.name, |kind, reads| match reads {
        Reads::Run(_) if kind == MetricKind::Wall => {
            Some(failure.clone().map_or(series(kind.spec(&timing.name), timing.all_s.clone()), Err))
        }
        Reads::Run(_) => needs_success(kind).then_some(Err(Unusable::NotMeasured)),
        Reads::Size(_) | Reads::Answer(_) => None,
    })
}

/// Why the times of runs are unusable, if any run failed. A timeout takes precedence over other failures.
fn failure_of<'a>(runs: impl Iterator<Item = &'a Run> + Clone, timeout_s: f64) -> Option<Unusable> {
    if runs.clone().any(|run| run.timed_out) {
        return Some(Unusable::TimedOut { timeout_s });
    }
    let all = u32::try_from(runs.clone().count()).unwrap_or(u32::MAX);
    let failing: Vec<&Run> = runs.filter(|run| !run.succeeded()).collect();
    let last = failing.last()?;
    let failed = u32::try_from(failing.len()).unwrap_or(u32::MAX);
    Some(Unusable::CommandFailed { failed, runs: all, code: last.exit_code })
}

fn size(path: &str, size: &Size, v1: bool) -> Vec<(MetricId, Reading)> {
    of_kinds(path, |kind, reads| {
        let Reads::Size(read) = reads else { return None };
        Some(match read(size) {
            // Version 1 wrote 0 both for an empty path and for one that does not exist.
            Some(0) if v1 => Err(Unusable::MissingOrEmpty { path: path.to_owned() }),
            value => series(kind.spec(path), value.map(|value| value as f64).into_iter().collect()),
        })
    })
}

fn http(http: &Http) -> Vec<(MetricId, Reading)> {
    let name = http.name.as_deref().unwrap_or(&http.url);
    of_kinds(name, |kind, reads| {
        let Reads::Answer(read) = reads else { return None };
        // Version 1 recorded a single response, without its latency.
        let v1 = kind == MetricKind::Answered && http.requests.is_empty();
        let samples = if v1 { vec![flag(http.ok)] } else { http.requests.iter().filter_map(read).collect() };
        if samples.is_empty() && !http.requests.is_empty() {
            let message = http.error.clone().unwrap_or_else(|| "no request gave the expected answer".to_owned());
            return Some(Err(Unusable::NoValue { message }));
        }
        Some(series(kind.spec(name), samples))
    })
}

fn kpi_spec(kpi: &Kpi) -> MetricSpec {
    MetricSpec { id: MetricId::kpi(&kpi.name), unit: Unit::new(&kpi.unit), better: kpi.better, sampling: kpi.sampling }
}

fn kpi(kpi: &Kpi) -> Reading {
    match (&kpi.error, kpi.read_from.as_ref().and_then(ReadFile::stale)) {
        (Some(message), _) => Err(Unusable::NoValue { message: message.clone() }),
        (None, Some(stale)) => Err(stale),
        (None, None) => series(kpi_spec(kpi), kpi.values.clone()),
    }
}

/// Every metric of a pair session, over all machines. A failed run on either side makes the command's times unusable.
pub fn pair_metrics(session: &PairSession) -> BTreeMap<MetricId, PairedReading> {
    let kpis = session.kpis.iter().map(|paired| (paired.metric(), kpi_pairs(paired)));
    let mut found: BTreeMap<_, _> = session.commands.iter().flat_map(command_pairs).chain(kpis).collect();
    if !session.others.is_empty() {
        let mut others: Vec<_> = session.others.iter().map(pair_metrics).collect();
        for (id, reading) in &mut found {
            let of_others = others.iter_mut().map(|other| other.remove(id).unwrap_or(Err(never_measured())));
            let all: Result<Vec<PairedSeries>, Flaw> = std::iter::once(reading.clone()).chain(of_others).collect();
            *reading = all.map(of_machines);
        }
    }
    found
}

fn of_machines(machines: Vec<PairedSeries>) -> PairedSeries {
    let pairs = machines.iter().flat_map(|machine| machine.pairs.clone()).collect();
    let first = &machines[0];
    PairedSeries { spec: first.spec.clone(), plan: first.plan, pairs, machines }
}

fn never_measured() -> Flaw {
    Flaw::Before { reason: Unusable::NotMeasured }
}

/// The metrics of one command's pairs so far.
pub fn command_pairs(command: &PairedCommand) -> Vec<(MetricId, PairedReading)> {
    let failed = |side: fn(&Pair) -> &Run| failure_of(command.pairs.iter().map(side), command.timeout_s);
    let failure = failed(|pair| &pair.before).map(|reason| Flaw::Before { reason });
    let failure = failure.or_else(|| failed(|pair| &pair.after).map(|reason| Flaw::After { reason }));
    let flaw_of_first_runs = command.first_runs.flaw();
    let plan = LookPlan::new(command.min_pairs, command.max_pairs);
    of_kinds(&command.name, |kind, reads| {
        let Reads::Run(read) = reads else { return None };
        let pair = |pair: &Pair| Some(PairSample { before: read(&pair.before)?, after: read(&pair.after)? });
        let pairs: Option<Vec<PairSample>> = command.pairs.iter().map(pair).collect();
        let reading = paired(kind.spec(&command.name), plan, pairs.unwrap_or_default());
        let flaw = flaw_of_first_runs.clone().or_else(|| failure.clone().filter(|_| needs_success(kind)));
        Some(flaw.map_or(reading, Err))
    })
}

pub fn kpi_pairs(measured: &PairedKpi) -> PairedReading {
    let kpi = &measured.kpi;
    if let Some(flaw) = measured.first_runs.flaw() {
        return Err(flaw);
    }
    if let Some(message) = &kpi.error {
        return Err(Flaw::After { reason: Unusable::NoValue { message: message.clone() } });
    }
    let sample = |(before, after): &(f64, f64)| PairSample { before: *before, after: *after };
    let plan = LookPlan::new(measured.min_pairs, measured.max_pairs);
    paired(MetricSpec { id: measured.metric(), ..kpi_spec(kpi) }, plan, measured.pairs.iter().map(sample).collect())
}

fn paired(spec: MetricSpec, plan: LookPlan, pairs: Vec<PairSample>) -> PairedReading {
    if pairs.is_empty() {
        Err(never_measured())
    } else if pairs.iter().all(|pair| pair.before.is_finite() && pair.after.is_finite()) {
        Ok(PairedSeries { spec, plan, pairs, machines: Vec::new() })
    } else {
        Err(Flaw::Before { reason: not_finite() })
    }
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
        assert_eq!(samples(&timing(0), "timing.t.wall"), Ok(vec![1.0, 2.0]));
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
    fn a_failed_run_on_either_side_makes_the_pairs_unusable() {
        let session = |code: i32| {
            let run = |code: i32| format!(r#"{{"wall_s":1,"exit_code":{code}}}"#);
            let side = r#"{"rev":"r","commit":null,"tree":null}"#;
            let pair = format!(r#"{{"before":{},"after":{},"after_first":true}}"#, run(0), run(code));
            let text = format!(
                r#"{{"schema":"vibeship_optimizer.pair.v1","id":"i","tool":"t","started_at":"2026-02-15T13:23:31Z",
                "generated_at":"2026-02-15T13:23:31Z","machine":{{}},"before":{side},"after":{side},
                "commands":[{{"name":"t","cmd":"c","pairs":[{pair}],"stopped":"settled"}}]}}"#
            );
            pair_metrics(&parse_pair(text.as_bytes()).unwrap())
        };
        let wall = MetricId::new("timing.t.wall");
        assert_eq!(session(0)[&wall].as_ref().unwrap().pairs, [PairSample { before: 1.0, after: 1.0 }]);
        assert!(matches!(
            session(7)[&wall],
            Err(Flaw::After { reason: Unusable::CommandFailed { code: Some(7), .. } })
        ));
        assert!(session(7)[&MetricId::new("timing.t.ok")].is_ok());
    }
}
