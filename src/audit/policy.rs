//! The config's demands on commits and changes: exemptions, surfaces by class, stages and days of a rollout.

use std::fmt;

use chrono::{DateTime, Utc};
use globset::GlobSet;
use serde::Serialize;

use crate::audit::{Finding, FindingKind, Member};
use crate::model::text::cut;
use crate::model::{self, Class, Commit, FileChange, Gate, Kind, Stage, Surface};
use crate::workflow::gates::decide;
use crate::workflow::{Change, window};

#[derive(Debug, Clone)]
pub(crate) struct CheckPolicy {
    /// The gate that each change must have passed, if its class has that gate.
    pub require: Gate,
    pub exempt: Vec<Exemption>,
    /// The exemptions before the range; one that the range itself adds does not cover it. `None` without a config there.
    pub exempt_before: Option<Vec<Exemption>>,
    pub surfaces: Surfaces,
    pub deadline: CommitDeadline,
    /// The most days that an emergency's override may last.
    pub max_emergency_days: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitDeadline {
    pub days: u32,
    /// Whether the config demands it; otherwise a late commit is only a warning.
    pub demanded: bool,
}

/// Commits that need no change: every list that is set has a match.
#[derive(Debug, Clone)]
pub(crate) struct Exemption {
    pub paths: Option<GlobSet>,
    pub authors: Option<GlobSet>,
    /// The author's name, or the part of the address before `@` and after `+`, is one of these.
    pub bots: Vec<String>,
    pub reason: String,
}

/// The surfaces, and the documents and tests that have to change with a contract.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surfaces {
    pub by_surface: [GlobSet; 5],
    /// Each of these sets needs a match.
    pub docs: Vec<GlobSet>,
    pub tests: Vec<GlobSet>,
    /// What may change together with tuneables: prose, tests, the KPI's output, the config. What one set lacks is code.
    pub non_code: Vec<GlobSet>,
}

/// A key of the config that says something else, with its values as JSON; `None` where it is not there.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeyChange {
    pub key: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &str| cut(value, 60).to_string();
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{} (was {}, now {})", self.key, shown(old), shown(new)),
            (Some(old), None) => write!(f, "{} (was {}, now gone)", self.key, shown(old)),
            (None, Some(new)) => write!(f, "{} (new: {})", self.key, shown(new)),
            (None, None) => f.write_str(&self.key),
        }
    }
}

impl CheckPolicy {
    pub(crate) fn exempts(&self, commit: &Commit) -> Option<&str> {
        // A file of the contracts surface needs a change even if a glob exempts it.
        let of_contract = !self.surfaces.on(Surface::Contracts, commit.paths()).is_empty();
        let covers = |it: &&Exemption| it.covers(commit) && !(of_contract && it.paths.is_some());
        let now = self.exempt.iter().filter(|_| self.was_exempt(commit)).find(covers);
        let reason = now.map(|exemption| exemption.reason.as_str());
        // If each file is exempt by itself, so is the commit.
        let each = || commit.paths().count() > 1 && commit.paths().all(|path| self.exempts_path(path));
        reason.or_else(|| each().then_some("each of its files is exempt"))
    }

    fn was_exempt(&self, commit: &Commit) -> bool {
        self.exempt_before.as_ref().is_none_or(|exempt| exempt.iter().any(|exemption| exemption.covers(commit)))
    }

    /// The finding for a commit of the range that names no change.
    pub(crate) fn untracked(&self, commit: &Commit) -> Finding {
        let newly_exempt = !self.was_exempt(commit) && self.exempt.iter().any(|exemption| exemption.covers(commit));
        let may_be_older = self.exempt_before.is_none();
        self.surfaces.untracked(commit.paths(), FindingKind::CommitWithoutId { newly_exempt, may_be_older })
    }

    pub(crate) fn exempts_path(&self, path: &str) -> bool {
        let file = FileChange { path: path.as_bytes().to_vec(), ..FileChange::default() };
        self.exempts(&Commit { files: vec![file], ..Commit::default() }).is_some()
    }
}

