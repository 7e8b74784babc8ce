//! The range check as commands run it: demands and records come from git's objects at base and head, commits are
//! streamed. Shared by `check` and the pre-push hook.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::evidence::CONTRACT_SINCE;
use crate::audit::{
    Audit, EarlierRecord, Finding, FindingKind, KeyChange, RangeAudit, RecordFacts, Severity, Stamp, copies,
    policy as demanded, record, timestamps,
};
use crate::commands::{GitHistory, Touches, collect, commit_contents, delta, demands, evidence, sources, standing};
use crate::config::{Config, Enforcement};
use crate::error::Result;
use crate::git::Repo;
use crate::judge::compare;
use crate::model::{Artifact, ChangeId, Event, Gate, Kind, ingest};
use crate::store::project;
use crate::workflow::{Change, End};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// The last commit before the range; `None` for the whole history.
    pub(crate) base: Option<String>,
    pub(crate) head: String,
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
    /// The numbers of the events that must be signed if signatures are required: those that the range adds, and those
    /// that were signed before it.
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

pub(crate) fn run(repo: &Repo, range: &Range, require: Option<Gate>, now: DateTime<Utc>) -> Result<Checked> {
    // All reads of objects below share one reader.
    let _reader = repo.batch()?;
    // The trailer key is in the configs, so they are read with the default one.
    let plain = GitHistory::new(repo, Enforcement::DEFAULT_TRAILER);
    let config = plain.config(&range.head)?;
    let range = &plain.begun(range, config.as_ref())?;
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
    let records: BTreeMap<ChangeId, RecordFacts> =
        at_head.iter().map(|(id, (record, _))| (id.clone(), record.clone())).collect();
    let head = history.made(&range.head)?;
    // Deadlines pass even if nothing is committed after them.
    let mut commits = RangeAudit::new(&policy, &records, head.max(now));
    let mut touches = Touches::since(base.map(|base| (base, history.made(base))), now)?;
    history.walk(base, &range.head, &mut |commit| {
        touches.take(&commit);
        commits.take(&commit);
    })?;
    let beside = std::mem::take(&mut commits.beside);
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
        changes: changes(&history, range, before.is_some())?,
        head,
        now,
    };
    check.add(&mut audit, &concerned)?;
    audit.findings.extend(evidence::unknown(&history, &range.head, &beside, &records, &audit)?);
    audit.findings.extend(touches.misnamed(&history, &range.head)?);
    let unreferenced = tracked.clone().filter(|it| !referenced.contains(it.id()));
    audit.add_new(standing::of_changes(&history, range, unreferenced, &concerned)?);
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

struct RecordCheck<'a> {
    history: &'a GitHistory<'a>,
    records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// The records at the base.
    earlier: &'a BTreeMap<ChangeId, (EarlierRecord, String)>,
    range: &'a Range,
    touches: &'a Touches,
    made: &'a BTreeMap<String, DateTime<Utc>>,
    policy: &'a crate::audit::Policy,
    config: Option<&'a Config>,
    /// The config at the base, if there is one; `changes` are the keys that differ at the head.
    before: Option<&'a Config>,
    changes: Vec<KeyChange>,
    head: DateTime<Utc>,
    /// The current time: dates of commits can lie in the future.
    now: DateTime<Utc>,
}

