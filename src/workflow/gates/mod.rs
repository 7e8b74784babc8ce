//! What each gate demands of the event that is to be recorded: gates that belong together in one file. Shared here: the demands that several
//! make. What can be refused before something is measured for it is `may_…`.

pub mod contract;
mod decide;
mod measured;
pub mod rollout;
mod validate;

pub use contract::VacuousCriterion;
pub use decide::{may_confirm_rollback, may_monitor, may_promote, may_tick};
pub use measured::{may_compare, may_take_after, may_take_baseline};
pub use rollout::may_enter as may_roll_out;
pub use validate::may_enter as may_validate;

use chrono::{DateTime, Utc};

use crate::model::{
    After, ArtifactFault, Baseline, Class, Gate, InEffect, Kind, MIN_DAYS, Revision, RolloutStage, Tick,
    TuneableChange, WorkTree,
};
use crate::workflow::{Change, Reason, Refusal, World, proof, window};

pub fn check(change: &Change, event: &Kind, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    match event {
        Kind::Opened(opened) => contract::may_open(opened, world, now),
        Kind::ContractSet { contract } => contract::check(change, contract, world),
        Kind::BaselineTaken(baseline) => measured::baseline(change, baseline, world),
        Kind::Validated(validation) => validate::check(change, validation, world),
        Kind::ValidationFailed { .. } => validate::may_fail(change),
        Kind::AfterTaken(after) => measured::after(change, after, world),
        Kind::Compared(_) => measured::may_compare(change, world),
        Kind::Promoted(promotion) => decide::promotion(change, promotion, world),
        Kind::Held { reason } | Kind::Rejected { reason } => decide::other_decision(change, reason),
        Kind::RolledOut(begun) => rollout::check(change, begun, world, now),
        Kind::RolledBack { reason, commit } => decide::rollback(change, reason, commit.is_some()),
        Kind::RollbackConfirmed { .. } => decide::may_confirm_rollback(change, world),
        Kind::MonitorStarted { .. } => decide::may_monitor(change),
        Kind::Ticked(tick) => {
            of_a_commit(Gate::Verify, change, &tick.taken.revision)?;
            decide::may_tick(change, world)
        }
        Kind::AlarmResolved { reason } => decide::check_resolution(change, reason),
        Kind::Attested { .. } => decide::check_attestation(change),
        Kind::FollowedUp { by } => decide::check_follow_up(change, by),
        Kind::Verified { summary } => decide::verification(change, summary, world, now),
        Kind::Noted { text } => has_reason(Gate::Open, text),
        Kind::Relinked { .. } => Ok(()),
        Kind::DayDecided { reason, .. } => {
            is_open(change, Gate::Decide)?;
            has_reason(Gate::Decide, reason)
        }
    }
}

/// The event with what follows from the change itself filled in, whatever it said of that.
pub fn completed(change: &Change, event: Kind) -> Kind {
    match event {
        Kind::ContractSet { contract } => Kind::ContractSet { contract: change.contract.clone().merged_with(contract) },
        Kind::BaselineTaken(Baseline { taken, .. }) => {
            let strength = measured::strength(&taken.revision);
            Kind::BaselineTaken(Baseline { taken, strength })
        }
        Kind::AfterTaken(After { taken, .. }) => {
            let rollback = change.validation.as_ref().map(|validation| {
                proof::filled_rollback(&change.contract.rollback, &change.commits(), &validation.delta)
            });
            Kind::AfterTaken(After { taken, rollback: rollback.unwrap_or_default() })
        }
        Kind::RolledOut(RolloutStage { stage, taken, verdicts, policy, checked }) => {
            let policy = (change.opened.class == Class::Emergency).then(|| policy.unwrap_or_default());
            Kind::RolledOut(RolloutStage { stage, taken, verdicts, policy, checked })
        }
        Kind::MonitorStarted { days } => Kind::MonitorStarted { days: days.max(MIN_DAYS) },
        Kind::Ticked(tick) => {
            let rolled_out = change.fully_rolled_out_at();
            let day = rolled_out.and_then(|at| window::day_of(at, tick.utc_date)).unwrap_or(0);
            Kind::Ticked(Tick { day, ..tick })
        }
        event @ (Kind::Opened(_)
        | Kind::Validated(_)
        | Kind::ValidationFailed { .. }
        | Kind::Compared(_)
        | Kind::Promoted(_)
        | Kind::Held { .. }
        | Kind::Rejected { .. }
        | Kind::AlarmResolved { .. }
        | Kind::Attested { .. }
        | Kind::FollowedUp { .. }
        | Kind::RolledBack { .. }
        | Kind::RollbackConfirmed { .. }
        | Kind::Verified { .. }
        | Kind::Noted { .. }
        | Kind::Relinked { .. }
        | Kind::DayDecided { .. }) => event,
    }
}

/// Whether an event would change the record: a contract may be written as it stands, and only a commit that is the
/// change's now can move.
pub fn says_something(change: &Change, event: &Kind) -> bool {
    if let Kind::ContractSet { contract } = event {
        return *contract != change.contract;
    }
    if let Kind::Relinked { commits, .. } = event {
        return change.can_relink(commits);
    }
    true
}

