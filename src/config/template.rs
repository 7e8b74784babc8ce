//! The config file that `init` writes: every section explained, few lines active. Must not look at the project.

use serde_json::Value;

/// What was guessed about a project, to be filled into the template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guess {
    /// Command that runs the tests.
    pub test: Option<String>,
    /// Command that builds it.
    pub build: Option<String>,
    /// Directories worth measuring.
    pub size_paths: Vec<String>,
    /// Further commands that were possible and were not chosen.
    pub others: Vec<String>,
}

/// The commented YAML of a new project's config file. It parses without a warning.
pub fn template(guess: &Guess) -> String {
    let mut text = String::from(HEAD);
    text.push_str(&commands(guess));
    text.push_str(&timings(guess));
    text.push_str(&size_paths(guess));
    text.push_str(PROBES);
    text.push_str(LAYERS);
    text.push_str(GATES);
    text.push_str(PEOPLE);
    text
}

/// A text as a YAML scalar: double quoted, which every JSON string also is in YAML.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn commands(guess: &Guess) -> String {
    let value = |command: &Option<String>| quoted(command.as_deref().unwrap_or_default());
    format!(
        "\
# The project's own commands, run in a shell in the project's root. `validate` runs those that are not empty.
commands:
  test: {}
  build: {}
  lint: \"\"
  # Further commands that must succeed:
  # checks:
  #   - name: smoke
  #     cmd: ./scripts/smoke.sh
  #     timeout_s: 120

",
        value(&guess.test),
        value(&guess.build)
    )
}

fn timings(guess: &Guess) -> String {
    let mut text = String::from(
        "\
# Commands whose run time is measured. Ten runs are the fewest with useful power; one run proves nothing.
# More keys: warmup, cwd, env {NAME: value}, shell (false starts the program directly),
# hyperfine (a file of exported results, instead of cmd).
",
    );
    for other in &guess.others {
        text.push_str(&format!("# Also possible here: {}\n", other.replace(['\n', '\r'], " ")));
    }
    let cmd = quoted(guess.test.as_deref().unwrap_or_default());
    text.push_str(&format!("timings:\n  - name: tests\n    cmd: {cmd}\n    runs: 10\n    timeout_s: 600\n\n"));
    text
}

fn size_paths(guess: &Guess) -> String {
    let mut text =
        String::from("# Paths whose size is measured: all bytes, tracked bytes and number of files.\nsize_paths:");
    if guess.size_paths.is_empty() {
        text.push_str(" []");
    }
    for path in &guess.size_paths {
        text.push_str(&format!("\n  - {}", quoted(path)));
    }
    text.push_str("\n\n");
    text
}

const HEAD: &str = "\
# How vibeship-optimizer measures and judges changes of this project.
# A commented key shows its default or an example. Unknown keys are warned about, wrong values refused.
version: 1

";

const PROBES: &str = "\
# Endpoints that are asked. Each must answer as expected; the latency of every request is recorded.
http_probes: []
#  - name: health
#    url: http://127.0.0.1:8787/health
#    method: GET
#    headers: {Accept: application/json}
#    expect_status: 200
#    expect_contains: ok
#    expect_json: [{pointer: /status, equals: ok}]
#    requests: 5
#    timeout_s: 10
#    max_body_bytes: 1048576

# Numbers that the project reports about itself: from a command's output, or from a file (written by `cmd`, if both
# are given), by JSON pointer, by a regular expression with one group, or as the whole text.
kpis: []
#  - name: p95_ms
#    cmd: python bench.py --json
#    pointer: /latency/p95
#    unit: ms
#    better: lower
#    exact: false
#    runs: 10
#    timeout_s: 600
#    artifact: out/bench.json

";

const LAYERS: &str = "\
# Operating knobs. Later files win; `env` names the variable that overrides a key; `watch_env` is only recorded.
# Values that look secret are recorded as digests.
# tuneables:
#   files: [config/tuneables.json, ~/.app/tuneables.json]
#   env: {advisor.max_items: APP_MAX_ITEMS}
#   watch_env: [APP_MODE]

# Which paths and variables belong to which layer, highest authority first. Globs from the project's root.
# surfaces:
#   invariants: [src/safety/**]
#   contracts: [docs/CONTRACT.md]
#   env: [APP_*, deploy/*.env]
#   tuneables: [config/tuneables*.json]
#   overlays: [benchmarks/**]

# What counts as document and as test when a contract changes.
# contract_docs:
#   docs: [docs/**, \"**/*.md\"]
#   tests: [\"**/tests/**\", \"**/*_test.*\"]

";

