//! Reading evidence from bytes that nobody vouches for: encoding, syntax, schema, and numbers that make sense.
//! Owns what is refused at the door; must not open files.

use serde_json::Value;

pub use crate::model::strict_json::parse_json;
pub use crate::model::{JsonError, Limits};

use crate::model::snapshot::{SCHEMA_V1, SCHEMA_V2};
use crate::model::strict_json::shaped;
use crate::model::{Kpi, PairSession, Run, Snapshot, Timing, pair};

/// Why bytes are no evidence. The caller adds the file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// Not acceptable JSON, or a field of the wrong kind.
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("its schema is {}, expected {expected}", found_text(.found))]
    Schema { found: Option<String>, expected: &'static str },
    /// A later version of the kind of file that was expected.
    #[error("its schema {found} is newer than this tool knows; update the tool to read it")]
    Newer { found: String },
    /// A value that cannot have been measured.
    #[error("{field}: {problem}")]
    Value { field: String, problem: String },
}

fn found_text(found: &Option<String>) -> String {
    found.as_ref().map_or_else(|| "missing".to_owned(), |name| format!("{name:?}"))
}

/// Reads a snapshot of version 1 or 2.
pub fn parse_snapshot(bytes: &[u8]) -> Result<Snapshot, IngestError> {
    let value = parse_json(bytes, Limits::default())?;
    check_schema(
        &value,
        "vibeship_optimizer.snapshot.v",
        &[SCHEMA_V1, SCHEMA_V2],
        "vibeship_optimizer.snapshot.v1 or .v2",
    )?;
    let snapshot: Snapshot = shaped(value, bytes, Limits::default())?;
    check_snapshot(&snapshot)?;
    Ok(snapshot)
}

/// Reads a pair session.
pub fn parse_pair(bytes: &[u8]) -> Result<PairSession, IngestError> {
    let value = parse_json(bytes, Limits::default())?;
    check_schema(&value, "vibeship_optimizer.pair.v", &[pair::SCHEMA], pair::SCHEMA)?;
    let session: PairSession = shaped(value, bytes, Limits::default())?;
    check_pair(&session)?;
    Ok(session)
}

/// Refuses a value whose `schema` is not one of `known`; one that begins with `family` and has a number is named as newer.
pub fn check_schema(value: &Value, family: &str, known: &[&str], expected: &'static str) -> Result<(), IngestError> {
    let found = value.get("schema").and_then(Value::as_str);
    match found {
        Some(name) if known.contains(&name) => Ok(()),
        Some(name) if name.strip_prefix(family).is_some_and(|v| v.parse::<u32>().is_ok_and(|v| v > 0)) => {
            Err(IngestError::Newer { found: name.to_owned() })
        }
        other => Err(IngestError::Schema { found: other.map(|name| name.chars().take(80).collect()), expected }),
    }
}

fn refuse(field: String, problem: impl Into<String>) -> IngestError {
    IngestError::Value { field, problem: problem.into() }
}

fn at_least_zero(field: impl FnOnce() -> String, value: f64) -> Result<(), IngestError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    let problem = if value.is_finite() { "is negative, which no duration can be" } else { "is not a finite number" };
    Err(refuse(field(), format!("{value} {problem}")))
}

fn no_twin<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), IngestError> {
    let mut seen = std::collections::BTreeSet::new();
    for (i, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(refuse(
                format!("{field}[{i}]"),
                format!("{name:?} is there twice, so its values cannot be told apart"),
            ));
        }
    }
    Ok(())
}

fn check_snapshot(snapshot: &Snapshot) -> Result<(), IngestError> {
    no_twin("timings", snapshot.timings.iter().map(|timing| timing.name.as_str()))?;
    no_twin("http", snapshot.http.iter().map(|http| http.name.as_deref().unwrap_or(&http.url)))?;
    no_twin("kpis", snapshot.kpis.iter().map(|kpi| kpi.name.as_str()))?;
    no_twin("missing_sizes", snapshot.missing_sizes.iter().map(String::as_str))?;
    if let Some((i, path)) = snapshot.missing_sizes.iter().enumerate().find(|(_, p)| snapshot.sizes.contains_key(*p)) {
        return Err(refuse(format!("missing_sizes[{i}]"), format!("{path:?} is in `sizes` too")));
    }
    for (i, timing) in snapshot.timings.iter().enumerate() {
        check_timing(i, timing)?;
    }
    for (i, http) in snapshot.http.iter().enumerate() {
        at_least_zero(|| format!("http[{i}].timeout_s"), http.timeout_s)?;
        for (j, request) in http.requests.iter().enumerate() {
            at_least_zero(|| format!("http[{i}].requests[{j}].latency_s"), request.latency_s)?;
        }
    }
    for (i, kpi) in snapshot.kpis.iter().enumerate() {
        check_kpi(&format!("kpis[{i}]"), kpi)?;
    }
    for (i, seconds) in snapshot.reference_s.iter().enumerate() {
        at_least_zero(|| format!("reference_s[{i}]"), *seconds)?;
    }
    Ok(())
}

fn check_timing(i: usize, timing: &Timing) -> Result<(), IngestError> {
    let field = |name: &str| format!("timings[{i}].{name}");
    if timing.name.trim().is_empty() {
        return Err(refuse(field("name"), "is empty"));
    }
    at_least_zero(|| field("timeout_s"), timing.timeout_s)?;
    for (name, value) in [("mean_s", timing.mean_s), ("p95_s", timing.p95_s)] {
        at_least_zero(|| field(name), value.unwrap_or(0.0))?;
    }
    for (j, seconds) in timing.all_s.iter().enumerate() {
        at_least_zero(|| field(&format!("all_s[{j}]")), *seconds)?;
    }
    for (j, run) in timing.samples.iter().enumerate() {
        check_run(&field(&format!("samples[{j}]")), run)?;
    }
    Ok(())
}

