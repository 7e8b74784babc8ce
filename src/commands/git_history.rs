//! What the audits ask git of the project's commits: walking them, and the few questions of the range check.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::audit::{Combined, CommitName, History, Remerged};
use crate::error::CommandError;
use crate::git::{Commit, FileChange, GitError, Remerge, Repo, Scope, Walk};
use crate::model::ChangeId;
use crate::store::OwnPaths;

/// How many reverts of reverts are followed back.
const REVERTS: u32 = 8;

/// The full hash of a commit, and the change ids that it names or inherits.
type Origin = (String, Vec<String>);

/// A repository, asked about one project in it.
pub(crate) struct GitHistory<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) own: OwnPaths,
    /// The trailer's key.
    pub(crate) key: String,
    /// The base of the range that is looked at, where there is one.
    base: Option<String>,
    /// Old histories revert the same few commits many times.
    looked_up: RefCell<BTreeMap<String, Option<Origin>>>,
    /// The first failure of a question whose answer cannot hold an error; no audit passes with one.
    failed: RefCell<Option<GitError>>,
}

impl<'a> GitHistory<'a> {
    pub(crate) fn new(repo: &'a Repo, key: &str) -> Self {
        let own = OwnPaths::below(repo.prefix());
        Self { repo, own, key: key.to_owned(), base: None, looked_up: RefCell::default(), failed: RefCell::default() }
    }

    /// For a range that begins after this commit.
    pub(crate) fn after(self, base: Option<&str>) -> Self {
        Self { base: base.map(str::to_owned), ..self }
    }

