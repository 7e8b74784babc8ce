//! Reading a KPI: running its command, finding the number in what it wrote, and keeping the raw text as evidence.
//! Says precisely why there is no number.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::config::{Extract, KpiProbe};
use crate::measure::pointer::{follow, kind};
use crate::measure::{Place, Runner, command};
use crate::model::scrub::conceal;
use crate::model::scrub::scrub;
use crate::model::strict_json::parse_json;
use crate::model::{Kpi, Sampling};
use crate::os::process::Output;
use crate::os::{Ended, Finished};

/// The longest output or file that a number is looked for in, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// One value, and the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) value: f64,
    /// What may be kept of the text, or of the configured artifact; values that look secret are concealed.
    pub(crate) raw: Vec<u8>,
    /// The share of its time that the command waited for a core, where it is known to be one thread.
    pub(crate) waited: Option<f64>,
}

/// A KPI as evidence (without its artifact, which is not written yet), and the raw text of its last value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) kpi: Kpi,
    /// The bytes to keep as its artifact; `None` when there is no value.
    pub(crate) raw: Option<Vec<u8>>,
}

/// Why a KPI has no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KpiError {
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    NoValue(String),
}

/// Measures a KPI as often as configured. It ends at the first failure, which leaves it without values.
pub(crate) fn measure(
    runner: &mut dyn Runner,
    place: &Place,
    config: &KpiProbe,
    progress: &mut dyn FnMut(u32, u32),
) -> Measured {
    let mut kpi = unmeasured(config);
    let mut raw = None;
    for run in 1..=config.runs {
        match sample(runner, place, config) {
            Ok(sample) => {
                kpi.values.push(sample.value);
                raw = Some(sample.raw);
            }
            Err(error) => {
                let which = if config.runs > 1 { format!("run {run} of {}: ", config.runs) } else { String::new() };
                kpi.error = Some(format!("{which}{}", scrub(&error.to_string())));
                break;
            }
        }
        progress(run, config.runs);
    }
    if let Some(other) = kpi.values.iter().find(|value| config.exact && **value != kpi.values[0]) {
        kpi.error = Some(format!("is configured as exact, but gave {} and {other}: drop `exact: true`", kpi.values[0]));
    }
    if kpi.error.is_some() {
        kpi.values.clear();
        raw = None;
    }
    Measured { kpi, raw }
}

/// Measures one value.
pub(crate) fn sample(runner: &mut dyn Runner, place: &Place, config: &KpiProbe) -> Result<Sample, KpiError> {
    let file = config.file.as_ref().map(|file| place.root.join(file));
    let before = file.as_deref().and_then(stamp);
    let finished = config.cmd.as_ref().map(|cmd| run(runner, place, config, cmd)).transpose()?;
    let waited = finished.as_ref().and_then(|finished| {
        let queued = finished.queued_alone()?;
        Some(queued.as_secs_f64() / finished.wall.as_secs_f64().max(f64::MIN_POSITIVE))
    });
    let cmd = config.cmd.as_deref().unwrap_or_default();
    let (origin, text) = match (file, finished) {
        (Some(path), finished) => {
            if finished.is_some() && before.is_some() && before == stamp(&path) {
                let why = format!("`{cmd}` succeeded but did not write {}", path.display());
                return Err(KpiError::NoValue(why));
            }
            (path.display().to_string(), read(&path)?)
        }
        (None, Some(finished)) => {
            let origin = format!("the output of `{cmd}`");
            let bytes = finished.stdout.whole().ok_or_else(|| too_long(&origin))?;
            (origin, bytes)
        }
        // The config's reading demands a command or a file.
        (None, None) => return Err(not_a_number(&config.name, "nothing")),
    };
    let value = extract(&config.extract(), &text, &origin)?;
    let raw = match &config.artifact {
        Some(artifact) => read(&place.root.join(artifact))?,
        None => text,
    };
    Ok(Sample { value, raw: concealed(raw), waited })
}

/// A KPI as evidence that has no values yet.
pub(crate) fn unmeasured(config: &KpiProbe) -> Kpi {
    Kpi {
        name: config.name.clone(),
        unit: config.unit.symbol().to_owned(),
        better: config.better,
        sampling: if config.exact { Sampling::Exact } else { Sampling::Sampled },
        values: Vec::new(),
        error: None,
        artifact: None,
    }
}

