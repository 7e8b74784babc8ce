//! Reads a KPI: runs its command, finds the number in its output and the text next to it, and keeps the raw text as
//! evidence. If there is no number, says precisely why.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::config::{Extract, KpiProbe};
use crate::measure::number::{of_unit, parsed, plain, unit_of};
use crate::measure::pointer::follow;
use crate::measure::{Place, Runner, command, number};
use crate::model::scrub::conceal;
use crate::model::{Kpi, Sampling, Unit, parse_json, scrub};
use crate::os::process::Output;
use crate::os::{Ended, Finished, files};
use crate::stats::median;

/// The longest output or file that is searched for a number, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// How many words are kept on each side of a number.
const WORDS_KEPT: usize = 2;
const LONGEST_WORD: usize = 60;
/// Keys of numbers that say how much work was done.
const COUNT_KEYS: [&str; 12] = [
    "n",
    "count",
    "errors",
    "failed",
    "failures",
    "items",
    "iterations",
    "passed",
    "requests",
    "rows",
    "samples",
    "skipped",
];

/// The numbers of one reading, and the text that they were read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// At least one, all finite.
    pub(crate) values: Vec<f64>,
    /// The part of the text, or of the configured artifact, that may be kept; likely secrets are concealed.
    pub(crate) raw: Vec<u8>,
    /// The share of its time that the command waited for a core, if it is known to be single-threaded.
    pub(crate) waited: Option<f64>,
    /// The last line of the command's standard error.
    pub(crate) said: Option<String>,
    pub(crate) beside: Option<NumberContext>,
}

impl Sample {
    /// The median stands for the run: the numbers of one run are not independent, so they count once.
    pub(crate) fn middle(&self) -> f64 {
        median(&self.values).unwrap_or(f64::NAN)
    }
}

/// A KPI as evidence (its artifact is not written yet), and the raw text of its last value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeasuredKpi {
    pub(crate) kpi: Kpi,
    /// The content of its artifact; `None` if there is no value.
    pub(crate) raw: Option<Vec<u8>>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KpiError {
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    NoValue(String),
}

/// Groups KPIs with the same command: one run feeds all of them.
pub(crate) fn groups<'c>(configs: impl IntoIterator<Item = &'c KpiProbe>) -> Vec<Vec<&'c KpiProbe>> {
    let mut groups: Vec<Vec<&KpiProbe>> = Vec::new();
    for config in configs {
        match groups.iter_mut().find(|group| config.cmd.is_some() && group.iter().all(|other| other.cmd == config.cmd))
        {
            Some(group) => group.push(config),
            None => groups.push(vec![config]),
        }
    }
    groups
}

/// Measures a group, each KPI as often as configured. A failure leaves a KPI without values.
pub(crate) fn measure(
    runner: &mut dyn Runner,
    place: &Place,
    group: &[&KpiProbe],
    progress: &mut dyn FnMut(u32, u32),
) -> Vec<MeasuredKpi> {
    let mut all: Vec<MeasuredKpi> =
        group.iter().map(|config| MeasuredKpi { kpi: unmeasured(config), raw: None }).collect();
    let most = group.iter().map(|config| config.runs).max().unwrap_or_default();
    for run in 1..=most {
        for ((measured, config), sample) in all.iter_mut().zip(group).zip(samples(runner, place, group)) {
            if run <= config.runs && measured.kpi.error.is_none() {
                take(measured, config, run, sample);
            }
        }
        if all.iter().all(|measured| measured.kpi.error.is_some()) {
            break;
        }
        progress(run, most);
    }
    all
}

fn take(measured: &mut MeasuredKpi, config: &KpiProbe, run: u32, sample: Result<Sample, KpiError>) {
    let kpi = &mut measured.kpi;
    match sample {
        Ok(sample) => {
            match config.runs {
                1 => kpi.values.extend(&sample.values),
                _ => kpi.values.push(sample.middle()),
            }
            measured.raw = Some(sample.raw);
            kpi.said = sample.said;
            kpi.beside = sample.beside.map(|beside| beside.words).filter(|words| !words.is_empty());
        }
        Err(error) => {
            let which = if config.runs > 1 { format!("run {run} of {}: ", config.runs) } else { String::new() };
            kpi.error = Some(format!("{which}{}", scrub(&error.to_string())));
        }
    }
    if config.exact {
        kpi.error = kpi.error.take().or_else(|| varies(&kpi.values));
    }
    if kpi.error.is_some() {
        kpi.values.clear();
        measured.raw = None;
    }
}

