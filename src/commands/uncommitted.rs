//! Differences between the work tree and what was recorded or committed: uncommitted evidence and work, files that
//! later commits changed again, and own files that the work tree lacks, which must not be replaced by new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::commands::{Ctx, GitHistory, delta, evidence};
use crate::config::Config;
use crate::error::{Result, failed, trouble};
use crate::git::call::records;
use crate::git::{DiffTarget, FileChange, GitError, Operation, Repo};
use crate::judge::compare;
use crate::measure::revision;
use crate::model::uncommitted::OWN;
use crate::model::{ChangeId, CommandLine, Fix, How, PROGRAM, Revision, Uncommitted, WorkTree, fix, joined};
use crate::os::files;
use crate::store::Record;
use crate::workflow::Change;
use crate::workflow::demand_fixes::{restore, take_out};

const COMMIT: &str = "commit the evidence";

/// The commands to restore and commit the evidence of a compared or ended change; none if git fails.
pub(crate) fn steps(ctx: &Ctx, change: &Change) -> Vec<Fix> {
    // Conflicts are reported before anything else.
    if (change.comparison.is_none() && change.is_open()) || !merging(ctx, None).is_empty() {
        return Vec::new();
    }
    let Ok(Some(repo)) = ctx.repo() else { return Vec::new() };
    let record = ctx.project.relative(&ctx.project.record_path(change.id()));
    let evidence = change.artifacts().into_iter().map(|artifact| artifact.path.as_str()).chain([record.as_str()]);
    let evidence: Vec<_> = evidence.map(|path| repo.full_path(path)).collect();
    if !repo.is_any_uncommitted(&evidence).unwrap_or(false) {
        return Vec::new();
    }
    let (faults, fixes) = (evidence::faults(ctx, change).unwrap_or_default(), ctx.fix_context());
    if !faults.is_empty() {
        ctx.ui.warn(&format!("evidence is not what was recorded: {}", joined(&faults)));
    }
    let restored = restore(&faults, change, &fixes, None);
    let commit = CommandLine::git("commit -m").word(format!("Evidence of {}", change.id()));
    let commit = Fix::then(COMMIT, stage(ctx).and(commit.word("--").words(fixes.own)));
    match repo.operation() {
        _ if !restored.is_empty() => restored,
        None | Some(Operation::Bisect) => vec![commit],
        Some(Operation::Merge) => vec![Fix::then(COMMIT, stage(ctx).and(Operation::Merge.go_on()))],
        // Who goes on commits what is staged, in the name and with the message of the commit that is applied.
        Some(operation) => operation.end_first(commit),
    }
}

/// Like `steps`, for several changes: one commit holds the evidence of all.
pub(crate) fn steps_of<'c>(ctx: &Ctx, changes: impl Iterator<Item = &'c Change>) -> Vec<Fix> {
    let mut found: Vec<Fix> = Vec::new();
    for step in changes.flat_map(|change| steps(ctx, change)) {
        if step.purpose != COMMIT || found.iter().all(|it| it.purpose != COMMIT) {
            found.push(step);
        }
    }
    found
}

/// The commands that finish an operation in which the tool's own files are in conflict.
pub(crate) fn merging(ctx: &Ctx, change: Option<&Change>) -> Vec<Fix> {
    let Ok(Some(repo)) = ctx.repo() else { return Vec::new() };
    let joins = |it: &Operation| *it != Operation::Bisect;
    let operation = repo.operation().filter(joins);
    if operation.is_none() && !repo.is_squashing() {
        return Vec::new();
    }
    if repo.own_in_conflict().is_ok_and(|(here, _)| here.is_empty()) {
        return Vec::new();
    }
    if operation == Some(Operation::Revert) {
        let purpose = "a revert is in progress that takes the record back, too: give it up";
        let reject = |it: &Change| fix::with_reason(it.id(), "reject");
        let end = |it: &Change| if it.promotion.is_some() { take_out(it, None) } else { reject(it) };
        let out = change.map(|it| Fix::then("take the change out, and keep its record", end(it)));
        return std::iter::once(Fix::next(purpose, Operation::Revert.abort())).chain(out).collect();
    }
    let name = operation.map_or("squash", Operation::name);
    let purpose = format!("a {name} is in progress: put the records of both sides together");
    // Whatever stops the first of them stops them all.
    let go_on = ctx.go_on(repo);
    let join = CommandLine::tool("change relink");
    let all = Fix::next(purpose, go_on.iter().filter_map(Fix::command).cloned().fold(join, CommandLine::and));
    std::iter::once(all).chain(go_on.into_iter().filter(|step| step.command().is_none())).collect()
}

