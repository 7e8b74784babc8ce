//! Reads the config file and reports what is wrong in it. An invalid file is an error, never the defaults.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::config::yaml::{self, Diagnostic, Kind};
use crate::config::{Config, check, reader};
use crate::model::{CommandLine, Fix};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Default)]
pub struct Loaded {
    pub config: Config,
    /// The file that was read; `None` if there is none and the defaults apply.
    pub path: Option<PathBuf>,
    pub warnings: Vec<Diagnostic>,
    /// Further config files, which are ignored because an earlier one exists.
    pub ignored: Vec<PathBuf>,
}
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the config file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the config file {} has {bytes} bytes, more than the {MAX_BYTES} that are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}:{line}: not valid UTF-8", path.display())]
    NotUtf8 { path: PathBuf, line: usize },
    /// The content is invalid; lists all problems in file order.
    #[error("{}", list(path, problems))]
    Invalid { path: PathBuf, problems: Vec<Diagnostic> },
}

impl ConfigError {
    /// Only the user knows what was meant; the command shows whether the file is valid now.
    pub fn fixes(&self) -> Vec<Fix> {
        let what = match self {
            Self::Unreadable { .. } => "make it a file that you may read, then",
            Self::TooLarge { .. } => "shorten it, then",
            Self::NotUtf8 { .. } => "save it as UTF-8, then",
            Self::Invalid { .. } => "correct what is named above, then",
        };
        vec![Fix::next(what, CommandLine::tool("doctor --format text"))]
    }
}

/// Reads the config from the first of these files that exists.
pub fn load(places: impl IntoIterator<Item = PathBuf>) -> Result<Loaded, ConfigError> {
    let mut found = places.into_iter().filter(|path| path.symlink_metadata().is_ok());
    let Some(path) = found.next() else { return Ok(Loaded::default()) };
    let (config, warnings) = parse(&read(&path)?, &path)?;
    Ok(Loaded { config, path: Some(path), warnings, ignored: found.collect() })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        // Reading a pipe might never end.
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    if found.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes: found.len() });
    }
    String::from_utf8(fs::read(path).map_err(unreadable)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        ConfigError::NotUtf8 { path: path.to_owned(), line }
    })
}

/// Parses a config, with warnings. `path` is only used in errors.
pub fn parse(text: &str, path: &Path) -> Result<(Config, Vec<Diagnostic>), ConfigError> {
    let invalid = |problems| ConfigError::Invalid { path: path.to_owned(), problems };
    let tree = yaml::tree(text).map_err(|it| {
        let message = format!("not valid YAML or JSON: {}", it.message);
        invalid(vec![Diagnostic { message, ..it }])
    })?;
    let (mut config, mut notes) = reader::read(&tree);
    if let Some(config) = &mut config {
        check::check(config, &mut notes);
    }
    let (problems, mut warnings) = notes.into_parts();
    let Some(config) = config.filter(|_| problems.is_empty()) else {
        return Err(invalid(problems));
    };
    if matches!(tree.value, Kind::Null) {
        let message = "the file says nothing: every default holds".to_owned();
        warnings.push(Diagnostic { key: String::new(), line: 1, column: 1, message });
    }
    Ok((config, warnings))
}

