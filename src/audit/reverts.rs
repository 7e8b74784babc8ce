//! Compares reverts with the commits that they claim to revert. A revert of a revert is work of the same change again.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Finding, FindingKind, History, Member, RangeAudit, RecordFacts, Severity};
use crate::model::{ChangeId, Commit, Gate, Remade, Remake};
use crate::workflow::Change;

/// The work that a commit adds or removes, once chains of reverts are followed to their end.
struct Origin {
    root: String,
    ids: Vec<String>,
    takes_out: bool,
}

struct Claim {
    /// Its full hash, or the hash as written if the commit is unknown.
    target: String,
    holds: bool,
    /// Whether it removes all of the commit: nothing of it had been removed before, which may come back.
    whole: bool,
    finding: Option<Finding>,
}

#[derive(Debug, Default)]
pub(crate) struct RevertEffects {
    /// Commits of which nothing is left, with the reverts that removed them.
    pub(crate) taken_back: BTreeMap<String, Vec<String>>,
    pub(crate) findings: Vec<Finding>,
    /// Reverts of commits of the same range: together they change nothing.
    undoing: BTreeSet<String>,
    /// Reverts that are work.
    pub(crate) members: Vec<(ChangeId, Member)>,
}

impl RevertEffects {
    /// Whether a commit is in effect, and no revert of one of the range.
    pub(crate) fn stands(&self, commit: &str) -> bool {
        !self.taken_back.contains_key(commit) && !self.undoing.contains(commit)
    }
}

/// The reverts of a range and those behind them, with their claims.
pub(crate) struct Lineage<'a> {
    audit: &'a RangeAudit<'a>,
    history: &'a dyn History,
    claims: BTreeMap<String, Vec<Claim>>,
}

