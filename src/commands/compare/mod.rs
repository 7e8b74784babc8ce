//! `compare`: judges after against before. For a change it uses the recorded snapshots and, if possible, pairs measured
//! now, and records the result; or it compares any two snapshot files.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::compare::files::{Input, Outs};
use crate::commands::{
    BudgetArgs, Ctx, Pairing, Pending, calibrate, choose, collect, commit, evidence, pair, pairing, snapshot, sources,
};
use crate::error::{CommandError, Exit, Result, failed, trouble};
use crate::judge::{Settings, compare};
use crate::model::{
    ChangeId, CommandLine, Compared, Digest, Fix, Gate, Kind, Outcome, PairSession, Snapshot, fix, ingest, text,
};
use crate::report::{self, CompareView, Format, plot};
use crate::store::{Record, Role};
use crate::workflow::{Change, gates};

mod files;

pub(crate) use files::strips;

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

/// If the two named files are identical to a change's recorded snapshots, the comparison is recorded.
pub(crate) fn run(ctx: &Ctx, args: CompareArgs) -> Result<Exit> {
    if args.out.is_some() && args.out == args.json_out {
        return Err(trouble("--out and --json-out name the same file; give each its own"));
    }
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let (old, new) = Input::read_both(before, after)?;
        if let Some(change) = owner(ctx, &args, &old.digest, &new.digest)? {
            return of_change(ctx, &change, &args);
        }
        if let Some(change) = owner(ctx, &args, &new.digest, &old.digest)? {
            let id = change.id();
            let what = format!("--before is the state after {id} and --after its baseline: they are swapped");
            // An unrecorded comparison must not have the name of an evidence file.
            let own =
                [Role::CompareReport, Role::CompareData].map(|it| ctx.project.evidence_dir().join(it.file_name(id)));
            if args.out.iter().chain(&args.json_out).any(|out| own.iter().any(|own| is_same(out, own))) {
                return Err(trouble(what).fixed_by([Fix::next("", fix::on(id, "compare"))]));
            }
            ctx.ui.warn(&what);
        }
        return files::compare(ctx, &args, &old, &new);
    }
    if !args.machines.is_empty() && args.change_id.is_none() {
        let inputs: Vec<&Path> = args.machines.iter().map(PathBuf::as_path).collect();
        Outs { report: args.out.as_deref(), data: args.json_out.as_deref() }.guard(ctx, &inputs)?;
        if args.out.is_some() {
            let message = "--out: without a change there is a table, and no report; --json-out keeps the joined pairs";
            return Err(trouble(message));
        }
        let session = files::read_pairs(&args.machines)?;
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
        let change = commit::load(ctx, &id.parse::<ChangeId>()?)?;
        if owns(&change) {
            return Ok(Some(change));
        }
        return Err(trouble(format!("--before and --after are not the recorded snapshots of {id}"))
            .fixed_by([Fix::next("", CommandLine::tool("compare --change-id").word(id))]));
    }
    Ok(choose::unsettled(ctx)?.0.into_iter().filter_map(Record::into_change).find(owns))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| std::path::absolute(path).ok();
    full(one).is_some() && full(one) == full(other)
}

/// Prints `Wrote: P` for each requested file, as the Python tool does; else the report.
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
    Ok(if args.exit_code { exit_of(view.comparison.outcome) } else { Exit::Yes })
}

pub(crate) fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Pass => Exit::Yes,
        Outcome::Fail | Outcome::Invalid => Exit::No,
        Outcome::Inconclusive => Exit::NotYet,
    }
}

