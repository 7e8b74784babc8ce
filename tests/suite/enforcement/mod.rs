//! Enforcement against real git: the hooks as git fires them, and the range check as the authority behind them.
//! Hermetic: its own home, its own git configuration, no variable of the person who runs it.

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
