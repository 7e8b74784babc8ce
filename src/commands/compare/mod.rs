//! `compare`: judge after against before, for a change or for any two snapshot files.

mod files;
mod of_change;

pub(crate) use files::strips;
pub(crate) use of_change::of_change;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::{Ctx, Format, choose, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, CommandLine, Digest, Fix, Outcome, fix};
use crate::report::{self, CompareView};
use crate::store::Role;
use crate::workflow::Change;

/// Compare before and after, for a change or for any two snapshot files
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
    /// Maximum number of pairs [default: pair.max_pairs of the config]
    #[arg(long, value_name = "N", visible_alias = "pairs")]
    runs: Option<u32>,
    /// Start no further pair of a command after this many seconds [default: pair.max_time_s of the config]
    #[arg(long, value_name = "SECONDS")]
    max_time: Option<f64>,
    /// Exit with 0 on pass, 1 on fail or invalid, 3 on inconclusive
    #[arg(long)]
    exit_code: bool,
}

/// Two named files are a change's own evidence if their bytes are; then the comparison is recorded.
pub(crate) fn run(ctx: &Ctx, args: CompareArgs) -> Result<Exit, CommandError> {
    if args.out.is_some() && args.out == args.json_out {
        return Err(CommandError::trouble("--out and --json-out name the same file; give each its own"));
    }
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let (old, new) = (files::read(before)?, files::read(after)?);
        if let Some(change) = owner(ctx, &args, &old, &new)? {
            return of_change(ctx, &change, &args);
        }
        if let Some(change) = owner(ctx, &args, &new, &old)? {
            swapped(ctx, &change, &args)?;
        }
        return files::compare(ctx, &args, (before, &old), (after, &new));
    }
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let change = commit::load(ctx, &id)?;
    of_change(ctx, &change, &args)
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
            .fixed_by([Fix::next("", CommandLine::tool("compare --change-id").word(id))]));
    }
    Ok(choose::changes(ctx)?.0.into_iter().find(owns))
}

/// A comparison of a change's snapshots the wrong way round is nobody's evidence, so it cannot have the name of one.
fn swapped(ctx: &Ctx, change: &Change, args: &CompareArgs) -> Result<(), CommandError> {
    let id = change.id();
    let what = format!("--before is the state after {id} and --after its baseline: they are swapped");
    for role in [Role::CompareReport, Role::CompareData] {
        let own = ctx.project.evidence_dir().join(role.file_name(id.as_str())?);
        if args.out.iter().chain(&args.json_out).any(|out| is_same(out, &own)) {
            return Err(CommandError::trouble(what).fixed_by([Fix::next("", fix::on(id, "compare"))]));
        }
    }
    ctx.ui.warn(&what);
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| std::path::absolute(path).ok();
    full(one).is_some() && full(one) == full(other)
}

/// `Wrote: P` for each file that was asked for, as the original; else the report.
fn answer(ctx: &Ctx, args: &CompareArgs, view: &CompareView<'_>) -> Result<Exit, CommandError> {
    let written = args.out.iter().chain(&args.json_out).map(|out| format!("Wrote: {}\n", out.display()));
    let mut written: String = written.collect();
    if args.out.is_none() && !written.is_empty() {
        written.insert_str(0, &report::compare::markdown(view));
    }
    match ctx.format() {
        Some(Format::Json) => ctx.ui.answer(&failure::pretty(&serde_json::to_value(view.comparison)?))?,
        _ if !written.is_empty() => ctx.ui.answer(&written)?,
        Some(Format::Markdown) => ctx.ui.answer(&report::compare::markdown(view))?,
        None if !ctx.ui.answers_a_person() => ctx.ui.answer(&report::compare::markdown(view))?,
        Some(Format::Text | Format::Github | Format::Junit | Format::Html) | None => {
            ctx.show(&report::compare::short(view))?
        }
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
