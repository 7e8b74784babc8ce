//! `onboard`: fill empty test and timing commands of the config with what the project seems to use.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, failure, init};
use crate::config::{Edited, Guess, edit, file, template};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{CommandLine, Fix};
use crate::project::commands;
use crate::store::{atomic, guard};

/// Schema name of the answer.
const SCHEMA: &str = "vibeship_optimizer.onboard.v1";

/// Detect the project's test command and fill empty commands of the config
#[derive(Debug, Args)]
pub(crate) struct OnboardArgs {
    /// Command to time and to test with [default: detected from the project's files]
    #[arg(long, value_name = "CMD")]
    timing_cmd: Option<String>,
    /// Replace existing commands
    #[arg(long)]
    force: bool,
    /// Show what would change without changing anything
    #[arg(long)]
    dry_run: bool,
}

/// What was filled in, or would be.
pub(crate) fn run(ctx: &Ctx, args: OnboardArgs) -> Result<Exit, CommandError> {
    if !args.dry_run {
        init::ensure(ctx)?;
    }
    let guess = commands::guess(ctx.project.root());
    let cmd = args.timing_cmd.or_else(|| guess.test.clone());
    let edited = match &cmd {
        Some(cmd) => Some(fill(ctx, cmd, args.force, args.dry_run)?),
        None => None,
    };
    let changes: Vec<_> = edited.iter().flat_map(|edited| &edited.changes).collect();
    if ctx.json(false) {
        let changed: Vec<_> =
            changes.iter().map(|change| json!({ "key": change.key, "before": change.before })).collect();
        ctx.ui.answer(&failure::pretty(&json!({
            "schema": SCHEMA,
            "timing_cmd": cmd,
            "others": guess.others,
            "size_paths": guess.size_paths,
            "changed": changed,
            "dry_run": args.dry_run,
        })))?;
    } else if let Some(cmd) = &cmd {
        let verb = if args.dry_run { "Would set" } else { "Set" };
        let lines: Vec<String> = changes.iter().map(|change| format!("{verb} {} to: {cmd}", change.key)).collect();
        ctx.ui.answer(&if lines.is_empty() { "Nothing to fill in.".to_owned() } else { lines.join("\n") })?;
        for other in &guess.others {
            ctx.ui.hint(&format!("the project could also be tested with: {other}"));
        }
    } else {
        let name = Fix::next("name it", CommandLine::tool("onboard").ask("--timing-cmd", "COMMAND"));
        return Err(CommandError::failed("no test command was found in this project").fixed_by([name]));
    }
    Ok(Exit::Yes)
}

/// Fills the guess into an existing config where it is still empty, for `init --onboard`.
pub(crate) fn fill_guess(ctx: &Ctx) -> Result<(), CommandError> {
    if let Some(cmd) = commands::guess(ctx.project.root()).test {
        for change in fill(ctx, &cmd, false, false)?.changes {
            ctx.ui.status(&format!("Set {} to: {cmd}", change.key));
        }
    }
    Ok(())
}

/// Whether [`fill_guess`] would change the config.
pub(crate) fn would_fill(ctx: &Ctx) -> Result<bool, CommandError> {
    match commands::guess(ctx.project.root()).test {
        // What has to be filled in by hand is nothing that can be put right here.
        Some(_) if ctx.project.config_path().is_none() => Ok(false),
        Some(test) => Ok(fill(ctx, &test, false, true).is_ok_and(|edited| !edited.changes.is_empty())),
        None => Ok(false),
    }
}

fn fill(ctx: &Ctx, cmd: &str, force: bool, dry_run: bool) -> Result<Edited, CommandError> {
    // The lock is a file too.
    let _lock = if dry_run { None } else { Some(ctx.lock()?) };
    let (path, text) = match ctx.project.config_path() {
        Some(path) => {
            let bytes = atomic::read(&path, file::MAX_BYTES)?.unwrap_or_default();
            let wrong = |_| CommandError::trouble(format!("{} is not UTF-8", path.display()));
            let text = String::from_utf8(bytes).map_err(wrong)?;
            (path, text)
        }
        None if dry_run => (ctx.project.default_config_path(), template::template(&Guess::default())),
        None => return Err(CommandError::trouble("there is no config file")),
    };
    let edited = edit::fill(&text, &path, cmd, force)?;
    if !dry_run && !edited.changes.is_empty() {
        guard::write(&ctx.project, &path, edited.text.as_bytes())?;
    }
    Ok(edited)
}
