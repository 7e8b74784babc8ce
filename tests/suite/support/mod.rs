//! What the command tests share: a project to work in, and what a command said.

mod normal;
mod output;
mod sandbox;
mod template;

pub(crate) use output::CommandOutput;
pub(crate) use sandbox::{CONFIG, Sandbox, kpi};
pub(crate) use template::{Template, scratch};