/// The number in a text. `origin` names the text in errors.
fn extract(how: &Extract, text: &[u8], origin: &str) -> Result<f64, KpiError> {
    let nothing = |why: String| KpiError::NoValue(format!("{origin}{why}"));
    match how {
        Extract::Whole => {
            let text = String::from_utf8_lossy(text);
            let text = text.trim_start_matches('\u{feff}').trim();
            let found = || if text.is_empty() { "nothing".to_owned() } else { shown(text) };
            number(text).ok_or_else(|| not_a_number(origin, &found()))
        }
        Extract::Pointer(pointer) => {
            let value = parse_json(text).map_err(|error| nothing(format!(" is not valid JSON: {error}")))?;
            let found = follow(&value, pointer).map_err(|nowhere| nothing(format!(": {nowhere}")))?;
            found.as_f64().filter(|number| number.is_finite()).ok_or_else(|| {
                let scalar = matches!(found, Value::String(_) | Value::Bool(_));
                let value = if scalar { format!(" ({})", shown(&found.to_string())) } else { String::new() };
                not_a_number(origin, &format!("what {pointer} leads to, {}{value},", kind(found)))
            })
        }
        Extract::Regex(pattern) => {
            let text = String::from_utf8_lossy(text);
            let no_match = || nothing(format!(": nothing matches the regex {pattern:?}"));
            let regex = regex::Regex::new(pattern).map_err(|_| no_match())?;
            let last = regex.captures_iter(&text).last().and_then(|captures| captures.get(1)).ok_or_else(no_match)?;
            let found = || format!("the match {}", shown(last.as_str()));
            number(last.as_str().trim()).ok_or_else(|| not_a_number(origin, &found()))
        }
    }
}

fn not_a_number(origin: &str, found: &str) -> KpiError {
    KpiError::NoValue(format!("{origin}: {found} is not a finite number"))
}

fn too_long(origin: &str) -> KpiError {
    KpiError::NoValue(format!("{origin} is longer than the {MAX_BYTES} bytes that are read"))
}

fn run(runner: &mut dyn Runner, place: &Place, config: &KpiProbe, cmd: &str) -> Result<Finished, KpiError> {
    let mut spec = place.shell(cmd, command::seconds(config.timeout_s));
    if config.file.is_none() {
        spec.stdout = Output::Keep { head_bytes: MAX_BYTES, tail_bytes: 0 };
    }
    let finished = runner.run(&spec).map_err(|error| KpiError::NoValue(error.to_string()))?;
    let Some(failure) = command::failure(finished.ended, spec.timeout) else { return Ok(finished) };
    let Ended::Code(_) = finished.ended else {
        let interrupted = finished.ended == Ended::Interrupted;
        return Err(if interrupted { KpiError::Interrupted } else { KpiError::NoValue(format!("`{cmd}` {failure}")) });
    };
    let mut why = format!("`{cmd}` failed with {failure}");
    let tail = command::error_tail(&finished);
    if !tail.is_empty() {
        why.push_str(&format!(": {tail}"));
    }
    Err(KpiError::NoValue(why))
}

/// What changes when a file is written.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &PathBuf) -> Result<Vec<u8>, KpiError> {
    let unreadable = |error| KpiError::NoValue(format!("cannot read {}: {error}", path.display()));
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES { Err(too_long(&path.display().to_string())) } else { Ok(bytes) }
}