fn varies(values: &[f64]) -> Option<String> {
    let (first, rest) = values.split_first()?;
    let other = rest.iter().find(|value| *value != first)?;
    Some(format!("is configured as exact, but gave {first} and {other}: drop `exact: true`"))
}

/// Runs the command of a group once, if it has one, and reads all its KPIs.
pub(crate) fn samples(runner: &mut dyn Runner, place: &Place, group: &[&KpiProbe]) -> Vec<Result<Sample, KpiError>> {
    let path = |config: &KpiProbe| config.file.as_ref().map(|file| place.root.join(file));
    let held = |config: &&KpiProbe| {
        let path = path(config)?;
        Some((stamp(&path)?, read(&path).unwrap_or_default()))
    };
    let before: Vec<_> = group.iter().map(held).collect();
    let finished = match run(runner, place, group) {
        Ok(finished) => finished,
        Err(error) => return group.iter().map(|_| Err(error.clone())).collect(),
    };
    let read = group.iter().zip(before).map(|(config, before)| {
        let (old, held) = before.filter(|_| finished.is_some()).unzip();
        let is_old = old.is_some() && old == path(config).as_deref().and_then(stamp);
        sample(place, config, finished.as_ref(), is_old, &held.unwrap_or_default())
    });
    read.collect()
}

/// Reads one KPI after its command has run; `held` is the earlier content of its file.
fn sample(
    place: &Place,
    config: &KpiProbe,
    finished: Option<&Finished>,
    is_old: bool,
    held: &[u8],
) -> Result<Sample, KpiError> {
    let cmd = config.cmd.as_deref().unwrap_or_default();
    let (origin, text) = match (&config.file, finished) {
        (Some(file), _) if is_old => {
            return Err(KpiError::NoValue(format!("`{cmd}` succeeded but did not write {file}")));
        }
        (Some(file), _) => {
            let bytes = read(&place.root.join(file))?;
            if !held.is_empty() && bytes.len() > held.len() && bytes.starts_with(held) {
                let why =
                    format!("`{cmd}` appends to {file}, which still holds earlier results: let it overwrite the file");
                return Err(KpiError::NoValue(why));
            }
            (file.clone(), bytes)
        }
        (None, Some(finished)) => {
            let origin = format!("the output of `{cmd}`");
            let bytes = finished.stdout.whole().ok_or_else(|| too_long(&origin))?;
            (origin, bytes)
        }
        // Unreachable: the config reader requires a command or a file.
        (None, None) => (config.name.clone(), Vec::new()),
    };
    let values = number::numbers(config, &text).map_err(|why| KpiError::NoValue(format!("{origin}{why}")))?;
    let waited = finished.and_then(|finished| {
        let queued = finished.queued_alone()?;
        Some(queued.as_secs_f64() / finished.wall.as_secs_f64().max(f64::MIN_POSITIVE))
    });
    let mut beside = context_of(config, &text).map(|it| it.scrubbed());
    // Known tools choose how often they run a benchmark; for others, missing cases would look like a speed-up.
    if values.len() > 1 && config.reader.is_none() {
        let it = beside.get_or_insert_default();
        let last = if it.words.is_empty() { String::new() } else { format!(", the last in {}", it.words) };
        it.words = format!("{} numbers{last}", values.len());
    }
    let raw = match &config.artifact {
        Some(artifact) => read(&place.root.join(artifact))?,
        None => text,
    };
    let said = finished.map(command::error_tail).unwrap_or_default().lines().last().map(str::to_owned);
    let raw = concealed(raw);
    // The number must be readable from what is kept.
    if number::numbers(config, &raw).as_ref() != Ok(&values) {
        let why = match &config.artifact {
            Some(_) => {
                "the `artifact` that is kept as evidence does not hold this number: have both hold it, or drop `artifact`"
            }
            None => "what is read there looks like a secret, which evidence must not hold: print it under another name",
        };
        return Err(KpiError::NoValue(format!("{origin}: {why}")));
    }
    Ok(Sample { values, raw, waited, beside, said })
}

pub(crate) fn unmeasured(config: &KpiProbe) -> Kpi {
    Kpi {
        name: config.name.clone(),
        unit: config.unit.symbol().to_owned(),
        better: config.better,
        sampling: if config.exact { Sampling::Exact } else { Sampling::Sampled },
        ..Kpi::default()
    }
}

