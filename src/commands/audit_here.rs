//! The audit of the work tree: every record and evidence file in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::audit::{Audit, EvidenceBytes, Finding, FindingKind, RecordFacts, Severity, record, timestamps};
use crate::commands::{Ctx, choose, commit_contents, demands, evidence as of_change};
use crate::error::{Result, failed, trouble};
use crate::git::Repo;
use crate::model::{Artifact, ChangeId, CommandLine, CommitName, Digest, Fix, How, Problem, fix, joined, short};
use crate::os::files;
use crate::store::{self, Integrity, Record, RecordError, StoreError, evidence, guard, project};
use crate::workflow::Change;

pub(crate) fn run(ctx: &Ctx) -> Result<Audit> {
    let mut audit = Audit::default();
    let records = records(ctx)?;
    let names = store::names_in(&ctx.project.evidence_dir())?;
    let named: BTreeSet<String> = records.iter().filter_map(RecordFacts::change).flat_map(timestamps::named).collect();
    let made = match ctx.repo()? {
        // A repository without a readable HEAD would confirm any commit.
        Some(repo) => repo.head().map(|_| commit_contents::made(repo, &named))??,
        None if named.is_empty() => BTreeMap::new(),
        None => return Err(trouble("the records name commits, and no git repository is here to confirm them")),
    };
    for record in &records {
        audit.findings.extend(record::findings(record, ctx.now()));
        audit.findings.extend(timestamps::before_its_commit(record, &made));
        let by = record.change().and_then(|change| change.follow_up.as_ref());
        let by = by.and_then(|by| records.iter().find(|it| it.id == *by)?.change());
        let within = (ctx.config()?.enforcement.max_emergency_days, ctx.now());
        let history = || ctx.history().ok().flatten();
        let by = by.filter(|by| history().is_none_or(|history| !history.is_taken_out("HEAD", by)));
        let is_here = || history().is_some_and(|history| history.holds("HEAD", &record.id));
        audit.findings.extend(record::habits(record, by, within, &mut { is_here }));
        let found = record::evidence(record, &mut |artifact| find(ctx, artifact))?;
        if let (Some(change), true) = (record.change(), found.is_empty()) {
            let fetch = of_change::fetch(ctx);
            // Pages rendered by an older version are only reported by the range check.
            audit
                .findings
                .extend(of_change::differing_pages(change, &fetch).into_iter().filter(|it| it.level == Severity::Fail));
        }
        audit.findings.extend(found);
        audit.findings.extend(unrecorded_measurements(ctx, record, &names)?);
    }
    if let Some(repo) = ctx.repo()? {
        let changes = records.iter().filter_map(RecordFacts::change);
        audit.findings.extend(demands::budgets(repo, (ctx.config()?, None), changes, "HEAD")?);
    }
    audit.findings.extend(all_misnamed(ctx)?);
    audit.findings.extend(removed(ctx)?.into_iter().map(|lost| Finding { level: Severity::Warn, ..lost }));
    audit.findings.extend(ignored(ctx, &records)?);
    audit.records = records.len();
    let mut known: BTreeSet<String> = records.iter().map(|record| record.id.to_string()).collect();
    let gone = gone(ctx)?;
    known.extend(gone.iter().filter_map(|gone| Some(gone.change.as_ref()?.to_string())));
    audit.findings.extend(gone);
    let snapshots = names.iter().filter(|name| name.starts_with("chg-") && name.ends_with("_snapshot.json"));
    let is_known = |name: &str| name.match_indices('_').any(|(at, _)| known.contains(&name[..at]));
    // Snapshots of the Python tool have no record of ours.
    let of_original = |name: &str| {
        let text = std::fs::read_to_string(ctx.project.evidence_dir().join(name)).unwrap_or_default();
        text.contains("vibeship_optimizer.snapshot.v1\"")
    };
    let unknown = snapshots.filter(|name| !is_known(name) && !of_original(name));
    audit.findings.extend(unknown.map(|name| Finding::warn(FindingKind::EvidenceUnknown).at(place(name))));
    Ok(audit)
}

