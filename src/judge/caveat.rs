//! Caveats of a comparison, which apply even if a verdict was reached. Messages put names in backticks.

use serde::{Deserialize, Serialize};

use crate::model::text::{count, first, joined, short};
use crate::model::{MetricId, Unusable};

/// Which of the two sides of a comparison.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    Before,
    After,
}

impl Which {
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "in the baseline",
            Self::After => "after the change",
        })
    }
}

/// Something to hold against a comparison.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "caveat", rename_all = "snake_case")]
pub enum Caveat {
    /// Sampled metrics with one sample on a side, from which nothing follows.
    #[error("{}: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.",
        listed(.metrics))]
    SingleRuns { metrics: Vec<MetricId> },
    /// Sampled metrics compared across two sessions instead of in alternating pairs.
    #[error("{}: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; \
        alternating pairs would narrow them.", listed(.metrics))]
    Unpaired { metrics: Vec<MetricId> },
    /// A metric could not be used on one side.
    #[error("`{metric}`: no usable value {side}: {reason}.")]
    Unusable { side: Which, metric: MetricId, reason: Unusable },
    /// Both snapshots were taken at one commit: what differs between them is in no commit.
    #[error("Both snapshots were taken at commit `{}`. What differs between them is in no commit, so it cannot be attributed \
        to one.", short(.commit))]
    SameCommit { commit: String },
    /// Both sides are one and the same snapshot: nothing was compared.
    #[error("Both sides are one and the same snapshot, so nothing was compared. Give two different files.")]
    SameSnapshot,
    /// Both snapshots are known to be of the same code and tuneables.
    #[error("Both snapshots are of the same code with the same tuneables. Any difference is noise, not a change.")]
    SameCode,
    /// Uncommitted work was measured; the Python tool counted its own files as such (`own_files_counted`).
    #[error("Uncommitted work{} was measured {side}. No commit holds exactly what ran.{}", paths_of(*.paths),
        if *.own_files_counted { OWN_FILES_COUNTED } else { "" })]
    DirtyTree { side: Which, paths: Option<u64>, own_files_counted: bool },
    /// The baseline is bound to a digest of the files and to no commit, so no ancestry proves that it came first.
    #[error(
        "The baseline is bound to a digest of the files, since there was no commit: that it came before the change is as \
        it was recorded, and cannot be proven by ancestry."
    )]
    NoAncestry,
    /// Something was uncommitted in the repository outside the project's directory, which may have been measured too.
    #[error("Outside the project's directory {} had uncommitted changes {side}, and it is not known whether what was measured \
        reads them.", first(.paths, 3))]
    DirtyOutside { side: Which, paths: Vec<String> },
    /// The snapshots come from machines that differ in these parts.
    #[error("The snapshots come from different machines ({} differ). Times of one say nothing about the other.",
        joined(.parts))]
    OtherMachine { parts: Vec<String> },
    /// Version 1 recorded no machine: that both are of one machine is an assumption.
    #[error("The machine was not recorded {side}. That both are of one machine is an assumption.")]
    MachineNotRecorded { side: Which },
    /// Sizes count every file, build output included; how much git tracks was not recorded.
    #[error("{}: sizes count every file, build output included, and how much of it git tracks was not recorded. A difference \
        may be build output alone.", listed(.paths))]
    TrackedBytesNotRecorded { paths: Vec<String> },
    /// The largest resident set is that of the measuring process, not the command's own; earlier versions kept such readings.
    #[error("{}: the memory of the measuring process was larger than the command's, so the command's is unknown.",
        listed(.metrics))]
    MaxRssAtFloor { metrics: Vec<MetricId> },
    /// CPU time changed for the better and wall time for the worse, or the other way round.
    #[error("`{timing}`: CPU time changed for the {} and wall time for the {}. It may wait more or work in parallel \
        differently; neither number alone tells what a user would notice.", better(*.cpu_improved), better(!*.cpu_improved))]
    CpuAndWallDisagree { timing: String, cpu_improved: bool },
    /// A tuneable's file changed, but a variable overrides the key on both sides: the change had no effect.
    #[error(
        "`{key}` changed in `{file}`, but `{layer}` overrides it on both sides: that part of the change had no effect."
    )]
    EnvHidesTuneable { key: String, layer: String, file: String },
    /// A tuneables file changed, and no value that was read from it did.
    #[error(
        "`{path}` changed, but no value in it did; another parser may read the new spelling differently (`off`, `0755`, \
        `1.10`)."
    )]
    FileChangedAlone { path: String },
    /// Watched variables had other values after the change.
    #[error("The environment differed between the snapshots: {} had another value. What was not measured in pairs may show \
        that and not the change.", listed(.names))]
    EnvDiffers { names: Vec<String> },
    /// The reference workload moved between the sessions.
    #[error("The machine itself moved {:+.1} % between the two sessions, by a fixed reference workload. What was not measured \
        in pairs may show that and not the change.", (.ratio - 1.0) * 100.0)]
    Drift { ratio: f64 },
    /// No reference workload was recorded on both sides: drift between the sessions is unknown.
    #[error(
        "No reference workload was recorded on both sides, so it is unknown how much the machine itself moved between the \
        two sessions."
    )]
    DriftUnknown,
    /// The pairs were taken of other commits than the snapshots.
    #[error("The pairs were taken of other commits than the snapshots, so they may not be about this change.")]
    PairOfOtherCommits,
    /// A command printed something else after the change, although two runs of the baseline print the same; in bytes.
    #[error(
        "`{command}` printed something else after the change ({before} bytes before, {after} after), though two runs of \
        the baseline print the same. Check that both sides do the same work."
    )]
    PrintsOther { command: String, before: u64, after: u64 },
    /// A KPI's command wrote this to standard error after the change, and nothing before it.
    #[error(
        "`{kpi}` wrote to standard error after the change, and not before: `{said}`. Check that it still does its work."
    )]
    SaysMore { kpi: String, said: String },
    /// The words beside a KPI's number changed, a unit perhaps with them, or how many numbers a run gives.
    #[error(
        "`{kpi}` was read from other output: `{before}` before, `{after}` after. Check that both sides do the same work \
        and give it in the same unit."
    )]
    OtherWords { kpi: String, before: String, after: String },
    /// Both sides opened this file of the user's checkout, which git does not track.
    #[error(
        "`{command}` opened `{path}` of your own checkout on both sides. If that is built from the code, both sides ran \
        the same: name it relative to the project's root, and let `pair.prepare` build it."
    )]
    SharedFile { command: String, path: String },
    /// Neither side opened a file that differs between the two, or nothing in its own checkout.
    #[error(
        "`{command}` opened no file on either side that the change makes different, nor anything built from one there: \
        both sides may have run the same code, installed or running elsewhere. Let it run what is in the checkout, and \
        `pair.prepare` build it."
    )]
    CodeElsewhere { command: String },
    /// One side alone opened this file, which differs between the two and which both have.
    #[error(
        "`{command}` opened `{path}`, which the change makes different, on one side only: the other side may have run \
        what the first one left outside of its checkout, such as a build or a cache. Let each side keep that in its own \
        checkout, and `pair.prepare` build it."
    )]
    OneSideAlone { command: String, path: String },
    /// One side took less than a quarter of the other's time, and printed nothing that shows the same work; in seconds.
    #[error(
        "`{command}` took {before:.3} s before the change and {after:.3} s after, and printed nothing that shows that \
        both did the same work. Let it print its result."
    )]
    WorkUnshown { command: String, before: f64, after: f64 },
    /// A side leaves processes running when it ends.
    #[error(
        "`{command}` leaves processes running when it ends, on one side or both. What they do is not measured: let it wait for them."
    )]
    GoesOn { command: String },
    /// The first runs differ in another way than the later ones; in seconds.
    #[error(
        "`{command}` took {before:.3} s in its first run before the change and {after:.3} s after; later runs show no \
        such difference, so it may do less once it has run. Give it a `prepare` command that resets what it keeps, or switch its \
        cache off."
    )]
    FirstRunAlone { command: String, before: f64, after: f64 },
    /// So many machines measured; where more of the spread between them is disagreement than noise, by metric the share.
    #[error("Measured on {machines} machines: each change is a random-effects estimate over them.{}", agreement(.disagree))]
    SeveralMachines { machines: u32, disagree: Vec<(MetricId, f64)> },
    /// These endpoints were asked as they ran: nothing shows which code served them.
    #[error("{}: asked as it was running; nothing shows that the server ran the code of either side. Restart it with the \
        change, or give the probe a `start` command, so that each side is served by its own code.", listed(.probes))]
    ServedAsFound { probes: Vec<String> },
    /// Others committed since the baseline: everything is of the change's commit and its parent.
    #[error(
        "Others committed since the baseline. Every number here is of the change's own commit and that commit's parent, \
        so that it tells the change's effect alone."
    )]
    OthersCommitted,
    /// The snapshot after the change is older than the baseline.
    #[error("The snapshot after the change is older than the baseline: the baseline was not there first.")]
    OutOfOrder,
    /// The change alters what KPIs are read from, beside code: these numbers were committed; set by whoever knows of that.
    #[error("{}, where a metric's number is written, was committed with the change: the number may have been committed, not \
        measured.", listed(.files))]
    OutputCommitted { files: Vec<String> },
    /// The change alters these tests and documents, and no code; set by whoever knows of that.
    #[error("The change alters tests and documents alone: {}. What is measured may be other work now, and not faster code.",
        listed(.files))]
    NoCode { files: Vec<String> },
    /// The change undoes a commit, which may have made the baseline worse; `earlier` is the commit before that one. Set by
    /// whoever knows of that.
    #[error("The change gives its files back what they were at `{}`, before `{}` changed them: what it improves on is that \
        commit, and nothing before it.", short(.earlier), short(.undone))]
    Restores { undone: String, earlier: String },
    /// Metrics, without their kind, that may be of older code: these files were written before it, which the config lets
    /// pass (`stale_ok`), or were not all that the command ran.
    #[error("{} may be of older code: {}, which it is read from or runs, was written before the code was changed last.",
        listed(.metrics), listed(.files))]
    StaleAllowed { metrics: Vec<String>, files: Vec<String> },
    /// The same change was compared so many times since the baseline, this one included; set by whoever knows of that.
    #[error("This is comparison {times} since the baseline. Where samples decide, each wrongly reports an improvement with a \
        probability of up to 2.5 %; at least one of {times} does with up to {:.1} %, and one of more pairs says more.",
        (1.0 - 0.975_f64.powi(i32::try_from(*.times).unwrap_or(i32::MAX))) * 100.0)]
    Repeated { times: u32 },
}

const OWN_FILES_COUNTED: &str =
    " The tool that recorded it counted its own files as uncommitted work, so this may mean little.";

fn listed<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names.iter().map(|name| format!("`{name}`")))
}

impl Caveat {
    /// Whether it is about the change itself, from git and the record, and not about the measurements.
    pub(crate) fn is_of_change(&self) -> bool {
        matches!(
            self,
            Self::OutputCommitted { .. } | Self::NoCode { .. } | Self::Restores { .. } | Self::Repeated { .. }
        )
    }
}

fn paths_of(paths: Option<u64>) -> String {
    paths.map(|n| format!(" ({})", count(n, "path", "paths"))).unwrap_or_default()
}

fn better(better: bool) -> &'static str {
    if better { "better" } else { "worse" }
}

fn agreement(disagree: &[(MetricId, f64)]) -> String {
    if disagree.is_empty() {
        return " They agree within their noise.".to_owned();
    }
    format!(
        " They disagree by more than noise about {}: look at each machine's own file before relying on the mean (the share of \
         the spread that is disagreement, I²).",
        joined(disagree.iter().map(|(id, share)| format!("{id} ({:.0} %)", share * 100.0)))
    )
}
