//! Compares commits with what git makes of the same parents: repeats merges, reverts and cherry-picks with `git
//! merge-tree`, or in a throwaway checkout if git is too old or a merge has more than two parents.

use std::collections::BTreeSet;

use crate::git::call::OUTPUT_LIMIT;
use crate::git::diff::{parse_raw, staged_against};
use crate::git::objects::Batch;
use crate::git::repo::is_full_id;
use crate::git::revert::unmerged;
use crate::git::{Call, FileChange, GitError, Remade, Remake, Repo, Result, Scope};

/// Git's exit code for an unknown option.
const USAGE: i32 = 129;
/// Merge settings that override the user's.
const SETTINGS: [&str; 10] = [
    "-c",
    "merge.conflictStyle=diff3",
    "-c",
    "merge.renames=true",
    "-c",
    "merge.renormalize=false",
    "-c",
    "merge.directoryRenames=conflict",
    "-c",
    "diff.renameLimit=7000",
];

/// A merge to repeat, and the commit to compare its result with. All ids are full.
struct Merge {
    commit: String,
    tree: String,
    /// `None` lets git find the merge base.
    base: Option<String>,
    ours: String,
    theirs: Vec<String>,
}

/// The tree of a merge, and its conflicting paths.
type Merged = (String, BTreeSet<Vec<u8>>);

