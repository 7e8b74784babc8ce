//! `init`: set up the project: state directory, config, logbook. Idempotent; never changes what is there.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, audit_here, failure, onboard};
use crate::config::{Guess, template};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::project::commands;
use crate::report;
use crate::store::{Exclusive, atomic, guard, logbook};

/// The line that `.gitattributes` needs so that branches merge their logbook sections.
const MERGE_UNION: &str = "VIBESHIP_OPTIMIZER.md merge=union";

/// Set up a project: state directory, config and logbook
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Fill empty test and timing commands of an existing config with detected ones
    #[arg(long)]
    onboard: bool,
    /// Never prompt, even on a terminal
    #[arg(long, env = "VIBESHIP_OPTIMIZER_NO_PROMPT", value_parser = clap::builder::FalseyValueParser::new())]
    no_prompt: bool,
}

/// What `init` found or made.
struct SetUpPaths {
    config: String,
    logbook: String,
}

/// Prints the two lines of the original.
pub(crate) fn run(ctx: &Ctx, args: InitArgs) -> Result<Exit, CommandError> {
    let lock = ctx.lock()?;
    let made = set_up(ctx, &lock)?;
    if ctx.json(false) {
        ctx.ui.answer(&failure::pretty(&json!({ "config": made.config, "logbook": made.logbook })))?;
    } else {
        ctx.ui.answer(&format!("Initialized: {}\nInitialized: {}", made.config, made.logbook))?;
    }
    drop(lock);
    if args.onboard {
        onboard::run(ctx, onboard::OnboardArgs::default())?;
    }
    if ctx.repo().is_ok() {
        audit_here::tell_hidden(ctx)?;
    }
    offer_merge_union(ctx, args.no_prompt)?;
    ctx.config()?;
    ctx.ui.hint("open a change: vibeship-optimizer change start --title \"<short hypothesis>\"");
    Ok(Exit::Yes)
}

/// Sets the project up if nobody has, for commands that need a state directory.
pub(crate) fn ensure(ctx: &Ctx) -> Result<(), CommandError> {
    if ctx.project.is_initialized() && ctx.project.config_path().is_some() {
        return Ok(());
    }
    let lock = ctx.lock()?;
    let made = set_up(ctx, &lock)?;
    ctx.ui.status(&format!("Initialized: {}", made.config));
    Ok(())
}

fn set_up(ctx: &Ctx, lock: &Exclusive) -> Result<SetUpPaths, CommandError> {
    if logbook::adopt_legacy(lock)? {
        ctx.ui.status("Renamed OPTIMIZATION_CHECKER.md to VIBESHIP_OPTIMIZER.md.");
    }
    let existing = ctx.project.config_path();
    let config = match existing {
        Some(path) => path,
        None => {
            let path = ctx.project.default_config_path();
            let head = ctx.repo().ok().flatten().and_then(|repo| repo.resolve("HEAD").ok());
            let guess = Guess { since: head, ..commands::guess(ctx.project.root()) };
            atomic::create_new(&path, template::template(&guess).as_bytes())?;
            match &guess.test {
                Some(test) => ctx.ui.status(&format!("The config times and tests with `{test}`; edit it as you like.")),
                None => {
                    ctx.ui.warn("no test command was found; name one under `commands.test` and `timings` in the config")
                }
            }
            path
        }
    };
    let (logbook, _) = logbook::create(lock, report::logbook::HEADING)?;
    Ok(SetUpPaths { config: config.display().to_string(), logbook: logbook.display().to_string() })
}

/// Offers the merge driver that keeps two branches' logbook sections; written only when a person says yes.
fn offer_merge_union(ctx: &Ctx, no_prompt: bool) -> Result<(), CommandError> {
    let path = ctx.project.root().join(".gitattributes");
    let text = atomic::read(&path, 1 << 20)?.unwrap_or_default();
    let has_line = String::from_utf8_lossy(&text).lines().any(|line| line.trim() == MERGE_UNION);
    if has_line || !matches!(ctx.repo(), Ok(Some(_))) {
        return Ok(());
    }
    if no_prompt || !ctx.ui.can_ask() {
        ctx.ui.hint(&format!("so that branches merge their logbooks, add to .gitattributes: {MERGE_UNION}"));
        return Ok(());
    }
    let answer =
        ctx.ui.ask(&format!("Add `{MERGE_UNION}` to .gitattributes, so that branches merge their logbooks? [y/N]"))?;
    if answer.is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes")) {
        let mut text = text;
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(MERGE_UNION.as_bytes());
        text.push(b'\n');
        guard::write(&ctx.project, &path, &text)?;
        // It is the project's file, not the tool's own: uncommitted, it would keep the baseline from being taken.
        ctx.ui.hint("commit it: git add .gitattributes && git commit -m \"Merge logbooks by union\" -- .gitattributes");
    }
    Ok(())
}
