//! What cannot be concluded from a comparison, in plain words.

use crate::judge::{Caveat, Which};
use crate::model::MetricId;
use crate::report::{Text, code, codes, values, verdict};

/// The caveat as a sentence.
#[expect(clippy::too_many_lines, reason = "one arm for each caveat")]
pub(crate) fn text(caveat: &Caveat) -> Text {
    match caveat {
        Caveat::SingleRuns { metrics } => names(metrics).plain(
            ": one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.",
        ),
        Caveat::Unpaired { metrics } => names(metrics).plain(
            ": measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; \
             alternating pairs would narrow them.",
        ),
        Caveat::Unusable { side, metric, reason } => {
            let why = format!(": no usable value {}: {}.", which(*side), verdict::unusable(reason));
            code(metric.as_str()).plain(why)
        }
        Caveat::MaxRssAtFloor { metrics } => names(metrics)
            .plain(": the memory of the measuring process was larger than the command's, so the command's is unknown."),
        Caveat::CpuAndWallDisagree { timing, cpu_improved } => {
            let (cpu, wall) = if *cpu_improved { ("better", "worse") } else { ("worse", "better") };
            code(timing.as_str()).plain(format!(
                ": CPU time changed for the {cpu} and wall time for the {wall}. It may wait more or work in parallel \
                 differently; neither number alone tells what a user would notice."
            ))
        }
        Caveat::Drift { ratio } => Text::from(format!(
            "The machine itself moved {} between the two sessions, by a fixed reference workload. What was not \
             measured in pairs may show that and not the change.",
            values::share(ratio - 1.0)
        )),
        Caveat::DriftUnknown => Text::from(
            "No reference workload was recorded on both sides, so it is unknown how much the machine itself moved \
             between the two sessions.",
        ),
        Caveat::SameCommit { commit } => Text::from("Both snapshots were taken at commit ")
            .code(values::short_sha(commit))
            .plain(". What differs between them is in no commit, so it cannot be attributed to one."),
        Caveat::SameSnapshot => {
            Text::from("Both sides are one and the same snapshot, so nothing was compared. Give two different files.")
        }
        Caveat::SameCode => Text::from(
            "Both snapshots are of the same code with the same tuneables. Any difference is noise, not a change.",
        ),
        Caveat::DirtyTree { side, paths, own_files_counted } => {
            let paths = paths.map(|n| format!(" ({})", values::count(n, "path", "paths"))).unwrap_or_default();
            let own = match own_files_counted {
                true => " The tool that recorded it counted its own files as uncommitted work, so this may mean little.",
                false => "",
            };
            let side = which(*side);
            Text::from(format!("Uncommitted work{paths} was measured {side}. No commit holds exactly what ran.{own}"))
        }
        Caveat::NoAncestry => Text::from(
            "The baseline is bound to a digest of the files, since there was no commit: that it came before the change is \
             as it was recorded, and cannot be proven by ancestry.",
        ),
        Caveat::DirtyOutside { side, paths } => Text::from(format!(
            "Outside the project's directory {} had uncommitted changes {}, and it is not known whether what was measured \
             reads them.",
            first_few(paths),
            which(*side)
        )),
        Caveat::PairOfOtherCommits => Text::from(
            "The pairs were taken of other commits than the snapshots, so they may not be about this change.",
        ),
        Caveat::OthersCommitted => Text::from(
            "Others committed since the baseline. Every number here is of the change's own commit and that commit's parent, \
             so that it tells the change's effect alone.",
        ),
        Caveat::OutOfOrder => {
            Text::from("The snapshot after the change is older than the baseline: the baseline was not there first.")
        }
        Caveat::PrintsOther { command, before, after } => code(command.as_str()).plain(format!(
            " printed something else after the change ({before} bytes before, {after} after), though the baseline repeats \
             itself. A program that does other work is not a faster one.",
        )),
        Caveat::SameProgram { command, path } => code(command.as_str()).plain(" ran ").code(path.as_str()).plain(
            " of your own checkout on both sides. If that is built from the code, both sides ran the same: name it relative to \
             the project's root, and let `pair.prepare` build it.",
        ),
        Caveat::OtherMachine { parts } => Text::from(format!(
            "The snapshots come from different machines ({} differ). Times of one say nothing about the other.",
            parts.join(", ")
        )),
        Caveat::MachineNotRecorded { side } => Text::from(format!(
            "The machine was not recorded {}. That both are of one machine is an assumption.",
            which(*side)
        )),
        Caveat::TrackedBytesNotRecorded { paths } => codes(paths.iter().map(String::as_str)).plain(
            ": sizes count every file, build output included, and how much of it git tracks was not recorded. A \
             difference may be build output alone.",
        ),
        Caveat::EnvHidesTuneable { key, layer, file } => {
            let changed = code(key.as_str()).plain(" changed in ").code(file.as_str()).plain(", but ");
            changed.code(layer.as_str()).plain(" overrides it on both sides: that part of the change had no effect.")
        }
        Caveat::FileChangedAlone { path } => code(path.as_str()).plain(
            " changed, and no value did: other readers may take its spelling for another value (`off`, `0755`, `1.10`).",
        ),
        Caveat::EnvDiffers { names } => Text::from("The environment differed between the snapshots: ")
            .text(codes(names.iter().map(String::as_str)))
            .plain(" had another value. What was not measured in pairs may show that and not the change."),
        Caveat::Repeated { times } => {
            let chance = 1.0 - 0.975_f64.powi(i32::try_from(*times).unwrap_or(i32::MAX));
            Text::from(format!(
                "This is comparison {times} since the baseline. Each is another chance to be wrong: what one calls faster without cause \
                 once in 40 times, the best of {times} does with a probability of up to {}. One comparison of more pairs \
                 says more.",
                values::plain_share(chance)
            ))
        }
    }
}

/// The warning of a snapshot that was taken with such paths beside the project; none where there are none.
pub(crate) fn beside(paths: &[String]) -> Option<String> {
    (!paths.is_empty()).then(|| {
        format!(
            "uncommitted outside the project's directory: {}; if what is measured reads them, no commit holds what ran",
            first_few(paths)
        )
    })
}

fn first_few(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let more = paths.len().saturating_sub(SHOWN);
    let named = paths.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn which(side: Which) -> &'static str {
    match side {
        Which::Before => "in the baseline",
        Which::After => "after the change",
    }
}

fn names(metrics: &[MetricId]) -> Text {
    codes(metrics.iter().map(MetricId::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unusable;
    use crate::report::{Doc, markdown};

    #[test]
    fn every_caveat_has_its_sentence() {
        let metric = || MetricId::new("timing.tests.wall");
        let all = vec![
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
            Caveat::OutOfOrder,
            Caveat::Repeated { times: 3 },
        ];
        let mut doc = Doc::new();
        doc.list(all.iter().map(text));
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
        - The snapshot after the change is older than the baseline: the baseline was not there first.
        - This is comparison 3 since the baseline. Each is another chance to be wrong: what one calls faster without cause once in 40 times, the best of 3 does with a probability of up to 7.31 %. One comparison of more pairs says more.
        ");
    }
}
