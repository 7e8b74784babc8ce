//! What is demanded of a change from its promotion on: by the config here and by the one that is committed, whichever
//! demands more. What lies uncommitted can be put back unseen, so it loosens nothing. Must not judge.

use crate::commands::{Ctx, GitHistory};
use crate::config::Config;
use crate::error::CommandError;
use crate::model::{Policy, StagePlan};

/// What a config demands.
pub(crate) fn of(config: &Config) -> Policy {
    let plan = |stage: &crate::config::StageConfig| StagePlan { stage: stage.name, soak_hours: stage.soak_hours };
    Policy {
        stages: config.rollout.stages.iter().map(plan).collect(),
        min_monitor_days: config.verification.min_monitor_days,
        require_attestation: config.review.require_attestation,
    }
}

/// What the config here and the committed one demand together; where the latter demands more, that is told.
pub(crate) fn in_force(ctx: &Ctx) -> Result<Policy, CommandError> {
    let here = ctx.policy()?;
    let Some(repo) = ctx.repo()? else { return Ok(here) };
    let Ok(Some(committed)) = GitHistory::new(repo, &ctx.fix_context().trailer).config("HEAD") else { return Ok(here) };
    let committed = of(&committed);
    if here.is_looser_than(&committed) {
        ctx.ui.warn("the committed config demands more than the one here, which is not committed: both hold");
    }
    Ok(here.joined_with(&committed))
}