fn records(ctx: &Ctx) -> Result<Vec<RecordFacts>> {
    let named = |name: &str, record| Some((store::record::id_of(name)?, record));
    let read = Record::read_named(&ctx.project, Record::names(&ctx.project)?, named)?;
    Ok(read.into_iter().filter_map(|(id, record)| facts(ctx, &id, record)).collect())
}

pub(crate) fn record(ctx: &Ctx, id: &ChangeId) -> Option<RecordFacts> {
    facts(ctx, id, Record::read(&ctx.project, id))
}

fn all_misnamed(ctx: &Ctx) -> Result<Vec<Finding>> {
    let path = |name: &String| ctx.project.relative(&ctx.project.changes_dir().join(name));
    Ok(Record::names(&ctx.project)?.iter().filter_map(|name| misnamed(&path(name), name)).collect())
}

/// A finding if a file among the records cannot be a record because of its name.
pub(crate) fn misnamed(path: &str, name: &str) -> Option<Finding> {
    let problem = name.strip_suffix(".json")?.parse::<ChangeId>().err()?.to_string();
    Some(Finding::fail(FindingKind::RecordUnreadable { problem, conflicted: false, kept_in: None }).at(path))
}

fn facts(ctx: &Ctx, id: &ChangeId, read: Result<Record, RecordError>) -> Option<RecordFacts> {
    let is_known = !matches!(read, Err(RecordError::Unknown { .. }));
    let path = ctx.project.relative(&ctx.project.record_path(id));
    // If git fails, none is known: the advice then works without git.
    let kept = || commit_contents::kept(ctx.repo().ok()??, &path, id).ok()?;
    is_known.then(|| RecordFacts { id: id.clone(), state: commit_contents::state(read, id, kept), path: path.clone() })
}

/// Records in HEAD that are missing in the work tree. Files that a sparse checkout leaves out on purpose do not count as
/// missing for git.
pub(crate) fn gone(ctx: &Ctx) -> Result<Vec<Finding>> {
    // If git fails, that is reported elsewhere.
    let repo = ctx.repo().ok().flatten().filter(|repo| repo.resolve("HEAD").is_ok());
    let Some(repo) = repo else { return Ok(Vec::new()) };
    let dir = format!("{}/", ctx.project.relative(&ctx.project.changes_dir()));
    let below = repo.full(&dir);
    // Git would look at every file. As long as no name is missing, the names are enough.
    let here = Record::names(&ctx.project)?;
    let is_here = |path: &[u8]| {
        let name = path.strip_prefix(below.as_slice()).and_then(|name| std::str::from_utf8(name).ok());
        let is_here = |name: &str| here.binary_search_by(|it| it.as_str().cmp(name)).is_ok();
        name.is_none_or(|name| is_here(name) || store::record::id_of(name).is_none())
    };
    if repo.tree_entries("HEAD", &[&below])?.iter().all(|entry| is_here(&entry.path)) {
        return Ok(Vec::new());
    }
    let args = ["diff-index", "--name-only", "--no-renames", "--diff-filter=D", "-z", "HEAD", "--"];
    let gone = repo.git().args(args).arg(repo.full_path(&dir)).ok()?;
    let finding = |path: &[u8]| {
        let path = String::from_utf8_lossy(path.strip_prefix(repo.prefix())?).into_owned();
        let id = path.strip_prefix(&dir)?.strip_suffix(".json")?.parse().ok()?;
        Some(Finding::fail(FindingKind::RecordMissing).of_change(&id).at(path))
    };
    Ok(gone.split(|byte| *byte == 0).filter_map(finding).collect())
}

/// How many commits to search for one that removed or shortened a record.
const LOOK_BACK: &str = "20";

