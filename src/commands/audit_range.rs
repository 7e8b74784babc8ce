//! The range check as commands run it: demands and records come from git's objects at base and head, commits are
//! streamed. Shared by `check` and the pre-push hook.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::audit::{
    Audit, CommitName, EarlierRecord, Finding, RangeAudit, RecordFacts, RecordVersion, Stamp, range, timestamps,
};
use crate::commands::record_check::RecordCheck;
use crate::commands::{GitHistory, audit_here, commit_contents, demands, evidence};
use crate::config::{Config, Enforcement};
use crate::error::Result;
use crate::git::{Begun, Repo};
use crate::model::{ChangeId, Commit, Event, Gate, Kind};
use crate::store::{evidence as files, project, record};
use crate::workflow::Change;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// The last commit before the range; `None` for the whole history.
    pub(crate) base: Option<String>,
    pub(crate) head: String,
}

/// The newest commit of `local` that a remote has; without one, the commit that introduced this tool.
pub(crate) fn nearest_published(repo: &Repo, local: &str) -> Result<Option<String>> {
    let call = repo.git().args(["rev-list", "--topo-order", "--boundary", local, "--not", "--remotes"]);
    let listed = call.long().text()?;
    if listed.is_empty() {
        return Ok(Some(local.to_owned()));
    }
    if let Some(boundary) = listed.lines().find_map(|line| line.strip_prefix('-')) {
        return Ok(Some(boundary.to_owned()));
    }
    adopted(repo, local)
}

/// The commit that introduced this tool to the project: earlier ones could not follow its workflow.
pub(crate) fn adopted(repo: &Repo, head: &str) -> Result<Option<String>> {
    repo.needs_whole(None, head)?;
    let call = repo.git().args(["log", "--format=%H", "--reverse", "--diff-filter=A", head, "--"]);
    let adopted = call.arg(repo.full_path(project::STATE_DIR)).long().text()?;
    Ok(adopted.lines().next().map(str::to_owned))
}

pub(crate) struct Checked {
    pub(crate) audit: Audit,
    pub(crate) key: String,
    pub(crate) configured: bool,
    /// Whether the base or the head has a config or a record.
    pub(crate) is_project: bool,
    pub(crate) changes: Vec<Concerned>,
}

pub(crate) struct Concerned {
    pub(crate) change: Change,
    /// The events that must be signed if signatures are required: those the range adds, and those signed before.
    pub(crate) to_sign: Vec<u64>,
    /// Whether it has a commit in the range or was compared in it.
    pub(crate) is_new: bool,
}

impl Concerned {
    fn of(change: &Change, known: &[Stamp], signs_from: Option<DateTime<Utc>>, has_commit: bool) -> Self {
        let is_due = |event: &Event| signs_from.is_none_or(|from| event.at >= from);
        let both = change.events.iter().enumerate();
        let to_sign = both.filter(|(at, event)| known.get(*at).map_or_else(|| is_due(event), |it| it.is_signed));
        let to_sign = to_sign.map(|(_, event)| event.seq).collect();
        let compared = change.events.iter().skip(known.len()).any(|event| matches!(event.what, Kind::Compared(_)));
        Self { change: change.clone(), to_sign, is_new: compared || has_commit }
    }
}

/// A range, and its commits if git has begun to list them.
type Listed<'a> = (&'a Range, Option<Begun>);

