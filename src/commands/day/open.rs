//! `day open`: the morning's list: is the service healthy, are the tuneables as they were left, where do the changes
//! stand. Records nothing.

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, checks, choose, failure, tuneables};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, Morning, Probed, StepView, problem};
use crate::store::Record;
use crate::workflow::{Change, next, view_v1};

/// Check health, tuneables and the open changes at the start of a day
#[derive(Debug, Args)]
pub struct OpenArgs {}

/// Exit 1 when a probe fails, a tuneable is not as it was left, an alarm is open or an override has expired.
pub fn run(ctx: &Ctx, _args: OpenArgs) -> Result<Exit, CommandError> {
    let (records, damaged) = choose::records(ctx)?;
    let tracked: Vec<Change> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Tracked(change) => Some(*change),
            Record::Legacy(_) => None,
        })
        .collect();
    let tuneables = tuneables::read(ctx, &tracked.iter().collect::<Vec<_>>())?;
    let probes = health(ctx)?;
    let policy = ctx.policy()?;
    let now = ctx.now();
    let open: Vec<(&Change, next::Step)> = tracked
        .iter()
        .filter(|change| change.is_open())
        .map(|change| (change, next::next(change, &policy, now)))
        .collect();
    let fixes = ctx.fix_context();
    let morning = Morning {
        now,
        probes: &probes,
        tuneables: &tuneables.now.values,
        expected: tuneables.expected.as_ref().map(|(path, _)| path.as_str()),
        moved: &tuneables.moved,
        changes: &open,
    };
    if ctx.json(false) {
        let change = |(change, step): &(&Change, next::Step)| {
            json!({
                "change_id": change.id(),
                "title": change.opened.title,
                "status": view_v1::status(change),
                "open_alarms": change.open_alarms,
                "expires": change.opened.expires,
                "next": step,
                "commands": problem::commands(&StepView::new(change, step, &fixes).next),
            })
        };
        let answer = json!({
            "schema": "vibeship_optimizer.day_open.v1",
            "generated_at": now,
            "utc_date": now.date_naive(),
            "well": morning.is_well(),
            "health": probes,
            "tuneables": tuneables.now.values,
            "expected_from": tuneables.expected.as_ref().map(|(path, _)| path),
            "tuneables_moved": tuneables.moved,
            "changes": open.iter().map(change).collect::<Vec<_>>(),
        });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::daily::morning(&morning))?;
    }
    if damaged > 0 {
        return Ok(Exit::Trouble);
    }
    Ok(if morning.is_well() { Exit::Yes } else { Exit::No })
}

fn health(ctx: &Ctx) -> Result<Vec<Probed>, CommandError> {
    let interrupt = ctx.interrupt()?;
    let mut list = Vec::new();
    for probe in &ctx.config()?.http_probes {
        let (url, failure) = checks::smoke(probe, interrupt);
        if interrupt.requested() {
            return Err(CommandError::trouble("interrupted"));
        }
        list.push(Probed { name: probe.name.clone(), url, failure });
    }
    Ok(list)
}
