//! The project's own check commands: build, lint, test and those of the config.

use std::path::Path;
use std::time::Instant;

use crate::commands::{Bar, Ctx};
use crate::config::Config;
use crate::error::CommandError;
use crate::measure::check;
use crate::model::scrub::scrub;
use crate::model::{Check, CheckKind};

/// All of them in order, in `root`; also those after one that failed.
pub(crate) fn commands(ctx: &Ctx, config: &Config, root: &Path, bar: &mut Bar) -> Result<Vec<Check>, CommandError> {
    let commands = &config.commands;
    let fixed = [
        ("build", CheckKind::Build, &commands.build),
        ("lint", CheckKind::Lint, &commands.lint),
        ("test", CheckKind::Test, &commands.test),
    ];
    let fixed = fixed.into_iter().filter_map(|(name, kind, cmd)| Some((name, kind, cmd.as_ref()?, commands.timeout_s)));
    let own = commands.checks.iter().map(|check| (&*check.name, CheckKind::Command, &check.cmd, check.timeout_s));
    let mut done = Vec::new();
    for (name, kind, cmd, timeout_s) in fixed.chain(own) {
        let what = scrub(cmd);
        bar.show(&format!("{name}: {what}"));
        ctx.ui.status(&format!("checking {name}: {what}"));
        let begun = Instant::now();
        let failure = check::command(root, cmd, timeout_s, ctx.interrupt()?);
        let (passed, seconds) = (failure.is_none(), begun.elapsed().as_secs_f64());
        done.push(Check { name: name.to_owned(), kind, passed, what, seconds, failure });
        stop_if_asked(ctx)?;
    }
    Ok(done)
}

pub(crate) fn stop_if_asked(ctx: &Ctx) -> Result<(), CommandError> {
    if ctx.interrupt()?.requested() { Err(interrupted()) } else { Ok(()) }
}

pub(crate) fn interrupted() -> CommandError {
    CommandError::trouble("interrupted; nothing was recorded")
}