fn number(text: &str) -> Option<f64> {
    // Rust also reads "inf" and "nan".
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

/// The bytes with what looks secret concealed: in JSON value by value, so that it stays JSON, else in the text.
/// Bytes without secrets are kept to the bit.
fn concealed(raw: Vec<u8>) -> Vec<u8> {
    if let Ok(value) = parse_json(&raw) {
        let hidden = concealed_value("", &value);
        return if hidden == value { raw } else { format!("{hidden:#}\n").into_bytes() };
    }
    match std::str::from_utf8(&raw) {
        Ok(text) => {
            let hidden = scrub(text);
            if hidden == text { raw } else { hidden.into_bytes() }
        }
        Err(_) => raw,
    }
}

fn concealed_value(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, item)| (key.clone(), concealed_value(key, item))).collect())
        }
        Value::Array(items) => items.iter().map(|item| concealed_value(name, item)).collect(),
        // A number is what is measured, whatever its name.
        Value::String(_) => conceal(name, value),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unit;
    use crate::os::SpawnError;
    use crate::os::Spec;
    use crate::os::process::{Captured, Launch};
    use std::time::Duration;

    /// Writes `stdout`, and its run's number into `file` if there is one.
    #[derive(Default)]
    struct Script {
        outputs: Vec<&'static str>,
        ended: Option<Ended>,
        writes: Option<PathBuf>,
        ran: usize,
    }

    impl Runner for Script {
        fn run(&mut self, spec: &Spec) -> Result<Finished, SpawnError> {
            let mut stdout = Captured::new(spec.stdout);
            stdout.push(self.outputs.get(self.ran).or(self.outputs.last()).unwrap_or(&"").as_bytes());
            let mut stderr = Captured::new(spec.stderr);
            stderr.push(b"no such table; password=hunter2");
            self.ran += 1;
            if let Some(path) = &self.writes {
                fs::write(path, format!("{{\"n\": {}{}}}", self.ran, " ".repeat(self.ran))).unwrap();
            }
            Ok(Finished {
                first_thread: None,
                wall: Duration::ZERO,
                user: None,
                system: None,
                max_rss_bytes: None,
                ended: self.ended.unwrap_or(Ended::Code(0)),
                launch: Launch::Direct,
                stdout,
                stderr,
            })
        }
    }

    fn config(extract: Extract) -> KpiProbe {
        let (pointer, regex) = match extract {
            Extract::Whole => (None, None),
            Extract::Pointer(pointer) => (Some(pointer), None),
            Extract::Regex(regex) => (None, Some(regex)),
        };
        KpiProbe {
            name: "k".to_owned(),
            cmd: Some("bench".to_owned()),
            pointer,
            regex,
            unit: Unit::new("ms"),
            runs: 3,
            timeout_s: 5.0,
            ..KpiProbe::default()
        }
    }

    fn pointer(pointer: &str) -> Extract {
        Extract::Pointer(pointer.to_owned())
    }

    fn measured(root: &Path, config: &KpiProbe, script: &mut Script) -> Measured {
        measure(script, &Place { root: root.to_owned(), env: Vec::new() }, config, &mut |_, _| ())
    }

    #[test]
    fn each_run_of_a_command_gives_a_value_in_run_order() {
        let mut script = Script { outputs: vec!["{\"p\": 3}", "{\"p\": 1.5}", "{\"p\": 2e0}"], ..Script::default() };
        let got = measured(Path::new("."), &config(pointer("/p")), &mut script);
        assert_eq!(got.kpi.values, [3.0, 1.5, 2.0]);
        assert_eq!((got.kpi.error, got.kpi.unit.as_str(), got.kpi.sampling), (None, "ms", Sampling::Sampled));
        assert_eq!(got.raw.unwrap(), b"{\"p\": 2e0}");
    }

    #[test]
    fn a_number_is_found_whole_by_pointer_or_by_the_last_match() {
        let regex = |pattern: &str| Extract::Regex(pattern.to_owned());
        for (how, text, expected) in [
            (Extract::Whole, "\u{feff} 12.5\r\n", 12.5),
            (pointer(""), "-3", -3.0),
            (pointer("/a/0/b"), "{\"a\": [{\"b\": 7}]}", 7.0),
            (regex("p95=([0-9.]+)"), "p95=1.0 warming\np95=2.5ms", 2.5),
        ] {
            assert_eq!(extract(&how, text.as_bytes(), "x").unwrap(), expected, "{how:?}");
        }
        for (how, text, expected) in [
            (Extract::Whole, "12.5ms", "x: \"12.5ms\" is not a finite number"),
            (Extract::Whole, "", "x: nothing is not a finite number"),
            (Extract::Whole, "nan", "x: \"nan\" is not a finite number"),
            (pointer("/a"), "{\"a\": NaN}", "x is not valid JSON: line 1, column 7: NaN is not a finite number"),
            (pointer("/a"), "{\"a\": }", "x is not valid JSON: line 1, column 7"),
            (pointer("/a"), "{\"a\": \"3\"}", "what /a leads to, a text (\"\\\"3\\\"\"), is not a finite number"),
            (pointer("/a"), "{\"a\": {}}", "what /a leads to, an object, is not a finite number"),
            (pointer("/ab"), "{\"a\": 1}", "x: /ab leads nowhere: the whole value has no \"ab\""),
            (regex("q=(.*)"), "p=1", "x: nothing matches the regex \"q=(.*)\""),
            (regex("q=(.*)"), "q=inf", "x: the match \"inf\" is not a finite number"),
        ] {
            let error = extract(&how, text.as_bytes(), "x").unwrap_err().to_string();
            assert!(error.contains(expected), "{how:?} {text}: {error}");
        }
    }

    #[test]
    fn a_failed_run_leaves_no_values_and_says_why() {
        let mut script = Script { ended: Some(Ended::Code(3)), outputs: vec!["1"], ..Script::default() };
        let got = measured(Path::new("."), &config(Extract::Whole), &mut script);
        assert_eq!((got.kpi.values.len(), got.raw, script.ran), (0, None, 1));
        assert_eq!(got.kpi.error.unwrap(), "run 1 of 3: `bench` failed with exit code 3: no such table; password=***");
        let mut script = Script { ended: Some(Ended::TimedOut), ..Script::default() };
        let got = measured(Path::new("."), &config(Extract::Whole), &mut script);
        assert!(got.kpi.error.unwrap().contains("took longer than 5 s"));
        let mut script = Script { ended: Some(Ended::Interrupted), ..Script::default() };
        let got = measured(Path::new("."), &config(Extract::Whole), &mut script);
        assert_eq!(got.kpi.error.unwrap(), "run 1 of 3: interrupted");
    }

    #[test]
    fn a_file_that_the_command_did_not_write_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.json");
        let mut with_file = config(pointer("/n"));
        with_file.file = Some("out.json".to_owned());
        let got = measured(dir.path(), &with_file, &mut Script::default());
        assert!(got.kpi.error.unwrap().contains("cannot read"));
        fs::write(&path, "{\"n\": 9}").unwrap();
        let got = measured(dir.path(), &with_file, &mut Script::default());
        assert!(got.kpi.error.unwrap().contains("`bench` succeeded but did not write"));
        let mut script = Script { writes: Some(path), ..Script::default() };
        assert_eq!(measured(dir.path(), &with_file, &mut script).kpi.values, [1.0, 2.0, 3.0]);
        with_file.cmd = None;
        with_file.runs = 1;
        assert_eq!(measured(dir.path(), &with_file, &mut script).kpi.values, [3.0]);
    }

    #[test]
    fn an_exact_kpi_that_varies_has_no_value() {
        let mut exact = config(Extract::Whole);
        exact.exact = true;
        let mut script = Script { outputs: vec!["1", "1", "2"], ..Script::default() };
        let got = measured(Path::new("."), &exact, &mut script);
        assert_eq!(got.kpi.values, Vec::<f64>::new());
        assert!(got.kpi.error.unwrap().contains("gave 1 and 2"));
    }

    #[test]
    fn secrets_in_the_raw_text_are_concealed_and_other_bytes_are_kept() {
        let json = br#"{"token": 3, "api_key": "abc", "p": 1}"#.to_vec();
        let kept = String::from_utf8(concealed(json)).unwrap();
        assert!(kept.contains("sha256:") && !kept.contains("abc"), "{kept}");
        assert_eq!(extract(&pointer("/p"), kept.as_bytes(), "x").unwrap(), 1.0);
        assert_eq!(concealed(b"{ \"p\":1.50 }\r\n".to_vec()), b"{ \"p\":1.50 }\r\n");
        assert_eq!(concealed(b"password=x p95=1".to_vec()), b"password=*** p95=1");
        assert_eq!(concealed(vec![0xff, 0xfe]), [0xff, 0xfe]);
    }
}
