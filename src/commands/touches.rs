//! The tool's own files that the commits of a range changed: versions of records, evidence and config.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::audit::{CommitName, Finding, Stamp, Version, range, timestamps};
use crate::commands::{GitHistory, audit_here};
use crate::config::Config;
use crate::error::Result;
use crate::model::{ChangeId, Commit, Event};
use crate::store::{evidence, project, record};
use crate::workflow::Change;

#[derive(Debug, Clone)]
struct Touch {
    commit: CommitName,
    parents: Vec<String>,
    written: i64,
    made: i64,
    path: String,
}

impl Touch {
    fn events_at(&self, commit: &str, history: &GitHistory<'_>) -> Result<Option<Vec<Stamp>>> {
        Ok(history.file(commit, &self.path)?.and_then(|bytes| stamps(&bytes)))
    }
}

/// The changes of a range to records (newest first), evidence and config.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    records: BTreeMap<ChangeId, Vec<Touch>>,
    /// Own files that existed before.
    pub(crate) evidence: BTreeSet<String>,
    /// The commits that changed the config, with their committer's times.
    pub(crate) config: Vec<(String, i64)>,
    own: BTreeSet<String>,
    /// Files among the records whose names are not those of records, with the newest commit that touched each.
    misnamed: Vec<Finding>,
    /// Every commit with its parents and committer's time; the base is the first.
    walked: Vec<(String, Vec<String>, i64)>,
    now: i64,
    made: OnceCell<BTreeMap<String, i64>>,
}

impl Touches {
    /// Starts after the base, with the base's committer's time.
    pub(crate) fn since(base: Option<(&str, Result<DateTime<Utc>>)>, now: DateTime<Utc>) -> Result<Self> {
        let base = base.map(|(base, made)| Ok((base.to_owned(), Vec::new(), made?.timestamp())));
        let walked = base.into_iter().collect::<Result<_>>()?;
        Ok(Self { walked, now: now.timestamp(), ..Self::default() })
    }

    pub(crate) fn take(&mut self, commit: &Commit) {
        self.walked.push((commit.id.clone(), commit.parents.clone(), commit.commit_time));
        for file in &commit.files {
            if project::config_names().iter().any(|name| name == file.name()) {
                self.config.push((commit.id.clone(), commit.commit_time));
            }
            if file.own && !file.is_new() {
                self.evidence.insert(file.name().to_owned());
            }
            if file.own {
                self.own.insert(file.name().to_owned());
            }
            let Some(name) = record_name(file.name()) else { continue };
            let Some(id) = record::id_of(name) else {
                let found = audit_here::misnamed(file.name(), name).map(|found| found.of_commit(&commit.name()));
                self.misnamed.extend(found.filter(|new| self.misnamed.iter().all(|known| known.path != new.path)));
                continue;
            };
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

    /// The time from which events have to be signed, if the range switched signing on.
    pub(crate) fn signs_from(
        &self,
        history: &GitHistory<'_>,
        before: Option<&Config>,
        config: &Config,
    ) -> Result<Option<DateTime<Utc>>> {
        if before.is_none_or(|before| before.sign.is_some()) || config.sign.is_none() {
            return Ok(None);
        }
        for (commit, made) in self.config.iter().rev() {
            if history.config(commit)?.is_some_and(|config| config.sign.is_some()) {
                // Git's times are in seconds: an event within this second may have come first.
                return Ok(Some(range::moment(made.saturating_add(1))));
            }
        }
        Ok(None)
    }

    /// Evidence files of a change, by the tool's names, that the range altered and no event names.
    pub(crate) fn unrecorded<'t>(&'t self, change: &Change) -> impl Iterator<Item = &'t String> {
        let recorded: BTreeSet<String> =
            change.events.iter().flat_map(|event| event.what.artifacts()).map(|it| it.path.clone()).collect();
        let prefix = format!("{}/{}_", project::EVIDENCE_DIR, change.id());
        let is_one = move |path: &&String| {
            path.strip_prefix(&prefix).is_some_and(evidence::is_tools_name) && !recorded.contains(*path)
        };
        self.own.iter().filter(is_one)
    }

