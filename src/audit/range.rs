//! The range check: every commit between base and head against the records at head. Takes commits one by one as git
//! finds them; what else it needs of git it asks through [`History`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::merges::{self, Lines, Merge};
use crate::audit::reverts::{Known, Revert};
use crate::audit::{
    Audit, Combined, CommitName, Demands, Exempted, Finding, FindingKind, Member, Policy, RecordFacts, Remerged,
    members,
};
use crate::model::{ChangeId, Commit, Kind};
use crate::workflow::Change;

/// What only git can answer, asked at the end and only for the few commits that it is about.
pub(crate) trait History {
    /// Whether `ancestor` comes before `commit` (and is not it); `None` where one of them is not known here.
    fn comes_before(&self, ancestor: &str, commit: &str) -> Option<bool>;
    /// Whether the code just before `commit` has this digest.
    fn code_before_is(&self, commit: &str, code: &str) -> bool;
    /// Of each pair, whether the first commit is exactly what reverting the second one gives.
    fn are_reverses(&self, pairs: &[(&str, &str)]) -> Vec<bool>;
    /// Whether two commits make the same difference; `None` where one of them is not known here.
    fn is_same_delta(&self, old: &str, new: &str) -> Option<bool>;
    /// Whether the code at `commit` has this digest.
    fn code_is(&self, commit: &str, code: &str) -> bool;
    /// Merges (each with its two parents) against merging the parents again; `None` where git cannot tell.
    fn remerged(&self, merges: &[(&str, &str, &str)]) -> Option<Vec<Remerged>>;
    /// What of merges differs from every parent.
    fn combined(&self, merges: &[&str]) -> Vec<Combined>;
    /// The commits of a change before the range and after `baseline`, oldest first: no evidence, merges, reverts, nor
    /// commits that were taken back before the range.
    fn earlier(&self, id: &ChangeId, baseline: &str) -> Vec<CommitName>;
    /// The full hash and the change ids of a commit outside the range.
    fn look_up(&self, commit: &str) -> Option<(String, Vec<String>)>;
}

/// A range check under way.
pub(crate) struct RangeAudit<'a> {
    policy: &'a Policy,
    records: &'a BTreeMap<ChangeId, RecordFacts>,
    now: DateTime<Utc>,
    /// New hash to the change and the old hash.
    relinked: BTreeMap<String, (ChangeId, String)>,
    audit: Audit,
    /// Members by change, newest first, as they come.
    members: BTreeMap<ChangeId, Vec<Member>>,
    reverts: Vec<Revert>,
    merges: Vec<Merge>,
    lines: Lines,
    /// Every commit of the range, with the ids that it names.
    seen: BTreeMap<String, Vec<String>>,
}

impl<'a> RangeAudit<'a> {
    /// Begins with the demands, the records at head, and the moment at which head was made.
    pub(crate) fn new(policy: &'a Policy, records: &'a BTreeMap<ChangeId, RecordFacts>, now: DateTime<Utc>) -> Self {
        let mut relinked = BTreeMap::new();
        for (id, change) in records.iter().filter_map(|(id, record)| Some((id, record.change()?))) {
            for event in &change.events {
                if let Kind::Relinked { commits, .. } = &event.what {
                    relinked.extend(commits.iter().map(|(old, new)| (new.clone(), (id.clone(), old.clone()))));
                }
            }
        }
        Self {
            policy,
            records,
            now,
            relinked,
            audit: Audit::default(),
            members: BTreeMap::new(),
            reverts: Vec::new(),
            merges: Vec::new(),
            lines: Lines::default(),
            seen: BTreeMap::new(),
        }
    }

    /// Takes the next commit, newest first.
    pub(crate) fn take(&mut self, commit: &Commit) {
        self.audit.commits += 1;
        self.seen.insert(commit.id.clone(), commit.ids.clone());
        self.lines.take(commit);
        if commit.is_merge() {
            self.merges.push(Merge::of(commit, self.audit.commits));
        } else if let Some(reason) = self.policy.exempts(commit).map(str::to_owned) {
            if !commit.is_evidence_only() {
                self.audit.exempted.push(Exempted { commit: commit.name(), reason });
                // A commit that names a change is held to it, exempt or not.
                if !commit.ids.is_empty() {
                    self.assign(commit);
                }
            }
        } else if let Some(marker) = commit.fixup() {
            self.add(commit, Finding::fail(FindingKind::FixupLeft { marker }));
        } else if !commit.is_evidence_only() {
            self.assign(commit);
        }
    }

    fn add(&mut self, commit: &Commit, finding: Finding) {
        self.audit.findings.push(finding.of_commit(&commit.name()));
    }

