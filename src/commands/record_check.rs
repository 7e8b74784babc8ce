//! The range check of each record: its growth, its evidence, the config that it was judged by, and whether what it says of the
//! change's commits holds in the history.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::audit::evidence::{CONTRACT_SINCE, snapshot};
use crate::audit::{
    Audit, CheckPolicy, EarlierRecord, Finding, FindingKind, History, KeyChange, RecordFacts, RecordVersion, Severity,
    Unwitnessed, copies, members, policy as demanded, record, timestamps,
};
use crate::commands::monitor::unwitnessed;
use crate::commands::{GitHistory, Range, Touches, collect, delta, demands, evidence, sources};
use crate::config::Config;
use crate::error::Result;
use crate::judge::compare;
use crate::model::{Artifact, ChangeId, Event, Kind, Remade, Remake, SnapshotPurpose, moment, short};
use crate::store::project;
use crate::workflow::{Change, End, World, window};

pub(crate) struct RecordCheck<'a> {
    pub(crate) history: &'a GitHistory<'a>,
    pub(crate) records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// The records at the base.
    pub(crate) earlier: &'a BTreeMap<ChangeId, (EarlierRecord, String)>,
    pub(crate) range: &'a Range,
    pub(crate) touches: &'a Touches,
    pub(crate) made: &'a BTreeMap<String, DateTime<Utc>>,
    pub(crate) policy: &'a CheckPolicy,
    pub(crate) config: Option<&'a Config>,
    /// The config at the base, if there is one; `changes` are the keys that differ at the head.
    pub(crate) before: Option<&'a Config>,
    pub(crate) changes: Vec<KeyChange>,
    pub(crate) head: DateTime<Utc>,
    /// The current time: dates of commits can lie in the future.
    pub(crate) now: DateTime<Utc>,
}

