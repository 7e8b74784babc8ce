//! `monitor start`: say for how many days a rolled out change is measured.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, choose, commit, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{Digest, Kind};
use crate::store::{atomic, evidence};
use crate::workflow::{Change, gates, watch, window};

/// Say for how many days a rolled out change is measured
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// The change's recorded baseline; any other file is refused [default: that baseline]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// On how many UTC days to measure; never fewer than verification demands
    #[arg(long, value_name = "N", default_value_t = window::DEFAULT_MONITOR_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

/// The state of the monitor is the record itself, whose path is the answer.
pub fn run(ctx: &Ctx, args: StartArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let change = commit::load(ctx, &id)?;
    commit::ask(ctx, &change, gates::may_monitor(&change))?;
    if let Some(path) = &args.baseline {
        is_the_baseline(ctx, &change, path)?;
    }
    let change = commit::record(ctx, &id, Kind::MonitorStarted { days: args.days })?;
    let days = window::monitor_days(&change, &ctx.policy()?);
    if days > args.days {
        ctx.ui.warn(&format!("measured on {days} days: verification demands no fewer"));
    }
    let record = ctx.project.record_path(id.as_str())?;
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&json!({ "monitor": record })))?;
    } else {
        ctx.ui.answer(&format!("{id} is measured on {days} UTC days; run `vibeship-optimizer monitor tick` daily"))?;
    }
    Ok(Exit::Yes)
}

/// What a change is held against was fixed at its baseline; a freely chosen one could hide a loss.
fn is_the_baseline(ctx: &Ctx, change: &Change, path: &std::path::Path) -> Result<(), CommandError> {
    let bytes = atomic::read(path, evidence::LIMIT)?
        .ok_or_else(|| CommandError::trouble(format!("--baseline: {} does not exist", path.display())))?;
    let Some(recorded) = watch::reference(change) else {
        return Err(CommandError::trouble("--baseline: the change has recorded none"));
    };
    if Digest::of_bytes(&bytes) == recorded.sha256 {
        return Ok(());
    }
    let shown = ctx.project.root().join(&recorded.path);
    Err(CommandError::trouble(format!("--baseline: {} is not the change's recorded baseline", path.display()))
        .hinted(format!("leave --baseline out, or give {}", shown.display())))
}