impl Repo {
    /// Repeats commits and compares them. The answer is `None` if one of the commits is unknown or has no parent. Git
    /// attributes are read from the commit `attributes`, so that later ones cannot cause a conflict; a git older than
    /// 2.41 uses those of the work tree.
    pub(crate) fn remake(&self, all: &[Remake<'_>], attributes: Option<&str>) -> Result<Vec<Option<Remade>>> {
        let both: Vec<Remake<'_>> = all.iter().copied().chain(all.iter().filter_map(Remake::back)).collect();
        let mut made = self.made_again(&both, attributes)?;
        let mut taken_back = made.split_off(all.len()).into_iter();
        for (_, made) in all.iter().zip(&mut made).filter(|(it, _)| it.back().is_some()) {
            match (made.as_mut(), taken_back.next().flatten()) {
                (Some(made), Some(taken_back)) => {
                    made.decided.extend(taken_back.decided);
                    made.differs.extend(taken_back.differs);
                }
                (Some(_) | None, _) => *made = None,
            }
        }
        Ok(made)
    }

    fn made_again(&self, all: &[Remake<'_>], attributes: Option<&str>) -> Result<Vec<Option<Remade>>> {
        let merges = self.merges(all)?;
        let simple: Vec<&Merge> = merges.iter().flatten().filter(|merge| merge.theirs.len() == 1).collect();
        let mut made = match self.merge_trees(&simple, attributes)? {
            Some(made) => made,
            None => self.merge_in_checkout(&simple)?,
        }
        .into_iter();
        let octopus: Vec<&Merge> = merges.iter().flatten().filter(|merge| merge.theirs.len() > 1).collect();
        let mut of_many = self.merge_in_checkout(&octopus)?.into_iter();
        let next =
            |merge: Option<Merge>| merge.and_then(|it| if it.theirs.len() == 1 { made.next() } else { of_many.next() });
        Ok(merges.into_iter().map(next).collect())
    }

    fn merges(&self, all: &[Remake<'_>]) -> Result<Vec<Option<Merge>>> {
        let before = |commit: &str| format!("{commit}^1");
        let names = |it: &Remake<'_>| -> Vec<String> {
            let (commit, others) = match *it {
                Remake::Merge { commit, parents } => (commit.to_owned(), parents.to_vec()),
                Remake::Revert { commit, of } => (commit.to_owned(), vec![of.to_owned(), before(commit), before(of)]),
                Remake::Unrevert { commit, of } => (before(commit), vec![before(of), commit.to_owned(), of.to_owned()]),
                Remake::Pick { commit, of } => (commit.to_owned(), vec![before(of), before(commit), of.to_owned()]),
                Remake::Unpick { commit, of } => (before(commit), vec![of.to_owned(), commit.to_owned(), before(of)]),
                Remake::Gone { head, of } => (head.to_owned(), vec![of.to_owned(), head.to_owned(), before(of)]),
            };
            let commits = std::iter::once(&commit).chain(&others).map(|name| format!("{name}^{{commit}}\n"));
            std::iter::once(format!("{commit}^{{tree}}\n")).chain(commits).collect()
        };
        let names: Vec<Vec<String>> = all.iter().map(names).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let asked = names.concat().concat().into_bytes();
        let call = self.git().args(["cat-file", "--batch-check=%(objectname)"]).input(asked);
        let output = call.long().text()?;
        let mut ids = output.lines().map(|line| is_full_id(line).then(|| line.to_owned()));
        let of = |(it, names): (&Remake<'_>, &Vec<String>)| -> Option<Merge> {
            let found: Vec<Option<String>> = ids.by_ref().take(names.len()).collect();
            let mut found = found.into_iter().collect::<Option<Vec<String>>>()?.into_iter();
            let (tree, commit) = (found.next()?, found.next()?);
            let base = if matches!(it, Remake::Merge { .. }) { None } else { found.next() };
            Some(Merge { commit, tree, base, ours: found.next()?, theirs: found.collect() })
        };
        Ok(all.iter().zip(&names).map(of).collect())
    }

    /// Merges of two sides, all in three processes; `None` if this git cannot do that (older than 2.40).
    fn merge_trees(&self, merges: &[&Merge], attributes: Option<&str>) -> Result<Option<Vec<Remade>>> {
        if merges.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let objects = tempfile::tempdir().map_err(GitError::no_directory)?;
        let git = || self.git_beside(&objects);
        let call = attributes.into_iter().fold(git(), |git, commit| git.env("GIT_ATTR_SOURCE", commit)).args(SETTINGS);
        let call = call.args(["merge-tree", "--stdin", "--name-only", "--no-messages", "--allow-unrelated-histories"]);
        let line = |it: &&Merge| {
            let base = it.base.as_ref().map(|base| format!("{base} -- ")).unwrap_or_default();
            format!("{base}{} {}\n", it.ours, it.theirs[0])
        };
        let output = call.input(merges.iter().map(line).collect::<String>().into_bytes()).long().output()?;
        match output.code {
            Some(0 | 1) => {}
            Some(USAGE) => return Ok(None),
            // A git without support for a given merge base cannot read the line.
            Some(_) if output.stderr.contains("malformed input line") => return Ok(None),
            _ => return Err(output.failed()),
        }
        let unreadable =
            || GitError::Unreadable { args: "merge-tree".to_owned(), what: "not a merge a line".to_owned() };
        let made = merged_trees(&output.stdout).filter(|made| made.len() == merges.len()).ok_or_else(unreadable)?;
        let asked: String = made.iter().zip(merges).map(|((made, _), it)| format!("{made} {}\n", it.tree)).collect();
        let args = ["diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let call = git().args(args).arg("--ignore-submodules=none").input(asked.into_bytes()).long();
        let all =
            call.parsed("a line and its files", |raw| differences(raw).filter(|all| all.len() == merges.len()))?;
        let mut all: Vec<Remade> =
            made.into_iter().zip(all).map(|((_, conflicts), differs)| remade(differs, &conflicts)).collect();
        for (remade, merge) in all.iter_mut().zip(merges).filter(|(it, _)| !it.decided.is_empty()) {
            let decided = std::mem::take(&mut remade.decided);
            let (decided, altered) = resolutions(decided, merge, git())?;
            remade.decided = decided;
            remade.differs.extend(altered);
        }
        Ok(Some(all))
    }

    fn merge_in_checkout(&self, merges: &[&Merge]) -> Result<Vec<Remade>> {
        let Some(first) = merges.first() else { return Ok(Vec::new()) };
        let scratch = self.scratch(&first.ours)?;
        let git = || scratch.git().args(["-c", "user.name=x", "-c", "user.email=x@x"]).args(SETTINGS).long();
        let mut all = Vec::new();
        for merge in merges {
            let mut conflicts = BTreeSet::new();
            let mut ours = merge.ours.clone();
            for (number, theirs) in merge.theirs.iter().enumerate() {
                if number > 0 {
                    let tree = git().arg("write-tree").line()?;
                    let merged = &merge.theirs[number - 1];
                    ours = git().args(["commit-tree", &tree, "-p", &ours, "-p", merged, "-m", "x"]).line()?;
                }
                git().args(["checkout", "--quiet", "--force", "--detach", &ours]).ok()?;
                git().args(["clean", "-ffdxq"]).ok()?;
                let bases = match &merge.base {
                    Some(base) => vec![base.clone()],
                    None => {
                        let found = git().args(["merge-base", "--all", &ours, theirs]).answer()?;
                        String::from_utf8_lossy(&found.unwrap_or_default()).lines().map(str::to_owned).collect()
                    }
                };
                let output = git().arg("merge-recursive").args(bases).args(["--", &ours, theirs]).output()?;
                if !matches!(output.code, Some(0 | 1)) {
                    return Err(output.failed());
                }
                conflicts.extend(unmerged(&scratch)?);
                if !conflicts.is_empty() {
                    break;
                }
            }
            let differs = staged_against(git(), &merge.commit, &Scope::ALL)?;
            all.push(remade(differs.into_iter().map(FileChange::reversed).collect(), &conflicts));
        }
        scratch.remove()?;
        Ok(all)
    }
}

/// Separates the files that were in conflict, which somebody had to decide, from the other differences. It includes
/// those that git left in the tree as they were decided: if one side deleted a file, git leaves the other side's.
fn remade(differs: Vec<FileChange>, conflicts: &BTreeSet<Vec<u8>>) -> Remade {
    let (mut decided, differs): (Vec<_>, Vec<_>) = differs.into_iter().partition(|file| conflicts.contains(&file.path));
    let kept = conflicts.iter().filter(|path| !decided.iter().any(|file| file.path == **path));
    let in_conflict = |path: &Vec<u8>| FileChange {
        path: path.clone(),
        status: "U".to_owned(),
        old_mode: "100644".to_owned(),
        new_mode: "100644".to_owned(),
        ..FileChange::default()
    };
    let kept: Vec<FileChange> = kept.map(in_conflict).collect();
    decided.extend(kept);
    Remade { decided, differs }
}

/// Separates the files of which only the conflicts were decided from those that were altered elsewhere, too. One side's
/// whole file is a decision.
fn resolutions(decided: Vec<FileChange>, merge: &Merge, git: Call) -> Result<(Vec<FileChange>, Vec<FileChange>)> {
    let is_text = |file: &FileChange| {
        !file.path.contains(&b'\n') && [&file.old_mode, &file.new_mode].iter().all(|mode| mode.starts_with("100"))
    };
    let (texts, mut whole): (Vec<_>, Vec<_>) = decided.into_iter().partition(|it| it.status == "M" && is_text(it));
    if texts.is_empty() {
        return Ok((whole, texts));
    }
    let (mut batch, mut altered) = (Batch::start(git)?, Vec::new());
    for file in texts {
        let mut object = |id: &str| batch.read_object(id, OUTPUT_LIMIT);
        let (made, resolved) = (object(&file.old_object)?, object(&file.new_object)?);
        let mut side = |commit: &str| batch.read_path(commit, &file.path, OUTPUT_LIMIT);
        let (ours, theirs) = (side(&merge.ours)?, side(&merge.theirs[0])?);
        let is_decided = resolved.is_some() && (resolved == ours || resolved == theirs)
            || made.zip(resolved).is_none_or(|(made, resolved)| is_resolution(&made, &resolved));
        if is_decided { whole.push(file) } else { altered.push(file) }
    }
    Ok((whole, altered))
}

/// The tree and conflicting paths of each merge: git prints a status, the tree, the paths and an empty field.
fn merged_trees(output: &[u8]) -> Option<Vec<Merged>> {
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

/// The differences of each pair of trees: a line with both ids, then the files in git's raw format.
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

/// Whether a file differs from the one that git left with conflict markers only between these. A file without markers, such
/// as one that the other side deleted, is not altered at all; a binary file may be anything.
fn is_resolution(made: &[u8], resolved: &[u8]) -> bool {
    if made.contains(&0) || resolved.contains(&0) {
        return true;
    }
    let kept = outside_conflicts(made);
    let [first, middle @ .., last] = kept.as_slice() else { return made == resolved };
    let lines = lines(resolved);
    if lines.len() < first.len() + last.len() || !lines.starts_with(first) || !lines.ends_with(last) {
        return false;
    }
    let mut rest = &lines[first.len()..lines.len() - last.len()];
    middle.iter().all(|part| {
        let at = (0..=rest.len()).find(|at| rest[*at..].starts_with(part));
        at.inspect(|at| rest = &rest[at + part.len()..]).is_some()
    })
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The lines before, between and after conflicts.
fn outside_conflicts(made: &[u8]) -> Vec<Vec<&[u8]>> {
    let (mut parts, mut is_inside) = (vec![Vec::new()], false);
    for line in lines(made) {
        if !is_inside && line.starts_with(b"<<<<<<< ") {
            is_inside = true;
        } else if is_inside && line.starts_with(b">>>>>>> ") {
            is_inside = false;
            parts.push(Vec::new());
        } else if !is_inside && let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Sandbox;

    fn paths(files: &[FileChange]) -> Vec<&str> {
        files.iter().map(FileChange::name).collect()
    }

    /// Checks that `git merge-tree` and a checkout give the same answer.
    fn again(repo: &Repo, what: Remake<'_>) -> Remade {
        let merges = repo.merges(&[what]).unwrap();
        let merges: Vec<&Merge> = merges.iter().flatten().collect();
        let slow = repo.merge_in_checkout(&merges).unwrap().remove(0);
        let made = repo.made_again(&[what], None).unwrap().remove(0).unwrap();
        let summary = |it: &Remade| -> Vec<(String, bool)> {
            let all = it.differs.iter().chain(&it.decided);
            all.map(|file| (file.name().to_owned(), file.is_new())).collect()
        };
        assert_eq!((summary(&made), made.decided.len()), (summary(&slow), slow.decided.len()));
        repo.remake(&[what], None).unwrap().remove(0).unwrap()
    }

    #[test]
    fn an_added_file_that_was_edited_later_is_not_gone() {
        let sandbox = Sandbox::new().hostile();
        sandbox.commit("a", "1\n", "start");
        let added = sandbox.commit("extra", "1\n", "add it");
        let edited = sandbox.commit("extra", "1\n2\n", "edit it");
        let made = again(&sandbox.repo(), Remake::Gone { head: &edited, of: &added });
        assert_eq!(made.decided.iter().map(FileChange::name).collect::<Vec<_>>(), ["extra"]);
        assert!(!made.is_same());
    }

    #[test]
    fn a_plain_merge_differs_in_nothing_and_additions_and_omissions_are_reported() {
        let sandbox = Sandbox::new().hostile();
        sandbox.write("left", "1\n");
        let base = sandbox.commit("both", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "one");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        let side = sandbox.commit("both", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", "side");
        sandbox.git(&["checkout", "-q", "main"]);
        let main = sandbox.commit("both", "one\n2\n3\n4\n5\n6\n7\n8\n9\n", "main");
        sandbox.git(&["merge", "-q", "--no-edit", "side"]);
        let (repo, parents) = (sandbox.repo(), [main.clone(), side.clone()]);
        let merge =
            |commit: &str| again(&repo, Remake::Merge { commit: &repo.resolve(commit).unwrap(), parents: &parents });
        assert_eq!(merge("HEAD"), Remade::default(), "both sides' lines are no content of its own");
        sandbox.write("left", "2\n");
        sandbox.write("new", "2\n");
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-q", "--amend", "--no-edit"]);
        let evil = merge("HEAD");
        assert_eq!((paths(&evil.differs), evil.differs[1].is_new()), (vec!["left", "new"], true));
        sandbox.git(&["reset", "-q", "--hard", &main]);
        sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side"]);
        let dropped = merge("HEAD");
        assert_eq!((paths(&dropped.differs), dropped.decided.len()), (vec!["both"], 0));
        let unknown = [base, "0".repeat(40)];
        assert_eq!(repo.remake(&[Remake::Merge { commit: "HEAD", parents: &unknown }], None).unwrap(), [None]);
    }

    #[test]
    fn a_merge_of_three_is_repeated_and_only_conflicts_count_as_decided() {
        let sandbox = Sandbox::new();
        sandbox.commit("a b", "1\n", "one");
        for (branch, path) in [("side", "a b"), ("third", "third")] {
            sandbox.git(&["checkout", "-q", "-b", branch, "main"]);
            sandbox.commit(path, "2\n", branch);
        }
        sandbox.git(&["checkout", "-q", "main"]);
        let main = sandbox.commit("m", "3\n", "main");
        sandbox.git(&["merge", "-q", "--no-edit", "side", "third"]);
        let repo = sandbox.repo();
        let id = |name: &str| repo.resolve(name).unwrap();
        let parents = [main.clone(), id("side"), id("third")];
        assert_eq!(again(&repo, Remake::Merge { commit: &id("HEAD"), parents: &parents }), Remade::default());
        sandbox.git(&["reset", "-q", "--hard", &main]);
        sandbox.git(&["merge", "-q", "--no-edit", "-s", "ours", "side", "third"]);
        let dropped = again(&repo, Remake::Merge { commit: &id("HEAD"), parents: &parents });
        assert_eq!(paths(&dropped.differs), ["a b", "third"]);
        sandbox.git(&["reset", "-q", "--hard", &main]);
        let main = sandbox.commit("a b", "3\n", "main");
        sandbox.git(&["merge", "-q", "-s", "ours", "--no-edit", "side"]);
        let decided = again(&repo, Remake::Merge { commit: &id("HEAD"), parents: &[main, id("side")] });
        assert_eq!((paths(&decided.decided), decided.differs.len()), (vec!["a b"], 0));
    }

    #[test]
    fn a_revert_or_pick_counts_only_at_the_place_of_its_commit() {
        let sandbox = Sandbox::new().hostile();
        let block = |value: &str| format!("a\nb\nc\n{value}\nd\ne\nf\n");
        let text = |one: &str, two: &str| format!("{}--\n{}", block(one), block(two));
        sandbox.commit("a", &text("1", "1"), "one");
        let made = sandbox.commit("a", &text("2", "1"), "two");
        let elsewhere = sandbox.commit("a", &text("2", "2"), "again elsewhere");
        let wrong = sandbox.commit("a", &text("2", "1"), "taken back elsewhere");
        let back = sandbox.commit("a", &text("1", "1"), "taken back");
        let moved = sandbox.commit("b", "1", "beside");
        let picked = sandbox.commit("a", &text("2", "1"), "picked");
        sandbox.commit("a", &text("1", "2"), "half of it is there");
        let whole = sandbox.commit("a", &text("2", "2"), "the other half");
        sandbox.git(&["checkout", "-q", &back]);
        let both = sandbox.commit("a", &text("2", "2"), "both halves");
        let repo = sandbox.repo();
        let same = |what| again(&repo, what) == Remade::default();
        assert!(
            same(Remake::Revert { commit: &back, of: &made }) && !same(Remake::Revert { commit: &wrong, of: &made })
        );
        assert!(
            same(Remake::Pick { commit: &picked, of: &made }) && !same(Remake::Pick { commit: &elsewhere, of: &made })
        );
        assert!(!same(Remake::Pick { commit: &whole, of: &both }));
        assert!(same(Remake::Gone { head: &moved, of: &made }) && !same(Remake::Gone { head: &picked, of: &made }));
    }

    #[test]
    fn a_resolution_alters_the_conflicts_alone() {
        let made = b"a\n<<<<<<< x\nb\n||||||| y\n0\n=======\nc\n>>>>>>> z\nd\n<<<<<<< x\n=======\ne\n>>>>>>> z\n";
        let is_resolution = |resolved: &str| is_resolution(made, resolved.as_bytes());
        for resolved in ["a\nb\nd\n", "a\nd\ne\n", "a\nb\nc\nand\nd\nwhatever\n", "a\nd\nd\n"] {
            assert!(is_resolution(resolved), "{resolved}");
        }
        for resolved in ["evil\na\nb\nd\n", "a\nb\n", "d\na\n", "a\n", ""] {
            assert!(!is_resolution(resolved), "{resolved}");
        }
        assert!(!super::is_resolution(b"a\n", b"evil\na\n") && super::is_resolution(b"a\0", b"b"));
        // The last line may have no end.
        assert!(super::is_resolution(b"<<<<<<< x\nb\n=======\nc\n>>>>>>> z\nd", b"c\nd"));
    }
}