/// The changes whose records here have more events than in any commit, each with its commits.
pub(crate) fn unsaved(ctx: &Ctx) -> Vec<(ChangeId, Vec<String>)> {
    // Damaged records are reported elsewhere.
    let changes = Record::read_all(&ctx.project, |record| record.ok().and_then(Record::into_change));
    let (Ok(Some(repo)), Ok(mut newest)) = (ctx.repo(), changes) else { return Vec::new() };
    let is_unsaved = |change: &Change| {
        let path = ctx.project.relative(&ctx.project.record_path(change.id()));
        repo.is_any_uncommitted(&[repo.full_path(&path)]).ok()
    };
    newest.sort_by_key(|change| std::cmp::Reverse(change.latest_at));
    newest.truncate(SHOWN);
    newest.retain(|change| is_unsaved(change).unwrap_or(false));
    newest.into_iter().map(|change| (change.id().clone(), change.commits())).collect()
}

pub(crate) fn stage(ctx: &Ctx) -> CommandLine {
    let root = ctx.project.root();
    let add = CommandLine::git("add").words(ctx.fix_context().own);
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    if here == root.canonicalize().ok() { add } else { CommandLine::new("cd").word(root.to_string_lossy()).and(add) }
}

pub(crate) fn paths(ctx: &Ctx) -> Uncommitted {
    paths_in(ctx, &WorkTree::default())
}

