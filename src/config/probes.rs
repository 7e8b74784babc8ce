//! The config sections about what is measured: `timings`, `http_probes`, `kpis`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{BenchmarkTool, reader};
use crate::model::text::slug;
use crate::model::{Better, Unit};

/// One timed command; its metrics are `timing.NAME.wall` and so on.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct TimingConfig {
    /// Its unique name.
    pub name: String,
    /// The command; where it is empty, nothing is measured unless `hyperfine` names results.
    pub cmd: Option<String>,
    /// How often it is run, at least 1.
    pub runs: u32,
    /// How often it is run before, unmeasured.
    pub warmup: u32,
    /// Deadline of one run in seconds.
    pub timeout_s: f64,
    /// Directory to run in, relative to the project's root.
    pub cwd: Option<String>,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Run before each run, untimed: what resets what a run leaves behind.
    pub prepare: Option<String>,
    /// Run after each run, untimed.
    pub conclude: Option<String>,
    /// Whether a shell runs it; otherwise its words are split as a POSIX shell does, and the program is started directly.
    pub shell: bool,
    /// What counts its instructions, in a run of its own after each timed one.
    pub instructions: Option<Counter>,
    /// File with results that hyperfine exported as JSON, read instead of running anything.
    pub hyperfine: Option<String>,
    /// Why results that are older than the code may count all the same.
    pub stale_ok: Option<String>,
}

/// What counts the instructions of a run.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// The processor's own counter, by `perf stat`.
    Perf,
    /// A simulated processor, by `valgrind --tool=cachegrind`: some fifty times slower, and the same on every machine.
    Cachegrind,
}

impl Default for TimingConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            cmd: None,
            // The fewest runs with useful statistical power.
            runs: 10,
            warmup: 0,
            timeout_s: 600.0,
            cwd: None,
            env: BTreeMap::new(),
            prepare: None,
            conclude: None,
            shell: true,
            instructions: None,
            hyperfine: None,
            stale_ok: None,
        }
    }
}

impl TimingConfig {
    /// A command without a shell, run once after one warm-up.
    pub fn once(name: String, cmd: String, timeout_s: f64) -> Self {
        Self { name, cmd: Some(cmd), shell: false, timeout_s, runs: 1, warmup: 1, ..Self::default() }
    }

    pub fn command(&self) -> &str {
        self.cmd.as_deref().unwrap_or_default()
    }

    /// Whether it can give a value: it has a command, or results to read.
    pub fn is_measurable(&self) -> bool {
        self.cmd.is_some() || self.hyperfine.is_some()
    }
}

/// One endpoint; its metrics are `http.NAME.latency` and so on.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpProbe {
    /// Its unique name; made from the URL when the file gives none.
    pub name: String,
    /// The URL, as configured (it may hold secrets: mask it before recording).
    pub url: String,
    /// Command that serves it, at the port in the variable `PORT` on 127.0.0.1, for as long as it is measured. The sides of a
    /// pair then have a server each, and `url` tells the path.
    pub start: Option<String>,
    /// The request's method.
    pub method: Method,
    /// Headers sent with it (they may hold secrets).
    pub headers: BTreeMap<String, String>,
    /// The status demanded; without it, 200 to 399.
    pub expect_status: Option<u16>,
    /// Text that the body must contain.
    pub expect_contains: Option<String>,
    /// Values that the body, read as JSON, must hold.
    pub expect_json: Vec<ExpectJson>,
    /// How many requests are made, each on a connection of its own.
    pub requests: u32,
    /// Deadline of one request in seconds: connection, answer and body together.
    pub timeout_s: f64,
    /// Largest body that is read, in bytes; a longer one is a failure.
    pub max_body_bytes: u64,
}

/// The method of a request.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The answer with its body.
    Get,
    /// The answer without a body.
    Head,
}

/// A value demanded of a JSON answer.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpectJson {
    /// Where (RFC 6901).
    pub pointer: String,
    /// What must be there, `null` included; without it, anything.
    #[serde(deserialize_with = "reader::any_value")]
    pub equals: Option<Value>,
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            start: None,
            method: Method::Get,
            headers: BTreeMap::new(),
            expect_status: None,
            expect_contains: None,
            expect_json: Vec::new(),
            // Enough to show the spread.
            requests: 5,
            timeout_s: 10.0,
            max_body_bytes: 1 << 20,
        }
    }
}

impl HttpProbe {
    pub(crate) fn has_web_address(&self) -> bool {
        let lower = self.url.to_ascii_lowercase();
        let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
        rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#']) && !rest.is_empty())
            && !self.url.contains(|c: char| c.is_whitespace() || c.is_control())
    }

    pub fn accepts_status(&self, status: u16) -> bool {
        self.expect_status.map_or((200..400).contains(&status), |expected| expected == status)
    }
}

