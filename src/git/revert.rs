//! Reverts commits in a throwaway checkout, first as a trial and then for real: the user's checkout is only
//! fast-forwarded to a finished commit.

use std::path::Path;

use crate::git::call::records;
use crate::git::diff::staged_against;
use crate::git::{FileChange, Repo, Result, Scope, Scratch};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reverted {
    /// The files that the revert changes.
    Applies { files: Vec<FileChange> },
    /// The commit whose revert conflicts, and the conflicting paths, from the repository's root.
    Conflicts { commit: String, paths: Vec<Vec<u8>> },
    /// The commits are already out of effect.
    Nothing,
}

impl Repo {
    /// Tries to revert commits, newest first, on top of `head` in a throwaway checkout. The own files of all projects are not
    /// reverted. If the revert applies, `then` gets the root of the checkout before it is removed.
    pub(crate) fn rehearse_revert(
        &self,
        head: &str,
        newest_first: &[String],
        then: &mut dyn FnMut(&Path),
    ) -> Result<Reverted> {
        let scratch = self.scratch(head)?;
        let outcome = self.revert_in(&scratch, newest_first);
        if matches!(outcome, Ok(Reverted::Applies { .. })) {
            then(&scratch.path);
        }
        scratch.remove()?;
        outcome
    }

    /// Reverts commits, newest first, each by a commit of its own on top of the current branch. A conflict, or local
    /// changes to a file concerned, leave the checkout as it was, since all work is done elsewhere first. No hook runs: a
    /// rollback is never gated. Returns the newest new commit if the revert applies.
    pub(crate) fn perform_revert(
        &self,
        newest_first: &[String],
        message: &dyn Fn(&str) -> String,
    ) -> Result<(Reverted, Option<String>)> {
        let mut scratch = self.scratch(&self.resolve("HEAD")?)?;
        let (mut all, mut made) = (Vec::new(), None);
        for id in newest_first {
            match self.revert_in(&scratch, std::slice::from_ref(id))? {
                Reverted::Nothing => {}
                Reverted::Applies { files } => {
                    all.extend(files);
                    made = Some(scratch.commit_staged(message(id))?);
                }
                conflicts @ Reverted::Conflicts { .. } => {
                    scratch.remove()?;
                    return Ok((conflicts, None));
                }
            }
        }
        if let Some(commit) = &made {
            let forward = self.git().without_hooks().args(["merge", "--quiet", "--ff-only", "--no-autostash", commit]);
            forward.long().ok()?;
        }
        scratch.remove()?;
        Ok((if made.is_some() { Reverted::Applies { files: all } } else { Reverted::Nothing }, made))
    }

    fn revert_in(&self, scratch: &Scratch, newest_first: &[String]) -> Result<Reverted> {
        let mut files = Vec::new();
        for id in newest_first {
            let commit = self.resolve(id)?;
            let parents = self.git().args(["rev-list", "--parents", "--max-count=1", &commit, "--"]).line()?;
            let mut call = scratch.git().args(["-c", "rerere.enabled=false", "revert", "--no-commit"]);
            if parents.split_whitespace().count() > 2 {
                call = call.args(["--mainline", "1"]);
            }
            let output = call.arg(&commit).long().output()?;
            let failed = output.code != Some(0);
            let unmerged = if failed { unmerged(scratch)? } else { Vec::new() };
            if failed && unmerged.is_empty() {
                return Err(output.failed());
            }
            files = self.restore_own((scratch, &commit), &unmerged)?;
            let conflicts = self.of_no_project((scratch, &commit), unmerged)?;
            if !conflicts.is_empty() {
                return Ok(Reverted::Conflicts { commit, paths: conflicts });
            }
            if failed {
                // A conflict in own files only leaves a revert in progress, which would block the next one.
                scratch.git().args(["revert", "--quit"]).ok()?;
            }
        }
        Ok(if files.is_empty() { Reverted::Nothing } else { Reverted::Applies { files } })
    }

    /// Whether a path is one of the tool's own files, in a project of the checkout or of the reverted commit.
    fn is_own_in(&self, path: &[u8], scratch: &Scratch, reverted: &str) -> Result<bool> {
        Ok(self.is_own_of_any(path, &scratch.commit)? || self.is_own_of_any(path, reverted)?)
    }

    /// Restores the own files of all projects from `HEAD`, and returns the other files that are changed.
    fn restore_own(&self, (scratch, reverted): (&Scratch, &str), unmerged: &[Vec<u8>]) -> Result<Vec<FileChange>> {
        let (mut paths, mut others) = (Vec::new(), Vec::new());
        for change in staged(scratch)? {
            match change.is_regular() && self.is_own_in(&change.path, scratch, reverted)? {
                true => paths.push(change.path),
                false => others.push(change),
            }
        }
        let conflicts = self.of_no_project((scratch, reverted), unmerged.to_vec())?;
        paths.extend(unmerged.iter().filter(|path| !conflicts.contains(path)).cloned());
        paths.sort();
        paths.dedup();
        if paths.is_empty() {
            return Ok(others);
        }
        let listed = self.listing(&scratch.commit, b"")?;
        let (kept, gone): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| listed.binary_search_by(|it| it.path.cmp(path)).is_ok());
        let restore = ["restore", "--source=HEAD", "--staged", "--worktree"];
        for (args, paths) in [(&restore[..], kept), (&["rm", "--quiet", "--force", "--ignore-unmatch"], gone)] {
            if !paths.is_empty() {
                let call = scratch.git().args(args).args(["--pathspec-from-file=-", "--pathspec-file-nul"]);
                call.input(paths.join(&0)).long().ok()?;
            }
        }
        staged(scratch)
    }

    /// Those of the paths that are own files of none of the repository's projects.
    fn of_no_project(&self, (scratch, reverted): (&Scratch, &str), paths: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let mut others = Vec::new();
        for path in paths {
            if !self.is_own_in(&path, scratch, reverted)? {
                others.push(path);
            }
        }
        Ok(others)
    }
}

