//! The range check: every commit between base and head against the records at head. It takes commits one by one as git lists
//! them and asks further questions through [`History`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::merges::{brought_back, of_merges, unexplained};
use crate::audit::reverts::Lineage;
use crate::audit::{
    Audit, CheckPolicy, CommitName, Exempted, Finding, FindingKind, Member, RecordFacts, RecordState, members,
};
use crate::model::{ChangeId, Commit, FileChange, Kind, Remade, Remake, own};
use crate::workflow::{Change, End};

/// Questions to git, asked at the end and only for the few commits concerned.
pub(crate) trait History {
    /// Whether `ancestor` is a proper ancestor of `commit`; `None` if one of them is unknown here.
    fn comes_before(&self, ancestor: &str, commit: &str) -> Option<bool>;
    /// The tree's hash and the digest of the code at a commit; `None` if it is unknown here.
    fn at(&self, commit: &str) -> Option<(String, String)>;
    /// The hash of a commit's first parent; `None` if there is none, or the commit is unknown here.
    fn parent(&self, commit: &str) -> Option<String>;
    fn code_is(&self, commit: &str, code: &str) -> bool {
        self.at(commit).is_some_and(|(_, known)| known == code)
    }
    /// The code of a commit with these files of another one in it; `None` if it is unknown or has one of them otherwise than
    /// the other's parent.
    fn code_with(&self, commit: &str, files: &[&FileChange]) -> Option<String>;
    /// The newest commits that a commit builds on.
    fn before(&self, commit: &str) -> Vec<String>;
    /// Whether a commit after this one, on the way to `head`, has this code.
    fn has_code_after(&self, commit: &str, head: &str, code: &str) -> bool;
    /// Compares commits with what git makes of the same parents, for the project's files without the tool's own; `None` if a
    /// commit is unknown here.
    fn remake(&self, all: &[Remake<'_>]) -> Vec<Option<Remade>>;
    /// A commit outside the range, by its hash or the beginning of it.
    fn commit(&self, hash: &str) -> Option<Commit>;
    /// The project's files, without the tool's own, as they differ from one commit to another.
    fn changed(&self, from: &str, to: &str) -> Vec<FileChange>;
    /// The merge bases of the range's base and its head; none if the range has no base.
    fn parted(&self, head: &str) -> Vec<String>;
    /// The merges of the range with the files that differ from each of their parents.
    fn merges(&self, head: &str) -> Vec<Commit>;
    /// The files of a merge's parent, the tool's own among them, that the merge does not have.
    fn left_out(&self, merge: &str, parent: &str) -> Vec<FileChange>;
    /// The commits that a merge brought to its first parent, without merges.
    fn brought(&self, merge: &str) -> Vec<Commit>;
    /// The commits in the history of `head` and not in that of the other that touch a file, without merges.
    fn touching(&self, other: &str, head: &str, path: &str) -> Vec<String>;
    /// The commits of a change before the range and after `baseline` (in the whole history if there is none), oldest first,
    /// without evidence, merges, reverts and commits that were taken back before the range.
    fn earlier(&self, id: &ChangeId, baseline: Option<&str>) -> Vec<CommitName>;
    /// How a change had ended according to its record before a commit.
    fn ended_before(&self, commit: &str, id: &ChangeId) -> Option<&'static str>;
}

pub(crate) struct RangeAudit<'a> {
    pub(crate) policy: &'a CheckPolicy,
    pub(crate) records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// The committer's time of the head, or now if that is later.
    pub(crate) now: DateTime<Utc>,
    /// New hash to the change and the old hash.
    relinked: BTreeMap<String, (ChangeId, String)>,
    /// The commits that records name as validated, with the changes of these records: a hash is stronger than a trailer.
    validated: BTreeMap<String, BTreeSet<ChangeId>>,
    audit: Audit,
    /// Members by change, newest first, as they come.
    members: BTreeMap<ChangeId, Vec<Member>>,
    reverts: Vec<Member>,
    /// Those among the reverts that name no commit, as a forge writes them, with the finding if they are none.
    unnamed: BTreeMap<String, Finding>,
    /// Data among the tool's own files that commits of changes brought.
    pub(crate) own_data: Vec<(CommitName, String)>,
    /// With the project's files only, compared with the first parent.
    pub(crate) merges: Vec<Commit>,
    /// Every commit of the range by hash, without its files.
    pub(crate) seen: BTreeMap<String, Commit>,
    /// Its commits with the paths that they change, merges without any, newest first.
    pub(crate) touched: Vec<(String, Vec<String>)>,
    pub(crate) head: String,
}

impl<'a> RangeAudit<'a> {
    /// Starts a check with the policy, the records at head, and the time of head.
    pub(crate) fn new(
        policy: &'a CheckPolicy,
        records: &'a BTreeMap<ChangeId, RecordFacts>,
        now: DateTime<Utc>,
    ) -> Self {
        let (mut relinked, mut validated) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<ChangeId>>::new());
        for (id, change) in records.iter().filter_map(|(id, record)| Some((id, record.change()?))) {
            for commit in change.commits() {
                validated.entry(commit).or_default().insert(id.clone());
            }
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
            validated,
            audit: Audit::default(),
            members: BTreeMap::new(),
            reverts: Vec::new(),
            unnamed: BTreeMap::new(),
            own_data: Vec::new(),
            merges: Vec::new(),
            seen: BTreeMap::new(),
            touched: Vec::new(),
            head: String::new(),
        }
    }

