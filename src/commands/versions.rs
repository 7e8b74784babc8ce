//! The versions of the records that the commits of a range hold, and when the commits were made that events name: what
//! git has to say of a record beside its present state. Must not judge.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::{CommitFacts, CommitName, Stamp, Version, range};
use crate::error::CommandError;
use crate::git::{Batch, Repo};
use crate::model::ChangeId;
use crate::store::project;

/// The largest record that is read, in bytes.
const RECORD_LIMIT: u64 = 64 * 1024 * 1024;

/// A commit that changed the file of a record.
#[derive(Debug, Clone)]
struct Touch {
    commit: CommitName,
    written: i64,
    made: i64,
    path: String,
}

/// The commits of a range that changed records, gathered while they come by.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    by_record: BTreeMap<ChangeId, Vec<Touch>>,
}

impl Touches {
    /// Takes the next commit, newest first.
    pub(crate) fn take(&mut self, commit: &CommitFacts) {
        for file in &commit.files {
            let Some(id) = id_of(&file.path) else { continue };
            let touch = Touch {
                commit: commit.name(),
                written: commit.author_time.min(commit.commit_time),
                made: commit.commit_time,
                path: file.path.clone(),
            };
            self.by_record.entry(id).or_default().push(touch);
        }
    }

    /// The changes whose records were touched.
    pub(crate) fn ids(&self) -> BTreeSet<ChangeId> {
        self.by_record.keys().cloned().collect()
    }

    /// The versions of a record, oldest first, and the path of the last one.
    pub(crate) fn versions(
        &self,
        batch: &mut Batch,
        prefix: &[u8],
        id: &ChangeId,
    ) -> Result<Vec<Version>, CommandError> {
        let touches = self.by_record.get(id).map(Vec::as_slice).unwrap_or_default();
        let of = |touch: &Touch| -> Result<Version, CommandError> {
            let path = [prefix, touch.path.as_bytes()].concat();
            let bytes = batch.read_path(&touch.commit.id, &path, RECORD_LIMIT)?;
            Ok(Version {
                commit: touch.commit.clone(),
                written: range::moment(touch.written),
                made: range::moment(touch.made),
                events: bytes.and_then(|bytes| stamps(&bytes)),
            })
        };
        touches.iter().rev().map(of).collect()
    }

    /// When the newest of the commits was made that changed a record; `None` where the range does not touch it.
    pub(crate) fn latest(&self, id: &ChangeId) -> Option<DateTime<Utc>> {
        self.by_record.get(id)?.iter().map(|touch| range::moment(touch.made)).max()
    }

    /// Where a record of the range lay.
    pub(crate) fn path(&self, id: &ChangeId) -> Option<&str> {
        self.by_record.get(id)?.first().map(|touch| touch.path.as_str())
    }
}

/// The change whose record a path is, from the project's root.
fn id_of(path: &str) -> Option<ChangeId> {
    let dirs = [project::STATE_DIR, project::LEGACY_STATE_DIR];
    let below = dirs.into_iter().find_map(|dir| path.strip_prefix(dir)?.strip_prefix("/changes/"))?;
    below.strip_suffix(".json")?.parse().ok()
}

/// The events in a record's bytes, without trusting the rest of it; `None` where there are none.
pub(crate) fn stamps(bytes: &[u8]) -> Option<Vec<Stamp>> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let stamp = |event: &serde_json::Value| Stamp {
        digest: event["digest"].as_str().unwrap_or_default().to_owned(),
        at: event["at"].as_str().and_then(|at| at.parse().ok()),
    };
    Some(value["events"].as_array()?.iter().map(stamp).collect())
}

/// When each of these commits was made, for those that are known here.
pub(crate) fn made(repo: &Repo, commits: &BTreeSet<String>) -> Result<BTreeMap<String, DateTime<Utc>>, CommandError> {
    let is_hash = |name: &&String| name.len() >= 40 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let asked: String = commits.iter().filter(is_hash).map(|hash| format!("{hash}\n")).collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let args = ["log", "--no-walk=unsorted", "--ignore-missing", "--format=%H %ct", "--no-show-signature", "--stdin"];
    let output = repo.git().args(args).input(asked.into_bytes()).long().ok()?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let line = |line: &str| {
        let (hash, seconds) = line.split_once(' ')?;
        Some((hash.to_owned(), range::moment(seconds.parse().ok()?)))
    };
    Ok(text.lines().filter_map(line).collect())
}
