//! Whether what a change's measurements say is what they were read from: KPIs their text, sizes what git holds.

use std::collections::BTreeSet;

use crate::commands::{GitHistory, validate};
use crate::config::Config;
use crate::error::Result;
use crate::git::Repo;
use crate::measure::number;
use crate::model::text::{count, short};
use crate::model::{Artifact, Kpi, MetricSource, Snapshot, Taken, WorkTree, ingest};
use crate::stats::median;
use crate::store::Role;
use crate::workflow::Change;

/// A check that a change's validation leaves out, or the first of its measurements that says something else than what it was
/// read from: a KPI than its text, or a size of the contract than git.
pub(crate) fn problem(
    (config, history): (Option<&Config>, Option<&GitHistory<'_>>),
    change: &Change,
    fetch: &mut dyn FnMut(&Artifact) -> Option<Vec<u8>>,
) -> Result<Option<String>> {
    if let Some(name) = history.map(|history| unrun(history, change)).transpose()?.flatten() {
        return Ok(Some(format!("the validation lacks the check `{name}`, which the config of its commit has")));
    }
    let current = change.artifacts();
    let taken = change.events.iter().filter_map(|event| event.what.taken());
    for taken in taken.filter(|taken| current.contains(&&taken.snapshot)) {
        let Some(Ok(snapshot)) = fetch(&taken.snapshot).map(|bytes| ingest::parse_snapshot(&bytes)) else { continue };
        let problem = match (kpi_problem((config, history), change, taken, &snapshot, fetch)?, history) {
            (None, Some(history)) => size_problem(history.repo, change, &snapshot)?,
            (problem, _) => problem,
        };
        if let Some(problem) = problem {
            return Ok(Some(format!("{}: {problem}", taken.snapshot.path)));
        }
    }
    Ok(None)
}

/// A check that the config of the validated commit has, and the validation has not.
fn unrun(history: &GitHistory<'_>, change: &Change) -> Result<Option<String>> {
    let Some(validation) = &change.validation else { return Ok(None) };
    let commit = validation.revision.commit.as_deref().and_then(|commit| history.known(commit));
    let Some(config) = commit.map(|commit| history.config(&commit)).transpose()?.flatten() else { return Ok(None) };
    let mut names = validate::names(&config);
    Ok(names.find(|name| !validation.checks.iter().any(|check| check.name == *name)))
}

fn kpi_problem(
    (config, history): (Option<&Config>, Option<&GitHistory<'_>>),
    change: &Change,
    taken: &Taken,
    snapshot: &Snapshot,
    fetch: &mut dyn FnMut(&Artifact) -> Option<Vec<u8>>,
) -> Result<Option<String>> {
    let commit = snapshot.revision.as_ref().and_then(|revision| revision.commit.as_deref());
    // As it was measured: a config that was changed since reads another number, or none.
    let mut there = None;
    for kpi in &snapshot.kpis {
        let key = format!("kpi.{}", kpi.name);
        let (fixed, is_fixed) = (snapshot.definitions.get(&key), !snapshot.definitions.is_empty());
        if is_fixed && fixed.is_none() {
            return Ok(Some(format!("KPI {} has values, and no definition as every KPI has", kpi.name)));
        }
        // Those that fix nothing are of an early version.
        let defines = |config: &&Config| !is_fixed || config.definitions().get(&key) == fixed;
        let mut known = config.filter(defines);
        if let (None, Some(history), Some(commit)) = (known, history, commit.filter(|_| is_fixed)) {
            if there.is_none() {
                there = history.known(commit).map(|commit| history.config(&commit)).transpose()?.flatten();
            }
            known = there.as_ref().filter(defines);
            if known.is_none() && there.is_some() {
                return Ok(Some(format!("KPI {} is not defined so in the config of its commit", kpi.name)));
            }
        }
        let probe = known.and_then(|config| config.kpis.iter().find(|it| it.name == kpi.name));
        let text = raw(change, taken, (snapshot.role.as_deref().unwrap_or_default(), kpi), fetch);
        let (Some(probe), Some(text), Some(value)) = (probe, text, kpi.values.last()) else { continue };
        let read = number::numbers(probe, &text).ok().and_then(|numbers| median(&numbers));
        if read != Some(*value) {
            return Ok(Some(format!("KPI {} differs from its raw output", kpi.name)));
        }
    }
    Ok(None)
}

/// The text that the last value of a KPI was read from.
pub(crate) fn raw(
    change: &Change,
    taken: &Taken,
    (role, kpi): (&str, &Kpi),
    fetch: &mut dyn FnMut(&Artifact) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let name = Role::Kpi { name: &kpi.name, role, extension: "x" }.file_name(change.id());
    let stem = name.trim_end_matches('x');
    let file = || taken.kpi_artifacts.iter().find(|file| file.path.contains(stem));
    kpi.raw.clone().map(String::into_bytes).or_else(|| fetch(file()?))
}

/// A size is what git holds in the commit of the snapshot.
fn size_problem(repo: &Repo, change: &Change, snapshot: &Snapshot) -> Result<Option<String>> {
    let revision = snapshot.revision.as_ref().filter(|revision| revision.work_tree == WorkTree::Clean);
    let Some(commit) = revision.and_then(|revision| revision.commit.as_deref()) else { return Ok(None) };
    let sizes = change.contract.criteria().filter(|it| it.metric.source() == Some(MetricSource::Size));
    let paths: BTreeSet<&str> = sizes.filter_map(|it| it.metric.subject()).collect();
    for (path, size) in paths.into_iter().filter_map(|path| snapshot.sizes.get_key_value(path)) {
        let said = size.tracked_bytes.zip(size.tracked_files);
        let Some((bytes, files)) = repo.holds_other(commit, path, said)? else { continue };
        let (held, commit) = (count(files, "file", "files"), short(commit));
        return Ok(Some(format!("size.{path} is {bytes} B in {held} in commit {commit}, and not what it says")));
    }
    Ok(None)
}
