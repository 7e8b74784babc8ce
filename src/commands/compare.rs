//! `compare`: judges after against before. For a change it uses the recorded snapshots and, if possible, pairs measured
//! now, and records the result; or it compares any two snapshot files, without a contract and without recording.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;

use crate::audit::evidence::Judgement;
use crate::commands::{
    BudgetArgs, Ctx, Pairing, Pending, calibrate, choose, collect, commit, evidence, pair, pairing, snapshot, sources,
};
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::judge::{Comparison, Settings, compare};
use crate::model::{
    Artifact, CommandLine, Compared, Contract, Digest, Fix, Gate, IngestError, Json, Kind, Outcome, PairSession,
    Snapshot, fix, hyperfine, ingest, text,
};
use crate::os::files;
use crate::report::{self, CompareView, Format, plot};
use crate::store::{EvidenceRole, Project, Record, atomic, guard};
use crate::workflow::{Change, gates};

#[derive(Debug, Default, Args)]
pub(crate) struct CompareArgs {
    /// Compare the recorded snapshots of this change [default, without --before and --after: as for other commands]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Snapshot file of the state before
    #[arg(long, value_name = "FILE", requires = "after")]
    before: Option<PathBuf>,
    /// Snapshot file of the state after
    #[arg(long, value_name = "FILE", requires = "before")]
    after: Option<PathBuf>,
    /// Write the markdown report to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the comparison as JSON to this file
    #[arg(long, value_name = "FILE")]
    json_out: Option<PathBuf>,
    /// Compare only the two snapshots, without measuring pairs
    #[arg(long)]
    no_pair: bool,
    /// Judge by the pairs in these files, what `pair --json-out` wrote on each machine, and measure none
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["before", "no_pair", "runs", "max_time"])]
    machines: Vec<PathBuf>,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Exit with 0 on pass, 1 on fail or invalid, 3 on inconclusive
    #[arg(long)]
    exit_code: bool,
}

impl CompareArgs {
    fn outs(&self) -> Outs<'_> {
        Outs { report: self.out.as_deref(), data: self.json_out.as_deref() }
    }
}

/// If the two named files are identical to a change's recorded snapshots, the comparison is recorded.
pub(crate) fn run(ctx: &Ctx, args: CompareArgs) -> Result<Exit> {
    if args.out.is_some() && args.out == args.json_out {
        return Err(trouble("--out and --json-out name the same file; give each its own"));
    }
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let (old, new) = on_two_cores(|| Input::read(before), || Input::read(after));
        let (old, new) = (old?, new?);
        if let Some(change) = owner(ctx, &args, &old.digest, &new.digest)? {
            return of_change(ctx, &change, &args);
        }
        if let Some(change) = owner(ctx, &args, &new.digest, &old.digest)? {
            let id = change.id();
            let what = format!("--before is the state after {id} and --after its baseline: they are swapped");
            // An unrecorded comparison must not have the name of an evidence file.
            let own = [EvidenceRole::CompareReport, EvidenceRole::CompareData]
                .map(|it| ctx.project.evidence_dir().join(it.file_name(id)));
            if args.out.iter().chain(&args.json_out).any(|out| own.iter().any(|own| is_same(out, own))) {
                return Err(trouble(what).fixed_by([Fix::next("", fix::on(id, "compare"))]));
            }
            ctx.ui.warn(&what);
        }
        return of_files(ctx, &args, &old, &new);
    }
    if !args.machines.is_empty() && args.change_id.is_none() {
        args.outs().guard(ctx, &args.machines.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        if args.out.is_some() {
            let message =
                "--out needs a change: without one there is a table and no report; --json-out keeps the joined pairs";
            return Err(trouble(message));
        }
        let session = pair::read_all(&args.machines)?;
        return pair::tell(ctx, args.json_out.as_deref(), &session, &calibrate::settings(ctx, None)?);
    }
    let id = choose::before_rollout(ctx, args.change_id.as_deref())?;
    let change = commit::load(ctx, &id)?;
    of_change(ctx, &change, &args)
}

