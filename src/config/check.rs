//! Checks of a config beyond the types of its values (ranges, names, dependencies between keys), and its defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::config::reader::Notes;
use crate::config::{
    BenchmarkTool, CheckCommand, Config, Enforcement, ExemptionConfig, ExpectJson, HttpProbe, KpiProbe, Matches,
    Method, PairConfig, RegressionBudget, Rollout, StageConfig, TimingConfig, Tuneables, Verification, glob, probes,
};
use crate::model::{Criterion, MIN_DAYS, Stage};

/// The largest number of runs that is plausible.
const MAX_RUNS: u64 = 100_000;
/// One year; more is probably a typing error.
const MAX_SOAK_HOURS: f64 = 8760.0;
const MAX_PAIRS: u64 = 10_000;
/// One week: the longest plausible deadline.
const MAX_TIMEOUT_S: f64 = 604_800.0;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// Reports implausible values and fills in defaults.
pub(crate) fn check(config: &mut Config, notes: &mut Notes<'_>) {
    let mut root = Section { path: String::new(), notes };
    root.whole("version", config.version.unwrap_or(1), 1..=1);
    let mut commands = root.section("commands");
    commands.positive("timeout_s", config.commands.timeout_s);
    commands.each("checks", &config.commands.checks, check_command);
    root.unique("commands.checks", config.commands.checks.iter().map(|check| &check.name));
    root.each("timings", &config.timings, timing);
    root.unique("timings", config.timings.iter().map(|timing| &timing.name));
    root.texts("size_paths", &config.size_paths);
    root.each("http_probes", &config.http_probes, http_probe);
    root.unique("http_probes", config.http_probes.iter().map(|probe| &probe.name));
    probes::name_probes(&mut config.http_probes);
    root.each("kpis", &config.kpis, kpi);
    root.unique("kpis", config.kpis.iter().map(|kpi| &kpi.name));
    for (i, kpi) in config.kpis.iter_mut().enumerate() {
        if (kpi.exact || kpi.cmd.is_none()) && !root.has(&format!("kpis[{i}].runs")) {
            kpi.runs = 1;
        }
        let has_unit = root.has(&format!("kpis[{i}].unit"));
        if let Some((key, message)) = kpi.reader.and_then(|reader| reader.complete(kpi, has_unit)) {
            root.problem(&format!("kpis[{i}].{key}"), &message);
        }
    }
    let measurable = config.measurable();
    root.each("budget", &config.budget, |budget: &RegressionBudget, mut s| {
        s.required("since", &budget.since);
        if !s.has("at_most") {
            s.problem_here("has no `at_most`");
        }
        let criterion = Criterion::parse(&format!("{} <= +1%", budget.metric)).map_err(|error| error.to_string());
        let known = criterion.and_then(|it| measurable.check(&it).map(drop).map_err(|error| error.to_string()));
        known.unwrap_or_else(|why| s.problem("metric", &why));
    });
    tuneables(&config.tuneables, root.section("tuneables"));
    let surfaces = &config.surfaces;
    let mut section = root.section("surfaces");
    section.globs("invariants", &surfaces.invariants);
    section.globs("contracts", &surfaces.contracts);
    section.globs("env", &surfaces.env);
    section.globs("tuneables", &surfaces.tuneables);
    section.globs("overlays", &surfaces.overlays);
    root.globs("contract_docs.docs", &config.contract_docs.docs);
    root.globs("contract_docs.tests", &config.contract_docs.tests);
    pair(&mut config.pair, root.section("pair"));
    rollout(&mut config.rollout, root.section("rollout"));
    verification(&mut config.verification, root.section("verification"));
    for (tool, modes) in &config.review.allowed_modes {
        root.texts(&format!("review.allowed_modes.{tool}"), modes);
    }
    enforcement(&config.enforcement, root.section("enforcement"));
    let project = &config.project;
    let mut section = root.section("project");
    section.texts("goals", &project.goals);
    section.texts("intents", &project.intents);
    section.texts("languages", &project.languages);
    section.texts("python_ignore_deps", &project.python_ignore_deps);
}

fn check_command(check: &CheckCommand, mut s: Section<'_, '_>) {
    s.name(&check.name);
    s.required("cmd", &check.cmd);
    s.positive("timeout_s", check.timeout_s);
}