    pub(crate) fn take(&mut self, commit: &Commit) {
        self.audit.commits += 1;
        if self.head.is_empty() {
            self.head.clone_from(&commit.id);
        }
        let message = if commit.reverted().is_empty() { String::new() } else { commit.message.clone() };
        let ids = self.ids_of(commit);
        let parents = commit.parents.clone();
        let seen = Commit { id: commit.id.clone(), parents, ids: ids.clone(), message, ..Commit::default() };
        self.seen.insert(commit.id.clone(), seen);
        let paths = commit.paths().filter(|_| !commit.is_merge()).map(str::to_owned).collect();
        self.touched.push((commit.id.clone(), paths));
        if commit.is_merge() {
            let files = commit.files.iter().filter(|file| !file.own).cloned().collect();
            self.merges.push(Commit { files, ..commit.clone() });
        } else if let Some(reason) = self.policy.exempts(commit).map(str::to_owned) {
            if !commit.is_evidence_only() {
                self.audit.exempted.push(Exempted { commit: commit.name(), reason });
                // A commit that names a change of this project is checked against it even if it is exempt.
                let is_known = |id: &String| id.parse().is_ok_and(|id| self.records.contains_key(&id));
                if commit.ids.iter().any(is_known) {
                    self.assign(commit, ids);
                }
            }
        } else if let Some(marker) = commit.fixup() {
            self.add(commit, Finding::fail(FindingKind::FixupLeft { marker }));
        } else if !commit.is_evidence_only() {
            self.assign(commit, ids);
        }
    }

    pub(crate) fn ids_of(&self, commit: &Commit) -> Vec<String> {
        let relinked = self.relinked.get(&commit.id).map(|(id, _)| id);
        let validated = self.validated.get(&commit.id).filter(|_| relinked.is_none());
        let by_record = relinked.into_iter().chain(validated.into_iter().flatten()).map(ToString::to_string);
        let ids: BTreeSet<String> = commit.ids.iter().cloned().chain(by_record).collect();
        ids.into_iter().collect()
    }

    /// A commit of the range, or one before it, with the changes that it belongs to.
    pub(crate) fn commit(&self, history: &dyn History, hash: &str) -> Option<Commit> {
        if let Some(commit) = self.seen.get(hash) {
            return Some(commit.clone());
        }
        let commit = history.commit(hash)?;
        Some(Commit { ids: self.ids_of(&commit), ..commit })
    }

    /// The full hash of a commit, or of its replacement according to the records; unchanged if it is unknown.
    pub(crate) fn full_hash(&self, history: &dyn History, hash: &str) -> String {
        let moved = self.relinked.iter().find(|(new, (_, old))| old.starts_with(hash) && !new.starts_with(hash));
        if let Some((new, _)) = moved {
            return new.clone();
        }
        let mut here = self.seen.range(hash.to_owned()..).take_while(|(id, _)| id.starts_with(hash));
        match (here.next(), here.next()) {
            (Some((id, _)), None) => id.clone(),
            _ => history.commit(hash).map_or_else(|| hash.to_owned(), |commit| commit.id),
        }
    }

    /// A reverted commit and, for a merge, those that it brought and of which nothing is left at the head.
    pub(crate) fn with_merged(&self, commit: &str, history: &dyn History) -> Vec<String> {
        let is_merge = self.seen.get(commit).is_some_and(Commit::is_merge);
        let brought = if is_merge { history.brought(commit) } else { Vec::new() };
        let asked: Vec<Remake<'_>> = brought.iter().map(|it| Remake::Gone { head: &self.head, of: &it.id }).collect();
        let gone = brought.iter().zip(history.remake(&asked));
        let gone = gone.filter(|(_, made)| made.as_ref().is_some_and(Remade::is_same)).map(|(it, _)| it.id.clone());
        std::iter::once(commit.to_owned()).chain(gone).collect()
    }

