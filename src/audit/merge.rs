//! What a merge holds beside what merging its parents gives: content that was put in where no other commit shows it,
//! or left out. Merges themselves need no change. Must not run git.

use std::collections::HashMap;
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

    fn own_findings(&self, remerged: Option<&Remerged>, surfaces: &Surfaces) -> Vec<Finding> {
        let found: Vec<Finding> = match remerged {
            Some(remerged) => {
                let new_file = remerged.differs.iter().any(|path| self.new.contains(path));
                let put_in = self.finding(&remerged.differs, new_file, Some(false), true);
                // A tracked decision belongs to its change.
                let grave = !self.tracked && on_tuneables(&remerged.decided, surfaces);
                put_in.into_iter().chain(self.finding(&remerged.decided, false, Some(true), grave)).collect()
            }
            None => {
                let new_file = !self.new.is_empty();
                // Git makes no merge of more than two parents in which somebody has to decide on a conflict.
                let octopus = self.parents.len() > 2;
                let grave = new_file || octopus || (!self.tracked && on_tuneables(&self.paths, surfaces));
                self.finding(&self.paths, new_file, None, grave).into_iter().collect()
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

    fn finding(&self, paths: &[String], new_file: bool, conflict: Option<bool>, grave: bool) -> Option<Finding> {
        let first = paths.first().cloned()?;
        let what = What::MergeBringsContent { paths: paths.to_vec(), new_file, conflict };
        Some(if grave { Finding::fail(what) } else { Finding::warn(what) }.at(first))
    }
}

/// What merges hold of their own. `seen` are the commits of the range.
pub(crate) fn findings(
    merges: &[Merge],
    seen: &HashSet<String>,
    surfaces: &Surfaces,
    history: &dyn History,
) -> Vec<Finding> {
    let is_suspect = |merge: &&Merge| merge.parents.len() == 2 && merge.is_suspect(seen);
    let suspects: Vec<&Merge> = merges.iter().filter(is_suspect).collect();
    let asked: Vec<(&str, &str, &str)> = suspects
        .iter()
        .map(|merge| (merge.name.id.as_str(), merge.parents[0].as_str(), merge.parents[1].as_str()))
        .collect();
    let remerged = history.remerged(&asked).unwrap_or_default();
    let known: HashMap<&str, &Remerged> = suspects.iter().map(|merge| merge.name.id.as_str()).zip(&remerged).collect();
    merges.iter().flat_map(|merge| merge.own_findings(known.get(merge.name.id.as_str()).copied(), surfaces)).collect()
}

fn on_tuneables(paths: &[String], surfaces: &Surfaces) -> bool {
    !surfaces.on(Surface::Tuneables, paths.iter().map(String::as_str)).is_empty()
}
