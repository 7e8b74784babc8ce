//! Gathers what a gate asks of the world: the only place where a `World` is filled from git, config and files.

use crate::commands::{Ctx, GitHistory, contract, delta, evidence, relink, source, uncommitted};
use crate::config::{Config, StageConfig};
use crate::error::CommandError;
use crate::model::{Artifact, ArtifactFault, Class, Contract, Gate, InEffect, Policy, StagePlan};
use crate::store::Record;
use crate::workflow::{Change, End, World, replay};

/// What `gate` asks of the world for `change`, before anything is measured for it.
pub(crate) fn world(ctx: &Ctx, change: &Change, gate: Gate) -> Result<World, CommandError> {
    let mut world = World::default();
    match gate {
        // Opening is asked before there is a change.
        Gate::Open => {}
        Gate::Contract => return for_contract(ctx, &change.contract),
        Gate::Baseline => {
            world.revision = delta::revision(ctx)?;
            world.unknown = contract::unknown(&change.contract, &ctx.config()?.measurable())?;
            world.commits_with_id = delta::commits_with_id(ctx, change, &world.revision)?;
            world.own_sources = source::own(ctx)?;
        }
        Gate::Validate => {
            delta::since_baseline(ctx, change, &mut world)?;
            world.redefined = delta::redefined(ctx, change)?;
            world.has_tests = ctx.config()?.commands.test.is_some();
        }
        Gate::After => {
            world.revision = delta::revision(ctx)?;
            world.tuneables = delta::tuneables(ctx, change)?;
            world.redefined = delta::redefined(ctx, change)?;
        }
        Gate::Compare => {
            world.redefined = delta::redefined(ctx, change)?;
            world.faults = faults_of_both_sides(ctx, change)?;
        }
        Gate::Decide => {
            world.policy = policy_in_force(ctx)?;
            (world.faults, world.reproduced) = proof(ctx, change)?;
            // That it was taken back already is told by the rehearsal.
            world.in_effect = if relink::is_gone(ctx, change)? { InEffect::Absent } else { InEffect::Yes };
        }
        Gate::Rollout => {
            world.policy = policy_in_force(ctx)?;
            world.faults = evidence::faults(ctx, change)?;
            world.revision = delta::revision(ctx)?;
            world.in_effect = delta::in_effect(ctx, change)?;
            world.tuneables = delta::tuneables(ctx, change)?;
        }
        Gate::Verify => return for_verification(ctx, change, 0, false),
    }
    Ok(world)
}

/// What the contract gate asks, for parts that are to be written.
pub(crate) fn for_contract(ctx: &Ctx, parts: &Contract) -> Result<World, CommandError> {
    let measurable = ctx.config()?.measurable();
    let better = measurable.iter().map(|spec| (spec.id.clone(), spec.better)).collect();
    Ok(World { unknown: contract::unknown(parts, &measurable)?, better, ..World::default() })
}

/// What verification asks; flags may raise what the config demands: the days, and a clean work tree.
pub(crate) fn for_verification(ctx: &Ctx, change: &Change, days: u32, clean: bool) -> Result<World, CommandError> {
    let mut policy = policy_in_force(ctx)?;
    policy.min_monitor_days = policy.min_monitor_days.max(days);
    let (faults, reproduced) = proof(ctx, change)?;
    let clean_wanted = clean || ctx.config()?.verification.require_clean_git;
    let clean_git = if clean_wanted { Some(delta::revision(ctx)?.is_settled()) } else { None };
    let follow_up_promoted = follow_up_promoted(ctx, change)?;
    Ok(World { policy, faults, reproduced, clean_git, follow_up_promoted, ..World::default() })
}

/// Whether the change is in effect here: its commits, its files as they are committed, its tuneables.
pub(crate) fn effect(ctx: &Ctx, change: &Change, world: World) -> Result<World, CommandError> {
    let (in_effect, undone) = (delta::in_effect(ctx, change)?, uncommitted::of_change(ctx, change)?);
    Ok(World { in_effect, undone, tuneables: delta::tuneables(ctx, change)?, ..world })
}

/// Evidence that is not what was recorded, and whether the verdicts come out of it again. Altered evidence is told by
/// its path; there is nothing to recompute from it.
pub(crate) fn proof(ctx: &Ctx, change: &Change) -> Result<(Vec<ArtifactFault>, bool), CommandError> {
    let faults = evidence::faults(ctx, change)?;
    let reproduced = faults.is_empty() && evidence::reproduced(ctx, change)?;
    Ok((faults, reproduced))
}

/// The snapshots are what a comparison rests on; a missing report of an earlier one is no obstacle.
fn faults_of_both_sides(ctx: &Ctx, change: &Change) -> Result<Vec<ArtifactFault>, CommandError> {
    let before = change.baseline.iter().map(|baseline| &baseline.taken.snapshot);
    let after = change.after.iter().map(|after| &after.taken.snapshot);
    let files: Vec<&Artifact> = before.chain(after).collect();
    evidence::faults_in(ctx, &files)
}

/// Whether the change that took an emergency over was opened after it, and is promoted by a proof that is whole itself.
fn follow_up_promoted(ctx: &Ctx, change: &Change) -> Result<bool, CommandError> {
    let Some(id) = &change.follow_up else { return Ok(false) };
    let Record::Tracked(by) = Record::read(&ctx.project, id)? else { return Ok(false) };
    let later = by.opened_at >= change.opened_at;
    let proper = later && matches!(by.opened.class, Class::Tuneable | Class::Code);
    let ended = matches!(by.end, Some(End::RolledBack | End::Rejected { .. }));
    if !proper || by.promotion.is_none() || ended || replay::check(&by.events).is_err() {
        return Ok(false);
    }
    let (faults, reproduced) = proof(ctx, &by)?;
    Ok(faults.is_empty() && reproduced)
}

/// What a config demands.
pub(crate) fn policy_of(config: &Config) -> Policy {
    let plan = |stage: &StageConfig| StagePlan { stage: stage.name, soak_hours: stage.soak_hours };
    Policy {
        stages: config.rollout.stages.iter().map(plan).collect(),
        min_monitor_days: config.verification.min_monitor_days,
        require_attestation: config.review.require_attestation,
    }
}

/// What the config here and the committed one demand together of a change from its promotion on; where the latter demands
/// more, that is told: what is not committed can be put back unseen, so it loosens nothing.
pub(crate) fn policy_in_force(ctx: &Ctx) -> Result<Policy, CommandError> {
    let here = ctx.policy()?;
    let Some(repo) = ctx.repo()? else { return Ok(here) };
    let Ok(Some(committed)) = GitHistory::new(repo, &ctx.fix_context().trailer).config("HEAD") else { return Ok(here) };
    let committed = policy_of(&committed);
    if here.is_looser_than(&committed) {
        ctx.ui.warn("the committed config demands more than the one here, which is not committed: both hold");
    }
    Ok(here.joined_with(&committed))
}
