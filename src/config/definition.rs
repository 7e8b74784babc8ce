//! How each metric is measured, and how a change is built, paired and checked, as digests: what a later step must share
//! with the baseline. Must not hold the commands themselves; they may name secrets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::{Config, HttpProbe, OnFailure};
use crate::model::Digest;

/// The key of the definition of the tuneables.
pub const TUNEABLES: &str = "tuneables";
/// The key of the least effect that counts where the contract names none.
pub const MIN_EFFECT: &str = "pair.min_effect";

impl Config {
    /// A digest of every definition: by the beginning of its metrics' names (`timing.NAME`, `http.NAME`, `kpi.NAME`) or
    /// by its key in the config (`pair.prepare`, `commands.test`), and [`TUNEABLES`]. How often something is run, and for
    /// how long, is no part of it.
    pub fn definitions(&self) -> BTreeMap<String, Digest> {
        let mut found = BTreeMap::new();
        let mut put = |key: String, value: Value| {
            found.insert(key, Digest::of_json(&value));
        };
        for timing in &self.timings {
            let how = json!([timing.cmd, timing.cwd, timing.env, timing.shell, timing.hyperfine]);
            put(format!("timing.{}", timing.name), how);
        }
        for probe in &self.http_probes {
            put(format!("http.{}", probe.name), asked(probe));
        }
        for kpi in &self.kpis {
            let source = json!([kpi.cmd, kpi.file, kpi.extract]);
            put(format!("kpi.{}", kpi.name), json!([source, kpi.unit, kpi.better, kpi.exact]));
        }
        put(TUNEABLES.to_owned(), json!([self.tuneables.files, self.tuneables.env]));
        self.pairing(&mut put);
        self.checking(&mut put);
        self.owing(&mut put);
        found
    }

    /// What a change of a contract owes. A contracts surface more takes nothing back, so each has its own key; what counts
    /// as documents or tests is one list, in which a glob more asks for less.
    fn owing(&self, put: &mut dyn FnMut(String, Value)) {
        for contract in &self.surfaces.contracts {
            put(format!("surfaces.contracts.{contract}"), json!(contract));
        }
        put("contract_docs.docs".to_owned(), json!(self.contract_docs.docs));
        put("contract_docs.tests".to_owned(), json!(self.contract_docs.tests));
    }

    /// What decides what the arms of a pair are, and whether there are any.
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

    /// What prepares an arm: the build, unless the pairs have a command of their own.
    pub fn prepares(&self) -> Option<&str> {
        self.pair.prepare.as_deref().or(self.commands.build.as_deref())
    }

    /// What validates a change. Only what is there has a digest: a check more, or a stricter one, takes nothing back.
    fn checking(&self, put: &mut dyn FnMut(String, Value)) {
        let commands = &self.commands;
        for (name, cmd) in [("build", &commands.build), ("lint", &commands.lint), ("test", &commands.test)] {
            if let Some(cmd) = cmd {
                put(format!("commands.{name}"), json!(cmd));
            }
        }
        for check in &commands.checks {
            put(format!("commands.checks.{}", check.name), json!(check.cmd));
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

fn asked(probe: &HttpProbe) -> Value {
    let expected = json!([probe.expect_status, probe.expect_contains, probe.expect_json]);
    json!([json!([probe.url, probe.method, probe.headers]), expected])
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
        use crate::judge::compare::definition::redefined;
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
    fn what_prepares_the_arms_is_the_build_where_nothing_else_is_named() {
        use crate::judge::compare::definition::redefined;
        let of = |old: &str, new: &str| redefined(&definitions(old), &definitions(new));
        assert_eq!(of("commands: {build: make}\n", "commands: {build: make x}\n"), ["commands.build", "pair.prepare"]);
        assert_eq!(of("pair: {prepare: make}\n", "pair: {prepare: make, enabled: false}\n"), ["pair.enabled"]);
        assert_eq!(of("pair: {share: [a]}\n", "pair: {share: [a, b]}\n"), ["pair.share"]);
    }
}
