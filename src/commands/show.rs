//! `change list`, `change show` and `change trailer`: all changes, one with all its evidence, and the line that names it.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{ChangeArg, Ctx, choose, commit};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, problem};
use crate::store::Record;
use crate::workflow::{Change, next, view_v1};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Change [default: VIBESHIP_CHANGE_ID, the one selected with `change use`, or the only open change]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Change to show, as an option
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    change_id: Option<String>,
}

pub(crate) fn run(ctx: &Ctx, args: ShowArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.id.or(args.change_id).as_deref())?;
    if let Some(legacy) = commit::legacy(ctx, &id)? {
        let mut fields = legacy.fields.clone();
        fields.insert("legacy".to_owned(), json!(true));
        fields.insert("message".to_owned(), json!(legacy.sentence()));
        fields.insert("commands".to_owned(), problem::commands(&legacy.fixes()));
        ctx.answer(
            false,
            &Value::Object(fields),
            &report::show::legacy(&legacy.fields, &legacy.sentence(), &legacy.fixes()),
        )?;
        return Ok(Exit::Yes);
    }
    let change = commit::load(ctx, &id)?;
    let mut fields = view_v1::fields(&change);
    fields.insert("contract".to_owned(), json!(change.contract));
    fields.insert("next".to_owned(), json!(next::next(&change, &ctx.policy()?, ctx.now())));
    fields.insert("events".to_owned(), json!(change.events));
    ctx.answer(false, &Value::Object(fields), &report::show::document(&change))?;
    Ok(Exit::Yes)
}

/// The answer of commands that move a change: its id and state, and what comes next.
pub(crate) fn state(ctx: &Ctx, change: &Change) -> Result<Exit, CommandError> {
    standing(ctx, change)?;
    ctx.hint_next(change)?;
    Ok(Exit::Yes)
}

/// Its id and state alone, where what comes next has been told.
pub(crate) fn standing(ctx: &Ctx, change: &Change) -> Result<Exit, CommandError> {
    let (step, status) = (next::next(change, &ctx.policy()?, ctx.now()), view_v1::status(change));
    let answer = json!({ "change_id": change.id(), "status": status, "next": step });
    ctx.say(false, &answer, &format!("{} {status}", change.id()))?;
    Ok(Exit::Yes)
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// List only open changes
    #[arg(long)]
    open: bool,
}

/// Damaged records are told on standard error and make the exit code 2, but do not hide the others.
pub(crate) fn list(ctx: &Ctx, args: ListArgs) -> Result<Exit, CommandError> {
    let (mut records, damaged) = choose::records(ctx)?;
    if args.open {
        records.retain(|record| match record {
            Record::Tracked(change) => change.is_open(),
            Record::Legacy(legacy) => legacy.status != "verified",
        });
    }
    let mut lines = Vec::new();
    for record in &records {
        let path = ctx.project.record_path(record.id().as_str())?.display().to_string();
        lines.push(match record {
            Record::Tracked(change) => report::v1::entry(change, &path),
            Record::Legacy(legacy) => {
                let (id, started) = (legacy.id.as_str(), &legacy.started_at);
                let mut entry = report::v1::raw_entry(id, &legacy.title, &legacy.status, started, &path);
                entry["legacy"] = json!(true);
                entry
            }
        });
    }
    let doc = report::show::list(&lines);
    ctx.answer(true, &Value::Array(lines), &doc)?;
    Ok(if damaged == 0 { Exit::Yes } else { Exit::Trouble })
}

#[derive(Debug, Args)]
pub(crate) struct TrailerArgs {
    #[command(flatten)]
    change: ChangeArg,
}

/// The line alone, so that it can be put into a message by a script.
pub(crate) fn trailer(ctx: &Ctx, args: TrailerArgs) -> Result<Exit, CommandError> {
    let change = args.change.load(ctx)?;
    let key = &ctx.config()?.enforcement.trailer;
    let line = format!("{key}: {}", change.id());
    ctx.say(false, &json!({ "key": key, "value": change.id(), "line": line }), &line)?;
    if !ctx.json(false) {
        ctx.ui.hint("put it last in the message or the pull request's text, after an empty line");
    }
    Ok(Exit::Yes)
}