fn too_long(origin: &str) -> KpiError {
    KpiError::NoValue(format!("{origin} is longer than the {MAX_BYTES} bytes that are read"))
}

fn run(runner: &mut dyn Runner, place: &Place, group: &[&KpiProbe]) -> Result<Option<Finished>, KpiError> {
    let Some(cmd) = group.iter().find_map(|config| config.cmd.as_deref()) else { return Ok(None) };
    let timeout_s = group.iter().map(|config| config.timeout_s).fold(0.0, f64::max);
    let mut spec = place.shell(cmd, command::seconds(timeout_s));
    if group.iter().any(|config| config.file.is_none()) {
        spec.stdout = Output::Keep { head_bytes: MAX_BYTES, tail_bytes: 0 };
    }
    spec.alone = true;
    let finished = runner.run(&spec).map_err(|error| KpiError::NoValue(error.to_string()))?;
    let Some(failure) = command::failure(finished.ended, spec.timeout) else { return Ok(Some(finished)) };
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

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<Vec<u8>, KpiError> {
    let unreadable = |error| KpiError::NoValue(format!("cannot read {}: {error}", path.display()));
    let bytes = files::read_file(path, MAX_BYTES as u64 + 1).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES { Err(too_long(&path.display().to_string())) } else { Ok(bytes) }
}

/// Conceals likely secrets in the bytes: in JSON value by value, so that it stays JSON, otherwise in the text. Bytes
/// without secrets are kept unchanged.
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
            Value::Object(map.iter().map(|(key, item)| (scrub(key), concealed_value(key, item))).collect())
        }
        Value::Array(items) => items.iter().map(|item| concealed_value(name, item)).collect(),
        // A number is what is measured, whatever its name.
        Value::String(_) => conceal(name, value),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The context of a number: a difference in it means that other work was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct NumberContext {
    /// The words around the number, which is written as `#`: `heap # Mi`. In JSON, the unit given there. Different
    /// words may mean a different unit.
    pub(crate) words: String,
    /// The whole numbers on its line, each with the word that follows: `120 passed`. In JSON the texts and counts in
    /// the same object: `name parse`, `errors 0`.
    pub(crate) counts: Vec<String>,
}

impl NumberContext {
    fn scrubbed(&self) -> Self {
        Self { words: scrub(&self.words), counts: self.counts.iter().map(|count| scrub(count)).collect() }
    }
}

