//! Surfaces against classes: which layer of the control hierarchy a class of change may touch, and what a change of a
//! contract owes. Must not look at gates.

use crate::audit::policy::each_matched;
use crate::audit::{Finding, Member, Policy, What};
use crate::model::{Class, Surface};
use crate::workflow::Change;

/// The surfaces that a class leaves alone. Code may touch all of them.
fn foreign(class: Class) -> &'static [Surface] {
    match class {
        Class::Tuneable => &[Surface::Invariants, Surface::Contracts, Surface::Env],
        Class::Code => &[],
        Class::Emergency => &[Surface::Invariants, Surface::Contracts],
        Class::Experiment => &[Surface::Invariants, Surface::Contracts, Surface::Env, Surface::Tuneables],
    }
}

/// What the commits of a change touch that its class does not, or leave out that it owes.
pub(crate) fn findings(change: &Change, members: &[Member], policy: &Policy) -> Vec<Finding> {
    let class = change.opened.class;
    let paths = || members.iter().flat_map(|member| member.paths.iter().map(String::as_str));
    let name = &members[members.len() - 1].name;
    let mut found = Vec::new();
    for surface in foreign(class) {
        let touched = policy.surfaces.on(*surface, paths());
        if let Some(first) = touched.first().cloned() {
            found.push(Finding::fail(What::WrongClass { class, surface: Some(*surface), paths: touched }).at(first));
        }
    }
    // Knobs alone are not code: they owe the tuneables' evidence.
    let knobs = policy.surfaces.on(Surface::Tuneables, paths());
    if class == Class::Code && !knobs.is_empty() && knobs.len() == paths().count() {
        let first = knobs[0].clone();
        let what = What::WrongClass { class, surface: Some(Surface::Tuneables), paths: knobs };
        found.push(Finding::fail(what).at(first));
    }
    let code: Vec<String> = paths().filter(|path| policy.surfaces.is_code(path)).map(str::to_owned).collect();
    if let (Class::Tuneable, Some(first), true) = (class, code.first().cloned(), found.is_empty()) {
        found.push(Finding::fail(What::WrongClass { class, surface: None, paths: code }).at(first));
    }
    let contracts = policy.surfaces.on(Surface::Contracts, paths());
    // A document on the contracts surface is its own documentation.
    let beside = || paths().filter(|path| !contracts.iter().any(|touched| touched == path));
    let docs = || policy.surfaces.docs.iter().filter(|docs| !docs.is_empty());
    let only_docs = docs().next().is_some() && contracts.iter().all(|path| docs().all(|docs| docs.is_match(path)));
    if let (Class::Code, Some(first), false) = (class, contracts.first().cloned(), only_docs) {
        let docs = each_matched(&policy.surfaces.docs, paths());
        let tests = each_matched(&policy.surfaces.tests, beside());
        if !docs || !tests {
            found.push(Finding::fail(What::ContractWithoutDocs { paths: contracts, docs, tests }).at(first));
        }
    }
    found.into_iter().map(|finding| finding.of_commit(name)).collect()
}

/// The finding for a commit that names no change: the gravest surface gives the code.
pub(crate) fn untracked(tuneables: Vec<String>, env: Vec<String>) -> Finding {
    if let Some(first) = tuneables.first().cloned() {
        return Finding::fail(What::TuneablesUntracked { paths: tuneables }).at(first);
    }
    if let Some(first) = env.first().cloned() {
        return Finding::fail(What::EnvOverrideUndocumented { paths: env }).at(first);
    }
    Finding::fail(What::CommitWithoutId)
}
