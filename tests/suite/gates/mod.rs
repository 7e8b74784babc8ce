//! The gates as scripts and as properties. No I/O: facts are made up, the clock is an argument.

mod cheats;
mod loops;
mod random;
mod refusals;
mod sealed;