/// One KPI; its metric is `kpi.NAME`.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct KpiProbe {
    /// Its unique name.
    pub name: String,
    /// Command that is run for it.
    pub cmd: Option<String>,
    /// File that it is read from: after the command, where there is one, which must then have written it.
    /// Without a file the command's standard output is read. At least one of both is set.
    pub file: Option<String>,
    /// The benchmark tool that wrote what is read, and which of its benchmarks; instead of `pointer` and `regex`.
    pub reader: Option<BenchmarkTool>,
    pub select: Option<String>,
    /// Where the number is in a JSON text (RFC 6901), or an array of samples. `*` stands for every item, `FIELD=VALUE` for
    /// the items of an array with that value.
    pub pointer: Option<String>,
    /// A regular expression whose only group captures the number.
    pub regex: Option<String>,
    /// Which of several different matches count.
    pub matches: Matches,
    /// Why results of a file that is older than the code may count all the same.
    pub stale_ok: Option<String>,
    /// Its unit.
    pub unit: Unit,
    /// Which direction is an improvement.
    pub better: Better,
    /// Whether it is the same at every measurement of the same code, so that one value decides.
    pub exact: bool,
    /// How often the command is run: 10 times, unless it is exact.
    pub runs: u32,
    /// Deadline of one run in seconds.
    pub timeout_s: f64,
    /// File to keep as evidence instead of the text that the value was read from; it has to hold the value, too.
    pub artifact: Option<String>,
}

/// Which matches of a regular expression count.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matches {
    /// Several different ones are an error.
    #[default]
    One,
    /// Each is a sample.
    All,
    Last,
}

/// How to find a number in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extract {
    /// The whole text is the number.
    Whole,
    /// The number in a JSON text at this pointer (RFC 6901).
    Pointer(String),
    /// The same, at the first of these pointers that exists.
    Pointers(Vec<String>),
    /// A criterion file: each time has to be divided by its number of iterations.
    Criterion,
    /// A hyperfine file: the run times of this command.
    Hyperfine(String),
    /// A JMH file: the samples of this method, mode and parameters.
    Jmh(String),
    /// The number captured by the only group of this regular expression.
    Regex(String),
}

impl Default for KpiProbe {
    fn default() -> Self {
        Self {
            name: String::new(),
            cmd: None,
            file: None,
            reader: None,
            select: None,
            pointer: None,
            regex: None,
            matches: Matches::One,
            stale_ok: None,
            unit: Unit::none(),
            better: Better::Lower,
            exact: false,
            runs: 10,
            timeout_s: 600.0,
            artifact: None,
        }
    }
}

impl KpiProbe {
    /// How to find the number: by `reader`, `pointer` or `regex`, or else the whole text.
    pub fn extract(&self) -> Extract {
        if let (Some(reader), Some(name)) = (self.reader, &self.select) {
            return reader.extract(name);
        }
        match (&self.pointer, &self.regex) {
            (Some(pointer), _) => Extract::Pointer(pointer.clone()),
            (None, Some(regex)) => Extract::Regex(regex.clone()),
            (None, None) => Extract::Whole,
        }
    }
}

/// Gives every probe without a name one from its URL.
pub(crate) fn name_probes(probes: &mut [HttpProbe]) {
    let mut taken: Vec<String> = probes.iter().map(|p| p.name.clone()).filter(|name| !name.is_empty()).collect();
    for probe in probes.iter_mut().filter(|probe| probe.name.is_empty()) {
        probe.name = unused_name(&probe.url, &taken);
        taken.push(probe.name.clone());
    }
}

/// A name from the URL: its last path segment or the host, or a longer one if that is taken.
fn unused_name(url: &str, taken: &[String]) -> String {
    let without_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = without_scheme.find(['?', '#']).unwrap_or(without_scheme.len());
    let (authority, path) = without_scheme[..end].split_once('/').unwrap_or((&without_scheme[..end], ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let last = path.split('/').rfind(|segment| !segment.is_empty()).unwrap_or(host);
    let long = format!("{host}/{path}");
    let numbered = (2_u32..).map(|n| format!("{}-{n}", slug(&long)));
    [slug(last), slug(&long)]
        .into_iter()
        .chain(numbered)
        .find(|name| !name.is_empty() && !taken.contains(name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_probe_is_named_by_the_end_of_its_path_and_never_by_a_secret() {
        assert_eq!(unused_name("http://u:secret@127.0.0.1:8787/api/health?token=x", &[]), "health");
        assert_eq!(unused_name("http://127.0.0.1:8787/health", &["health".to_owned()]), "127-0-0-1-8787-health");
        assert_eq!(unused_name("http://u:secret@localhost", &[]), "localhost");
    }
}