/// The open change whose recorded states before and after these files are, if there is one.
fn owner(ctx: &Ctx, args: &CompareArgs, before: &Digest, after: &Digest) -> Result<Option<Change>> {
    let owns = |change: &Change| {
        let is_before = change.baseline.as_ref().is_some_and(|b| b.taken.snapshot.sha256 == *before);
        let is_after = change.after.as_ref().is_some_and(|a| a.taken.snapshot.sha256 == *after);
        change.is_open() && change.promotion.is_none() && is_before && is_after
    };
    if let Some(id) = &args.change_id {
        let change = commit::load(ctx, &choose::find(ctx, id)?)?;
        if owns(&change) {
            return Ok(Some(change));
        }
        return Err(trouble(format!("--before and --after are not the recorded snapshots of {id}"))
            .fixed_by([Fix::next("", CommandLine::tool("compare --change-id").word(id))]));
    }
    Ok(choose::unfinished(ctx)?.0.into_iter().filter_map(Record::into_change).find(owns))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| std::path::absolute(path).ok();
    full(one).is_some() && full(one) == full(other)
}

/// Prints `Wrote: P` for each requested file, as the Python tool does, and the report unless `--out` has it. With
/// `--format json`, only the comparison.
fn answer(ctx: &Ctx, args: &CompareArgs, view: &CompareView<'_>) -> Result<Exit> {
    let written = args.out.iter().chain(&args.json_out).map(|out| format!("Wrote: {}\n", out.display()));
    let mut written: String = written.collect();
    if args.out.is_none() && !written.is_empty() {
        written.insert_str(0, &report::compare::markdown(view));
    }
    let format = ctx.globals.format;
    if format == Some(Format::Json) {
        ctx.print(&serde_json::to_value(view.comparison)?)?;
    } else if !written.is_empty() {
        ctx.ui.answer(&written)?;
    } else if format == Some(Format::Markdown) || (format.is_none() && !ctx.ui.answers_a_person()) {
        ctx.ui.answer(&report::compare::markdown(view))?;
    } else {
        ctx.show(&report::compare::short(view))?;
    }
    Ok(match view.comparison.outcome {
        _ if !args.exit_code => Exit::Yes,
        Outcome::Pass => Exit::Yes,
        Outcome::Fail | Outcome::Invalid => Exit::No,
        Outcome::Inconclusive => Exit::NotYet,
    })
}

pub(crate) fn of_change(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<Exit> {
    let world = collect::world(ctx, change, Gate::Compare)?;
    commit::ask(ctx, change, gates::may_compare(change, &world))?;
    // The report in the evidence is written in any case.
    let own = ctx.project.evidence_dir().join(EvidenceRole::CompareReport.file_name(change.id()));
    let is_other_file = |out: &&Path| !is_same(out, &own);
    let outs = Outs { report: args.outs().report.filter(is_other_file), data: args.outs().data.filter(is_other_file) };
    outs.guard(ctx, &[])?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(trouble("the change has no snapshots to compare"));
    };
    let sides = [&baseline.taken.snapshot, &after.taken.snapshot];
    let [before, after] = [evidence::snapshot(ctx, sides[0])?, evidence::snapshot(ctx, sides[1])?];
    let settings = calibrate::settings(ctx, Some(&change.contract))?;
    let (pair, not_paired) = pairs(ctx, change, (&before, &after), &settings, args)?;
    let comparison = compare::compare(&before, &after, pair.as_ref(), &change.contract, &settings);
    let mut comparison = Comparison { not_paired, ..comparison };
    comparison.caveats.extend(sources::caveats(ctx, change, pair.as_ref().map_or(0, |pair| pair.continues.len()))?);
    let judged = Judgement { before, after, pair, comparison };

    let (id, mut files) = (change.id(), Vec::new());
    let mut inputs: Vec<Artifact> = sides.map(Clone::clone).to_vec();
    if let Some(pair) = &judged.pair {
        let pending = Pending { role: EvidenceRole::Pair, bytes: text::json(pair)? };
        inputs.push(pending.artifact(id));
        files.push(pending);
    }
    let svg = plot::picture(&judged);
    let svg_name = EvidenceRole::ComparePicture.file_name(id);
    files.extend(svg.clone().map(|svg| Pending { role: EvidenceRole::ComparePicture, bytes: svg.into_bytes() }));
    let view = CompareView::of(&judged, Some(change), &inputs, svg.as_ref().map(|_| svg_name.as_str()));
    let markdown = Pending { role: EvidenceRole::CompareReport, bytes: report::compare::markdown(&view).into_bytes() };
    let json = Pending { role: EvidenceRole::CompareData, bytes: text::json(view.comparison)? };
    let verdicts = compare::verdicts(&view.comparison.criteria).ok_or_else(|| trouble("the contract has no KPI"))?;
    let pair = inputs.get(2).cloned();
    let compared = Compared { markdown: markdown.artifact(id), json: json.artifact(id), pair, verdicts };
    files.extend([markdown, json]);
    let recorded = commit::commit(ctx, id, Kind::Compared(compared), &world, &files)?;

    // A copy within the project shows the evidence's picture; elsewhere it has its own.
    let evidence = outs.report.and_then(|out| to_evidence(&ctx.project, out));
    let kept = evidence.map(|place| format!("{place}{svg_name}"));
    outs.write(CompareView { picture: kept.as_deref().filter(|_| svg.is_some()), ..view }, svg.as_deref())?;
    let exit = answer(ctx, args, &view)?;
    if let Some(pair) = &judged.pair {
        snapshot::tell_if_none_ran(ctx, pair)?;
    }
    ctx.hint_next(&recorded)?;
    Ok(exit)
}

