//! The commands as a user runs them, one file per verb, in one test binary.

mod advice;
mod agents;
mod bad_input;
mod cheats;
#[cfg(unix)]
mod colleagues;
mod compare;
mod contract;
mod crash;
mod daily;
mod decide;
mod docs;
mod drop_in;
#[cfg(unix)]
mod examples;
mod exit_codes;
mod fixed;
mod hidden;
mod ids;
mod init;
#[cfg(unix)]
mod interrupted;
mod leads;
mod logbook;
mod monitor;
mod old_stores;
mod original;
#[cfg(unix)]
mod pairs;
mod places;
mod processes;
#[cfg(unix)]
mod reports;
mod review;
mod secrets;
mod snapshot;
mod spark;
mod surroundings;
mod validate;
mod verify;
#[cfg(unix)]
mod ways_out;
mod workflow;
