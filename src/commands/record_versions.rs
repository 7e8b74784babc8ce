//! The versions of records that the commits of a range hold, and when the commits were made that events name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::audit::{CommitName, Stamp, Version, range};
use crate::commands::commit_contents::RECORD_LIMIT;
use crate::error::CommandError;
use crate::git::{Batch, Repo};
use crate::model::{ChangeId, Commit};
use crate::store::project;

/// A commit that changed the file of a record.
#[derive(Debug, Clone)]
struct Touch {
    commit: CommitName,
    parents: Vec<String>,
    written: i64,
    made: i64,
    path: String,
}

impl Touch {
    fn events_at(&self, commit: &str, batch: &mut Batch, prefix: &[u8]) -> Result<Option<Vec<Stamp>>, CommandError> {
        let path = [prefix, self.path.as_bytes()].concat();
        Ok(batch.read_path(commit, &path, RECORD_LIMIT)?.and_then(|bytes| stamps(&bytes)))
    }
}

/// What the commits of a range changed of records, newest first, of evidence and of the config.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    records: BTreeMap<ChangeId, Vec<Touch>>,
    /// Files of the tool's own that were there before.
    pub(crate) evidence: BTreeSet<String>,
    pub(crate) config: bool,
}

impl Touches {
    /// Takes the next commit.
    pub(crate) fn take(&mut self, commit: &Commit) {
        for file in &commit.files {
            self.config |= project::config_names().iter().any(|name| name == file.name());
            if file.own && !file.is_new() {
                self.evidence.insert(file.name().to_owned());
            }
            let Some(id) = id_of(file.name()) else { continue };
            let touch = Touch {
                commit: commit.name(),
                parents: commit.parents.clone(),
                written: commit.author_time.min(commit.commit_time),
                made: commit.commit_time,
                path: file.name().to_owned(),
            };
            self.records.entry(id).or_default().push(touch);
        }
    }

    /// The changes whose records were touched.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ChangeId> {
        self.records.keys().cloned()
    }

    /// The versions of a record, oldest first.
    pub(crate) fn versions(
        &self,
        batch: &mut Batch,
        prefix: &[u8],
        id: &ChangeId,
    ) -> Result<Vec<Version>, CommandError> {
        let touches = self.records.get(id).map(Vec::as_slice).unwrap_or_default();
        let of = |touch: &Touch| -> Result<Version, CommandError> {
            Ok(Version {
                commit: touch.commit.clone(),
                written: range::moment(touch.written),
                made: range::moment(touch.made),
                events: touch.events_at(&touch.commit.id, batch, prefix)?,
            })
        };
        touches.iter().rev().map(of).collect()
    }

    /// Whether every commit of the range only continued the record of its parent, and every merge took that of one of its
    /// parents whole: then versions that do not continue each other come from branches that met.
    pub(crate) fn only_grew(&self, batch: &mut Batch, prefix: &[u8], id: &ChangeId) -> Result<bool, CommandError> {
        for touch in self.records.get(id).into_iter().flatten() {
            let events = touch.events_at(&touch.commit.id, batch, prefix)?.unwrap_or_default();
            let parents = touch.parents.iter().map(|parent| touch.events_at(parent, batch, prefix));
            let parents: Vec<_> = parents.collect::<Result<_, _>>()?;
            let grew = match parents.as_slice() {
                [] => true,
                [before] => events.starts_with(before.as_deref().unwrap_or_default()),
                sides => sides.iter().any(|side| side.as_ref() == Some(&events)),
            };
            if !grew {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// When the newest of the commits was made that changed a record; `None` where the range does not touch it.
    pub(crate) fn latest(&self, id: &ChangeId) -> Option<DateTime<Utc>> {
        self.records.get(id)?.iter().map(|touch| range::moment(touch.made)).max()
    }

    /// Where a record of the range was last.
    pub(crate) fn path(&self, id: &ChangeId) -> Option<&str> {
        self.records.get(id)?.first().map(|touch| touch.path.as_str())
    }
}

/// The change whose record a path is, from the project's root.
fn id_of(path: &str) -> Option<ChangeId> {
    let dirs = project::record_dirs();
    let below = dirs.iter().find_map(|dir| path.strip_prefix(dir))?;
    below.strip_suffix(".json")?.parse().ok()
}

/// The events in a record's bytes, without trusting the rest of it; `None` where there are none.
pub(crate) fn stamps(bytes: &[u8]) -> Option<Vec<Stamp>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let stamp = |event: &Value| Stamp {
        digest: event["digest"].as_str().unwrap_or_default().to_owned(),
        quiet_day: event["what"]["kind"] == "ticked" && event["what"]["alarms"].as_array().is_some_and(Vec::is_empty),
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
    let line = |line: &str| {
        let (hash, seconds) = line.split_once(' ')?;
        Some((hash.to_owned(), range::moment(seconds.parse().ok()?)))
    };
    Ok(String::from_utf8_lossy(&output).lines().filter_map(line).collect())
}