/// The error if only pairs could measure the change alone: others committed since the baseline, so the snapshots differ
/// by more than the change.
fn only_in_pairs(change: &Change, why: &str) -> CommandError {
    let message =
        "others committed since the baseline, so the change is measured on its commit and that commit's parent";
    let id = change.id();
    failed(format!("{message}, which failed: {why}")).fixed_by([
        Fix::next("after fixing that", fix::on(id, "compare")),
        Fix::or("start over on what is there now", fix::with_reason(id, "reject")),
        Fix::then("with the same contract", fix::start_from(id)),
    ])
}

/// The pairs of an inconclusive comparison, which are continued, and the largest number of pairs of one metric among
/// them.
fn pairs_to_continue(ctx: &Ctx, change: &Change) -> Result<Option<(PairSession, u32)>> {
    let open = change.comparison.as_ref().filter(|it| it.verdicts.overall() == Outcome::Inconclusive);
    let Some(bytes) = open.and_then(|it| it.pair.as_ref()).and_then(evidence::fetch(ctx)) else { return Ok(None) };
    let session = ingest::parse_pair(&bytes)?;
    let made = session.commands.iter().map(|it| it.pairs.len()).chain(session.kpis.iter().map(|it| it.pairs.len()));
    let made = made.max().and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
    Ok(made.filter(|_| session.others.is_empty()).map(|made| (session, made)))
}

fn pairs(
    ctx: &Ctx,
    change: &Change,
    sides: (&Snapshot, &Snapshot),
    settings: &Settings,
    args: &CompareArgs,
) -> Result<(Option<PairSession>, Option<String>)> {
    if !args.machines.is_empty() {
        return Ok((Some(pair::of_change(ctx, change, &args.machines)?), None));
    }
    let needed = change.commit_and_parent().is_some();
    let left_out = if args.no_pair {
        Some("--no-pair was given")
    } else {
        (!ctx.config()?.pair.enabled && !needed).then_some("the config says pair.enabled: false")
    };
    match left_out {
        Some(why) if needed => return Err(only_in_pairs(change, why)),
        Some(why) => return Ok((None, Some(why.to_owned()))),
        None => {}
    }
    let mut budget = args.budget.of(&collect::demanded(ctx)?)?;
    let prior = pairs_to_continue(ctx, change)?;
    if let Some((_, made)) = &prior {
        budget.max_pairs = args.budget.runs.unwrap_or(budget.max_pairs.max(made * 2));
        if budget.max_pairs <= *made {
            let message = format!("--pairs {}: that many are already measured and inconclusive", budget.max_pairs);
            let more = fix::on(change.id(), "compare").words(["--pairs".to_owned(), (made * 2).to_string()]);
            return Err(trouble(message).fixed_by([Fix::next("ask for more", more)]));
        }
    }
    let prior = prior.map(|(session, _)| session);
    match pairing::of_change(ctx, change, sides, settings, budget, prior)? {
        Pairing::Measured(session) => {
            pairing::warn(ctx, &session);
            Ok((Some(*session), None))
        }
        Pairing::Impossible(reason) | Pairing::SameCode(reason) if needed => Err(only_in_pairs(change, &reason)),
        Pairing::Impossible(reason) | Pairing::SameCode(reason) => {
            ctx.ui.warn(&format!("not measured in pairs: {reason}"));
            Ok((None, Some(reason)))
        }
    }
}