fn timing(timing: &TimingConfig, mut s: Section<'_, '_>) {
    s.name(&timing.name);
    if timing.cmd.is_some() && timing.hyperfine.is_some() {
        s.problem("hyperfine", "cannot be combined with `cmd`: give a command to run or results to read");
    }
    for (key, cmd) in [("prepare", &timing.prepare), ("conclude", &timing.conclude)] {
        if cmd.is_some() && timing.cmd.is_none() {
            s.problem(key, "needs `cmd`");
        }
    }
    if timing.cmd.as_deref().filter(|_| !timing.shell).is_some_and(|cmd| shlex::split(cmd).is_none()) {
        s.problem("cmd", "a quote is opened and never closed");
    }
    s.whole("runs", timing.runs, 1..=MAX_RUNS);
    s.whole("warmup", timing.warmup, 0..=MAX_RUNS);
    s.positive("timeout_s", timing.timeout_s);
    s.variables("env", &timing.env);
}

fn http_probe(probe: &HttpProbe, mut s: Section<'_, '_>) {
    s.required("url", &probe.url);
    if !probe.url.is_empty() && !probe.has_web_address() {
        s.problem("url", "expected an http:// or https:// address with a host");
    }
    if s.has("name") {
        s.name(&probe.name);
    }
    s.variables("headers", &probe.headers);
    s.whole("expect_status", probe.expect_status.unwrap_or(200), 100..=599);
    s.each("expect_json", &probe.expect_json, |expected: &ExpectJson, mut s| s.pointer(&expected.pointer));
    s.whole("requests", probe.requests, 1..=MAX_RUNS);
    s.positive("timeout_s", probe.timeout_s);
    s.whole("max_body_bytes", probe.max_body_bytes, 1..=1 << 30);
    if probe.method == Method::Head && (probe.expect_contains.is_some() || !probe.expect_json.is_empty()) {
        s.problem("method", "HEAD has no body to check: use GET, or drop `expect_contains` and `expect_json`");
    }
}

fn kpi(kpi: &KpiProbe, mut s: Section<'_, '_>) {
    s.name(&kpi.name);
    if kpi.cmd.is_none() && kpi.file.is_none() && kpi.reader != Some(BenchmarkTool::Criterion) {
        s.problem_here("names neither `cmd` (a command whose output holds the number) nor `file`");
    }
    s.pointer(kpi.pointer.as_deref().unwrap_or_default());
    match &kpi.regex {
        Some(_) if kpi.pointer.is_some() => s.problem("regex", "cannot be combined with `pointer`: give one of them"),
        Some(pattern) => match regex::Regex::new(pattern).map(|regex| regex.captures_len() - 1) {
            Ok(1) => {}
            Ok(groups) => s.problem(
                "regex",
                &format!("expected exactly one group around the number, such as `p95=([0-9.]+)`; it has {groups}"),
            ),
            Err(error) => s.problem("regex", &format!("is not a regular expression: {}", last_line(&error))),
        },
        None => {}
    }
    if !s.has("better") {
        s.problem_here("does not say which direction is an improvement: add `better: lower` or `better: higher`");
    }
    s.whole("runs", kpi.runs, 1..=MAX_RUNS);
    if kpi.cmd.is_none() && s.has("runs") && kpi.runs > 1 {
        s.problem("runs", "reading a file again gives the same numbers: drop `runs`; let `pointer` name an array of samples, or add the `cmd` that writes the file");
    }
    if kpi.matches != Matches::One && kpi.regex.is_none() {
        s.problem("matches", "needs `regex`");
    }
    s.positive("timeout_s", kpi.timeout_s);
}

/// The regex crate's errors have several lines; the last one says what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

fn tuneables(tuneables: &Tuneables, mut s: Section<'_, '_>) {
    s.texts("files", &tuneables.files);
    for (i, file) in tuneables.files.iter().enumerate().filter(|(_, file)| !file.trim().is_empty()) {
        let lower = file.to_ascii_lowercase();
        if ![".json", ".yml", ".yaml", ".toml"].iter().any(|ending| lower.ends_with(ending)) {
            s.problem(&format!("files[{i}]"), &format!("{file:?} ends in none of .json, .yml, .yaml, .toml"));
        }
    }
    s.variables("env", &tuneables.env);
    s.texts("watch_env", &tuneables.watch_env);
}

