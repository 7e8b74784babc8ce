//! What a merge contains beyond what merging its parents gives: content added where no other commit shows it, or
//! dropped. Merges themselves need no change, and the ids that they name are held to nothing.

use std::collections::BTreeMap;

use crate::audit::{CommitName, Finding, FindingKind, History, RecordFacts, Surfaces, members};
use crate::model::{ChangeId, Commit, FileChange, Remake};

/// A merge of the range.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    name: CommitName,
    parents: Vec<String>,
    ids: Vec<String>,
}

impl Merge {
    pub(crate) fn of(commit: &Commit) -> Self {
        Self { name: commit.name(), parents: commit.parents.clone(), ids: commit.ids.clone() }
    }
}

/// Fails for content of a merge's own; warns for a resolved conflict, unless it decides on tuneables and no change that
/// there is answers for it.
pub(crate) fn findings(
    merges: &[Merge],
    records: &BTreeMap<ChangeId, RecordFacts>,
    surfaces: &Surfaces,
    history: &dyn History,
) -> Vec<Finding> {
    let asked: Vec<Remake<'_>> =
        merges.iter().map(|merge| Remake::Merge { commit: &merge.name.id, parents: &merge.parents }).collect();
    let mut found = Vec::new();
    for (merge, remade) in merges.iter().zip(history.remake(&asked)) {
        let Some(remade) = remade else { continue };
        let known = |id: &String| members::named(records, &merge.name, id).is_ok();
        let answered = !merge.ids.is_empty() && merge.ids.iter().all(known);
        let mut add = |files: &[FileChange], conflict: bool| {
            let paths: Vec<String> = files.iter().map(|file| file.name().to_owned()).collect();
            let Some(first) = paths.first().cloned() else { return };
            let fails = !conflict || (surfaces.has_tuneables(&paths) && !answered);
            let new_file = !conflict && files.iter().any(FileChange::is_new);
            let what = FindingKind::MergeBringsContent { paths, new_file, conflict };
            let finding = if fails { Finding::fail(what) } else { Finding::warn(what) };
            found.push(finding.at(first).of_commit(&merge.name));
        };
        add(&remade.differs, false);
        add(&remade.decided, true);
    }
    found
}
