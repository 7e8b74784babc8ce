//! Gate 5: the comparison, from the very files that were recorded.

use crate::model::Gate;
use crate::workflow::{Change, Refusal, World, gates};

/// May be made again until the change is decided; the newest stands, all are kept.
pub fn may_enter(change: &Change, world: &World) -> Result<(), Refusal> {
    let gate = Gate::Compare;
    gates::enter(change, gate)?;
    gates::is_undecided(change, gate)?;
    gates::unaltered(gate, &world.faults)?;
    gates::same_definitions(gate, &world.redefined)
}
