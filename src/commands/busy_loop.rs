//! `spin` (hidden): a known amount of work, and measuring a program against itself or against itself with such work
//! added; what `calibrate` and `selftest` share.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use crate::commands::{Bar, Ctx, checks};
use crate::config::Pin;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::judge::Decision;
use crate::measure::pair::{Budget, Session};
use crate::measure::{CommandPlan, Place, Reference, SystemRunner};
use crate::model::{PairedCommand, Stop};

/// The variable that says how much work; each side has its own.
const VARIABLE: &str = "VIBESHIP_OPTIMIZER_SPIN_STEPS";

/// Do a known amount of work
#[derive(Debug, Args)]
pub(crate) struct SpinArgs {}

/// As many steps of the reference workload as the variable says; none without it.
pub(crate) fn run(_ctx: &Ctx, _args: SpinArgs) -> Result<Exit, CommandError> {
    let steps = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Reference::new().work(steps);
    Ok(Exit::Yes)
}

/// The words of that command.
pub(crate) fn words() -> Result<Vec<String>, CommandError> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| CommandError::trouble("this program's path is not Unicode"))?;
    Ok(vec![program.to_owned(), "spin".to_owned()])
}

/// How many steps take so many seconds here, by the fastest of several tries.
pub(crate) fn steps_for(seconds: f64) -> u32 {
    let reference = Reference::new();
    let tries = (0..15).map(|_| reference.measure_once());
    let fastest = tries.map(|time| time.cpu_s.unwrap_or(time.wall_s)).fold(f64::INFINITY, f64::min);
    // Half a second of work is far below u32::MAX steps; a saturating cast keeps anything else sane.
    (seconds / fastest * f64::from(Reference::STEPS)) as u32
}

/// So many pairs of `plan`, each side with its own number of steps. They do not end early.
pub(crate) fn pairs(
    ctx: &Ctx,
    plan: &CommandPlan,
    pin: Pin,
    steps: (u32, u32),
    pairs: u32,
    bar: &mut Bar,
) -> Result<PairedCommand, CommandError> {
    let mut runner = SystemRunner::new(ctx.interrupt()?.clone());
    let place = |steps: u32| Place {
        root: ctx.project.root().to_owned(),
        env: vec![(VARIABLE.into(), Some(OsString::from(steps.to_string())))],
    };
    let (before, after) = (place(steps.0), place(steps.1));
    let mut session = Session::new(&mut runner, (&before, &after), pin);
    let budget = Budget { min_pairs: pairs, max_pairs: pairs, max_time: Duration::MAX };
    let measured = session.command(plan, budget, &mut |_| Decision::Continue { more: None }, &mut |progress| {
        bar.show(&format!("{}: pair {} of {pairs}", plan.name, progress.so_far.pairs.len()));
    });
    if measured.paired.stopped == Stop::Interrupted {
        return Err(checks::interrupted());
    }
    if let Some(error) = measured.error {
        return Err(CommandError::trouble(format!("{}: {error}", plan.name)));
    }
    Ok(measured.paired)
}
