//! The project's config: plain structs, whose doc comments are the reference of the file, and reading them.

pub mod file;
pub mod fingerprint;
pub mod template;
pub mod yaml;

mod check;
mod policy;
mod probes;
mod reader;
mod readers;

pub use file::ConfigError;
pub use fingerprint::Source;
pub use policy::{
    ContractDocs, Enforcement, ExemptionConfig, OnFailure, PairConfig, Pin, RegressionBudget, Review, Rollout, Sign,
    StageConfig, SurfaceConfig, ValidationConfig, Verification, glob, globs,
};
pub use probes::{Counter, ExpectJson, Extract, HttpProbe, KpiProbe, Matches, Method, TimingConfig};
pub use readers::BenchmarkTool;
pub use template::{Edited, Filled, Guess};
pub use yaml::Diagnostic;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{Measurable, MetricKind, MetricSource, Sampling};

/// Everything a config file can say. `Config::default()` is what a project without one gets.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Version of the file's format; 1 is the only one.
    pub version: Option<u32>,
    /// The project's own test, build, lint and check commands.
    pub commands: Commands,
    /// Commands whose run time is measured, in file order.
    pub timings: Vec<TimingConfig>,
    /// Files and directories whose size is measured, relative to the project's root.
    pub size_paths: Vec<String>,
    /// HTTP endpoints that are requested.
    pub http_probes: Vec<HttpProbe>,
    /// Numbers that the project reports about itself.
    pub kpis: Vec<KpiProbe>,
    /// Where the tuneables are.
    pub tuneables: Tuneables,
    /// Which paths and variables belong to which layer of the control hierarchy.
    pub surfaces: SurfaceConfig,
    /// Which files count as documents and tests of a contract.
    pub contract_docs: ContractDocs,
    /// What the validation gate does.
    pub validation: ValidationConfig,
    /// Measuring baseline and head side by side.
    pub pair: PairConfig,
    /// The stages of a rollout.
    pub rollout: Rollout,
    /// What VERIFIED demands.
    pub verification: Verification,
    /// What a review demands.
    pub review: Review,
    /// How commits are checked against their records.
    pub enforcement: Enforcement,
    /// What signs each event of a record, by git's own set-up; nothing does without it.
    pub sign: Option<Sign>,
    /// How much worse metrics may get over all changes together.
    pub budget: Vec<RegressionBudget>,
    /// What the project says of itself.
    pub project: ProjectConfig,
}

impl Config {
    /// Every metric that a snapshot with this config contains: timings, sizes, probes, KPIs.
    pub fn measurable(&self) -> Measurable {
        let mut all = Measurable::default();
        for timing in self.timings.iter().filter(|timing| timing.is_measurable()) {
            let without: &[MetricKind] = match (&timing.cmd, timing.instructions) {
                (Some(_), Some(_)) => &[],
                (Some(_), None) => &[MetricKind::Instructions],
                // Imported results have no CPU time for each run.
                (None, _) => &[MetricKind::Cpu, MetricKind::Instructions],
            };
            all.add(MetricSource::Timing, &timing.name, without);
        }
        for path in &self.size_paths {
            all.add(MetricSource::Size, path, &[]);
        }
        for probe in &self.http_probes {
            all.add(MetricSource::Http, &probe.name, &[]);
        }
        for kpi in &self.kpis {
            let sampling = if kpi.exact { Sampling::Exact } else { Sampling::Sampled };
            all.add_kpi(&kpi.name, kpi.unit.clone(), kpi.better, sampling);
        }
        all
    }

    /// The files that metrics are read from, each with the prefix of its metrics' names.
    pub(crate) fn results(&self) -> impl Iterator<Item = (String, &str)> {
        let timings =
            self.timings.iter().filter_map(|it| Some((format!("timing.{}", it.name), it.hyperfine.as_deref()?)));
        let kpis = self.kpis.iter().filter_map(|it| Some((format!("kpi.{}", it.name), it.file.as_deref()?)));
        timings.chain(kpis)
    }

    /// Whether measuring runs commands or sends requests, rather than only reading files.
    pub(crate) fn runs_anything(&self) -> bool {
        let timed = self.timings.iter().any(|timing| timing.cmd.is_some());
        timed || !self.http_probes.is_empty() || self.kpis.iter().any(|kpi| kpi.cmd.is_some())
    }

