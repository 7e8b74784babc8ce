//! What the results under a config depend on: digests of how each metric is measured and how a change is built, paired
//! and checked, which must be the same as in the baseline; and the files that these definitions read or run.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Commands, Config, HttpProbe, Matches, OnFailure};
use crate::model::Digest;

/// The key of the definition of the tuneables.
pub const TUNEABLES: &str = "tuneables";
/// The key of the smallest effect that counts if the contract names none.
pub const MIN_EFFECT: &str = "pair.min_effect";

/// A file that a definition names. Only the words of a command are examined; files that it opens itself are unknown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The key of the definition in the config.
    pub key: String,
    /// The path, relative to the project's root or absolute.
    pub path: String,
}

impl Config {
    /// All files that are named directly, and words of commands that may be files, except for output redirections.
    pub fn sources(&self) -> Vec<Source> {
        let mut found = Vec::new();
        for timing in &self.timings {
            let key = format!("timing.{}", timing.name);
            found.extend(timing.hyperfine.iter().chain(&timing.cwd).map(|path| named(&key, path)));
            found.extend(timing.cmd.iter().flat_map(|cmd| words(&key, cmd, timing.cwd.as_deref())));
        }
        for probe in &self.http_probes {
            found.extend(probe.start.iter().flat_map(|cmd| words(&format!("http.{}", probe.name), cmd, None)));
        }
        for kpi in &self.kpis {
            let key = format!("kpi.{}", kpi.name);
            found.extend(kpi.file.iter().map(|path| named(&key, path)));
            found.extend(kpi.cmd.iter().flat_map(|cmd| words(&key, cmd, None)));
        }
        found.extend(self.tuneables.files.iter().map(|path| named("tuneables.files", path)));
        found.extend(self.pair.share.iter().map(|path| named("pair.share", path)));
        let prepare = self.pair.prepare.as_deref().map(|cmd| ("pair.prepare".to_owned(), cmd));
        let stages = self
            .rollout
            .stages
            .iter()
            .filter_map(|stage| Some((format!("rollout.stages.{}", stage.name.name()), stage.check.as_deref()?)));
        for (key, cmd) in self.checking_commands().chain(prepare).chain(stages) {
            found.extend(words(&key, cmd, None));
        }
        found.sort();
        found.dedup();
        found
    }

    /// A digest of every definition, with the prefix of its metrics (`timing.NAME`, `http.NAME`, `kpi.NAME`) or its
    /// config key (`pair.prepare`, `commands.test`), and [`TUNEABLES`]. The number and duration of runs are not
    /// included.
    pub fn definitions(&self) -> BTreeMap<String, Digest> {
        let mut found = BTreeMap::new();
        let mut put = |key: String, value: Value| {
            found.insert(key, Digest::of_json(&value));
        };
        for timing in &self.timings {
            let how = json!([timing.cmd, timing.cwd, timing.env, timing.shell, timing.hyperfine]);
            let around = [&timing.prepare, &timing.conclude];
            let how = if around.iter().any(|cmd| cmd.is_some()) { json!([how, around]) } else { how };
            let how = with(with(how, timing.instructions.as_ref()), timing.stale_ok.as_ref());
            put(format!("timing.{}", timing.name), how);
        }
        for probe in &self.http_probes {
            put(format!("http.{}", probe.name), asked(probe));
        }
        for kpi in &self.kpis {
            let mut source = json!([kpi.cmd, kpi.file, kpi.extract()]);
            if kpi.matches != Matches::One {
                source = json!([source, kpi.matches]);
            }
            let how = json!([source, kpi.unit, kpi.better, kpi.exact]);
            put(format!("kpi.{}", kpi.name), with(how, kpi.stale_ok.as_ref()));
        }
        put(TUNEABLES.to_owned(), json!([self.tuneables.files, self.tuneables.env]));
        self.pairing(&mut put);
        self.checking(&mut put);
        self.owing(&mut put);
        found
    }

