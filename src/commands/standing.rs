//! Checks a record's statements about its change's commits against the history.

use std::collections::BTreeSet;

use crate::audit::{Finding, FindingKind, History, Policy, members};
use crate::commands::{GitHistory, Range, Touches};
use crate::error::Result;
use crate::model::{ChangeId, Event, Kind, Remade, Remake, TakenFor, moment, short};
use crate::workflow::{Change, End, World, window};

/// The findings about the events that a range adds (all but the first `known`): a replacement of the validated commit has to
/// do the same, measurements have to be made where the change is in effect, and a reverted change cannot be verified.
pub(crate) fn of_events(
    history: &GitHistory<'_>,
    touches: &Touches,
    (policy, head): (&Policy, &str),
    (change, known): (&Change, usize),
) -> Result<Vec<Finding>> {
    let brought = change.events.get(known..).unwrap_or_default();
    let mut found: Vec<Finding> =
        brought.iter().flat_map(|event| unproven(history, (policy, head), change, event)).collect();
    let verified = brought.iter().find(|event| matches!(event.what, Kind::Verified { .. }));
    let elsewhere = measured_elsewhere(history, change, brought);
    let versions = if verified.is_some() { touches.versions(history, change.id())? } else { Vec::new() };
    let has = |events: &Vec<_>| verified.is_some_and(|event| events.len() as u64 >= event.seq);
    let first = versions.iter().find(|version| version.events.as_ref().is_some_and(has));
    let then = first.map_or(head, |version| version.commit.id.as_str());
    let too_soon = || watched_too_short(history, (head, then), change, verified?);
    let problem = elsewhere.or_else(too_soon).map(|problem| FindingKind::VerdictsDiffer { problem });
    found.extend(problem.map(|what| Finding::fail(what).of_change(change.id())));
    if let Some(event) = verified.filter(|_| history.is_taken_out(head, change))
        && (first.is_some() && history.is_taken_out(then, change) || history.reverted_before(head, change, event.at))
    {
        found.push(Finding::fail(FindingKind::ChangeNotHere { taken_back: true }).of_change(change.id()));
    }
    Ok(found)
}

/// Finds a measurement at a commit where the change is not in effect: reverting it there would alter nothing.
fn measured_elsewhere(history: &GitHistory<'_>, change: &Change, brought: &[Event]) -> Option<String> {
    let commits = change.every_commit();
    let is_of_change = |event: &&Event| match event.what.measured() {
        Some((TakenFor::After | TakenFor::Stage(_) | TakenFor::Day(_), _)) => true,
        Some((TakenFor::Baseline | TakenFor::Rollback, _)) | None => false,
    };
    let mut places: Vec<(&Event, &String)> = Vec::new();
    for event in brought.iter().filter(is_of_change) {
        let commit = event.what.taken().and_then(|taken| taken.revision.commit.as_ref());
        places.extend(commit.filter(|commit| !places.iter().any(|(_, other)| other == commit)).map(|it| (event, it)));
    }
    let asked = places.iter().flat_map(|(_, head)| commits.iter().map(move |of| Remake::Gone { head, of }));
    let asked: Vec<Remake<'_>> = asked.collect();
    let remade = history.remake(&asked);
    let here = remade.chunks(commits.len().max(1)).map(|all| all.iter().flatten().collect::<Vec<_>>());
    let is_elsewhere = |known: &[&Remade]| !known.is_empty() && known.iter().all(|it| it.is_same());
    let ((event, commit), _) = places.iter().zip(here).find(|(_, known)| is_elsewhere(known))?;
    Some(format!("event {} was measured at commit {}, where the change is not in effect", event.seq, short(commit)))
}

/// A problem if the change was brought back too few days ago; `then` is the commit that first says it is verified.
fn watched_too_short(
    history: &GitHistory<'_>,
    (head, then): (&str, &str),
    change: &Change,
    verified: &Event,
) -> Option<String> {
    let brought_back = history.moved_last(head, change, (then, verified.at))?;
    let world = World { brought_back: Some(brought_back), ..World::granted(change, &verified.what) };
    let demands = window::demands(change, &world, verified.at);
    let is_short = demands.iter().any(|demand| !demand.met && demand.kind.comes_with_time());
    is_short.then(|| {
        format!(
            "it was taken back and brought back, last at {}, and was not watched long enough since",
            moment(brought_back)
        )
    })
}

