//! Commits that say that they revert others: they inherit the ids of what they revert, where they really revert it.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::merges::Decided;
use crate::audit::{CommitName, Finding, FindingKind, History, Member, RecordFacts, Surfaces, members};
use crate::model::{ChangeId, Commit};

/// A commit that says that it reverts others.
#[derive(Debug, Clone)]
pub(crate) struct Revert {
    pub(crate) name: CommitName,
    /// Its position in the range, newest first.
    pub(crate) position: usize,
    written: i64,
    made: i64,
    paths: Vec<String>,
    ids: Vec<String>,
    reverted: Vec<String>,
}

impl Revert {
    pub(crate) fn of(commit: &Commit, position: usize, ids: Vec<String>, reverted: Vec<String>) -> Self {
        Self {
            name: commit.name(),
            position,
            written: commit.author_time,
            made: commit.commit_time,
            paths: commit.paths().map(str::to_owned).collect(),
            ids,
            reverted,
        }
    }

    /// Whether a later merge decided otherwise on a file that it restored.
    fn is_dropped(&self, decided: &[Decided]) -> bool {
        let later = decided.iter().filter(|merge| merge.position < self.position);
        later.flat_map(|merge| &merge.paths).any(|path| self.paths.contains(path))
    }
}

/// What the reverts of a range come to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The commits that were taken back whole.
    pub(crate) taken_back: BTreeSet<String>,
    pub(crate) findings: Vec<Finding>,
    /// Reverts that are work of their own.
    pub(crate) members: Vec<(ChangeId, Member)>,
}

/// The full hash of a commit that is reverted, and the ids that it names.
type Origin = (String, Vec<String>);

/// What the origins of reverts are looked up in.
pub(crate) struct Known<'a> {
    pub(crate) records: &'a BTreeMap<ChangeId, RecordFacts>,
    /// New hash to the change and the old hash.
    pub(crate) relinked: &'a BTreeMap<String, (ChangeId, String)>,
    pub(crate) members: &'a BTreeMap<ChangeId, Vec<Member>>,
    /// Every commit of the range, with the ids that it names.
    pub(crate) seen: &'a BTreeMap<String, Vec<String>>,
    pub(crate) surfaces: &'a Surfaces,
    pub(crate) history: &'a dyn History,
}

impl Known<'_> {
    /// Settles the reverts of a range, newest first. `decided` is what merges decided by themselves.
    pub(crate) fn settle(&self, reverts: &[Revert], decided: &[Decided]) -> Settled {
        let origins: Vec<Vec<Origin>> = reverts
            .iter()
            .map(|revert| revert.reverted.iter().map(|hash| self.origin(hash, reverts)).collect())
            .collect();
        let pairs = reverts
            .iter()
            .zip(&origins)
            .flat_map(|(revert, origins)| origins.iter().map(|(full, _)| (revert.name.id.as_str(), full.as_str())));
        let mut exact = self.history.are_reverses(&pairs.collect::<Vec<_>>()).into_iter();
        let mut settled = Settled::default();
        for (revert, origins) in reverts.iter().zip(origins) {
            // Newest first: one that was itself taken back has no effect, nor has one that a merge dropped.
            let undone = settled.taken_back.contains(&revert.name.id) || revert.is_dropped(decided);
            let mut inherited: Vec<String> = Vec::new();
            // Reverting what came with this very range restores what was there before.
            let mut restores = true;
            let mut own_work = false;
            for (full, ids) in origins {
                let exact = exact.next().unwrap_or_default();
                restores &= exact && self.seen.contains_key(&full);
                if !exact {
                    // The rollback of a change may do something else under the same id.
                    let rolled_back = revert.ids.iter().any(|id| ids.contains(id) && self.is_rolled_back(id));
                    let what = FindingKind::RevertNotExact { reverted: full };
                    let finding = if rolled_back { Finding::warn(what) } else { Finding::fail(what) };
                    settled.findings.push(finding.of_commit(&revert.name));
                    own_work |= !rolled_back;
                } else if !undone {
                    settled.taken_back.insert(full);
                }
                inherited.extend(ids);
            }
            self.add_own_work(revert, &inherited, own_work, &mut settled);
            if revert.ids.is_empty() && !inherited.iter().any(|id| self.record(id).is_some()) {
                let paths = revert.paths.iter().map(String::as_str);
                let finding = self.surfaces.untracked(paths).of_commit(&revert.name);
                settled.findings.push(if restores { finding.taken_back() } else { finding });
            }
        }
        settled
    }

    /// A revert that does something else is work of its own, and so is one under the id of a change to which what it
    /// reverts does not belong.
    fn add_own_work(&self, revert: &Revert, inherited: &[String], own_work: bool, settled: &mut Settled) {
        for text in &revert.ids {
            match members::named(self.records, &revert.name, text) {
                Ok(id) if own_work || !inherited.contains(text) => {
                    let member = Member {
                        name: revert.name.clone(),
                        written: revert.written,
                        made: revert.made,
                        paths: revert.paths.clone(),
                        relinked: None,
                    };
                    settled.members.push((id, member));
                }
                Ok(_) => {}
                Err(finding) => settled.findings.push(finding),
            }
        }
    }

    fn record(&self, id: &str) -> Option<&RecordFacts> {
        self.records.get(&id.parse::<ChangeId>().ok()?)
    }

    fn is_rolled_back(&self, id: &str) -> bool {
        self.record(id).and_then(RecordFacts::change).is_some_and(|change| change.rollback.is_some())
    }

    /// The full hash and the ids of a commit that is reverted: from the range, a record, or before.
    fn origin(&self, hash: &str, reverts: &[Revert]) -> Origin {
        if let Some(older) = reverts.iter().find(|revert| revert.name.id.starts_with(hash)) {
            let mut ids = older.ids.clone();
            // Each step drops one revert, so this ends.
            let rest: Vec<Revert> = reverts.iter().filter(|it| it.name.id != older.name.id).cloned().collect();
            for reverted in older.reverted.iter().filter(|reverted| !older.name.id.starts_with(*reverted)) {
                ids.extend(self.origin(reverted, &rest).1);
            }
            return (older.name.id.clone(), ids);
        }
        for (id, members) in self.members {
            if let Some(member) = members.iter().find(|member| member.name.id.starts_with(hash)) {
                return (member.name.id.clone(), vec![id.to_string()]);
            }
        }
        for (id, change) in self.records.iter().filter_map(|(id, record)| Some((id, record.change()?))) {
            if let Some(commit) = change.commits().into_iter().find(|commit| commit.starts_with(hash)) {
                return (commit, vec![id.to_string()]);
            }
        }
        // The commit that took the place of the reverted one.
        if let Some((new, (id, _))) = self.relinked.iter().find(|(_, (_, old))| old.starts_with(hash)) {
            return (new.clone(), vec![id.to_string()]);
        }
        let mut here = self.seen.range(hash.to_owned()..).take_while(|(id, _)| id.starts_with(hash));
        match (here.next(), here.next()) {
            (Some((id, ids)), None) => (id.clone(), ids.clone()),
            _ => self.history.look_up(hash).unwrap_or((hash.to_owned(), Vec::new())),
        }
    }
}
