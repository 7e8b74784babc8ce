//! Measuring two versions side by side: two arms, prepared alike, whose runs alternate in one session. Must not judge
//! what the pairs show; when to stop is asked of a rule given from outside.
//!
//! Two sessions apart compare the machine with itself at two moments; neighbours in one session share what the
//! machine does to them. Hence: never two runs at once, the order A B B A A B B A …, so that neither arm profits
//! from going first or from a drift within the pair, and the same reference work before every run, so that each
//! follows upon the same thing.

pub mod arms;
pub mod seat;
pub mod session;
pub mod share;

mod blame;
mod cargo;
mod surroundings;
mod workplace;

pub use arms::{Arms, ArmsError, ArmsPlan, Side, Step, TuneablesFile, Version};
pub use seat::{Seat, Waited};
pub use session::{Budget, PairPlan, PairProgress, Place, Session};
pub use share::ShareError;
pub(crate) use surroundings::ArmPaths;
pub(crate) use workplace::Workplace;
