//! The state machine: gates, replay, what comes next. Pure; the only module that knows the order of the gates.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod chain;
pub mod command;
pub mod decide;
pub mod gates;
pub mod next;
pub mod proof;
pub mod refusal;
pub mod replay;
pub mod rollback_text;
pub mod route;
pub mod state;
pub mod view_v1;
pub mod watch;
pub mod window;

pub use chain::Broken;
pub use command::{
    AfterFacts, BaselineFacts, Command, CompareFacts, Compared, ConfirmFacts, ContractFacts, Measured, OpenFacts,
    PromoteFacts, RolloutFacts, TickFacts, ValidateFacts,
};
pub use next::Step;
pub use refusal::{Missing, Refusal, Senseless};
pub use replay::Unlawful;
pub use route::{Answers, Evidence, Question, Route};
pub use state::{Baseline, Change, End, NotARecord, Validation};
pub use watch::{Idle, Unjudged, Watch};
pub use window::{Demand, DemandKind, VerifyFacts};