const GATES: &str = "\
# validate: on_failure `reject` ends a change that fails (the workflow's rule), `retry` keeps it open.
# Before a promotion rehearse_checks runs the check commands on what the rollback leaves, in a bare checkout.
# validation:
#   on_failure: reject
#   smoke: true
#   rehearse_checks: false

# compare: baseline and head are built side by side and measured in turns, which is what makes a difference credible.
# pair:
#   enabled: true
#   prepare: npm ci && npm run build
#   share: [node_modules]
#   tuneables_env: APP_TUNEABLES
#   min_pairs: 10
#   max_pairs: 40
#   max_time_s: 600
#   min_effect: 1%
#   pin: auto         # hold both runs of a pair on one core: auto (a command of one thread), always, never

# rollout: the stages of a promoted change, and how long each must last. Without this, `full` alone.
# rollout:
#   stages:
#     - {name: canary, soak_hours: 4, check: ./scripts/canary.sh}
#     - {name: live, soak_hours: 12}
#     - {name: full}

# VERIFIED: days of monitoring after the full rollout, at least 3.
verification:
  min_monitor_days: 3
  require_clean_git: false

";

const PEOPLE: &str = "\
# Reviews: whether VERIFIED demands an attestation, and which reasoning modes count for which tool.
review:
  recommended: true
  require_attestation: true
  # enforce_recommended_modes: true
  # allowed_modes: {codex: [xhigh, high], claude: [plan]}
  # recommended_tools: {codex: {reasoning_mode: xhigh}}

# Hooks and the range check: the commit trailer, the gate that its change must have passed (open,
# contract, baseline, validate, after, compare, decide, rollout, verify), whether doctor is to insist on the hooks,
# and what needs no change, with its reason.
# enforcement:
#   trailer: Optimizer-Change
#   require: baseline
#   hooks: true
#   witness_within_days: 2 # monitored days that are committed later fail the check, and do not only warn
#   max_emergency_days: 7  # the longest that an emergency's override may hold
#   exempt:
#     - {bots: [\"dependabot[bot]\"], reason: dependency updates are reviewed apart}

# What `analyze` should know.
# project:
#   goals: [Shorter start-up without more memory]
#   intents: [Performance optimization]
#   languages: []
#   python_ignore_deps: []
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::config::file::parse;

    fn guess() -> Guess {
        Guess {
            test: Some("npm test -- --grep \"a: #b\"".to_owned()),
            build: None,
            size_paths: vec!["src".to_owned(), "od\"d: #name".to_owned()],
            others: vec!["cargo test".to_owned()],
        }
    }

    #[test]
    fn the_template_parses_without_a_warning_and_holds_the_guess() {
        let (config, warnings) = parse(&template(&guess()), Path::new("c.yml")).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(config.commands.test, guess().test);
        assert_eq!(config.timings[0].cmd, guess().test);
        assert_eq!(config.size_paths, guess().size_paths);
    }

    #[test]
    fn what_is_active_in_an_empty_guess_is_the_default() {
        let (mut config, warnings) = parse(&template(&Guess::default()), Path::new("c.yml")).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(config.timings.len(), 1);
        config.timings.clear();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn every_commented_example_is_valid_once_its_marks_are_removed() {
        let text = template(&guess());
        let mut active = String::new();
        for line in text.lines() {
            let bare = line.trim_start();
            let yaml = bare.strip_prefix("# ").or_else(|| bare.strip_prefix('#'));
            match yaml {
                Some(yaml) if is_yaml(yaml) => {
                    let indent = if bare.len() < line.len() || bare.starts_with("#  -") || bare.starts_with("#    ") {
                        &line[..line.len() - bare.len()]
                    } else {
                        ""
                    };
                    active.push_str(&format!("{indent}{yaml}\n"));
                }
                Some(_) => {}
                None => active.push_str(&format!("{}\n", line.trim_end_matches(" []"))),
            }
        }
        let (config, warnings) = parse(&active, Path::new("c.yml")).unwrap_or_else(|e| panic!("{e}\n{active}"));
        assert_eq!(warnings, [], "{active}");
        assert_eq!(config.http_probes[0].name, "health");
        assert_eq!(config.kpis[0].name, "p95_ms");
        assert_eq!(config.rollout.stages.len(), 3);
        assert_eq!(config.commands.checks.len(), 1);
        assert!(!config.surfaces.is_empty());
    }

    /// A comment that is an example: a key, or an item of a list; prose has a space before its colon, or none.
    fn is_yaml(comment: &str) -> bool {
        let bare = comment.trim_start();
        let bare = bare.strip_prefix("- ").unwrap_or(bare);
        let key = bare.split(':').next().unwrap_or_default();
        bare.starts_with('{')
            || bare.contains(':')
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && !["validate", "compare"].contains(&key)
                && !bare.starts_with("rollout: the")
    }
}
