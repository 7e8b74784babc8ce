//! The state machine: gates, replay, and the next step. Pure; the only module that knows the order of the gates.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod chain;
pub mod demand_fixes;
mod fixes;
pub mod gates;
pub mod next;
pub mod proof;
pub mod reason;
pub mod refusal;
pub mod replay;
pub mod route;
pub mod state;
pub mod view_v1;
pub mod watch;
pub mod window;
pub mod world;

pub use chain::Broken;
pub use gates::VacuousCriterion;
pub use next::Step;
pub use reason::Reason;
pub use refusal::Refusal;
pub use replay::InvalidEvent;
pub use state::{Change, Dated, End, NotARecord, RolledBack};
pub use watch::{Idle, Unjudged};
pub use window::{Demand, DemandKind};
pub use world::{UnknownMetric, World};
