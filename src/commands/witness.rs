//! What git's objects say at the commits that an audit is about: commits, configs, records, evidence. The work
//! tree is looked at for what is advised alone. Must not judge.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::audit::record::Found;
use crate::audit::{CommitFacts, EarlierRecord, FileFact, RecordFacts, RecordState, commit};
use crate::commands::versions;
use crate::config::{Config, file};
use crate::error::CommandError;
use crate::git::{Batch, Commit, FileChange, GitError, Repo, Scope, Walk};
use crate::measure::revision;
use crate::model::artifact::superseded_name;
use crate::model::{Artifact, ChangeId, Digest};
use crate::os::files;
use crate::store::{OwnPaths, Record, RecordError, atomic, evidence, project};

/// The largest record that is read.
const RECORD_LIMIT: u64 = 64 * 1024 * 1024;
/// How many reverts of reverts are followed back.
const REVERTS: u32 = 8;

/// The full hash of a commit, and the change ids that it names or inherits.
type Origin = (String, Vec<String>);

/// A repository asked about one project in it.
pub(crate) struct Witness<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) own: OwnPaths,
    pub(crate) key: String,
    /// What lies before the range that is looked at, where there is one.
    pub(crate) base: Option<String>,
    /// What was looked up: old histories revert the same few commits, known here or not, many times.
    pub(crate) looked_up: RefCell<BTreeMap<String, Option<Origin>>>,
    /// The first failure of a question whose answer cannot hold an error; no audit passes with one.
    failed: RefCell<Option<GitError>>,
}

impl<'a> Witness<'a> {
    /// For the project that the repository was opened at; `key` is the trailer's.
    pub(crate) fn new(repo: &'a Repo, key: &str) -> Self {
        let own = OwnPaths::below(repo.prefix());
        Self { repo, own, key: key.to_owned(), base: None, looked_up: RefCell::default(), failed: RefCell::new(None) }
    }

    /// For a range that begins after this commit.
    pub(crate) fn after(self, base: Option<&str>) -> Self {
        Self { base: base.map(str::to_owned), ..self }
    }