/// Whether a change takes an emergency over: it is in effect and, once validated, covers what is left of that.
pub(crate) fn takes_over(
    history: &GitHistory<'_>,
    head: &str,
    emergency: &ChangeId,
    by: &Change,
    policy: &Policy,
) -> bool {
    let Some(validation) = &by.validation else { return true };
    let is_taken_over = |file: &String| validation.delta.files.contains(file) || policy.exempts_path(file);
    !history.is_taken_out(head, by) && history.files_in_effect(head, emergency).iter().all(is_taken_over)
}

/// The findings about replacements of the validated commit that do something else.
fn unproven(history: &GitHistory<'_>, (policy, head): (&Policy, &str), change: &Change, event: &Event) -> Vec<Finding> {
    let Kind::Relinked { commits, .. } = &event.what else { return Vec::new() };
    let one = |(old, new): &(String, String)| {
        let Some(commit) = history.commit(new) else {
            // A rebase replaces a commit again, and the record says so.
            let stands = change.promotion.is_some() && matches!(change.end, Some(End::Verified { .. }) | None);
            let is_last = stands && change.commits().contains(new);
            history.ask(history.repo.needs_whole(None, head), ());
            let what = FindingKind::ChangeNotHere { taken_back: false };
            return is_last.then(|| Finding::fail(what).of_change(change.id()));
        };
        let paths = commit.files.iter().filter(|file| !file.own).map(|file| file.name().to_owned());
        let paths: Vec<String> = paths.collect();
        let proven = members::is_the_validated_one(change, (&commit.id, &paths), policy, history);
        let what = FindingKind::RelinkUnproven { old: old.clone() };
        (!proven).then(|| Finding::fail(what).of_commit(&commit.name()).of_change(change.id()))
    };
    commits.iter().filter_map(one).collect()
}

/// A finding if a change ended, without a commit in the range, and is still in effect.
fn left(history: &GitHistory<'_>, head: &str, change: &Change) -> Option<Finding> {
    let end = change.end.as_ref().filter(|end| matches!(end, End::Rejected { .. } | End::RolledBack))?;
    let what = FindingKind::NotReverted { end: end.name(), known: true };
    // The commits of an emergency are those with its id.
    let mut commits = change.commits();
    if commits.iter().any(|commit| history.known(commit).is_none()) {
        commits = change.every_commit();
        commits.retain(|commit| history.reaches(head, commit));
    }
    if commits.is_empty() {
        commits = History::earlier(history, change.id(), None).into_iter().map(|commit| commit.id).collect();
    }
    history.is_in_effect(head, &commits).then(|| Finding::fail(what).of_change(change.id()))
}

/// The findings about changes without a commit in the range: promoted ones that are missing, ended ones in effect.
pub(crate) fn of_changes<'c>(
    history: &GitHistory<'_>,
    range: &Range,
    changes: impl Iterator<Item = &'c Change> + Clone,
    concerned: &BTreeSet<ChangeId>,
) -> Result<Vec<Finding>> {
    let (repo, head, base) = (history.repo, &range.head, range.base.as_deref());
    // A shallow clone may lack the commits of records that the range does not touch.
    let follows = repo.is_shallow() && base.map_or(Ok(false), |base| repo.is_ancestor(base, head))?;
    let ended = changes.clone().filter(|it| concerned.contains(it.id()));
    let mut found: Vec<Finding> = ended.filter_map(|it| left(history, head, it)).collect();
    let may_be_gone = changes.filter(|it| !follows || concerned.contains(it.id()));
    let absent = may_be_gone.filter(|it| history.lacks(head, it));
    let not_here = || Finding::fail(FindingKind::ChangeNotHere { taken_back: false });
    found.extend(absent.map(|it| not_here().of_change(it.id())));
    Ok(found)
}
