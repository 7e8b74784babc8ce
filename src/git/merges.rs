//! What merges and reverts hold beside what git makes of the same parents: `git merge-tree` repeats them, with its objects
//! in a throwaway directory, and `git diff-tree` compares.

use std::collections::BTreeSet;

use crate::git::call::records;
use crate::git::diff::parse_raw;
use crate::git::{Call, FileChange, GitError, Repo};

/// A commit as it is against what git makes of its parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remerge {
    pub differs: Vec<FileChange>,
    /// Paths that conflict, so that somebody had to decide on them.
    pub conflicts: BTreeSet<Vec<u8>>,
}

/// Git's exit code for an option that it does not know.
const USAGE: i32 = 129;

/// A commit, and what it is compared with: a line for `git merge-tree --stdin`.
type Repeat = (String, String);

impl Repo {
    /// Repeats merges (with their two parents, as full hashes) and compares, all of them in two processes. `None` where
    /// this git cannot (it is older than 2.39); else one answer for each. `attributes` is the commit whose attributes
    /// hold, so that later ones turn no merge into a conflict; a git older than 2.41 takes those of the work tree.
    pub(crate) fn remerge(
        &self,
        merges: &[(&str, &str, &str)],
        attributes: Option<&str>,
    ) -> Result<Option<Vec<Remerge>>, GitError> {
        let repeat = |(commit, one, other): &(&str, &str, &str)| ((*commit).to_owned(), format!("{one} {other}"));
        let repeats: Vec<Repeat> = merges.iter().map(repeat).collect();
        self.repeat(&repeats, attributes)
    }

    /// Takes commits back again, as `git revert` does (a merge against its first parent), and compares with the commits
    /// that say that they do it. `None` where this git cannot (it is older than 2.40); else one answer for each pair of
    /// revert and reverted, which is nothing where one of the commits is not known or has no parent.
    pub(crate) fn reverse(
        &self,
        reversals: &[(&str, &str)],
        attributes: Option<&str>,
    ) -> Result<Option<Vec<Option<Remerge>>>, GitError> {
        let names = |(commit, reverted): &(&str, &str)| {
            [format!("{commit}^1^{{commit}}"), format!("{reverted}^1^{{commit}}"), format!("{reverted}^{{commit}}")]
        };
        let ids = self.objects(reversals.iter().flat_map(names))?;
        let repeat = |((commit, _), ids): (&(&str, &str), &[Option<String>])| match ids {
            [Some(ours), Some(theirs), Some(base)] => {
                Some(((*commit).to_owned(), format!("{base} -- {ours} {theirs}")))
            }
            _ => None,
        };
        let repeats: Vec<Option<Repeat>> = reversals.iter().zip(ids.chunks(3)).map(repeat).collect();
        let possible: Vec<bool> = repeats.iter().map(Option::is_some).collect();
        let repeats: Vec<Repeat> = repeats.into_iter().flatten().collect();
        let Some(made) = self.repeat(&repeats, attributes)? else { return Ok(None) };
        let mut made = made.into_iter();
        Ok(Some(possible.into_iter().map(|possible| if possible { made.next() } else { None }).collect()))
    }

    fn repeat(&self, repeats: &[Repeat], attributes: Option<&str>) -> Result<Option<Vec<Remerge>>, GitError> {
        if repeats.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let source_error = |source| GitError::Io { action: "create a temporary directory".to_owned(), source };
        let objects = tempfile::tempdir().map_err(source_error)?;
        let beside = |call: Call| {
            call.env("GIT_OBJECT_DIRECTORY", objects.path())
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common_dir().join("objects"))
        };
        let git = attributes.into_iter().fold(self.git(), |git, commit| git.env("GIT_ATTR_SOURCE", commit));
        let call = beside(git).args(["-c", "merge.renames=true", "-c", "merge.renormalize=false"]);
        let call = call.args(["-c", "merge.directoryRenames=conflict", "-c", "diff.renameLimit=7000"]);
        let call = call.args(["merge-tree", "--stdin", "--name-only", "--no-messages", "--allow-unrelated-histories"]);
        let asked: String = repeats.iter().map(|(_, line)| format!("{line}\n")).collect();
        let output = call.input(asked.into_bytes()).long().output()?;
        match output.code {
            Some(0 | 1) => {}
            Some(USAGE) => return Ok(None),
            // One that takes no base cannot read the line.
            Some(_) if output.stderr.contains("malformed input line") => return Ok(None),
            _ => return Err(output.failed()),
        }
        let unreadable =
            || GitError::Unreadable { args: "merge-tree".to_owned(), what: "not a merge a line".to_owned() };
        let made = merged_trees(&output.stdout).filter(|made| made.len() == repeats.len()).ok_or_else(unreadable)?;
        let trees = self.objects(repeats.iter().map(|(commit, _)| format!("{commit}^{{tree}}")))?;
        let trees: Vec<String> = trees.into_iter().collect::<Option<_>>().ok_or_else(unreadable)?;
        let asked: String = made.iter().zip(&trees).map(|((made, _), tree)| format!("{made} {tree}\n")).collect();
        let args = ["diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let call = beside(self.git()).args(args).arg("--ignore-submodules=none").input(asked.into_bytes()).long();
        let all =
            call.parsed("a line and its files", |raw| differences(raw).filter(|all| all.len() == repeats.len()))?;
        let both = made.into_iter().zip(all);
        Ok(Some(both.map(|((_, conflicts), differs)| Remerge { differs, conflicts }).collect()))
    }