    /// The changes whose records, or evidence files by the tool's names, the range touched.
    pub(crate) fn ids<'t>(&'t self, known: impl Fn(&ChangeId) -> bool + 't) -> impl Iterator<Item = ChangeId> + 't {
        let evidence = self.own.iter().filter_map(move |path| {
            let name = path.strip_prefix(project::EVIDENCE_DIR)?.strip_prefix('/')?;
            let ways = name.match_indices('_').filter(|(at, _)| evidence::is_tools_name(&name[at + 1..]));
            ways.filter_map(|(at, _)| name[..at].parse().ok()).find(&known)
        });
        self.records.keys().cloned().chain(evidence)
    }

    /// For each commit of the range, the newest committer's time of itself and those before it.
    fn made(&self) -> &BTreeMap<String, i64> {
        self.made.get_or_init(|| {
            let base = self.walked.first().filter(|(_, parents, _)| parents.is_empty());
            let each = base
                .into_iter()
                .chain(self.walked.iter().rev())
                .map(|(id, parents, time)| (id.as_str(), parents.iter().map(String::as_str).collect(), *time));
            timestamps::no_earlier(each, self.now).into_iter().map(|(id, made)| (id.to_owned(), made)).collect()
        })
    }

    /// The findings about files among the records at `head` that cannot be records.
    pub(crate) fn misnamed(&self, history: &GitHistory<'_>, head: &str) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for it in &self.misnamed {
            let path = it.path.as_deref().unwrap_or_default();
            if history.file(head, path)?.is_some() {
                found.push(it.clone());
            }
        }
        Ok(found)
    }

    pub(crate) fn versions(&self, history: &GitHistory<'_>, id: &ChangeId) -> Result<Vec<Version>> {
        let touches = self.records.get(id).map(Vec::as_slice).unwrap_or_default();
        let of = |touch: &Touch| -> Result<Version> {
            Ok(Version {
                commit: touch.commit.clone(),
                written: range::moment(touch.written),
                made: range::moment(touch.made),
                rests_on: touch.parents.iter().filter_map(|it| self.made().get(it)).max().map(|at| range::moment(*at)),
                events: touch.events_at(&touch.commit.id, history)?,
            })
        };
        touches.iter().rev().map(of).collect()
    }

    /// Whether every commit of the range only appended to the record of its parent, and every merge took the record of one
    /// parent whole. Then versions that do not continue each other come from merged branches.
    pub(crate) fn only_grew(&self, history: &GitHistory<'_>, id: &ChangeId) -> Result<bool> {
        for touch in self.records.get(id).into_iter().flatten() {
            let events = touch.events_at(&touch.commit.id, history)?.unwrap_or_default();
            let parents = touch.parents.iter().map(|parent| touch.events_at(parent, history));
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

    /// The newest committer's time of the commits that changed a record; `None` if the range does not touch it.
    pub(crate) fn latest(&self, id: &ChangeId) -> Option<DateTime<Utc>> {
        self.records.get(id)?.iter().map(|touch| range::moment(touch.made)).max()
    }

    pub(crate) fn path(&self, id: &ChangeId) -> Option<&str> {
        self.records.get(id)?.first().map(|touch| touch.path.as_str())
    }
}

fn record_name(path: &str) -> Option<&str> {
    project::record_dirs().iter().find_map(|dir| path.strip_prefix(dir.as_str()))
}

/// The events in a record's bytes, without trusting the rest of it; `None` if there are none.
pub(crate) fn stamps(bytes: &[u8]) -> Option<Vec<Stamp>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let stamp = |event: &Value| Stamp {
        digest: event["digest"].as_str().unwrap_or_default().to_owned(),
        is_signed: event["signature"].is_string(),
        quiet_day: event["what"]["kind"] == "ticked" && event["what"]["alarms"].as_array().is_some_and(Vec::is_empty),
        by_itself: serde_json::from_value(event.clone()).ok().and_then(|event: Event| event.by_itself()),
    };
    Some(value["events"].as_array()?.iter().map(stamp).collect())
}
