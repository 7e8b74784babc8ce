//! Tests of the gates as scripts and as properties. No I/O: the facts are constructed and the clock is an argument.

mod cheats;
mod loops;
mod random;
mod refusals;
mod sealed;
