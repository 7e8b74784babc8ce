//! Measuring a program against itself, or against itself with known extra work: what `calibrate` and `selftest` share.
//! Must not judge.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::commands::{Bar, Ctx, spin};
use crate::error::CommandError;
use crate::judge::Decision;
use crate::measure::pair::{Budget, PairPlan, Place, Session, session};
use crate::measure::{Reference, SystemRunner};
use crate::model::{PairedCommand, Stop};
use crate::os::process;

/// So many pairs of `plan` in `root`, the arms doing their own number of steps of extra work. Neither ends early.
pub fn pairs(
    ctx: &Ctx,
    plan: &PairPlan,
    root: &Path,
    steps: (u32, u32),
    pairs: u32,
    bar: &mut Bar,
) -> Result<PairedCommand, CommandError> {
    let interrupt = ctx.interrupt()?;
    let mut runner = SystemRunner::new(interrupt.clone());
    let place = |steps: u32| Place {
        root: root.to_owned(),
        env: vec![(spin::VARIABLE.into(), Some(OsString::from(steps.to_string())))],
    };
    let (before, after) = (place(steps.0), place(steps.1));
    let mut reference = session::built_in_reference();
    let mut elapsed = session::since_now();
    let mut session = Session::new(&mut runner, &before, &after, &mut reference, &mut elapsed);
    let budget = Budget { min_pairs: pairs, max_pairs: pairs, max_time: Duration::MAX };
    let measured = session.command(plan, budget, &mut |_| Decision::Continue { more: None }, &mut |progress| {
        bar.show(&format!("{}: pair {} of {pairs}", plan.name, progress.so_far.pairs.len()));
    });
    if measured.paired.stopped == Stop::Interrupted {
        return Err(CommandError::trouble("interrupted; nothing was recorded"));
    }
    if let Some(error) = measured.error {
        return Err(CommandError::trouble(format!("{}: {error}", plan.name)));
    }
    Ok(measured.paired)
}

/// The words that do the arm's extra work.
pub fn spin_words() -> Result<Vec<String>, CommandError> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or_else(|| CommandError::trouble("this program's path is not Unicode"))?;
    Ok(vec![program.to_owned(), "spin".to_owned()])
}

/// The same as a line for the shell.
pub fn spin_command() -> Result<String, CommandError> {
    process::shell_line(&spin_words()?).ok_or_else(|| CommandError::trouble("no shell can name this program's path"))
}

/// How many steps of the built-in work take so many seconds here, by the fastest of several tries.
pub fn steps_for(seconds: f64) -> u32 {
    let reference = Reference::new();
    let tries = (0..15).map(|_| reference.measure_once());
    let fastest = tries.map(|time| time.cpu_s.unwrap_or(time.wall_s)).fold(f64::INFINITY, f64::min);
    // Half a second of work is far below u32::MAX steps; a saturating cast keeps anything else sane.
    (seconds / fastest * f64::from(Reference::STEPS)) as u32
}