    /// The commands that check a change, with their keys.
    fn checking_commands(&self) -> impl Iterator<Item = (String, &str)> {
        let Commands { build, lint, test, checks, .. } = &self.commands;
        let fixed = [("build", build), ("lint", lint), ("test", test)].into_iter();
        let fixed = fixed.filter_map(|(name, cmd)| Some((format!("commands.{name}"), cmd.as_deref()?)));
        fixed.chain(checks.iter().map(|check| (format!("commands.checks.{}", check.name), check.cmd.as_str())))
    }

    /// What a change of a contract needs. Another contract surface is stricter, so each has its own key; another glob
    /// of documents or tests is less strict, so each list has one key.
    fn owing(&self, put: &mut dyn FnMut(String, Value)) {
        for contract in &self.surfaces.contracts {
            put(format!("surfaces.contracts.{contract}"), json!(contract));
        }
        put("contract_docs.docs".to_owned(), json!(self.contract_docs.docs));
        put("contract_docs.tests".to_owned(), json!(self.contract_docs.tests));
    }

    /// What determines the two sides of a pair, and whether there are pairs.
    fn pairing(&self, put: &mut dyn FnMut(String, Value)) {
        let pair = &self.pair;
        if pair.enabled {
            put("pair.enabled".to_owned(), json!(pair.enabled));
        }
        put("pair.prepare".to_owned(), json!(self.prepares()));
        put("pair.share".to_owned(), json!(pair.share));
        put("pair.tuneables_env".to_owned(), json!(pair.tuneables_env));
        put("pair.pin".to_owned(), json!(pair.pin));
        put(MIN_EFFECT.to_owned(), json!(pair.min_effect));
    }

    /// What validates a change. Only existing keys have a digest: an added or stricter check does not weaken anything.
    fn checking(&self, put: &mut dyn FnMut(String, Value)) {
        for (key, cmd) in self.checking_commands() {
            put(key, json!(cmd));
        }
        if self.validation.on_failure == OnFailure::Reject {
            put("validation.on_failure".to_owned(), json!(self.validation.on_failure));
        }
        if self.validation.smoke {
            for probe in &self.http_probes {
                put(format!("validation.smoke.{}", probe.name), asked(probe));
            }
        }
    }
}

/// Another definition with what it says beside: how instructions are counted, why old results are accepted.
fn with(how: Value, more: Option<&impl Serialize>) -> Value {
    more.map_or(how.clone(), |more| json!([how, more]))
}

fn asked(probe: &HttpProbe) -> Value {
    let expected = json!([probe.expect_status, probe.expect_contains, probe.expect_json]);
    let how = json!([json!([probe.url, probe.method, probe.headers]), expected]);
    with(how, probe.start.as_ref())
}

fn named(key: &str, path: &str) -> Source {
    Source { key: key.to_owned(), path: path.to_owned() }
}

