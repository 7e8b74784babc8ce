//! The commands as a user runs them, one file per verb, in one test binary.

mod support;

mod bad_input;
mod cheats;
mod compare;
mod contract;
mod decide;
mod ids;
mod snapshot;
mod surroundings;
mod validate;
mod verify;
mod workflow;
