//! `change verify` and `verify`: may the change be called verified? With `--apply`, call it so.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{ChangeArg, Ctx, collect, commit, delta, evidence, parse, uncommitted};
use crate::error::{CommandError, Result};
use crate::exit::Exit;
use crate::model::text::few;
use crate::model::{Kind, Proposed};
use crate::report;
use crate::store::RecordError;
use crate::workflow::{Change, Demand, End, Reason, Refusal, gates, window};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Require this many days of monitoring; can raise what the config requires, never lower it
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    min_monitor_days: i64,
    /// Require a clean work tree
    #[arg(long)]
    require_clean_git: bool,
    /// Summary of what was observed; required with --apply
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "", hide_default_value = true)]
    summary: String,
    /// Mark the change verified if every demand is met
    #[arg(long)]
    apply: bool,
}

/// Exit 0 when every demand holds, 3 when only time is missing, 1 otherwise.
pub(crate) fn run(ctx: &Ctx, args: VerifyArgs) -> Result<Exit> {
    let id = match args.change.choose_monitored(ctx) {
        Ok(id) => id,
        Err(error) => {
            if let Some(answer) = unknown(&error).filter(|_| ctx.globals.format.is_none() && ctx.json(true)) {
                ctx.print(&answer)?;
            }
            return Err(error);
        }
    };
    let summary = parse::prose("--summary", &args.summary)?;
    let change = commit::load(ctx, &id)?;
    if let Some(legacy) =
        commit::legacy(ctx, &id)?.filter(|it| !it.is_planned() && ctx.globals.format.is_none() && ctx.json(true))
    {
        ctx.print(&report::show::verify_failed(id.as_str(), &legacy.sentence()))?;
    }
    commit::provable(ctx, &change)?;
    evidence::check_record(ctx, &change)?;
    if let Some(End::Verified { .. }) = &change.end {
        return audit(ctx, &change, args.apply);
    }
    let days = u32::try_from(args.min_monitor_days).unwrap_or(0);
    let world = collect::for_verification(ctx, &change, days, args.require_clean_git)?;
    let world = collect::effect(ctx, &change, world)?;
    let demands = window::demands(&change, &world, ctx.now());
    let warnings = warnings(ctx, &change);
    let event = Kind::Verified { summary };
    if let Err(refusal) = gates::check(&change, &event, &world, ctx.now()) {
        let by_demands = matches!(refusal.missing, Reason::Unverified { .. });
        // A dry run is not refused for a summary that only `--apply` needs.
        if !(by_demands || (!args.apply && refusal.missing == Reason::Summary)) {
            answer_refused(ctx, &change, (&refusal, &demands), args.apply)?;
            let proposed = Proposed { verify: args.apply, ..Proposed::default() };
            return Err(CommandError::refused(refusal, Some(&change)).proposing(proposed));
        }
        if by_demands {
            let exit = CommandError::refused(refusal, Some(&change)).exit();
            show(ctx, &change, (&demands, &warnings), args.apply.then_some(false))?;
            return Ok(exit);
        }
    }
    if !args.apply {
        show(ctx, &change, (&demands, &warnings), None)?;
        return Ok(Exit::Yes);
    }
    let change = commit::commit(ctx, &id, event, &world, &[])?;
    show(ctx, &change, (&demands, &warnings), Some(true))?;
    ctx.advise(&uncommitted::steps(ctx, &change));
    Ok(Exit::Yes)
}

/// The original's answer about a change that there is not; `None` for any other error.
pub(crate) fn unknown(error: &CommandError) -> Option<Value> {
    let CommandError::Trouble { error, .. } = error else { return None };
    let Some(RecordError::Unknown { id, path }) = error.downcast_ref() else { return None };
    Some(report::show::verify_failed(id, &format!("change record not found: {}", path.display())))
}

/// Scripts of the original read its answer in a pipe, whatever the reason; `--format json` gets the refusal itself.
fn answer_refused(ctx: &Ctx, change: &Change, (refusal, demands): (&Refusal, &[Demand]), apply: bool) -> Result<()> {
    if ctx.globals.format.is_some() || !ctx.json(true) {
        return Ok(());
    }
    let answer = report::show::verify_refused(change, refusal, demands, apply, &ctx.fix_context());
    ctx.print(&answer)
}

/// A change that is already verified: is its evidence still what it was?
fn audit(ctx: &Ctx, change: &Change, apply: bool) -> Result<Exit> {
    let (faults, reproduced) = collect::proof(ctx, change)?;
    let demands = vec![
        Demand { met: faults.is_empty(), kind: window::DemandKind::Artifacts { faults } },
        Demand { met: reproduced, kind: window::DemandKind::Reproduced },
    ];
    show(ctx, change, (&demands, &warnings(ctx, change)), apply.then_some(false))?;
    Ok(if demands.iter().all(|demand| demand.met) { Exit::Yes } else { Exit::No })
}

/// What the monitored days leave unjudged, and that other code is here than was measured last. Evidence that is not there
/// any more is reported by the demands.
pub(crate) fn warnings(ctx: &Ctx, change: &Change) -> Vec<String> {
    let mut warnings = evidence::unjudged(ctx, change).map(|it| report::day::unjudged(&it)).unwrap_or_default();
    let last =
        change.ticks.last().map(|tick| &tick.taken.revision).filter(|last| change.is_open() && last.code.is_some());
    let moved = last.filter(|last| delta::revision(ctx).is_ok_and(|here| !here.same_code(last)));
    warnings.extend(moved.map(|last| {
        let files = uncommitted::differing(ctx, last).unwrap_or_default();
        let named = if files.is_empty() { String::new() } else { format!(": {}", few(&files)) };
        format!("the code here is not what was measured last, at {}{named}", last.short())
    }));
    warnings
}

/// The original's JSON in a pipe, the list of demands on a terminal.
fn show(ctx: &Ctx, change: &Change, (demands, warnings): (&[Demand], &[String]), applied: Option<bool>) -> Result<()> {
    for warning in warnings {
        ctx.ui.warn(warning);
    }
    let mut answer = report::show::verify(change, demands, warnings, applied);
    answer["demands"] = json!(demands);
    ctx.answer(true, &answer, &report::show::demands(change, demands, applied, &ctx.fix_context()))?;
    Ok(())
}
