//! Import and export of timings in hyperfine's JSON format.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::scrub::scrub;
use crate::model::strict_json::Json;
use crate::model::text::joined;
use crate::model::{CpuMeans, JsonError, Run, Snapshot, Timing, Unit};
#[derive(Debug, thiserror::Error)]
pub enum HyperfineError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("it holds no results: the benchmark did not run to its end")]
    Empty,
    #[error(
        "it holds {found} results; give each a --command-name, or name the command of the one that is meant: {commands}"
    )]
    Several { found: usize, commands: String },
    #[error("its result for {command:?} holds no usable run times (`times`); export with --export-json")]
    NoTimes { command: String },
}

#[derive(Deserialize)]
struct Export {
    results: Vec<ResultOf>,
}

#[derive(Deserialize)]
struct ResultOf {
    command: String,
    /// This tool's name for the command; hyperfine has no such field.
    name: Option<String>,
    user: Option<f64>,
    system: Option<f64>,
    #[serde(default)]
    times: Vec<f64>,
    #[serde(default)]
    exit_codes: Vec<Option<i32>>,
    #[serde(default)]
    memory_usage_byte: Vec<u64>,
    /// Values of `--parameter-list` and `--parameter-scan`, which may not appear in the command.
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    /// One entry per run; written by hyperfine 2.
    #[serde(default)]
    measurements: Vec<Measurement>,
}

impl ResultOf {
    /// The command with its parameters, such as `./prog branch=main`, to distinguish results of one command.
    fn with_parameters(&self) -> String {
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let set = self.parameters.iter().map(|(name, set)| format!(" {name}={}", value(set)));
        std::iter::once(self.command.clone()).chain(set).collect()
    }
}

#[derive(Deserialize)]
struct Measurement {
    time_wall_clock: Quantity,
    time_user: Option<Quantity>,
    time_system: Option<Quantity>,
    memory_peak_resident: Option<Quantity>,
    /// `null` if a signal ended the run.
    #[serde(default = "succeeded")]
    exit_code: Option<i32>,
}

fn succeeded() -> Option<i32> {
    Some(0)
}

#[derive(Deserialize)]
struct Quantity {
    value: f64,
    unit: String,
}

impl Quantity {
    /// The value in seconds or bytes; NaN if the unit is neither.
    fn in_base(&self) -> f64 {
        let unit = Unit::spelled(&self.unit);
        let factor = unit.factor_to(&Unit::seconds()).or_else(|| unit.factor_to(&Unit::bytes()));
        self.value * factor.unwrap_or(f64::NAN)
    }
}

/// Reads the timing `name` from an export: the result with that name or command, or, if `only` is set, the only result
/// whatever its name. Of CPU times hyperfine 1 exports only the means, which are no samples.
pub fn import(name: &str, bytes: &[u8], only: bool) -> Result<Timing, HyperfineError> {
    let export: Export = Json::parse(bytes)?.read()?;
    let mut found: Vec<&ResultOf> = export.results.iter().collect();
    let ways: [&dyn Fn(&ResultOf) -> bool; 3] =
        [&|it| it.name.as_deref() == Some(name), &|it| it.command == name, &|it| it.with_parameters() == name];
    let is_named = |result: &ResultOf| ways.iter().any(|is_it| is_it(result));
    for is_it in ways {
        if found.len() > 1 && found.iter().any(|result| is_it(result)) {
            found.retain(|result| is_it(result));
        }
    }
    if let [result] = found[..]
        && (only || is_named(result))
    {
        return timing(name, result);
    }
    if found.is_empty() {
        return Err(HyperfineError::Empty);
    }
    let commands = export.results.iter().map(|result| format!("{:?}", scrub(&result.with_parameters())));
    Err(HyperfineError::Several { found: export.results.len(), commands: joined(commands) })
}

/// Reads a whole export as a snapshot with one timing per result, named by its `name` or else its command. Returns
/// `None` if the JSON is not an export (an object with `results` and without `schema`).
pub fn snapshot(label: &str, generated_at: DateTime<Utc>, json: &Json<'_>) -> Option<Result<Snapshot, HyperfineError>> {
    let is_export = json.value["results"].is_array() && json.value["schema"].is_null();
    is_export.then(|| of_results(label, generated_at, &json.read::<Export>()?.results))
}

