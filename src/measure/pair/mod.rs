//! Measuring two versions side by side: two checkouts, prepared alike, whose runs alternate in one session. When to stop
//! is asked of a rule given from outside.
//!
//! Two sessions apart compare the machine with itself at two moments; neighbours in one session share what the
//! machine does to them. Hence: never two runs at once, the order A B B A A B B A …, so that neither side profits
//! from going first or from a drift within the pair, and the same reference work before every run, so that each
//! follows upon the same thing.

mod checkouts;
mod environment;
mod kpis;
mod pin;
mod proof;
mod session;

pub(crate) use checkouts::{CheckoutError, Checkouts, Project, Stamps, TuneablesFile, Version, Versions, stamps};
pub(crate) use kpis::Group;
pub(crate) use proof::Proof;
pub use session::{Budget, MeasuredPairs, PairProgress, Session};
