//! The project's files in commits, read from git's objects: config, records, evidence, and the code that records name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::audit::{EarlierRecord, EvidenceBytes, FindingKind, History, KeyChange, RecordFacts, RecordState, range};
use crate::commands::audit_range::stamps;
use crate::commands::{GitHistory, Range, demands};
use crate::config::{Config, file, yaml};
use crate::error::{Result, trouble};
use crate::git::{GitError, Repo, is_full_id};
use crate::measure::revision;
use crate::model::{Artifact, ChangeId, Digest, JsonError, Remade, Remake, short};
use crate::store::{Record, RecordError, atomic, evidence, project, record};
use crate::workflow::{Change, End};

pub(crate) const RECORD_LIMIT: u64 = 64 * 1024 * 1024;

type Moments = (DateTime<Utc>, DateTime<Utc>);

impl GitHistory<'_> {
    pub(crate) fn config(&self, commit: &str) -> Result<Option<Config>> {
        let Some((text, shown)) = self.config_text(commit)? else { return Ok(None) };
        Ok(Some(file::parse(&text, Path::new(&shown))?.0))
    }

    /// The config in a commit, or the last one before it if the config was removed and the records were not.
    pub(crate) fn last_config(&self, commit: &str) -> Result<Option<Config>> {
        let config = self.config(commit)?;
        if config.is_some() || self.record_entries(commit)?.is_empty() {
            return Ok(config);
        }
        let names = project::config_names().iter().map(|name| self.repo.full_path(name));
        let args = ["log", "-1", "--full-history", "--no-merges", "--diff-filter=D", "--format=%H", commit, "--"];
        let removed = self.repo.git().args(args).args(names).long().line()?;
        if removed.is_empty() {
            self.repo.needs_whole(None, commit)?;
            return Ok(None);
        }
        self.config(&format!("{removed}^"))
    }

    /// If the range introduces the first config, the range without the commits before its `enforcement.since`.
    pub(crate) fn begun(&self, range: &Range, head: Option<&Config>) -> Result<Range> {
        let before = range.base.as_deref().map(|base| self.last_config(base)).transpose()?.flatten();
        let since = head.filter(|_| before.is_none()).and_then(|config| config.enforcement.since.as_deref());
        let Some(named) = since else { return Ok(range.clone()) };
        if let Some((message, fixes)) = demands::unknown_since(self.repo, named)? {
            return Err(trouble(message).fixed_by(fixes));
        }
        let Some(since) = self.repo.commit_by_hash(named)? else { return Ok(range.clone()) };
        let is_later = range.base.as_ref().map_or(Ok(true), |base| self.repo.is_ancestor(base, &since))?;
        let base =
            if is_later && self.repo.is_ancestor(&since, &range.head)? { Some(since) } else { range.base.clone() };
        Ok(Range { base, ..range.clone() })
    }

    /// Whether a promoted change has commits and neither these nor others with its id are in the history of `head`.
    pub(crate) fn lacks(&self, head: &str, change: &Change) -> bool {
        let stands = change.promotion.is_some() && matches!(change.end, Some(End::Verified { .. }) | None);
        let commits = change.commits();
        let is_gone = stands && !commits.is_empty() && !commits.iter().any(|commit| self.reaches(head, commit));
        is_gone && History::earlier(self, change.id(), None).is_empty()
    }

    /// Whether a change has commits and reverting them would change nothing at `head`.
    pub(crate) fn is_taken_out(&self, head: &str, change: &Change) -> bool {
        let known = self.taken_back(head, &change.commits());
        !known.is_empty() && known.iter().all(Remade::is_same)
    }

    /// Whether all commits of a change are in the history of `head` and reverting them would change something there.
    pub(crate) fn is_in_effect(&self, head: &str, commits: &[String]) -> bool {
        let known = self.taken_back(head, commits);
        let are_here = || commits.iter().all(|commit| self.reaches(head, commit));
        !known.is_empty() && are_here() && known.iter().all(Remade::is_applied)
    }

    /// Whether a commit is `head`, or in its history.
    pub(crate) fn reaches(&self, head: &str, commit: &str) -> bool {
        self.known(head).as_deref() == Some(commit) || self.comes_before(commit, head) == Some(true)
    }

    fn taken_back(&self, head: &str, commits: &[String]) -> Vec<Remade> {
        let asked: Vec<Remake<'_>> = commits.iter().map(|of| Remake::Gone { head, of }).collect();
        self.remake(&asked).into_iter().flatten().collect()
    }

    pub(crate) fn config_value(&self, commit: &str) -> Result<Value> {
        let text = self.config_text(commit)?;
        Ok(text.and_then(|(text, _)| yaml::parse(&text).ok()).unwrap_or_default())
    }

    /// The keys of the config that differ between two commits; none without the first.
    pub(crate) fn config_changes(&self, from: Option<&str>, to: &str) -> Result<Vec<KeyChange>> {
        let Some(from) = from else { return Ok(Vec::new()) };
        Ok(demands::differences(&self.config_value(from)?, &self.config_value(to)?))
    }

    fn config_text(&self, commit: &str) -> Result<Option<(String, String)>> {
        let mut batch = self.repo.batch()?;
        let there = self.repo.as_of(commit)?;
        for name in project::config_names() {
            let Some(bytes) = batch.read_path(commit, &there.full(name), file::MAX_BYTES)? else { continue };
            let shown = format!("{}:{name}", &commit[..commit.len().min(12)]);
            let text = String::from_utf8(bytes).map_err(|_| trouble(format!("{shown} is not UTF-8")))?;
            return Ok(Some((text, shown)));
        }
        Ok(None)
    }

    pub(crate) fn records(&self, commit: &str) -> Result<BTreeMap<ChangeId, (RecordFacts, String)>> {
        let mut found = BTreeMap::new();
        let mut batch = self.repo.batch()?;
        for (id, path, object, is_file) in self.record_entries(commit)? {
            let kept = || kept(self.repo, &path, &id).ok()?;
            let state = match is_file.then(|| batch.read_object(&object, RECORD_LIMIT)).transpose()?.flatten() {
                Some(bytes) => state(Record::parse(&bytes, Path::new(&path)), &id, kept),
                None => unreadable(format!("{path} is not a file"), kept()),
            };
            found.entry(id.clone()).or_insert((RecordFacts { id, path, state }, object));
        }
        Ok(found)
    }

    /// The records in a commit, as far as the check of their growth needs them.
    pub(crate) fn earlier(&self, commit: &str) -> Result<BTreeMap<ChangeId, (EarlierRecord, String)>> {
        let mut found = BTreeMap::new();
        let mut batch = self.repo.batch()?;
        for (id, path, object, _) in self.record_entries(commit)? {
            let bytes = batch.read_object(&object, RECORD_LIMIT)?.unwrap_or_default();
            let events = stamps(&bytes).unwrap_or_default();
            found.entry(id).or_insert((EarlierRecord { events, path, committed: None }, object));
        }
        Ok(found)
    }

    /// Id, path from the project's root, object, and whether it is a plain file.
    fn record_entries(&self, commit: &str) -> Result<Vec<(ChangeId, String, String, bool)>> {
        let dirs = project::record_dirs();
        let there = self.repo.as_of(commit)?;
        let [ours, legacy] = dirs.each_ref().map(|dir| there.full(dir));
        let entries = self.repo.tree_entries(commit, &[&ours, &legacy])?;
        let mut found = Vec::new();
        for dir in dirs {
            for entry in &entries {
                let Some(path) = entry.path.strip_prefix(there.prefix()) else { continue };
                let path = String::from_utf8_lossy(path).into_owned();
                let Some(id) = path.strip_prefix(dir).and_then(record::id_of) else { continue };
                found.push((id, path, entry.object.clone(), entry.mode.starts_with("100")));
            }
        }
        Ok(found)
    }

    pub(crate) fn last_commit_of(&self, commit: &str, path: &str) -> Result<Option<Moments>> {
        let path = self.repo.as_of(commit)?.full_path(path);
        let line = self.repo.git().args(["log", "-1", "--format=%H %at %ct", commit, "--"]).arg(path).long().line()?;
        let (id, line) = line.split_once(' ').unwrap_or_default();
        if self.repo.cut_off()?.is_some_and(|cut| cut.contains(id)) {
            return Err(GitError::CutOff { at: short(id).to_owned() }.into());
        }
        let moment = |text: &str| text.parse().ok().map(range::moment);
        let moments = line.split_once(' ').and_then(|(written, made)| Some((moment(written)?, moment(made)?)));
        // A rebase changes only the committer's time.
        Ok(moments.map(|(written, made)| (written.min(made), made)))
    }

    pub(crate) fn file(&self, commit: &str, name: &str) -> Result<Option<Vec<u8>>, GitError> {
        let mut batch = self.repo.batch()?;
        let found = batch.read_path(commit, &self.repo.full(name), RECORD_LIMIT)?;
        let elsewhere = || batch.read_path(commit, &self.repo.as_of(commit)?.full(name), RECORD_LIMIT);
        found.map_or_else(elsewhere, |found| Ok(Some(found)))
    }

    pub(crate) fn made(&self, commit: &str) -> Result<DateTime<Utc>> {
        let (_, text) = self.repo.batch()?.commit(commit)?.unwrap_or_default();
        // Real histories contain broken dates, which do not count.
        let committer = text.lines().find(|line| line.starts_with("committer ")).unwrap_or_default();
        let seconds = committer.rsplit("> ").next().and_then(|when| when.split(' ').next()?.parse().ok());
        Ok(range::moment(seconds.unwrap_or(0)))
    }

    /// An evidence file in a commit. A file that is only in the work tree is reported as such, since the advice differs.
    pub(crate) fn artifact(&self, commit: &str, wanted: &Artifact) -> Result<EvidenceBytes> {
        let path = self.repo.full(&wanted.path);
        let is_wanted = |bytes: &Vec<u8>| wanted.holds(bytes);
        let found = match self.repo.batch()?.read_path(commit, &path, evidence::LIMIT)? {
            Some(bytes) if is_wanted(&bytes) => return Ok(Ok(bytes)),
            Some(bytes) => Some(Digest::of_bytes(&bytes)),
            None => None,
        };
        let here = || atomic::read(&revision::on_disk(self.repo, &path), evidence::LIMIT).ok().flatten();
        if found.is_none() && here().is_some_and(|bytes| is_wanted(&bytes)) {
            return Ok(Err(FindingKind::ArtifactMissing { uncommitted: true, kept_in: None }));
        }
        let kept_in = self.repo.commit_with(&path, evidence::LIMIT, &is_wanted)?;
        Ok(Err(FindingKind::lost(wanted, found, kept_in)))
    }
}