impl Exemption {
    /// Whether it covers a commit. An exemption without lists covers none.
    pub(crate) fn covers(&self, commit: &Commit) -> bool {
        let has_list = self.paths.is_some() || self.authors.is_some() || !self.bots.is_empty();
        // The name of a link or submodule does not show what it refers to.
        let leads = |file: &FileChange| file.new_mode.starts_with("12") || file.new_mode.starts_with("16");
        let is_named = |globs: &GlobSet| {
            commit.files.iter().filter(|file| !file.own).all(|file| !leads(file) && globs.is_match(file.name()))
        };
        let paths = self.paths.as_ref().is_none_or(is_named);
        let (name, address) = (&commit.author_name, &commit.author_email);
        let is_by = |globs: &GlobSet| {
            [format!("{name} <{address}>"), name.clone(), address.clone()].iter().any(|it| globs.is_match(it))
        };
        let authors = self.authors.as_ref().is_none_or(is_by);
        let account = commit.author_email.split('@').next().unwrap_or_default();
        let account = account.split_once('+').map_or(account, |(_, name)| name);
        // Apps of a forge commit as `NAME[bot]`.
        let is = |bot: &String| {
            let names = [commit.author_name.as_str(), account];
            names.iter().any(|name| bot == name || Some(bot.as_str()) == name.strip_suffix("[bot]"))
        };
        has_list && paths && authors && (self.bots.is_empty() || self.bots.iter().any(is))
    }
}

impl Surfaces {
    /// Whether a path is code: neither a tuneable nor something that may change together with one.
    pub(crate) fn is_code(&self, path: &str) -> bool {
        let tuneable = self.by_surface[Surface::Tuneables as usize].is_match(path);
        !tuneable && self.non_code.iter().any(|non_code| !non_code.is_match(path))
    }

    pub(crate) fn on<'a>(&self, surface: Surface, paths: impl Iterator<Item = &'a str>) -> Vec<String> {
        let globs = &self.by_surface[surface as usize];
        paths.filter(|path| globs.is_match(path)).map(str::to_owned).collect()
    }

    /// The finding for a commit that names no change; tuneables and overrides by environment have codes of their own.
    pub(crate) fn untracked<'a>(
        &self,
        paths: impl Iterator<Item = &'a str> + Clone,
        otherwise: FindingKind,
    ) -> Finding {
        let on =
            |surface, what: fn(Vec<String>) -> FindingKind| Finding::on_paths(self.on(surface, paths.clone()), what);
        on(Surface::Tuneables, |paths| FindingKind::TuneablesUntracked { paths })
            .or_else(|| on(Surface::Env, |paths| FindingKind::EnvOverrideUndocumented { paths }))
            .unwrap_or_else(|| Finding::fail(otherwise))
    }

    /// The findings about surfaces that the commits of a change must not touch in its class, or had to touch as well.
    pub(crate) fn findings(&self, change: &Change, members: &[Member]) -> Vec<Finding> {
        let class = change.opened.class;
        let paths: Vec<&str> = members.iter().flat_map(|member| member.paths.iter().map(String::as_str)).collect();
        let wrong_class = |surface| move |paths| FindingKind::WrongClass { class, surface, paths };
        let wrong = self.not_of(class, &paths).into_iter();
        let wrong = wrong.filter_map(|(surface, paths)| Finding::on_paths(paths, wrong_class(Some(surface))));
        let mut found: Vec<Finding> = wrong.collect();
        if class == Class::Tuneable && found.is_empty() {
            let code = paths.iter().filter(|path| self.is_code(path)).map(|path| (*path).to_owned()).collect();
            found.extend(Finding::on_paths(code, wrong_class(None)));
        }
        if class == Class::Code {
            found.extend(self.contract_without_docs(&paths));
        }
        let last = &members[members.len() - 1].name;
        found.into_iter().map(|finding| finding.of_commit(last)).collect()
    }

    /// The surfaces that a change of this class must not touch, each with the paths on it.
    pub(crate) fn not_of(&self, class: Class, paths: &[&str]) -> Vec<(Surface, Vec<String>)> {
        let on = |surface: Surface| (surface, self.on(surface, paths.iter().copied()));
        let mut found: Vec<(Surface, Vec<String>)> = forbidden(class).iter().copied().map(on).collect();
        // A change of tuneables alone is not code: it has to be of class tuneable.
        found.extend(Some(on(Surface::Tuneables)).filter(|(_, on)| class == Class::Code && on.len() == paths.len()));
        found.retain(|(_, paths)| !paths.is_empty());
        found
    }

    fn contract_without_docs(&self, paths: &[&str]) -> Option<Finding> {
        let contracts = self.on(Surface::Contracts, paths.iter().copied());
        // A document on the contracts surface is its own documentation.
        let mut docs = self.docs.iter().filter(|docs| !docs.is_empty()).peekable();
        if docs.peek().is_some() && docs.all(|docs| contracts.iter().all(|path| docs.is_match(path))) {
            return None;
        }
        let matched = |sets: &[GlobSet], paths: &[&str]| {
            sets.iter().all(|set| set.is_empty() || paths.iter().any(|path| set.is_match(path)))
        };
        let others: Vec<&str> = paths.iter().copied().filter(|path| !contracts.iter().any(|it| it == path)).collect();
        let (docs, tests) = (matched(&self.docs, paths), matched(&self.tests, &others));
        Finding::on_paths(contracts, |paths| FindingKind::ContractWithoutDocs { paths, docs, tests })
            .filter(|_| !docs || !tests)
    }
}