fn staged(scratch: &Scratch) -> Result<Vec<FileChange>> {
    staged_against(scratch.git(), &scratch.commit, &Scope::ALL)
}

pub(crate) fn unmerged(scratch: &Scratch) -> Result<Vec<Vec<u8>>> {
    let output = scratch.git().args(["diff", "--name-only", "--diff-filter=U", "-z", "--no-relative"]).ok()?;
    Ok(records(&output).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn a_revert_that_applies_gives_the_old_tree_and_touches_no_checkout() {
        let sandbox = Sandbox::new();
        let one = sandbox.commit("a", "1", "one");
        let two = sandbox.commit("a", "2", "two");
        let repo = sandbox.repo();
        let Reverted::Applies { files } = repo.rehearse_revert("HEAD", &[two], &mut |_| {}).unwrap() else { panic!() };
        assert_eq!((files.len(), files[0].path.as_slice()), (1, &b"a"[..]));
        assert_eq!(files[0].new_object, sandbox.git(&["rev-parse", &format!("{one}:a")]));
        assert_eq!(repo.dirt(&Scope::ALL).unwrap(), None);
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn a_later_change_in_the_same_place_is_a_conflict_with_its_path() {
        let sandbox = Sandbox::new();
        sandbox.commit("a b", "1\n", "one");
        let two = sandbox.commit("a b", "2\n", "two");
        sandbox.commit("a b", "3\n", "three");
        let outcome = sandbox.repo().rehearse_revert("HEAD", std::slice::from_ref(&two), &mut |_| {}).unwrap();
        assert_eq!(outcome, Reverted::Conflicts { commit: two, paths: vec![b"a b".to_vec()] });
        assert_eq!(sandbox.repo().worktrees().unwrap().len(), 1);
    }

    #[test]
    fn own_files_stay_whatever_the_commits_did_to_them() {
        let sandbox = Sandbox::new();
        sandbox.write("reports/optimizer/log.md", "1\n");
        sandbox.commit("a", "1", "one");
        sandbox.write("reports/optimizer/log.md", "2\n");
        sandbox.write("reports/optimizer/new.md", "x\n");
        let two = sandbox.commit("a", "2", "two");
        sandbox.write("reports/optimizer/log.md", "3\n");
        let three = sandbox.commit("b", "1", "three");
        sandbox.write("reports/optimizer/log.md", "4\n");
        sandbox.commit_all("evidence");
        let repo = sandbox.repo();
        let message = |of: &str| format!("Take {of} back\n\nKey: value\n");
        let (outcome, commit) = repo.perform_revert(&[three.clone(), two.clone()], &message).unwrap();
        let Reverted::Applies { files, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(files.iter().map(|f| f.path.as_slice()).collect::<Vec<_>>(), [&b"b"[..], b"a"]);
        assert_eq!(std::fs::read_to_string(sandbox.path().join("a")).unwrap(), "1");
        assert_eq!(std::fs::read_to_string(sandbox.path().join("reports/optimizer/log.md")).unwrap(), "4\n");
        assert!(sandbox.path().join("reports/optimizer/new.md").exists() && !sandbox.path().join("b").exists());
        assert_eq!(sandbox.git(&["rev-parse", "main"]), commit.unwrap());
        let subjects = format!("Take {two} back\nTake {three} back");
        assert_eq!(sandbox.git(&["log", "-2", "--format=%s"]).trim_end(), subjects);
    }

    #[test]
    fn uncommitted_own_files_do_not_stop_it_but_local_changes_in_the_way_do() {
        let sandbox = Sandbox::new();
        sandbox.write("reports/optimizer/log.md", "1\n");
        sandbox.commit("a", "1", "one");
        sandbox.write("reports/optimizer/log.md", "2\n");
        let two = sandbox.commit("a", "2", "two");
        sandbox.write("reports/optimizer/log.md", "3\n");
        sandbox.write("a", "mine");
        let repo = sandbox.repo();
        let error = repo.perform_revert(std::slice::from_ref(&two), &|_| "x".to_owned()).unwrap_err().to_string();
        assert!(error.contains('a'), "{error}");
        assert_eq!(std::fs::read_to_string(sandbox.path().join("a")).unwrap(), "mine");
        assert_eq!(repo.resolve("HEAD").unwrap(), two);
        sandbox.write("a", "2");
        repo.perform_revert(&[two], &|_| "x".to_owned()).unwrap();
        assert_eq!(std::fs::read_to_string(sandbox.path().join("a")).unwrap(), "1");
        assert_eq!(std::fs::read_to_string(sandbox.path().join("reports/optimizer/log.md")).unwrap(), "3\n");
        assert_eq!(repo.worktrees().unwrap().len(), 1);
    }

    #[test]
    fn commits_that_are_reverted_already_leave_nothing() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let two = sandbox.commit("a", "2", "two");
        sandbox.commit("a", "1", "back");
        assert_eq!(sandbox.repo().rehearse_revert("HEAD", &[two], &mut |_| {}).unwrap(), Reverted::Nothing);
    }

    #[test]
    fn a_merge_is_reverted_against_its_first_parent() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        sandbox.commit("b", "1", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        let merge = sandbox.git(&["rev-parse", "HEAD"]);
        let Reverted::Applies { files, .. } = sandbox.repo().rehearse_revert("HEAD", &[merge], &mut |_| {}).unwrap()
        else {
            panic!()
        };
        assert_eq!(files[0].path, b"b");
    }
}
