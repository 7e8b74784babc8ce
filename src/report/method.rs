//! How a comparison was measured (design, pairs and why sampling ended, settings, machine, inputs) and what cannot be
//! concluded from it.

use crate::judge::{Caveat, CpuReason, Decisive, WallReason};
use crate::model::text;
use crate::model::{Grown, Machine, MetricId, MetricKind, PairedCommand, SideRevision, Stop, Unit};
use crate::report::{CompareView, Doc, Table, Text, code, values};

pub(crate) fn section(doc: &mut Doc, view: &CompareView<'_>) {
    doc.heading(2, "How it was measured");
    match view.pair {
        Some(pair) => doc.paragraph(format!(
            "In alternating pairs in {} from {} to {}: each command ran on the baseline and on the head in \
             turn, changing which went first. The estimate is the middle of the paired ratios with a 95 % interval.",
            match pair.continues.len() {
                0 => "one session".to_owned(),
                before => format!("{} sessions, each going on from one that decided nothing,", before + 1),
            },
            values::moment(pair.started_at),
            values::moment(pair.generated_at)
        )),
        None => doc.paragraph(format!(
            "In two separate sessions, without pairs. Every interval of a sampled metric is widened by what the \
             reference workload moved between them and by {}, by which sessions differ anyway.",
            values::plain_share(view.comparison.settings.session_floor)
        )),
    }
    if let Some(reason) = &view.comparison.not_paired {
        doc.paragraph(Text::new().strong("Not measured in pairs:").plain(format!(" {reason}")));
    }
    commands(doc, view);
    settings(doc, view);
    let inputs = view.inputs.iter().map(|input| [code(input.path.as_str()), code(input.sha256.as_str())]);
    doc.section(2, "Inputs", |doc| doc.table(Table::new("ll", ["File", "SHA-256"], inputs)));
}

fn commands(doc: &mut Doc, view: &CompareView<'_>) {
    let rows = view.comparison.decisive.iter().map(|row| {
        let paired = view.pair.and_then(|pair| pair.commands.iter().find(|command| command.name == row.timing));
        let pairs = paired.map(|command| command.pairs.len().to_string());
        let ended = paired.map(|command| stopped(command.stopped).to_owned());
        [code(row.timing.as_str()), decisive(row.time).into(), pairs.into(), paired.map(cores).into(), ended.into()]
    });
    let titles = ["Command", "Decided by", "Pairs", "Cores", "Sampling ended because"];
    doc.table(Table::new("llrll", titles, rows));
    doc.list(view.pair.iter().flat_map(|pair| &pair.commands).filter_map(grown));
}

pub(crate) fn decisive(time: Decisive) -> &'static str {
    match time {
        Decisive::Cpu(CpuReason::CpuBound) => "CPU time, since it computes and waits for nothing",
        Decisive::Wall(WallReason::Waits) => "wall time, since it also waits for other things than a core",
        Decisive::Wall(WallReason::Parallel) => "wall time, since it works on several cores",
        Decisive::Wall(WallReason::NoCpuTime) => "wall time, since CPU time was not recorded",
    }
}

/// Whether the runs of a pair were pinned to a core, and the share of their time that they waited for one, if known.
pub(crate) fn cores(command: &PairedCommand) -> String {
    let pinned = command.pairs.iter().all(|pair| pair.core.is_some()) && !command.pairs.is_empty();
    let place = if pinned { "one for both runs of a pair" } else { "any" };
    let runs = || command.pairs.iter().flat_map(|pair| [&pair.before, &pair.after]);
    let queued: Option<f64> = runs().map(|run| run.queued_s).sum();
    match queued.filter(|_| !command.pairs.is_empty()) {
        Some(queued) => {
            let waited = queued / runs().map(|run| run.wall_s).sum::<f64>().max(f64::MIN_POSITIVE);
            format!("{place}; ready without a core for {} of the time", values::plain_share(waited))
        }
        None => place.to_owned(),
    }
}

pub(crate) fn stopped(stop: Stop) -> &'static str {
    match stop {
        Stop::Settled => "every question was settled at a planned look",
        Stop::MaxPairs => "the most pairs that were asked for were taken",
        Stop::MaxTime => "the time budget ended",
        Stop::Failed => "a run failed",
        Stop::Interrupted => "it was interrupted",
    }
}

