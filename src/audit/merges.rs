//! Compares merges with what merging their parents again gives, and the range's files with the commits that touch them.

use std::collections::BTreeSet;

use crate::audit::reverts::RevertEffects;
use crate::audit::{Finding, FindingKind, History, RangeAudit, Severity};
use crate::model::{Commit, FileChange, Remake, Surface};

/// Finds content that merges add or drop compared with a new merge of their parents. Merges need no change, and the ids in
/// their messages are not checked. Content of a merge's own fails; a resolved conflict is a warning, unless it decides on
/// tuneables without naming a change that has a record, or a side has the conflict by commits alone that were taken back.
pub(crate) fn of_merges(audit: &RangeAudit<'_>, effects: &RevertEffects, history: &dyn History) -> Vec<Finding> {
    let (merges, surfaces) = (&audit.merges, &audit.policy.surfaces);
    let asked: Vec<Remake<'_>> =
        merges.iter().map(|merge| Remake::Merge { commit: &merge.id, parents: &merge.parents }).collect();
    let mut found = Vec::new();
    for (merge, remade) in merges.iter().zip(history.remake(&asked)) {
        let Some(remade) = remade else { continue };
        let known = |id: &String| audit.named(&merge.name(), id).is_ok();
        let answered = !merge.ids.is_empty() && merge.ids.iter().all(known);
        let mut add = |files: Vec<FileChange>, conflict: bool, back: bool| {
            let paths: Vec<String> = files.iter().map(|file| file.name().to_owned()).collect();
            let tuned = surfaces.on(Surface::Tuneables, paths.iter().map(String::as_str));
            let is_warning = conflict && !back && (tuned.is_empty() || answered);
            let level = if is_warning { Severity::Warn } else { Severity::Fail };
            let new_file = !conflict && files.iter().any(FileChange::is_new);
            let what = |paths| FindingKind::MergeBringsContent { paths, new_file, conflict, back };
            let finding = Finding::on_paths(paths, what).map(|finding| finding.of_commit(&merge.name()));
            found.extend(finding.map(|finding| Finding { level, ..finding }));
        };
        add(remade.differs, false, false);
        let is_real = |file: &FileChange| are_at_odds(merge, file.name(), effects, history);
        let (real, back) = remade.decided.into_iter().partition(is_real);
        add(real, true, false);
        add(back, true, true);
    }
    let all = if merges.is_empty() { Vec::new() } else { history.merges(&audit.head) };
    found.extend(all.iter().filter_map(|merge| carried(audit, merge, history)));
    found
}

/// The finding that a merge carried edits that need no change, of exempt files or the tool's own, into code: git follows a
/// move of the file on the other side, so that the merge has other content under a name that one side lacks.
fn carried(audit: &RangeAudit<'_>, merge: &Commit, history: &dyn History) -> Option<Finding> {
    let is_exempt = |file: &FileChange| file.own || audit.policy.exempts_path(file.name());
    let is_new_name = |file: &&FileChange| file.status.contains('A') && !file.is_new() && !is_exempt(file);
    let code: Vec<String> = merge.files.iter().filter(is_new_name).map(|file| file.name().to_owned()).collect();
    let is_edited = |side: &String, file: &FileChange| {
        let mut others = merge.parents.iter().filter(|other| *other != side);
        is_exempt(file) && others.all(|other| !history.touching(other, side, file.name()).is_empty())
    };
    let has_edit = |side: &String| history.left_out(&merge.id, side).iter().any(|file| is_edited(side, file));
    if code.is_empty() || !merge.parents.iter().any(has_edit) { None } else { found_back(code, merge) }
}

/// Whether each side of a merge has work in a file that was not taken back. A side without a commit that touches it moved it.
fn are_at_odds(merge: &Commit, path: &str, effects: &RevertEffects, history: &dyn History) -> bool {
    let has_work = |side: &String| {
        let mut others = merge.parents.iter().filter(|other| *other != side);
        others.all(|other| {
            let touching = history.touching(other, side, path);
            touching.is_empty() || touching.iter().any(|id| effects.stands(id))
        })
    };
    merge.parents.iter().all(has_work)
}

/// The files that differ between the merge bases and the head of a range although no commit that is still in effect touches
/// them. `reported` are the findings about content of merges.
pub(crate) fn unexplained(
    audit: &RangeAudit<'_>,
    effects: &RevertEffects,
    reported: &[Finding],
    history: &dyn History,
) -> BTreeSet<String> {
    if audit.merges.is_empty() && effects.taken_back.is_empty() {
        return BTreeSet::new();
    }
    let touching = audit.touched.iter().filter(|(id, _)| effects.stands(id)).flat_map(|(_, paths)| paths);
    let touched: BTreeSet<&str> = touching.map(String::as_str).collect();
    let reported = reported.iter().filter_map(|it| {
        let FindingKind::MergeBringsContent { paths, conflict: false, .. } = &it.what else { return None };
        Some(paths)
    });
    let reported: BTreeSet<&str> = reported.flatten().map(String::as_str).collect();
    let is_known = |name: &str| touched.contains(name) || reported.contains(name) || audit.policy.exempts_path(name);
    let differing = |base: String| -> BTreeSet<String> {
        let files = history.changed(&base, &audit.head);
        files.iter().map(|file| file.name().to_owned()).filter(|name| !is_known(name)).collect()
    };
    let all = history.parted(&audit.head).into_iter().map(differing);
    let mut paths = all.reduce(|one, other| one.intersection(&other).cloned().collect()).unwrap_or_default();
    paths.retain(|path| {
        !audit.merges.iter().filter_map(|merge| Some((merge, merge.parents.first()?))).any(|(merge, first)| {
            let file = merge.files.iter().find(|file| file.name() == path);
            file.is_some_and(|file| is_moved(file, &merge.files, merge, first, history))
        })
    });
    paths
}

pub(crate) fn brought_back(audit: &RangeAudit<'_>, paths: &BTreeSet<String>) -> Option<Finding> {
    let brings = |merge: &&Commit| merge.files.iter().any(|file| paths.contains(file.name()));
    let merge = audit.merges.iter().find(brings).or(audit.merges.first())?;
    found_back(paths.iter().cloned().collect(), merge)
}

fn found_back(paths: Vec<String>, merge: &Commit) -> Option<Finding> {
    let what = |paths| FindingKind::MergeBringsContent { paths, new_file: false, conflict: false, back: true };
    Some(Finding::on_paths(paths, what)?.of_commit(&merge.name()))
}

/// Whether a merge only applied a change to a file that one of its sides had moved.
fn is_moved(file: &FileChange, all: &[FileChange], merge: &Commit, from: &str, history: &dyn History) -> bool {
    match file.status.as_str() {
        "A" => all.iter().any(|other| other.status == "D" && other.old_object == file.new_object),
        "D" => all.iter().any(|other| other.status == "A" && other.new_object == file.old_object),
        _ => merge.parents.iter().filter(|parent| *parent != from).all(|parent| {
            let differing = history.changed(parent, &merge.id);
            differing.iter().any(|other| other.path == file.path && other.is_new())
        }),
    }
}
