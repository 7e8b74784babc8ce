//! Finds the caveats of a comparison in its snapshots, pairs and metrics.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::compare::{MetricRow, files_read, governs, variable_changes};
use crate::judge::{Caveat, Circumstances, MetricChange, Which, effect};
use crate::model::snapshot::SCHEMA_V1;
use crate::model::{Design, Flaw, MetricId, MetricKind, PairSession, Sampling, Snapshot, Unusable, WorkTree};

/// Whether both sides are the same measurement, even if in two files.
pub(crate) fn is_same_snapshot(before: &Snapshot, after: &Snapshot) -> bool {
    (before.id.is_some() && before.id == after.id) || before == after
}

pub(crate) fn caveats(
    before: &Snapshot,
    after: &Snapshot,
    pair: Option<&PairSession>,
    (metrics, kpi): (&[MetricRow], Option<&MetricId>),
    known: &Circumstances,
) -> Vec<Caveat> {
    let mut found = Vec::new();
    about_code(before, after, known, &mut found);
    about_machine(before, after, metrics, known, &mut found);
    about_samples(metrics, &mut found);
    for old in &before.kpis {
        let new = after.kpis.iter().find(|new| new.name == old.name);
        if let (Some(before), Some(after)) = (old.beside.clone(), new.and_then(|new| new.beside.clone()))
            && before != after
        {
            found.push(Caveat::OtherWords { kpi: old.name.clone(), before, after });
        }
        if let (None, Some(said)) = (&old.said, new.and_then(|new| new.said.clone())) {
            found.push(Caveat::SaysMore { kpi: old.name.clone(), said });
        }
    }
    if let Some(pair) = pair {
        let commit = |snapshot: &Snapshot| snapshot.revision.as_ref().and_then(|revision| revision.commit.clone());
        let differs =
            |known: Option<String>, side: &Option<String>| matches!((known, side), (Some(a), Some(b)) if a != *b);
        if pair.of_commit {
            found.push(Caveat::OthersCommitted);
        } else if differs(commit(before), &pair.before.commit) || differs(commit(after), &pair.after.commit) {
            found.push(Caveat::PairOfOtherCommits);
        }
        for caveat in of_first_runs(pair, kpi) {
            if !found.contains(&caveat) {
                found.push(caveat);
            }
        }
        found.extend(effect::several_machines(pair));
    }
    about_endpoints(metrics, known, &mut found);
    about_files([before, after], metrics, &mut found);
    about_sizes(before, after, metrics, &mut found);
    about_times(metrics, &mut found);
    about_tuneables(before, after, &mut found);
    let names: Vec<String> = variable_changes(before, after).into_iter().map(|change| change.name).collect();
    found.extend((!names.is_empty()).then_some(Caveat::EnvDiffers { names }));
    found
}

/// The caveats from the first runs of a pair session; `kpi` is the metric that the change is to improve.
pub fn of_first_runs(pair: &PairSession, kpi: Option<&MetricId>) -> Vec<Caveat> {
    let commands = pair.commands.iter().map(|it| (&it.name, &it.first_runs));
    let kpis = pair.kpis.iter().map(|it| (&it.kpi.name, &it.first_runs));
    // A guardrail often measures a part that the change does not touch, so this only matters for the KPI.
    let all = || commands.clone().chain(kpis.clone());
    let is_meant = |command: &String| match kpi {
        Some(kpi) if kpi.subject() == Some(command.as_str()) => true,
        _ => all().all(|(_, first)| first.untouched),
    };
    let mut found = Vec::new();
    for (command, first) in all() {
        if let Some([before, after]) = &first.beside {
            let (kpi, before, after) = (command.clone(), before.clone(), after.clone());
            found.push(Caveat::OtherWords { kpi, before, after });
        }
        if let Some([before, after]) = &first.printed {
            let (command, before, after) = (command.clone(), before.bytes, after.bytes);
            found.push(Caveat::PrintsOther { command, before, after });
        }
        if let Some(path) = &first.program {
            found.push(Caveat::SharedFile { command: command.clone(), path: path.clone() });
        } else if first.elsewhere || first.untouched && is_meant(command) {
            found.push(Caveat::CodeElsewhere { command: command.clone() });
        }
        if let Some(path) = &first.alone {
            found.push(Caveat::OneSideAlone { command: command.clone(), path: path.clone() });
        }
        if let Some([before, after]) = first.unshown {
            found.push(Caveat::WorkUnshown { command: command.clone(), before, after });
        }
        if first.went_on {
            found.push(Caveat::GoesOn { command: command.clone() });
        }
        if let Some([before, after]) = first.once {
            found.push(Caveat::FirstRunAlone { command: command.clone(), before, after });
        }
    }
    found
}