fn of_results(label: &str, generated_at: DateTime<Utc>, results: &[ResultOf]) -> Result<Snapshot, HyperfineError> {
    let mut snapshot = Snapshot::bare(label, generated_at);
    for result in results {
        let shared = results.iter().filter(|other| other.command == result.command).count() > 1;
        let command = if shared { result.with_parameters() } else { result.command.clone() };
        let wanted = scrub(result.name.as_deref().unwrap_or(&command));
        let is_taken = |name: &str| snapshot.timings.iter().any(|timing| timing.name == name);
        // Results with the same name are numbered in order, which is the same on both sides of a comparison.
        let numbered = (2..).map(|n: u64| format!("{wanted} ({n})"));
        let name = std::iter::once(wanted.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default();
        snapshot.timings.push(timing(&name, result)?);
    }
    Ok(snapshot)
}

fn timing(name: &str, result: &ResultOf) -> Result<Timing, HyperfineError> {
    let run = |(index, wall_s): (usize, &f64)| Run {
        wall_s: *wall_s,
        max_rss_bytes: result.memory_usage_byte.get(index).copied().filter(|bytes| *bytes > 0),
        // Without exit codes every run succeeded: hyperfine stops at a failure, or else writes every code.
        exit_code: result.exit_codes.get(index).copied().unwrap_or(Some(0)),
        ..Run::default()
    };
    let samples: Vec<Run> = match result.measurements.is_empty() {
        true => result.times.iter().enumerate().map(run).collect(),
        false => result.measurements.iter().map(run_of).collect(),
    };
    if samples.is_empty() || !samples.iter().all(|run| run.wall_s.is_finite() && run.wall_s >= 0.0) {
        return Err(HyperfineError::NoTimes { command: scrub(&result.command) });
    }
    let times = samples.iter().map(|run| run.wall_s).collect();
    let last_rc = samples.iter().rev().map(|run| run.exit_code).find(|code| *code != Some(0)).unwrap_or(Some(0));
    let mut timing = Timing {
        name: name.to_owned(),
        cmd: scrub(&result.command),
        runs: u32::try_from(samples.len()).unwrap_or(u32::MAX),
        last_rc,
        samples,
        cpu_means: (result.user.is_some() || result.system.is_some())
            .then_some(CpuMeans { user_s: result.user, system_s: result.system }),
        ..Timing::default()
    };
    timing.summarize(times);
    Ok(timing)
}

/// Converts a run of hyperfine 2.
fn run_of(run: &Measurement) -> Run {
    let seconds = |time: &Option<Quantity>| time.as_ref().map(Quantity::in_base).filter(|time| time.is_finite());
    let bytes = run.memory_peak_resident.as_ref().map(Quantity::in_base).filter(|bytes| *bytes >= 1.0);
    Run {
        wall_s: run.time_wall_clock.in_base(),
        user_s: seconds(&run.time_user),
        system_s: seconds(&run.time_system),
        max_rss_bytes: bytes.map(|bytes| bytes as u64),
        exit_code: run.exit_code,
        ..Run::default()
    }
}

/// Exports a snapshot's timings in hyperfine's format.
pub fn export(snapshot: &Snapshot) -> Value {
    let results: Vec<Value> = snapshot.timings.iter().filter(|timing| !timing.all_s.is_empty()).map(exported).collect();
    json!({ "results": results, "tool": concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")) })
}

fn exported(timing: &Timing) -> Value {
    let in_order: Vec<f64> = timing.samples.iter().map(|run| run.wall_s).collect();
    let times = if in_order.is_empty() { timing.all_s.clone() } else { in_order };
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let of_runs = |part: fn(&Run) -> Option<f64>| {
        let parts: Vec<f64> = timing.samples.iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.iter().sum::<f64>() / parts.len() as f64)
    };
    let sorted = &timing.all_s;
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
    let codes: Vec<Option<i32>> = timing.samples.iter().map(|run| run.exit_code).collect();
    json!({
        "command": timing.cmd,
        "name": timing.name,
        "mean": mean,
        "stddev": if times.len() > 1 { Some(variance.sqrt()) } else { None },
        "median": median,
        "user": of_runs(|run| run.user_s).or(timing.cpu_means.and_then(|means| means.user_s)),
        "system": of_runs(|run| run.system_s).or(timing.cpu_means.and_then(|means| means.system_s)),
        "min": sorted.first(),
        "max": sorted.last(),
        "times": times,
        "exit_codes": if codes.is_empty() { vec![timing.last_rc; timing.all_s.len()] } else { codes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_summary_takes_percentiles_by_nearest_rank() {
        let times: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        let text = format!(r#"{{"results":[{{"command":"a","times":[{}]}}]}}"#, times.join(","));
        let timing = import("x", text.as_bytes(), true).unwrap();
        assert_eq!((timing.p95_s, timing.mean_s), (Some(19.0), Some(10.5)));
    }

    const EXPORT: &str = r#"{"results":[{"command":"sleep 0.1","mean":0.11,"stddev":0.01,"median":0.11,"user":0.001,
        "system":0.001,"min":0.1,"max":0.12,"times":[0.12,0.1,0.11],"exit_codes":[0,0,0]}]}"#;

    #[test]
    fn an_export_gives_its_run_times_in_run_order() {
        let timing = import("nap", EXPORT.as_bytes(), true).unwrap();
        let walls: Vec<f64> = timing.samples.iter().map(|run| run.wall_s).collect();
        assert_eq!((timing.name.as_str(), timing.cmd.as_str(), walls), ("nap", "sleep 0.1", vec![0.12, 0.1, 0.11]));
        assert_eq!((timing.last_rc, timing.all_s[0]), (Some(0), 0.1));
    }

    #[test]
    fn a_whole_export_is_a_snapshot_of_its_commands() {
        let taken = DateTime::UNIX_EPOCH;
        assert!(snapshot("old", taken, &json(r#"{"schema":"x","results":[]}"#)).is_none());
        let found = snapshot("old", taken, &json(EXPORT)).unwrap().unwrap();
        assert_eq!((found.label.as_str(), found.timings[0].name.as_str()), ("old", "sleep 0.1"));
    }

    #[test]
    fn several_results_need_the_name_of_the_one_that_is_meant() {
        let two = r#"{"results":[{"command":"a","times":[1]},{"command":"b","times":[2]}]}"#;
        assert!(matches!(import("x", two.as_bytes(), true), Err(HyperfineError::Several { found: 2, .. })));
        assert_eq!(import("b", two.as_bytes(), true).unwrap().all_s, vec![2.0]);
    }

    #[test]
    fn results_of_one_command_are_told_apart_by_their_parameters() {
        let of = |branch: &str, time: u32| {
            format!(r#"{{"command":"./prog","times":[{time}],"parameters":{{"branch":"{branch}"}}}}"#)
        };
        let export = |one: String, other: String| format!(r#"{{"results":[{one},{other}]}}"#);
        let found = |text: String| {
            let mut timings =
                snapshot("x", DateTime::UNIX_EPOCH, &Json::parse(text.as_bytes()).unwrap()).unwrap().unwrap().timings;
            timings.sort_by(|a, b| a.name.cmp(&b.name));
            timings.into_iter().map(|timing| (timing.name, timing.all_s[0])).collect::<Vec<_>>()
        };
        let both = found(export(of("main", 2), of("feature", 1)));
        assert_eq!(both, [("./prog branch=feature".to_owned(), 1.0), ("./prog branch=main".to_owned(), 2.0)]);
        assert_eq!(both, found(export(of("feature", 1), of("main", 2))));
        let text = export(of("main", 2), of("feature", 1));
        assert_eq!(import("./prog branch=main", text.as_bytes(), true).unwrap().all_s, [2.0]);
    }

    #[test]
    fn two_results_of_one_command_are_read_and_what_was_exported_is_read_back() {
        let two =
            r#"{"results":[{"command":"spin","times":[1],"user":0.5,"system":0.25},{"command":"spin","times":[2]}]}"#;
        let found = snapshot("old", DateTime::UNIX_EPOCH, &json(two)).unwrap().unwrap();
        let names = |found: &Snapshot| found.timings.iter().map(|timing| timing.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), ["spin", "spin (2)"]);
        let own = export(&found);
        assert_eq!((&own["results"][0]["user"], &own["results"][0]["system"]), (&0.5.into(), &0.25.into()));
        let back = snapshot("old", DateTime::UNIX_EPOCH, &json(&own.to_string())).unwrap().unwrap();
        assert_eq!(names(&back), names(&found));
        assert_eq!(import("spin (2)", own.to_string().as_bytes(), true).unwrap().all_s, vec![2.0]);
        let alike = import("spin", two.as_bytes(), true);
        assert!(matches!(alike, Err(HyperfineError::Several { found: 2, .. })), "{alike:?}");
    }

    #[test]
    fn a_result_without_usable_times_is_refused() {
        for times in ["[]", "[-1.0]"] {
            let text = format!(r#"{{"results":[{{"command":"a","times":{times}}}]}}"#);
            assert!(matches!(import("x", text.as_bytes(), true), Err(HyperfineError::NoTimes { .. })), "{times}");
        }
        assert!(import("x", b"[]", true).is_err());
    }

    #[test]
    fn an_export_of_hyperfine_2_gives_each_run_and_an_empty_one_says_so() {
        let run = |wall: f64| {
            format!(
                r#"{{"time_wall_clock":{{"value":{wall},"unit":"millisecond"}},"time_user":{{"value":8,"unit":"millisecond"}},
                "time_system":{{"value":1,"unit":"millisecond"}},"memory_peak_resident":{{"value":3000,"unit":"byte"}},"exit_code":0}}"#
            )
        };
        let text =
            format!(r#"{{"results":[{{"command":"a","name":"build","measurements":[{},{}]}}]}}"#, run(10.0), run(12.0));
        let timing = import("build", text.as_bytes(), true).unwrap();
        assert_eq!(timing.all_s, [0.01, 0.012]);
        let run = &timing.samples[1];
        assert!((run.cpu_s().unwrap() - 0.009).abs() < 1e-12);
        assert_eq!((run.max_rss_bytes, run.exit_code), (Some(3000), Some(0)));
        let error = import("t", br#"{"results": []}"#, true).unwrap_err().to_string();
        assert_eq!(error, "it holds no results: the benchmark did not run to its end");
    }
}
