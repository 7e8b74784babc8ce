//! The verbs that record what a person decided or found out: `change promote`, `hold`, `reject`, `resolve`, `note` and
//! `follow-up`. A promotion has no override.

use std::path::Path;

use clap::Args;

use crate::commands::{
    Bar, ChangeArg, Ctx, Pending, choose, collect, commit, evidence, parse, rollout, status, validate,
};
use crate::config::Config;
use crate::error::{CommandError, Result};
use crate::exit::Exit;
use crate::git::Reverted;
use crate::model::{Gate, Kind, Promotion, Rehearsal};
use crate::os::files;
use crate::report;
use crate::store::Role;
use crate::workflow::{Change, Reason, Refusal, World, gates};

// A decision and its reason.
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Reason, kept in the record
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: String,
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
    let reason = parse::prose("--reason", &args.reason)?;
    ended(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Held { reason })?)
}

pub(crate) fn reject(ctx: &Ctx, args: DecisionArgs) -> Result<Exit> {
    let reason = parse::prose("--reason", &args.reason)?;
    ended(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Rejected { reason })?)
}

/// What an end leaves to do: nothing comes after it that would say so.
fn ended(ctx: &Ctx, change: &Change) -> Result<Exit> {
    let exit = status::state(ctx, change)?;
    rollout::hint_left(ctx, change);
    Ok(exit)
}

/// Exit 1 when no alarm is open or no reason is given.
pub(crate) fn resolve(ctx: &Ctx, args: DecisionArgs) -> Result<Exit> {
    let reason = parse::prose("--reason", &args.reason)?;
    status::state(ctx, &commit::record(ctx, &args.change.choose_monitored(ctx)?, Kind::AlarmResolved { reason })?)
}

/// Ended changes take notes too.
pub(crate) fn note(ctx: &Ctx, args: NoteArgs) -> Result<Exit> {
    let text = parse::required("the note", &args.text)?;
    status::state(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Noted { text })?)
}

/// The other change has to exist; that it was promoted is demanded at verification.
pub(crate) fn follow_up(ctx: &Ctx, args: FollowUpArgs) -> Result<Exit> {
    let id = args.change.choose_monitored(ctx)?;
    let by = choose::find(ctx, &args.by)?;
    // What there was before the emergency did not come of it.
    if commit::load(ctx, &by)?.opened_at < commit::load(ctx, &id)?.opened_at {
        return Err(CommandError::refused(Refusal::new(Gate::Verify, Reason::FollowUp), None));
    }
    status::state(ctx, &commit::record(ctx, &id, Kind::FollowedUp { by })?)
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    change: ChangeArg,
}

/// Exit 0 when promoted, 1 when refused, 3 when refused only because a verdict is inconclusive.
pub(crate) fn promote(ctx: &Ctx, args: PromoteArgs) -> Result<Exit> {
    let change = args.change.load(ctx)?;
    evidence::check_record(ctx, &change)?;
    let demanded = collect::demanded(ctx)?;
    let policy = collect::policy_of(&demanded);
    let world = World { policy, ..collect::world(ctx, &change, Gate::Decide)? };
    commit::ask(ctx, &change, gates::may_promote(&change, &world))?;
    ctx.ui.status("rehearsing the rollback in a scratch worktree");
    let rehearsal = rehearse(ctx, &demanded, &change)?;
    let note = report::rollback::note(&change, &rehearsal);
    let pending = Pending { role: Role::Rollback, bytes: note.into_bytes() };
    let promotion = Promotion { rehearsal, policy: world.policy.clone(), note: pending.artifact(change.id())? };
    let change = commit::commit(ctx, change.id(), Kind::Promoted(promotion), &world, &[pending])?;
    status::state(ctx, &change)
}

/// Reverts the change's commits in a scratch worktree on top of the present head and, where the config wants it, runs the
/// project's checks on what comes of it.
fn rehearse(ctx: &Ctx, config: &Config, change: &Change) -> Result<Rehearsal> {
    let mut newest_first = change.commits();
    newest_first.reverse();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else { return Ok(Rehearsal::NotApplicable) };
    let Some(head) = repo.head()?.at else { return Ok(Rehearsal::NotApplicable) };
    let project = files::path_from_bytes(repo.prefix());
    let mut checked = Ok(Vec::new());
    let reverted = repo.rehearse_revert(&head.commit, &newest_first, &mut |root: &Path| {
        if config.validation.rehearse_checks {
            checked = validate::run_commands(ctx, config, &root.join(&project), &mut Bar::new(&ctx.ui));
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
        // Somebody has taken it back already: there is nothing left to roll back.
        Reverted::Nothing => Rehearsal::Conflicts { paths: Vec::new() },
    })
}
