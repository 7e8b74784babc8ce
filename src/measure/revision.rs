//! Which code is measured: the revision by git, or a digest of the files without git. If git fails, the revision is
//! unknown, never "clean" or "no repository".

use std::path::{Path, PathBuf};

use crate::git::{DiffTarget, GitError, LineCount, Repo};
use crate::model::scrub::scrub_prose;
use crate::model::{GitV1, Revision, WorkTree, own};
use crate::os::files;

#[derive(Debug, Clone)]
pub(crate) struct ObservedCode {
    pub(crate) revision: Revision,
    /// The same for readers of version 1.
    pub(crate) git: GitV1,
}

/// Examines the project at `root`, in `repo` if it is open already. Never fails: the result says what is unknown and
/// why.
pub(crate) fn observe(root: &Path, repo: Option<&Repo>) -> ObservedCode {
    seen(root, repo, true)
}

/// Only the revision, without the description for version 1: looking for a tag walks the whole history.
pub(crate) fn revision(root: &Path, repo: Option<&Repo>) -> Revision {
    seen(root, repo, false).revision
}

fn seen(root: &Path, repo: Option<&Repo>, describe: bool) -> ObservedCode {
    let opened = match repo {
        Some(repo) => Ok(Some(repo.clone())),
        // There may be one by now.
        None => open(root),
    };
    match opened {
        Ok(Some(repo)) => in_git(&repo, root, describe).unwrap_or_else(|e| unknown(Some(&repo), &e)),
        Ok(None) => unversioned(root, None),
        Err(e) => unknown(None, &e),
    }
}

/// Opens the repository of a project; `None` if there is none or it ignores the project.
pub(crate) fn open(root: &Path) -> Result<Option<Repo>, GitError> {
    Ok(open_naming(root, &[])?.map(|(repo, _)| repo))
}