/// The words of a command that may be paths, without output redirections.
fn words(key: &str, cmd: &str, cwd: Option<&str>) -> Vec<Source> {
    let mut found = Vec::new();
    let (mut word, mut written) = (String::new(), false);
    for c in cmd.chars().chain([' ']) {
        let ends = c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>' | '"' | '\'' | '=' | '`');
        if !ends {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            let is_option = word.starts_with('-');
            if !written && !is_option {
                let path = cwd.map_or_else(|| word.clone(), |cwd| format!("{cwd}/{word}"));
                found.push(named(key, if word.starts_with('/') { &word } else { &path }));
            }
            word.clear();
            written = false;
        }
        written = c == '>' || written && c != ';';
    }
    // What is quoted may be a command of several words, or one path with blanks in it.
    let quoted = cmd.split(['"', '\'']).skip(1).step_by(2).filter(|text| text.contains(' '));
    found.extend(quoted.map(|path| named(key, path)));
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file::parse;

    fn definitions(text: &str) -> BTreeMap<String, Digest> {
        parse(text, Path::new("config.yml")).unwrap().0.definitions()
    }

    #[test]
    fn another_command_is_another_definition_and_more_runs_are_not() {
        let one = definitions("timings: [{name: t, cmd: make, runs: 5}]\n");
        assert_eq!(one, definitions("timings: [{name: t, cmd: make, runs: 50, timeout_s: 9}]\n"));
        assert_ne!(one, definitions("timings: [{name: t, cmd: make -j2, runs: 5}]\n"));
    }

    #[test]
    fn a_kpi_is_defined_by_where_its_number_comes_from() {
        let kpi = |rest: &str| definitions(&format!("kpis: [{{name: v, better: lower, {rest}}}]\n"));
        assert_ne!(kpi("cmd: a, pointer: /x"), kpi("cmd: a, pointer: /y"));
        assert_ne!(kpi("cmd: a, pointer: /x"), kpi("cmd: b, pointer: /x"));
    }

    #[test]
    fn a_tuneables_file_more_is_another_definition() {
        assert_ne!(
            definitions("tuneables: {files: [a.json]}\n"),
            definitions("tuneables: {files: [a.json, b.json]}\n")
        );
    }

    #[test]
    fn a_weaker_check_is_another_definition_and_one_more_is_not() {
        use crate::judge::compare::redefined;
        let strict = definitions("commands: {test: make test, checks: [{name: fuzz, cmd: fuzz}]}\n");
        let of = |text: &str| redefined(&strict, &definitions(text));
        assert_eq!(of("commands: {test: 'true', checks: [{name: fuzz, cmd: fuzz}]}\n"), ["commands.test"]);
        assert_eq!(of("commands: {test: make test}\n"), ["commands.checks.fuzz"]);
        assert_eq!(of("commands: {checks: [{name: fuzz, cmd: fuzz}]}\n"), ["commands.test"]);
        assert!(of("commands: {test: make test, lint: lint, checks: [{name: fuzz, cmd: fuzz}]}\n").is_empty());
        let lax = definitions("validation: {on_failure: retry}\n");
        assert_eq!(redefined(&definitions("version: 1\n"), &lax), ["validation.on_failure"]);
        assert!(redefined(&lax, &definitions("version: 1\n")).is_empty());
    }

    #[test]
    fn the_build_prepares_both_sides_unless_another_command_is_named() {
        use crate::judge::compare::redefined;
        let of = |old: &str, new: &str| redefined(&definitions(old), &definitions(new));
        assert_eq!(of("commands: {build: make}\n", "commands: {build: make x}\n"), ["commands.build", "pair.prepare"]);
        assert_eq!(of("pair: {prepare: make}\n", "pair: {prepare: make, enabled: false}\n"), ["pair.enabled"]);
        assert_eq!(of("pair: {share: [a]}\n", "pair: {share: [a, b]}\n"), ["pair.share"]);
    }

    fn sources(text: &str) -> Vec<(String, String)> {
        let config = parse(text, Path::new("config.yml")).unwrap().0;
        config.sources().into_iter().map(|source| (source.key, source.path)).collect()
    }

    #[test]
    fn files_and_words_of_commands_are_sources_and_outputs_are_not() {
        let text = "\
commands: {test: 'sh scripts/test.sh --with=a/b.json > out/log.txt 2>&1; cat \"c d.txt\"'}
kpis: [{name: v, file: data/v.json, better: lower}]
tuneables: {files: [t.json]}
timings: [{name: t, cmd: './run -x y', cwd: sub}]
";
        let found = sources(text);
        let has = |key: &str, path: &str| found.contains(&(key.to_owned(), path.to_owned()));
        assert!(has("commands.test", "scripts/test.sh") && has("commands.test", "a/b.json"), "{found:?}");
        assert!(has("commands.test", "c d.txt"), "{found:?}");
        assert!(has("kpi.v", "data/v.json") && has("tuneables.files", "t.json"), "{found:?}");
        assert!(has("timing.t", "sub/./run") && has("timing.t", "sub/y") && has("timing.t", "sub"), "{found:?}");
        assert!(!found.iter().any(|(_, path)| path == "out/log.txt"), "{found:?}");
    }
}
