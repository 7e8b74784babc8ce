//! The gates: what each demands of a proposed event, with related gates in one file and shared demands here. Functions
//! named `may_…` check what can be refused before anything is measured.

pub mod contract;
pub mod decide;
mod measured;

pub use contract::VacuousCriterion;
pub use decide::{may_confirm_rollback, may_monitor, may_promote, may_roll_out, may_tick};
pub use measured::{may_compare, may_take_after, may_take_baseline, may_validate};

use chrono::{DateTime, Utc};

use crate::model::{ArtifactFault, Class, Gate, InEffect, Kind, MIN_DAYS, Revision, TuneableChange, WorkTree};
use crate::workflow::{Change, End, Reason, Refusal, World, proof, window};

pub fn check(change: &Change, event: &Kind, world: &World, now: DateTime<Utc>) -> Result<(), Refusal> {
    match event {
        Kind::Opened(opened) => contract::may_open(opened, world, now),
        Kind::ContractSet { contract } => contract::check(change, contract, world),
        Kind::BaselineTaken(baseline) => measured::baseline(change, baseline, world),
        Kind::Validated(validation) => measured::validated(change, validation, world),
        Kind::ValidationFailed { .. } => measured::may_fail(change),
        Kind::AfterTaken(after) => measured::after(change, after, world),
        Kind::Compared(_) => measured::may_compare(change, world),
        Kind::Promoted(promotion) => decide::promotion(change, promotion, world),
        Kind::Held { reason } => decide::other_decision(change, "hold", reason),
        Kind::Rejected { reason } => decide::other_decision(change, "reject", reason),
        Kind::RolledOut(begun) => decide::stage(change, begun, world, now),
        Kind::RolledBack { reason, commit } => decide::rollback(change, reason, commit.is_some()),
        Kind::RollbackConfirmed { .. } => decide::may_confirm_rollback(change, world),
        Kind::MonitorStarted { .. } => decide::may_monitor(change),
        Kind::Ticked(tick) => {
            of_a_commit(Gate::Verify, change, &tick.taken.revision)?;
            decide::may_tick(change, world)
        }
        Kind::AlarmResolved { reason } => decide::check_resolution(change, reason, world),
        Kind::Attested { .. } => decide::check_attestation(change),
        Kind::FollowedUp { by } => decide::check_follow_up(change, by),
        Kind::Verified { summary } => decide::verification(change, summary, world, now),
        Kind::Noted { text } => has_reason(Gate::Open, "note", text),
        Kind::Relinked { .. } => Ok(()),
        Kind::DayDecided { reason, .. } => {
            is_open(change, Gate::Decide)?;
            has_reason(Gate::Decide, "note", reason)
        }
    }
}

/// Fills in the fields of an event that follow from the change itself, replacing their values.
pub fn completed(change: &Change, mut event: Kind) -> Kind {
    if let Kind::ContractSet { contract } = &mut event {
        *contract = change.contract.clone().merged_with(std::mem::take(contract));
    } else if let Kind::BaselineTaken(baseline) = &mut event {
        baseline.strength = measured::strength(&baseline.taken.revision);
    } else if let Kind::AfterTaken(after) = &mut event {
        let delta = change.validation.as_ref().map(|validation| &validation.delta);
        let filled = |delta| proof::filled_rollback(&change.contract.rollback, &change.commits(), delta);
        after.rollback = delta.map(filled).unwrap_or_default();
    } else if let Kind::RolledOut(begun) = &mut event {
        let given = begun.policy.take().unwrap_or_default();
        begun.policy = (change.opened.class == Class::Emergency).then_some(given);
    } else if let Kind::MonitorStarted { days } = &mut event {
        *days = MIN_DAYS.max(*days);
    } else if let Kind::Ticked(tick) = &mut event {
        tick.day = change.fully_rolled_out_at().and_then(|at| window::day_of(at, tick.utc_date)).unwrap_or(0);
    }
    event
}

/// Whether an event would change the record: false for a contract equal to the present one, and for moves of commits
/// that are not the change's.
pub fn says_something(change: &Change, event: &Kind) -> bool {
    if let Kind::ContractSet { contract } = event {
        return *contract != change.contract;
    }
    if let Kind::Relinked { commits, .. } = event {
        return change.can_relink(commits);
    }
    true
}

fn require(gate: Gate, met: bool, reason: impl FnOnce() -> Reason) -> Result<(), Refusal> {
    if met { Ok(()) } else { Err(Refusal::new(gate, reason())) }
}