/// Missing records that one of the last commits removed, for example by reverting the commit that added them.
pub(crate) fn removed(ctx: &Ctx) -> Result<Vec<Finding>> {
    let Some(repo) = ctx.repo()?.filter(|repo| repo.resolve("HEAD").is_ok()) else { return Ok(Vec::new()) };
    let args = ["log", "-n", LOOK_BACK, "--no-renames", "--diff-filter=D", "--name-only", "--format=:%H", "HEAD"];
    let listed = repo.git().args(args).long().text()?;
    let dir =
        format!("{}{}/", String::from_utf8_lossy(repo.prefix()), ctx.project.relative(&ctx.project.changes_dir()));
    let (mut found, mut commit) = (Vec::new(), "");
    for line in listed.lines() {
        let id = line.strip_prefix(&dir).and_then(|name| name.strip_suffix(".json")?.parse::<ChangeId>().ok());
        if let Some(made) = line.strip_prefix(':') {
            commit = made;
        } else if let Some(id) = id {
            let path = ctx.project.record_path(&id);
            let before = CommitName { id: repo.resolve(&format!("{commit}~1"))?, subject: String::new() };
            let what = Finding { commit: Some(before), ..Finding::fail(FindingKind::RecordRemoved) };
            let path = (!path.exists()).then(|| ctx.project.relative(&path));
            found.extend(path.map(|path| what.of_change(&id).at(path)));
        }
    }
    Ok(found)
}

/// A finding if HEAD names a change without a record here: it was not committed where it was made.
pub(crate) fn unknown_at_head(ctx: &Ctx) -> Result<Option<Finding>> {
    let Some(repo) = ctx.repo()?.filter(|repo| repo.resolve("HEAD").is_ok()) else { return Ok(None) };
    let trailer = format!("%(trailers:key={},valueonly,separator=%x00)", ctx.fix_context().trailer);
    let said = repo.git().args(["log", "-1", &format!("--format=%H%x00%s%x00{trailer}"), "HEAD"]).line()?;
    let mut fields = said.split('\0');
    let (Some(hash), Some(subject)) = (fields.next(), fields.next()) else { return Ok(None) };
    let unknown = |id: &ChangeId| !ctx.project.record_path(id).exists();
    let Some(id) = fields.filter_map(|value| value.parse().ok()).find(unknown) else { return Ok(None) };
    let commit = CommitName { id: hash.to_owned(), subject: subject.to_owned() };
    let found = Finding::fail(FindingKind::UnknownId { id: id.clone() }).of_change(&id);
    Ok(Some(Finding { commit: Some(commit), ..found }))
}

/// What helps where a record is missing: what is applied still may bring it, and a stash or another branch may have it.
pub(crate) fn lost_fixes(ctx: &Ctx, lost: &Finding) -> Vec<Fix> {
    let FindingKind::UnknownId { id } = &lost.what else { return lost.fixes(&ctx.fix_context()) };
    let status = Fix::then("", fix::on(id, "status"));
    match (ctx.repo().ok().flatten().and_then(Repo::operation), choose::elsewhere(ctx, id)) {
        (Some(operation), _) => operation.end_first(status),
        (None, Some((place, go))) => vec![Fix::next(format!("its record is {place}"), go)],
        (None, None) => lost.fixes(&ctx.fix_context()),
    }
}

/// Refuses to continue a record that a revert shortened: committed days and decisions would be lost.
pub(crate) fn refuse_shortened(ctx: &Ctx, change: &Change) -> Result<()> {
    let Some(repo) = ctx.repo()?.filter(|repo| repo.resolve("HEAD").is_ok()) else { return Ok(()) };
    let path = ctx.project.relative(&ctx.project.record_path(change.id()));
    let full = repo.full(&path);
    let call =
        repo.git().args(["log", "-n", LOOK_BACK, "--format=%H", "HEAD", "--"]).arg(files::path_from_bytes(&full));
    let mut batch = repo.batch()?;
    for commit in call.long().text()?.lines() {
        let Some(bytes) = batch.read_path(commit, &full, commit_contents::RECORD_LIMIT)? else { continue };
        let record = Record::parse(&bytes, Path::new(&path)).ok().and_then(Record::into_change);
        if record.is_some_and(|it| it.events.len() > change.events.len() && it.events.starts_with(&change.events)) {
            let of_change = format!("{}/{}_*", ctx.project.relative(&ctx.project.evidence_dir()), change.id());
            let restore = CommandLine::git("checkout").words([short(commit).as_str(), "--", &path, &of_change]);
            let message =
                format!("commit {} has a longer record of this change, which a later one took back", short(commit));
            return Err(failed(message).fixed_by([
                Fix::next("restore it with its evidence, and have its pages written again", restore),
                Fix::then("", CommandLine::tool("doctor --apply")),
            ]));
        }
    }
    Ok(())
}

