//! What a merge holds beside what merging its parents gives: content that was put in where no other commit shows it,
//! or left out. Merges themselves need no change. Must not run git.

use std::collections::HashSet;

use crate::audit::commit::CommitFacts;
use crate::audit::finding::CommitName;
use crate::audit::finding::Finding;
use crate::audit::finding::What;
use crate::audit::policy::Surfaces;
use crate::audit::range::History;
use crate::change::surface::Surface;

/// A merge against what merging its parents anew gives: the project's files that differ, own ones left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remerged {
    /// Those in conflict, on which somebody had to decide.
    pub decided: Vec<String>,
    /// The others.
    pub differs: Vec<String>,
}

/// A merge of the range.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    name: CommitName,
    parents: Vec<String>,
    tracked: bool,
    /// Paths that differ from every parent.
    paths: Vec<String>,
    /// Of these, those that no parent has.
    new: Vec<String>,
}

impl Merge {
    pub(crate) fn of(commit: &CommitFacts) -> Self {
        let new = commit.files.iter().filter(|file| file.new && !file.own).map(|file| file.path.clone());
        Self {
            name: commit.name(),
            parents: commit.parents.clone(),
            tracked: !commit.ids.is_empty(),
            paths: commit.paths().map(str::to_owned).collect(),
            new: new.collect(),
        }
    }

    /// What it holds of its own. `seen` are the commits of the range.
    pub(crate) fn findings(&self, seen: &HashSet<String>, surfaces: &Surfaces, history: &dyn History) -> Vec<Finding> {
        let remerged = match self.parents.as_slice() {
            [one, other] if self.is_suspect(seen) => history.remerged(&self.name.id, one, other),
            _ => None,
        };
        let found = match remerged {
            Some(remerged) => {
                let added = |path: &&String| self.new.contains(*path);
                let new_file = remerged.differs.iter().any(|path| added(&path));
                let put_in = self.finding(remerged.differs, new_file, Some(false), true);
                // A tracked decision belongs to its change.
                let grave = !self.tracked && on_tuneables(&remerged.decided, surfaces);
                put_in.into_iter().chain(self.finding(remerged.decided, false, Some(true), grave)).collect()
            }
            None => {
                let new_file = !self.new.is_empty();
                let grave = new_file || (!self.tracked && on_tuneables(&self.paths, surfaces));
                self.finding(self.paths.clone(), new_file, None, grave).into_iter().collect::<Vec<Finding>>()
            }
        };
        found.into_iter().map(|finding| finding.of_commit(&self.name)).collect()
    }

    /// Content of its own shows in files that no parent has so. What was left out instead does not; it is looked for
    /// where one parent's commits are here and the other's are not: there a change that everybody has gets lost.
    fn is_suspect(&self, seen: &HashSet<String>) -> bool {
        let here = self.parents.iter().filter(|parent| seen.contains(*parent)).count();
        !self.paths.is_empty() || here == 1
    }

    fn finding(&self, paths: Vec<String>, new_file: bool, conflict: Option<bool>, grave: bool) -> Option<Finding> {
        let first = paths.first().cloned()?;
        let what = What::MergeBringsContent { paths, new_file, conflict };
        Some(if grave { Finding::fail(what) } else { Finding::warn(what) }.at(first))
    }
}

fn on_tuneables(paths: &[String], surfaces: &Surfaces) -> bool {
    !surfaces.on(Surface::Tuneables, paths.iter().map(String::as_str)).is_empty()
}
