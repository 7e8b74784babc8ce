//! Making a merge anew, to see what whoever made it put into it beside what merging gives. Writes objects to a
//! throwaway place alone; must not touch the checkout or the repository.

use std::collections::BTreeSet;

use crate::sys::git::change::FileChange;
use crate::sys::git::change::parse_all;
use crate::sys::git::error::GitError;
use crate::sys::git::repo::Repo;
use crate::sys::git::run::Call;

/// A merge as it is against a merge of its parents as git makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remerge {
    /// The files that differ.
    pub differs: Vec<FileChange>,
    /// Paths that conflict, so that somebody had to decide on them.
    pub conflicts: BTreeSet<Vec<u8>>,
}

/// Git's exit code for an option that it does not know.
const USAGE: i32 = 129;

impl Repo {
    /// Makes a merge of two parents anew and compares. `None` where this git cannot (it is older than 2.38).
    ///
    /// # Errors
    /// When git fails, a commit is not known, or no temporary directory can be made.
    pub fn remerge(&self, merge: &str, one: &str, other: &str) -> Result<Option<Remerge>, GitError> {
        let source_error = |source| GitError::Io { action: "create a temporary directory".to_owned(), source };
        let objects = tempfile::tempdir().map_err(source_error)?;
        let beside = |call: Call| {
            call.env("GIT_OBJECT_DIRECTORY", objects.path())
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common_dir().join("objects"))
        };
        let call = beside(self.git()).args(["-c", "merge.renames=true", "-c", "merge.renormalize=false"]);
        let call = call.args(["-c", "merge.directoryRenames=conflict", "-c", "diff.renameLimit=7000"]);
        let call = call.args(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"]);
        let call = call.args(["--allow-unrelated-histories", one, other]);
        let shown = call.shown();
        let output = call.long().output()?;
        match output.code {
            Some(0 | 1) => {}
            Some(USAGE) => return Ok(None),
            _ => return Err(output.failed(shown)),
        }
        let mut fields = output.stdout.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let tree = fields.next().map(|tree| String::from_utf8_lossy(tree).trim().to_owned());
        let unreadable = |what: &str| GitError::Unreadable { args: shown.clone(), what: what.to_owned() };
        let tree = tree.filter(|tree| tree.len() >= 40).ok_or_else(|| unreadable("no tree"))?;
        let conflicts = fields.map(<[u8]>::to_vec).collect();
        let args = ["diff-tree", "-r", "--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none"];
        let raw = beside(self.git()).args(args).args([tree.as_str(), merge, "--"]).long().ok()?;
        let differs = parse_all(&raw).ok_or_else(|| unreadable("not git's raw format"))?;
        Ok(Some(Remerge { differs, conflicts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::git::sandbox::Sandbox;

    fn paths(remerge: &Remerge) -> Vec<String> {
        remerge.differs.iter().map(|file| String::from_utf8_lossy(&file.path).into_owned()).collect()
    }

    #[test]
    fn what_merging_gives_differs_in_nothing_and_what_was_put_in_or_left_out_is_told() {
        let sandbox = Sandbox::new().hostile();
        sandbox.write("left", "1\n");
        let base = sandbox.commit("both", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        let side = sandbox.commit("both", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        let main = sandbox.commit("both", "one\n2\n3\n4\n5\n6\n7\n8\n9\n", "main");
        sandbox.git(&["merge", "-q", "--no-edit", "side"]);
        let repo = sandbox.repo();
        let head = repo.resolve("HEAD").unwrap();
        let clean = repo.remerge(&head, &main, &side).unwrap().unwrap();
        assert_eq!((paths(&clean).len(), clean.conflicts.len()), (0, 0), "both sides' lines are no content of its own");
        let count = || repo.git().args(["count-objects"]).line().unwrap();
        let objects = count();
        sandbox.write("left", "2\n");
        sandbox.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
        let evil = repo.remerge("HEAD", &main, &side).unwrap().unwrap();
        assert_eq!(paths(&evil), ["left"]);
        sandbox.git(&["reset", "-q", "--hard", &main]);
        sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side"]);
        let dropped = repo.remerge("HEAD", &main, &side).unwrap().unwrap();
        assert_eq!((paths(&dropped), dropped.conflicts.len()), (vec!["both".to_owned()], 0));
        assert!(repo.remerge("HEAD", &base, "nothing").is_err());
        let made = |text: &str| text.split(' ').next().unwrap().parse::<u32>().unwrap();
        assert!(made(&count()) <= made(&objects) + 6, "merging anew leaves nothing behind");
    }

    #[test]
    fn a_conflict_is_told_from_content_that_nobody_had_to_decide_on() {
        let sandbox = Sandbox::new();
        sandbox.commit("a b", "1\n", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        let side = sandbox.commit("a b", "2\n", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        let main = sandbox.commit("a b", "3\n", "main");
        sandbox.git(&["merge", "-q", "-s", "ours", "--no-edit", "side"]);
        let remerge = sandbox.repo().remerge("HEAD", &main, &side).unwrap().unwrap();
        assert_eq!(remerge.conflicts, BTreeSet::from([b"a b".to_vec()]));
        assert_eq!(paths(&remerge), ["a b"]);
    }
}