    /// The commit that this one replaced according to a change's record.
    pub(crate) fn replaced(&self, id: &ChangeId, commit: &str) -> Option<&String> {
        self.relinked.get(commit).filter(|(of, _)| of == id).map(|(_, old)| old)
    }

    /// The change that a commit names, or the finding that there is none.
    pub(crate) fn named(&self, commit: &CommitName, text: &str) -> Result<ChangeId, Finding> {
        let what = match text.parse::<ChangeId>() {
            Ok(id) if self.records.contains_key(&id) => return Ok(id),
            Ok(id) => FindingKind::UnknownId { id },
            Err(_) => FindingKind::MalformedId { value: text.to_owned() },
        };
        Err(Finding::fail(what).of_commit(commit))
    }

    fn add(&mut self, commit: &Commit, finding: Finding) {
        self.audit.findings.push(finding.of_commit(&commit.name()));
    }

    fn assign(&mut self, commit: &Commit, ids: Vec<String>) {
        let member = Member {
            name: commit.name(),
            written: commit.author_time,
            made: commit.commit_time,
            paths: commit.paths().map(str::to_owned).collect(),
            ids,
            root: None,
        };
        if !commit.reverted().is_empty() {
            return self.reverts.push(member);
        }
        if member.ids.is_empty() {
            let finding = self.policy.untracked(commit);
            let path = finding.path.clone().or_else(|| commit.paths().next().map(str::to_owned));
            let finding = Finding { path, ..finding };
            if commit.subject.starts_with("Revert \"") {
                self.unnamed.insert(commit.id.clone(), finding);
                return self.reverts.push(member);
            }
            return self.add(commit, finding);
        }
        let data = commit.files.iter().filter(|file| file.own && own::is_data(&file.path));
        self.own_data.extend(data.map(|file| (commit.name(), file.name().to_owned())));
        if member.ids.len() > 1 {
            self.add(commit, Finding::fail(FindingKind::SeveralIds { ids: member.ids.clone() }));
        }
        for text in &member.ids {
            match self.named(&member.name, text) {
                Ok(id) => self.members.entry(id).or_default().push(member.clone()),
                Err(finding) => {
                    let inner = member.paths.iter().find(|path| own::inner_root(path).is_some());
                    self.audit.findings.push(Finding { path: inner.cloned(), ..finding });
                }
            }
        }
    }

    /// Finishes the check: asks git about the commits of changes and checks each change's gate. Also returns these changes.
    pub(crate) fn finish(mut self, history: &dyn History) -> (Audit, BTreeSet<ChangeId>) {
        let reverts = self.recognized(history);
        let effects = Lineage::of(&self, history, &reverts).resolve(&reverts);
        let of_merges = of_merges(&self, &effects, history);
        let unexplained = unexplained(&self, &effects, &of_merges, history);
        self.audit.findings.extend(brought_back(&self, &unexplained).into_iter().chain(of_merges));
        let mut taken_back = effects.taken_back;
        // Work that is still present was not taken back, whatever a revert claims.
        let leaves = |paths: &[String]| paths.iter().any(|path| unexplained.contains(path));
        for (commit, _) in self.touched.iter().filter(|(_, paths)| leaves(paths)) {
            taken_back.remove(commit);
        }
        self.audit.findings.extend(effects.findings);
        let mut found = std::mem::take(&mut self.audit.findings);
        for finding in &mut found {
            let commit = finding.commit.as_ref().map(|commit| commit.id.clone()).unwrap_or_default();
            if let Some(reverts) = taken_back.get(&commit) {
                *finding = finding.clone().taken_back(self.measured_with(&commit, reverts));
            }
        }
        self.audit.findings = found;
        let mut members = std::mem::take(&mut self.members);
        for (id, member) in effects.members {
            members.entry(id).or_default().push(member);
        }
        let referenced = members.keys().cloned().collect();
        self.audit.findings.extend(self.shared());
        for (id, mut members) in members {
            members.reverse();
            let Some(record) = self.records.get(&id) else { continue };
            let found = self.of_change(record, members, &taken_back, history);
            self.audit.findings.extend(found.into_iter().map(|finding| finding.of_change(&id)));
        }
        (self.audit, referenced)
    }