    /// Combines two configs: the stricter value wins. Reviews are checked against each config separately, and what a
    /// baseline fixes cannot change.
    #[must_use]
    pub fn tightened_by(mut self, other: &Self) -> Self {
        self.validation.rehearse_checks |= other.validation.rehearse_checks;
        self.pair.min_pairs = self.pair.min_pairs.max(other.pair.min_pairs);
        self.pair.max_pairs = self.pair.max_pairs.max(self.pair.min_pairs);
        self.rollout = self.rollout.joined_with(&other.rollout);
        self.verification.min_monitor_days =
            self.verification.min_monitor_days.max(other.verification.min_monitor_days);
        self.verification.require_clean_git |= other.verification.require_clean_git;
        self.review.require_attestation |= other.review.require_attestation;
        let days = &mut self.enforcement.max_emergency_days;
        *days = (*days).min(other.enforcement.max_emergency_days);
        self
    }

    /// The command that prepares each checkout of a pair: `pair.prepare`, or else the build.
    pub fn prepares(&self) -> Option<&str> {
        self.pair.prepare.as_deref().or(self.commands.build.as_deref())
    }
}

impl Rollout {
    /// All stages of both, with the longer soak time. If both have a check, `other`'s wins.
    fn joined_with(&self, other: &Self) -> Self {
        let mut stages = other.stages.clone();
        for plan in &self.stages {
            match stages.iter_mut().find(|known| known.name == plan.name) {
                Some(known) => {
                    known.soak_hours = known.soak_hours.max(plan.soak_hours);
                    known.check = known.check.take().or_else(|| plan.check.clone());
                }
                None => stages.push(plan.clone()),
            }
        }
        stages.sort_by_key(|plan| plan.name);
        Self { stages }
    }
}

/// Half an hour: enough for a slow test suite, and a hanging one does not block a whole day.
const CHECK_TIMEOUT_S: f64 = 1800.0;

/// The project's commands. Each runs in a shell in the project's root.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Commands {
    /// Runs the tests.
    pub test: Option<String>,
    /// Builds the project.
    pub build: Option<String>,
    /// Runs the linter.
    pub lint: Option<String>,
    /// Further commands that must succeed for a change to be valid.
    pub checks: Vec<CheckCommand>,
    /// Deadline in seconds of `test`, `build` and `lint`, each.
    pub timeout_s: f64,
}

impl Default for Commands {
    fn default() -> Self {
        Self { test: None, build: None, lint: None, checks: Vec::new(), timeout_s: CHECK_TIMEOUT_S }
    }
}

/// One check command.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct CheckCommand {
    /// Its unique name.
    pub name: String,
    /// The shell command; success is exit code 0.
    pub cmd: String,
    /// Deadline in seconds.
    pub timeout_s: f64,
}

impl Default for CheckCommand {
    fn default() -> Self {
        Self { name: String::new(), cmd: String::new(), timeout_s: CHECK_TIMEOUT_S }
    }
}

/// Where the tuneables are.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tuneables {
    /// JSON, YAML or TOML files in layer order: later ones win. `~` stands for the home directory.
    pub files: Vec<String>,
    /// Variables that override a key: flattened key (`advisor.max_items`) to variable name.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are recorded beside the tuneables.
    pub watch_env: Vec<String>,
}

/// Aims and hints.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ProjectConfig {
    /// What it wants to reach.
    pub goals: Vec<String>,
    /// What kinds of work are intended.
    pub intents: Vec<String>,
    /// Its languages; detected where empty.
    pub languages: Vec<String>,
    /// Python dependencies that are used although never imported.
    pub python_ignore_deps: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_two_configs_applies_in_either_order() {
        let strict = "validation: {rehearse_checks: true}\npair: {min_pairs: 50}\n\
            rollout: {stages: [{name: canary, soak_hours: 2, check: x}, {name: full}]}\n\
            verification: {min_monitor_days: 5, require_clean_git: true}\nenforcement: {max_emergency_days: 1}\n";
        let (strict, _) = file::parse(strict, std::path::Path::new("x")).unwrap();
        let loose = Config { review: Review { require_attestation: false, ..Review::default() }, ..Config::default() };
        let both = loose.clone().tightened_by(&strict);
        assert_eq!(both, strict.clone().tightened_by(&loose));
        assert_eq!(both, strict);
    }
}