pub(crate) fn run(repo: &Repo, range: Listed<'_>, require: Option<Gate>, now: DateTime<Utc>) -> Result<Checked> {
    // All reads of objects below share one reader.
    let _reader = repo.batch()?;
    // The trailer key is in the configs, so they are read with the default one.
    let plain = GitHistory::new(repo, Enforcement::DEFAULT_TRAILER);
    let (config, range, begun) = begin(&plain, range)?;
    let range = &range;
    let base = range.base.as_deref();
    repo.needs_whole(base, &range.head)?;
    let before = base.map(|base| plain.last_config(base)).transpose()?.flatten();
    let (configured, config) = (config.is_some(), config.unwrap_or_default());
    let policy = demands::policy(&config, before.as_ref(), base.is_some() && before.is_none(), require)?;
    // If the range renames the trailer key, the old one is still read.
    let mut keys: Vec<&str> = before.iter().chain([&config]).map(|it| it.enforcement.trailer.as_str()).collect();
    keys.dedup();
    let history = GitHistory::new(repo, &keys.join(",")).since(base);
    let at_head = history.records(&range.head)?;
    let earlier = base.map(|base| history.earlier(base)).transpose()?.unwrap_or_default();
    let is_project = configured || before.is_some() || !at_head.is_empty() || !earlier.is_empty();
    let history = history.of_changes(at_head.keys().chain(earlier.keys()));
    let records = at_head.iter().map(|(id, (record, _))| (id.clone(), record.clone())).collect();
    let head = history.made(&range.head)?;
    // Deadlines pass even if nothing is committed after them.
    let mut commits = RangeAudit::new(&policy, &records, head.max(now));
    let mut touches = Touches::since(&history, base, now)?;
    history.walk_begun(begun, &mut |commit| {
        touches.take(&commit);
        commits.take(&commit);
    })?;
    let own_data = std::mem::take(&mut commits.own_data);
    let (mut audit, referenced) = commits.finish(&history);
    let mut concerned = concerned(&at_head, &earlier, &touches);
    concerned.extend(referenced.iter().cloned());
    audit.records = concerned.len();
    let tracked = concerned.iter().filter_map(|id| records.get(id)?.change());
    let made = commit_contents::made(repo, &tracked.clone().flat_map(timestamps::named).collect())?;
    let check = RecordCheck {
        history: &history,
        records: &records,
        earlier: &earlier,
        range,
        touches: &touches,
        made: &made,
        policy: &policy,
        config: configured.then_some(&config),
        before: before.as_ref(),
        changes: history.config_changes(base.filter(|_| before.is_some()), &range.head)?,
        head,
        now,
    };
    check.add(&mut audit, &concerned)?;
    audit.findings.extend(evidence::unknown(&history, &range.head, &own_data, &records, &audit)?);
    audit.findings.extend(touches.misnamed(&history, &range.head)?);
    let unreferenced = tracked.clone().filter(|it| !referenced.contains(it.id()));
    audit.add_new(check.of_changes(unreferenced, &concerned)?);
    let at_head = records.values().filter_map(RecordFacts::change);
    audit.findings.extend(demands::budgets(repo, (&config, before.as_ref()), at_head, &range.head)?);
    history.failure()?;
    let signs_from = touches.signs_from(&history, before.as_ref(), &config)?;
    let changes = tracked.map(|change| {
        let known = earlier.get(change.id()).map(|(record, _)| record.events.as_slice());
        Concerned::of(change, known.unwrap_or_default(), signs_from, referenced.contains(change.id()))
    });
    Ok(Checked { audit, key: config.enforcement.trailer.clone(), configured, is_project, changes: changes.collect() })
}

/// The config at the head, and the range that it makes of the typed one. Git lists the commits while configs and records
/// are read.
fn begin(plain: &GitHistory<'_>, typed: Listed<'_>) -> Result<(Option<Config>, Range, Begun)> {
    let list = |range: &Range| plain.repo.begin_log(range.base.as_deref(), &range.head);
    let (typed, begun) = (typed.0, typed.1.map_or_else(|| list(typed.0), Ok)?);
    let config = plain.config(&typed.head)?;
    let range = plain.begun(typed, config.as_ref())?;
    let begun = if range.base == typed.base { begun } else { list(&range)? };
    Ok((config, range, begun))
}

/// The changes whose records the range touches, even if it restored them, and those whose evidence it removed or
/// altered.
fn concerned(
    at_head: &BTreeMap<ChangeId, (RecordFacts, String)>,
    earlier: &BTreeMap<ChangeId, (EarlierRecord, String)>,
    touches: &Touches,
) -> BTreeSet<ChangeId> {
    let differs =
        |id: &&ChangeId| at_head.get(id).map(|(_, object)| object) != earlier.get(id).map(|(_, object)| object);
    let of_touched = |(record, _): &&(RecordFacts, String)| {
        let artifacts = record.change().map(Change::artifacts).unwrap_or_default();
        artifacts.iter().any(|artifact| touches.evidence.contains(&artifact.path))
    };
    let with_evidence = at_head.values().filter(of_touched).map(|(record, _)| record.id.clone());
    let differing = at_head.keys().chain(earlier.keys()).filter(differs).cloned();
    differing.chain(touches.ids(|id| at_head.contains_key(id))).chain(with_evidence).collect()
}