    /// The full ids of what names name; `None` for those that name nothing.
    fn objects(&self, names: impl Iterator<Item = String>) -> Result<Vec<Option<String>>, GitError> {
        let asked: String = names.map(|name| format!("{name}\n")).collect();
        let call = self.git().args(["cat-file", "--batch-check=%(objectname)"]).input(asked.into_bytes());
        let output = call.long().ok()?;
        let is_id = |line: &&str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = String::from_utf8_lossy(&output);
        Ok(text.lines().map(|line| Some(line).filter(is_id).map(str::to_owned)).collect())
    }

    /// The files of merges that differ from every parent, all of them in one process.
    pub(crate) fn combined(&self, merges: &[&str]) -> Result<Vec<Vec<FileChange>>, GitError> {
        if merges.is_empty() {
            return Ok(Vec::new());
        }
        let args = ["diff-tree", "--stdin", "-c", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let asked: String = merges.iter().map(|merge| format!("{merge}\n")).collect();
        let call = self.git().args(args).arg("--ignore-submodules=none").input(asked.into_bytes()).long();
        call.parsed("a commit and its files", |raw| combined(raw).filter(|all| all.len() == merges.len()))
    }
}

/// The tree of each merge, and the paths that conflict in it: a status, the tree, paths and an empty field for each.
fn merged_trees(output: &[u8]) -> Option<Vec<(String, BTreeSet<Vec<u8>>)>> {
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

/// The files of each commit: its id, then the files in git's raw format, each ended by a NUL.
fn combined(raw: &[u8]) -> Option<Vec<Vec<FileChange>>> {
    let mut all: Vec<Vec<FileChange>> = Vec::new();
    let mut tokens = records(raw);
    while let Some(token) = tokens.next() {
        if token.starts_with(b":") {
            all.last_mut()?.push(parse_raw(token, tokens.next()?)?);
        } else {
            all.push(Vec::new());
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

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
        let again = |merge: &str| repo.remerge(&[(merge, &main, &side)], None).unwrap().unwrap().remove(0);
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
        assert!(repo.remerge(&[("HEAD", &base, "nothing")], None).is_err());
        let made = |text: &str| text.split(' ').next().unwrap().parse::<u32>().unwrap();
        assert!(made(&count()) <= made(&objects) + 6, "merging again leaves nothing behind");
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
        let remerges = sandbox.repo().remerge(&twice, None).unwrap().unwrap();
        assert_eq!(remerges.len(), 2);
        assert_eq!(remerges[0].conflicts, BTreeSet::from([b"a b".to_vec()]));
        assert_eq!(paths(&remerges[1]), ["a b"]);
    }

    #[test]
    fn a_commit_is_taken_back_at_its_own_place_alone() {
        let sandbox = Sandbox::new().hostile();
        let block = |value: &str| format!("a\nb\nc\n{value}\nd\ne\nf\n");
        let text = |one: &str, two: &str| format!("{}--\n{}", block(one), block(two));
        sandbox.commit("a", &text("1", "2"), "one");
        let made = sandbox.commit("a", &text("2", "2"), "two");
        let elsewhere = sandbox.commit("a", &text("2", "1"), "not taken back");
        sandbox.commit("a", &text("2", "2"), "as before");
        let back = sandbox.commit("a", &text("1", "2"), "taken back");
        let pairs = [(elsewhere.as_str(), made.as_str()), (&back, &made), (&back, "nothing")];
        let again = sandbox.repo().reverse(&pairs, Some(&made)).unwrap().unwrap();
        let differ: Vec<Option<usize>> = again.iter().map(|it| it.as_ref().map(|it| it.differs.len())).collect();
        assert_eq!(differ, [Some(1), Some(0), None]);
    }

    #[test]
    fn what_differs_from_every_parent_is_told_of_many_merges_at_once() {
        let sandbox = Sandbox::new().hostile();
        sandbox.commit("a", "1", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        sandbox.commit("b", "1", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.commit("c", "1", "main");
        sandbox.git(&["merge", "-q", "--no-edit", "side"]);
        let repo = sandbox.repo();
        let clean = repo.resolve("HEAD").unwrap();
        sandbox.write("new", "1");
        sandbox.git(&["add", "new"]);
        sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
        let evil = repo.resolve("HEAD").unwrap();
        let all = repo.combined(&[&clean, &evil, &clean]).unwrap();
        let statuses: Vec<Vec<&str>> =
            all.iter().map(|files| files.iter().map(|file| file.status.as_str()).collect()).collect();
        assert_eq!(statuses, [vec![], vec!["AA"], vec![]]);
    }
}
