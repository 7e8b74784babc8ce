//! What the range check asks git at its end, of the few commits that it is about. Must not judge.

use std::ops::ControlFlow;

use crate::audit::{Combined, CommitName, History, Remerged, commit};
use crate::commands::Witness;
use crate::git::{FileChange, Remerge, Scope, Walk};
use crate::model::ChangeId;

impl History for Witness<'_> {
    fn lies_before(&self, ancestor: &str, commit: &str) -> Option<bool> {
        let (ancestor, commit) = (self.known(ancestor)?, self.known(commit)?);
        Some(ancestor != commit && self.ask(self.repo.is_ancestor(&ancestor, &commit), false))
    }

    fn code_before_is(&self, commit: &str, code: &str) -> bool {
        self.known(&format!("{commit}^1")).is_some_and(|parent| self.code_is(&parent, code))
    }

    fn are_reverses(&self, pairs: &[(&str, &str)]) -> Vec<bool> {
        let again = self.ask(self.repo.reverse(pairs, self.base.as_deref()), Some(Vec::new()));
        let Some(again) = again else {
            return pairs.iter().map(|(commit, reverted)| self.is_reverse_patch(commit, reverted)).collect();
        };
        let nothing = |files: &[FileChange]| self.outside(files).is_empty();
        again.iter().map(|again| again.as_ref().is_some_and(|again| nothing(&again.differs))).collect()
    }

    fn is_same_delta(&self, old: &str, new: &str) -> Option<bool> {
        let (old, new) = (self.known(old)?, self.known(new)?);
        let of = |commit: &str| self.ask(self.in_scope(|scope| self.repo.patch_id_of(commit, scope)), None);
        let (old, new) = (of(&old), of(&new));
        Some(old.is_some() && old == new)
    }

    fn code_is(&self, commit: &str, code: &str) -> bool {
        // What a baseline calls the code, it says of a work tree, in which there may be what a killed write left.
        let is_own = |path: &[u8]| self.own.is_own(path);
        let digest = self.repo.code_digest(commit, &Scope { prefix: self.repo.prefix(), is_own: &is_own });
        self.ask(digest, String::new()) == code
    }

    fn remerged(&self, merges: &[(&str, &str, &str)]) -> Option<Vec<Remerged>> {
        let remerges = self.ask(self.repo.remerge(merges, self.base.as_deref()), None)?;
        let of = |remerge: Remerge| {
            let (conflicts, differs): (Vec<FileChange>, Vec<FileChange>) =
                remerge.differs.into_iter().partition(|file| remerge.conflicts.contains(&file.path));
            Remerged { decided: self.outside(&conflicts), differs: self.outside(&differs) }
        };
        Some(remerges.into_iter().map(of).collect())
    }

    fn combined(&self, merges: &[&str]) -> Vec<Combined> {
        let all = self.ask(self.repo.combined(merges), Vec::new());
        let of = |files: Vec<FileChange>| {
            let (paths, facts) = (self.outside(&files), self.files(&files));
            let new = facts.into_iter().filter(|file| file.new && !file.own).map(|file| file.path).collect();
            Combined { paths, new }
        };
        all.into_iter().map(of).collect()
    }

    fn earlier(&self, id: &ChangeId, baseline: &str) -> Vec<CommitName> {
        let Some((base, baseline)) = self.base.as_deref().zip(self.known(baseline)) else { return Vec::new() };
        let mut found: Vec<CommitName> = Vec::new();
        let mut reverts: Vec<(String, String)> = Vec::new();
        let walked = self.repo.log_range(Some(&baseline), base, &Walk::all(&self.key), &mut |commit| {
            let commit = self.facts(commit);
            let reverted = commit::reverted(&commit.message);
            reverts.extend(reverted.iter().map(|hash| (commit.id.clone(), hash.clone())));
            let carries = commit.ids.iter().any(|carried| carried == id.as_str());
            if carries && reverted.is_empty() && !commit.is_merge() && !commit.is_evidence_only() {
                found.push(commit.name());
            }
            ControlFlow::Continue(())
        });
        self.ask(walked, ());
        let of = |commit: &CommitName| reverts.iter().filter(|(_, hash)| commit.id.starts_with(hash)).count();
        let pairs = found.iter().flat_map(|commit| {
            let reverts = reverts.iter().filter(|(_, hash)| commit.id.starts_with(hash));
            reverts.map(|(revert, _)| (revert.as_str(), commit.id.as_str()))
        });
        let mut exact = self.are_reverses(&pairs.collect::<Vec<_>>()).into_iter();
        let counts: Vec<usize> = found.iter().map(of).collect();
        let mut stands = counts.into_iter().map(|count| !exact.by_ref().take(count).fold(false, |any, it| any | it));
        found.retain(|_| stands.next().unwrap_or(true));
        found.reverse();
        found
    }

    fn look_up(&self, commit: &str) -> Option<(String, Vec<String>)> {
        if let Some(known) = self.looked_up.borrow().get(commit) {
            return known.clone();
        }
        let found = self.origin(commit, 0);
        self.looked_up.borrow_mut().insert(commit.to_owned(), found.clone());
        found
    }
}

impl Witness<'_> {
    /// The project's files among these, own ones left out.
    fn outside(&self, files: &[FileChange]) -> Vec<String> {
        let facts = self.files(files).into_iter().filter(|file| !file.own);
        facts.map(|file| file.path).collect()
    }

    /// Whether the differences of two commits are each other's reverse, wherever in their files: the best that can be
    /// told where git cannot take a commit back without a checkout.
    fn is_reverse_patch(&self, commit: &str, reverted: &str) -> bool {
        let Some((before, reverted_before)) =
            self.known(&format!("{commit}^1")).zip(self.known(&format!("{reverted}^1")))
        else {
            return false;
        };
        let back = self.in_scope(|scope| self.repo.patch_id(commit, &before, scope));
        let there = self.in_scope(|scope| self.repo.patch_id(&reverted_before, reverted, scope));
        let (back, there) = (self.ask(back, None), self.ask(there, None));
        back.is_some() && back == there
    }
}
