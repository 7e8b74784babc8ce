//! `change verify` and `verify`: may the change be called verified? With `--apply`, call it so.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, choose, commit, delta, evidence, failure, parse, policy, watching};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{Class, Policy};
use crate::report;
use crate::store::Record;
use crate::store::record::read;
use crate::workflow::{Change, Command, Demand, End, Missing, Refusal, VerifyFacts, decide, replay, window};

/// Ask whether a change may be called verified, and with --apply call it so
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Demand this many days of monitoring; may raise what the config demands, never lower it
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    min_monitor_days: i64,
    /// Demand that nothing lies uncommitted
    #[arg(long)]
    require_clean_git: bool,
    /// What was observed; needed with --apply
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    summary: String,
    /// Record the change as verified if every demand holds
    #[arg(long)]
    apply: bool,
}

/// Exit 0 when every demand holds, 3 when only time is missing, 1 otherwise.
pub fn run(ctx: &Ctx, args: VerifyArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let summary = parse::prose("--summary", &args.summary)?;
    let change = commit::load(ctx, &id)?;
    evidence::lawful(ctx, &change)?;
    if let Some(End::Verified { .. }) = &change.end {
        return audit(ctx, &change, args.apply);
    }
    let facts = facts(ctx, &change, &args)?;
    let demands = window::demands(&change, &facts, ctx.now());
    let command = Command::Verify { summary: summary.clone(), facts };
    if let Err(refusal) = decide::decide(&change, &command, ctx.now()) {
        let by_demands = matches!(refusal.missing, Missing::Unverified { .. });
        // A dry run is not refused for a summary that only `--apply` needs.
        if !(by_demands || (!args.apply && refusal.missing == Missing::Summary)) {
            answer_refused(ctx, &change, (&refusal, &demands), args.apply)?;
            return Err(CommandError::refused(refusal, Some(&change)));
        }
        if by_demands {
            let exit = CommandError::refused(refusal, Some(&change)).exit();
            show(ctx, &change, &demands, args.apply.then_some(false))?;
            return Ok(exit);
        }
    }
    if !args.apply {
        show(ctx, &change, &demands, None)?;
        return Ok(Exit::Yes);
    }
    let change = commit::commit(ctx, &id, &command, &[])?;
    show(ctx, &change, &demands, Some(true))?;
    Ok(Exit::Yes)
}

/// Scripts of the original read its answer in a pipe, whatever the reason; `--format json` gets the refusal itself.
fn answer_refused(
    ctx: &Ctx,
    change: &Change,
    (refusal, demands): (&Refusal, &[Demand]),
    apply: bool,
) -> Result<(), CommandError> {
    if ctx.format().is_some() || !ctx.json(true) {
        return Ok(());
    }
    let answer = report::v1::verify_refused(change, refusal, demands, apply);
    Ok(ctx.ui.answer(&failure::pretty(&answer))?)
}

/// A change that is already verified: is its evidence still what it was?
fn audit(ctx: &Ctx, change: &Change, apply: bool) -> Result<Exit, CommandError> {
    let faults = evidence::faults(ctx, change)?;
    let reproduced = faults.is_empty() && evidence::reproduced(ctx, change)?;
    let demands = vec![
        Demand { met: faults.is_empty(), kind: window::DemandKind::Artifacts { faults } },
        Demand { met: reproduced, kind: window::DemandKind::Reproduced },
    ];
    show(ctx, change, &demands, apply.then_some(false))?;
    Ok(if demands.iter().all(|demand| demand.met) { Exit::Yes } else { Exit::No })
}

/// What verification has to know of the world.
fn facts(ctx: &Ctx, change: &Change, args: &VerifyArgs) -> Result<VerifyFacts, CommandError> {
    let demanded = u32::try_from(args.min_monitor_days).unwrap_or(0);
    gather(ctx, change, demanded, args.require_clean_git)
}

/// As [`facts`], for other commands too.
pub(crate) fn gather(ctx: &Ctx, change: &Change, days: u32, clean: bool) -> Result<VerifyFacts, CommandError> {
    let mut policy: Policy = policy::in_force(ctx)?;
    policy.min_monitor_days = policy.min_monitor_days.max(days);
    let faults = evidence::faults(ctx, change)?;
    let reproduced = faults.is_empty() && evidence::reproduced(ctx, change)?;
    let clean_wanted = clean || ctx.config()?.verification.require_clean_git;
    let clean_git = if clean_wanted { Some(delta::revision(ctx)?.is_settled()) } else { None };
    Ok(VerifyFacts { policy, faults, reproduced, clean_git, follow_up_promoted: follow_up_promoted(ctx, change)? })
}

fn follow_up_promoted(ctx: &Ctx, change: &Change) -> Result<bool, CommandError> {
    let Some(id) = &change.follow_up else { return Ok(false) };
    match read::one(&ctx.project, id)? {
        Record::Tracked(by) => {
            // One that was there before took nothing over.
            let later = by.opened_at >= change.opened_at;
            let proper = later && matches!(by.opened.class, Class::Tuneable | Class::Code);
            let ended = matches!(by.end, Some(End::RolledBack | End::Rejected { .. }));
            if !proper || by.promotion.is_none() || ended || replay::check(&by.events).is_err() {
                return Ok(false);
            }
            // It stands for a whole proof, so its own has to be whole.
            Ok(evidence::faults(ctx, &by)?.is_empty() && evidence::reproduced(ctx, &by)?)
        }
        Record::Legacy(_) => Ok(false),
    }
}

/// What the monitored days leave unjudged. Evidence that is not there any more is told by the demands.
pub(crate) fn warnings(ctx: &Ctx, change: &Change) -> Vec<String> {
    watching::unjudged(ctx, change).map(|unjudged| report::day::unjudged(&unjudged)).unwrap_or_default()
}

/// The original's JSON in a pipe, the list of demands on a terminal.
fn show(ctx: &Ctx, change: &Change, demands: &[Demand], applied: Option<bool>) -> Result<(), CommandError> {
    let warnings = warnings(ctx, change);
    for warning in &warnings {
        ctx.ui.warn(warning);
    }
    if ctx.json(true) {
        let mut answer = match applied {
            None => report::v1::verify_dry_run(change, demands, &warnings),
            Some(applied) => report::v1::verify_apply(change, demands, &warnings, applied),
        };
        answer["demands"] = json!(demands);
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::verify::document(change, demands, applied, ctx.keys()))?;
    }
    Ok(())
}
