//! The range check: every commit between base and head against the records at head. Commits are taken one by one as
//! git finds them. Decides nothing about gates itself, and runs no git: what it has to ask comes through [`History`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::audit::{
    Audit, CommitFacts, CommitName, Demands, Exempted, Finding, Held, History, Lines, Merge, Policy, RecordFacts, What,
    commit, merge, surface, tracked,
};
use crate::model::{ChangeId, Kind, Surface};
use crate::workflow::Change;

/// A commit that belongs to a change.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: CommitName,
    pub(crate) written: i64,
    pub(crate) paths: Vec<String>,
    /// The commit whose place it took, by the record.
    pub(crate) relinked: Option<String>,
}

/// A commit that says that it reverts others.
#[derive(Debug, Clone)]
struct Revert {
    name: CommitName,
    /// Where it stands in the range, newest first.
    place: usize,
    written: i64,
    paths: Vec<String>,
    ids: Vec<String>,
    reverted: Vec<String>,
    tuneables: Vec<String>,
    env: Vec<String>,
}

/// The full hash of a commit that is reverted, and the ids that it names.
type Origin = (String, Vec<String>);

impl Revert {
    /// Whether a merge that came later decided otherwise on a file that it restored.
    fn is_dropped(&self, held: &[Held]) -> bool {
        let later = held.iter().filter(|merge| merge.place < self.place);
        later.flat_map(|merge| &merge.paths).any(|path| self.paths.contains(path))
    }
}

