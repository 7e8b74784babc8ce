//! `monitor`: measures rolled out changes day by day. Here: which changes are monitored, `monitor start` and `monitor
//! status`.

pub(crate) mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{Duration, NaiveDate};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::audit::{CheckPolicy, Finding, History, Unwitnessed};
use crate::commands::{ChangeArg, Ctx, GitHistory, choose, commit};
use crate::error::{Exit, Result, trouble};
use crate::model::{Commit, Digest, Kind, Tick, parse_json};
use crate::report::{self, visible::visible_line};
use crate::store::{atomic, evidence};
use crate::workflow::{Change, Dated, gates, watch, window};

const LIMIT: u64 = 4 * 1024 * 1024;
/// How old a clone may be in which a day is measured.
const FETCHED_WITHIN: Duration = Duration::days(1);

#[derive(Debug, Subcommand)]
pub(crate) enum MonitorCommand {
    /// Set for how many days a rolled out change is measured
    Start(MonitorStartArgs),
    /// Measure every monitored change that is due today
    Tick(tick::TickArgs),
    /// Show which changes are monitored and how far along they are
    Status(MonitorStatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MonitorStartArgs {
    #[command(flatten)]
    change: ChangeArg,
    /// Baseline file; must be the change's recorded baseline [default: that baseline]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Number of UTC days to measure, at least as many as verification requires
    #[arg(long, value_name = "N", default_value_t = window::DEFAULT_MONITOR_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

#[derive(Debug, Args)]
pub(crate) struct MonitorStatusArgs {
    /// Show only this change [default: every change that is rolled out]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
}

pub(crate) fn run(ctx: &Ctx, command: MonitorCommand) -> Result<Exit> {
    match command {
        MonitorCommand::Start(args) => start(ctx, args),
        MonitorCommand::Tick(args) => tick::run(ctx, args),
        MonitorCommand::Status(args) => status(ctx, args),
    }
}

/// The state of the monitor is the record itself, whose path is printed.
fn start(ctx: &Ctx, args: MonitorStartArgs) -> Result<Exit> {
    let id = args.change.choose_monitored(ctx)?;
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
    let text = format!("{id} is measured on {days} UTC days; run `vibeship-optimizer monitor tick` daily");
    ctx.say(true, &json!({ "monitor": ctx.project.record_path(&id) }), &text)
}

/// Fails unless the file is the change's recorded baseline: a freely chosen one could hide a regression.
fn is_the_baseline(ctx: &Ctx, change: &Change, path: &Path) -> Result<()> {
    let bytes = atomic::read(path, evidence::LIMIT)?
        .ok_or_else(|| trouble(format!("--baseline: {} does not exist", path.display())))?;
    let Some(recorded) = watch::reference(change) else {
        return Err(trouble("--baseline: the change has recorded none"));
    };
    if recorded.holds(&bytes) {
        return Ok(());
    }
    let shown = ctx.project.root().join(&recorded.path);
    Err(trouble(format!("--baseline: {} is not the change's recorded baseline", path.display()))
        .hinted(format!("leave --baseline out, or give {}", shown.display())))
}

/// Exits with 0 even while an alarm is open, as the Python tool does; 2 if a record cannot be relied on.
fn status(ctx: &Ctx, args: MonitorStatusArgs) -> Result<Exit> {
    let changes = monitored(ctx, args.change_id.as_deref())?;
    let lost = tick::lost(ctx, args.change_id.as_deref())?;
    let legacy = legacy(ctx)?;
    let states = changes.iter().map(|change| state(ctx, change)).collect::<Result<Vec<Value>>>()?;
    let doc = report::day::monitors(&changes, ctx.now(), &ctx.policy()?);
    ctx.answer(true, &answer(states, legacy.as_ref(), &lost), &doc)?;
    if let Some(legacy) = &legacy {
        ctx.ui.warn(&legacy_text(ctx, legacy));
    }
    tick::tell_lost(ctx, &lost);
    Ok(if lost.is_empty() { Exit::Yes } else { Exit::Trouble })
}

/// The Python tool's fields, for the first change if several are monitored, and all changes in `changes`.
fn answer(states: Vec<Value>, legacy: Option<&Map<String, Value>>, lost: &[Finding]) -> Value {
    let active = states.iter().any(|state| state["active"] == true);
    let mut answer = json!(legacy.cloned().unwrap_or_default());
    match states.first() {
        Some(first) => answer.clone_from(first),
        None if legacy.is_some() => answer["legacy"] = json!(true),
        None => {}
    }
    if let Some(first) = lost.first() {
        answer["error"] = json!(first.named());
        answer["records_not_known"] = tick::not_known(lost);
    }
    answer["active"] = json!(active);
    answer["changes"] = Value::Array(states);
    answer
}

pub(crate) fn legacy_text(ctx: &Ctx, legacy: &Map<String, Value>) -> String {
    let of = legacy.get("change_id").and_then(Value::as_str).map(visible_line).unwrap_or_default();
    let path = ctx.project.relative(&ctx.project.monitor_path());
    format!(
        "{path} is the Python tool's monitor of {of}, which is not continued: a change is monitored from its full \
         rollout on; see what {of} lacks with `vibeship-optimizer status`"
    )
}

/// The state of the Python tool's monitor: shown but not continued, since it was bound to no evidence.
pub(crate) fn legacy(ctx: &Ctx) -> Result<Option<Map<String, Value>>> {
    let path = ctx.project.monitor_path();
    let Some(bytes) = atomic::read(&path, LIMIT)? else { return Ok(None) };
    let value = parse_json(&bytes).map_err(|error| trouble(format!("{}: {error}", path.display())))?;
    let Value::Object(fields) = value else {
        return Err(trouble(format!("{}: not a monitor file of the Python tool", path.display())));
    };
    Ok(Some(fields))
}

/// The named change, or every change that is rolled out and has not ended: unlike other commands, the monitor works on
/// all of them if none is named.
pub(crate) fn monitored(ctx: &Ctx, typed: Option<&str>) -> Result<Vec<Change>> {
    if let Some(id) = choose::named(ctx, typed)? {
        return Ok(vec![commit::load(ctx, &id)?]);
    }
    let (mut changes, damaged) = choose::changes(ctx)?;
    if damaged > 0 {
        ctx.ui.warn("damaged records are left out; whether their changes hold is not known");
    }
    changes.retain(is_monitored);
    Ok(changes)
}

/// Names the open changes that are not fully rolled out, each with its stage.
fn in_stages(ctx: &Ctx) -> Result<Vec<String>> {
    let (changes, _) = choose::changes(ctx)?;
    let open = changes.iter().filter(|change| change.is_open() && !is_monitored(change));
    let one = |change: &Change| Some(format!("{} is at the stage {}", change.id(), change.stage()?.stage.name()));
    Ok(open.filter_map(one).collect())
}

fn is_monitored(change: &Change) -> bool {
    change.is_open() && change.fully_rolled_out_at().is_some()
}

fn state(ctx: &Ctx, change: &Change) -> Result<Value> {
    let policy = ctx.policy()?;
    let now = ctx.now();
    let days = window::monitor_days(change, &policy);
    let rolled_out = change.fully_rolled_out_at();
    let measured = rolled_out.map(|from| window::ticked_days(change, from, now)).unwrap_or_default();
    let idle = watch::idle(change, &policy, now, false);
    let earliest = |from, days| window::earliest(change, from, days, now);
    let run = |tick: &Dated<Tick>| {
        json!({
            "utc_date": tick.utc_date,
            "day": tick.day,
            "ts": tick.at,
            "snapshot": tick.taken.snapshot.path,
            "report": tick.report.path,
            "alarms": tick.alarms,
        })
    };
    Ok(json!({
        "active": is_monitored(change) && idle != Some(watch::Idle::Complete),
        "schema": "vibeship_optimizer.monitor.v1",
        "change_id": change.id(),
        "title": change.opened.title,
        "started_at": rolled_out,
        "verify_from": rolled_out.map(|from| earliest(from, window::verify_days(change, &policy))),
        "closes_at": rolled_out.map(|from| earliest(from, days)),
        "days": days,
        "runs_completed": measured.len(),
        "last_run_utc_date": change.ticks.iter().map(|tick| tick.utc_date.to_string()).max().unwrap_or_default(),
        "baseline_snapshot": watch::reference(change).map(|artifact| &artifact.path),
        "days_measured": measured,
        "baseline": watch::reference(change).map(|artifact| &artifact.path),
        "open_alarms": change.open_alarms,
        "idle": idle.map(watch::Idle::name),
        "rollback": report::rollback::action(change),
        "runs": change.ticks.iter().map(run).collect::<Vec<_>>(),
    }))
}

/// The monitored days that git does not confirm: the history of `head` does not have what was measured, or had other code for
/// longer than a clone is left alone.
pub(crate) fn unwitnessed(
    history: &GitHistory<'_>,
    (policy, head): (&CheckPolicy, &str),
    change: &Change,
) -> BTreeMap<Unwitnessed, BTreeSet<NaiveDate>> {
    let mut own = change.commits();
    own.retain(|own| !change.ticks.is_empty() && history.reaches(head, own));
    let validated = change.validation.as_ref().and_then(|validation| validation.revision.code.as_ref());
    // A rebase or a squash keeps the code.
    let has = |code: &Digest| {
        validated == Some(code) || own.iter().any(|own| history.has_code_after(own, head, code.as_str()))
    };
    let is_work = |it: &Commit| !it.is_merge() && !it.is_evidence_only() && policy.exempts(it).is_none();
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for tick in &change.ticks {
        let (revision, long_ago) = (&tick.taken.revision, window::earlier(tick.taken.taken_at, FETCHED_WITHIN));
        let here = revision.commit.as_deref().filter(|commit| history.reaches(head, commit));
        let is_elsewhere = revision.commit.is_some() && here.is_none() && !own.is_empty();
        let why = if is_elsewhere && !revision.code.as_ref().is_some_and(has) {
            Unwitnessed::Elsewhere
        } else if !revision.nothing_uncommitted() {
            Unwitnessed::Uncommitted
        } else if here.is_some_and(|here| history.lacked(head, here, long_ago).iter().any(is_work)) {
            Unwitnessed::Behind
        } else {
            continue;
        };
        found.entry(why).or_default().insert(tick.utc_date);
    }
    found
}
