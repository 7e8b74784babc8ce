//! The audit of what lies here: every record, every evidence file, as the work tree has them. Must not print.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::audit::record::{self, Found};
use crate::audit::{Audit, Finding, FindingKind, RecordFacts, RecordState, witnessed};
use crate::commands::{Ctx, versions, witness};
use crate::error::CommandError;
use crate::model::{Artifact, ChangeId, Digest};
use crate::os::files;
use crate::store::{Integrity, Record, StoreError, evidence, project};

/// The audit of the whole project.
pub(crate) fn run(ctx: &Ctx) -> Result<Audit, CommandError> {
    let mut audit = Audit::default();
    let mut known = BTreeSet::new();
    let records = records(ctx)?;
    let names = evidence_names(ctx)?;
    let named = records.iter().filter_map(RecordFacts::change).flat_map(witnessed::named).collect();
    let made = match ctx.repo()? {
        Some(repo) => versions::made(repo, &named)?,
        None => BTreeMap::new(),
    };
    for record in records {
        audit.records += 1;
        audit.findings.extend(record::findings(&record, ctx.now()));
        audit.findings.extend(witnessed::before_its_commit(&record, &|commit| made.get(commit).copied()));
        audit.findings.extend(record::habits(&record, ctx.now()));
        audit.findings.extend(evidence(ctx, &record)?);
        audit.findings.extend(set_aside(ctx, &record, &names)?);
        if record.change().is_some() {
            audit.findings.extend(ignored(ctx, &record)?);
        }
        known.insert(record.id.to_string());
    }
    for (id, path) in missing(ctx)? {
        known.insert(id.to_string());
        audit.findings.push(Finding::fail(FindingKind::RecordMissing).of_change(&id).at(path));
    }
    audit.findings.extend(unknown_evidence(&known, &names));
    Ok(audit)
}

/// Every record with what reading it came to.
pub(crate) fn records(ctx: &Ctx) -> Result<Vec<RecordFacts>, CommandError> {
    let dir = ctx.project.changes_dir();
    let mut ids: Vec<ChangeId> = Vec::new();
    let mut names = Vec::new();
    match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => {
            for entry in entries.map_err(StoreError::io("list", &dir))? {
                names.extend(entry.map_err(StoreError::io("list", &dir))?.file_name().into_string());
            }
        }
    }
    ids.extend(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()));
    ids.sort();
    let of = |id: ChangeId| -> Result<RecordFacts, CommandError> {
        let path = ctx.project.relative(&ctx.project.record_path(id.as_str())?);
        let state: RecordState = witness::state(Record::read(&ctx.project, &id), &id);
        Ok(RecordFacts { id, path, state })
    };
    ids.into_iter().map(of).collect()
}

/// Records that the commit checked out has and the work tree has not, with their paths. A checkout that leaves them out
/// on purpose (a sparse one) has them as far as git is concerned.
pub(crate) fn missing(ctx: &Ctx) -> Result<Vec<(ChangeId, String)>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    if repo.resolve("HEAD").is_err() {
        return Ok(Vec::new());
    }
    let dir = format!("{}/", ctx.project.relative(&ctx.project.changes_dir()));
    let args = ["diff-index", "--name-only", "--no-renames", "--diff-filter=D", "-z", "HEAD", "--"];
    let below = [repo.prefix(), dir.as_bytes()].concat();
    let gone = repo.git().args(args).arg(files::path_from_bytes(&below)).ok()?;
    let record = |path: &[u8]| {
        let path = String::from_utf8_lossy(path.strip_prefix(repo.prefix())?).into_owned();
        let id = path.strip_prefix(&dir)?.strip_suffix(".json")?.parse().ok()?;
        Some((id, path))
    };
    Ok(gone.split(|byte| *byte == 0).filter_map(record).collect())
}

/// Records that cannot be relied on, damaged or missing.
pub(crate) fn lost(ctx: &Ctx) -> Result<Vec<Finding>, CommandError> {
    let mut lost = Vec::new();
    for record in records(ctx)? {
        let RecordState::Unreadable(problem) = record.state else { continue };
        lost.push(Finding::fail(FindingKind::RecordUnreadable { problem }).of_change(&record.id).at(record.path));
    }
    // Where git cannot say, that is told as such.
    let gone = if ctx.repo().is_ok() { missing(ctx)? } else { Vec::new() };
    lost.extend(gone.into_iter().map(|(id, path)| Finding::fail(FindingKind::RecordMissing).of_change(&id).at(path)));
    Ok(lost)
}