fn settings(doc: &mut Doc, view: &CompareView<'_>) {
    let comparison = view.comparison;
    doc.field("Least effect that counts", values::plain_share(comparison.settings.min_effect));
    for (metric, floor) in &comparison.settings.noise_floors {
        doc.field("Noise floor", code(metric.as_str()).plain(format!(" {}", values::plain_share(*floor))));
    }
    let drift = comparison.circumstances.reference_ratio;
    let drift = drift.map_or_else(|| "not recorded".to_owned(), |ratio| values::share(ratio - 1.0));
    doc.field("Reference workload, after against before", drift);
    if let Some(pair) = view.pair {
        let side = |side: &SideRevision| {
            let commit = values::short(side.commit.as_deref().unwrap_or("files"));
            code(side.rev.as_str()).plain(" at ").code(commit)
        };
        doc.field("Sides", side(&pair.before).plain(" against ").text(side(&pair.after)));
    }
    if let Some(it) = view.machine {
        doc.field("Machine", machine(it));
    }
    doc.list(view.pair.iter().flat_map(|pair| &pair.warnings).map(|it| Text::from(it.as_str())));
}

/// Describes a machine in one line, without unknown properties.
fn machine(machine: &Machine) -> String {
    let memory = |bytes| values::quantity(bytes as f64, &Unit::bytes());
    let parts = [
        machine.cpu.clone(),
        machine.cores.map(|n| values::count(n, "core", "cores")),
        machine.memory_bytes.map(memory),
        Some([machine.os.as_str(), &machine.arch].join(" ").trim().to_owned()),
        machine.virtualization.clone(),
        machine.governor.as_ref().map(|governor| format!("governor {governor}")),
        machine.load_1m.map(|load| format!("load {load:.2}")),
        machine.on_battery.filter(|on| *on).map(|_| "on battery".to_owned()),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn caveat(caveat: &Caveat) -> Text {
    Text::sentence(&caveat.to_string())
}

/// The warning of a snapshot about uncommitted paths outside the project; `None` if there are none.
pub(crate) fn outside_warning(paths: &[String]) -> Option<String> {
    (!paths.is_empty()).then(|| {
        format!(
            "uncommitted outside the project's directory: {}; if what is measured reads them, no commit holds what ran",
            text::first(paths, 3)
        )
    })
}

/// The functions that take a larger share of a command's time than before.
pub(crate) fn grown(command: &PairedCommand) -> Option<Text> {
    let one = |it: &Grown| {
        let [before, after] = [it.before, it.after].map(values::plain_share);
        format!("{} ({before} → {after})", it.function)
    };
    let said = || format!(": a larger share of its time is spent in {}", text::joined(command.grown.iter().map(one)));
    (!command.grown.is_empty()).then(|| code(command.name.as_str()).plain(said()))
}

/// The caveat about instruction counts, if there are any.
pub(crate) fn instructions<'a>(mut metrics: impl Iterator<Item = &'a MetricId>) -> Option<Text> {
    let counted = metrics.any(|metric| metric.kind() == Some(MetricKind::Instructions));
    let said =
        "Instructions are not time: what waits for memory, the disk or another process costs time and none of them.";
    counted.then(|| Text::from(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Which;
    use crate::model::Unusable;
    use crate::report::{Doc, markdown};

    fn caveats() -> Vec<Caveat> {
        let metric = || MetricId::new("timing.tests.wall");
        vec![
            Caveat::SingleRuns { metrics: vec![metric(), MetricId::new("timing.lint.wall")] },
            Caveat::Unpaired { metrics: vec![metric()] },
            Caveat::Unusable { side: Which::After, metric: metric(), reason: Unusable::TimedOut { timeout_s: 60.0 } },
            Caveat::SameCommit { commit: "a".repeat(40) },
            Caveat::SameSnapshot,
            Caveat::SameCode,
            Caveat::DirtyTree { side: Which::Before, paths: Some(9), own_files_counted: true },
            Caveat::NoAncestry,
            Caveat::DirtyOutside { side: Which::After, paths: ["a", "b", "c", "d"].map(str::to_owned).to_vec() },
            Caveat::OtherMachine { parts: vec!["CPU model".to_owned()] },
            Caveat::MachineNotRecorded { side: Which::Before },
            Caveat::TrackedBytesNotRecorded { paths: vec!["lib".to_owned()] },
            Caveat::MaxRssAtFloor { metrics: vec![MetricId::new("timing.tests.max_rss")] },
            Caveat::CpuAndWallDisagree { timing: "tests".to_owned(), cpu_improved: true },
            Caveat::EnvHidesTuneable { key: "a.b".to_owned(), layer: "env:A_B".to_owned(), file: "t.json".to_owned() },
            Caveat::EnvDiffers { names: vec!["FOO".to_owned(), "BAR".to_owned()] },
            Caveat::Drift { ratio: 1.07 },
            Caveat::DriftUnknown,
            Caveat::PairOfOtherCommits,
            Caveat::OthersCommitted,
            Caveat::SeveralMachines { machines: 3, disagree: vec![(MetricId::new("timing.tests.cpu"), 0.71)] },
            Caveat::OutputCommitted { files: vec!["out/ops.txt".to_owned()] },
            Caveat::OutOfOrder,
            Caveat::NoCode { files: vec!["tests/a.py".to_owned()] },
            Caveat::Restores { undone: "b".repeat(40), earlier: "a".repeat(40) },
            Caveat::StaleAllowed { metrics: vec!["kpi.ops".to_owned()], files: vec!["build/ops".to_owned()] },
            Caveat::Repeated { times: 3 },
        ]
    }

    #[test]
    fn every_caveat_has_its_sentence() {
        let mut doc = Doc::new();
        doc.list(caveats().iter().map(caveat));
        assert!(!markdown::render(&doc).contains("  "), "two spaces within a sentence");
        insta::assert_snapshot!(markdown::render(&doc), @r"
        - `timing.tests.wall`, `timing.lint.wall`: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.
        - `timing.tests.wall`: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; alternating pairs would narrow them.
        - `timing.tests.wall`: no usable value after the change: a run was ended at its timeout of 60 s.
        - Both snapshots were taken at commit `aaaaaaaaaaaa`. What differs between them is in no commit, so it cannot be attributed to one.
        - Both sides are one and the same snapshot, so nothing was compared. Give two different files.
        - Both snapshots are of the same code with the same tuneables. Any difference is noise, not a change.
        - Uncommitted work (9 paths) was measured in the baseline. No commit holds exactly what ran. The tool that recorded it counted its own files as uncommitted work, so this may mean little.
        - The baseline is bound to a digest of the files, since there was no commit: that it came before the change is as it was recorded, and cannot be proven by ancestry.
        - Outside the project's directory a, b, c and 1 more had uncommitted changes after the change, and it is not known whether what was measured reads them.
        - The snapshots come from different machines (CPU model differ). Times of one say nothing about the other.
        - The machine was not recorded in the baseline. That both are of one machine is an assumption.
        - `lib`: sizes count every file, build output included, and how much of it git tracks was not recorded. A difference may be build output alone.
        - `timing.tests.max_rss`: the memory of the measuring process was larger than the command's, so the command's is unknown.
        - `tests`: CPU time changed for the better and wall time for the worse. It may wait more or work in parallel differently; neither number alone tells what a user would notice.
        - `a.b` changed in `t.json`, but `env:A_B` overrides it on both sides: that part of the change had no effect.
        - The environment differed between the snapshots: `FOO`, `BAR` had another value. What was not measured in pairs may show that and not the change.
        - The machine itself moved +7.0 % between the two sessions, by a fixed reference workload. What was not measured in pairs may show that and not the change.
        - No reference workload was recorded on both sides, so it is unknown how much the machine itself moved between the two sessions.
        - The pairs were taken of other commits than the snapshots, so they may not be about this change.
        - Others committed since the baseline. Every number here is of the change's own commit and that commit's parent, so that it tells the change's effect alone.
        - Measured on 3 machines: each change is a random-effects estimate over them. They disagree by more than noise about timing.tests.cpu (71 %): look at each machine's own file before relying on the mean (the share of the spread that is disagreement, I²).
        - `out/ops.txt`, where a metric's number is written, was committed with the change: the number may have been committed, not measured.
        - The snapshot after the change is older than the baseline: the baseline was not there first.
        - The change alters tests and documents alone: `tests/a.py`. What is measured may be other work now, and not faster code.
        - The change gives its files back what they were at `aaaaaaaaaaaa`, before `bbbbbbbbbbbb` changed them: what it improves on is that commit, and nothing before it.
        - `kpi.ops` may be of older code: `build/ops`, which it is read from or runs, was written before the code was changed last.
        - This is comparison 3 since the baseline. Where samples decide, each wrongly reports an improvement with a probability of up to 2.5 %; at least one of 3 does with up to 7.3 %, and one of more pairs says more.
        ");
    }
}
