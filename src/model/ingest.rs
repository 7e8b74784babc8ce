//! Parses evidence from untrusted bytes: checks encoding, syntax, schema, and that values are plausible.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use crate::model::pair;
use crate::model::snapshot::{SCHEMA_V1, SCHEMA_V2};
use crate::model::strict_json::Json;
use crate::model::{JsonError, Kpi, PairSession, Sampling, Snapshot};

/// Why bytes are not valid evidence. The caller adds the file's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("its schema is {}, expected {expected}", found_text(.found))]
    Schema { found: Option<String>, expected: &'static str },
    #[error("its schema {found} is newer than this tool knows; update the tool to read it")]
    Newer { found: String },
    #[error("{field}: {problem}")]
    Value { field: String, problem: String },
}

fn found_text(found: &Option<String>) -> String {
    found.as_ref().map_or_else(|| "missing".to_owned(), |name| format!("{name:?}"))
}

pub fn parse_snapshot(bytes: &[u8]) -> Result<Snapshot, IngestError> {
    snapshot(&Json::parse(bytes)?)
}

/// Like [`parse_snapshot`], from JSON that is already parsed.
pub(crate) fn snapshot(json: &Json<'_>) -> Result<Snapshot, IngestError> {
    let known = [SCHEMA_V1, SCHEMA_V2];
    check_schema(&json.value, "vibeship_optimizer.snapshot.v", &known, "vibeship_optimizer.snapshot.v1 or .v2")?;
    let snapshot: Snapshot = json.read()?;
    check_snapshot(&snapshot)?;
    snapshot.pair.as_deref().map_or(Ok(()), check_pair)?;
    check_seconds(&json.value)?;
    Ok(snapshot)
}

pub fn parse_pair(bytes: &[u8]) -> Result<PairSession, IngestError> {
    let json = Json::parse(bytes)?;
    check_schema(&json.value, "vibeship_optimizer.pair.v", &[pair::SCHEMA], pair::SCHEMA)?;
    let session: PairSession = json.read()?;
    check_pair(&session)?;
    check_seconds(&json.value)?;
    Ok(session)
}

/// Refuses a value whose `schema` is not in `known`; `family` followed by another number is reported as newer.
fn check_schema(value: &Value, family: &str, known: &[&str], expected: &'static str) -> Result<(), IngestError> {
    let found = value.get("schema").and_then(Value::as_str);
    match found {
        Some(name) if known.contains(&name) => Ok(()),
        Some(name) if name.strip_prefix(family).is_some_and(|v| v.parse::<u32>().is_ok_and(|v| v > 0)) => {
            Err(IngestError::Newer { found: name.to_owned() })
        }
        other => Err(IngestError::Schema { found: other.map(|name| name.chars().take(80).collect()), expected }),
    }
}

fn refuse(field: impl Into<String>, problem: impl Into<String>) -> IngestError {
    IngestError::Value { field: field.into(), problem: problem.into() }
}

/// Refuses a negative number under any key that ends with `_s`, which are durations in seconds. Tuneables and
/// environment variables may hold any value.
fn check_seconds(value: &Value) -> Result<(), IngestError> {
    let negative = |(field, number): (String, &Number)| {
        refuse(field.trim_start_matches('.'), format!("{number} is negative, which no duration can be"))
    };
    negative_seconds(value, false).map_or(Ok(()), |found| Err(negative(found)))
}

/// The first negative duration, with its path. The path is built on the way back, only if there is one.
fn negative_seconds(value: &Value, is_seconds: bool) -> Option<(String, &Number)> {
    match value {
        Value::Number(number) => {
            let is_negative = is_seconds && number.as_f64().is_some_and(|seconds| seconds < 0.0);
            is_negative.then(|| (String::new(), number))
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| {
            let (field, number) = negative_seconds(item, is_seconds)?;
            Some((format!("[{i}]{field}"), number))
        }),
        Value::Object(map) => {
            map.iter().filter(|(key, _)| !matches!(key.as_str(), "tuneables" | "env")).find_map(|(key, item)| {
                let (field, number) = negative_seconds(item, key.ends_with("_s"))?;
                Some((format!(".{key}{field}"), number))
            })
        }
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// Refuses empty and duplicate names, whose values could not be told apart.
fn check_names<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), IngestError> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        if name.trim().is_empty() {
            return Err(refuse(format!("{field}[{i}].name"), "is empty"));
        }
        if !seen.insert(name) {
            let problem = format!("{name:?} is there twice, so its values cannot be told apart");
            return Err(refuse(format!("{field}[{i}]"), problem));
        }
    }
    Ok(())
}

fn check_snapshot(snapshot: &Snapshot) -> Result<(), IngestError> {
    check_names("timings", snapshot.timings.iter().map(|timing| timing.name.as_str()))?;
    check_names("http", snapshot.http.iter().map(|http| http.name.as_deref().unwrap_or(&http.url)))?;
    check_names("kpis", snapshot.kpis.iter().map(|kpi| kpi.name.as_str()))?;
    check_names("missing_sizes", snapshot.missing_sizes.iter().map(String::as_str))?;
    if let Some((i, path)) = snapshot.missing_sizes.iter().enumerate().find(|(_, p)| snapshot.sizes.contains_key(*p)) {
        return Err(refuse(format!("missing_sizes[{i}]"), format!("{path:?} is in `sizes` too")));
    }
    snapshot.kpis.iter().enumerate().try_for_each(|(i, kpi)| check_rate(i, kpi, kpi.values.iter()))
}

fn check_rate<'a>(i: usize, kpi: &Kpi, values: impl Iterator<Item = &'a f64>) -> Result<(), IngestError> {
    let mut values = values.enumerate().filter(|_| kpi.sampling == Sampling::Rate);
    match values.find(|(_, value)| **value != 0.0 && **value != 1.0) {
        None => Ok(()),
        Some((j, value)) => Err(refuse(
            format!("kpis[{i}].values[{j}]"),
            format!("{value} is neither 0 nor 1, which every sample of a rate is"),
        )),
    }
}

fn check_pair(session: &PairSession) -> Result<(), IngestError> {
    check_names("commands", session.commands.iter().map(|command| command.name.as_str()))?;
    for http in [false, true] {
        check_names("kpis", session.kpis.iter().filter(|it| it.http == http).map(|it| it.kpi.name.as_str()))?;
    }
    session.others.iter().try_for_each(check_pair)?;
    session.kpis.iter().enumerate().try_for_each(|(i, paired)| {
        check_rate(i, &paired.kpi, paired.pairs.iter().flat_map(|(before, after)| [before, after]))
    })
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
    fn the_smallest_valid_snapshot_is_read() {
        assert_eq!(snapshot("").unwrap().label, "x");
    }

    #[test]
    fn an_unknown_schema_is_reported_with_the_expected_one() {
        let error = |text: &str| parse_snapshot(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error(r#"{"schema": "vibeship_optimizer.change.v1"}"#),
            r#"its schema is "vibeship_optimizer.change.v1", expected vibeship_optimizer.snapshot.v1 or .v2"#
        );
        assert_eq!(error("[]"), "its schema is missing, expected vibeship_optimizer.snapshot.v1 or .v2");
        assert!(error(r#"{"schema": "vibeship_optimizer.snapshot.v9"}"#).contains("newer than this tool knows"));
    }

    #[test]
    fn impossible_values_are_refused_with_their_path() {
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
    fn a_duplicate_timing_is_refused() {
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