fn about_code(before: &Snapshot, after: &Snapshot, known: &Circumstances, found: &mut Vec<Caveat>) {
    if after.generated_at < before.generated_at {
        found.push(Caveat::OutOfOrder);
    }
    if is_same_snapshot(before, after) {
        found.push(Caveat::SameSnapshot);
    } else if known.same_code {
        found.push(Caveat::SameCode);
    } else if let (Some(old), Some(new)) = (&before.git.commit, &after.git.commit)
        && old == new
        // If the same code ran with other tuneables or variables, the difference is attributed to those.
        && !is_same_code(before, after)
    {
        found.push(Caveat::SameCommit { commit: new.clone() });
    }
    if before.revision.as_ref().is_some_and(|revision| revision.work_tree == WorkTree::Unversioned) {
        found.push(Caveat::NoAncestry);
    }
    for (side, snapshot) in [(Which::Before, before), (Which::After, after)] {
        let own_files_counted = snapshot.schema == SCHEMA_V1;
        let (is_dirty, paths) = match snapshot.revision.as_ref().map(|revision| &revision.work_tree) {
            Some(WorkTree::Dirty { paths, .. }) => (true, Some(u64::from(*paths))),
            Some(WorkTree::Unknown { .. }) => (true, None),
            Some(WorkTree::Clean | WorkTree::Unversioned) => (false, None),
            None => (snapshot.git.dirty == Some(true), snapshot.git.dirty_count),
        };
        if is_dirty {
            found.push(Caveat::DirtyTree { side, paths, own_files_counted });
        }
        if !snapshot.git.dirty_outside.is_empty() {
            found.push(Caveat::DirtyOutside { side, paths: snapshot.git.dirty_outside.clone() });
        }
    }
}

/// Whether both sides are known to have run the same code, regardless of settings.
pub(crate) fn is_same_code(before: &Snapshot, after: &Snapshot) -> bool {
    before.revision.as_ref().zip(after.revision.as_ref()).is_some_and(|(before, after)| before.same_code(after))
}

/// Version 1 recorded only the platform: a different one means a different machine, the same one proves nothing.
pub(crate) fn other_platform(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let (old, new) = (&before.system.platform, &after.system.platform);
    let differs = !old.is_empty() && !new.is_empty() && old != new;
    if differs { vec!["platform".to_owned()] } else { Vec::new() }
}

fn about_machine(
    before: &Snapshot,
    after: &Snapshot,
    metrics: &[MetricRow],
    known: &Circumstances,
    found: &mut Vec<Caveat>,
) {
    if !known.other_machine.is_empty() {
        found.push(Caveat::OtherMachine { parts: known.other_machine.clone() });
    }
    for (side, snapshot) in [(Which::Before, before), (Which::After, after)] {
        if snapshot.machine.is_none() {
            found.push(Caveat::MachineNotRecorded { side });
        }
    }
    let unpaired = metrics.iter().any(|row| row.sampling == Sampling::Sampled && !is_paired(row));
    match known.reference_ratio {
        _ if !unpaired => {}
        None => found.push(Caveat::DriftUnknown),
        Some(ratio) if (ratio - 1.0).abs() > known.min_effect => found.push(Caveat::Drift { ratio }),
        Some(_) => {}
    }
}

fn is_paired(row: &MetricRow) -> bool {
    row.pairs.is_some() || row.result.finding().is_some_and(|finding| finding.design == Design::Paired)
}

fn about_samples(metrics: &[MetricRow], found: &mut Vec<Caveat>) {
    let sampled = || metrics.iter().filter(|row| row.sampling == Sampling::Sampled && !is_paired(row));
    let both = |row: &&MetricRow| row.before.is_some() && row.after.is_some();
    let single = |row: &&MetricRow| [row.before, row.after].into_iter().flatten().any(|level| level.n == 1);
    let names = |rows: &mut dyn Iterator<Item = &MetricRow>| rows.map(|row| row.metric.clone()).collect::<Vec<_>>();
    let singles = names(&mut sampled().filter(both).filter(single));
    // Instruction counts are reproducible across sessions.
    let varies = |row: &&MetricRow| row.metric.kind() != Some(MetricKind::Instructions);
    let unpaired = names(&mut sampled().filter(both).filter(|row| !single(row)).filter(varies));
    found.extend((!singles.is_empty()).then_some(Caveat::SingleRuns { metrics: singles }));
    found.extend((!unpaired.is_empty()).then_some(Caveat::Unpaired { metrics: unpaired }));
    for row in metrics {
        let MetricChange::Invalid { because } = &row.result else { continue };
        let (Flaw::Before { reason } | Flaw::After { reason }) = because else { continue };
        let side = if matches!(because, Flaw::Before { .. }) { Which::Before } else { Which::After };
        let never_recorded = *reason == Unusable::NotMeasured && row.before.is_none() && row.after.is_none();
        if !never_recorded {
            found.push(Caveat::Unusable { side, metric: row.metric.clone(), reason: reason.clone() });
        }
    }
}

