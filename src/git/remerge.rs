//! Making a merge anew, to see what whoever made it put into it beside what merging gives. Writes objects to a
//! throwaway place alone; must not touch the checkout or the repository.

use std::collections::BTreeSet;

use crate::git::change::parse_raw;
use crate::git::{Call, FileChange, GitError, Repo};

/// A merge as it is against a merge of its parents as git makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remerge {
    pub differs: Vec<FileChange>,
    /// Paths that conflict, so that somebody had to decide on them.
    pub conflicts: BTreeSet<Vec<u8>>,
}

/// Git's exit code for an option that it does not know.
const USAGE: i32 = 129;

/// A merge and its two parents, as full hashes.
pub type Merged<'a> = (&'a str, &'a str, &'a str);

/// A commit and the one that it says it takes back.
pub type Reversal<'a> = (&'a str, &'a str);

/// What a commit is held against: a line for `git merge-tree --stdin`.
struct Again {
    commit: String,
    line: String,
}

impl Repo {
    /// Makes merges of two parents anew and compares, all of them in two processes. `None` where this git cannot (it
    /// is older than 2.39); else one answer for each. `attributes` is the commit whose attributes hold, so that those
    /// that came later turn no merge into a conflict; a git older than 2.41 takes those that lie in the work tree.
    pub fn remerge(&self, merges: &[Merged<'_>], attributes: Option<&str>) -> Result<Option<Vec<Remerge>>, GitError> {
        let again = merges
            .iter()
            .map(|(merge, one, other)| Again { commit: (*merge).to_owned(), line: format!("{one} {other}") });
        self.made_again(again.collect(), attributes)
    }

    /// Takes commits back anew, as `git revert` does (a merge against its first parent), and compares with the commits
    /// that say that they do it. `None` where this git cannot (it is older than 2.40); else one answer for each, which
    /// is nothing where one of the commits is not known or has no parent.
    pub fn reverse(
        &self,
        reversals: &[Reversal<'_>],
        attributes: Option<&str>,
    ) -> Result<Option<Vec<Option<Remerge>>>, GitError> {
        let parents = reversals.iter().flat_map(|(commit, reverted)| [commit, reverted]);
        let parents = self.objects(parents.map(|commit| format!("{commit}^1^{{commit}}")))?;
        let known = self.objects(reversals.iter().map(|(_, reverted)| format!("{reverted}^{{commit}}")))?;
        let again: Vec<Option<Again>> = reversals
            .iter()
            .zip(parents.chunks(2).zip(&known))
            .map(|((commit, _), (parents, reverted))| {
                let (Some(Some(ours)), Some(Some(theirs))) = (parents.first(), parents.get(1)) else { return None };
                let line = format!("{} -- {ours} {theirs}", reverted.as_ref()?);
                Some(Again { commit: (*commit).to_owned(), line })
            })
            .collect();
        let possible: Vec<bool> = again.iter().map(Option::is_some).collect();
        let Some(made) = self.made_again(again.into_iter().flatten().collect(), attributes)? else { return Ok(None) };
        let mut made = made.into_iter();
        Ok(Some(possible.into_iter().map(|possible| if possible { made.next() } else { None }).collect()))
    }

    fn made_again(&self, again: Vec<Again>, attributes: Option<&str>) -> Result<Option<Vec<Remerge>>, GitError> {
        if again.is_empty() {
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
        let shown = call.shown();
        let asked: String = again.iter().map(|again| format!("{}\n", again.line)).collect();
        let output = call.input(asked.into_bytes()).long().output()?;
        match output.code {
            Some(0 | 1) => {}
            Some(USAGE) => return Ok(None),
            // One that takes no base cannot read the line.
            Some(_) if output.stderr.contains("malformed input line") => return Ok(None),
            _ => return Err(output.failed(shown)),
        }
        let unreadable = || GitError::Unreadable { args: shown.clone(), what: "not a merge a line".to_owned() };
        let made = made_anew(&output.stdout).filter(|made| made.len() == again.len()).ok_or_else(unreadable)?;
        let args = ["diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let call = beside(self.git()).args(args).arg("--ignore-submodules=none");
        let trees = self.objects(again.iter().map(|again| format!("{}^{{tree}}", again.commit)))?;
        let trees: Vec<String> = trees.into_iter().collect::<Option<_>>().ok_or_else(unreadable)?;
        let asked: String = made.iter().zip(&trees).map(|((again, _), tree)| format!("{again} {tree}\n")).collect();
        let raw = call.input(asked.into_bytes()).long().ok()?;
        let differences = differences(&raw).filter(|all| all.len() == again.len()).ok_or_else(unreadable)?;
        let both = made.into_iter().zip(differences);
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
    pub fn combined(&self, merges: &[&str]) -> Result<Vec<Vec<FileChange>>, GitError> {
        if merges.is_empty() {
            return Ok(Vec::new());
        }
        let args = ["diff-tree", "--stdin", "-c", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let call = self.git().args(args).arg("--ignore-submodules=none");
        let shown = call.shown();
        let asked: String = merges.iter().map(|merge| format!("{merge}\n")).collect();
        let raw = call.input(asked.into_bytes()).long().ok()?;
        let unreadable = || GitError::Unreadable { args: shown, what: "not a commit and its files".to_owned() };
        combined(&raw).filter(|all| all.len() == merges.len()).ok_or_else(unreadable)
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

/// The files of each commit: its id, then the files in git's raw format, each ended by a NUL.
fn combined(raw: &[u8]) -> Option<Vec<Vec<FileChange>>> {
    let mut all: Vec<Vec<FileChange>> = Vec::new();
    let mut tokens = raw.split(|byte| *byte == 0).filter(|token| !token.is_empty());
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