/// Demands that the change is open, that its class has `gate`, and that every earlier gate of its class was passed.
fn enter(change: &Change, gate: Gate) -> Result<(), Refusal> {
    in_class(change, gate)?;
    let mut earlier = change.opened.class.gates().iter().copied().take_while(|earlier| *earlier < gate);
    earlier
        .find(|earlier| !change.passed(*earlier))
        .map_or(Ok(()), |earlier| Err(Refusal::new(gate, Reason::Earlier { gate: earlier })))
}

fn in_class(change: &Change, gate: Gate) -> Result<(), Refusal> {
    is_open(change, gate)?;
    let class = change.opened.class;
    require(gate, class.owes(gate), || Reason::NotInClass { class })
}

fn is_open(change: &Change, gate: Gate) -> Result<(), Refusal> {
    let ended = |end: &End| Err(Refusal::new(gate, Reason::Ended { end: end.name() }));
    change.end.as_ref().map_or(Ok(()), ended)
}

/// Demands that the change is not promoted yet, as its measurements may not be replaced afterwards.
fn is_undecided(change: &Change, gate: Gate) -> Result<(), Refusal> {
    require(gate, change.promotion.is_none(), || Reason::AlreadyPassed)
}

fn unaltered(gate: Gate, faults: &[ArtifactFault]) -> Result<(), Refusal> {
    require(gate, faults.is_empty(), || Reason::Evidence { faults: faults.to_vec() })
}

/// Demands that nothing is uncommitted; an unknown state is not clean. The fixes depend on `own`, the change's own
/// commit if any, and on `at_tip`, whether that may still be rewritten.
fn require_committed(gate: Gate, revision: &Revision, own: Option<&str>, at_tip: bool) -> Result<(), Refusal> {
    match &revision.work_tree {
        WorkTree::Unversioned if revision.commit.is_some() => {
            let reason = "the measurement names a commit, and says that git holds nothing".to_owned();
            Err(Refusal::new(gate, Reason::UnknownState { reason }))
        }
        WorkTree::Clean | WorkTree::Unversioned => Ok(()),
        WorkTree::Dirty { paths, .. } => {
            Err(Refusal::new(gate, Reason::Dirty { paths: *paths, own: own.map(str::to_owned), at_tip }))
        }
        WorkTree::Unknown { reason } => Err(Refusal::new(gate, Reason::UnknownState { reason: reason.clone() })),
    }
}

pub(crate) fn in_effect(gate: Gate, world: &World) -> Result<(), Refusal> {
    let (reverted, files) = match world.in_effect {
        InEffect::Absent => (false, Vec::new()),
        InEffect::Yes | InEffect::NoCommit if world.taken_back.is_empty() => return Ok(()),
        InEffect::Reverted | InEffect::Yes | InEffect::NoCommit => (true, world.taken_back.clone()),
    };
    Err(Refusal::new(gate, Reason::NotInEffect { reverted, files }))
}

/// Demands that a measurement of a change with commits names the commit that it measured.
fn of_a_commit(gate: Gate, change: &Change, revision: &Revision) -> Result<(), Refusal> {
    let is_known = revision.commit.is_some() || change.commits().is_empty();
    require(gate, is_known, || Reason::NotInEffect { reverted: false, files: Vec::new() })
}

/// Demands that everything the contract names is measured in the same way as in the baseline.
fn same_definitions(gate: Gate, redefined: &[String], alone: bool) -> Result<(), Refusal> {
    require(gate, redefined.is_empty(), || Reason::Redefined { what: redefined.to_vec(), alone })
}

/// Demands that the tuneables differ from the baseline exactly as validated.
fn validated_tuneables(gate: Gate, change: &Change, here: &[TuneableChange]) -> Result<(), Refusal> {
    let keys = other_tuneables(change, here);
    require(gate, keys.is_empty(), || Reason::OtherTuneables { keys })
}

/// Keys of the tuneables that differ from their validated values; `here` is how they differ from the baseline now.
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

fn known_metrics(gate: Gate, world: &World) -> Result<(), Refusal> {
    let Some(((metric, nearest), more)) = world.unknown.split_first() else { return Ok(()) };
    let missing = Reason::UnknownMetric { metric: metric.clone(), nearest: nearest.clone(), more: more.to_vec() };
    Err(Refusal::new(gate, missing))
}

fn complete_contract(change: &Change, gate: Gate) -> Result<(), Refusal> {
    let parts = change.contract.missing();
    require(gate, parts.is_empty(), || Reason::ContractParts { parts })
}

fn all_measured(gate: Gate, world: &World) -> Result<(), Refusal> {
    require(gate, world.unmeasured.is_empty(), || {
        let (metrics, why) = world.unmeasured.iter().cloned().unzip();
        Reason::Unmeasured { metrics, why }
    })
}

fn has_reason(gate: Gate, verb: &'static str, reason: &str) -> Result<(), Refusal> {
    require(gate, !reason.trim().is_empty(), || Reason::Reason { verb })
}