/// The same for a work tree that was examined already: git is not asked again if it was clean.
pub(crate) fn paths_in(ctx: &Ctx, seen: &WorkTree) -> Uncommitted {
    let Ok(Some(repo)) = ctx.repo() else { return Uncommitted::default() };
    let paths = if *seen == WorkTree::Clean { Vec::new() } else { revision::uncommitted(repo).unwrap_or_default() };
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let prefix = text(repo.prefix());
    let index = repo.index().ok();
    let entries = || index.iter().flat_map(|index| index.entries.iter());
    let mut tracked: BTreeSet<String> = entries().map(|entry| text(&entry.path)).collect();
    // The own files will be tracked, so no directory that holds them may be ignored.
    tracked.extend(OWN.map(|own| format!("{prefix}{own}")));
    let unseen: Vec<String> = index.iter().flat_map(|index| index.hidden().map(|it| text(&it.path))).collect();
    let paths: Vec<String> = paths.iter().map(|path| text(path)).collect();
    let submodules = entries().filter(|it| it.mode == "160000" && paths.contains(&text(&it.path)));
    let added = || repo.git().args(["diff", "--name-only", "--no-renames", "-z", "--diff-filter=A"]).long().ok();
    let added = if paths.is_empty() { Vec::new() } else { added().unwrap_or_default() };
    let (known, outside): (Vec<&String>, Vec<&String>) = paths.iter().partition(|path| tracked.contains(*path));
    let (untracked, gone): (Vec<&String>, Vec<&String>) =
        outside.into_iter().partition(|path| repo.root().join(path).symlink_metadata().is_ok());
    let environments: BTreeSet<&str> = untracked.iter().filter_map(|path| path.strip_suffix("/pyvenv.cfg")).collect();
    let sources = ctx.config().map(|config| config.sources()).unwrap_or_default();
    let is_no_work = |path: &&&String| {
        let below = path.strip_prefix(&prefix).unwrap_or(path);
        let named = sources.iter().any(|source| source.path.strip_prefix("./").unwrap_or(&source.path) == below);
        let pattern = ignore_pattern(path, &tracked);
        let dir = pattern.strip_prefix('/').and_then(|dir| dir.strip_suffix('/'));
        let is_output = |dir: &str| is_built(dir) || environments.contains(dir);
        let compiled = || is_compiled(&repo.root().join(path));
        named
            || is_local(path)
            || compiled()
            || dir.is_some_and(is_output)
            || path.split('/').any(|part| CACHES.contains(&part))
    };
    let patterns = |paths: &mut dyn Iterator<Item = &&String>| -> Vec<String> {
        paths.map(|path| ignore_pattern(path, &tracked)).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (ignores, built) = (patterns(&mut untracked.iter()), patterns(&mut untracked.iter().filter(is_no_work)));
    let hook = repo.hooks_dir().ok().and_then(|dir| std::fs::read_to_string(dir.join("commit-msg")).ok());
    Uncommitted {
        prefix,
        ignores,
        built,
        exclude: repo.common_dir().join("info/exclude").to_string_lossy().into_owned(),
        tracked: known.into_iter().cloned().collect(),
        gone: gone.into_iter().cloned().collect(),
        hidden: paths.iter().filter(|path| unseen.contains(path)).cloned().collect(),
        intended: records(&added).map(text).collect(),
        submodules: submodules.map(|entry| text(&entry.path)).collect(),
        paths,
        operation: repo.operation(),
        stashed: repo.common_dir().join("logs/refs/stash").exists(),
        hooked: hook.is_some_and(|text| text.contains(PROGRAM)),
        ..Uncommitted::default()
    }
}

/// The most bytes that are read to see whether a file is empty; a larger file is not.
const WHOLE: u64 = 4096;

pub(crate) const LEFT: &str = "the commands wrote files that git does not ignore";

const SHOWN: usize = 5;

const CACHES: [&str; 8] =
    ["__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules", ".venv", ".idea", ".vscode"];

/// Directories of build output, if git tracks nothing in them.
const OUTPUT: [&str; 7] = ["build", "coverage", "dist", "htmlcov", "target", ".cache", ".next"];

pub(crate) fn is_built(dir: &str) -> bool {
    dir.rsplit('/').next().is_some_and(|name| OUTPUT.contains(&name))
}

/// Whether a file certainly belongs to this machine or person, in any project: secrets, logs, files of editors and compilers.
fn is_local(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_pattern = ["example", "sample", "template", "dist", "defaults"].iter().any(|end| name.ends_with(end));
    let is_secret = (name == ".env" || name == ".envrc" || name.starts_with(".env.")) && !is_pattern;
    let of_kind = name.rsplit_once('.').is_some_and(|(_, end)| ["log", "o", "obj", "pyc", "swp", "tmp"].contains(&end));
    is_secret || of_kind || [".DS_Store", "Thumbs.db", "a.out"].contains(&name)
}

/// Whether a compiler or linker wrote the file, by its first bytes: ELF, Mach-O, Windows, an archive of objects, Java.
fn is_compiled(path: &Path) -> bool {
    const BEGIN: [&[u8]; 6] =
        [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"MZ\x90\x00", b"!<ar", b"\xca\xfe\xba\xbe", b"\x00asm"];
    let mut first = [0; 4];
    let is_file = path.symlink_metadata().is_ok_and(|it| it.is_file());
    is_file && File::open(path).is_ok_and(|mut file| file.read_exact(&mut first).is_ok()) && BEGIN.contains(&&first[..])
}

/// The highest directory of an untracked path without tracked files, or the path itself; for a cache, its directory.
fn ignore_pattern(path: &str, tracked: &BTreeSet<String>) -> String {
    if let Some(cache) = path.split('/').find(|part| CACHES.contains(part)) {
        return format!("{cache}/");
    }
    let holds_tracked = |dir: &str| tracked.range(dir.to_owned()..).next().is_some_and(|it| it.starts_with(dir));
    let mut dirs = path.match_indices('/').map(|(at, _)| &path[..=at]);
    format!("/{}", dirs.find(|dir| !holds_tracked(dir)).unwrap_or(path))
}

/// Checks that the code is the same after commands ran. Files that they wrote and git neither tracks nor ignores are reported
/// with the line that ignores them. `again` is to be repeated once changes to tracked files are part of the change.
pub(crate) fn check_unchanged(
    ctx: &Ctx,
    before: &Revision,
    now: &Revision,
    again: Option<CommandLine>,
) -> Result<Option<String>> {
    if now.commit == before.commit && now.same_code(before) {
        return Ok(None);
    }
    let files = paths(ctx);
    let same_commit = now.commit == before.commit && now.code == before.code;
    let tracked = &files.tracked;
    let ignore = files
        .ignore(&files.ignores)
        .map(|line| Fix::next("let git ignore them in this clone, before you commit", line));
    if same_commit && before.nothing_uncommitted() && tracked.is_empty() && !files.ignores.is_empty() {
        let text = format!("{LEFT}: {}", files.lines().join(", "));
        ctx.ui.warn(&text);
        ctx.advise(&ignore.into_iter().collect::<Vec<_>>());
        return Ok(Some(text));
    }
    let shown = match &tracked[..] {
        _ if now.commit != before.commit => "a commit was made".to_owned(),
        [] => files.lines().join(", "),
        tracked => joined(tracked.iter().take(5)),
    };
    let message =
        format!("the project's files changed while they were measured or checked ({shown}), so nothing was recorded");
    let error = failed(message);
    if now.commit != before.commit || !before.nothing_uncommitted() || tracked.is_empty() {
        let see = Fix::next("see what was written", CommandLine::git("diff"));
        let other = Fix::decide(How::Then, "make the command write elsewhere, or add its output to .gitignore");
        return Err(error.fixed_by([see, other]));
    }
    let files = || tracked.iter();
    let restore = CommandLine::git("checkout --").words(files());
    let keep = again.map(|again| {
        let amend = CommandLine::git("add --").words(files()).and(CommandLine::git("commit --amend --no-edit"));
        Fix::next("if that is right, as a formatter's work is, make it part of the change", amend.and(again))
    });
    // The advice never untracks them: one of them may be source code or the lock file.
    let stop = "make the command write elsewhere, or only check (`--check`, `--locked`, `npm ci`)";
    let purpose = "bring back what it overwrote";
    let restore = if keep.is_some() { Fix::or(purpose, restore) } else { Fix::next(purpose, restore) };
    Err(error.fixed_by(keep.into_iter().chain([restore, Fix::decide(How::Then, stop)])))
}

/// Files of the change, except KPI output, that differ from its commit: a measurement would not be of the change.
pub(crate) fn of_change(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let (Some(repo), Some(validation)) = (ctx.repo()?, &change.validation) else { return Ok(Vec::new()) };
    let config = ctx.config()?;
    let mut found: Vec<String> = revision::uncommitted(repo)?.iter().map(|path| delta::below(repo, path)).collect();
    found.retain(|path| validation.delta.files.contains(path) && !is_output(config, path));
    Ok(found)
}

/// Files of the change, not KPI output, with nothing of it left: later commits restored, emptied or removed them.
pub(crate) fn taken_back(ctx: &Ctx, change: &Change) -> Result<Vec<String>> {
    let (Some(repo), Some(validation), commits) = (ctx.repo()?, &change.validation, change.commits()) else {
        return Ok(Vec::new());
    };
    let (Some(first), Some(last), Some(head)) = (commits.first(), commits.last(), delta::head_with(repo, &commits)?)
    else {
        return Ok(Vec::new());
    };
    let (Ok(parent), false) = (repo.resolve(&format!("{first}^")), head == *last) else { return Ok(Vec::new()) };
    let differing = |from: &str| -> std::result::Result<BTreeMap<String, FileChange>, GitError> {
        let files = repo.project_changes(from, &head)?;
        Ok(files.into_iter().map(|file| (delta::below(repo, &file.path), file)).collect())
    };
    let (from_before, from_after, config) = (differing(&parent)?, differing(last)?, ctx.config()?);
    let mut found = Vec::new();
    for file in validation.delta.files.iter().filter(|file| !is_output(config, file)) {
        let Some(since) = from_after.get(file) else { continue };
        let is_back = !from_before.contains_key(file)
            || is_same_text(repo, (&parent, &head), since)?
            || is_gone(repo, (&parent, last, &head), since)?;
        if is_back {
            found.push(file.clone());
        }
    }
    Ok(found)
}

/// Whether a file differs between two commits only in white space at the ends of lines.
fn is_same_text(repo: &Repo, (from, to): (&str, &str), file: &FileChange) -> Result<bool, GitError> {
    let args = ["diff", "--no-ext-diff", "--no-textconv", "--ignore-space-at-eol", from, to, "--"];
    let call = repo.git().args(args).arg(files::path_from_bytes(&file.path)).long();
    Ok(call.ok()?.is_empty())
}

/// Whether a file that the change altered is empty, gone or of another type at `head`, with its new lines nowhere.
fn is_gone(repo: &Repo, (parent, last, head): (&str, &str, &str), since: &FileChange) -> Result<bool, GitError> {
    if since.new_mode.get(..3) == since.old_mode.get(..3) {
        let is_empty = match repo.batch()?.read_object(&since.new_object, WHOLE) {
            Ok(bytes) => bytes.is_some_and(|bytes| bytes.trim_ascii().is_empty()),
            Err(GitError::TooMuch { .. }) => false,
            Err(error) => return Err(error),
        };
        if !is_empty {
            return Ok(false);
        }
    }
    let args = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--unified=0", parent, last, "--"];
    let diff = repo.git().args(args).arg(files::path_from_bytes(&since.path)).long().ok()?;
    let body = diff.split(|byte| *byte == b'\n').skip_while(|line| !line.starts_with(b"@@"));
    let written = body.filter_map(|line| line.strip_prefix(b"+")).map(<[u8]>::trim_ascii);
    let written: Vec<&[u8]> = written.filter(|line| !line.is_empty()).collect();
    if written.is_empty() {
        return Ok(false);
    }
    let args = ["grep", "--files-with-matches", "--fixed-strings", "--word-regexp", "-z", "--text", "-f", "-", head];
    let found = repo.git().args(args).input(written.join(&b'\n')).long().answer()?.unwrap_or_default();
    let named = [head.as_bytes(), b":"].concat();
    let mut paths = found.split(|byte| *byte == 0).filter_map(|path| path.strip_prefix(named.as_slice()));
    Ok(!paths.any(|path| !repo.is_own(path)))
}

pub(crate) fn differing(ctx: &Ctx, from: &Revision) -> Result<Vec<String>> {
    let (Some(repo), Some(commit)) = (ctx.repo()?, &from.commit) else { return Ok(Vec::new()) };
    let files = repo.changed_files(commit, DiffTarget::WorkTree, &repo.project())?;
    Ok(files.iter().map(|file| delta::below(repo, &file.path)).collect())
}

/// The config in force, and those of its keys the change rests on that differ from the committed config.
pub(crate) fn config(ctx: &Ctx, change: &Change) -> Result<Option<(String, Vec<String>)>> {
    let (Some(repo), Some(path)) = (ctx.repo()?, ctx.project.config_path()) else { return Ok(None) };
    let Some(head) = repo.head()?.at else { return Ok(None) };
    let Some(committed) = GitHistory::new(repo, "").config(&head.commit)? else { return Ok(None) };
    let mut what = compare::redefined(&committed.definitions(), &ctx.config()?.definitions());
    what.retain(|key| delta::concerns(change, key));
    Ok((!what.is_empty()).then(|| (ctx.project.relative(&path), what)))
}

pub(crate) fn is_output(config: &Config, path: &str) -> bool {
    config.results().any(|(_, file)| files::normal(Path::new(file)) == Path::new(path))
}

impl Ctx {
    pub(crate) fn refuse_sparse_checkout(&self) -> Result<()> {
        // A failure of git is reported where its answer is needed.
        let Ok(Some(repo)) = self.repo() else { return Ok(()) };
        let left_out = repo.left_out(&self.project.own_places())?;
        let Some(first) = left_out.first() else { return Ok(()) };
        let (root, file) = (repo.root(), first.display());
        let top = |path: &PathBuf| {
            let full = root.join(path);
            let dirs = [self.project.state_dir(), self.project.evidence_dir()];
            let top = dirs.into_iter().find(|dir| full.starts_with(dir)).unwrap_or(full);
            top.strip_prefix(root).unwrap_or(&top).to_string_lossy().replace('\\', "/")
        };
        let tops: BTreeSet<String> = left_out.iter().map(top).collect();
        Err(trouble(format!("{file} is tracked by git, and this sparse checkout leaves it out"))
            .fixed_by([Fix::next("check it out", CommandLine::git("sparse-checkout add").words(tops))]))
    }

    pub(crate) fn refuse_absent_config(&self) -> Result<()> {
        self.refuse_sparse_checkout()?;
        let Ok(Some(repo)) = self.repo() else { return Ok(()) };
        let places = self.project.config_places().map(|path| self.project.relative(&path));
        let tracked = repo.tracked(repo.prefix())?;
        let is_tracked = |place: &String| tracked.contains(&[repo.prefix(), place.as_bytes()].concat());
        let Some(place) = places.into_iter().find(is_tracked) else { return Ok(()) };
        let path = format!(":(top){}{place}", String::from_utf8_lossy(repo.prefix()));
        let restore = CommandLine::git("checkout --ignore-skip-worktree-bits --").words([path.as_str()]);
        Err(trouble(format!("{place} is tracked by git, and missing here"))
            .fixed_by([Fix::next("restore it", restore)]))
    }
}
