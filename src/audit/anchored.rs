//! What a record says of commits, held against git where it has them: the tree and the code at each revision, and the
//! files of the validated delta. Must not run git; the answers come through [`Objects`].

use std::collections::BTreeSet;

use crate::audit::{Finding, RecordFacts, What};
use crate::model::{Event, Kind, Revision, Strength};
use crate::workflow::Change;

/// What git has of the project at commits; each `None` where it has not the commit, or the project does not lie there.
pub trait Objects {
    /// The tree's hash and the digest of the code at a commit.
    fn at(&self, commit: &str) -> Option<(String, String)>;
    /// The project's files, apart from the tool's own, that differ between two commits.
    fn differing(&self, base: &str, head: &str) -> Option<BTreeSet<String>>;
}

/// The first revision or delta of a record that git has otherwise.
pub fn finding(record: &RecordFacts, objects: &dyn Objects) -> Option<Finding> {
    let change = record.change()?;
    let problem = change.events.iter().find_map(|event| {
        let revision = revision(event)?;
        let what = otherwise(revision, objects)?;
        Some(format!("event {}: its {what} is not the one of commit {}", event.seq, revision.short()))
    });
    let problem = problem.or_else(|| delta(change, objects))?;
    Some(Finding::fail(What::VerdictsDiffer { problem }).of_change(&record.id).at(&record.path))
}

fn revision(event: &Event) -> Option<&Revision> {
    match &event.what {
        Kind::Validated(validation) => Some(&validation.revision),
        what => what.taken().map(|taken| &taken.revision),
    }
}

fn otherwise(revision: &Revision, objects: &dyn Objects) -> Option<&'static str> {
    let (tree, code) = objects.at(revision.commit.as_deref()?)?;
    if revision.tree.as_ref().is_some_and(|recorded| *recorded != tree) {
        return Some("tree");
    }
    revision.code.as_ref().is_some_and(|recorded| recorded.as_str() != code).then_some("code")
}

/// The files of the delta that stands.
fn delta(change: &Change, objects: &dyn Objects) -> Option<String> {
    let (baseline, validation) = (change.baseline.as_ref()?, change.validation.as_ref()?);
    if baseline.strength != Strength::Full {
        return None;
    }
    let base = baseline.taken.revision.commit.as_deref()?;
    let head = validation.revision.commit.as_deref()?;
    let files = objects.differing(base, head)?;
    let recorded: BTreeSet<String> = validation.delta.files.iter().cloned().collect();
    (recorded != files).then(|| "the files of its delta are not those that differ between its commits".to_owned())
}