    /// A change that was measured, and not given up since, where this commit of the range was in effect.
    fn measured_with(&self, commit: &str, reverts: &[String]) -> Option<ChangeId> {
        let has_it = |at: &String| {
            let (mut behind, mut open) = (BTreeSet::new(), vec![at]);
            while let Some((id, seen)) = open.pop().and_then(|id| self.seen.get_key_value(id)) {
                if behind.insert(id.as_str()) {
                    open.extend(&seen.parents);
                }
            }
            behind.contains(commit) && !reverts.iter().any(|revert| behind.contains(revert.as_str()))
        };
        let changes = self.records.values().filter_map(RecordFacts::change);
        let mut claimed = changes.filter(|it| matches!(it.end, None | Some(End::Verified { .. })));
        let is_measured = |change: &Change| {
            let mut taken =
                change.events.iter().filter_map(|event| event.what.recorded_snapshot()?.revision.commit.as_ref());
            taken.any(has_it)
        };
        claimed.find(|change| is_measured(change)).map(|change| change.id().clone())
    }

    /// The reverts. One that names no commit is recognized by its content, if it exactly undoes a change that was rolled back.
    fn recognized(&mut self, history: &dyn History) -> Vec<Member> {
        let ended = self.records.values().filter_map(RecordFacts::change).filter(|it| it.rollback.is_some());
        let ended: Vec<String> = ended.flat_map(Change::commits).collect();
        let mut reverts = std::mem::take(&mut self.reverts);
        reverts.retain(|revert| {
            let commit = revert.name.id.as_str();
            let Some(finding) = self.unnamed.remove(commit) else { return true };
            let asked: Vec<Remake<'_>> = ended.iter().map(|of| Remake::Revert { commit, of }).collect();
            let mut made = ended.iter().zip(history.remake(&asked));
            let of = made.find(|(_, made)| made.as_ref().is_some_and(Remade::is_same)).map(|(of, _)| of);
            match (of, self.seen.get_mut(commit)) {
                (Some(of), Some(seen)) => seen.message = format!("This reverts commit {of}."),
                (Some(_) | None, _) => self.audit.findings.push(finding.of_commit(&revert.name)),
            }
            of.is_some()
        });
        reverts
    }

    /// Finds promoted changes with the same commit: the work of a commit is measured as one change.
    fn shared(&self) -> Vec<Finding> {
        let stands = |id: &&ChangeId| {
            let change = self.records.get(*id).and_then(RecordFacts::change);
            change.is_some_and(|it| it.promotion.is_some() && matches!(it.end, None | Some(End::Verified { .. })))
        };
        let mut found = Vec::new();
        for ids in self.validated.values() {
            let ids: Vec<String> = ids.iter().filter(stands).map(ToString::to_string).collect();
            let (Some(last), true) = (ids.last().and_then(|id| id.parse().ok()), ids.len() > 1) else { continue };
            found.push(Finding::fail(FindingKind::SeveralIds { ids }).of_change(&last));
        }
        found
    }

    fn of_change(
        &self,
        record: &RecordFacts,
        mut members: Vec<Member>,
        taken_back: &BTreeMap<String, Vec<String>>,
        history: &dyn History,
    ) -> Vec<Finding> {
        let Some(change) = record.change() else {
            members.retain(|_| matches!(record.state, RecordState::Legacy));
            let unproven = |member: &Member| Finding::fail(FindingKind::RecordUnproven).of_commit(&member.name);
            return members.iter().map(unproven).collect();
        };
        members.retain(|member| !taken_back.contains_key(&member.name.id));
        if members.is_empty() {
            return Vec::new();
        }
        let earlier = self.earlier(change, &members, taken_back, history);
        let mut found = members::findings(change, &members, &earlier, self, history);
        found.extend(self.policy.surfaces.findings(change, &members));
        found
    }

    /// The commits of a change before the range, without those that a commit of the range replaced or brings back.
    fn earlier(
        &self,
        change: &Change,
        members: &[Member],
        taken_back: &BTreeMap<String, Vec<String>>,
        history: &dyn History,
    ) -> Vec<CommitName> {
        let mut earlier = history.earlier(change.id(), change.baseline_commit());
        earlier.retain(|commit| {
            let old = commit.id.as_str();
            let moved = self.relinked.values().any(|(_, known)| known == old);
            // The same commit may be on two branches that were merged.
            let picks: Vec<Remake<'_>> =
                members.iter().map(|member| Remake::Pick { commit: &member.name.id, of: old }).collect();
            let same = || history.remake(&picks).iter().all(|it| it.as_ref().is_some_and(Remade::is_same));
            let back = members.iter().any(|member| member.root.as_deref() == Some(old));
            !moved && !back && !taken_back.contains_key(old) && !same()
        });
        earlier
    }
}

pub(crate) fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