fn pair(pair: &mut PairConfig, mut s: Section<'_, '_>) {
    s.texts("share", &pair.share);
    if let Some(name) =
        pair.tuneables_env.as_ref().filter(|name| name.contains(|c: char| c == '=' || c.is_whitespace()))
    {
        s.problem("tuneables_env", &format!("{name:?} is not a possible name of a variable"));
    }
    s.whole("min_pairs", pair.min_pairs, 1..=MAX_PAIRS);
    if (1..PairConfig::LEAST_PAIRS).contains(&pair.min_pairs) {
        let (min, least) = (pair.min_pairs, PairConfig::LEAST_PAIRS);
        let message =
            format!("{min} pairs can never decide: the signed-rank test cannot reach 5 % with fewer than {least}");
        s.problem("min_pairs", &message);
    }
    if !s.has("max_pairs") {
        pair.max_pairs = pair.max_pairs.max(pair.min_pairs);
    }
    s.whole("max_pairs", pair.max_pairs, 1..=MAX_PAIRS);
    if pair.max_pairs < pair.min_pairs {
        let message = format!("{} is less than min_pairs, which is {}", pair.max_pairs, pair.min_pairs);
        s.problem("max_pairs", &message);
    }
    s.positive("max_time_s", pair.max_time_s);
}

fn rollout(rollout: &mut Rollout, mut s: Section<'_, '_>) {
    s.each("stages", &rollout.stages, |stage: &StageConfig, mut s| {
        if !s.has("name") {
            s.problem_here("has no `name`: canary, live or full");
        }
        let fits = (0.0..=MAX_SOAK_HOURS).contains(&stage.soak_hours);
        s.demand("soak_hours", fits, &format!("a number from 0 to {MAX_SOAK_HOURS}"));
    });
    if rollout.stages.is_empty() {
        *rollout = Rollout::default();
    }
    if !rollout.stages.is_sorted_by(|a, b| a.name < b.name) {
        s.problem("stages", "must be in the order canary, live, full, each at most once, each as `{name: canary}`");
    } else if rollout.stages.last().is_none_or(|stage| stage.name != Stage::Full) {
        s.problem("stages", "must end with `full`: a change is verified only when it is out for everyone");
    }
}

fn verification(verification: &mut Verification, mut s: Section<'_, '_>) {
    let days = verification.min_monitor_days;
    s.whole("min_monitor_days", days, 0..=3650);
    if days < MIN_DAYS {
        s.warn("min_monitor_days", format!("{days} is below the workflow's minimum and is read as {MIN_DAYS}"));
        verification.min_monitor_days = MIN_DAYS;
    }
}

fn enforcement(enforcement: &Enforcement, mut s: Section<'_, '_>) {
    let trailer = &enforcement.trailer;
    if trailer.is_empty() || !trailer.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        s.problem("trailer", "expected letters, digits and `-` alone: git reads nothing else as a trailer's key");
    }
    s.whole("witness_within_days", enforcement.witness_within_days.unwrap_or(1), 1..=365);
    s.whole("max_emergency_days", enforcement.max_emergency_days, 1..=90);
    if enforcement.since.as_ref().is_some_and(|since| since.len() < 7 || !since.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        s.problem("since", "expected the hash of a commit");
    }
    s.each("exempt", &enforcement.exempt, |exemption: &ExemptionConfig, mut s| {
        s.globs("paths", &exemption.paths);
        s.globs("authors", &exemption.authors);
        s.texts("bots", &exemption.bots);
        s.required("reason", &exemption.reason);
        if exemption.paths.is_empty() && exemption.authors.is_empty() && exemption.bots.is_empty() {
            s.problem_here("exempts nothing: give `paths`, `authors` or `bots`");
        }
    });
}

/// One section of the file, with its path, and the rules that several sections share.
pub(crate) struct Section<'n, 't> {
    pub(crate) path: String,
    pub(crate) notes: &'n mut Notes<'t>,
}