    /// What went wrong while git was asked, if anything did.
    pub(crate) fn sound(&self) -> Result<(), CommandError> {
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Hands over every commit of a range, newest first.
    pub(crate) fn walk(
        &self,
        base: Option<&str>,
        head: &str,
        each: &mut dyn FnMut(CommitFacts),
    ) -> Result<(), CommandError> {
        self.repo.log_range(base, head, &Walk::range(&self.key), &mut |commit| {
            each(self.facts(commit));
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// A commit with its files named from the project's root; files outside the project are left out.
    pub(crate) fn facts(&self, commit: Commit) -> CommitFacts {
        let files = self.files(&commit.files);
        commit.with_files(files)
    }

    /// Changed files as an audit sees them.
    pub(crate) fn files(&self, files: &[FileChange]) -> Vec<FileFact> {
        let of = |file: &FileChange| {
            let path = file.path.strip_prefix(self.repo.prefix())?;
            Some(FileFact {
                path: String::from_utf8_lossy(path).into_owned(),
                own: file.is_regular() && self.own.is_own(&file.path),
                before: format!("{} {}", file.old_mode, file.old_object),
                after: format!("{} {}", file.new_mode, file.new_object),
                new: !file.status.is_empty() && file.status.bytes().all(|letter| letter == b'A'),
            })
        };
        files.iter().filter_map(of).collect()
    }

    /// The config in a commit; `None` where it has none.
    pub(crate) fn config(&self, commit: &str) -> Result<Option<Config>, CommandError> {
        let mut names: Vec<String> = project::ROOT_CONFIGS.map(str::to_owned).to_vec();
        for dir in [project::STATE_DIR, project::LEGACY_STATE_DIR] {
            names.extend(project::STATE_CONFIGS.map(|name| format!("{dir}/{name}")));
        }
        let mut batch = self.repo.batch()?;
        for name in names {
            let Some(bytes) = batch.read_path(commit, &self.path(&name), file::MAX_BYTES)? else { continue };
            let shown = format!("{}:{name}", &commit[..commit.len().min(12)]);
            let text = String::from_utf8(bytes).map_err(|_| CommandError::trouble(format!("{shown} is not UTF-8")))?;
            return Ok(Some(file::parse(&text, Path::new(&shown))?.0));
        }
        Ok(None)
    }

    /// A path of the project as git's trees have it.
    fn path(&self, path: &str) -> Vec<u8> {
        [self.repo.prefix(), path.as_bytes()].concat()
    }

    /// Every record in a commit, with the object that holds it.
    pub(crate) fn records(&self, commit: &str) -> Result<BTreeMap<ChangeId, (RecordFacts, String)>, CommandError> {
        let mut found = BTreeMap::new();
        let mut batch = self.repo.batch()?;
        for entry in self.record_entries(commit)? {
            let (id, path, object, is_file) = entry;
            let state = match is_file.then(|| batch.read_object(&object, RECORD_LIMIT)).transpose()?.flatten() {
                Some(bytes) => state(Record::parse(&bytes, Path::new(&path)), &id),
                None => RecordState::Unreadable(format!("{path} is no file")),
            };
            found.entry(id.clone()).or_insert((RecordFacts { id, path, state }, object));
        }
        Ok(found)
    }

    /// Id, path from the project's root, object, and whether it is a plain file.
    fn record_entries(&self, commit: &str) -> Result<Vec<(ChangeId, String, String, bool)>, CommandError> {
        let mut found = Vec::new();
        let dirs = [project::STATE_DIR, project::LEGACY_STATE_DIR].map(|dir| format!("{dir}/changes/"));
        let [ours, of_the_original] = dirs.each_ref().map(|dir| self.path(dir));
        let entries = self.repo.tree_entries(commit, &[&ours, &of_the_original])?;
        for dir in &dirs {
            for entry in &entries {
                let Some(path) = entry.path.strip_prefix(self.repo.prefix()) else { continue };
                let path = String::from_utf8_lossy(path).into_owned();
                let stem = path.strip_prefix(dir).and_then(|name| name.strip_suffix(".json"));
                let Some(id) = stem.and_then(|stem| stem.parse::<ChangeId>().ok()) else { continue };
                found.push((id, path, entry.object.clone(), entry.mode.starts_with("100")));
            }
        }
        Ok(found)
    }

    /// The records in a commit as far as growth is held against them.
    pub(crate) fn earlier(&self, commit: &str) -> Result<BTreeMap<ChangeId, (EarlierRecord, String)>, CommandError> {
        let mut found = BTreeMap::new();
        let mut batch = self.repo.batch()?;
        for (id, path, object, _) in self.record_entries(commit)? {
            let bytes = batch.read_object(&object, RECORD_LIMIT)?.unwrap_or_default();
            let digests = versions::stamps(&bytes).unwrap_or_default().into_iter().map(|stamp| stamp.digest).collect();
            let record = EarlierRecord { digests, path, committed: None };
            found.entry(id).or_insert((record, object));
        }
        Ok(found)
    }

    /// When a path was last committed before (or at) a commit, as that commit was first written: rebasing moves the
    /// moment of committing.
    pub(crate) fn written(&self, commit: &str, path: &str) -> Result<Option<DateTime<Utc>>, CommandError> {
        Ok(self.last(commit, path)?.into_iter().min())
    }

    /// When a path was last committed before (or at) a commit, as that commit is now.
    pub(crate) fn committed(&self, commit: &str, path: &str) -> Result<Option<DateTime<Utc>>, CommandError> {
        Ok(self.last(commit, path)?.into_iter().next_back())
    }

    /// When the last commit of a path was written and when it was made, in this order; nothing where there is none.
    fn last(&self, commit: &str, path: &str) -> Result<Vec<DateTime<Utc>>, CommandError> {
        let path = files::path_from_bytes(&self.path(path));
        let line = self.repo.git().args(["log", "-1", "--format=%at %ct", commit, "--"]).arg(path).long().line()?;
        let moment = |text: &str| DateTime::from_timestamp(text.parse().ok()?, 0);
        Ok(line.split_whitespace().filter_map(moment).collect())
    }

    /// When a commit was made.
    pub(crate) fn made(&self, commit: &str) -> Result<DateTime<Utc>, CommandError> {
        let line = self.repo.git().args(["show", "-s", "--format=%ct", commit]).line()?;
        let seconds = line.trim().parse().unwrap_or(0);
        Ok(DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// An evidence file as a commit holds it: under its own name, or, unless it is the newest of that, kept under a
    /// number when a newer one replaced it.
    pub(crate) fn artifact(
        &self,
        batch: &mut Batch,
        commit: &str,
        wanted: &Artifact,
        newest: bool,
    ) -> Result<Found, CommandError> {
        let mut found = Found::Missing;
        for number in 0.. {
            let path = if number == 0 { wanted.path.clone() } else { superseded_name(&wanted.path, number) };
            match batch.read_path(commit, &self.path(&path), evidence::LIMIT)? {
                Some(bytes) if Digest::of_bytes(&bytes) == wanted.sha256 => return Ok(Found::Intact(bytes)),
                Some(bytes) if number == 0 => found = Found::Altered(Digest::of_bytes(&bytes)),
                Some(_) => {}
                None if number == 0 => {}
                None => break,
            }
            if newest {
                break;
            }
        }
        Ok(found)
    }

    /// Whether an evidence file lies in the work tree as it was recorded: what is advised depends on it, no verdict.
    pub(crate) fn lies_here(&self, wanted: &Artifact) -> bool {
        let path = revision::on_disk(self.repo, &self.path(&wanted.path));
        matches!(atomic::read(&path, evidence::LIMIT), Ok(Some(bytes)) if Digest::of_bytes(&bytes) == wanted.sha256)
    }

    /// An answer of git; a failure is kept and answered with `otherwise`.
    pub(crate) fn ask<T>(&self, answer: Result<T, GitError>, otherwise: T) -> T {
        answer.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            otherwise
        })
    }

    pub(crate) fn in_scope<T>(&self, ask: impl FnOnce(&Scope<'_>) -> T) -> T {
        let is_own = |path: &[u8]| self.own.is_own(path);
        ask(&Scope { prefix: self.repo.prefix(), is_own: &is_own })
    }

    pub(crate) fn known(&self, commit: &str) -> Option<String> {
        self.repo.resolve(commit).ok()
    }

    pub(crate) fn origin(&self, hash: &str, depth: u32) -> Option<Origin> {
        let full = self.known(hash)?;
        let mut found = None;
        let walked = self.repo.log_range(None, &full, &Walk::all(&self.key), &mut |commit| {
            found = Some(commit);
            ControlFlow::Break(())
        });
        self.ask(walked, ());
        let commit = found?;
        let mut ids = commit.ids;
        if ids.is_empty() && depth < REVERTS {
            for hash in commit::reverted(&commit.message) {
                ids.extend(self.origin(&hash, depth + 1).map(|(_, ids)| ids).unwrap_or_default());
            }
        }
        Some((full, ids))
    }
}

/// What reading a record came to.
pub(crate) fn state(read: Result<Record, RecordError>, id: &ChangeId) -> RecordState {
    match read {
        Ok(record) if record.id() != id => {
            RecordState::Unreadable(format!("the file of {id} holds the record of {}", record.id()))
        }
        Ok(Record::Tracked(change)) => RecordState::Tracked(change),
        Ok(Record::Legacy(_)) => RecordState::Legacy,
        Err(error) => RecordState::Unreadable(error.to_string()),
    }
}
