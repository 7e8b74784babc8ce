//! The verbs that record a person's decision or observation: `change promote`, `hold`, `reject`, `resolve`, `note`,
//! `follow-up` and `verify` (checks whether a change can be verified and, with `--apply`, records it). A promotion has
//! no override.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use crate::audit::FindingKind;
use crate::commands::{
    ChangeArg, Ctx, Pending, Spinner, choose, collect, commit, delta, demands, evidence, monitor, parse, relink,
    rollout, status, uncommitted, validate,
};
use crate::config::Config;
use crate::error::{CommandError, Exit, Result};
use crate::git::Reverted;
use crate::model::{ChangeId, Class, Fix, Gate, Kind, Promotion, Proposed, Rehearsal, few};
use crate::os::files;
use crate::report;
use crate::store::{EvidenceRole, RecordError};
use crate::workflow::{Change, Demand, End, Reason, Refusal, World, gates, watch, window};

// A decision and its reason.
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArg,
    /// Reason, kept in the record
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Text of the note
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,
}

#[derive(Debug, Args)]
pub(crate) struct FollowUpArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Change that moves the override into a tuneable or into code
    #[arg(long, value_name = "ID")]
    by: String,
}

pub(crate) fn hold(ctx: &Ctx, args: DecisionArgs) -> Result<Exit> {
    end(ctx, &args, |reason| Kind::Held { reason })
}

pub(crate) fn reject(ctx: &Ctx, args: DecisionArgs) -> Result<Exit> {
    end(ctx, &args, |reason| Kind::Rejected { reason })
}

/// Ends a change by a decision with a reason, and shows what remains to do, since no later step would.
fn end(ctx: &Ctx, args: &DecisionArgs, event: fn(String) -> Kind) -> Result<Exit> {
    let event = event(parse::prose("--reason", &args.reason)?);
    let change = commit::record(ctx, &args.change.choose(ctx)?, event)?;
    let exit = status::state(ctx, &change)?;
    rollout::hint_left(ctx, &change);
    Ok(exit)
}

/// Exits with 1 if no alarm is open or no reason is given.
pub(crate) fn resolve(ctx: &Ctx, args: DecisionArgs) -> Result<Exit> {
    let reason = parse::prose("--reason", &args.reason)?;
    let id = args.change.choose_monitored(ctx)?;
    let change = commit::load(ctx, &id)?;
    let kpi_lost = watch::lost(&change, &evidence::days(ctx, &change).unwrap_or_default());
    let world = World { kpi_lost, ..World::default() };
    status::state(ctx, &commit::commit(ctx, &id, Kind::AlarmResolved { reason }, &world, &[])?)
}

pub(crate) fn note(ctx: &Ctx, args: NoteArgs) -> Result<Exit> {
    let text = parse::required("the note", &args.text)?;
    status::state(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Noted { text })?)
}

/// Requires only that the other change exists; verification requires that it was promoted.
pub(crate) fn follow_up(ctx: &Ctx, args: FollowUpArgs) -> Result<Exit> {
    let id = args.change.choose_monitored(ctx)?;
    let by = choose::find(ctx, &args.by)?;
    let other = commit::load(ctx, &by)?;
    let proven = matches!(other.opened.class, Class::Tuneable | Class::Code);
    // A change from before the emergency cannot be its follow-up.
    if !proven || other.opened_at < commit::load(ctx, &id)?.opened_at {
        return Err(CommandError::refused(Refusal::new(Gate::Verify, Reason::FollowUp), None));
    }
    status::state(ctx, &commit::record(ctx, &id, Kind::FollowedUp { by })?)
}

/// Exits with 0 when promoted, 1 when refused, 3 when refused only because a verdict is inconclusive.
pub(crate) fn promote(ctx: &Ctx, id: &ChangeId) -> Result<Exit> {
    let change = commit::load(ctx, id)?;
    evidence::check_record(ctx, &change)?;
    let demanded = collect::demanded(ctx)?;
    let policy = collect::policy_of(&demanded);
    let world = World { policy, ..collect::world(ctx, &change, Gate::Decide)? };
    commit::ask(ctx, &change, gates::may_promote(&change, &world))?;
    ctx.ui.status("rehearsing the rollback in a scratch worktree");
    let rehearsal = rehearse(ctx, &demanded, &change)?;
    let note = report::rollback::note(&change, &rehearsal);
    let pending = Pending { role: EvidenceRole::Rollback, bytes: note.into_bytes() };
    let promotion = Promotion { rehearsal, policy: world.policy.clone(), note: pending.artifact(change.id()) };
    let change = commit::commit(ctx, change.id(), Kind::Promoted(promotion), &world, &[pending])?;
    // What was promoted by its content is found by its commit from here on.
    status::state(ctx, &relink::again(ctx, change)?)
}

/// Reverts the change's commits in a scratch worktree at HEAD and, if the config says so, runs the project's checks on
/// the result.
fn rehearse(ctx: &Ctx, config: &Config, change: &Change) -> Result<Rehearsal> {
    let newest_first: Vec<String> = change.commits().into_iter().rev().collect();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else { return Ok(Rehearsal::NotApplicable) };
    let Some(head) = repo.head()?.at else { return Ok(Rehearsal::NotApplicable) };
    let project = files::path_from_bytes(repo.prefix());
    let mut checked = Ok(Vec::new());
    let reverted = repo.rehearse_revert(&head.commit, &newest_first, &mut |root: &Path| {
        if config.validation.rehearse_checks {
            checked = validate::run_commands(ctx, config, &root.join(&project), &mut Spinner::new(&ctx.ui));
        }
    })?;
    let failed = checked?.into_iter().filter(|check| !check.passed).map(|check| check.name);
    let names: Vec<String> = failed.collect();
    Ok(match reverted {
        Reverted::Applies { .. } if !names.is_empty() => Rehearsal::ChecksFail { names },
        Reverted::Applies { .. } => Rehearsal::Applies { commits: newest_first },
        Reverted::Conflicts { paths, .. } => {
            let shown = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned());
            Rehearsal::Conflicts { paths: shown.collect() }
        }
        // The change was reverted already: there is nothing left to roll back.
        Reverted::Nothing => Rehearsal::Conflicts { paths: Vec::new() },
    })
}

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