/// The context of the last number that a regular expression captures, or of the one that a pointer finds.
fn context_of(config: &KpiProbe, text: &[u8]) -> Option<NumberContext> {
    let pattern = match config.extract() {
        Extract::Regex(pattern) => pattern,
        Extract::Pointer(pointer) => {
            let value = parsed(text).ok()?;
            let found = follow(&value, &pointer).ok()?;
            let within = &found.first()?.within;
            let unit = unit_of(within, &pointer, &config.unit);
            let words = unit.map(|unit| format!("# {unit}")).unwrap_or_default();
            return Some(NumberContext {
                words,
                counts: within.iter().rev().find_map(|it| it.as_object()).map_or_else(Vec::new, members),
            });
        }
        Extract::Whole | Extract::Pointers(_) | Extract::Hyperfine(_) | Extract::Jmh(_) | Extract::Criterion => {
            return None;
        }
    };
    let text = plain(text);
    let group = regex::Regex::new(&pattern).ok()?.captures_iter(&text).last()?.get(1)?;
    let before = text[..group.start()].rsplit('\n').next().unwrap_or_default();
    let after = text[group.end()..].split('\n').next().unwrap_or_default();
    let words = |part: &str| -> Vec<String> {
        part.split(|c: char| !of_unit(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let counts = [before, after].into_iter().flat_map(counts).collect();
    let (before, mut after) = (words(before), words(after));
    // Singular and plural are the same unit: one file, two files.
    if let Some(counted) = after.first_mut().filter(|word| word.len() > 3) {
        counted.truncate(counted.trim_end_matches('s').len());
    }
    let number = ["#".to_owned()];
    let near =
        before[before.len().saturating_sub(WORDS_KEPT)..].iter().chain(&number).chain(after.iter().take(WORDS_KEPT));
    Some(NumberContext { words: near.map(String::as_str).collect::<Vec<_>>().join(" "), counts })
}

/// Describes the texts and counts in an object. Leaves out other numbers, since a time may be equal by chance, and
/// paths, which differ between the sides.
fn members(object: &Map<String, Value>) -> Vec<String> {
    let is_word =
        |text: &str| text.len() <= LONGEST_WORD && !text.contains(|c: char| c.is_ascii_digit() || "/\\".contains(c));
    let is_count = |key: &str| COUNT_KEYS.contains(&key.to_ascii_lowercase().as_str());
    let described = |(key, value): (&String, &Value)| {
        let count = value.is_number() && is_count(key);
        let text = value.as_str().filter(|text| is_word(text)).map(str::to_owned);
        text.or_else(|| count.then(|| value.to_string())).map(|shown| format!("{key} {shown}")).unwrap_or_default()
    };
    object.iter().map(described).collect()
}

fn counts(part: &str) -> Vec<String> {
    let trimmed = |word: &str| word.trim_matches(|c: char| c.is_ascii_punctuation()).to_owned();
    let words: Vec<String> = part.split_whitespace().map(trimmed).collect();
    let is_count = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_measured = |at: usize| words.get(at + 1).is_some_and(|next| Unit::spelled(next).is_known());
    let all = words.iter().enumerate().filter(|(at, word)| is_count(word) && !is_measured(*at));
    all.map(|(at, word)| words.get(at + 1).map_or_else(|| word.clone(), |next| format!("{word} {next}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::SpawnError;
    use crate::os::Spec;
    use crate::os::process::{Captured, Launch};
    use std::path::PathBuf;
    use std::time::Duration;

    /// Writes `stdout`, and the number of its run into `file` if there is one.
    #[derive(Default)]
    struct Script {
        outputs: Vec<&'static str>,
        ended: Option<Ended>,
        writes: Option<PathBuf>,
        appends: bool,
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
                let held = if self.appends { fs::read_to_string(path).unwrap() } else { String::new() };
                fs::write(path, format!("{held}{{\"n\": {}{}}}", self.ran, " ".repeat(self.ran))).unwrap();
            }
            Ok(Finished {
                first_thread: None,
                went_on: false,
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

    fn config(pointer: Option<&str>) -> KpiProbe {
        KpiProbe {
            name: "k".to_owned(),
            cmd: Some("bench".to_owned()),
            pointer: pointer.map(str::to_owned),
            unit: Unit::new("ms"),
            runs: 3,
            timeout_s: 5.0,
            ..KpiProbe::default()
        }
    }

    fn measured(root: &Path, config: &KpiProbe, script: &mut Script) -> MeasuredKpi {
        measure(script, &Place { root: root.to_owned(), env: Vec::new() }, &[config], &mut |_, _| ()).remove(0)
    }

    #[test]
    fn each_run_of_a_command_gives_a_value_in_run_order() {
        let mut script = Script { outputs: vec!["{\"p\": 3}", "{\"p\": 1.5}", "{\"p\": 2e0}"], ..Script::default() };
        let got = measured(Path::new("."), &config(Some("/p")), &mut script);
        assert_eq!(got.kpi.values, [3.0, 1.5, 2.0]);
        assert_eq!((got.kpi.error, got.kpi.unit.as_str(), got.kpi.sampling), (None, "ms", Sampling::Sampled));
        assert_eq!(got.raw.unwrap(), b"{\"p\": 2e0}");
    }

    #[test]
    fn a_failed_run_leaves_no_values_and_says_why() {
        let mut script = Script { ended: Some(Ended::Code(3)), outputs: vec!["1"], ..Script::default() };
        let got = measured(Path::new("."), &config(None), &mut script);
        assert_eq!((got.kpi.values.len(), got.raw, script.ran), (0, None, 1));
        assert_eq!(got.kpi.error.unwrap(), "run 1 of 3: `bench` failed with exit code 3: no such table; password=***");
        let mut script = Script { ended: Some(Ended::TimedOut), ..Script::default() };
        let got = measured(Path::new("."), &config(None), &mut script);
        assert!(got.kpi.error.unwrap().contains("took longer than 5 s"));
        let mut script = Script { ended: Some(Ended::Interrupted), ..Script::default() };
        let got = measured(Path::new("."), &config(None), &mut script);
        assert_eq!(got.kpi.error.unwrap(), "run 1 of 3: interrupted");
    }

    #[test]
    fn a_file_that_the_command_did_not_write_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.json");
        let mut with_file = config(Some("/n"));
        with_file.file = Some("out.json".to_owned());
        let got = measured(dir.path(), &with_file, &mut Script::default());
        assert!(got.kpi.error.unwrap().contains("cannot read"));
        fs::write(&path, "{\"n\": 9}").unwrap();
        let got = measured(dir.path(), &with_file, &mut Script::default());
        assert!(got.kpi.error.unwrap().contains("`bench` succeeded but did not write"));
        let mut script = Script { writes: Some(path), ..Script::default() };
        assert_eq!(measured(dir.path(), &with_file, &mut script).kpi.values, [1.0, 2.0, 3.0]);
        script.appends = true;
        let got = measured(dir.path(), &with_file, &mut script);
        assert_eq!(
            got.kpi.error.unwrap(),
            "run 1 of 3: `bench` appends to out.json, which still holds earlier results: let it overwrite the file"
        );
        fs::write(dir.path().join("out.json"), "{\"n\": 3}").unwrap();
        with_file.cmd = None;
        with_file.runs = 1;
        assert_eq!(measured(dir.path(), &with_file, &mut script).kpi.values, [3.0]);
    }

    #[test]
    fn kpis_of_one_command_share_its_runs_and_fail_alone() {
        let text = "{\"a\": 1, \"b\": [2, 9, 4]}";
        let mut kpis = [config(Some("/a")), config(Some("/b")), config(Some("/c")), config(None)];
        kpis[1].runs = 1;
        kpis[3].cmd = Some("other".to_owned());
        let groups = groups(&kpis);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
        let mut script = Script { outputs: vec![text], ..Script::default() };
        let place = Place { root: PathBuf::from("."), env: Vec::new() };
        let found = measure(&mut script, &place, &groups[0], &mut |_, _| ());
        let values: Vec<&[f64]> = found.iter().map(|measured| measured.kpi.values.as_slice()).collect();
        assert_eq!((values, script.ran), (vec![&[1.0; 3][..], &[2.0, 9.0, 4.0], &[]], 3));
        assert!(found[2].kpi.error.as_ref().unwrap().contains("/c was not found"));
    }

    #[test]
    fn an_exact_kpi_that_varies_has_no_value() {
        let mut exact = config(None);
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
        assert!(kept.contains("\"p\": 1"), "{kept}");
        let key = br#"{"glpat-0123456789abcdefghij": 1}"#.to_vec();
        assert!(!String::from_utf8(concealed(key)).unwrap().contains("glpat-"));
        assert_eq!(concealed(b"{ \"p\":1.50 }\r\n".to_vec()), b"{ \"p\":1.50 }\r\n");
        assert_eq!(concealed(b"password=x p95=1".to_vec()), b"password=*** p95=1");
        assert_eq!(concealed(vec![0xff, 0xfe]), [0xff, 0xfe]);
    }

    fn regex(regex: &str) -> KpiProbe {
        KpiProbe { regex: Some(regex.to_owned()), ..KpiProbe::default() }
    }

    fn pointer(pointer: &str) -> KpiProbe {
        KpiProbe { pointer: Some(pointer.to_owned()), ..KpiProbe::default() }
    }

    #[test]
    fn the_words_beside_a_number_its_unit_in_json_and_counts_are_known() {
        let near = |pattern: &str, text: &str| context_of(&regex(pattern), text.as_bytes()).unwrap().words;
        assert_eq!(near("heap ([0-9.]+)", "x\nthe heap 900Mi of 2 files now"), "the heap # Mi of");
        assert_eq!(near("time: ([0-9.]+)", "time: 900, unit: us"), "time # unit us");
        assert_eq!(near("([0-9]+)$", "1\n2"), "#");
        assert_eq!(near("([0-9]+) f", "1 file"), near("([0-9]+) f", "2 files"));
        assert_eq!(context_of(&pointer("/p"), b"{\"p\": 1}").unwrap().words, "");
        assert_eq!(context_of(&pointer("/p/0"), br#"{"p": [1], "unit": "crates"}"#).unwrap().words, "# crates");
        assert_eq!(context_of(&pointer("/p/mean"), br#"{"p": {"mean": 1}, "unit": "us"}"#).unwrap().words, "# us");
        let json = br#"{"p": {"name": "sort", "n": 3, "ms": 4, "at": "10:30", "v": 1}}"#;
        assert_eq!(context_of(&pointer("/p/v"), json).unwrap().counts, ["name sort", "n 3", "", "", ""]);
        let line = b"9 of old\n[x1] 120 passed, (2 skipped) of 30 ms in 3.5 s at 10:15, v2.1 /tmp/7";
        assert_eq!(context_of(&regex("in ([0-9.]+) s"), line).unwrap().counts, ["120 passed", "2 skipped"]);
    }
}
