//! `compare`: judge after against before, for a change or for any two snapshot files.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::commands::pairing::{self, Pairing};
use crate::commands::plots::Beside;
use crate::commands::{
    Ctx, Format, Pending, choose, collect, commit, evidence, failure, judge, plots, uncommitted,
};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::compare::{self, Caveat};
use crate::judge::{Comparison, Settings};
use crate::model::{
    Artifact, ChangeId, Compared, Contract, Digest, Gate, Kind, Outcome, PairSession, Snapshot, hyperfine, ingest,
};
use crate::report::plot::Strip;
use crate::report::{self, CompareView, invocation};
use crate::store::{Record, Role, atomic, guard};
use crate::workflow::{Change, gates};

/// Snapshots are read up to this size.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Judge after against before, for a change or for any two snapshot files
#[derive(Debug, Default, Args)]
pub struct CompareArgs {
    /// The change whose recorded snapshots are compared [default, without --before and --after: as for other commands]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Snapshot file of the state before
    #[arg(long, value_name = "FILE", requires = "after")]
    before: Option<PathBuf>,
    /// Snapshot file of the state after
    #[arg(long, value_name = "FILE", requires = "before")]
    after: Option<PathBuf>,
    /// Write the markdown report to this file (too)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the comparison as JSON to this file (too)
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Do not measure baseline and head in pairs; compare the two snapshots only
    #[arg(long)]
    no_pair: bool,
    /// At most this many pairs [default: pair.max_pairs of the config]
    #[arg(long, value_name = "N", visible_alias = "pairs")]
    runs: Option<u32>,
    /// Begin no further pair of a command after this many seconds [default: pair.max_time_s of the config]
    #[arg(long, value_name = "SECONDS")]
    max_time: Option<f64>,
    /// Answer with the exit code: 0 pass, 1 fail or invalid, 3 inconclusive
    #[arg(long)]
    exit_code: bool,
}

/// Two named files are a change's own evidence if their bytes are; then the comparison is recorded.
pub fn run(ctx: &Ctx, args: CompareArgs) -> Result<Exit, CommandError> {
    if args.out.is_some() && args.out == args.json_out {
        return Err(CommandError::trouble("--out and --json-out name the same file; give each its own"));
    }
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let (before_bytes, after_bytes) = (read(before)?, read(after)?);
        if let Some(change) = owner(ctx, &args, &before_bytes, &after_bytes)? {
            return of_change(ctx, &change, &args);
        }
        if let Some(change) = owner(ctx, &args, &after_bytes, &before_bytes)? {
            swapped(ctx, &change, &args)?;
        }
        return of_files(ctx, &args, (before, &before_bytes), (after, &after_bytes));
    }
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let change = commit::load(ctx, &id)?;
    of_change(ctx, &change, &args)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    atomic::read(path, LIMIT)?.ok_or_else(|| CommandError::trouble(format!("{} does not exist", path.display())))
}

/// The open change whose recorded before and after these files are, if it is one.
fn owner(ctx: &Ctx, args: &CompareArgs, before: &[u8], after: &[u8]) -> Result<Option<Change>, CommandError> {
    let (before, after) = (Digest::of_bytes(before), Digest::of_bytes(after));
    let owns = |change: &Change| {
        let is_before = change.baseline.as_ref().is_some_and(|b| b.taken.snapshot.sha256 == before);
        let is_after = change.after.as_ref().is_some_and(|a| a.taken.snapshot.sha256 == after);
        change.is_open() && change.promotion.is_none() && is_before && is_after
    };
    if let Some(id) = &args.change_id {
        let change = commit::load(ctx, &id.parse::<ChangeId>()?)?;
        if owns(&change) {
            return Ok(Some(change));
        }
        return Err(CommandError::trouble(format!("--before and --after are not the recorded snapshots of {id}"))
            .hinted(format!("vibeship-optimizer compare --change-id {id}")));
    }
    let (records, _) = choose::records(ctx)?;
    let changes = records.into_iter().filter_map(|record| match record {
        Record::Tracked(change) => Some(*change),
        Record::Legacy(_) => None,
    });
    Ok(changes.into_iter().find(owns))
}

