//! The project's own check commands: build, lint, test and those of the config. Must not decide what follows from them.

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
    let mut planned: Vec<(String, CheckKind, String, f64)> = Vec::new();
    let fixed = [
        ("build", CheckKind::Build, &commands.build),
        ("lint", CheckKind::Lint, &commands.lint),
        ("test", CheckKind::Test, &commands.test),
    ];
    for (name, kind, cmd) in fixed {
        planned.extend(cmd.iter().map(|cmd| (name.to_owned(), kind, cmd.clone(), commands.timeout_s)));
    }
    let own = commands.checks.iter();
    planned.extend(own.map(|check| (check.name.clone(), CheckKind::Command, check.cmd.clone(), check.timeout_s)));
    let interrupt = ctx.interrupt()?;
    let mut done = Vec::new();
    for (name, kind, cmd, timeout_s) in planned {
        let what = scrub(&cmd);
        bar.show(&format!("{name}: {what}"));
        ctx.ui.status(&format!("checking {name}: {what}"));
        let begun = Instant::now();
        let failure = check::command(root, &cmd, timeout_s, interrupt);
        done.push(Check {
            name,
            kind,
            passed: failure.is_none(),
            what,
            seconds: begun.elapsed().as_secs_f64(),
            failure,
        });
        stop_if_asked(ctx)?;
    }
    Ok(done)
}

pub(crate) fn stop_if_asked(ctx: &Ctx) -> Result<(), CommandError> {
    if ctx.interrupt()?.requested() {
        return Err(CommandError::trouble("interrupted; nothing was recorded"));
    }
    Ok(())
}
