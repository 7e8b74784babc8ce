//! `spin` (hidden): does a known amount of work, for `calibrate` and `selftest` to measure. Must not do anything else.

use clap::Args;

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::measure::Reference;

/// The variable that says how much work; each arm has its own.
pub const VARIABLE: &str = "VIBESHIP_OPTIMIZER_SPIN_STEPS";

/// Do a known amount of work
#[derive(Debug, Args)]
pub struct SpinArgs {}

/// As many steps of the reference workload as the variable says; none without it.
pub fn run(_ctx: &Ctx, _args: SpinArgs) -> Result<Exit, CommandError> {
    let steps = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Reference::new().work(steps);
    Ok(Exit::Yes)
}
