//! What each gate demands: one file a gate. Shared here: the demands that several make.

pub mod after;
pub mod baseline;
pub mod compare;
pub mod contract;
pub mod end;
pub mod open;
pub mod promote;
pub mod rollout;
pub mod validate;
pub mod verify;

use crate::model::{ArtifactFault, Gate, Revision, TuneableChange, WorkTree};
use crate::workflow::{Change, End, Measured, Missing, Refusal};

/// Demands that the change is open, that its class passes `gate`, and that every gate of its class before it was passed.
pub(crate) fn enter(change: &Change, gate: Gate) -> Result<(), Refusal> {
    in_class(change, gate)?;
    let earlier = change.opened.class.gates().iter().copied().take_while(|earlier| *earlier < gate);
    match earlier.into_iter().find(|earlier| !passed(change, *earlier)) {
        Some(earlier) => Err(Refusal::new(gate, Missing::Earlier { gate: earlier })),
        None => Ok(()),
    }
}

/// Demands that the change is open and that its class passes `gate`.
fn in_class(change: &Change, gate: Gate) -> Result<(), Refusal> {
    if let Some(end) = &change.end {
        return Err(Refusal::new(gate, Missing::Ended { end: end_name(end) }));
    }
    let class = change.opened.class;
    if class.owes(gate) { Ok(()) } else { Err(Refusal::new(gate, Missing::NotInClass { class })) }
}

/// Whether a change has passed a gate.
pub fn passed(change: &Change, gate: Gate) -> bool {
    match gate {
        Gate::Open => true,
        Gate::Contract => change.contract.missing().is_empty(),
        Gate::Baseline => change.baseline.is_some(),
        Gate::Validate => change.validation.is_some(),
        Gate::After => change.after.is_some(),
        Gate::Compare => change.comparison.is_some(),
        Gate::Decide => change.promotion.is_some(),
        Gate::Rollout => change.fully_rolled_out_at().is_some(),
        Gate::Verify => matches!(change.end, Some(End::Verified { .. })),
    }
}

/// How an ended change ended, as a word.
pub fn end_name(end: &End) -> &'static str {
    match end {
        End::Verified { .. } => "verified",
        End::Held { .. } => "held",
        End::Rejected { .. } => "rejected",
        End::RolledBack => "rolled_back",
    }
}

/// Demands that every artifact is what was recorded.
fn unaltered(gate: Gate, faults: &[ArtifactFault]) -> Result<(), Refusal> {
    if faults.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Missing::Evidence { faults: faults.to_vec() })) }
}

/// Demands that nothing lies uncommitted; git not knowing is never taken for clean. `own` is the change's own
/// commit, where there is one: what helps depends on it.
fn settled(gate: Gate, revision: &Revision, own: Option<&str>) -> Result<(), Refusal> {
    match &revision.work_tree {
        WorkTree::Clean | WorkTree::Unversioned => Ok(()),
        WorkTree::Dirty { paths, .. } => {
            Err(Refusal::new(gate, Missing::Dirty { paths: *paths, own: own.map(str::to_owned) }))
        }
        WorkTree::Unknown { reason } => Err(Refusal::new(gate, Missing::UnknownState { reason: reason.clone() })),
    }
}

/// Demands that everything the contract names is measured as in the baseline.
fn same_definitions(gate: Gate, redefined: &[String]) -> Result<(), Refusal> {
    if redefined.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Missing::Redefined { what: redefined.to_vec() })) }
}

/// Demands that the tuneables differ from the baseline's in just what was validated.
fn validated_tuneables(gate: Gate, change: &Change, here: &[TuneableChange]) -> Result<(), Refusal> {
    let keys = other_tuneables(change, here);
    if keys.is_empty() { Ok(()) } else { Err(Refusal::new(gate, Missing::OtherTuneables { keys })) }
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

/// What a measurement misses of the contract.
fn unmeasured(measured: &Measured) -> Missing {
    Missing::Unmeasured { metrics: measured.unmeasured.clone(), why: measured.why.clone() }
}

/// Demands a reason in words.
fn reason_given(gate: Gate, reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() { Err(Refusal::new(gate, Missing::Reason)) } else { Ok(()) }
}
