//! Measures two versions side by side: two checkouts, prepared in the same way, whose runs alternate in one session.
//! The caller provides the stopping rule.
//!
//! Two separate sessions also measure how the machine changed in between; runs next to each other do not.
//! Hence: never two runs at once; the order A B B A A B B A …, so that neither side profits from going first or from
//! drift within a pair; and the same reference work before every run, so that all runs start from the same state.

mod checkouts;
mod environment;
mod kpis;
mod pin;
mod proof;
mod session;

pub(crate) use checkouts::{
    CheckoutError, Checkouts, CodeVersion, PairedProject, Stamps, TuneablesFile, Versions, stamps,
};
pub(crate) use kpis::Group;
pub(crate) use proof::Proof;
pub use session::{MeasuredPairs, PairBudget, PairProgress, Session};
