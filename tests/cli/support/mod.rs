//! What the command tests share: a project to work in, and what a command said.

mod normal;
mod output;
mod sandbox;

pub use output::CommandOutput;
pub use sandbox::CONFIG;
pub use sandbox::Sandbox;
pub use sandbox::kpi;