fn forbidden(class: Class) -> &'static [Surface] {
    match class {
        Class::Tuneable => &[Surface::Invariants, Surface::Contracts, Surface::Env],
        Class::Code => &[],
        Class::Emergency => &[Surface::Invariants, Surface::Contracts],
        Class::Experiment => &[Surface::Invariants, Surface::Contracts, Surface::Env, Surface::Tuneables],
    }
}

/// The config keys that a promoted change did not satisfy, of those that every one of `policies` demands: a config that
/// was loosened for a moment and restored shows in what it let pass.
pub(crate) fn missed(change: &Change, policies: &[model::Policy]) -> Vec<&'static str> {
    if change.promotion.is_none() || policies.is_empty() {
        return Vec::new();
    }
    type Test = fn(&Change, &model::Policy) -> bool;
    let demands: [(&'static str, Test); 5] = [
        ("rollout.stages", skipped_a_stage),
        ("verification.min_monitor_days", verified_early),
        ("review.require_attestation", |change, policy| {
            verified_at(change).is_some() && policy.require_attestation && change.attestation.is_none()
        }),
        ("validation.rehearse_checks", |change, policy| {
            policy.rehearse_checks == Some(true) && frozen(change, |it| it.rehearse_checks)
        }),
        ("verification.require_clean_git", |change, policy| {
            policy.require_clean_git == Some(true) && frozen(change, |it| it.require_clean_git)
        }),
    ];
    let missed = demands.into_iter().filter(|(_, test)| policies.iter().all(|policy| test(change, policy)));
    missed.map(|(key, _)| key).collect()
}

fn frozen(change: &Change, demand: fn(&model::Policy) -> Option<bool>) -> bool {
    change.frozen_policy().is_some_and(|policy| demand(policy) != Some(true))
}

fn skipped_a_stage(change: &Change, policy: &model::Policy) -> bool {
    let Some(full) = change.fully_rolled_out_at() else { return false };
    policy.stages.iter().filter(|plan| plan.stage != Stage::Full).any(|plan| {
        let begun = change.rollout.iter().find(|done| done.stage == plan.stage);
        begun.is_none_or(|begun| window::later(begun.at, decide::hours(plan.soak_hours)) > full)
    })
}

fn verified_early(change: &Change, policy: &model::Policy) -> bool {
    let (Some(full), Some(at)) = (change.fully_rolled_out_at(), verified_at(change)) else { return false };
    let days = policy.min_monitor_days;
    window::closes(full, days) > at || window::ticked_days(change, full, at).len() < days as usize
}

fn verified_at(change: &Change) -> Option<DateTime<Utc>> {
    change.events.iter().find(|event| matches!(event.what, Kind::Verified { .. })).map(|event| event.at)
}
