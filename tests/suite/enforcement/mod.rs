//! Enforcement with real git: the hooks as git runs them, and the range check. Hermetic: with its own home and git
//! configuration, and without environment variables of the user who runs it.

mod attacks;
mod daily;
mod disguises;
mod doctor;
mod documents;
mod foreign;
mod forged;
mod forgery;
mod hooks;
mod range;
mod remeasured;
mod rendered;
#[cfg(unix)]
mod signed;
pub(crate) mod slips;
mod table;
#[cfg(unix)]
mod ways_out;
