//! What a merge contains beyond what merging its parents gives: content added where no other commit shows it, or
//! dropped. Merges themselves need no change. Most merges are cleared without asking git, by the files that the commits
//! of the range change.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::audit::{CommitName, Finding, FindingKind, History, Surfaces};
use crate::model::Commit;

/// The most commits on the sides of a merge that are compared here; git merges the longer ones again.
const LIMIT: usize = 1_000;

/// A merge compared with merging its parents again: the project's files that differ, without the tool's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remerged {
    /// Files in conflict, which somebody had to resolve.
    pub resolved: Vec<String>,
    pub differs: Vec<String>,
}

/// The project's files of a merge that differ from every parent, without the tool's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Combined {
    pub paths: Vec<String>,
    /// Of these, those that no parent has.
    pub new: Vec<String>,
}

/// A merge of the range.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    name: CommitName,
    parents: Vec<String>,
    names_a_change: bool,
    position: usize,
}

/// The files that a merge decided by itself.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// The merge's position in the range, newest first.
    pub(crate) position: usize,
    pub(crate) paths: Vec<String>,
}

impl Merge {
    pub(crate) fn of(commit: &Commit, position: usize) -> Self {
        Self { name: commit.name(), parents: commit.parents.clone(), names_a_change: !commit.ids.is_empty(), position }
    }

    fn is_octopus(&self) -> bool {
        self.parents.len() > 2
    }

    /// Fails for content of the merge's own; warns for a resolved conflict, unless it decides on tuneables unseen.
    fn findings(
        &self,
        content: &Content,
        remerged: Option<&Remerged>,
        combined: &Combined,
        surfaces: &Surfaces,
    ) -> Vec<(Finding, Vec<String>)> {
        let has_new = |paths: &[String]| paths.iter().any(|path| combined.new.contains(path));
        let decides = |paths: &[String]| !self.names_a_change && surfaces.has_tuneables(paths);
        let parts = match (remerged, content) {
            (Some(Remerged { differs, resolved }), _) => {
                vec![(differs, has_new(differs), Some(false), true), (resolved, false, Some(true), decides(resolved))]
            }
            (None, Content::Differs(paths)) => vec![(paths, has_new(paths), Some(false), true)],
            (None, Content::Plain | Content::Unknown) => {
                let new_file = !combined.new.is_empty();
                // Git makes no merge of more than two parents that has conflicts to resolve.
                let fails = new_file || self.is_octopus() || decides(&combined.paths);
                vec![(&combined.paths, new_file, None, fails)]
            }
        };
        let mut found = Vec::new();
        for (paths, new_file, conflict, fails) in parts {
            let Some(first) = paths.first().cloned() else { continue };
            let what = FindingKind::MergeBringsContent { paths: paths.clone(), new_file, conflict };
            let finding = if fails { Finding::fail(what) } else { Finding::warn(what) };
            found.push((finding.at(first).of_commit(&self.name), paths.clone()));
        }
        found
    }
}

/// Checks the merges of a range, asking git only about those that the range does not show to be plain.
pub(crate) fn findings(
    merges: &[Merge],
    lines: &Lines,
    surfaces: &Surfaces,
    history: &dyn History,
) -> (Vec<Finding>, Vec<Decided>) {
    let contents = merges.iter().map(|merge| (merge, lines.content(&merge.name.id, &merge.parents)));
    let suspects: Vec<(&Merge, Content)> = contents.filter(|(_, content)| *content != Content::Plain).collect();
    let two = suspects.iter().map(|(merge, _)| *merge).filter(|merge| !merge.is_octopus());
    let pairs: Vec<(&str, &str, &str)> =
        two.map(|merge| (merge.name.id.as_str(), merge.parents[0].as_str(), merge.parents[1].as_str())).collect();
    let remerged = history.remerged(&pairs).unwrap_or_default();
    let remerged: HashMap<&str, &Remerged> = pairs.iter().map(|(merge, ..)| *merge).zip(&remerged).collect();
    let is_clean = |merge: &str| remerged.get(merge).is_some_and(|remerged| remerged.differs.is_empty());
    let asked: Vec<&str> =
        suspects.iter().map(|(merge, _)| merge.name.id.as_str()).filter(|merge| !is_clean(merge)).collect();
    let combined = history.combined(&asked);
    let combined: HashMap<&str, &Combined> = asked.iter().copied().zip(&combined).collect();
    let nothing = Combined::default();
    let (mut found, mut decided) = (Vec::new(), Vec::new());
    for (merge, content) in &suspects {
        let id = merge.name.id.as_str();
        let combined = combined.get(id).copied().unwrap_or(&nothing);
        let (findings, paths): (Vec<Finding>, Vec<Vec<String>>) =
            merge.findings(content, remerged.get(id).copied(), combined, surfaces).into_iter().unzip();
        decided.push(Decided { position: merge.position, paths: paths.concat() });
        found.extend(findings);
    }
    (found, decided)
}

/// What the commits of the range show of a merge's content.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// Each file is as the one side left it that changed it.
    Plain,
    Differs(Vec<String>),
    Unknown,
}

/// The commits of a range, each with what it does to its first parent. Texts are kept once, as numbers.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    commits: Numbers,
    texts: Numbers,
    steps: HashMap<u32, Step>,
}

#[derive(Debug, Default)]
struct Numbers(HashMap<Box<str>, u32>);

impl Numbers {
    fn of(&mut self, text: &str) -> u32 {
        if let Some(number) = self.0.get(text) {
            return *number;
        }
        let number = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(text.into(), number);
        number
    }
}

