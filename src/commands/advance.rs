//! `next --run`: performs every following gate that needs no decision of a person, and stops before the first that does.

use crate::commands::monitor::tick;
use crate::commands::snapshot::RoleArg;
use crate::commands::{Ctx, collect, commit, compare, show, snapshot, validate};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, Gate};
use crate::workflow::{Change, Reason, Step, World, gates, next};

/// Runs gate after gate; the answer is where the change stands at the end.
pub(crate) fn run(ctx: &Ctx, id: &ChangeId) -> Result<Exit, CommandError> {
    let mut done = 0;
    loop {
        let change = commit::load(ctx, id)?;
        let step = next::next(&change, &ctx.policy()?, ctx.now());
        let exit = match step {
            Step::Baseline => snapshot::take(ctx, &change, RoleArg::Before)?,
            Step::Validate if done > 0 && nothing_changed(ctx, &change)? => return show::standing(ctx, &change),
            Step::Validate => validate::validate(ctx, id)?,
            Step::After => snapshot::take(ctx, &change, RoleArg::After)?,
            Step::Tick => {
                let ticked = tick::tick(ctx, Some(id.as_str()), false)?;
                ticked.iter().for_each(|done| tick::tell(ctx, done));
                let exit = tick::exit(&ticked);
                // Days come one by one, whatever is asked for.
                return if exit == Exit::Yes { show::state(ctx, &commit::load(ctx, id)?) } else { Ok(exit) };
            }
            Step::Compare => compare::of_change(ctx, &change, &compare::CompareArgs::default())?,
            Step::Contract { .. }
            | Step::Promote
            | Step::Decide { .. }
            | Step::Hold
            | Step::Rollout { .. }
            | Step::Attest
            | Step::FollowUp
            | Step::Alarms
            | Step::Wait { .. }
            | Step::Verify
            | Step::ConfirmRollback
            | Step::Ended { .. } => {
                // The gate just passed has told what comes next.
                return if done > 0 { show::standing(ctx, &change) } else { show::state(ctx, &change) };
            }
        };
        if exit != Exit::Yes {
            return Ok(exit);
        }
        done += 1;
    }
}

/// Whether the change has not been made yet: then a person comes next, and there is nothing to refuse.
fn nothing_changed(ctx: &Ctx, change: &Change) -> Result<bool, CommandError> {
    let world = World { redefined: Vec::new(), ..collect::world(ctx, change, Gate::Validate)? };
    let answer = gates::may_validate(change, &world);
    Ok(matches!(answer, Err(refusal) if matches!(refusal.missing, Reason::NoDelta { .. })))
}
