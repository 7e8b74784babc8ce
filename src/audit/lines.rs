//! The first-parent lines of a range: which merges are plainly what merging gives, told from the files that commits
//! change, without merging anything. Answers only where each file was changed on one side alone. Must not run git.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::audit::CommitFacts;

/// Commits of one side of a merge that are looked at; where sides are longer, git merges anew.
const LIMIT: usize = 1_000;

/// What the lines of a merge's parents say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Each file is as the one side left it that changed it.
    Plain,
    Differs(Vec<String>),
    Unknown,
}

/// One file of a commit: its path, what was there, what is there.
#[derive(Debug, Clone, Copy)]
struct Change {
    path: u32,
    before: u32,
    after: u32,
}

/// A commit against its first parent.
#[derive(Debug)]
struct Step {
    parent: Option<u32>,
    changes: Box<[Change]>,
}

/// Every text once.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<Box<str>, u32>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.known.insert(text.into(), number);
        number
    }
}

/// The commits of a range, each with what it does to its first parent.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    commits: Names,
    names: Names,
    steps: HashMap<u32, Step>,
}

/// What a side did since both were one: for each path what was there before and what is there now.
type Side = HashMap<u32, (u32, u32)>;

impl Lines {
    /// Takes the next commit.
    pub(crate) fn take(&mut self, commit: &CommitFacts) {
        let number = self.commits.number(&commit.id);
        let parent = commit.parents.first().map(|parent| self.commits.number(parent));
        let files = commit.files.iter().filter(|file| !file.own);
        let changes = files.map(|file| Change {
            path: self.names.number(&file.path),
            before: self.names.number(&file.before),
            after: self.names.number(&file.after),
        });
        let changes = changes.collect();
        self.steps.insert(number, Step { parent, changes });
    }

    /// What is to be said of a merge.
    pub(crate) fn of(&self, merge: &str, parents: &[String]) -> Told {
        let number = |id: &str| self.commits.known.get(id).copied();
        let Some(step) = number(merge).and_then(|number| self.steps.get(&number)) else { return Told::Unknown };
        let parents: Option<Vec<u32>> = parents.iter().map(|id| number(id)).collect();
        let Some((ours, theirs)) = parents.as_deref().and_then(<[u32]>::split_first) else { return Told::Unknown };
        // What every other parent brings, and who brings it.
        let mut brought: Side = HashMap::new();
        let mut kept: HashSet<u32> = HashSet::new();
        for theirs in theirs {
            let Some((here, there)) = self.sides(*ours, *theirs) else { return Told::Unknown };
            kept.extend(here.keys());
            for (path, change) in there {
                if brought.insert(path, change).is_some() {
                    return Told::Unknown;
                }
            }
        }
        if brought.keys().any(|path| kept.contains(path)) {
            return Told::Unknown;
        }
        let merged: HashMap<u32, u32> = step.changes.iter().map(|change| (change.path, change.after)).collect();
        brought.retain(|_, (before, after)| before != after);
        let paths: BTreeSet<u32> = brought.keys().chain(merged.keys()).copied().collect();
        let fits = |path: &u32| merged.get(path) == brought.get(path).map(|(_, after)| after);
        let differs: BTreeSet<u32> = paths.into_iter().filter(|path| !fits(path)).collect();
        if differs.is_empty() { Told::Plain } else { Told::Differs(self.texts(&differs)) }
    }

    fn texts(&self, numbers: &BTreeSet<u32>) -> Vec<String> {
        let found = self.names.known.iter().filter(|(_, number)| numbers.contains(number));
        let mut texts: Vec<String> = found.map(|(text, _)| text.to_string()).collect();
        texts.sort();
        texts
    }

    /// What two commits did since the nearest one that lies on the first-parent lines of both; `None` where the range
    /// does not show it.
    fn sides(&self, ours: u32, theirs: u32) -> Option<(Side, Side)> {
        let (mut here, mut there) = (Line::from(ours), Line::from(theirs));
        let fork = loop {
            if let Some(fork) = here.step(self, &there).or_else(|| there.step(self, &here)) {
                break fork;
            }
            if (here.next.is_none() && there.next.is_none()) || here.commits.len() + there.commits.len() > LIMIT {
                return None;
            }
        };
        Some((self.since(&here, fork)?, self.since(&there, fork)?))
    }