impl<'a> Lineage<'a> {
    /// Follows chains of reverts back, with one question to git for each step.
    pub(crate) fn of(audit: &'a RangeAudit<'a>, history: &'a dyn History, reverts: &[Member]) -> Self {
        let mut lineage = Self { audit, history, claims: BTreeMap::new() };
        let mut open: BTreeSet<String> = reverts.iter().map(|revert| revert.name.id.clone()).collect();
        while !open.is_empty() {
            let claimed = |commit: String| -> Vec<(String, String)> {
                let reverts = audit.commit(history, &commit).map(|it| it.reverted()).unwrap_or_default();
                reverts.into_iter().map(|hash| (commit.clone(), audit.full_hash(history, &hash))).collect()
            };
            let pairs: Vec<(String, String)> = std::mem::take(&mut open).into_iter().flat_map(claimed).collect();
            let both = |(commit, of): &'_ (String, String)| {
                let (commit, of) = (commit.clone(), of.clone());
                [(true, commit.clone(), of.clone()), (false, commit, of)]
            };
            let both: Vec<(bool, String, String)> = pairs.iter().flat_map(both).collect();
            let asked = both.iter().map(|(is_revert, commit, of)| match is_revert {
                true => Remake::Revert { commit, of },
                false => Remake::Unrevert { commit, of },
            });
            let remade = history.remake(&asked.collect::<Vec<_>>());
            for ((commit, target), remade) in pairs.into_iter().zip(remade.chunks(2)) {
                let claim = lineage.claim(&commit, target, remade);
                if claim.holds {
                    open.extend(lineage.reverts_behind(&claim.target));
                }
                lineage.claims.entry(commit).or_default().push(claim);
            }
        }
        lineage
    }

    /// The reverts not followed yet: the commit itself, or those that it merged.
    fn reverts_behind(&self, commit: &str) -> Vec<String> {
        let commit = self.audit.commit(self.history, commit);
        let all = commit.map(|it| if it.is_merge() { self.history.brought(&it.id) } else { vec![it] });
        let is_open = |it: &Commit| !it.is_merge() && !it.reverted().is_empty() && !self.claims.contains_key(&it.id);
        all.into_iter().flatten().filter(is_open).map(|it| it.id).collect()
    }

    /// `made` are the commit and its parent as git makes them of the other.
    fn claim(&self, commit: &str, target: String, made: &[Option<Remade>]) -> Claim {
        let [remade, back] = [0, 1].map(|at| made.get(at).and_then(Option::as_ref));
        let exact = remade.is_some_and(Remade::is_same);
        // A rollback may have conflicts, which a person resolves.
        let decided = !exact
            && remade.is_some_and(|it| it.differs.is_empty())
            && self.changes(&target, true).iter().any(|change| change.rollback.is_some())
            && !self.was_taken_out(&target);
        let behind = (exact || decided) && self.history.comes_before(&target, commit) == Some(true);
        let what = || FindingKind::RevertNotExact { reverted: target.clone(), unrelated: exact };
        let finding = match (behind, exact) {
            (true, true) => None,
            (true, false) => Some(Finding::warn(what())),
            (false, _) => Some(Finding::fail(what())),
        };
        let whole = back.is_some_and(Remade::is_same) || self.is_proven(&target);
        Claim { holds: behind, whole, finding, target }
    }

    pub(crate) fn resolve(&self, reverts: &[Member]) -> RevertEffects {
        let mut effects = self.effects(reverts, &BTreeSet::new());
        let kept = self.still_in_effect(reverts, &effects);
        if !kept.is_empty() {
            effects = self.effects(reverts, &kept);
        }
        for (at, revert) in reverts.iter().enumerate() {
            let claims = self.claims_of(revert);
            // A second revert with conflicts cannot remove what is gone already.
            let older = || reverts[at + 1..].iter().flat_map(|it| self.claims_of(it));
            let again = |claim: &Claim| older().any(|it| it.holds && it.target == claim.target);
            let found = claims.iter().filter_map(|claim| {
                let finding = claim.finding.clone()?;
                Some(if again(claim) { Finding { level: Severity::Fail, ..finding } } else { finding })
            });
            effects.findings.extend(found.map(|finding| finding.of_commit(&revert.name)));
            let reverts_all = claims.iter().all(|claim| claim.holds);
            self.add_work(revert, reverts_all, &mut effects);
            if reverts_all && revert.ids.is_empty() && !self.has_records(&revert.name.id) {
                let no_id = FindingKind::CommitWithoutId { newly_exempt: false, may_be_older: false };
                let finding = self.audit.policy.surfaces.untracked(revert.paths.iter().map(String::as_str), no_id);
                let finding = finding.of_commit(&revert.name);
                // Reverting a commit of this range restores the earlier state.
                let restores = claims.iter().all(|claim| self.restores(revert, &claim.target));
                effects.findings.push(if restores { finding.taken_back(None) } else { finding });
            }
        }
        effects
    }

    fn claims_of(&self, revert: &Member) -> &[Claim] {
        self.claims.get(&revert.name.id).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the reverts remove; `kept` is what they claim to remove and merges brought back. Newest first: a revert that was
    /// itself reverted, if only in part, removes nothing for good.
    fn effects(&self, reverts: &[Member], kept: &BTreeSet<String>) -> RevertEffects {
        let (mut effects, mut undone) = (RevertEffects::default(), BTreeSet::new());
        for revert in reverts {
            let (id, claims) = (&revert.name.id, self.claims_of(revert));
            let holds = claims.iter().all(|claim| claim.holds);
            if effects.taken_back.contains_key(id) || !holds || self.is_of_another_change(revert) {
                continue;
            }
            for claim in claims {
                if claim.whole && !undone.contains(id) && !kept.contains(&claim.target) {
                    for gone in self.audit.with_merged(&claim.target, self.history) {
                        effects.taken_back.entry(gone).or_default().push(id.clone());
                    }
                }
                undone.insert(&claim.target);
            }
            if claims.iter().all(|claim| self.audit.seen.contains_key(&claim.target)) {
                effects.undoing.insert(id.clone());
            }
        }
        effects
    }

    /// Whether it brings work back as that of other changes, which answer for it: for the first one, it stays reverted.
    fn is_of_another_change(&self, revert: &Member) -> bool {
        let origins = self.origins(&revert.name.id);
        let is_other = |id: &String| self.record(id).is_some() && !origins.iter().any(|it| it.ids.contains(id));
        !origins.iter().any(|it| it.takes_out) && !revert.ids.is_empty() && revert.ids.iter().all(is_other)
    }

    /// Whether a commit is that of a change that passed the demanded gate, so that parts of it may come back.
    fn is_proven(&self, commit: &str) -> bool {
        let gate = self.audit.policy.require.min(Gate::Decide);
        let passed = |change: &&Change| {
            let mut owed = change.opened.class.gates().iter().take_while(|it| **it <= gate);
            let own = change.every_commit();
            owed.all(|it| change.passed(*it)) && (own.is_empty() || own.iter().any(|it| it == commit))
        };
        self.changes(commit, false).iter().any(passed)
    }

    /// A revert is work if it does something else, brings something back, or carries the id of another change.
    fn add_work(&self, revert: &Member, reverts_all: bool, effects: &mut RevertEffects) {
        let origins = if reverts_all { self.origins(&revert.name.id) } else { Vec::new() };
        let takes_out = reverts_all && origins.iter().all(|origin| origin.takes_out);
        let back = origins.iter().filter(|origin| !origin.takes_out);
        let inherited = back.flat_map(|origin| &origin.ids).filter(|id| self.record(id).is_some());
        let ids: Vec<&String> = if revert.ids.is_empty() { inherited.collect() } else { revert.ids.iter().collect() };
        for text in ids {
            let origin = origins.iter().find(|origin| origin.ids.contains(text));
            match self.audit.named(&revert.name, text) {
                Ok(_) if takes_out && origin.is_some() => {}
                Ok(id) => {
                    let root = origin.filter(|it| !it.takes_out).map(|it| it.root.clone());
                    effects.members.push((id, Member { root, ..revert.clone() }));
                }
                Err(finding) => effects.findings.push(finding),
            }
        }
    }

    /// Commits that were reverted in the range but are still in effect at its head although no later commit that stands brought
    /// the same: a merge dropped the revert. If later work hides that at the head, the merges in between show it.
    fn still_in_effect(&self, reverts: &[Member], effects: &RevertEffects) -> BTreeSet<String> {
        let mut claims: Vec<(&Member, &str)> = Vec::new();
        for revert in reverts {
            let exact = self.claims_of(revert).iter().filter(|claim| claim.finding.is_none());
            claims.extend(exact.map(|claim| (revert, claim.target.as_str())));
        }
        let head = self.audit.head.as_str();
        let asked: Vec<Remake<'_>> = claims.iter().map(|(_, of)| Remake::Gone { head, of }).collect();
        let both = claims.into_iter().zip(self.history.remake(&asked));
        let kept = both.filter(|((revert, of), remade)| {
            let is_gone = remade.as_ref().is_some_and(Remade::is_same);
            !is_gone && (self.stands_at(head, revert, of, effects) || self.came_back(revert, of, effects))
        });
        kept.map(|((_, target), _)| target.to_owned()).collect()
    }

    /// Whether a merge after the revert brought the reverted work back.
    fn came_back(&self, revert: &Member, of: &str, effects: &RevertEffects) -> bool {
        let mut merges = self.audit.seen.values().filter(|commit| commit.is_merge());
        let is_after = |merge: &Commit| self.history.comes_before(&revert.name.id, &merge.id) == Some(true);
        merges.any(|merge| is_after(merge) && self.stands_at(&merge.id, revert, of, effects))
    }

    /// Whether reverted work is in effect there in a file to which no commit that stands brought it after the revert.
    fn stands_at(&self, head: &str, revert: &Member, of: &str, effects: &RevertEffects) -> bool {
        let left = |heads: &[&str]| -> Vec<Option<BTreeSet<String>>> {
            let asked: Vec<Remake<'_>> = heads.iter().map(|head| Remake::Gone { head, of }).collect();
            let names = |it: Remade| it.differs.iter().chain(&it.decided).map(|file| file.name().to_owned()).collect();
            self.history.remake(&asked).into_iter().map(|it| it.map(names)).collect()
        };
        let here = left(&[head]).remove(0).unwrap_or_else(|| revert.paths.iter().cloned().collect());
        here.iter().any(|path| {
            let mut later = self.history.touching(&revert.name.id, head, path);
            later.retain(|id| !effects.taken_back.contains_key(id));
            let ends: Vec<String> = later.into_iter().flat_map(|id| [format!("{id}^1"), id]).collect();
            let ends = left(&ends.iter().map(String::as_str).collect::<Vec<_>>());
            let holds = |at: &Option<BTreeSet<String>>| at.as_ref().is_some_and(|left| left.contains(path));
            !ends.chunks(2).any(|both| !holds(&both[0]) && holds(&both[1]))
        })
    }

    fn origins(&self, commit: &str) -> Vec<Origin> {
        if let Some(claims) = self.claims.get(commit).filter(|claims| claims.iter().all(|claim| claim.holds)) {
            let behind = claims.iter().flat_map(|claim| self.origins(&claim.target));
            return behind.map(|origin| Origin { takes_out: !origin.takes_out, ..origin }).collect();
        }
        let of = |commit: &Commit, ids| Origin { root: commit.id.clone(), ids, takes_out: false };
        let Some(found) = self.audit.commit(self.history, commit) else { return Vec::new() };
        if !found.is_merge() {
            return vec![of(&found, found.ids.clone())];
        }
        // The ids in a merge's message are not checked, so they do not count. Neither do the ids of commits that the merge
        // already had: only a merge the wrong way round brings those.
        let is_work = |it: &Commit| !it.is_evidence_only() && self.audit.policy.exempts(it).is_none();
        let is_new = |it: &Commit| !self.audit.seen.contains_key(commit) || self.audit.seen.contains_key(&it.id);
        let mut found: Vec<Origin> = Vec::new();
        for brought in self.history.brought(commit).into_iter().filter(is_work) {
            let origins = match brought.reverted().is_empty() {
                true => vec![of(&brought, if is_new(&brought) { self.audit.ids_of(&brought) } else { Vec::new() })],
                false => self.origins(&brought.id),
            };
            for origin in origins {
                // Work that was reverted before the merge does not count.
                match found.iter().position(|it| it.root == origin.root && it.takes_out != origin.takes_out) {
                    Some(at) => drop(found.remove(at)),
                    None => found.push(origin),
                }
            }
        }
        found
    }

    /// Whether a revert only undoes what a commit of the range did: in files of the same names, as git follows moves.
    fn restores(&self, revert: &Member, target: &str) -> bool {
        let Some(commit) = self.audit.seen.get(target) else { return false };
        if commit.is_merge() {
            return self.origins(target).iter().all(|origin| self.audit.seen.contains_key(&origin.root));
        }
        let of_target = self.audit.touched.iter().filter(|(id, _)| id == target).flat_map(|(_, paths)| paths);
        let paths: BTreeSet<&String> = of_target.collect();
        revert.paths.iter().all(|path| paths.contains(path) || self.audit.policy.exempts_path(path))
    }

    /// Whether all work that a commit removes or brings back belongs to changes with records.
    fn has_records(&self, commit: &str) -> bool {
        let origins = self.origins(commit);
        !origins.is_empty() && origins.iter().all(|origin| origin.ids.iter().any(|id| self.record(id).is_some()))
    }

    fn record(&self, id: &str) -> Option<&RecordFacts> {
        self.audit.records.get(&id.parse::<ChangeId>().ok()?)
    }

    fn was_taken_out(&self, commit: &str) -> bool {
        let found = self.history.commit(commit).filter(|it| !self.audit.seen.contains_key(&it.id));
        let ids = found.map(|it| it.ids).unwrap_or_default();
        let stands = |id: &ChangeId| self.history.earlier(id, None).iter().any(|it| it.id == commit);
        ids.iter().filter_map(|id| id.parse().ok()).any(|id| !stands(&id))
    }

    fn changes(&self, commit: &str, or_merge: bool) -> Vec<&Change> {
        let found = self.audit.commit(self.history, commit).filter(|it| or_merge || !it.is_merge());
        let ids = found.map(|it| it.ids).unwrap_or_default();
        ids.iter().filter_map(|id| self.record(id)?.change()).collect()
    }
}