/// A snapshot file as it was named on the command line.
struct Input<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    digest: Digest,
}

impl<'a> Input<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let make = || Fix::next("take a snapshot, which prints its path", CommandLine::tool("snapshot"));
        let bytes = pair::read_or(path, make)?;
        Ok(Self { path, digest: Digest::of_bytes(&bytes), bytes })
    }

    /// The artifact of the file, with its name alone: no record has it, and a report must not disclose its path on this
    /// machine.
    fn named(&self) -> Artifact {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        Artifact { path: name.to_string_lossy().into_owned(), sha256: self.digest.clone() }
    }

    fn parse(&self) -> Result<Snapshot> {
        let wrong = |error: &dyn std::fmt::Display| trouble(format!("{}: {error}", self.path.display()));
        let label = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let written = std::fs::metadata(self.path).and_then(|file| file.modified()).map(DateTime::<Utc>::from)?;
        let json = Json::parse(&self.bytes).map_err(IngestError::from);
        if let Some(export) = json.as_ref().ok().and_then(|json| hyperfine::snapshot(&label, written, json)) {
            return export.map_err(|error| wrong(&error));
        }
        let make = Fix::next("write a snapshot file", CommandLine::tool("snapshot"));
        json.and_then(|json| ingest::snapshot(&json)).map_err(|error| wrong(&error).fixed_by([make]))
    }
}

fn on_two_cores<T: Send>(one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T) -> (T, T) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
    })
}

fn of_files(ctx: &Ctx, args: &CompareArgs, before: &Input<'_>, after: &Input<'_>) -> Result<Exit> {
    args.outs().guard(ctx, &[before.path, after.path])?;
    let (old, new) = on_two_cores(|| before.parse(), || after.parse());
    let (old, new) = (old?, new?);
    let comparison = compare::compare(&old, &new, None, &Contract::default(), &calibrate::settings(ctx, None)?);
    let judged = Judgement { before: old, after: new, pair: None, comparison };
    let inputs = [before.named(), after.named()];
    let view = CompareView::of(&judged, None, &inputs, None);
    args.outs().write(view, plot::picture(&judged).as_deref())?;
    answer(ctx, args, &view)
}

#[derive(Clone, Copy)]
struct Outs<'a> {
    report: Option<&'a Path>,
    data: Option<&'a Path>,
}

impl Outs<'_> {
    fn guard(self, ctx: &Ctx, inputs: &[&Path]) -> Result<()> {
        let picture = self.report.map(beside);
        for out in self.report.into_iter().chain(self.data).chain(picture.as_deref()) {
            guard::guard_out_path(&ctx.project, out, inputs)?;
        }
        Ok(())
    }

    /// Writes the requested files. If the view names no picture, the report gets this one beside it.
    fn write(self, view: CompareView<'_>, svg: Option<&str>) -> Result<()> {
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
fn to_evidence(project: &Project, out: &Path) -> Option<String> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = files::canonical(project.root()).ok()?;
    let parent = files::canonical(parent).ok()?;
    let depth = parent.strip_prefix(&root).ok()?.components().count();
    Some(format!("{}{}/", "../".repeat(depth), project.relative(&project.evidence_dir())))
}
