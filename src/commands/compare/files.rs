//! The files of a comparison: any two snapshots, judged without a contract and not recorded; the written report,
//! picture and data; and the pairs that several machines measured, joined to one session.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::commands::compare::{CompareArgs, answer};
use crate::commands::{Ctx, calibrate};
use crate::error::{Exit, Result, trouble};
use crate::judge::{Comparison, compare, series};
use crate::model::{
    Artifact, CommandLine, Contract, Digest, Fix, IngestError, Json, MetricId, PairSession, PairedCommand, Snapshot,
    hyperfine, ingest, scrub, text,
};
use crate::os::files;
use crate::report::compare::headline;
use crate::report::plot::{self, Strip};
use crate::report::{self, CompareView};
use crate::store::{Project, atomic, guard};
use crate::workflow::Change;

const LIMIT: u64 = 64 * 1024 * 1024;

/// A snapshot file as it was named on the command line.
pub(super) struct Input<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    pub(super) digest: Digest,
}

impl<'a> Input<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let bytes =
            read_or(path, || Fix::next("take a snapshot, which prints its path", CommandLine::tool("snapshot")))?;
        Ok(Self { path, digest: Digest::of_bytes(&bytes), bytes })
    }

    pub(super) fn read_both(one: &'a Path, other: &'a Path) -> Result<(Self, Self)> {
        let (one, other) = on_two_cores(|| Self::read(one), || Self::read(other));
        Ok((one?, other?))
    }

    /// The artifact of the file, with its name alone: no record has it, and a report must not disclose its path on this
    /// machine.
    fn named(&self) -> Artifact {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        Artifact { path: name.to_string_lossy().into_owned(), sha256: self.digest.clone() }
    }
}

fn on_two_cores<T: Send>(one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T) -> (T, T) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
    })
}

pub(super) fn read_or(path: &Path, make: impl Fn() -> Fix) -> Result<Vec<u8>> {
    let missing = || trouble(format!("{} does not exist", path.display()));
    atomic::read(path, LIMIT)?.ok_or_else(|| missing().fixed_by([make()]))
}

pub(super) fn compare(ctx: &Ctx, args: &CompareArgs, before: &Input<'_>, after: &Input<'_>) -> Result<Exit> {
    let outs = Outs { report: args.out.as_deref(), data: args.json_out.as_deref() };
    outs.guard(ctx, &[before.path, after.path])?;
    let (old, new) = on_two_cores(|| parse(before), || parse(after));
    let (old, new) = (old?, new?);
    let settings = calibrate::settings(ctx, None)?;
    let comparison = compare::compare(&old, &new, None, &Contract::default(), &settings);
    let svg = plot::svg(&strips(&comparison, (&old, &new), None));
    let inputs = [before.named(), after.named()];
    let view = CompareView {
        comparison: &comparison,
        change: None,
        pair: None,
        machine: new.machine.as_ref(),
        inputs: &inputs,
        picture: None,
    };
    outs.write(view, svg.as_deref())?;
    answer(ctx, args, &view)
}

fn parse(Input { path, bytes, .. }: &Input<'_>) -> Result<Snapshot> {
    let wrong = |error: &dyn std::fmt::Display| trouble(format!("{}: {error}", path.display()));
    let label = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let written = std::fs::metadata(path).and_then(|file| file.modified()).map(DateTime::<Utc>::from)?;
    let json = Json::parse(bytes).map_err(IngestError::from);
    if let Some(export) = json.as_ref().ok().and_then(|json| hyperfine::snapshot(&label, written, json)) {
        return export.map_err(|error| trouble(format!("{}: {error}", path.display())));
    }
    json.and_then(|json| ingest::snapshot(&json))
        .map_err(|error| wrong(&error).fixed_by([Fix::next("write a snapshot file", CommandLine::tool("snapshot"))]))
}

const MOST: usize = 12;

#[derive(Clone, Copy)]
pub(super) struct Outs<'a> {
    pub(super) report: Option<&'a Path>,
    pub(super) data: Option<&'a Path>,
}

