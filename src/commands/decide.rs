//! The verbs that record what a person decided or found out: `change hold`, `reject`, `resolve`, `note` and `follow-up`.

use clap::Args;

use crate::commands::{ChangeArg, Ctx, choose, commit, parse, rollback, show};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::Kind;

/// A decision and its reason
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Reason, kept in the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Resolve a change's open alarms
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// What was found out, kept in the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Add a note to a change's record
#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Text of the note
    #[arg(value_name = "TEXT")]
    text: String,
}

/// Name the change that replaces an emergency's override
#[derive(Debug, Args)]
pub(crate) struct FollowUpArgs {
    /// Emergency [default: VIBESHIP_CHANGE_ID, the one selected with `change use`, or the only open change]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Change that moves the override into a tuneable or into code
    #[arg(long, value_name = "ID")]
    by: String,
}

pub(crate) fn hold(ctx: &Ctx, args: DecisionArgs) -> Result<Exit, CommandError> {
    let reason = parse::prose("--reason", &args.reason)?;
    show::state(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Held { reason })?)
}

pub(crate) fn reject(ctx: &Ctx, args: DecisionArgs) -> Result<Exit, CommandError> {
    let reason = parse::prose("--reason", &args.reason)?;
    let change = commit::record(ctx, &args.change.choose(ctx)?, Kind::Rejected { reason })?;
    let exit = show::state(ctx, &change)?;
    rollback::hint_left(ctx, &change);
    Ok(exit)
}

/// Exit 1 when no alarm is open or no reason is given.
pub(crate) fn resolve(ctx: &Ctx, args: ResolveArgs) -> Result<Exit, CommandError> {
    let reason = parse::prose("--reason", &args.reason)?;
    show::state(ctx, &commit::record(ctx, &args.change.choose_monitored(ctx)?, Kind::AlarmResolved { reason })?)
}

/// Ended changes take notes too.
pub(crate) fn note(ctx: &Ctx, args: NoteArgs) -> Result<Exit, CommandError> {
    let text = parse::required("the note", &args.text)?;
    show::state(ctx, &commit::record(ctx, &args.change.choose(ctx)?, Kind::Noted { text })?)
}

/// The other change has to exist; that it was promoted is demanded at verification.
pub(crate) fn follow_up(ctx: &Ctx, args: FollowUpArgs) -> Result<Exit, CommandError> {
    let id = choose::monitored(ctx, args.change_id.as_deref())?;
    let by = choose::find(ctx, &args.by)?;
    commit::load(ctx, &by)?;
    show::state(ctx, &commit::record(ctx, &id, Kind::FollowedUp { by })?)
}