    fn since(&self, line: &Line, fork: u32) -> Option<Side> {
        let mut side: Side = HashMap::new();
        for commit in line.commits.iter().take_while(|commit| **commit != fork) {
            for change in &self.steps.get(commit)?.changes {
                // Newest first: the last one seen knows what was there before.
                side.entry(change.path).or_insert((change.before, change.after)).0 = change.before;
            }
        }
        Some(side)
    }
}

/// A first-parent line on the way back.
struct Line {
    next: Option<u32>,
    commits: Vec<u32>,
    passed: HashSet<u32>,
}

impl Line {
    fn from(commit: u32) -> Self {
        Self { next: Some(commit), commits: Vec::new(), passed: HashSet::new() }
    }

    /// One commit further; gives it where the other line has passed it.
    fn step(&mut self, lines: &Lines, other: &Self) -> Option<u32> {
        let commit = self.next?;
        self.next = lines.steps.get(&commit).and_then(|step| step.parent);
        self.commits.push(commit);
        self.passed.insert(commit);
        other.passed.contains(&commit).then_some(commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::FileFact;

    /// A path with what was there and what is there.
    type File<'a> = (&'a str, &'a str, &'a str);

    fn lines(commits: &[(&str, &[&str], &[File<'_>])]) -> Lines {
        let mut lines = Lines::default();
        for (id, parents, files) in commits {
            let file = |(path, before, after): &File<'_>| FileFact {
                path: (*path).to_owned(),
                before: (*before).to_owned(),
                after: (*after).to_owned(),
                ..FileFact::default()
            };
            lines.take(&CommitFacts {
                id: (*id).to_owned(),
                parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
                files: files.iter().map(file).collect(),
                ..CommitFacts::default()
            });
        }
        lines
    }

    fn of(lines: &Lines, merge: &str, parents: &[&str]) -> Told {
        lines.of(merge, &parents.iter().map(|parent| (*parent).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_merge_that_takes_each_file_from_the_side_that_changed_it_is_plain() {
        let known = lines(&[
            ("merge", &["main", "side"], &[("s", "1", "3")]),
            ("main", &["base"], &[("m", "1", "2")]),
            ("side", &["older"], &[("s", "2", "3"), ("x", "2", "1")]),
            ("older", &["base"], &[("s", "1", "2"), ("x", "1", "2")]),
        ]);
        assert_eq!(of(&known, "merge", &["main", "side"]), Told::Plain);
    }

    #[test]
    fn what_a_merge_leaves_out_or_takes_back_is_told() {
        let files: [&[File<'_>]; 3] = [&[], &[("s", "1", "2"), ("m", "2", "1")], &[("s", "1", "9")]];
        for (merged, expected) in files.iter().zip([vec!["s"], vec!["m"], vec!["s"]]) {
            let known = lines(&[
                ("merge", &["main", "side"], merged),
                ("main", &["base"], &[("m", "1", "2")]),
                ("side", &["base"], &[("s", "1", "2")]),
            ]);
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(of(&known, "merge", &["main", "side"]), Told::Differs(expected));
        }
    }

    #[test]
    fn a_file_that_both_sides_changed_or_a_side_that_leaves_the_range_is_for_git_to_tell() {
        let both = lines(&[
            ("merge", &["main", "side"], &[]),
            ("main", &["base"], &[("f", "1", "2")]),
            ("side", &["base"], &[("f", "1", "2")]),
        ]);
        assert_eq!(of(&both, "merge", &["main", "side"]), Told::Unknown);
        // What the other line did before it left the range is not known.
        let outside = lines(&[("merge", &["main", "side"], &[]), ("main", &["base"], &[("f", "1", "2")])]);
        assert_eq!(of(&outside, "merge", &["main", "side"]), Told::Unknown);
        assert_eq!(of(&outside, "nothing", &["main", "side"]), Told::Unknown);
    }
}