pub(crate) fn of_change(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<Exit> {
    let world = collect::world(ctx, change, Gate::Compare)?;
    commit::ask(ctx, change, gates::may_compare(change, &world))?;
    // The report in the evidence is written in any case.
    let own = ctx.project.evidence_dir().join(Role::CompareReport.file_name(change.id()));
    let copy = |out: &&Path| !is_same(out, &own);
    let outs = Outs { report: args.out.as_deref().filter(copy), data: args.json_out.as_deref().filter(copy) };
    outs.guard(ctx, &[])?;
    let (Some(baseline), Some(after)) = (&change.baseline, &change.after) else {
        return Err(trouble("the change has no snapshots to compare"));
    };
    let old = evidence::snapshot(ctx, &baseline.taken.snapshot)?;
    let new = evidence::snapshot(ctx, &after.taken.snapshot)?;
    let settings = calibrate::settings(ctx, Some(&change.contract))?;
    let (pair, not_paired) = pairs(ctx, change, (&old, &new), &settings, args)?;
    let mut comparison = compare::compare(&old, &new, pair.as_ref(), &change.contract, &settings);
    comparison.not_paired = not_paired;
    comparison.caveats.extend(sources::caveats(ctx, change, pair.as_ref().map_or(0, |pair| pair.continues.len()))?);

    let (id, mut files) = (change.id(), Vec::new());
    let mut inputs = vec![baseline.taken.snapshot.clone(), after.taken.snapshot.clone()];
    if let Some(pair) = &pair {
        let pending = Pending { role: Role::Pair, bytes: text::json(pair)? };
        inputs.push(pending.artifact(id));
        files.push(pending);
    }
    let svg = plot::svg(&files::strips(&comparison, (&old, &new), pair.as_ref()));
    let svg_name = Role::ComparePicture.file_name(id);
    files.extend(svg.clone().map(|svg| Pending { role: Role::ComparePicture, bytes: svg.into_bytes() }));
    let view = CompareView {
        comparison: &comparison,
        change: Some((id, &change.opened.title)),
        pair: pair.as_ref(),
        machine: new.machine.as_ref(),
        inputs: &inputs,
        picture: svg.as_ref().map(|_| svg_name.as_str()),
    };
    let markdown = Pending { role: Role::CompareReport, bytes: report::compare::markdown(&view).into_bytes() };
    let json = Pending { role: Role::CompareData, bytes: text::json(&comparison)? };
    let compared = Compared {
        markdown: markdown.artifact(id),
        json: json.artifact(id),
        pair: inputs.get(2).cloned(),
        verdicts: compare::verdicts(&comparison.criteria).ok_or_else(|| trouble("the contract has no KPI"))?,
    };
    files.extend([markdown, json]);
    let change = commit::commit(ctx, id, Kind::Compared(compared), &world, &files)?;

    // A copy within the project shows the evidence's picture; elsewhere it has its own.
    let evidence = outs.report.and_then(|out| files::to_evidence(&ctx.project, out));
    let kept = evidence.map(|place| format!("{place}{svg_name}"));
    outs.write(CompareView { picture: kept.as_deref().filter(|_| svg.is_some()), ..view }, svg.as_deref())?;
    let exit = answer(ctx, args, &view)?;
    if let Some(pair) = &pair {
        snapshot::tell_if_none_ran(ctx, pair)?;
    }
    ctx.hint_next(&change)?;
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

/// The pairs of an undecided comparison, which are continued, and the largest number of pairs of one metric among them.
fn undecided(ctx: &Ctx, change: &Change) -> Result<Option<(PairSession, u32)>> {
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
        return Ok((Some(files::pairs_of_change(ctx, change, &args.machines)?), None));
    }
    let needed = change.commit_and_parent().is_some();
    if args.no_pair {
        if needed {
            return Err(only_in_pairs(change, "--no-pair was given"));
        }
        return Ok((None, Some("--no-pair was given".to_owned())));
    }
    if !ctx.config()?.pair.enabled && !needed {
        return Ok((None, Some("the config says pair.enabled: false".to_owned())));
    }
    let mut budget = args.budget.of(&collect::demanded(ctx)?)?;
    let prior = undecided(ctx, change)?;
    if let Some((_, made)) = &prior {
        budget.max_pairs = args.budget.runs.unwrap_or(budget.max_pairs.max(made * 2));
        if budget.max_pairs <= *made {
            let message = format!("--pairs {}: so many are measured already, and decided nothing", budget.max_pairs);
            let more = fix::on(change.id(), "compare").words(["--pairs".to_owned(), (made * 2).to_string()]);
            return Err(trouble(message).fixed_by([Fix::next("go on to more", more)]));
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