impl Outs<'_> {
    pub(super) fn guard(self, ctx: &Ctx, inputs: &[&Path]) -> Result<()> {
        let picture = self.report.map(beside);
        for out in self.report.into_iter().chain(self.data).chain(picture.as_deref()) {
            guard::guard_out_path(&ctx.project, out, inputs)?;
        }
        Ok(())
    }

    /// Writes the requested files. If the view names no picture, the report gets this one beside it.
    pub(super) fn write(self, view: CompareView<'_>, svg: Option<&str>) -> Result<()> {
        if let Some(out) = self.report {
            let picture = beside(out);
            let svg = svg.filter(|_| view.picture.is_none());
            if let Some(svg) = svg {
                atomic::write_free(&picture, svg.as_bytes())?;
            }
            let name = picture.file_name().unwrap_or_default().to_string_lossy();
            let view = CompareView { picture: view.picture.or(svg.map(|_| &*name)), ..view };
            atomic::write_free(out, report::compare::markdown(&view).as_bytes())?;
        }
        if let Some(out) = self.data {
            atomic::write_free(out, &text::json(view.comparison)?)?;
        }
        Ok(())
    }
}

/// The path of a report's picture: `cmp_samples.svg` beside `cmp.md`.
fn beside(report: &Path) -> PathBuf {
    report.with_file_name(format!("{}_samples.svg", report.file_stem().unwrap_or_default().to_string_lossy()))
}

/// The relative path from a report at `out` to the evidence; `None` if the report is outside the project.
pub(super) fn to_evidence(project: &Project, out: &Path) -> Option<String> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = files::canonical(project.root()).ok()?;
    let parent = files::canonical(parent).ok()?;
    let depth = parent.strip_prefix(&root).ok()?.components().count();
    Some(format!("{}{}/", "../".repeat(depth), project.relative(&project.evidence_dir())))
}

/// Selects the samples to draw: those of the contract's metrics, or without a contract of the decisive ones; as pairs
/// if there are any.
pub(crate) fn strips(comparison: &Comparison, sides: (&Snapshot, &Snapshot), pair: Option<&PairSession>) -> Vec<Strip> {
    let (before, after) = (series::metrics(sides.0), series::metrics(sides.1));
    let paired = pair.map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        Some(Err(_)) | None => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let is_headline = headline(comparison);
    let judged = |id: &MetricId| comparison.criteria.iter().any(|row| row.criterion.metric == *id);
    let rows = comparison.metrics.iter().filter(|row| match comparison.criteria.is_empty() {
        true => is_headline(row),
        false => judged(&row.metric),
    });
    rows.filter_map(|row| strip(&row.metric)).take(MOST).collect()
}

pub(super) fn read_pairs(paths: &[PathBuf]) -> Result<PairSession> {
    let make = || {
        let pair = CommandLine::tool("pair").ask("--before", "REV").ask("--after", "REV").ask("--json-out", "FILE");
        Fix::next("measure pairs into a file on each machine", pair)
    };
    let wrong = |path: &PathBuf, error: &dyn std::fmt::Display| {
        trouble(format!("{}: {error}", path.display())).fixed_by([make()])
    };
    let one = |path: &PathBuf| ingest::parse_pair(&read_or(path, make)?).map_err(|error| wrong(path, &error));
    let sessions = paths.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    PairSession::joined(sessions).map_err(|(at, problem)| trouble(format!("{} {problem}", paths[at].display())))
}

/// The same as the pairs of a change: they must be of its two commits, by the commands in the config, and measured
/// after its state after was recorded.
pub(super) fn pairs_of_change(ctx: &Ctx, change: &Change, paths: &[PathBuf]) -> Result<PairSession> {
    let session = read_pairs(paths)?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(trouble("the change has no snapshots to compare"));
    };
    if change.commit_and_parent().is_some() {
        return Err(trouble(
            "others committed since the baseline, so the pairs have to be measured here: leave out --machines",
        ));
    }
    let commits = [&baseline.taken.revision.commit, &after.taken.revision.commit];
    let named = commits.map(|commit| commit.clone().unwrap_or_default());
    let again = CommandLine::tool("pair").words(["--before", &named[0], "--after", &named[1], "--json-out"]);
    let again = Fix::next("measure on each machine", again.placeholder("FILE"));
    let configured = &ctx.config()?.timings;
    let is_other = |command: &&PairedCommand| {
        !configured.iter().any(|timing| timing.name == command.name && scrub(timing.command()) == command.cmd)
    };
    for (path, machine) in paths.iter().zip(std::iter::once(&session).chain(&session.others)) {
        let problem = if commits != [&machine.before.commit, &machine.after.commit] {
            "measured other commits than the change's baseline and state after".to_owned()
        } else if machine.started_at < after.at {
            "was measured before the state after was recorded".to_owned()
        } else if let Some(command) = machine.commands.iter().find(is_other) {
            format!("timed `{}` as {}, which the config does not", command.cmd, command.name)
        } else {
            continue;
        };
        return Err(trouble(format!("{} {problem}", path.display())).fixed_by([again]));
    }
    Ok(PairSession { change_id: Some(change.id().to_string()), ..session })
}