impl RecordCheck<'_> {
    pub(crate) fn add(&self, audit: &mut Audit, concerned: &BTreeSet<ChangeId>) -> Result<()> {
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
        let (history, head) = (self.history, self.range.head.as_str());
        let before = self.earlier.get(id).map(|(record, _)| record);
        let both = before.zip(self.range.base.as_ref());
        let at_base = both.map(|(it, base)| history.last_commit_of(base, &it.path)).transpose()?.flatten();
        let committed = at_base.map(|(written, _)| written);
        let before = before.map(|it| EarlierRecord { committed, ..it.clone() });
        let known = before.as_ref().map_or(0, |it| it.events.len());
        let mut found = self.of_versions(id, before.as_ref())?;
        let Some(record) = self.records.get(id) else { return Ok(found) };
        let change = record.change();
        if let Some(change) = change {
            found.extend(self.of_events(change, known)?);
        }
        let latest = match self.touches.latest(id).max(at_base.map(|(_, made)| made)) {
            Some(latest) => latest,
            None => history.last_commit_of(head, &record.path)?.map_or(self.head, |(_, made)| made),
        };
        for finding in record::findings(record, latest.min(self.now)) {
            if !found.iter().any(|known| known.what == finding.what) {
                found.push(finding);
            }
        }
        found.extend(timestamps::before_its_commit(record, self.made));
        found.extend(record::against_objects(record, head, history));
        let by = change.and_then(|change| self.records.get(change.follow_up.as_ref()?)?.change());
        let by = by.filter(|by| takes_over(history, head, id, by, self.policy));
        let within = (self.policy.max_emergency_days, self.head.max(self.now));
        found.extend(record::habits(record, by, within, &mut || history.holds(head, id)));
        found.extend(self.loosened(record));
        if let Some(change) = change {
            let changed = self.judged_by_changed_config(change, known)?;
            found.extend(changed.map(|what| record.about(Finding::fail(what))));
        }
        found.extend(record::evidence(record, &mut |it| history.artifact(head, it))?);
        let Some(change) = change else { return Ok(found) };
        let fails = |it: &&Finding| it.level == Severity::Fail;
        if !found.iter().filter(fails).any(|it| matches!(it.what, FindingKind::VerdictsDiffer { .. })) {
            let problem = match sources::problem((self.config, Some(history)), change, &|it| self.intact(it))? {
                None => self.copied_or_outdated(change, known)?,
                problem => problem,
            };
            found.extend(problem.map(|problem| record.about(Finding::fail(FindingKind::VerdictsDiffer { problem }))));
        }
        // If the record itself is wrong, so is everything rendered from it.
        if !found.iter().any(|it| fails(&it)) {
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
                finding.level = Severity::Fail;
                finding.what = FindingKind::RecordRewritten { seq, days: true };
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

    /// What is wrong if the change was measured or judged in the range by a config that a commit of the same range changed,
    /// or that no commit has.
    fn judged_by_changed_config(&self, change: &Change, known: usize) -> Result<Option<FindingKind>> {
        let began_at = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.as_deref());
        let began_at = began_at.and_then(|commit| self.history.known(commit));
        let brought = change.events.get(known..).unwrap_or_default();
        let is_baseline = |event: &&Event| matches!(event.what, Kind::BaselineTaken(_));
        let baseline = change.baseline.as_ref().filter(|_| brought.iter().any(|event| is_baseline(&event)));
        let mut keys = Vec::new();
        if let Some(measured) = baseline.and_then(|it| snapshot(&it.taken.snapshot, &|it| self.intact(it))) {
            let there = began_at.as_deref().map(|at| self.history.config(at)).transpose()?.flatten();
            let fixed = |config: &Config| compare::redefined(&config.definitions(), &measured.definitions);
            keys.extend(self.before.into_iter().chain(&there).flat_map(fixed));
            // A config that was never committed does not count.
            if let Some(there) = there.map(|it| it.definitions()) {
                let unset = Config::default().definitions();
                let is_left_out =
                    |key: &&String| !measured.definitions.contains_key(*key) && there.get(*key) != unset.get(*key);
                keys.extend(there.keys().filter(is_left_out).cloned());
            }
            keys.retain(|key| delta::concerns(change, key));
            keys.sort();
            keys.dedup();
        }
        let went_past = self.before.map(|before| demands::went_past(before, self.history, change, brought));
        keys.extend(went_past.into_iter().flatten().map(str::to_owned));
        if keys.is_empty() {
            return Ok(None);
        }
        let differing = |commit: &str| self.history.config_changes(self.range.base.as_deref(), commit);
        let mut changes = began_at.as_deref().map(differing).transpose()?.unwrap_or_default();
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
        Ok(Some(policy_changed(keys.iter().flat_map(of).collect(), true)))
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
        (!what.is_empty()).then(|| record.about(Finding::fail(FindingKind::PolicyLoosened { what })))
    }

    /// The findings about the events that the range adds (all but the first `known`): a replacement of the validated commit
    /// has to do the same, measurements have to be made where the change is in effect, and a reverted change cannot be
    /// verified.
    fn of_events(&self, change: &Change, known: usize) -> Result<Vec<Finding>> {
        let (history, head) = (self.history, self.range.head.as_str());
        let brought = change.events.get(known..).unwrap_or_default();
        let mut found: Vec<Finding> = brought.iter().flat_map(|event| self.unproven(change, event)).collect();
        let mut problem = self.measured_elsewhere(change, brought);
        let mut days = unwitnessed(history, (self.policy, head), change);
        if let Some(verified) = brought.iter().find(|event| matches!(event.what, Kind::Verified { .. })) {
            let versions = self.touches.versions(history, change.id())?;
            let has =
                |version: &&RecordVersion| version.events.as_ref().is_some_and(|it| it.len() as u64 >= verified.seq);
            let then = versions.iter().find(has).map_or(head, |version| version.commit.id.as_str());
            let brought_back = history.back_since(head, change, (then, verified.at));
            let was_out = brought_back.is_some_and(|back| back.timestamp() >= verified.at.timestamp());
            if was_out && history.is_taken_out(head, change) {
                found.push(Finding::fail(FindingKind::ChangeNotHere { taken_back: true }).of_change(change.id()));
            }
            let elsewhere = days.get(&Unwitnessed::Elsewhere).cloned().unwrap_or_default();
            problem = problem.or_else(|| watched_too_short(change, verified, brought_back, elsewhere));
        }
        let is_new =
            |day: &NaiveDate| brought.iter().any(|it| matches!(&it.what, Kind::Ticked(it) if it.utc_date == *day));
        days.values_mut().for_each(|days| days.retain(is_new));
        days.retain(|_, days| !days.is_empty());
        let level = if self.policy.deadline.demanded { Severity::Fail } else { Severity::Warn };
        let of_days = days.into_iter().map(|(why, days)| (level, FindingKind::DaysUnwitnessed { days, why }));
        let what = problem.map(|problem| (Severity::Fail, FindingKind::VerdictsDiffer { problem }));
        let finding = |(level, what)| Finding { level, ..Finding::fail(what).of_change(change.id()) };
        found.extend(what.into_iter().chain(of_days).map(finding));
        Ok(found)
    }

    /// Finds a measurement at a commit where the change is not in effect: reverting it there would alter nothing.
    fn measured_elsewhere(&self, change: &Change, brought: &[Event]) -> Option<String> {
        let commits = change.every_commit();
        let is_of_change =
            |what| matches!(what, SnapshotPurpose::After | SnapshotPurpose::Stage(_) | SnapshotPurpose::Day(_));
        let mut places: BTreeMap<&String, u64> = BTreeMap::new();
        for event in brought {
            let taken = event.what.measured().filter(|(what, _)| is_of_change(*what)).map(|(_, taken)| taken);
            let commit = taken.and_then(|taken| taken.revision.commit.as_ref());
            commit.map(|commit| places.entry(commit).or_insert(event.seq));
        }
        let asked = places.keys().flat_map(|head| commits.iter().map(move |of| Remake::Gone { head, of }));
        let remade = self.history.remake(&asked.collect::<Vec<_>>());
        let is_out = |known: &[&Remade]| !known.is_empty() && known.iter().all(|it| it.is_same());
        let mut here = places.iter().zip(remade.chunks(commits.len().max(1)));
        let ((commit, seq), _) = here.find(|(_, known)| is_out(&known.iter().flatten().collect::<Vec<_>>()))?;
        Some(format!("event {} was measured at commit {}, where the change is not in effect", seq, short(commit)))
    }

    /// The findings about replacements of the validated commit that do something else.
    fn unproven(&self, change: &Change, event: &Event) -> Vec<Finding> {
        let history = self.history;
        let Kind::Relinked { commits, .. } = &event.what else { return Vec::new() };
        let one = |(old, new): &(String, String)| {
            let Some(commit) = history.commit(new) else {
                // A rebase replaces a commit again, and the record says so.
                let stands = change.promotion.is_some() && matches!(change.end, Some(End::Verified { .. }) | None);
                let is_last = stands && change.commits().contains(new);
                history.ask(history.repo.needs_whole(None, &self.range.head), ());
                return is_last.then(|| not_here(change));
            };
            let paths: Vec<String> = commit.paths().map(str::to_owned).collect();
            let proven = members::is_the_validated_one(change, (&commit.id, &paths), self.policy, history);
            let what = FindingKind::RelinkUnproven { old: old.clone() };
            (!proven).then(|| Finding::fail(what).of_commit(&commit.name()).of_change(change.id()))
        };
        commits.iter().filter_map(one).collect()
    }

    /// A finding if a change ended, without a commit in the range, and is still in effect.
    fn left(&self, change: &Change) -> Option<Finding> {
        let (history, head) = (self.history, self.range.head.as_str());
        let end = change.end.as_ref().filter(|end| matches!(end, End::Rejected { .. } | End::RolledBack))?;
        let what = FindingKind::NotReverted { end: end.name(), known: true };
        // The commits of an emergency are those with its id.
        let mut commits = change.commits();
        if commits.iter().any(|commit| history.known(commit).is_none()) {
            commits = change.every_commit();
            commits.retain(|commit| history.reaches(head, commit));
        }
        if commits.is_empty() {
            commits = History::earlier(history, change.id(), None).into_iter().map(|commit| commit.id).collect();
        }
        history.is_in_effect(head, &commits).then(|| Finding::fail(what).of_change(change.id()))
    }

    /// The findings about changes without a commit in the range: promoted ones whose commits are missing from the history,
    /// and ended ones that are still in effect.
    pub(crate) fn of_changes<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change> + Clone,
        concerned: &BTreeSet<ChangeId>,
    ) -> Result<Vec<Finding>> {
        let (repo, head, base) = (self.history.repo, &self.range.head, self.range.base.as_deref());
        // A shallow clone may lack the commits of records that the range does not touch.
        let follows = repo.is_shallow() && base.map_or(Ok(false), |base| repo.is_ancestor(base, head))?;
        let ended = changes.clone().filter(|it| concerned.contains(it.id()));
        let may_be_gone = changes.filter(|it| !follows || concerned.contains(it.id()));
        let absent = may_be_gone.filter(|it| self.history.lacks(head, it));
        Ok(ended.filter_map(|it| self.left(it)).chain(absent.map(not_here)).collect())
    }
}