/// Demands that the change is open, that its class passes `gate`, and that every gate of its class before it was passed.
fn enter(change: &Change, gate: Gate) -> Result<(), Refusal> {
    in_class(change, gate)?;
    let earlier = change.opened.class.gates().iter().copied().take_while(|earlier| *earlier < gate);
    match earlier.into_iter().find(|earlier| !change.passed(*earlier)) {
        Some(earlier) => Err(Refusal::new(gate, Reason::Earlier { gate: earlier })),
        None => Ok(()),
    }
}

fn in_class(change: &Change, gate: Gate) -> Result<(), Refusal> {
    is_open(change, gate)?;
    let class = change.opened.class;
    if class.owes(gate) { Ok(()) } else { Err(Refusal::new(gate, Reason::NotInClass { class })) }
}

fn is_open(change: &Change, gate: Gate) -> Result<(), Refusal> {
    match &change.end {
        Some(end) => Err(Refusal::new(gate, Reason::Ended { end: end.name() })),
        None => Ok(()),
    }
}

/// Demands that the change was not promoted yet: what was measured before may not be replaced after that.
fn is_undecided(change: &Change, gate: Gate) -> Result<(), Refusal> {
    if change.promotion.is_some() { Err(Refusal::new(gate, Reason::AlreadyPassed)) } else { Ok(()) }
}

fn unaltered(gate: Gate, faults: &[ArtifactFault]) -> Result<(), Refusal> {
    if faults.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Reason::Evidence { faults: faults.to_vec() })) }
}

/// Demands that nothing is uncommitted; git not knowing is never taken for clean. `own` is the change's own commit,
/// where there is one, and `at_tip` whether it may still be made over: what helps depends on it.
fn settled(gate: Gate, revision: &Revision, own: Option<&str>, at_tip: bool) -> Result<(), Refusal> {
    match &revision.work_tree {
        WorkTree::Clean | WorkTree::Unversioned => Ok(()),
        WorkTree::Dirty { paths, .. } => {
            Err(Refusal::new(gate, Reason::Dirty { paths: *paths, own: own.map(str::to_owned), at_tip }))
        }
        WorkTree::Unknown { reason } => Err(Refusal::new(gate, Reason::UnknownState { reason: reason.clone() })),
    }
}

/// Demands that the change is in the code checked out.
fn in_effect(gate: Gate, world: &World) -> Result<(), Refusal> {
    match world.in_effect {
        InEffect::Absent => Err(Refusal::new(gate, Reason::NotInEffect { reverted: false, files: Vec::new() })),
        InEffect::Yes | InEffect::NoCommit if world.taken_back.is_empty() => Ok(()),
        InEffect::Reverted | InEffect::Yes | InEffect::NoCommit => {
            Err(Refusal::new(gate, Reason::NotInEffect { reverted: true, files: world.taken_back.clone() }))
        }
    }
}

/// Demands that what is measured of a change that has commits says at which commit that was.
fn of_a_commit(gate: Gate, change: &Change, revision: &Revision) -> Result<(), Refusal> {
    let is_lost = revision.commit.is_none() && !change.commits().is_empty();
    let absent = Reason::NotInEffect { reverted: false, files: Vec::new() };
    if is_lost { Err(Refusal::new(gate, absent)) } else { Ok(()) }
}

/// Demands that everything the contract names is measured as in the baseline.
fn same_definitions(gate: Gate, redefined: &[String]) -> Result<(), Refusal> {
    if redefined.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Reason::Redefined { what: redefined.to_vec() })) }
}

/// Demands that the tuneables differ from the baseline's in just what was validated.
fn validated_tuneables(gate: Gate, change: &Change, here: &[TuneableChange]) -> Result<(), Refusal> {
    let keys = other_tuneables(change, here);
    if keys.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Reason::OtherTuneables { keys })) }
}

/// Keys of the tuneables that are not what was validated, `here` being what differs from the baseline now.
pub fn other_tuneables(change: &Change, here: &[TuneableChange]) -> Vec<String> {
    let Some(validation) = &change.validation else { return Vec::new() };
    let validated = &validation.delta.tuneables;
    let value = |list: &[TuneableChange], key: &str| list.iter().find(|it| it.key == key).map(|it| it.after.clone());
    let mut keys: Vec<String> = validated.iter().chain(here).map(|it| it.key.clone()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| value(validated, key) != value(here, key));
    keys
}

/// Demands that the config measures every metric of the contract.
fn known_metrics(gate: Gate, world: &World) -> Result<(), Refusal> {
    let Some(((metric, nearest), more)) = world.unknown.split_first() else { return Ok(()) };
    let missing = Reason::UnknownMetric { metric: metric.clone(), nearest: nearest.clone(), more: more.to_vec() };
    Err(Refusal::new(gate, missing))
}

/// Demands that no part of the contract is missing, naming all that are.
fn complete_contract(change: &Change, gate: Gate) -> Result<(), Refusal> {
    let parts = change.contract.missing();
    if parts.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Reason::ContractParts { parts })) }
}

/// Demands a usable value for each metric of the contract.
fn all_measured(gate: Gate, world: &World) -> Result<(), Refusal> {
    if world.unmeasured.is_empty() {
        return Ok(());
    }
    let (metrics, why) = world.unmeasured.iter().cloned().unzip();
    Err(Refusal::new(gate, Reason::Unmeasured { metrics, why }))
}

fn has_reason(gate: Gate, reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() { Err(Refusal::new(gate, Reason::Reason)) } else { Ok(()) }
}