impl RecordCheck<'_> {
    fn add(&self, audit: &mut Audit, concerned: &BTreeSet<ChangeId>) -> Result<()> {
        for id in concerned {
            let mut found = self.findings(id)?;
            // Findings on the range's own commits are known already.
            found.retain(|new| !audit.findings.iter().any(|it| it.what == new.what && it.commit == new.commit));
            audit.findings.extend(found);
        }
        let mut sections = self.logbook()?;
        let fails = |it: &Finding, id: &Option<ChangeId>| it.level == Severity::Fail && it.change == *id;
        sections.retain(|section| !audit.findings.iter().any(|it| fails(it, &section.change)));
        audit.findings.extend(sections);
        if !self.changes.is_empty() {
            let what = policy_changed(self.changes.clone(), false);
            // Without a config, nothing governs later commits.
            audit.findings.push(if self.config.is_some() { Finding::warn(what) } else { Finding::fail(what) });
        }
        Ok(())
    }

    fn findings(&self, id: &ChangeId) -> Result<Vec<Finding>> {
        let before = self.earlier.get(id).map(|(record, _)| record);
        let both = before.zip(self.range.base.as_ref());
        let at_base = both.map(|(it, base)| self.history.last_commit_of(base, &it.path)).transpose()?.flatten();
        let committed = at_base.map(|(written, _)| written);
        let before = before.map(|it| EarlierRecord { committed, ..it.clone() });
        let before = before.as_ref();
        let mut found = self.of_versions(id, before)?;
        let Some(record) = self.records.get(id) else { return Ok(found) };
        if let Some(change) = record.change() {
            let (demands, known) = ((self.policy, self.range.head.as_str()), before.map_or(0, |it| it.events.len()));
            found.extend(standing::of_events(self.history, self.touches, demands, (change, known))?);
        }
        let latest = match self.touches.latest(id).max(at_base.map(|(_, made)| made)) {
            Some(latest) => latest,
            None => self.history.last_commit_of(&self.range.head, &record.path)?.map_or(self.head, |(_, made)| made),
        };
        for finding in record::findings(record, latest.min(self.now)) {
            if !found.iter().any(|known| known.what == finding.what) {
                found.push(finding);
            }
        }
        found.extend(timestamps::before_its_commit(record, self.made));
        found.extend(record::against_objects(record, &self.range.head, self.history));
        let by = record.change().and_then(|change| self.records.get(change.follow_up.as_ref()?)?.change());
        let by = by.filter(|by| standing::takes_over(self.history, &self.range.head, id, by, self.policy));
        let within = (self.policy.max_emergency_days, self.head.max(self.now));
        found.extend(record::habits(record, by, within, &mut || self.history.holds(&self.range.head, id)));
        found.extend(self.loosened(record));
        found.extend(self.judged_by_changed_config(record, before)?);
        found.extend(record::evidence(record, &mut |it| self.history.artifact(&self.range.head, it))?);
        let verdicts_differ =
            |it: &Finding| it.level == Severity::Fail && matches!(it.what, FindingKind::VerdictsDiffer { .. });
        if let (Some(change), false) = (record.change(), found.iter().any(verdicts_differ)) {
            let fetch = |artifact: &Artifact| self.intact(artifact);
            let problem = match sources::problem((self.config, Some(self.history)), change, &fetch)? {
                None => self.copied_or_outdated(change, before.map_or(0, |it| it.events.len()))?,
                problem => problem,
            };
            found.extend(problem.map(|problem| record.about(Finding::fail(FindingKind::VerdictsDiffer { problem }))));
        }
        // If the record itself is wrong, so is everything rendered from it.
        if let (Some(change), false) = (record.change(), found.iter().any(|it| it.level == Severity::Fail)) {
            found.extend(self.pages(change)?);
        }
        Ok(found)
    }

    /// A problem with a measurement that the range brings: another change has it, or it is in a format that was out of
    /// use before the base was made. What a measurement says of its own date does not count.
    fn copied_or_outdated(&self, change: &Change, known: usize) -> Result<Option<String>> {
        let fetch = |artifact: &Artifact| self.intact(artifact);
        let others = self.records.values().filter_map(RecordFacts::change).filter(|it| it.id() != change.id());
        let copied = copies::of_another((change, known), others, &fetch);
        let made = self.range.base.as_deref().map(|base| self.history.made(base)).transpose()?;
        let is_current = made.is_some_and(|made| made.timestamp() >= CONTRACT_SINCE);
        Ok(copied.or_else(|| copies::outdated(change, known, &fetch).filter(|_| is_current)))
    }

    /// Checks that the record only grew, from version to version.
    fn of_versions(&self, id: &ChangeId, before: Option<&EarlierRecord>) -> Result<Vec<Finding>> {
        let record = self.records.get(id);
        let mut found: Vec<Finding> =
            before.and_then(|before| record::growth(id, before, record)).into_iter().collect();
        // A problem between base and head also shows between versions; one finding is enough.
        if found.is_empty() {
            let versions = self.touches.versions(self.history, id)?;
            let path = record.map(|record| record.path.as_str()).or(self.touches.path(id)).unwrap_or_default();
            let deadline = self.policy.deadline;
            found = timestamps::findings(id, path, before, &versions, record, deadline);
        }
        // Quiet days that another clone recorded no longer matter once the change is rejected or rolled back.
        let change = record.and_then(RecordFacts::change);
        let is_out = change.is_some_and(|it| !it.is_open() && !matches!(it.end, Some(End::Verified { .. })));
        found.retain(|it| !is_out || !matches!(it.what, FindingKind::RecordForked { .. }));
        for finding in &mut found {
            if let FindingKind::RecordForked { seq } = finding.what
                && !self.touches.only_grew(self.history, id)?
            {
                *finding = Finding {
                    level: Severity::Fail,
                    what: FindingKind::RecordRewritten { seq, days: true },
                    ..finding.clone()
                };
            }
        }
        Ok(found)
    }

    fn pages(&self, change: &Change) -> Result<Vec<Finding>> {
        let fetch = |artifact: &Artifact| self.intact(artifact);
        let (mut found, drawn) = (evidence::differing_pages(change, &fetch), evidence::picture(change, &fetch));
        for path in self.touches.unrecorded(change) {
            let here = self.history.file(&self.range.head, path)?;
            let is_drawn = |bytes: &Vec<u8>| path.ends_with(".svg") && drawn.as_ref() == Some(bytes);
            if here.is_some_and(|bytes| !is_drawn(&bytes)) {
                found.push(Finding::warn(FindingKind::EvidenceUnknown).of_change(change.id()).at(path));
            }
        }
        Ok(found)
    }

    fn intact(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        self.history.artifact(&self.range.head, artifact).ok()?.ok()
    }

    /// A finding if the change was measured or judged in the range by a config that a commit of the same range changed,
    /// or that no commit has.
    fn judged_by_changed_config(&self, record: &RecordFacts, earlier: Option<&EarlierRecord>) -> Result<Vec<Finding>> {
        let Some(change) = record.change() else { return Ok(Vec::new()) };
        let known = earlier.map_or(0, |earlier| earlier.events.len());
        let began_at = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.as_deref());
        let began_at = began_at.and_then(|commit| self.history.known(commit));
        let brought = change.events.get(known..).unwrap_or_default();
        let is_new = |is: fn(&Kind) -> bool| brought.iter().any(|event| is(&event.what));
        let mut keys = Vec::new();
        if let (Some(baseline), true) = (&change.baseline, is_new(|what| matches!(what, Kind::BaselineTaken(_)))) {
            let snapshot = self.history.artifact(&self.range.head, &baseline.taken.snapshot)?;
            if let Ok(bytes) = snapshot
                && let Ok(snapshot) = ingest::parse_snapshot(&bytes)
            {
                keys.extend(
                    self.before.iter().flat_map(|it| compare::redefined(&it.definitions(), &snapshot.definitions)),
                );
                // A config that was never committed does not count.
                if let Some(there) = began_at.as_deref().map(|at| self.history.config(at)).transpose()?.flatten() {
                    let (there, unset) = (there.definitions(), Config::default().definitions());
                    keys.extend(compare::redefined(&there, &snapshot.definitions));
                    let is_left_out =
                        |key: &&String| !snapshot.definitions.contains_key(*key) && there.get(*key) != unset.get(*key);
                    keys.extend(there.keys().filter(is_left_out).cloned());
                }
                keys.retain(|key| delta::concerns(change, key));
                keys.sort();
                keys.dedup();
            }
        }
        let went_past = self.before.map(|before| demands::went_past(before, self.history, change, brought));
        keys.extend(went_past.into_iter().flatten().map(str::to_owned));
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut changes = match (&self.range.base, began_at) {
            (Some(base), Some(commit)) => {
                demands::differences(&self.history.config_value(base)?, &self.history.config_value(&commit)?)
            }
            _ => Vec::new(),
        };
        let others = self.changes.iter().filter(|it| changes.iter().all(|known| known.key != it.key));
        let others: Vec<KeyChange> = others.cloned().collect();
        changes.extend(others);
        let of = |key: &String| -> Vec<KeyChange> {
            let stem = demands::key_of(key);
            let below = |it: &&KeyChange| {
                it.key.strip_prefix(&stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let found: Vec<KeyChange> = changes.iter().filter(below).cloned().collect();
            if found.is_empty() { vec![KeyChange { key: stem, old: None, new: None }] } else { found }
        };
        let changes: Vec<KeyChange> = keys.iter().flat_map(of).collect();
        Ok(vec![record.about(Finding::fail(policy_changed(changes, true)))])
    }

    /// Sections of the logbook that the range altered and that differ from the records.
    fn logbook(&self) -> Result<Vec<Finding>> {
        // The range may rename the logbook.
        let at = |commit: &str| -> Result<Option<(&'static str, Vec<u8>)>> {
            for path in [project::LOGBOOK, project::LEGACY_LOGBOOK] {
                if let Some(text) = self.history.file(commit, path)? {
                    return Ok(Some((path, text)));
                }
            }
            Ok(None)
        };
        let (old, before) = self.range.base.as_deref().map(at).transpose()?.flatten().unzip();
        let (new, now) = at(&self.range.head)?.unzip();
        let Some(path) = new.or(old) else { return Ok(Vec::new()) };
        Ok(evidence::differing_sections((&before.unwrap_or_default(), &now.unwrap_or_default()), path, self.records))
    }

    /// Demands that both the head's config and the config that the change began on make, and that the change does not
    /// meet. Loosening the config before the change or tightening it after it does not count; loosening it in the
    /// change's own commit does.
    fn loosened(&self, record: &RecordFacts) -> Option<Finding> {
        let (change, head) = (record.change()?, collect::policy_of(self.config?));
        if demanded::missed(change, std::slice::from_ref(&head)).is_empty() {
            return None;
        }
        let first = change.commits().into_iter().next()?;
        let began_on = [format!("{first}^"), first].into_iter().filter_map(|commit| self.history.known(&commit));
        let then = began_on.filter_map(|commit| self.history.config(&commit).ok().flatten()).next()?;
        let what = demanded::missed(change, &[head, collect::policy_of(&then)]);
        let finding = |what| Finding::fail(FindingKind::PolicyLoosened { what }).of_change(&record.id).at(&record.path);
        (!what.is_empty()).then(|| finding(what))
    }
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

fn changes(history: &GitHistory<'_>, range: &Range, is_configured: bool) -> Result<Vec<KeyChange>> {
    let Some(base) = range.base.as_deref().filter(|_| is_configured) else { return Ok(Vec::new()) };
    Ok(demands::differences(&history.config_value(base)?, &history.config_value(&range.head)?))
}

fn policy_changed(changes: Vec<KeyChange>, judged: bool) -> FindingKind {
    FindingKind::PolicyChanged { what: changes.iter().map(|change| change.key.clone()).collect(), changes, judged }
}