/// `kept` finds a commit that has a readable version of the record.
pub(crate) fn state(
    read: Result<Record, RecordError>,
    id: &ChangeId,
    kept: impl FnOnce() -> Option<String>,
) -> RecordState {
    match read {
        Ok(record) if record.id() != id => {
            unreadable(format!("the file of {id} holds the record of {}", record.id()), kept())
        }
        Ok(Record::Tracked(change)) => RecordState::Tracked(change),
        Ok(Record::Legacy(_)) => RecordState::Legacy,
        Err(error) if matches!(error, RecordError::Json { source: JsonError::Conflict { .. }, .. }) => {
            RecordState::Unreadable { problem: error.to_string(), conflicted: true, kept_in: None }
        }
        Err(error) => unreadable(error.to_string(), kept()),
    }
}

fn unreadable(problem: String, kept_in: Option<String>) -> RecordState {
    RecordState::Unreadable { problem, conflicted: false, kept_in }
}

pub(crate) fn kept(repo: &Repo, path: &str, id: &ChangeId) -> Result<Option<String>, GitError> {
    let is_whole = |bytes: &Vec<u8>| Record::parse(bytes, Path::new(path)).is_ok_and(|record| record.id() == id);
    repo.commit_with(&repo.full(path), RECORD_LIMIT, &is_whole)
}

/// The committer's times of the commits that are known here.
pub(crate) fn made(repo: &Repo, commits: &BTreeSet<String>) -> Result<BTreeMap<String, DateTime<Utc>>> {
    let (_reader, history) = (repo.batch()?, GitHistory::new(repo, ""));
    let is_known = |id: &&String| is_full_id(&id.to_ascii_lowercase()) && history.known(id).is_some();
    commits.iter().filter(is_known).map(|id| Ok((id.clone(), history.made(id)?))).collect()
}