fn evidence(ctx: &Ctx, record: &RecordFacts) -> Result<Vec<Finding>, CommandError> {
    let mut failed = None;
    let found = record::evidence(record, &mut |artifact, newest| match lying(ctx, artifact, newest) {
        Ok(found) => found,
        Err(error) => {
            failed.get_or_insert(error);
            Found::Missing
        }
    });
    failed.map_or(Ok(found), |error| Err(error.into()))
}

fn lying(ctx: &Ctx, artifact: &Artifact, newest: bool) -> Result<Found, StoreError> {
    if newest && matches!(evidence::verify(&ctx.project, artifact)?, Integrity::Superseded { .. }) {
        return Ok(match evidence::present(&ctx.project, &artifact.path)? {
            Some(bytes) => Found::Altered(Digest::of_bytes(&bytes)),
            None => Found::Missing,
        });
    }
    Ok(match evidence::read_verified(&ctx.project, artifact)? {
        Ok(bytes) => Found::Intact(bytes),
        Err(Integrity::Altered { found }) => Found::Altered(found),
        Err(_) => Found::Missing,
    })
}

/// Recorded evidence that no clone will have.
fn ignored(ctx: &Ctx, record: &RecordFacts) -> Result<Vec<Finding>, CommandError> {
    let (Some(repo), Some(change)) = (ctx.repo()?, record.change()) else { return Ok(Vec::new()) };
    let record_file = Some(record.path.as_str());
    let paths: BTreeSet<&str> =
        change.artifacts().into_iter().map(|artifact| artifact.path.as_str()).chain(record_file).collect();
    let ignored = repo.ignored(&paths.into_iter().collect::<Vec<_>>())?;
    let finding = |path| Finding::warn(FindingKind::EvidenceIgnored).of_change(&record.id).at(path);
    Ok(ignored.into_iter().map(finding).collect())
}

/// Files named like evidence of a change that no record knows.
fn unknown_evidence(known: &BTreeSet<String>, names: &[String]) -> Vec<Finding> {
    let snapshots = names.iter().filter(|name| name.starts_with("chg-") && name.ends_with("_snapshot.json"));
    let of_nobody = snapshots.filter(|name| {
        !known.iter().any(|id| name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('_')))
    });
    of_nobody.map(|name| Finding::warn(FindingKind::EvidenceUnknown).at(place(name))).collect()
}

/// What was measured for a change, and set aside by a later measurement, without any event that knows it: a run that
/// was killed, or a record that was put back to before it.
fn set_aside(ctx: &Ctx, record: &RecordFacts, names: &[String]) -> Result<Vec<Finding>, CommandError> {
    let Some(change) = record.change() else { return Ok(Vec::new()) };
    let recorded: BTreeSet<&str> = change
        .events
        .iter()
        .flat_map(|event| event.what.artifacts())
        .map(|artifact| artifact.sha256.as_str())
        .collect();
    let mut found = Vec::new();
    let of_change = |name: &&String| name.strip_prefix(record.id.as_str()).is_some_and(|rest| rest.starts_with('_'));
    for name in names.iter().filter(of_change).filter(|name| name.contains(project::SUPERSEDED)) {
        let Some(bytes) = evidence::present(&ctx.project, &place(name))? else { continue };
        if !recorded.contains(Digest::of_bytes(&bytes).as_str()) {
            found.push(Finding::warn(FindingKind::EvidenceSetAside).of_change(&record.id).at(place(name)));
        }
    }
    Ok(found)
}

fn place(name: &str) -> String {
    format!("{}/{name}", project::EVIDENCE_DIR)
}

/// The names of the files of evidence, sorted.
fn evidence_names(ctx: &Ctx) -> Result<Vec<String>, CommandError> {
    let dir = ctx.project.evidence_dir();
    let mut names = Vec::new();
    match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.map_err(StoreError::io("list", &dir))? {
                names.extend(entry.map_err(StoreError::io("list", &dir))?.file_name().into_string());
            }
        }
    }
    names.sort();
    Ok(names)
}