pub(crate) fn lost(ctx: &Ctx) -> Result<Vec<Finding>> {
    lost_of(ctx, &records(ctx)?)
}

fn lost_of(ctx: &Ctx, records: &[RecordFacts]) -> Result<Vec<Finding>> {
    let mut lost: Vec<Finding> = records.iter().filter_map(RecordFacts::unreadable).collect();
    lost.extend(all_misnamed(ctx)?);
    lost.extend(gone(ctx)?);
    Ok(lost)
}

pub(crate) fn lost_problems(ctx: &Ctx) -> Result<Vec<Problem>> {
    let fixes = ctx.fix_context();
    let problem = |lost: Finding| Problem { message: lost.named(), ..lost.problem(&fixes) };
    Ok(damaged(ctx)?.into_iter().map(problem).collect())
}

/// Unreadable or missing records, and evidence of open changes that differs from what was recorded.
pub(crate) fn damaged(ctx: &Ctx) -> Result<Vec<Finding>> {
    let records = records(ctx)?;
    let mut found = lost_of(ctx, &records)?;
    for record in records.iter().filter(|record| record.change().is_some_and(Change::is_open)) {
        found.extend(record::files(record, &mut |artifact| find(ctx, artifact))?.0);
    }
    Ok(found)
}

fn find(ctx: &Ctx, artifact: &Artifact) -> Result<EvidenceBytes, StoreError> {
    let found = match evidence::verify(&ctx.project, artifact)? {
        Integrity::Intact(bytes) => return Ok(Ok(bytes)),
        Integrity::Altered { found } => Some(found),
        Integrity::Superseded { .. } => {
            evidence::present(&ctx.project, &artifact.path)?.map(|bytes| Digest::of_bytes(&bytes))
        }
        Integrity::Missing => None,
    };
    Ok(Err(FindingKind::lost(artifact, found, of_change::commit_with(ctx, artifact))))
}

const NAMES: [&str; 5] =
    [".gitattributes", "chg-1_before_snapshot.json", "chg-1_compare.json", "chg-1_compare.md", "chg-1_compare.svg"];

/// The problem that git ignores files of the tool, with the lines that un-ignore them, by `.gitignore` file.
pub(crate) fn state_ignored(ctx: &Ctx) -> Result<Option<(Problem, BTreeMap<String, String>)>> {
    // If git fails, that is reported elsewhere.
    let Ok(Some(repo)) = ctx.repo() else { return Ok(None) };
    let (state, evidence) = (ctx.project.relative(&ctx.project.state_dir()), project::EVIDENCE_DIR);
    let record = format!("{state}/changes/chg-1.json");
    let reports = NAMES.map(|name| format!("{evidence}/{name}"));
    let logbook = ctx.project.relative(&ctx.project.logbook_path());
    // Git cannot un-ignore a file in an ignored directory.
    let beside = "reports/chg-1.json";
    let asked = [record.as_str(), logbook.as_str(), beside].into_iter().chain(reports.iter().map(String::as_str));
    let ignored = repo.ignored(&asked.collect::<Vec<_>>())?;
    let is_ignored = |path: &str| ignored.contains(&path);
    let (mut lines, mut hidden) = (Vec::new(), Vec::new());
    if is_ignored(&record) {
        hidden.push(state.as_str());
        lines.extend(kept_in(repo, &record, &state)?);
    }
    if let Some(report) = reports.iter().find(|path| is_ignored(path)) {
        hidden.push(evidence);
        let own = kept_in(repo, report, evidence)?;
        let in_root = own.iter().all(|(file, _)| file == ".gitignore") && is_ignored(beside);
        let above = in_root.then_some(["!/reports/", "/reports/*"]).into_iter().flatten();
        lines.extend(above.map(|line| (".gitignore".to_owned(), line.to_owned())));
        lines.extend(own);
    }
    if is_ignored(&logbook) {
        hidden.push(&logbook);
        lines.push((".gitignore".to_owned(), format!("!/{logbook}")));
    }
    if hidden.is_empty() {
        return Ok(None);
    }
    let message = format!("git ignores {}, so the records are missing in every clone", joined(&hidden));
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, line) in lines {
        files.entry(file).or_default().push(line);
    }
    let files: BTreeMap<String, String> = files.into_iter().map(|(file, lines)| (file, lines.join("\n"))).collect();
    let mut fixes = vec![Fix::next("un-ignore it", CommandLine::tool("doctor --apply"))];
    let edit = |file: &str, text: &str| Fix::edit(How::Or, "add the lines yourself", file, "the last line", text);
    fixes.extend(files.iter().map(|(file, text)| edit(file, text)));
    Ok(Some((Problem::warn("STATE_IGNORED", message, fixes), files)))
}

