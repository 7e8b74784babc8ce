//! The project's own checks: commands that must succeed, health probes that must answer. Why one failed is told in words
//! that may be kept: scrubbed and short.

use std::path::Path;
use std::time::Instant;

use crate::commands::{Bar, Ctx};
use crate::config::{Config, HttpProbe};
use crate::error::CommandError;
use crate::measure::{Place, command, http};
use crate::model::scrub::scrub;
use crate::model::{Check, CheckKind};
use crate::os::{Interrupt, process};

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
    let interrupt = ctx.interrupt()?;
    let mut done = Vec::new();
    for (name, kind, cmd, timeout_s) in fixed.chain(own) {
        let what = scrub(cmd);
        bar.show(&format!("{name}: {what}"));
        ctx.ui.status(&format!("checking {name}: {what}"));
        let mut try_once = || (what.clone(), run(root, cmd, timeout_s, interrupt));
        done.push(tried(ctx, name, kind, &mut try_once)?);
    }
    Ok(done)
}

/// Runs a command in the project's root; `None` when it succeeded, else why not with the end of its output.
pub(crate) fn run(root: &Path, cmd: &str, timeout_s: f64, interrupt: &Interrupt) -> Option<String> {
    let mut spec = Place { root: root.to_owned(), env: Vec::new() }.shell(cmd, command::seconds(timeout_s));
    spec.stdout = spec.stderr;
    let finished = match process::run(&spec, interrupt) {
        Ok(finished) => finished,
        Err(error) => return Some(scrub(&error.to_string())),
    };
    let mut text = command::failure(finished.ended, spec.timeout)?;
    for captured in [&finished.stdout, &finished.stderr] {
        let tail = captured.tail_text(command::ERROR_BYTES);
        if !tail.trim().is_empty() {
            text.push('\n');
            text.push_str(scrub(tail.trim_end()).as_ref());
        }
    }
    Some(text)
}

/// Asks a health probe; its URL as it may be kept, and why it failed.
pub(crate) fn smoke(probe: &HttpProbe, interrupt: &Interrupt) -> (String, Option<String>) {
    let answer = http::probe(probe, &|| interrupt.requested());
    let failure = (!answer.ok).then(|| answer.error.unwrap_or_else(|| "no answer as expected".to_owned()));
    (answer.url, failure)
}

/// Runs a check, and once more where it fails: one lost packet is not to end a change. `run` says what was run, and why
/// it failed.
pub(crate) fn tried(
    ctx: &Ctx,
    name: &str,
    kind: CheckKind,
    run: &mut dyn FnMut() -> (String, Option<String>),
) -> Result<Check, CommandError> {
    let begun = Instant::now();
    let (mut what, mut failure) = run();
    stop_if_asked(ctx)?;
    let mut first_failure = None;
    if failure.is_some() {
        ctx.ui.status(&format!("{name} failed; it is run once more"));
        first_failure = std::mem::take(&mut failure);
        (what, failure) = run();
        stop_if_asked(ctx)?;
        if failure.is_some() {
            first_failure = None;
        } else {
            ctx.ui.warn(&format!("{name} is flaky: it failed, and passed when it was run once more"));
        }
    }
    let (passed, seconds) = (failure.is_none(), begun.elapsed().as_secs_f64());
    Ok(Check { name: name.to_owned(), kind, passed, what, seconds, failure, first_failure })
}

pub(crate) fn stop_if_asked(ctx: &Ctx) -> Result<(), CommandError> {
    if ctx.interrupt()?.requested() { Err(interrupted()) } else { Ok(()) }
}

pub(crate) fn interrupted() -> CommandError {
    CommandError::trouble("interrupted; nothing was recorded")
}