    /// Finds the change that a commit belongs to.
    fn assign(&mut self, commit: &Commit) {
        let relinked = self.relinked.get(&commit.id).cloned();
        let by_record = relinked.as_ref().map(|(id, _)| id.to_string());
        let ids: BTreeSet<String> = commit.ids.iter().cloned().chain(by_record).collect();
        let ids: Vec<String> = ids.into_iter().collect();
        let reverted = commit.reverted();
        if !reverted.is_empty() {
            return self.reverts.push(Revert::of(commit, self.audit.commits, ids, reverted));
        }
        if ids.is_empty() {
            let finding = self.policy.surfaces.untracked(commit.paths());
            let path = finding.path.clone().or_else(|| commit.paths().next().map(str::to_owned));
            return self.add(commit, Finding { path, ..finding });
        }
        if ids.len() > 1 {
            self.add(commit, Finding::fail(FindingKind::SeveralIds { ids: ids.clone() }));
        }
        for text in ids {
            match members::named(self.records, &commit.name(), &text) {
                Ok(id) => {
                    let member = Member {
                        name: commit.name(),
                        written: commit.author_time,
                        made: commit.commit_time,
                        paths: commit.paths().map(str::to_owned).collect(),
                        relinked: relinked.as_ref().filter(|(of, _)| *of == id).map(|(_, old)| old.clone()),
                    };
                    self.members.entry(id).or_default().push(member);
                }
                Err(finding) => self.audit.findings.push(finding),
            }
        }
    }

    /// The changes that commits of the range belong to.
    pub(crate) fn referenced(&self) -> BTreeSet<ChangeId> {
        self.members.keys().cloned().collect()
    }

    /// Ends the check: asks git about the commits that belong to changes, and each change for its gate.
    pub(crate) fn finish(mut self, history: &dyn History) -> Audit {
        let (found, decided) = merges::findings(&self.merges, &self.lines, &self.policy.surfaces, history);
        self.audit.findings.extend(found);
        let known = Known {
            records: self.records,
            relinked: &self.relinked,
            members: &self.members,
            seen: &self.seen,
            surfaces: &self.policy.surfaces,
            history,
        };
        let settled = known.settle(&self.reverts, &decided);
        let taken_back = settled.taken_back;
        self.audit.findings.extend(settled.findings);
        for finding in &mut self.audit.findings {
            if finding.commit.as_ref().is_some_and(|commit| taken_back.contains(&commit.id)) {
                *finding = finding.clone().taken_back();
            }
        }
        let mut members = std::mem::take(&mut self.members);
        for (id, member) in settled.members {
            members.entry(id).or_default().push(member);
        }
        for (id, mut members) in members {
            members.reverse();
            let Some(record) = self.records.get(&id) else { continue };
            let found = self.of_change(record, members, &taken_back, history);
            self.audit.findings.extend(found.into_iter().map(|finding| finding.of_change(&id)));
        }
        self.audit.records = self.records.len();
        self.audit
    }

    /// What is wrong with the commits of a change, oldest first.
    fn of_change(
        &self,
        record: &RecordFacts,
        mut members: Vec<Member>,
        taken_back: &BTreeSet<String>,
        history: &dyn History,
    ) -> Vec<Finding> {
        let Some(change) = record.change() else {
            let unproven = |member: &Member| Finding::fail(FindingKind::RecordUnproven).of_commit(&member.name);
            return if record.is_legacy() { members.iter().map(unproven).collect() } else { Vec::new() };
        };
        members.retain(|member| !taken_back.contains(&member.name.id));
        if members.is_empty() {
            return Vec::new();
        }
        let earlier = self.earlier(change, &members, taken_back, history);
        let demands = Demands { policy: self.policy, records: self.records, now: self.now };
        let mut found = members::findings(change, &members, &earlier, demands, history);
        found.extend(self.policy.surfaces.findings(change, &members));
        found
    }

    /// The commits that a change has already before the range, apart from those that one of the range replaced.
    fn earlier(
        &self,
        change: &Change,
        members: &[Member],
        taken_back: &BTreeSet<String>,
        history: &dyn History,
    ) -> Vec<CommitName> {
        let baseline = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.as_deref());
        let mut earlier = baseline.map(|baseline| history.earlier(change.id(), baseline)).unwrap_or_default();
        earlier.retain(|commit| {
            let old = commit.id.as_str();
            let moved = self.relinked.values().any(|(_, known)| known == old);
            // The same change on two branches that meet.
            let same = |member: &Member| history.is_same_delta(old, &member.name.id) == Some(true);
            !moved && !taken_back.contains(old) && !members.iter().all(same)
        });
        earlier
    }
}

/// A moment from seconds since 1970.
pub(crate) fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