    /// What went wrong while git was asked, if anything did.
    pub(crate) fn failure(&self) -> Result<(), CommandError> {
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Hands over every commit of a range, newest first.
    pub(crate) fn walk(
        &self,
        base: Option<&str>,
        head: &str,
        each: &mut dyn FnMut(Commit),
    ) -> Result<(), CommandError> {
        self.repo.log_range(base, head, &Walk::range(&self.key), &mut |commit| {
            each(self.narrowed(commit));
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// The project's files among these, named from the project's root, with those that are the tool's own marked.
    pub(crate) fn of_project(&self, files: Vec<FileChange>) -> Vec<FileChange> {
        let of = |file: FileChange| {
            let path = String::from_utf8_lossy(file.path.strip_prefix(self.repo.prefix())?).into_owned();
            let own = file.is_regular() && self.own.is_own(&file.path);
            Some(FileChange { path: path.into_bytes(), own, ..file })
        };
        files.into_iter().filter_map(of).collect()
    }

    /// The full hash of a commit that is known here.
    pub(crate) fn known(&self, commit: &str) -> Option<String> {
        self.repo.resolve(commit).ok()
    }

    pub(crate) fn in_scope<T>(&self, ask: impl FnOnce(&Scope<'_>) -> T) -> T {
        let is_own = |path: &[u8]| self.own.is_own(path);
        ask(&Scope { prefix: self.repo.prefix(), is_own: &is_own })
    }

    /// An answer of git; a failure is kept and answered with `otherwise`.
    fn ask<T>(&self, answer: Result<T, GitError>, otherwise: T) -> T {
        answer.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            otherwise
        })
    }

    /// A commit with the project's files alone.
    fn narrowed(&self, commit: Commit) -> Commit {
        Commit { files: self.of_project(commit.files), ..commit }
    }

    /// The paths of the project's files among these, without the tool's own.
    fn project_paths(&self, files: Vec<FileChange>) -> Vec<String> {
        Commit { files: self.of_project(files), ..Commit::default() }.paths().map(str::to_owned).collect()
    }

    fn origin(&self, hash: &str, depth: u32) -> Option<Origin> {
        let full = self.known(hash)?;
        let mut found = None;
        let walked = self.repo.log_range(None, &full, &Walk::all(&self.key), &mut |commit| {
            found = Some(commit);
            ControlFlow::Break(())
        });
        self.ask(walked, ());
        let commit = found?;
        let reverted = commit.reverted();
        let mut ids = commit.ids;
        if ids.is_empty() && depth < REVERTS {
            for hash in reverted {
                ids.extend(self.origin(&hash, depth + 1).map(|(_, ids)| ids).unwrap_or_default());
            }
        }
        Some((full, ids))
    }

    /// Whether the differences of two commits are each other's reverse, wherever in their files: the best that can be
    /// said where git cannot revert a commit without a checkout.
    fn is_reverse_patch(&self, commit: &str, reverted: &str) -> bool {
        let before = self.known(&format!("{commit}^1")).zip(self.known(&format!("{reverted}^1")));
        let Some((before, reverted_before)) = before else { return false };
        let patch = |from: &str, to: &str| self.ask(self.in_scope(|scope| self.repo.patch_id(from, to, scope)), None);
        let back = patch(commit, &before);
        back.is_some() && back == patch(&reverted_before, reverted)
    }
}

impl History for GitHistory<'_> {
    fn comes_before(&self, ancestor: &str, commit: &str) -> Option<bool> {
        let (ancestor, commit) = (self.known(ancestor)?, self.known(commit)?);
        Some(ancestor != commit && self.ask(self.repo.is_ancestor(&ancestor, &commit), false))
    }

    fn code_before_is(&self, commit: &str, code: &str) -> bool {
        self.known(&format!("{commit}^1")).is_some_and(|parent| self.code_is(&parent, code))
    }

    fn are_reverses(&self, pairs: &[(&str, &str)]) -> Vec<bool> {
        match self.ask(self.repo.reverse(pairs, self.base.as_deref()), Some(Vec::new())) {
            Some(again) => again
                .into_iter()
                .map(|again| again.is_some_and(|again| self.project_paths(again.differs).is_empty()))
                .collect(),
            None => pairs.iter().map(|(commit, reverted)| self.is_reverse_patch(commit, reverted)).collect(),
        }
    }

    fn is_same_delta(&self, old: &str, new: &str) -> Option<bool> {
        let (old, new) = (self.known(old)?, self.known(new)?);
        let of = |commit: &str| self.ask(self.in_scope(|scope| self.repo.patch_id_of(commit, scope)), None);
        let (old, new) = (of(&old), of(&new));
        Some(old.is_some() && old == new)
    }

    fn code_is(&self, commit: &str, code: &str) -> bool {
        self.ask(self.in_scope(|scope| self.repo.code_digest(commit, scope)), String::new()) == code
    }

    fn remerged(&self, merges: &[(&str, &str, &str)]) -> Option<Vec<Remerged>> {
        let remerges = self.ask(self.repo.remerge(merges, self.base.as_deref()), None)?;
        let of = |remerge: Remerge| {
            let (conflicts, differs): (Vec<FileChange>, Vec<FileChange>) =
                remerge.differs.into_iter().partition(|file| remerge.conflicts.contains(&file.path));
            Remerged { resolved: self.project_paths(conflicts), differs: self.project_paths(differs) }
        };
        Some(remerges.into_iter().map(of).collect())
    }

    fn combined(&self, merges: &[&str]) -> Vec<Combined> {
        let all = self.ask(self.repo.combined(merges), Vec::new());
        let of = |files: Vec<FileChange>| {
            let new: Vec<FileChange> = files.iter().filter(|file| file.is_new()).cloned().collect();
            Combined { new: self.project_paths(new), paths: self.project_paths(files) }
        };
        all.into_iter().map(of).collect()
    }

    fn earlier(&self, id: &ChangeId, baseline: &str) -> Vec<CommitName> {
        let Some((base, baseline)) = self.base.as_deref().zip(self.known(baseline)) else { return Vec::new() };
        let mut found: Vec<CommitName> = Vec::new();
        // Each revert with the hash that it names.
        let mut reverts: Vec<(String, String)> = Vec::new();
        let walked = self.repo.log_range(Some(&baseline), base, &Walk::all(&self.key), &mut |commit| {
            let commit = self.narrowed(commit);
            let reverted = commit.reverted();
            reverts.extend(reverted.iter().map(|hash| (commit.id.clone(), hash.clone())));
            let carries = commit.ids.iter().any(|carried| carried == id.as_str());
            if carries && reverted.is_empty() && !commit.is_merge() && !commit.is_evidence_only() {
                found.push(commit.name());
            }
            ControlFlow::Continue(())
        });
        self.ask(walked, ());
        let pairs: Vec<(&str, &str)> = found
            .iter()
            .flat_map(|commit| {
                let of_commit = reverts.iter().filter(|(_, hash)| commit.id.starts_with(hash));
                of_commit.map(|(revert, _)| (revert.as_str(), commit.id.as_str()))
            })
            .collect();
        let exact = self.are_reverses(&pairs);
        let taken_back: Vec<String> =
            pairs.iter().zip(exact).filter(|(_, exact)| *exact).map(|((_, commit), _)| (*commit).to_owned()).collect();
        found.retain(|commit| !taken_back.contains(&commit.id));
        found.reverse();
        found
    }

    fn look_up(&self, commit: &str) -> Option<Origin> {
        if let Some(known) = self.looked_up.borrow().get(commit) {
            return known.clone();
        }
        let found = self.origin(commit, 0);
        self.looked_up.borrow_mut().insert(commit.to_owned(), found.clone());
        found
    }
}
