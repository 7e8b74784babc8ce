//! `change list`: every change, one line each.

use clap::Args;
use serde_json::Value;

use crate::commands::{Ctx, choose, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report;
use crate::store::Record;

/// List all changes
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
}

/// Damaged records are told on standard error and make the exit code 2, but do not hide the others.
pub(crate) fn run(ctx: &Ctx, args: ListArgs) -> Result<Exit, CommandError> {
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
                report::v1::raw_entry(legacy.id.as_str(), &legacy.title, &legacy.status, &legacy.started_at, &path)
            }
        });
    }
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&Value::Array(lines)))?;
    } else {
        ctx.show(&report::list::document(&lines))?;
    }
    Ok(if damaged == 0 { Exit::Yes } else { Exit::Trouble })
}
