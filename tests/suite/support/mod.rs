//! Shared by the tests: a project to work in, the output of commands, and a made-up world for tests without I/O.

mod enforced;
mod enums;
pub(crate) mod made_up;
mod normal;
mod output;
mod sandbox;
pub(crate) mod schema;
#[cfg(unix)]
mod steps;
mod template;

pub(crate) use enforced::KEY;
pub(crate) use enums::variants;
pub(crate) use output::CommandOutput;
pub(crate) use sandbox::{CONFIG, Sandbox, kpi};
#[cfg(unix)]
pub(crate) use steps::alternatives;
#[cfg(target_os = "linux")]
pub(crate) use template::set_changed;