/// A comparison of a change's snapshots the wrong way round is nobody's evidence, so it cannot have the name of one.
fn swapped(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<(), CommandError> {
    let id = change.id();
    let what = format!("--before is the state after {id} and --after its baseline: they are swapped");
    for role in [Role::CompareReport, Role::CompareData] {
        let own = ctx.project.evidence_dir().join(role.file_name(id.as_str())?);
        if args.out.iter().chain(&args.json_out).any(|out| is_same(out, &own)) {
            return Err(CommandError::trouble(what).hinted(invocation::gate(id, Gate::Compare)));
        }
    }
    ctx.ui.warn(&what);
    Ok(())
}

/// Any two files: judged without a contract, recorded nowhere.
fn of_files(
    ctx: &Ctx,
    args: &CompareArgs,
    before: (&Path, &[u8]),
    after: (&Path, &[u8]),
) -> Result<Exit, CommandError> {
    let inputs = [before.0, after.0];
    for out in args.out.iter().chain(&args.json_out) {
        guard::guard_out_path(&ctx.project, out, &inputs)?;
    }
    let old = parse(before)?;
    let new = parse(after)?;
    let settings = judge::settings(ctx, None)?;
    let comparison = compare::compare(&old, &new, None, &Contract::default(), &settings);
    let strips = plots::strips(&comparison, (&old, &new), None);
    let beside = plots::beside(args.out.as_deref(), &strips);
    for plot in &beside {
        guard::guard_out_path(&ctx.project, &plot.path, &inputs)?;
    }
    let plots = plots::named(&beside);
    let inputs = [named(before), named(after)];
    let view = CompareView {
        comparison: &comparison,
        change: None,
        pair: None,
        machine: new.machine.as_ref(),
        inputs: &inputs,
        plots: &plots,
    };
    let outs = (args.out.as_deref(), args.json_out.as_deref());
    write_out(outs, &comparison, &report::compare::markdown(&view), &beside)?;
    answer(ctx, args, &view)
}

/// A file that no record knows, by its name: where it lies on this machine is nobody's business.
fn named((path, bytes): (&Path, &[u8])) -> Artifact {
    let name = path.file_name().unwrap_or(path.as_os_str());
    Artifact { path: name.to_string_lossy().into_owned(), sha256: Digest::of_bytes(bytes) }
}

/// A snapshot file, or timings that hyperfine exported.
fn parse((path, bytes): (&Path, &[u8])) -> Result<Snapshot, CommandError> {
    if hyperfine::is_export(bytes) {
        let label = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let written = std::fs::metadata(path).and_then(|file| file.modified()).map(DateTime::<Utc>::from)?;
        return hyperfine::snapshot(&label, written, bytes)
            .map_err(|error| CommandError::trouble(format!("{}: {error}", path.display())));
    }
    ingest::parse_snapshot(bytes).map_err(|error| {
        CommandError::trouble(format!("{}: {error}", path.display()))
            .hinted("a snapshot file is what `vibeship-optimizer snapshot` prints the path of")
    })
}

/// A change's comparison: from the recorded files and, where possible, pairs measured now; recorded itself.
pub(crate) fn of_change(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<Exit, CommandError> {
    let world = collect::world(ctx, change, Gate::Compare)?;
    commit::ask(ctx, change, gates::may_compare(change, &world))?;
    let own_report = ctx.project.evidence_dir().join(Role::CompareReport.file_name(change.id().as_str())?);
    for out in args.out.iter().chain(&args.json_out).filter(|out| !is_same(out, &own_report)) {
        guard::guard_out_path(&ctx.project, out, &[])?;
    }
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(CommandError::trouble("the change has no snapshots to compare"));
    };
    let old = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let new = evidence::snapshot(ctx, &after.taken.snapshot)?;
    let settings = judge::settings(ctx, Some(&change.contract))?;
    let (pair, not_paired) = pairs(ctx, change, (&old, &new), &settings, args)?;
    let mut comparison = compare::compare(&old, &new, pair.as_ref(), &change.contract, &settings);
    comparison.not_paired = not_paired;
    let times = change.comparisons_since_baseline().saturating_add(1);
    comparison.caveats.extend((times > 1).then_some(Caveat::Repeated { times }));
    let mut files = Vec::new();
    let mut inputs = vec![baseline.taken.snapshot.clone(), after.taken.snapshot.clone()];
    if let Some(pair) = &pair {
        files.push(Pending { role: Role::Pair, bytes: json_bytes(pair)? });
        inputs.push(files[0].artifact(change.id())?);
    }
    let strips = plots::strips(&comparison, (&old, &new), pair.as_ref());
    let mut plots = Vec::new();
    for strip in &strips {
        let role = Role::ComparePlot(strip.metric.as_str());
        plots.push((strip.metric.clone(), role.file_name(change.id().as_str())?));
        files.push(Pending { role, bytes: strip.svg().into_bytes() });
    }
    let view = CompareView {
        comparison: &comparison,
        change: Some((change.id(), &change.opened.title)),
        pair: pair.as_ref(),
        machine: new.machine.as_ref(),
        inputs: &inputs,
        plots: &plots,
    };
    let report = report::compare::markdown(&view);
    files.push(Pending { role: Role::CompareReport, bytes: report.into_bytes() });
    files.push(Pending { role: Role::CompareData, bytes: json_bytes(&comparison)? });
    let [markdown, json] = &files[files.len() - 2..] else {
        return Err(CommandError::trouble("the comparison has no files"));
    };
    let compared = Compared {
        markdown: markdown.artifact(change.id())?,
        json: json.artifact(change.id())?,
        pair: inputs.get(2).cloned(),
        verdicts: comparison.verdicts().ok_or_else(|| CommandError::trouble("the contract has no KPI"))?,
    };
    let change = commit::commit(ctx, change.id(), Kind::Compared(compared), &world, &files)?;
    let copied = args.out.as_deref().filter(|out| !is_same(out, &own_report));
    write_copy(ctx, (copied, args.json_out.as_deref()), view, &strips)?;
    let exit = answer(ctx, args, &view)?;
    ctx.ui.hint(&ctx.next(&change)?.lines());
    uncommitted::hint(ctx, &change);
    Ok(exit)
}

/// Baseline and head in pairs, or why there are none.
fn pairs(
    ctx: &Ctx,
    change: &Change,
    sides: (&Snapshot, &Snapshot),
    settings: &Settings,
    args: &CompareArgs,
) -> Result<(Option<PairSession>, Option<String>), CommandError> {
    if args.no_pair {
        return Ok((None, Some("--no-pair was given".to_owned())));
    }
    if !ctx.config()?.pair.enabled {
        return Ok((None, Some("the config says pair.enabled: false".to_owned())));
    }
    let budget = pairing::budget(ctx, args.runs, args.max_time)?;
    match pairing::of_change(ctx, change, sides, settings, budget)? {
        Pairing::Measured(session) => {
            for warning in &session.warnings {
                ctx.ui.warn(warning);
            }
            Ok((Some(*session), None))
        }
        Pairing::Impossible(reason) | Pairing::SameCode(reason) => {
            ctx.ui.warn(&format!("not measured in pairs: {reason}"));
            Ok((None, Some(reason)))
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| std::path::absolute(path).ok();
    full(one).is_some() && full(one) == full(other)
}

fn json_bytes(evidence: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = serde_json::to_vec_pretty(evidence)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn write_out(
    (out, json_out): (Option<&Path>, Option<&Path>),
    comparison: &Comparison,
    report: &str,
    plots: &[Beside],
) -> Result<(), CommandError> {
    if let Some(out) = out {
        for plot in plots {
            atomic::write_free(&plot.path, plot.svg.as_bytes())?;
        }
        atomic::write_free(out, report.as_bytes())?;
    }
    if let Some(out) = json_out {
        atomic::write_free(out, &json_bytes(comparison)?)?;
    }
    Ok(())
}

/// The report of a change once more, wherever it is asked for. Within the project it shows the pictures that are
/// evidence; elsewhere it has its own.
fn write_copy(
    ctx: &Ctx,
    outs: (Option<&Path>, Option<&Path>),
    view: CompareView<'_>,
    strips: &[Strip],
) -> Result<(), CommandError> {
    let kept = outs.0.and_then(|out| plots::kept(&ctx.project, out));
    let beside = if kept.is_some() { Vec::new() } else { plots::beside(outs.0, strips) };
    for plot in &beside {
        guard::guard_out_path(&ctx.project, &plot.path, &[])?;
    }
    let shown = match kept {
        Some(place) => view.plots.iter().map(|(metric, name)| (metric.clone(), format!("{place}{name}"))).collect(),
        None => plots::named(&beside),
    };
    let report = report::compare::markdown(&CompareView { plots: &shown, ..view });
    write_out(outs, view.comparison, &report, &beside)
}

/// `Wrote: P` for each file that was asked for, as the original; else the report.
fn answer(ctx: &Ctx, args: &CompareArgs, view: &CompareView<'_>) -> Result<Exit, CommandError> {
    let written: Vec<String> =
        args.out.iter().chain(&args.json_out).map(|out| format!("Wrote: {}", out.display())).collect();
    match ctx.format() {
        Some(Format::Json) => ctx.ui.answer(&failure::pretty(&serde_json::to_value(view.comparison)?))?,
        _ if !written.is_empty() => ctx.ui.answer(&written.join("\n"))?,
        Some(Format::Markdown) => ctx.ui.answer(&report::compare::markdown(view))?,
        None if !ctx.ui.answers_a_person() => ctx.ui.answer(&report::compare::markdown(view))?,
        _ => ctx.show(&report::compare::short(view))?,
    }
    Ok(if args.exit_code { exit_of(view.comparison.outcome) } else { Exit::Yes })
}

pub(crate) fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Pass => Exit::Yes,
        Outcome::Fail | Outcome::Invalid => Exit::No,
        Outcome::Inconclusive => Exit::NotYet,
    }
}
