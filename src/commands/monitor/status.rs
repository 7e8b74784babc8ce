//! `monitor status`: which changes are monitored and how far they are.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::{Ctx, failure, monitor};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::strict_json::parse_json;
use crate::report;
use crate::store::atomic;

/// The original's monitor file is a few kilobytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Show which changes are monitored and how far they are
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The change [default: every change that is rolled out]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

/// Exit 0 whatever the state; with an open alarm too, as the original.
pub fn run(ctx: &Ctx, args: StatusArgs) -> Result<Exit, CommandError> {
    let changes = monitor::monitored(ctx, args.change_id.as_deref())?;
    let mut states = Vec::new();
    for change in &changes {
        states.push(monitor::state(ctx, change)?);
    }
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&answer(ctx, states)?))?;
    } else {
        ctx.show(&report::day::monitors(&changes, ctx.now(), &ctx.policy()?))?;
    }
    Ok(Exit::Yes)
}

/// The fields of one as the original has them; where several are monitored, those of the first, and all in `changes`.
fn answer(ctx: &Ctx, states: Vec<Value>) -> Result<Value, CommandError> {
    let mut answer = match states.first() {
        Some(Value::Object(first)) => first.clone(),
        _ => legacy(ctx)?,
    };
    let active = states.iter().any(|state| state["active"] == true);
    answer.insert("active".to_owned(), json!(active));
    answer.insert("changes".to_owned(), Value::Array(states));
    Ok(Value::Object(answer))
}

/// What the original's monitor left: shown, but not gone on with, since it was bound to no evidence.
fn legacy(ctx: &Ctx) -> Result<Map<String, Value>, CommandError> {
    let mut answer = Map::new();
    answer.insert("active".to_owned(), json!(false));
    let path = ctx.project.monitor_path();
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(answer) };
    let value = parse_json(&bytes).map_err(|error| CommandError::trouble(format!("{}: {error}", path.display())))?;
    let Value::Object(fields) = value else {
        return Err(CommandError::trouble(format!("{}: it is no monitor of the original's", path.display())));
    };
    answer.extend(fields.into_iter().filter(|(key, _)| key != "active"));
    answer.insert("legacy".to_owned(), json!(true));
    ctx.ui.hint(&format!(
        "{} is the original's monitor and is no longer ticked: a change is monitored from its full rollout on",
        ctx.project.relative(&path)
    ));
    Ok(answer)
}