fn about_endpoints(metrics: &[MetricRow], known: &Circumstances, found: &mut Vec<Caveat>) {
    let asked = metrics.iter().filter(|row| row.metric.kind() == Some(MetricKind::Latency) && !is_paired(row));
    let both = asked.filter(|row| row.before.is_some() && row.after.is_some() && !known.same_code);
    let probes: Vec<String> = both.filter_map(|row| Some(row.metric.subject()?.to_owned())).collect();
    found.extend((!probes.is_empty()).then_some(Caveat::ServedAsFound { probes }));
}

fn about_files(sides: [&Snapshot; 2], metrics: &[MetricRow], found: &mut Vec<Caveat>) {
    let read = sides.into_iter().flat_map(files_read);
    let passed = read.filter(|(_, file)| file.older_than.is_some() && file.stale_ok.is_some());
    let is_judged = |stem: &str| metrics.iter().any(|row| governs(stem, &row.metric) && !is_paired(row));
    let both = passed.filter(|(stem, _)| is_judged(stem)).map(|(stem, file)| (stem, file.path.clone()));
    let (metrics, files): (BTreeSet<String>, BTreeSet<String>) = both.unzip();
    let (metrics, files) = (metrics.into_iter().collect::<Vec<_>>(), files.into_iter().collect());
    found.extend((!metrics.is_empty()).then_some(Caveat::StaleAllowed { metrics, files }));
}

fn about_sizes(before: &Snapshot, after: &Snapshot, metrics: &[MetricRow], found: &mut Vec<Caveat>) {
    let untracked =
        |snapshot: &Snapshot, path: &str| snapshot.sizes.get(path).is_some_and(|s| s.tracked_bytes.is_none());
    let moved =
        metrics.iter().filter(|row| matches!(row.result, MetricChange::Improved(_) | MetricChange::Regressed(_)));
    let moved: BTreeSet<&MetricId> = moved.map(|row| &row.metric).collect();
    let paths: BTreeSet<&String> = before.sizes.keys().chain(after.sizes.keys()).collect();
    let untold = paths.into_iter().filter(|path| untracked(before, path) || untracked(after, path));
    let paths: Vec<String> = untold.filter(|path| moved.contains(&MetricKind::Bytes.of(path))).cloned().collect();
    found.extend((!paths.is_empty()).then_some(Caveat::TrackedBytesNotRecorded { paths }));
}

fn about_times(metrics: &[MetricRow], found: &mut Vec<Caveat>) {
    let by_id: BTreeMap<&MetricId, &MetricChange> = metrics.iter().map(|row| (&row.metric, &row.result)).collect();
    for cpu in metrics.iter().filter(|row| row.metric.kind() == Some(MetricKind::Cpu)) {
        let Some(timing) = cpu.metric.subject() else { continue };
        let wall = by_id.get(&MetricKind::Wall.of(timing));
        found.extend(wall.and_then(|wall| cpu_against_wall(timing, &cpu.result, wall)));
    }
}

/// The caveat on a command whose CPU time and wall time changed in opposite directions.
pub fn cpu_against_wall(timing: &str, cpu: &MetricChange, wall: &MetricChange) -> Option<Caveat> {
    let cpu_improved = match (cpu, wall) {
        (MetricChange::Improved(_), MetricChange::Regressed(_)) => true,
        (MetricChange::Regressed(_), MetricChange::Improved(_)) => false,
        (_, _) => return None,
    };
    Some(Caveat::CpuAndWallDisagree { timing: timing.to_owned(), cpu_improved })
}

fn about_tuneables(before: &Snapshot, after: &Snapshot, found: &mut Vec<Caveat>) {
    let digest = |snapshot: &Snapshot, path: &str| {
        snapshot.tuneable_files.iter().find(|file| file.path == path).and_then(|file| file.sha256.clone())
    };
    for file in &after.tuneable_files {
        let of_file = |snapshot: &Snapshot| {
            let values =
                snapshot.tuneables.iter().filter(|(_, it)| it.layer == file.path || it.hides.contains(&file.path));
            values.map(|(key, it)| (key.clone(), it.clone())).collect::<Vec<_>>()
        };
        let old = before.tuneable_files.iter().find(|old| old.path == file.path);
        if old.is_some_and(|old| old.sha256 != file.sha256) && of_file(before) == of_file(after) {
            found.push(Caveat::FileChangedAlone { path: file.path.clone() });
        }
    }
    for (key, tuneable) in &after.tuneables {
        let overridden = before.tuneables.get(key).is_some_and(|old| old.layer == tuneable.layer);
        if !overridden || !tuneable.layer.starts_with("env:") {
            continue;
        }
        for file in tuneable.hides.iter().filter(|file| digest(before, file) != digest(after, file)) {
            found.push(Caveat::EnvHidesTuneable {
                key: key.clone(),
                layer: tuneable.layer.clone(),
                file: file.clone(),
            });
        }
    }
}