#[derive(Debug, Clone)]
struct Touch {
    commit: CommitName,
    parents: Vec<String>,
    written: DateTime<Utc>,
    made: DateTime<Utc>,
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
    evidence: BTreeSet<String>,
    /// The commits that changed the config, with their committer's times.
    config: Vec<(String, i64)>,
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
    fn since(history: &GitHistory<'_>, base: Option<&str>, now: DateTime<Utc>) -> Result<Self> {
        let first = base.map(|base| Ok((base.to_owned(), Vec::new(), history.made(base)?.timestamp())));
        let walked = first.into_iter().collect::<Result<_>>()?;
        Ok(Self { walked, now: now.timestamp(), ..Self::default() })
    }

    fn take(&mut self, commit: &Commit) {
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
            let mut names = project::record_dirs().iter().filter_map(|dir| file.name().strip_prefix(dir.as_str()));
            let Some(name) = names.next() else { continue };
            let Some(id) = record::id_of(name) else {
                let found = audit_here::misnamed(file.name(), name).map(|found| found.of_commit(&commit.name()));
                self.misnamed.extend(found.filter(|new| self.misnamed.iter().all(|known| known.path != new.path)));
                continue;
            };
            let touch = Touch {
                commit: commit.name(),
                parents: commit.parents.clone(),
                written: range::moment(commit.author_time.min(commit.commit_time)),
                made: range::moment(commit.commit_time),
                path: file.name().to_owned(),
            };
            self.records.entry(id).or_default().push(touch);
        }
    }

    /// The time from which events have to be signed, if the range switched signing on.
    fn signs_from(
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
            path.strip_prefix(&prefix).is_some_and(files::is_tools_name) && !recorded.contains(*path)
        };
        self.own.iter().filter(is_one)
    }

    /// The changes whose records, or evidence files by the tool's names, the range touched.
    fn ids<'t>(&'t self, known: impl Fn(&ChangeId) -> bool + 't) -> impl Iterator<Item = ChangeId> + 't {
        let evidence = self.own.iter().filter_map(move |path| {
            let name = path.strip_prefix(project::EVIDENCE_DIR)?.strip_prefix('/')?;
            let ways = name.match_indices('_').filter(|(at, _)| files::is_tools_name(&name[at + 1..]));
            ways.filter_map(|(at, _)| name[..at].parse().ok()).find(&known)
        });
        self.records.keys().cloned().chain(evidence)
    }

    /// For each commit of the range, the newest committer's time of itself and those before it.
    fn made(&self) -> &BTreeMap<String, i64> {
        self.made.get_or_init(|| {
            let base = self.walked.first().filter(|(_, parents, _)| parents.is_empty());
            let all = base.into_iter().chain(self.walked.iter().rev());
            let each =
                all.map(|(id, parents, time)| (id.as_str(), parents.iter().map(String::as_str).collect(), *time));
            timestamps::no_earlier(each, self.now).into_iter().map(|(id, made)| (id.to_owned(), made)).collect()
        })
    }

    /// The findings about files among the records at `head` that cannot be records.
    fn misnamed(&self, history: &GitHistory<'_>, head: &str) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        for it in &self.misnamed {
            let path = it.path.as_deref().unwrap_or_default();
            if history.file(head, path)?.is_some() {
                found.push(it.clone());
            }
        }
        Ok(found)
    }

    pub(crate) fn versions(&self, history: &GitHistory<'_>, id: &ChangeId) -> Result<Vec<RecordVersion>> {
        let touches = self.records.get(id).map(Vec::as_slice).unwrap_or_default();
        let of = |touch: &Touch| -> Result<RecordVersion> {
            Ok(RecordVersion {
                commit: touch.commit.clone(),
                written: touch.written,
                made: touch.made,
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
        self.records.get(id)?.iter().map(|touch| touch.made).max()
    }

    pub(crate) fn path(&self, id: &ChangeId) -> Option<&str> {
        self.records.get(id)?.first().map(|touch| touch.path.as_str())
    }
}

/// The events in a record's bytes, without trusting the rest of it; `None` if there are none.
pub(crate) fn stamps(bytes: &[u8]) -> Option<Vec<Stamp>> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let stamp = |event: &Value| Stamp {
        digest: event["digest"].as_str().unwrap_or_default().to_owned(),
        is_signed: event["signature"].is_string(),
        quiet_day: event["what"]["kind"] == "ticked" && event["what"]["alarms"].as_array().is_some_and(Vec::is_empty),
        standalone_content: serde_json::from_value(event.clone())
            .ok()
            .and_then(|event: Event| event.standalone_content()),
    };
    Some(value["events"].as_array()?.iter().map(stamp).collect())
}