pub(crate) fn tell_hidden(ctx: &Ctx) -> Result<()> {
    if let Some((found, _)) = state_ignored(ctx)? {
        ctx.ui.warn(&found.message);
        ctx.advise(&found.fixes);
    }
    Ok(())
}

pub(crate) fn keep_hidden(ctx: &Ctx) -> Result<()> {
    for (file, text) in state_ignored(ctx)?.map(|(_, files)| files).unwrap_or_default() {
        guard::append(&ctx.project, &ctx.project.root().join(file), &text)?;
    }
    Ok(())
}

/// The lines that un-ignore a directory of the tool in which git ignores `path`, and the file for each: the
/// `.gitignore` that ignores it, if that is below the root and so takes precedence over the root's.
fn kept_in(repo: &Repo, path: &str, dir: &str) -> Result<Vec<(String, String)>> {
    let source = repo.ignored_by(path)?.filter(|source| source.ends_with("/.gitignore"));
    let place = source.as_deref().and_then(|source| source.strip_suffix(".gitignore")).unwrap_or_default();
    let below = format!("{dir}/");
    let (file, lines) = match below.strip_prefix(place) {
        Some("") => (format!("{place}.gitignore"), vec!["!*".to_owned()]),
        Some(below) => (format!("{place}.gitignore"), vec![format!("!/{below}"), format!("!/{below}**")]),
        None => (".gitignore".to_owned(), vec![format!("!/{dir}/"), format!("!/{dir}/**")]),
    };
    Ok(lines.into_iter().map(|line| (file.clone(), line)).collect())
}

fn ignored(ctx: &Ctx, records: &[RecordFacts]) -> Result<Vec<Finding>> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let mut owners: BTreeMap<&str, &ChangeId> = BTreeMap::new();
    for record in records {
        let artifacts = record.change().into_iter().flat_map(Change::artifacts);
        let paths = artifacts.map(|artifact| artifact.path.as_str()).chain([record.path.as_str()]);
        owners.extend(paths.map(|path| (path, &record.id)));
    }
    let ignored = repo.ignored(&owners.keys().copied().collect::<Vec<_>>())?;
    let finding = |path| Some(Finding::warn(FindingKind::EvidenceIgnored).of_change(owners.get(path)?).at(path));
    Ok(ignored.into_iter().filter_map(finding).collect())
}

/// Measurements of a change that no event names: of a killed run, or from before its record was restored.
fn unrecorded_measurements(ctx: &Ctx, record: &RecordFacts, evidence: &[String]) -> Result<Vec<Finding>> {
    let Some(change) = record.change() else { return Ok(Vec::new()) };
    let artifacts = || change.events.iter().flat_map(|event| event.what.artifacts());
    let recorded: BTreeSet<&str> = artifacts().map(|artifact| artifact.sha256.as_str()).collect();
    let named: BTreeSet<&str> = artifacts().map(|artifact| artifact.path.as_str()).collect();
    let mut found = Vec::new();
    // The names are sorted, so those of one change are adjacent.
    let prefix = format!("{}_", record.id);
    let from = evidence.partition_point(|name| name.as_str() < prefix.as_str());
    let own = evidence[from..].iter().take_while(|name| name.starts_with(&prefix));
    let of_nobody = |name: &&String| {
        name.contains(project::SUPERSEDED) || name.ends_with(".json") && !named.contains(&*place(name))
    };
    for name in own.filter(of_nobody) {
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