/// A commit against its first parent.
#[derive(Debug)]
struct Step {
    parent: Option<u32>,
    changes: Box<[FileStep]>,
}

/// One file of a commit: its path, what was there, what is there.
#[derive(Debug, Clone, Copy)]
struct FileStep {
    path: u32,
    before: u32,
    after: u32,
}

/// What a side did since both were one: for each path what was there before and what is there now.
type Side = HashMap<u32, (u32, u32)>;

impl Lines {
    /// Takes the next commit.
    pub(crate) fn take(&mut self, commit: &Commit) {
        let number = self.commits.of(&commit.id);
        let parent = commit.parents.first().map(|parent| self.commits.of(parent));
        let files = commit.files.iter().filter(|file| !file.own);
        let changes = files.map(|file| FileStep {
            path: self.texts.of(file.name()),
            before: self.texts.of(&format!("{} {}", file.old_mode, file.old_object)),
            after: self.texts.of(&format!("{} {}", file.new_mode, file.new_object)),
        });
        let changes = changes.collect();
        self.steps.insert(number, Step { parent, changes });
    }

    fn content(&self, merge: &str, parents: &[String]) -> Content {
        self.differing(merge, parents).map_or(Content::Unknown, |paths| {
            if paths.is_empty() { Content::Plain } else { Content::Differs(self.paths(&paths)) }
        })
    }

    /// The paths that are not as the one side left them that changed them; `None` where the range does not show it, or
    /// several sides changed the same file.
    fn differing(&self, merge: &str, parents: &[String]) -> Option<BTreeSet<u32>> {
        let number = |id: &str| self.commits.0.get(id).copied();
        let step = self.steps.get(&number(merge)?)?;
        let parents: Vec<u32> = parents.iter().map(|id| number(id)).collect::<Option<_>>()?;
        let (ours, theirs) = parents.split_first()?;
        let mut brought: Side = HashMap::new();
        let mut kept: HashSet<u32> = HashSet::new();
        for theirs in theirs {
            let (here, there) = self.sides(*ours, *theirs)?;
            kept.extend(here.keys());
            for (path, change) in there {
                if brought.insert(path, change).is_some() {
                    return None;
                }
            }
        }
        if brought.keys().any(|path| kept.contains(path)) {
            return None;
        }
        brought.retain(|_, (before, after)| before != after);
        let merged: HashMap<u32, u32> = step.changes.iter().map(|change| (change.path, change.after)).collect();
        let fits = |path: &u32| merged.get(path) == brought.get(path).map(|(_, after)| after);
        Some(brought.keys().chain(merged.keys()).copied().filter(|path| !fits(path)).collect())
    }

    fn paths(&self, numbers: &BTreeSet<u32>) -> Vec<String> {
        let found = self.texts.0.iter().filter(|(_, number)| numbers.contains(number));
        let mut paths: Vec<String> = found.map(|(text, _)| text.to_string()).collect();
        paths.sort();
        paths
    }

    /// What two commits did since the nearest one on the first-parent lines of both; `None` where the range does not
    /// show it.
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

/// A first-parent line, walked backwards.
struct Line {
    next: Option<u32>,
    commits: Vec<u32>,
    passed: HashSet<u32>,
}

impl Line {
    fn from(commit: u32) -> Self {
        Self { next: Some(commit), commits: Vec::new(), passed: HashSet::new() }
    }

    /// Goes one commit back; returns it where the other line has passed it.
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
    use crate::model::FileChange;

    /// A path with what was there and what is there.
    type File<'a> = (&'a str, &'a str, &'a str);

    fn lines(commits: &[(&str, &[&str], &[File<'_>])]) -> Lines {
        let mut lines = Lines::default();
        for (id, parents, files) in commits {
            let file = |(path, before, after): &File<'_>| FileChange {
                path: path.as_bytes().to_vec(),
                old_object: (*before).to_owned(),
                new_object: (*after).to_owned(),
                ..FileChange::default()
            };
            lines.take(&Commit {
                id: (*id).to_owned(),
                parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
                files: files.iter().map(file).collect(),
                ..Commit::default()
            });
        }
        lines
    }

    fn of(lines: &Lines, merge: &str, parents: &[&str]) -> Content {
        lines.content(merge, &parents.iter().map(|parent| (*parent).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_merge_that_takes_each_file_from_the_side_that_changed_it_is_plain() {
        let known = lines(&[
            ("merge", &["main", "side"], &[("s", "1", "3")]),
            ("main", &["base"], &[("m", "1", "2")]),
            ("side", &["older"], &[("s", "2", "3"), ("x", "2", "1")]),
            ("older", &["base"], &[("s", "1", "2"), ("x", "1", "2")]),
        ]);
        assert_eq!(of(&known, "merge", &["main", "side"]), Content::Plain);
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
            assert_eq!(of(&known, "merge", &["main", "side"]), Content::Differs(expected));
        }
    }

    #[test]
    fn a_file_that_both_sides_changed_or_a_side_that_leaves_the_range_is_for_git_to_tell() {
        let both = lines(&[
            ("merge", &["main", "side"], &[]),
            ("main", &["base"], &[("f", "1", "2")]),
            ("side", &["base"], &[("f", "1", "2")]),
        ]);
        assert_eq!(of(&both, "merge", &["main", "side"]), Content::Unknown);
        // What the other line did before it left the range is not known.
        let outside = lines(&[("merge", &["main", "side"], &[]), ("main", &["base"], &[("f", "1", "2")])]);
        assert_eq!(of(&outside, "merge", &["main", "side"]), Content::Unknown);
        assert_eq!(of(&outside, "nothing", &["main", "side"]), Content::Unknown);
    }
}