fn list(path: &Path, problems: &[Diagnostic]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;
    use crate::config::Extract;
    use crate::model::Stage;

    fn read(text: &str) -> (Config, Vec<String>) {
        let (config, warnings) = parse(text, Path::new("c.yml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (config, warnings.iter().map(Diagnostic::to_string).collect())
    }

    fn refusal(text: &str) -> String {
        match parse(text, Path::new("c.yml")) {
            Ok((config, _)) => panic!("taken: {text}\n{config:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_config_of_the_originals_user_is_read_without_a_warning() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/spark/vibeship_optimizer.yml");
        let Ok(text) = fs::read_to_string(path) else { return };
        let (config, warnings) = read(&text);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.timings[1].name, "advisory_delta");
        assert_eq!((config.timings[0].runs, config.timings[1].timeout_s), (1, 1200.0));
        assert_eq!(config.review.allowed_modes["codex"], ["xhigh", "high"]);
        assert_eq!(config.review.recommended_tools["claude"]["reasoning_mode"], "plan");
        assert_eq!(config.project.python_ignore_deps, ["pyyaml"]);
        assert_eq!(config.commands.build, None);
    }

    #[test]
    fn an_empty_text_gives_the_defaults_and_says_so() {
        let (config, warnings) = read("# nothing\n");
        assert_eq!(config, Config::default());
        assert_eq!(warnings, ["1:1: the file says nothing: every default holds"]);
        assert_eq!(read("version: 1").0, Config { version: Some(1), ..Config::default() });
        assert_eq!(read("timings:\nkpis:\ncommands:\n").0, Config::default());
    }

    #[test]
    fn json_with_byte_order_mark_crlf_tabs_and_surrogates_is_read() {
        let text = "\u{feff}{\r\n\t\"version\": 1,\r\n\t\"timings\": [{\"name\": \"t\", \"cmd\": \"echo \\ud83d\\ude00 \\/x\", \"runs\": 3}]\r\n}\r\n";
        let (config, warnings) = read(text);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.timings[0].cmd.as_deref(), Some("echo 😀 /x"));
        assert_eq!(config.timings[0].runs, 3);
    }

    #[test]
    fn an_unknown_key_at_any_depth_is_a_warning_with_the_nearest_name() {
        let (_, warnings) = read("timing:\n  - a\ntimings:\n  - name: t\n    cmd: x\n    timout_s: 3\n    zebra: 1\n");
        let (_, cleanup) = read("timings: [{name: t, cmd: c, cleanup: rm}]\n");
        assert!(
            cleanup[0].ends_with("cleanup: is not a known key and has no effect; did you mean `conclude`?"),
            "{cleanup:?}"
        );
        let (_, pattern) = read("kpis: [{name: k, cmd: c, better: lower, pattern: x}]\n");
        assert!(pattern[0].ends_with("did you mean `regex`?"), "{pattern:?}");
        assert_eq!(warnings[0], "1:1: timing: is not a known key and has no effect; did you mean `timings`?");
        assert_eq!(
            warnings[1],
            "6:5: timings[0].timout_s: is not a known key and has no effect; did you mean `timeout_s`?"
        );
        assert!(
            warnings[2]
                .starts_with("7:5: timings[0].zebra: is not a known key and has no effect; known here: name, cmd"),
            "{warnings:?}"
        );
    }

    #[test]
    fn every_problem_of_a_file_is_reported_at_once_with_key_line_and_column() {
        let text = "timings:\n  - name: t\n    cmd: x\n    runs: 0\n    timeout_s: -1\n  - name: t\n    cmd: [a]\n  - cmd: y\n";
        assert_eq!(
            refusal(text).lines().collect::<Vec<_>>(),
            [
                "c.yml:4:11: timings[0].runs: expected a whole number from 1 to 100000, found the number 0",
                "c.yml:5:16: timings[0].timeout_s: expected a number above 0, at most 604800, found the number -1",
                "c.yml:6:11: timings[1].name: \"t\" is taken by the entry at line 2; names are unique",
                "c.yml:7:10: timings[1].cmd: expected text (put it in quotes), found a list of 1",
                "c.yml:8:5: timings[2]: has no `name`",
            ]
        );
    }

    #[test]
    fn implausible_values_are_refused() {
        for (text, expected) in [
            ("timings:\n  - {name: '', cmd: x}", "timings[0].name: is empty"),
            ("timings:\n  - {name: t, cmd: x, timeout_s: .nan}", "timings[0].timeout_s: expected a number above 0"),
            ("timings:\n  - {name: t, cmd: x, timeout_s: .inf}", "timings[0].timeout_s: expected a number above 0"),
            ("timings:\n  - {name: t, cmd: x, runs: 1.5}", "timings[0].runs: expected a whole number"),
            ("timings:\n  - {name: t, cmd: x, runs: '3'}", "found the text \"3\""),
            (
                "timings:\n  - {name: t, cmd: x, runs: 99999999999999999999999}",
                "timings[0].runs: expected a whole number",
            ),
            (
                "timings:\n  - {name: t, shell: false, cmd: 'a \"b'}",
                "timings[0].cmd: a quote is opened and never closed",
            ),
            ("timings: {name: t}", "timings: expected a list of sections"),
            ("timings: [x]", "timings[0]: expected a section"),
            ("[]", "expected a section (`key: value`), found a list of 0"),
            ("version: 2", "version: expected the whole number 1"),
            ("size_paths: [lib, lib]", "size_paths[1]: \"lib\" is in the list twice"),
            ("size_paths: ['']", "size_paths[0]: is empty"),
            ("http_probes: [{url: ftp://x}]", "http_probes[0].url: expected an http://"),
            (
                "enforcement: {exempt: [{paths: ['docs/**', '!docs/x'], reason: y}]}",
                "paths[1]: \"!docs/x\" begins with `!`",
            ),
            ("http_probes: [{url: 'http://'}]", "http_probes[0].url: expected an http://"),
            ("kpis: [{name: k, better: lower}]", "kpis[0]: names neither `cmd`"),
            ("kpis: [{name: k, file: a.json}]", "kpis[0]: does not say which direction"),
            ("kpis: [{name: k, file: a.json, better: up}]", "kpis[0].better: expected one of lower, higher"),
            ("kpis: [{name: k, file: a.json, better: lower, pointer: a.b}]", "such as `/a/b`"),
            ("kpis: [{name: k, file: a, better: lower, regex: 'x'}]", "exactly one group"),
            ("kpis: [{name: k, file: a, better: lower, regex: '('}]", "is not a regular expression: unclosed group"),
            ("pair: {min_pairs: 5}", "pair.min_pairs: 5 pairs can never decide"),
            ("pair: {min_pairs: 20, max_pairs: 10}", "pair.max_pairs: 10 is less than min_pairs"),
            ("pair: {min_effect: 200%}", "pair.min_effect: expected a share from 0% to 100%"),
            ("rollout: {stages: [{name: full}, {name: canary}]}", "rollout.stages: must be in the order"),
            ("rollout: {stages: [{name: canary}]}", "rollout.stages: must end with `full`"),
            ("enforcement: {trailer: Change_Id}", "enforcement.trailer: expected letters"),
            ("enforcement: {exempt: [{paths: ['docs/**']}]}", "enforcement.exempt[0]: has no `reason`"),
            ("surfaces: {env: ['[a']}", "surfaces.env[0]: \"[a\" is not a valid glob"),
            ("validation: {smoke: 3}", "validation.smoke: expected true or false, found the number 3"),
            ("tuneables: {files: [a.ini]}", "tuneables.files[0]: \"a.ini\" ends in none of"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.starts_with("c.yml:1:") || refusal.starts_with("c.yml:2:"), "{text}: {refusal}");
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_text_that_is_no_yaml_is_an_error_with_its_line() {
        for (text, place) in [
            ("version: 1\ntimings: [\n", "c.yml:2:10: "),
            ("version: 1\nversion: 1\n", "c.yml:2:1: "),
            ("a: 1\n b: 2\n", "c.yml:2:"),
            ("{\"version\": 1,", "c.yml:1:"),
            ("a: *nowhere\n", "c.yml:1:"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.starts_with(place), "{text:?}: {refusal}");
            assert!(refusal.contains("not valid YAML or JSON: "), "{text:?}: {refusal}");
            assert!(!refusal.contains(" at line ") && !refusal.contains("Options"), "{text:?}: {refusal}");
        }
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(5000), close.repeat(5000));
            assert!(refusal(&deep).contains("not valid YAML or JSON: "), "{}", refusal(&deep));
        }
    }

    #[test]
    fn every_new_section_is_read() {
        let (config, warnings) = read(ALL);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.commands.checks[0].timeout_s, 60.0);
        assert_eq!(config.timings[0].env["N"], "4");
        assert!(!config.timings[0].shell);
        assert_eq!(config.timings[1].hyperfine.as_deref(), Some("bench.json"));
        assert_eq!(config.timings[1].runs, 10);
        assert_eq!(config.http_probes[0].name, "health");
        assert_eq!(config.http_probes[0].expect_json[0].equals, Some(serde_json::json!("ok")));
        assert_eq!(config.kpis[0].extract(), Extract::Pointer("/latency/p95".to_owned()));
        assert_eq!(config.kpis[0].runs, 1);
        assert_eq!(config.kpis[1].extract(), Extract::Regex("qps=([0-9.]+)".to_owned()));
        assert_eq!(config.pair.min_effect, 0.02);
        assert_eq!(config.rollout.stages[0].name, Stage::Canary);
        assert_eq!(config.tuneables.env["advisor.max_items"], "SPARK_MAX_ITEMS");
        assert_eq!(config.enforcement.exempt[0].bots, ["dependabot[bot]"]);
        let names: Vec<String> = config.measurable().iter().map(|m| m.id.to_string()).collect();
        assert!(names.contains(&"timing.tests.cpu".to_owned()) && names.contains(&"kpi.p95".to_owned()), "{names:?}");
    }

    #[test]
    fn fewer_monitor_days_than_the_workflow_demands_are_warned_about_and_not_obeyed() {
        let (config, warnings) = read("verification: {min_monitor_days: 0}");
        assert_eq!(config.verification.min_monitor_days, 3);
        assert!(warnings[0].contains("below the workflow's minimum"), "{warnings:?}");
    }

    #[test]
    fn the_first_file_wins_and_the_others_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join(".vibeship-optimizer");
        fs::create_dir(&state).unwrap();
        let load = || load([dir.path().join("vibeship_optimizer.yml"), state.join("config.json")]);
        assert_eq!(load().unwrap().path, None);
        fs::write(state.join("config.json"), r#"{"size_paths": ["b"]}"#).unwrap();
        assert_eq!(load().unwrap().config.size_paths, ["b"]);
        fs::write(dir.path().join("vibeship_optimizer.yml"), "size_paths: [a]").unwrap();
        let loaded = load().unwrap();
        assert_eq!(loaded.config.size_paths, ["a"]);
        assert_eq!(loaded.ignored, [state.join("config.json")]);
        fs::write(dir.path().join("vibeship_optimizer.yml"), b"a: b\nc: \xff\n").unwrap();
        let error = load().unwrap_err().to_string();
        assert!(error.contains(":2: not valid UTF-8"), "{error}");
        fs::remove_file(dir.path().join("vibeship_optimizer.yml")).unwrap();
        fs::create_dir(dir.path().join("vibeship_optimizer.yml")).unwrap();
        let error = load().unwrap_err().to_string();
        assert!(error.contains("vibeship_optimizer.yml: it is not a file"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_config_is_read_or_refused_with_its_place(
            at in 0..ALL.len(), len in 0_usize..9, piece in proptest::sample::select(PIECES)
        ) {
            let end = (at + len).min(ALL.len());
            let text = format!("{}{piece}{}", &ALL[..at], &ALL[end..]);
            if let Err(error) = parse(&text, Path::new("c.yml")) {
                let error = error.to_string();
                let place: Vec<Option<u64>> = error.split(':').skip(1).take(2).map(|part| part.parse().ok()).collect();
                prop_assert!(place.iter().all(|part| part.is_some_and(|part| part > 0)), "{error}\n{text}");
            }
        }
    }

    const PIECES: &[&str] = &[
        "",
        "\n",
        "\n  ",
        " ",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "#",
        "&a ",
        "*a",
        "|",
        ">",
        "~",
        "-1",
        "1.5",
        ".nan",
        ".inf",
        "null",
        "no",
        "[[]]",
        "{a: b}",
        "\"a\\0b\"",
        "99999999999999999999999",
        "é",
        "\t",
        "!t ",
        "? ",
        "<<: *a",
        "name: x",
        "runs: 0",
        "%",
    ];

    /// The keys of a section, as listed by the warning about an unknown key.
    fn known(text: &str) -> Vec<String> {
        let (_, warnings) = read(text);
        let list = warnings[0].split_once("known here: ").unwrap().1;
        list.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn every_key_is_in_the_documentation_of_the_format() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
        let document = fs::read_to_string(path).unwrap();
        let row = |section: &str| -> String {
            let rows = document.lines().filter(|line| line.starts_with(&format!("| `{section}")));
            rows.collect()
        };
        let unknown = "qqqqqqqqqqqq: 1";
        for section in known(unknown) {
            assert_ne!(row(&section), "", "{section}");
        }
        for (section, text) in [
            ("commands", format!("commands: {{{unknown}}}")),
            ("commands.checks", format!("commands: {{checks: [{{name: a, cmd: x, {unknown}}}]}}")),
            ("timings", format!("timings: [{{name: a, {unknown}}}]")),
            ("http_probes", format!("http_probes: [{{url: http://x, {unknown}}}]")),
            ("http_probes", format!("http_probes: [{{url: http://x, expect_json: [{{{unknown}}}]}}]")),
            ("kpis", format!("kpis: [{{name: a, cmd: x, better: lower, {unknown}}}]")),
            ("tuneables", format!("tuneables: {{{unknown}}}")),
            ("surfaces", format!("surfaces: {{{unknown}}}")),
            ("contract_docs", format!("contract_docs: {{{unknown}}}")),
            ("validation", format!("validation: {{{unknown}}}")),
            ("pair", format!("pair: {{{unknown}}}")),
            ("rollout.stages", format!("rollout: {{stages: [{{name: full, {unknown}}}]}}")),
            ("verification", format!("verification: {{{unknown}}}")),
            ("review", format!("review: {{{unknown}}}")),
            ("enforcement", format!("enforcement: {{{unknown}}}")),
            ("enforcement", format!("enforcement: {{exempt: [{{bots: [a], reason: x, {unknown}}}]}}")),
            ("project", format!("project: {{{unknown}}}")),
        ] {
            for key in known(&text) {
                let told = row(section);
                let forms = [
                    format!("`{key}`"),
                    format!("`.{key}`"),
                    format!(".{key}`"),
                    format!("`{key}[]`"),
                    format!(".{key}[]`"),
                ];
                assert!(forms.iter().any(|form| told.contains(form)), "{section}: {key} is not in docs/format.md");
            }
        }
    }

    const ALL: &str = r#"
version: 1
commands:
  test: cargo test
  checks: [{name: bench, cmd: make bench, timeout_s: 60}]
timings:
  - {name: tests, cmd: cargo test, runs: 5, warmup: 1, cwd: sub, env: {N: 4}, shell: false}
  - {name: old, hyperfine: bench.json}
http_probes:
  - url: http://127.0.0.1:1/health
    method: get
    headers: {Accept: application/json}
    expect_status: 200
    expect_json: [{pointer: /status, equals: ok}]
    requests: 3
    max_body_bytes: 1000
kpis:
  - {name: p95, file: out.json, pointer: /latency/p95, unit: ms, better: lower}
  - {name: qps, cmd: ./bench, regex: 'qps=([0-9.]+)', better: higher, runs: 7, artifact: out.txt}
tuneables:
  files: [base.json, "~/.spark/tuneables.json"]
  env: {advisor.max_items: SPARK_MAX_ITEMS}
  watch_env: [SPARK_MODE]
surfaces:
  invariants: [sparkd.py]
  contracts: ["docs/*_V1.md"]
  env: ["SPARK_*"]
  tuneables: ["config/tuneables*.json"]
  overlays: ["benchmarks/**"]
contract_docs: {docs: ["docs/**"], tests: ["tests/**"]}
validation: {on_failure: retry, smoke: no, rehearse_checks: true}
pair: {prepare: make, share: [node_modules], tuneables_env: T, min_pairs: 12, max_pairs: 30, max_time_s: 60, min_effect: 2%, enabled: yes, pin: never}
rollout:
  stages: [{name: canary, soak_hours: 0.5, check: "true"}, {name: full}]
enforcement:
  trailer: X-Change
  require: promoted
  hooks: yes
  witness_within_days: 8
  max_emergency_days: 3
  exempt: [{bots: ["dependabot[bot]"], reason: dependency updates}]
"#;
}
