//! Making a merge anew, to see what whoever made it put into it beside what merging gives. Writes objects to a
//! throwaway place alone; must not touch the checkout or the repository.

use std::collections::BTreeSet;

use crate::sys::git::change::FileChange;
use crate::sys::git::change::parse_raw;
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

/// A merge and its two parents, as full hashes.
pub type Merged<'a> = (&'a str, &'a str, &'a str);

impl Repo {
    /// Makes merges of two parents anew and compares, all of them in two processes. `None` where this git cannot (it
    /// is older than 2.39); else one answer for each.
    ///
    /// # Errors
    /// When git fails, a commit is not known, or no temporary directory can be made.
    pub fn remerge(&self, merges: &[Merged<'_>]) -> Result<Option<Vec<Remerge>>, GitError> {
        if merges.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let source_error = |source| GitError::Io { action: "create a temporary directory".to_owned(), source };
        let objects = tempfile::tempdir().map_err(source_error)?;
        let beside = |call: Call| {
            call.env("GIT_OBJECT_DIRECTORY", objects.path())
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common_dir().join("objects"))
        };
        let call = beside(self.git()).args(["-c", "merge.renames=true", "-c", "merge.renormalize=false"]);
        let call = call.args(["-c", "merge.directoryRenames=conflict", "-c", "diff.renameLimit=7000"]);
        let call = call.args(["merge-tree", "--stdin", "--name-only", "--no-messages", "--allow-unrelated-histories"]);
        let shown = call.shown();
        let asked: String = merges.iter().map(|(_, one, other)| format!("{one} {other}\n")).collect();
        let output = call.input(asked.into_bytes()).long().output()?;
        match output.code {
            Some(0 | 1) => {}
            Some(USAGE) => return Ok(None),
            _ => return Err(output.failed(shown)),
        }
        let unreadable = || GitError::Unreadable { args: shown.clone(), what: "not a merge a line".to_owned() };
        let made = made_anew(&output.stdout).filter(|made| made.len() == merges.len()).ok_or_else(unreadable)?;
        let args = ["diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let call = beside(self.git()).args(args).arg("--ignore-submodules=none");
        let trees = self.trees(merges)?;
        let asked: String = made.iter().zip(&trees).map(|((again, _), tree)| format!("{again} {tree}\n")).collect();
        let raw = call.input(asked.into_bytes()).long().ok()?;
        let differences = differences(&raw).filter(|all| all.len() == merges.len()).ok_or_else(unreadable)?;
        let both = made.into_iter().zip(differences);
        Ok(Some(both.map(|((_, conflicts), differs)| Remerge { differs, conflicts }).collect()))
    }

    /// The trees of the merges themselves.
    fn trees(&self, merges: &[Merged<'_>]) -> Result<Vec<String>, GitError> {
        let asked: String = merges.iter().map(|(merge, ..)| format!("{merge}^{{tree}}\n")).collect();
        let call = self.git().args(["cat-file", "--batch-check=%(objectname)"]).input(asked.into_bytes());
        Ok(String::from_utf8_lossy(&call.long().ok()?).lines().map(str::to_owned).collect())
    }
}

/// The tree of each merge, and the paths that conflict in it: a status, the tree, paths and an empty field for each.
fn made_anew(output: &[u8]) -> Option<Vec<(String, BTreeSet<Vec<u8>>)>> {
    let output = output.strip_suffix(b"\n").unwrap_or(output);
    let mut fields = output.split(|byte| *byte == 0).peekable();
    let mut made = Vec::new();
    while let Some(status) = fields.next() {
        if status.is_empty() && fields.peek().is_none() {
            break;
        }
        let tree = String::from_utf8(fields.next()?.to_vec()).ok()?;
        let conflicts = fields.by_ref().take_while(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
        made.push((tree, conflicts));
    }
    Some(made)
}

/// The differences of each pair of trees: a line with the two, then the files in git's raw format.
fn differences(raw: &[u8]) -> Option<Vec<Vec<FileChange>>> {
    let mut all: Vec<Vec<FileChange>> = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        if rest.starts_with(b":") {
            let header_end = rest.iter().position(|byte| *byte == 0)?;
            let path_end = header_end + 1 + rest[header_end + 1..].iter().position(|byte| *byte == 0)?;
            all.last_mut()?.push(parse_raw(&rest[..header_end], &rest[header_end + 1..path_end])?);
            rest = &rest[path_end + 1..];
        } else {
            let line_end = rest.iter().position(|byte| *byte == b'\n')?;
            all.push(Vec::new());
            rest = &rest[line_end + 1..];
        }
    }
    Some(all)
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
        let again = |merge: &str| repo.remerge(&[(merge, &main, &side)]).unwrap().unwrap().remove(0);
        let clean = again(&head);
        assert_eq!((paths(&clean).len(), clean.conflicts.len()), (0, 0), "both sides' lines are no content of its own");
        let count = || repo.git().args(["count-objects"]).line().unwrap();
        let objects = count();
        sandbox.write("left", "2\n");
        sandbox.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
        let evil = again("HEAD");
        assert_eq!(paths(&evil), ["left"]);
        sandbox.git(&["reset", "-q", "--hard", &main]);
        sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side"]);
        let dropped = again("HEAD");
        assert_eq!((paths(&dropped), dropped.conflicts.len()), (vec!["both".to_owned()], 0));
        assert!(repo.remerge(&[("HEAD", &base, "nothing")]).is_err());
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
        let merge = sandbox.repo().resolve("HEAD").unwrap();
        let twice = [(merge.as_str(), main.as_str(), side.as_str()); 2];
        let remerges = sandbox.repo().remerge(&twice).unwrap().unwrap();
        assert_eq!(remerges.len(), 2);
        assert_eq!(remerges[0].conflicts, BTreeSet::from([b"a b".to_vec()]));
        assert_eq!(paths(&remerges[1]), ["a b"]);
    }
}