impl<'t> Section<'_, 't> {
    pub(crate) fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn section(&mut self, key: &str) -> Section<'_, 't> {
        Section { path: self.child(key), notes: self.notes }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.notes.has(&self.child(key))
    }

    pub(crate) fn problem(&mut self, key: &str, message: &str) {
        self.notes.problem(&self.child(key), message.to_owned());
    }

    pub(crate) fn problem_here(&mut self, message: &str) {
        self.notes.problem(&self.path, message.to_owned());
    }

    pub(crate) fn warn(&mut self, key: &str, message: String) {
        self.notes.warn(&self.child(key), message);
    }

    /// Reports that something else was expected under `key`, unless the value `fits`.
    pub(crate) fn demand(&mut self, key: &str, fits: bool, what: &str) {
        let path = self.child(key);
        if !fits || self.notes.is_unreadable(&path) {
            self.notes.expected(&path, what);
        }
    }

    /// Checks each item of the list under `key`, if the file has it.
    pub(crate) fn each<T>(&mut self, key: &str, items: &[T], check: impl Fn(&T, Section<'_, 't>)) {
        self.demand(key, true, "a list of sections (`- key: value`)");
        if self.has(key) && !self.notes.is_unreadable(&self.child(key)) {
            for (i, item) in items.iter().enumerate() {
                check(item, self.section(&format!("{key}[{i}]")));
            }
        }
    }

    pub(crate) fn unique<'a>(&mut self, list: &str, names: impl Iterator<Item = &'a String>) {
        let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
        for (i, name) in names.enumerate().filter(|(_, name)| !name.is_empty()) {
            let key = format!("{list}[{i}].name");
            match lines.get(name.as_str()) {
                Some(line) => {
                    self.problem(&key, &format!("{name:?} is taken by the entry at line {line}; names are unique"));
                }
                None => drop(lines.insert(name, self.notes.line(&self.child(&key)))),
            }
        }
    }

    pub(crate) fn whole(&mut self, key: &str, value: impl Into<u64>, range: RangeInclusive<u64>) {
        let wanted = match (range.start(), range.end()) {
            (first, last) if first == last => format!("the whole number {first}"),
            (first, last) => format!("a whole number from {first} to {last}"),
        };
        self.demand(key, range.contains(&value.into()), &wanted);
    }

    /// A deadline in seconds.
    pub(crate) fn positive(&mut self, key: &str, value: f64) {
        let fits = value > 0.0 && value <= MAX_TIMEOUT_S;
        self.demand(key, fits, &format!("a number above 0, at most {MAX_TIMEOUT_S}"));
    }

    /// Text that must exist and not be blank.
    pub(crate) fn required(&mut self, key: &str, text: &str) {
        if !self.has(key) {
            self.problem_here(&format!("has no `{key}`"));
        } else if text.trim().is_empty() {
            self.problem(key, "is empty");
        }
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.required("name", name);
        if name.chars().count() > MAX_NAME {
            self.problem("name", &format!("is longer than {MAX_NAME} characters"));
        } else if name.contains(char::is_control) {
            self.problem("name", "holds a control character");
        } else if name.contains(['<', '>']) {
            self.warn("name", format!("{name:?} holds `<` or `>`, so no criterion can name it"));
        }
    }

    pub(crate) fn pointer(&mut self, pointer: &str) {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let guess = pointer.trim_start_matches('$').trim_start_matches('.').replace('.', "/");
            let message = format!("expected a JSON pointer, which begins with `/`, such as `/{guess}`");
            self.problem("pointer", &message);
        }
    }

    /// A list of texts, none of them blank or repeated.
    pub(crate) fn texts(&mut self, key: &str, texts: &[String]) {
        self.demand(key, true, "a list of texts");
        let mut before = BTreeSet::new();
        for (i, text) in texts.iter().enumerate() {
            if text.trim().is_empty() {
                self.problem(&format!("{key}[{i}]"), "is empty");
            } else if !before.insert(text) {
                self.problem(&format!("{key}[{i}]"), &format!("{text:?} is in the list twice"));
            }
        }
    }

    /// A list of valid globs.
    pub(crate) fn globs(&mut self, key: &str, globs: &[String]) {
        self.texts(key, globs);
        for (i, pattern) in globs.iter().enumerate() {
            let invalid = glob(pattern).err().map(|error| format!("is not a valid glob: {}", error.kind()));
            let negated = || "begins with `!`, and a list has no exceptions: name what is meant".to_owned();
            let invalid = invalid.or_else(|| pattern.starts_with('!').then(negated));
            if let Some(why) = invalid {
                self.problem(&format!("{key}[{i}]"), &format!("{pattern:?} {why}"));
            }
        }
    }

    /// Values by the name of a variable or header.
    pub(crate) fn variables(&mut self, key: &str, variables: &BTreeMap<String, String>) {
        for name in variables.keys() {
            if name.is_empty() || name.contains(['=', '\0', '\n', '\r']) {
                self.problem(&format!("{key}.{name}"), "is not a possible name of a variable");
            }
        }
    }
}
