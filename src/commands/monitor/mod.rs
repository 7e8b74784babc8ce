//! `monitor`: measuring rolled out changes day by day. Here: which changes are monitored, and what the verbs say of one.

pub mod start;
pub mod status;
pub mod tick;

pub use tick::Ticked;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::commands::{Ctx, choose, commit};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::report;
use crate::store::Record;
use crate::workflow::{Change, watch, window};

/// Measure rolled out changes day by day
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// Say for how many days a rolled out change is measured
    Start(start::StartArgs),
    /// Measure every monitored change that is due today
    Tick(tick::TickArgs),
    /// Show which changes are monitored and how far they are
    Status(status::StatusArgs),
}

/// Sends each verb to its file.
pub fn run(ctx: &Ctx, command: MonitorCommand) -> Result<Exit, CommandError> {
    match command {
        MonitorCommand::Start(args) => start::run(ctx, args),
        MonitorCommand::Tick(args) => tick::run(ctx, args),
        MonitorCommand::Status(args) => status::run(ctx, args),
    }
}

/// Every change that is rolled out and has not ended, or the one that is named.
pub(crate) fn monitored(ctx: &Ctx, given: Option<&str>) -> Result<Vec<Change>, CommandError> {
    if let Some(id) = named(given)? {
        return Ok(vec![commit::load(ctx, &id)?]);
    }
    let (records, damaged) = choose::records(ctx)?;
    if damaged > 0 {
        ctx.ui.warn("damaged records are left out; whether their changes hold is not known");
    }
    let tracked = records.into_iter().filter_map(|record| match record {
        Record::Tracked(change) if is_monitored(&change) => Some(*change),
        _ => None,
    });
    Ok(tracked.collect())
}

/// The change named by flag or variable. Unlike other commands, the monitor means all changes where none is named.
pub(crate) fn named(given: Option<&str>) -> Result<Option<ChangeId>, CommandError> {
    let variable = std::env::var(choose::VARIABLE).ok().filter(|text| !text.is_empty());
    Ok(given.map(str::to_owned).or(variable).map(|text| text.parse()).transpose()?)
}

fn is_monitored(change: &Change) -> bool {
    change.is_open() && change.fully_rolled_out_at().is_some()
}

/// Where the monitor of a change stands, in the original's words.
pub(crate) fn state(ctx: &Ctx, change: &Change) -> Result<Value, CommandError> {
    let policy = ctx.policy()?;
    let now = ctx.now();
    let days = window::monitor_days(change, &policy);
    let rolled_out = change.fully_rolled_out_at();
    let measured = rolled_out.map(|from| window::ticked_days(change, from, now)).unwrap_or_default();
    let idle = watch::idle(change, &policy, now, false);
    let runs: Vec<Value> = change
        .ticks
        .iter()
        .map(|tick| {
            json!({
                "utc_date": tick.utc_date,
                "day": tick.day,
                "ts": tick.at,
                "snapshot": change.lies_at(&tick.taken.snapshot),
                "report": change.lies_at(&tick.report),
                "alarms": tick.alarms,
            })
        })
        .collect();
    Ok(json!({
        "active": is_monitored(change) && idle != Some(watch::Idle::Complete),
        "change_id": change.id(),
        "title": change.opened.title,
        "started_at": rolled_out,
        "verify_from": rolled_out.map(|from| window::closes(from, window::verify_days(change, &policy))),
        "closes_at": rolled_out.map(|from| window::closes(from, days)),
        "days": days,
        "runs_completed": measured.len(),
        "days_measured": measured,
        "baseline": watch::reference(change).map(|artifact| &artifact.path),
        "open_alarms": change.open_alarms,
        "idle": idle.map(watch::Idle::name),
        "rollback": report::rollback::action(change),
        "runs": runs,
    }))
}
