//! What a merge holds beside what merging its parents gives: content that was put in where no other commit shows it,
//! or left out. Merges themselves need no change. Must not run git.

use std::collections::HashMap;

use crate::audit::{CommitFacts, CommitName, Finding, History, Lines, Surfaces, Told, What};
use crate::model::Surface;

/// A merge against what merging its parents anew gives: the project's files that differ, own ones left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remerged {
    /// Those in conflict, on which somebody had to decide.
    pub decided: Vec<String>,
    pub differs: Vec<String>,
}

/// The project's files of a merge that differ from every parent, own ones left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Combined {
    pub paths: Vec<String>,
    /// Of these, those that no parent has.
    pub new: Vec<String>,
}

/// A merge of the range.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    name: CommitName,
    parents: Vec<String>,
    tracked: bool,
    /// Where it stands in the range, newest first.
    place: usize,
}

/// What a merge was found to hold of its own.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) place: usize,
    pub(crate) paths: Vec<String>,
}

/// What git says of a merge, as far as it was asked.
#[derive(Debug, Clone, Copy, Default)]
struct Asked<'a> {
    remerged: Option<&'a Remerged>,
    combined: Option<&'a Combined>,
}

impl Merge {
    pub(crate) fn of(commit: &CommitFacts, place: usize) -> Self {
        Self { name: commit.name(), parents: commit.parents.clone(), tracked: !commit.ids.is_empty(), place }
    }

    fn pair(&self) -> (&str, &str, &str) {
        (&self.name.id, &self.parents[0], &self.parents[1])
    }

    fn is_octopus(&self) -> bool {
        self.parents.len() > 2
    }

    fn findings(&self, told: &Told, asked: Asked<'_>, surfaces: &Surfaces) -> Vec<Finding> {
        let combined = asked.combined.cloned().unwrap_or_default();
        let found: Vec<Finding> = match (asked.remerged, told) {
            (Some(remerged), _) => {
                let new_file = remerged.differs.iter().any(|path| combined.new.contains(path));
                let put_in = finding(&remerged.differs, new_file, Some(false), true);
                // A tracked decision belongs to its change.
                let grave = !self.tracked && on_tuneables(&remerged.decided, surfaces);
                put_in.into_iter().chain(finding(&remerged.decided, false, Some(true), grave)).collect()
            }
            (None, Told::Differs(paths)) => {
                let new_file = paths.iter().any(|path| combined.new.contains(path));
                finding(paths, new_file, Some(false), true).into_iter().collect()
            }
            (None, _) => {
                let new_file = !combined.new.is_empty();
                // Git makes no merge of more than two parents in which somebody has to decide on a conflict.
                let grave = new_file || self.is_octopus() || (!self.tracked && on_tuneables(&combined.paths, surfaces));
                finding(&combined.paths, new_file, None, grave).into_iter().collect()
            }
        };
        found.into_iter().map(|finding| finding.of_commit(&self.name)).collect()
    }
}

fn finding(paths: &[String], new_file: bool, conflict: Option<bool>, grave: bool) -> Option<Finding> {
    let first = paths.first().cloned()?;
    let what = What::MergeBringsContent { paths: paths.to_vec(), new_file, conflict };
    Some(if grave { Finding::fail(what) } else { Finding::warn(what) }.at(first))
}

/// What merges hold of their own, or leave out. Git is asked about those alone of which the range does not show that
/// they are plain.
pub(crate) fn findings(
    merges: &[Merge],
    lines: &Lines,
    surfaces: &Surfaces,
    history: &dyn History,
) -> (Vec<Finding>, Vec<Held>) {
    let told = merges.iter().map(|merge| (merge, lines.of(&merge.name.id, &merge.parents)));
    let suspects: Vec<(&Merge, Told)> = told.filter(|(_, told)| *told != Told::Plain).collect();
    let two: Vec<&Merge> = suspects.iter().map(|(merge, _)| *merge).filter(|merge| !merge.is_octopus()).collect();
    let pairs: Vec<(&str, &str, &str)> = two.iter().map(|merge| merge.pair()).collect();
    let remerged = history.remerged(&pairs).unwrap_or_default();
    let remerged: HashMap<&str, &Remerged> = pairs.iter().map(|(merge, ..)| *merge).zip(&remerged).collect();
    let is_clean = |merge: &Merge| remerged.get(merge.name.id.as_str()).is_some_and(|it| it.differs.is_empty());
    let open = suspects.iter().filter(|(merge, _)| !is_clean(merge));
    let open: Vec<&str> = open.map(|(merge, _)| merge.name.id.as_str()).collect();
    let combined = history.combined(&open);
    let combined: HashMap<&str, &Combined> = open.iter().copied().zip(&combined).collect();
    let (mut found, mut held) = (Vec::new(), Vec::new());
    for (merge, told) in &suspects {
        let id = merge.name.id.as_str();
        let asked = Asked { remerged: remerged.get(id).copied(), combined: combined.get(id).copied() };
        let of_merge = merge.findings(told, asked, surfaces);
        let paths = of_merge.iter().flat_map(|finding| match &finding.what {
            What::MergeBringsContent { paths, .. } => paths.clone(),
            _ => Vec::new(),
        });
        held.push(Held { place: merge.place, paths: paths.collect() });
        found.extend(of_merge);
    }
    (found, held)
}

fn on_tuneables(paths: &[String], surfaces: &Surfaces) -> bool {
    !surfaces.on(Surface::Tuneables, paths.iter().map(String::as_str)).is_empty()
}