/// Exits with 0 if every demand is met, 3 if only time is missing, else with 1.
pub(crate) fn verify(ctx: &Ctx, args: VerifyArgs) -> Result<Exit> {
    let id =
        args.change.choose_monitored(ctx).map_err(|error| match unknown(&error).map(|it| ctx.print_piped(&it)) {
            Some(Err(unprinted)) => unprinted,
            Some(Ok(())) | None => error,
        })?;
    let summary = parse::prose("--summary", &args.summary)?;
    let change = commit::load(ctx, &id)?;
    if let Some(legacy) = commit::legacy(ctx, &id)?.filter(|it| !it.is_planned()) {
        ctx.print_piped(&report::show::verify_answer(id.as_str(), &[legacy.sentence()], &[], None))?;
    }
    commit::provable(ctx, &change)?;
    evidence::check_record(ctx, &change)?;
    if let Some(End::Verified { .. }) = &change.end {
        return audit(ctx, &change, args.apply);
    }
    let days = u32::try_from(args.min_monitor_days).unwrap_or(0);
    let world = collect::for_verification(ctx, &change, days, args.require_clean_git)?;
    let demands = window::demands(&change, &world, ctx.now());
    let warnings = warnings(ctx, &change);
    let event = Kind::Verified { summary };
    if let Err(refusal) = gates::check(&change, &event, &world, ctx.now()) {
        let by_demands = matches!(refusal.missing, Reason::Unverified { .. });
        // A dry run is not refused for a missing summary, which only `--apply` needs.
        if !(by_demands || (!args.apply && refusal.missing == Reason::Summary)) {
            let fixes = ctx.fix_context();
            ctx.print_piped(&report::show::verify_refused(&change, &refusal, &demands, args.apply, &fixes))?;
            let proposed = Proposed { verify: args.apply, ..Proposed::default() };
            return Err(CommandError::refused(refusal, Some(&change)).proposing(proposed));
        }
        if by_demands {
            let exit = CommandError::refused(refusal, Some(&change)).exit();
            show(ctx, &change, (&demands, &warnings), args.apply.then_some(false))?;
            return Ok(exit);
        }
    }
    let change = if args.apply { commit::commit(ctx, &id, event, &world, &[])? } else { change };
    show(ctx, &change, (&demands, &warnings), args.apply.then_some(true))?;
    if args.apply {
        ctx.advise(&uncommitted::steps(ctx, &change));
    }
    Ok(Exit::Yes)
}

/// The Python tool's answer about an unknown change; `None` for any other error.
pub(crate) fn unknown(error: &CommandError) -> Option<Value> {
    let CommandError::Trouble { error, .. } = error else { return None };
    let Some(RecordError::Unknown { id, path }) = error.downcast_ref() else { return None };
    Some(report::show::verify_answer(id, &[format!("change record not found: {}", path.display())], &[], None))
}

fn audit(ctx: &Ctx, change: &Change, apply: bool) -> Result<Exit> {
    let (faults, reproduced) = collect::proof(ctx, change)?;
    let demands = vec![
        Demand { met: faults.is_empty(), kind: window::DemandKind::Artifacts { faults } },
        Demand { met: reproduced, kind: window::DemandKind::Reproduced },
    ];
    show(ctx, change, (&demands, &warnings(ctx, change)), apply.then_some(false))?;
    Ok(if demands.iter().all(|demand| demand.met) { Exit::Yes } else { Exit::No })
}

/// Warnings about what the monitored days leave unjudged, and about code here that differs from the code measured last.
/// Missing evidence is reported by the demands.
pub(crate) fn warnings(ctx: &Ctx, change: &Change) -> Vec<String> {
    let mut warnings = evidence::unjudged(ctx, change).map(|it| report::day::unjudged(&it)).unwrap_or_default();
    if let (Ok(Some(history)), Ok(policy)) = (ctx.history(), ctx.config().and_then(demands::here)) {
        let days = monitor::unwitnessed(&history, (&policy, "HEAD"), change);
        warnings.extend(days.into_iter().map(|(why, days)| FindingKind::DaysUnwitnessed { days, why }.to_string()));
    }
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

/// Prints the Python tool's JSON in a pipe, the list of demands on a terminal.
fn show(
    ctx: &Ctx,
    change: &Change,
    (demands, warnings): (&[Demand], &[String]),
    applied: Option<bool>,
) -> Result<Exit> {
    for warning in warnings {
        ctx.ui.warn(warning);
    }
    let mut answer = report::show::verify(change, demands, warnings, applied);
    answer["demands"] = json!(demands);
    let unmet = demands.iter().filter(|demand| !demand.met);
    let fixes: Vec<Fix> = unmet.flat_map(|demand| demand.fixes(change, &ctx.fix_context())).collect();
    answer["next"] = json!(fixes.iter().filter_map(Fix::command).collect::<Vec<_>>());
    answer["fixes"] = json!(fixes);
    ctx.answer(true, &answer, &report::show::demands(change, demands, applied, &ctx.fix_context()))
}