fn not_here(change: &Change) -> Finding {
    Finding::fail(FindingKind::ChangeNotHere { taken_back: false }).of_change(change.id())
}

/// A problem if too few of the monitored days count: those since the change was brought back, measured at commits of this
/// history.
fn watched_too_short(
    change: &Change,
    verified: &Event,
    brought_back: Option<DateTime<Utc>>,
    elsewhere: BTreeSet<NaiveDate>,
) -> Option<String> {
    let why = match (brought_back, elsewhere.first()) {
        (Some(at), _) => format!("it was taken back and brought back, last at {}, and", moment(at)),
        (None, Some(day)) => format!("this history does not have what was measured from {day} on, so that it"),
        (None, None) => return None,
    };
    let world = World { brought_back, elsewhere, ..World::granted(change, &verified.what) };
    let mut unmet = window::demands(change, &world, verified.at).into_iter().filter(|demand| !demand.met);
    unmet.any(|demand| demand.kind.comes_with_time()).then(|| format!("{why} was not watched long enough since"))
}

/// Whether a change takes an emergency over: it is in effect and, once validated, covers all files in which the emergency's
/// commits are still in effect.
pub(crate) fn takes_over(
    history: &GitHistory<'_>,
    head: &str,
    emergency: &ChangeId,
    by: &Change,
    policy: &CheckPolicy,
) -> bool {
    let Some(validation) = &by.validation else { return true };
    let is_taken_over = |file: &String| validation.delta.files.contains(file) || policy.exempts_path(file);
    !history.is_taken_out(head, by) && history.files_in_effect(head, emergency).iter().all(is_taken_over)
}

fn policy_changed(changes: Vec<KeyChange>, judged: bool) -> FindingKind {
    FindingKind::PolicyChanged { what: changes.iter().map(|change| change.key.clone()).collect(), changes, judged }
}
