//! `onboard`: fill empty test and timing commands of the config with what the project seems to use.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Ctx, init};
use crate::config::{Edited, Guess, edit, file, template};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{CommandLine, Fix, fix};
use crate::project::commands;
use crate::report::problem;
use crate::store::{atomic, guard};

/// Schema name of the answer.
const SCHEMA: &str = "vibeship_optimizer.onboard.v1";

/// Detect the project's test command and fill empty commands of the config
#[derive(Debug, Default, Args)]
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

/// What was filled in, or would be. Exit 0 also where nothing was found, as the original.
pub(crate) fn run(ctx: &Ctx, args: OnboardArgs) -> Result<Exit, CommandError> {
    if !args.dry_run {
        init::ensure(ctx)?;
    }
    let guess = commands::guess(ctx.project.root());
    let cmd = args.timing_cmd.or_else(|| guess.test.clone());
    let changes = match &cmd {
        Some(cmd) => fill(ctx, cmd, args.force, args.dry_run)?.changes,
        None => Vec::new(),
    };
    let config = ctx.project.config_path().unwrap_or_else(|| ctx.project.default_config_path());
    let applied: Vec<Value> = changes
        .iter()
        .map(|it| json!({ "code": code(it.key), "value": cmd, "key": it.key, "before": it.before }))
        .collect();
    let next: Vec<String> = next_steps().iter().map(ToString::to_string).collect();
    if ctx.json(false) {
        ctx.print(&json!({
            "schema": SCHEMA,
            "ok": true,
            "project_root": ctx.project.root(),
            "config_path": config,
            "dry_run": args.dry_run,
            "changes": applied,
            "changed": applied,
            "timing_cmd": cmd,
            "others": guess.others,
            "size_paths": guess.size_paths,
            "next_steps": next,
        }))?;
    } else {
        let head = if args.dry_run { "Would apply:" } else { "Applied:" };
        let mut lines = vec![format!("Onboarding complete. Config: {}", config.display())];
        lines.push(if applied.is_empty() { "No config changes applied.".to_owned() } else { head.to_owned() });
        lines.extend(changes.iter().map(|it| format!("- {}: {}", code(it.key), cmd.as_deref().unwrap_or_default())));
        lines.push("Next steps:".to_owned());
        lines.extend(next.iter().map(|step| format!("- {step}")));
        ctx.ui.answer(&lines.join("\n"))?;
    }
    for other in &guess.others {
        ctx.ui.hint(&format!("the project could also be tested with: {other}"));
    }
    if cmd.is_none() {
        ctx.ui.warn("no test command was found in this project");
        let name = Fix::next("name it", CommandLine::tool("onboard").ask("--timing-cmd", "COMMAND"));
        ctx.ui.status(&problem::lines(&[name]).join("\n"));
    }
    Ok(Exit::Yes)
}

/// The original's name of a value that was filled in.
fn code(key: &str) -> &'static str {
    if key == "commands.test" { "COMMANDS_TEST_SET" } else { "TIMINGS_CMD_SET" }
}

/// The first loop, in the order in which the gates take it.
fn next_steps() -> [CommandLine; 6] {
    [
        fix::start(),
        CommandLine::tool("change contract"),
        CommandLine::tool("snapshot --as before"),
        CommandLine::tool("validate"),
        CommandLine::tool("snapshot --as after"),
        CommandLine::tool("compare"),
    ]
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