/// Also resolves names, see [`Repo::open_naming`].
pub(crate) fn open_naming(root: &Path, names: &[&str]) -> Result<Option<(Repo, Vec<String>)>, GitError> {
    match Repo::open_naming(root, names) {
        Ok((repo, _)) if !repo.prefix().is_empty() && repo.is_ignored(root)? => Ok(None),
        Ok(opened) => Ok(Some(opened)),
        Err(GitError::NotARepository { .. }) => Ok(None),
        // If there is no repository above, git is not needed.
        Err(GitError::Missing) if root.ancestors().all(|dir| dir.join(".git").symlink_metadata().is_err()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The uncommitted paths of the project, from the repository's root.
pub(crate) fn uncommitted(repo: &Repo) -> Result<Vec<Vec<u8>>, GitError> {
    Ok(repo.dirt(&repo.project())?.map(|dirt| dirt.paths).unwrap_or_default())
}

fn in_git(repo: &Repo, root: &Path, describe: bool) -> Result<ObservedCode, GitError> {
    // Runs while git looks for uncommitted changes, which takes longer.
    let naming = repo.head_in_files().filter(|_| describe).and_then(|head| head.at).map(|at| {
        let call = repo.describe(&at.commit);
        (at.commit, std::thread::spawn(|| call.line()))
    });
    let (head, dirt, code) = repo.head_and_dirt(&repo.project())?;
    let branch = scrub_prose(&head.branch.unwrap_or_else(|| "HEAD".to_owned()));
    let Some(at) = head.at else {
        return Ok(unversioned(root, Some((repo, branch))));
    };
    let work_tree = match &dirt {
        None => WorkTree::Clean,
        Some(dirt) => {
            let paths = u32::try_from(dirt.paths.len()).unwrap_or(u32::MAX);
            WorkTree::Dirty { paths, digest: dirt.digest.clone() }
        }
    };
    let mut git = GitV1 {
        is_git: true,
        git_root: Some(repo.root().display().to_string()),
        branch: Some(branch.clone()),
        commit: Some(at.commit.clone()),
        dirty: Some(dirt.is_some()),
        dirty_count: Some(dirt.as_ref().map_or(0, |dirt| dirt.paths.len() as u64)),
        ..GitV1::default()
    };
    if describe {
        let described = match naming {
            Some((commit, said)) if commit == at.commit => {
                said.join().unwrap_or_else(|it| std::panic::resume_unwind(it))
            }
            _ => repo.describe(&at.commit).line(),
        }?;
        git.describe = Some(if dirt.is_some() { format!("{described}-dirty") } else { described });
        git.diff_stat = Some(if dirt.is_some() { diff_stat(repo)? } else { String::new() });
        git.dirty_outside = dirty_outside(repo)?;
    }
    let code = Some(code.map_or_else(|| repo.code_digest(&at.commit, &repo.project()), Ok)?);
    let revision = Revision { commit: Some(at.commit), tree: Some(at.tree), code, branch: Some(branch), work_tree };
    Ok(ObservedCode { revision, git })
}

/// Uncommitted files outside the project, which may affect measurements; without this tool's files of other projects in
/// the repository.
fn dirty_outside(repo: &Repo) -> Result<Vec<String>, GitError> {
    const KEPT: usize = 50;
    let is_own = |path: &[u8]| {
        let starts = std::iter::once(0).chain((0..path.len()).filter(|at| path[*at] == b'/').map(|at| at + 1));
        starts.map(|at| &path[at..]).any(own::is_own_or_left)
    };
    let paths = repo.uncommitted_outside(repo.prefix())?;
    let counting = paths.iter().filter(|path| !is_own(path)).take(KEPT);
    Ok(counting.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

/// The tracked files that differ, with their line counts, like `git diff --numstat`.
fn diff_stat(repo: &Repo) -> Result<String, GitError> {
    const SHOWN: usize = 50;
    let counts = repo.line_counts("HEAD", DiffTarget::WorkTree, &repo.project())?;
    let line = |(path, lines): &LineCount| {
        let lines = lines.map_or_else(|| "-\t-".to_owned(), |(added, deleted)| format!("{added}\t{deleted}"));
        format!("{lines}\t{}", String::from_utf8_lossy(path))
    };
    let mut lines: Vec<String> = counts.iter().take(SHOWN).map(line).collect();
    if counts.len() > SHOWN {
        lines.push(format!("and {} more", counts.len() - SHOWN));
    }
    Ok(lines.join("\n"))
}

fn unversioned(root: &Path, unborn: Option<(&Repo, String)>) -> ObservedCode {
    let is_link = |path: &[u8]| root.join(files::path_from_bytes(path)).is_symlink();
    let digest = files::digest_directory(root, &|path| own::is_left(path) || own::is_own(path) && !is_link(path));
    let (code, work_tree) = match digest {
        Ok(code) => (Some(code), WorkTree::Unversioned),
        Err(e) => (None, WorkTree::Unknown { reason: format!("cannot read the project's files: {e}") }),
    };
    let (repo, branch) = unborn.unzip();
    let git = GitV1 {
        is_git: repo.is_some(),
        git_root: repo.map(|repo| repo.root().display().to_string()),
        branch: branch.clone(),
        ..GitV1::default()
    };
    ObservedCode { revision: Revision { commit: None, tree: None, code, branch, work_tree }, git }
}

fn unknown(repo: Option<&Repo>, error: &GitError) -> ObservedCode {
    let work_tree = WorkTree::Unknown { reason: error.to_string() };
    let revision = Revision { commit: None, tree: None, code: None, branch: None, work_tree };
    let git_root = repo.map(|repo| repo.root().display().to_string());
    let git = GitV1 { is_git: repo.is_some(), git_root, ..GitV1::default() };
    ObservedCode { revision, git }
}

pub(crate) fn on_disk(repo: &Repo, path: &[u8]) -> PathBuf {
    repo.root().join(files::path_from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    #[test]
    fn a_commit_that_touches_own_files_alone_is_the_same_code() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        let before = observe(sandbox.path(), None).revision;
        sandbox.commit("reports/optimizer/x.md", "1", "two");
        let after = observe(sandbox.path(), None).revision;
        assert_ne!(before.commit, after.commit);
        assert!(before.same_code(&after) && after.nothing_uncommitted());
        sandbox.write("a", "2");
        let seen = observe(sandbox.path(), None);
        assert!(matches!(seen.revision.work_tree, WorkTree::Dirty { paths: 1, .. }));
        assert!(!seen.revision.same_code(&after));
        assert_eq!((seen.git.dirty_count, seen.git.diff_stat.as_deref()), (Some(1), Some("1\t1\ta")));
        assert!(seen.git.describe.unwrap().ends_with("-dirty"));
    }

    #[test]
    fn a_project_below_the_root_of_its_repository_has_its_own_code_and_own_files() {
        let sandbox = Sandbox::new();
        sandbox.commit("api/a", "1", "one");
        let root = sandbox.path().join("api");
        let before = observe(&root, None).revision;
        sandbox.write("api/reports/optimizer/x.md", "1");
        sandbox.commit("web/a", "1", "two");
        sandbox.write("web/a", "2");
        sandbox.write("api/reports/optimizer/x.md", "2");
        let after = observe(&root, None).revision;
        assert!(before.same_code(&after) && after.nothing_uncommitted());
        sandbox.write("reports/optimizer/x.md", "1");
        assert!(observe(sandbox.path(), None).revision.dirty_digest().is_some());
    }

    #[test]
    fn without_git_or_a_commit_the_files_stand_for_the_code() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let bare = observe(dir.path(), None);
        assert_eq!(bare.revision.work_tree, WorkTree::Unversioned);
        assert!(!bare.git.is_git && bare.revision.code.is_some());
        let sandbox = Sandbox::new();
        sandbox.write("a", "1");
        let unborn = observe(sandbox.path(), None);
        assert!(unborn.git.is_git);
        assert_eq!((unborn.revision.branch.as_deref(), unborn.revision.commit), (Some("main"), None));
        assert_eq!(unborn.revision.code, bare.revision.code);
    }

    #[test]
    fn a_directory_that_the_repository_around_it_ignores_is_unversioned() {
        let sandbox = Sandbox::new();
        sandbox.commit(".gitignore", "/scratch/\n", "one");
        sandbox.write("scratch/a", "1");
        let seen = observe(&sandbox.path().join("scratch"), None);
        assert_eq!(seen.revision.work_tree, WorkTree::Unversioned);
        assert!(!seen.git.is_git);
    }

    #[test]
    fn a_failing_git_is_unknown_and_never_clean() {
        let sandbox = Sandbox::new();
        sandbox.commit("a", "1", "one");
        std::fs::write(sandbox.path().join(".git/index"), "garbage").unwrap();
        let seen = observe(sandbox.path(), None);
        assert!(matches!(seen.revision.work_tree, WorkTree::Unknown { .. }));
        assert!(!seen.revision.nothing_uncommitted() && seen.git.dirty.is_none());
        std::fs::write(sandbox.path().join(".git/HEAD"), "garbage").unwrap();
        let seen = observe(sandbox.path(), None);
        assert!(matches!(seen.revision.work_tree, WorkTree::Unknown { .. }), "{:?}", seen.revision);
    }
}