fn check_run(field: &str, run: &Run) -> Result<(), IngestError> {
    at_least_zero(|| format!("{field}.wall_s"), run.wall_s)?;
    at_least_zero(|| format!("{field}.user_s"), run.user_s.unwrap_or(0.0))?;
    at_least_zero(|| format!("{field}.system_s"), run.system_s.unwrap_or(0.0))
}

fn check_kpi(field: &str, kpi: &Kpi) -> Result<(), IngestError> {
    if kpi.name.trim().is_empty() {
        return Err(refuse(format!("{field}.name"), "is empty"));
    }
    let rate = kpi.sampling == crate::model::Sampling::Rate;
    for (j, value) in kpi.values.iter().enumerate() {
        let place = || format!("{field}.values[{j}]");
        if !value.is_finite() {
            return Err(refuse(place(), format!("{value} is not a finite number")));
        }
        if rate && *value != 0.0 && *value != 1.0 {
            return Err(refuse(place(), format!("{value} is neither 0 nor 1, which every sample of a rate is")));
        }
    }
    Ok(())
}

fn check_pair(session: &PairSession) -> Result<(), IngestError> {
    no_twin("commands", session.commands.iter().map(|command| command.name.as_str()))?;
    no_twin("kpis", session.kpis.iter().map(|kpi| kpi.kpi.name.as_str()))?;
    for (i, command) in session.commands.iter().enumerate() {
        at_least_zero(|| format!("commands[{i}].timeout_s"), command.timeout_s)?;
        for (j, pair) in command.pairs.iter().enumerate() {
            check_run(&format!("commands[{i}].pairs[{j}].before"), &pair.before)?;
            check_run(&format!("commands[{i}].pairs[{j}].after"), &pair.after)?;
            let reference = pair.reference_s.unwrap_or(0.0);
            at_least_zero(|| format!("commands[{i}].pairs[{j}].reference_s"), reference)?;
        }
    }
    for (i, paired) in session.kpis.iter().enumerate() {
        let values = paired.pairs.iter().flat_map(|(before, after)| [*before, *after]).collect();
        check_kpi(&format!("kpis[{i}]"), &Kpi { values, ..paired.kpi.clone() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshot(extra: &str) -> Result<Snapshot, String> {
        let text = format!(
            r#"{{"schema":"vibeship_optimizer.snapshot.v1","generated_at":"2026-02-15T13:23:31Z","label":"x"{extra}}}"#
        );
        parse_snapshot(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn problem(extra: &str) -> String {
        snapshot(extra).unwrap_err()
    }

    #[test]
    fn the_least_snapshot_is_read() {
        assert_eq!(snapshot("").unwrap().label, "x");
    }

    #[test]
    fn another_schema_is_named_with_what_was_expected() {
        let error = |text: &str| parse_snapshot(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error(r#"{"schema": "vibeship_optimizer.change.v1"}"#),
            r#"its schema is "vibeship_optimizer.change.v1", expected vibeship_optimizer.snapshot.v1 or .v2"#
        );
        assert_eq!(error("[]"), "its schema is missing, expected vibeship_optimizer.snapshot.v1 or .v2");
        assert!(error(r#"{"schema": "vibeship_optimizer.snapshot.v9"}"#).contains("newer than this tool knows"));
    }

    #[test]
    fn values_that_cannot_have_been_measured_are_refused_with_their_place() {
        let timing = |fields: &str| problem(&format!(r#","timings":[{{"name":"a","cmd":"b",{fields}}}]"#));
        assert!(timing(r#""all_s":[1,-0.5]"#).starts_with("timings[0].all_s[1]: -0.5 is negative"));
        assert!(timing(r#""timeout_s":-1"#).starts_with("timings[0].timeout_s"));
        assert!(
            timing(r#""samples":[{"wall_s":1,"user_s":-1,"exit_code":0}]"#).starts_with("timings[0].samples[0].user_s")
        );
        assert!(timing(r#""runs":-1"#).starts_with("line 1, column "));
        assert!(problem(r#","sizes":{"a":{"path":"a","bytes":-5}}"#).contains("invalid value: integer `-5`"));
        let kpi = r#","kpis":[{"name":"k","better":"lower","sampling":"rate","values":[0.5]}]"#;
        assert!(problem(kpi).contains("neither 0 nor 1"));
    }

    #[test]
    fn a_timing_that_is_there_twice_is_refused() {
        let twice = r#","timings":[{"name":"a","cmd":"b"},{"name":"a","cmd":"c"}]"#;
        assert!(problem(twice).starts_with(r#"timings[1]: "a" is there twice"#));
    }

    #[test]
    fn exit_codes_of_windows_are_read() {
        let timing = r#","timings":[{"name":"a","cmd":"b","last_rc":3221225786}]"#;
        assert_eq!(snapshot(timing).unwrap().timings[0].last_rc, Some(-1_073_741_510));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
            let _ = parse_snapshot(&bytes);
            let _ = parse_pair(&bytes);
            let text = r#"{"schema":"vibeship_optimizer.snapshot.v2","generated_at":"2026-02-15T13:23:31Z","label":"x","timings":[{"name":"a","cmd":"b","all_s":[1.5]}]}"#;
            let _ = parse_snapshot(&text.as_bytes()[..cut.min(text.len())]);
        }
    }
}
