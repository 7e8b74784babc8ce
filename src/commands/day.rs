//! `day`: the workflow's daily routine. In the morning: the health of the service, tuneables that changed unrecorded,
//! the state of the changes. In the evening: a decision with a reason on every open change.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::{Ctx, check, choose, commit, measure, parse, preflight, tick, validate};
use crate::error::{Exit, Result, failed, trouble};
use crate::model::{ChangeId, CommandLine, Fix, Kind};
use crate::report::{DayDecision, DayOpen, Probed, day, problem};
use crate::workflow::{Change, Step, next, view_v1};

/// The possible decisions. Each needs a reason.
const DECISIONS: [&str; 4] = ["promote", "hold", "rollback", "undecided"];

#[derive(Debug, Subcommand)]
pub(crate) enum DayCommand {
    /// Check health, tuneables and the open changes at the start of a day
    Open,
    /// Measure what is due and record a decision on every open change at the end of a day
    Close(CloseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// Decision on a change: ID=promote|hold|rollback|undecided:REASON (once for each open change)
    #[arg(long = "decide", value_name = "ID=DECISION:REASON", allow_hyphen_values = true)]
    decisions: Vec<String>,
    /// Skip today's measurements
    #[arg(long)]
    no_tick: bool,
}

pub(crate) fn run(ctx: &Ctx, command: DayCommand) -> Result<Exit> {
    check::needs_project(ctx, if matches!(command, DayCommand::Open) { "day open" } else { "day close" })?;
    match command {
        DayCommand::Open => open(ctx),
        DayCommand::Close(args) => close(ctx, &args),
    }
}

/// Exits with 1 if a probe fails, a tuneable differs from the last measurement, an alarm is open or an override has
/// expired. Records nothing.
fn open(ctx: &Ctx) -> Result<Exit> {
    let (tracked, damaged) = choose::changes(ctx)?;
    let in_force = measure::tuneables_in_force(ctx, &tracked.iter().collect::<Vec<_>>())?;
    let probes = health(ctx)?;
    let policy = ctx.policy()?;
    let now = ctx.now();
    let open = tracked.iter().filter(|change| change.is_open());
    let open: Vec<(&Change, Step)> = open.map(|change| (change, next::next(change, &policy, now))).collect();
    let expected = in_force.expected.as_ref().map(|(path, _)| path.as_str());
    let (tuneables, moved) = (&in_force.now.values, &in_force.moved);
    let opening = DayOpen { now, probes: &probes, tuneables, expected, moved, changes: &open };
    let one = |(change, step): &(&Change, Step)| {
        Ok(json!({
            "change_id": change.id(),
            "title": change.opened.title,
            "status": view_v1::status(change),
            "open_alarms": change.open_alarms,
            "expires": change.opened.expires,
            "next": step,
            "commands": problem::commands(&ctx.next(change)?.next),
        }))
    };
    let overrides = preflight::env_overrides(ctx, &open.iter().map(|(change, _)| *change).collect::<Vec<_>>())?;
    let answer = json!({
        "schema": "vibeship_optimizer.day_open.v1",
        "generated_at": now,
        "utc_date": now.date_naive(),
        "well": opening.is_well(),
        "health": probes,
        "tuneables": tuneables,
        "expected_from": expected,
        "tuneables_moved": moved,
        "env_overrides": overrides.as_ref().map(problem::json),
        "changes": open.iter().map(one).collect::<Result<Vec<_>>>()?,
    });
    ctx.answer(false, &answer, &day::opening(&opening))?;
    if let Some(set) = &overrides {
        ctx.ui.warn(&set.message);
        ctx.advise(&set.fixes);
    }
    for (change, _) in &open {
        ctx.hint_next(change)?;
    }
    Ok(match (damaged, opening.is_well()) {
        (0, true) => Exit::Yes,
        (0, false) => Exit::No,
        _ => Exit::Trouble,
    })
}

fn health(ctx: &Ctx) -> Result<Vec<Probed>> {
    let interrupt = ctx.interrupt()?;
    let mut list = Vec::new();
    for probe in &ctx.config()?.http_probes {
        let (url, failure) = validate::smoke(ctx.project.root(), probe, interrupt);
        if interrupt.requested() {
            return Err(trouble("interrupted"));
        }
        list.push(Probed { name: probe.name.clone(), url, failure });
    }
    Ok(list)
}

/// Exits with 1 if a change has no decision (then none is recorded), or while an alarm is open.
fn close(ctx: &Ctx, args: &CloseArgs) -> Result<Exit> {
    let named = args.decisions.iter().map(|text| decision(ctx, text)).collect::<Result<Vec<DayDecision>, _>>()?;
    all_decided(ctx, &open_changes(ctx)?, &named)?;
    if !args.no_tick {
        for ticked in tick::tick(ctx, None, false)? {
            tick::tell(ctx, &ticked);
        }
    }
    for DayDecision { id, word, reason } in named {
        let event = Kind::DayDecided { utc_date: ctx.now().date_naive(), decision: word.to_owned(), reason };
        commit::record(ctx, &id, event)?;
    }
    let open = open_changes(ctx)?;
    // Decisions from earlier today still count.
    let decisions: Vec<DayDecision> = open.iter().filter_map(|change| todays_decision(ctx, change)).collect();
    let now = ctx.now();
    let decided = |it: &DayDecision| json!({ "change_id": it.id, "decision": it.word, "reason": it.reason });
    let answer = json!({
        "schema": "vibeship_optimizer.day_close.v1",
        "generated_at": now,
        "utc_date": now.date_naive(),
        "decisions": decisions.iter().map(decided).collect::<Vec<_>>(),
        "stable": day::is_stable(&open, &decisions),
    });
    ctx.answer(false, &answer, &day::closing(now.date_naive(), &open, &decisions))?;
    let (alarmed, calm): (Vec<&Change>, Vec<&Change>) = open.iter().partition(|change| !change.open_alarms.is_empty());
    // A decided rollback is printed above.
    for change in calm.into_iter().filter(|change| change.decided_rollback().is_none()) {
        ctx.hint_next(change)?;
    }
    Ok(if alarmed.is_empty() { Exit::Yes } else { Exit::No })
}

fn open_changes(ctx: &Ctx) -> Result<Vec<Change>> {
    let (mut tracked, damaged) = choose::changes(ctx)?;
    if damaged > 0 {
        return Err(trouble("cannot close the day: a record is damaged")
            .fixed_by([Fix::next("see what is wrong with it, and what helps", CommandLine::tool("check"))]));
    }
    tracked.retain(Change::is_open);
    Ok(tracked)
}

fn decision(ctx: &Ctx, text: &str) -> Result<DayDecision> {
    let wrong = |what: &str| {
        trouble(format!("--decide {text:?}: {what}")).hinted("write it as ID=promote|hold|rollback|undecided:REASON")
    };
    let (id, rest) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
    let (word, reason) = rest.split_once(':').unwrap_or((rest, ""));
    let id = choose::find(ctx, id.trim())?;
    let known = DECISIONS.into_iter().find(|known| *known == word.trim());
    let word = known.ok_or_else(|| wrong("the decision is none of promote, hold, rollback and undecided"))?;
    let reason = parse::prose("--decide", reason)?;
    if reason.is_empty() {
        let again = CommandLine::tool("day close").words(["--decide".to_owned(), format!("{id}={word}:WHY")]);
        return Err(wrong("a decision has a reason").fixed_by([Fix::next("", again)]));
    }
    Ok(DayDecision { id, word, reason })
}

/// Fails unless each open change is decided on once, now or earlier today.
fn all_decided(ctx: &Ctx, open: &[Change], decided: &[DayDecision]) -> Result<()> {
    for (i, decision) in decided.iter().enumerate() {
        if !open.iter().any(|change| *change.id() == decision.id) {
            return Err(trouble(format!("--decide: {} is not an open change", decision.id))
                .fixed_by([Fix::next("see the open changes", CommandLine::tool("status"))]));
        }
        if decided[..i].iter().any(|earlier| earlier.id == decision.id) {
            return Err(trouble(format!("--decide: {} is decided twice", decision.id)));
        }
    }
    let is_decided = |id: &ChangeId| decided.iter().any(|decision| decision.id == *id);
    let missing = open.iter().filter(|change| !is_decided(change.id()) && todays_decision(ctx, change).is_none());
    let names: Vec<&str> = missing.map(|change| change.id().as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let close = names.iter().fold(CommandLine::tool("day close"), |line, id| {
        line.words(["--decide".to_owned(), format!("{id}=undecided:WHY")])
    });
    Err(failed(format!("the day is not closed: nothing is decided about {}", names.join(", ")))
        .hinted("a decision is promote, hold, rollback, or undecided with the reason why")
        .fixed_by([Fix::next("", close)]))
}

fn todays_decision(ctx: &Ctx, change: &Change) -> Option<DayDecision> {
    let today = ctx.now().date_naive();
    change.events.iter().rev().find_map(|event| {
        let Kind::DayDecided { utc_date, decision, reason } = &event.what else { return None };
        let word = DECISIONS.into_iter().find(|known| known == decision).filter(|_| *utc_date == today)?;
        Some(DayDecision { id: change.id().clone(), word, reason: reason.clone() })
    })
}