/// A range check under way.
pub struct RangeAudit<'a> {
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
    pub fn new(policy: &'a Policy, records: &'a BTreeMap<ChangeId, RecordFacts>, now: DateTime<Utc>) -> Self {
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
    pub fn take(&mut self, commit: &CommitFacts) {
        self.audit.commits += 1;
        self.seen.insert(commit.id.clone(), commit.ids.clone());
        self.lines.take(commit);
        if commit.is_merge() {
            // What one holds beside what merging gives is looked for at the end.
            self.merges.push(Merge::of(commit, self.audit.commits));
        } else if let Some(reason) = self.policy.exempts(commit).map(str::to_owned) {
            self.exempted(commit, reason);
        } else if let Some(marker) = commit.fixup() {
            self.found(commit, Finding::fail(What::FixupLeft { marker }));
        } else if !commit.is_evidence_only() {
            self.change(commit);
        }
    }

    fn found(&mut self, commit: &CommitFacts, finding: Finding) {
        self.audit.findings.push(finding.of_commit(&commit.name()));
    }

    fn exempted(&mut self, commit: &CommitFacts, reason: String) {
        if !commit.is_evidence_only() {
            self.audit.exempted.push(Exempted { commit: commit.name(), reason });
        }
        // A commit that names a change is held to it, exempt or not.
        if !commit.ids.is_empty() && !commit.is_evidence_only() {
            self.change(commit);
        }
    }

    fn on(&self, surface: Surface, commit: &CommitFacts) -> Vec<String> {
        self.policy.surfaces.on(surface, commit.paths())
    }

    fn change(&mut self, commit: &CommitFacts) {
        let mut ids: BTreeSet<&str> = commit.ids.iter().map(String::as_str).collect();
        let relinked = self.relinked.get(&commit.id).cloned();
        ids.extend(relinked.as_ref().map(|(id, _)| id.as_str()));
        let reverted = commit::reverted(&commit.message);
        if !reverted.is_empty() {
            let ids = ids.into_iter().map(str::to_owned).collect();
            self.reverts.push(Revert {
                name: commit.name(),
                place: self.audit.commits,
                written: commit.author_time,
                paths: commit.paths().map(str::to_owned).collect(),
                ids,
                reverted,
                tuneables: self.on(Surface::Tuneables, commit),
                env: self.on(Surface::Env, commit),
            });
            return;
        }
        if ids.is_empty() {
            let finding = surface::untracked(self.on(Surface::Tuneables, commit), self.on(Surface::Env, commit));
            let path = finding.path.clone().or_else(|| commit.paths().next().map(str::to_owned));
            let finding = Finding { path, ..finding };
            return self.found(commit, finding);
        }
        if ids.len() > 1 {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            self.found(commit, Finding::fail(What::SeveralIds { ids }));
        }
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        for id in ids {
            if let Some(id) = self.known(&commit.name(), &id) {
                let member = Member {
                    name: commit.name(),
                    written: commit.author_time,
                    paths: commit.paths().map(str::to_owned).collect(),
                    relinked: relinked.as_ref().filter(|(of, _)| *of == id).map(|(_, old)| old.clone()),
                };
                self.members.entry(id).or_default().push(member);
            }
        }
    }

    fn known(&mut self, commit: &CommitName, text: &str) -> Option<ChangeId> {
        let what = match text.parse::<ChangeId>() {
            Ok(id) if self.records.contains_key(&id) => return Some(id),
            Ok(id) => What::UnknownId { id },
            Err(_) => What::MalformedId { value: text.to_owned() },
        };
        self.audit.findings.push(Finding::fail(what).of_commit(commit));
        None
    }

    /// The changes that commits of the range belong to.
    pub fn referenced(&self) -> BTreeSet<ChangeId> {
        self.members.keys().cloned().collect()
    }

    /// Ends the check: asks git about the commits that belong to changes, and each change for its gate.
    pub fn finish(mut self, history: &dyn History) -> Audit {
        let merges = std::mem::take(&mut self.merges);
        let lines = std::mem::take(&mut self.lines);
        let (of_merges, held) = merge::findings(&merges, &lines, &self.policy.surfaces, history);
        self.audit.findings.extend(of_merges);
        let reverted = self.settle_reverts(&held, history);
        let findings = std::mem::take(&mut self.audit.findings);
        let gone = |finding: &Finding| finding.commit.as_ref().is_some_and(|commit| reverted.contains(&commit.id));
        let settled = findings.into_iter().map(|finding| if gone(&finding) { finding.taken_back() } else { finding });
        self.audit.findings = settled.collect();
        let members = std::mem::take(&mut self.members);
        for (id, mut members) in members {
            members.reverse();
            let Some(record) = self.records.get(&id) else { continue };
            let Some(change) = record.change() else {
                if record.is_legacy() {
                    let unproven = |member: &Member| Finding::fail(What::RecordUnproven).of_commit(&member.name);
                    self.audit.findings.extend(members.iter().map(|member| unproven(member).of_change(&id)));
                }
                continue;
            };
            let standing: Vec<Member> =
                members.into_iter().filter(|member| !reverted.contains(&member.name.id)).collect();
            if standing.is_empty() {
                continue;
            }
            let earlier = self.earlier(change, &standing, &reverted, history);
            let demands = Demands { policy: self.policy, records: self.records, now: self.now };
            let mut found = tracked::findings(change, &standing, &earlier, demands, history);
            found.extend(surface::findings(change, &standing, self.policy));
            self.audit.findings.extend(found.into_iter().map(|finding| finding.of_change(&id)));
        }
        self.audit.records = self.records.len();
        self.audit
    }

    /// The commits that a change has already before the range, apart from those whose place one of the range took.
    fn earlier(
        &self,
        change: &Change,
        standing: &[Member],
        reverted: &BTreeSet<String>,
        history: &dyn History,
    ) -> Vec<CommitName> {
        let baseline = change.baseline.as_ref().and_then(|baseline| baseline.taken.revision.commit.as_deref());
        let mut earlier = baseline.map(|baseline| history.earlier(change.id(), baseline)).unwrap_or_default();
        let replaced = |old: &str| {
            let moved = self.relinked.values().any(|(_, known)| known == old);
            // The same change on two branches that meet.
            let same = |member: &Member| history.is_same_delta(old, &member.name.id) == Some(true);
            moved || reverted.contains(old) || standing.iter().all(same)
        };
        earlier.retain(|commit| !replaced(&commit.id));
        earlier
    }

    /// Reverts inherit the ids of what they revert. Gives the commits that were taken back whole. `held` is what merges
    /// hold of their own.
    fn settle_reverts(&mut self, held: &[Held], history: &dyn History) -> BTreeSet<String> {
        let reverts = std::mem::take(&mut self.reverts);
        let of = |revert: &Revert| -> Vec<Origin> {
            revert.reverted.iter().map(|hash| self.origin(hash, &reverts, history)).collect()
        };
        let origins: Vec<Vec<Origin>> = reverts.iter().map(of).collect();
        let pairs = reverts
            .iter()
            .zip(&origins)
            .flat_map(|(revert, origins)| origins.iter().map(|(full, _)| (revert.name.id.as_str(), full.as_str())));
        let exact = history.are_reverses(&pairs.collect::<Vec<_>>());
        let mut exact = exact.into_iter();
        let mut gone = BTreeSet::new();
        for (revert, origins) in reverts.iter().zip(origins) {
            // Newest first: one that was itself taken back has no effect any more, nor has one that a merge dropped.
            let undone = gone.contains(&revert.name.id) || revert.is_dropped(held);
            let mut inherited: Vec<String> = Vec::new();
            // Taking back what came in with this very range leaves what was there before.
            let mut restores = true;
            let mut inexact = false;
            for (full, ids) in origins {
                let exact = exact.next().unwrap_or_default();
                restores &= exact && self.seen.contains_key(&full);
                if !exact {
                    inexact |= self.not_exact(revert, &full, &ids);
                } else if !undone {
                    gone.insert(full);
                }
                inherited.extend(ids);
            }
            self.own_work(revert, &inherited, inexact);
            if revert.ids.is_empty() && !inherited.iter().any(|id| self.has_record(id)) {
                let finding = surface::untracked(revert.tuneables.clone(), revert.env.clone());
                let finding = finding.of_commit(&revert.name);
                self.audit.findings.push(if restores { finding.taken_back() } else { finding });
            }
        }
        gone
    }

    /// Finds a revert that is none; whether it counts as work of its own.
    fn not_exact(&mut self, revert: &Revert, reverted: &str, ids: &[String]) -> bool {
        let rolled_back = revert.ids.iter().any(|id| ids.contains(id) && self.is_rolled_back(id));
        let what = What::RevertNotExact { reverted: reverted.to_owned() };
        let found = if rolled_back { Finding::warn(what) } else { Finding::fail(what) };
        self.audit.findings.push(found.of_commit(&revert.name));
        !rolled_back
    }

    /// What calls itself a revert and is none is work of its own, whatever it says; so is one under the id of a change
    /// to which what it reverts does not belong.
    fn own_work(&mut self, revert: &Revert, inherited: &[String], inexact: bool) {
        for text in &revert.ids {
            let own = inexact || !inherited.contains(text);
            let Some(id) = self.known(&revert.name, text).filter(|_| own) else { continue };
            let (name, paths) = (revert.name.clone(), revert.paths.clone());
            let member = Member { name, written: revert.written, paths, relinked: None };
            self.members.entry(id).or_default().push(member);
        }
    }

    fn has_record(&self, id: &str) -> bool {
        id.parse::<ChangeId>().is_ok_and(|id| self.records.contains_key(&id))
    }

    fn is_rolled_back(&self, id: &str) -> bool {
        let record = id.parse::<ChangeId>().ok().and_then(|id| self.records.get(&id));
        record.and_then(RecordFacts::change).is_some_and(|change| change.rollback.is_some())
    }

    /// The full hash and the ids of a commit that is reverted: of the range, of a record, or from before.
    fn origin(&self, hash: &str, reverts: &[Revert], history: &dyn History) -> Origin {
        if let Some(older) = reverts.iter().find(|revert| revert.name.id.starts_with(hash)) {
            let mut ids = older.ids.clone();
            // What it reverts is older still, so this ends.
            for reverted in older.reverted.iter().filter(|reverted| !older.name.id.starts_with(*reverted)) {
                let rest: Vec<Revert> = reverts.iter().filter(|r| r.name.id != older.name.id).cloned().collect();
                ids.extend(self.origin(reverted, &rest, history).1);
            }
            return (older.name.id.clone(), ids);
        }
        for (id, members) in &self.members {
            if let Some(member) = members.iter().find(|member| member.name.id.starts_with(hash)) {
                return (member.name.id.clone(), vec![id.to_string()]);
            }
        }
        for (id, change) in self.records.iter().filter_map(|(id, record)| Some((id, record.change()?))) {
            if let Some(commit) = change.commits().into_iter().find(|commit| commit.starts_with(hash)) {
                return (commit, vec![id.to_string()]);
            }
        }
        // The commit whose place another one took: what is taken back is the change where it is now.
        if let Some((new, (id, _))) = self.relinked.iter().find(|(_, (_, old))| old.starts_with(hash)) {
            return (new.clone(), vec![id.to_string()]);
        }
        let mut here = self.seen.range(hash.to_owned()..).take_while(|(id, _)| id.starts_with(hash));
        match (here.next(), here.next()) {
            (Some((id, ids)), None) => (id.clone(), ids.clone()),
            _ => history.look_up(hash).unwrap_or((hash.to_owned(), Vec::new())),
        }
    }
}

/// A moment from seconds since 1970.
pub fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
