//! `monitor tick`: measures once and, for every change that is due today, judges it, records the day and raises alarms.

use clap::Args;
use serde_json::{Value, json};

use crate::audit::Finding;
use crate::commands::{
    Ask, Ctx, Measurement, Pairing, Pending, Probes, audit_here, check, choose, collect, commit, delta, evidence,
    fix_context, measure, monitor, pair, pairing, uncommitted,
};
use crate::error::{Exit, Result, failed};
use crate::measure::pair::Versions;
use crate::model::{
    CommandLine, Fix, Gate, Kind, MetricId, MetricSource, Pair, PairSession, Proposed, Run, Snapshot, SnapshotPurpose,
    Tick, Timing, fix, joined,
};
use crate::report;
use crate::store::EvidenceRole;
use crate::workflow::{Change, Idle, World, demand_fixes, gates, watch, window};

#[derive(Debug, Args)]
pub(crate) struct TickArgs {
    /// Measure only this change [default: every change that is rolled out]
    #[arg(long, value_name = "ID")]
    pub(crate) change_id: Option<String>,
    /// Measure again even if today was measured already; adds no day
    #[arg(long)]
    pub(crate) force: bool,
}

/// Phrases in messages about a missing file, module or program.
const LACKING: [&str; 6] =
    ["exit code 127", "not found", "no such file", "cannot find", "no module named", "is not recognized"];

pub(crate) struct Ticked {
    pub change: Change,
    /// The reason why it was not measured; `None` if it was.
    pub idle: Option<Idle>,
}

/// Exits with 1 while an alarm is open, 2 if a record cannot be relied on or nothing is monitored, 3 if the clock went
/// backwards, else with 0.
pub(crate) fn run(ctx: &Ctx, args: TickArgs) -> Result<Exit> {
    check::needs_project(ctx, "monitor tick")?;
    let done = tick(ctx, args.change_id.as_deref(), args.force)?;
    let mut lost = lost(ctx, args.change_id.as_deref())?;
    if done.is_empty() && lost.is_empty() {
        lost = audit_here::removed(ctx).unwrap_or_default();
    }
    let mut value = answer(ctx, &done, &lost)?;
    let legacy = monitor::legacy(ctx)?.map(|it| monitor::legacy_text(ctx, &it));
    let staged = if done.is_empty() { monitor::in_stages(ctx)? } else { Vec::new() };
    let why = match &legacy {
        _ if !staged.is_empty() => format!("{}, and is measured daily from its full rollout on", joined(&staged)),
        Some(legacy) => legacy.clone(),
        None => "no change is rolled out".to_owned(),
    };
    let nothing = (done.is_empty() && lost.is_empty()).then(|| format!("no active monitor: {why}"));
    if let Some(error) = &nothing {
        value["ok"] = json!(false);
        value["error"] = json!(error);
    }
    if ctx.json(true) {
        ctx.print(&value)?;
    } else if !done.is_empty() {
        let lines = done.iter().map(|ticked| (&ticked.change, ticked.idle));
        ctx.show(&report::day::ticked(&lines.collect::<Vec<_>>(), ctx.now()))?;
    }
    if let Some(error) = &nothing {
        ctx.ui.error(error);
        ctx.advise(&[Fix::next("", CommandLine::tool("status"))]);
        return Ok(Exit::Trouble);
    }
    for ticked in &done {
        tell(ctx, ticked);
        if ticked.change.open_alarms.is_empty() {
            ctx.advise(&ctx.next(&ticked.change)?.steps());
        }
    }
    ctx.advise(&uncommitted::steps_of(ctx, done.iter().map(|ticked| &ticked.change)));
    tell_lost(ctx, &lost);
    let exit = exit(&done);
    Ok(if exit != Exit::No && !lost.is_empty() { Exit::Trouble } else { exit })
}

pub(crate) fn tell_lost(ctx: &Ctx, lost: &[Finding]) {
    for lost in lost {
        ctx.error_once(&lost.named());
        ctx.advise(&audit_here::lost_fixes(ctx, lost));
    }
}

pub(crate) fn not_known(lost: &[Finding]) -> Value {
    let one = |lost: &Finding| json!({ "path": lost.path, "code": lost.what.code(), "message": lost.what.to_string() });
    lost.iter().map(one).collect()
}

/// Unreliable records that may belong to a monitored change; a named change is read on its own.
pub(crate) fn lost(ctx: &Ctx, typed: Option<&str>) -> Result<Vec<Finding>> {
    if choose::named(ctx, typed)?.is_some() { Ok(Vec::new()) } else { audit_here::lost(ctx) }
}

pub(crate) fn exit(done: &[Ticked]) -> Exit {
    if done.iter().any(|ticked| !ticked.change.open_alarms.is_empty()) {
        return Exit::No;
    }
    let unclear = done.iter().any(|ticked| ticked.idle == Some(Idle::ClockBackwards));
    if unclear { Exit::NotYet } else { Exit::Yes }
}

/// Ticks the named change, or every monitored one; all share one measurement of the project. A change that fails does
/// not prevent the others from recording their day.
pub(crate) fn tick(ctx: &Ctx, typed: Option<&str>, force: bool) -> Result<Vec<Ticked>> {
    let mut measured = None;
    let mut done = Vec::new();
    let mut failed = None;
    for change in monitor::monitored(ctx, typed)? {
        match due(ctx, change, force, &mut measured) {
            Ok(ticked) => done.push(ticked),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(done), Err)
}

fn due(ctx: &Ctx, change: Change, force: bool, measured: &mut Option<Measurement>) -> Result<Ticked> {
    commit::ask(ctx, &change, gates::may_monitor(&change))?;
    let idle = watch::idle(&change, &ctx.policy()?, ctx.now(), force);
    // Days that do not count are made up for.
    let world = || collect::world(ctx, &change, Gate::Verify);
    if idle.is_some() && (idle != Some(Idle::Complete) || world()?.elsewhere.is_empty()) {
        return Ok(Ticked { change, idle });
    }
    let days = (!force).then_some(change.ticks.len());
    let again = Fix::then("", fix::on(change.id(), "monitor tick"));
    let world = collect::effect(ctx, &change, World { days, ..World::default() });
    let world = world.map_err(|error| error.then(again))?;
    let asked = Proposed { force, ..Proposed::default() };
    commit::ask(ctx, &change, gates::may_tick(&change, &world)).map_err(|error| error.proposing(asked))?;
    let measurement = match measured {
        Some(measurement) => measurement,
        None => {
            let measurement = measure_project(ctx)?;
            for warning in measure::worth_telling(&measurement.snapshot, Some(&change.contract)) {
                ctx.ui.warn(warning);
            }
            measured.insert(measurement)
        }
    };
    cannot_run_here(&change, measurement)?;
    measurement.snapshot.pair = in_pairs(ctx, &change, &measurement.snapshot)?.map(Box::new);
    record(ctx, &change, &world, measurement)
}

/// Measures the current code against the baseline of the promoted change in pairs, for the contract's metrics; `None`
/// if that is not possible. A failure there says nothing about the change, and the day's own runs decide.
pub(crate) fn in_pairs(ctx: &Ctx, change: &Change, today: &Snapshot) -> Result<Option<PairSession>> {
    let (config, Some(watched)) = (ctx.config()?, evidence::watched(ctx, change)?) else { return Ok(None) };
    let mut probes = Probes::of(config).asked_by(change);
    probes.kpis.retain(|kpi| !kpi.exact);
    let baseline = change.baseline.as_ref().map(|baseline| &baseline.taken);
    let now = today.revision.as_ref().filter(|now| now.dirty_digest().is_none());
    let (Some(baseline), Some(now)) = (baseline, now) else { return Ok(None) };
    let before = change.commit_and_parent().map(|(parent, _)| parent).or(baseline.revision.commit.as_deref());
    let (Some(before), Some(after)) = (before, now.commit.as_deref()) else { return Ok(None) };
    if !config.pair.enabled || probes.is_empty() || baseline.revision.same_code(now) {
        return Ok(None);
    }
    let budget = pair::BudgetArgs::default().of(config)?;
    let ask = Ask::new(config, Versions::of(before, after), &watched.settings, budget).for_change(change);
    let mut session = match pairing::run(ctx, Ask { probes, ..ask })? {
        Pairing::Measured(session) => session,
        Pairing::Impossible(why) | Pairing::SameCode(why) => {
            ctx.ui.warn(&format!("it is not measured in pairs: {why}"));
            return Ok(None);
        }
    };
    pairing::warn(ctx, &session);
    let both = |pair: &Pair| pair.before.succeeded() && pair.after.succeeded();
    session.commands.retain(|it| it.first_runs.flaw().is_none() && it.pairs.iter().all(both));
    session.kpis.retain(|it| it.first_runs.flaw().is_none() && it.kpi.error.is_none());
    Ok(Some(*session))
}

/// Fails if a command of the contract lacks something in this checkout or runs a stale build, which says nothing about
/// the change.
fn cannot_run_here(change: &Change, measurement: &Measurement) -> Result<()> {
    let lacks = |why: &String| LACKING.iter().any(|words| why.to_lowercase().contains(words));
    let named = |name: &String| {
        let mut timed = change.contract.criteria().filter(|it| it.metric.source() == Some(MetricSource::Timing));
        timed.any(|criterion| criterion.metric.subject() == Some(name))
    };
    let timings = measurement.snapshot.timings.iter().filter(|timing| named(&timing.name));
    let none_ran = timings.filter(|timing| !timing.samples.iter().any(Run::succeeded));
    let told = |timing: &Timing| {
        (format!("timing {}", timing.name), format!("exit code {}: {}", timing.last_rc.unwrap_or(-1), timing.last_err))
    };
    let named = |(metric, why): (MetricId, String)| (metric.to_string(), why);
    let unmeasured = measurement.unmeasured(&change.contract).into_iter().map(named);
    let lacking = unmeasured.chain(none_ran.map(told)).filter(|(_, why)| lacks(why));
    let stale = measurement.stale(&change.contract).into_iter().map(named);
    let Some((what, why)) = lacking.chain(stale).next() else { return Ok(()) };
    let id = change.id();
    Err(failed(format!("could not measure {what} here, so no day was recorded: {why}")).fixed_by([
        Fix::next("install or build what the command needs in this checkout, then", fix::on(id, "monitor tick")),
        Fix::or("if the change took it away", demand_fixes::take_out(change, None)),
    ]))
}

fn measure_project(ctx: &Ctx) -> Result<Measurement> {
    let revision = delta::revision(ctx)?;
    if !revision.nothing_uncommitted() {
        ctx.ui.warn("uncommitted work is measured too; the day's report says so");
    }
    let mut measurement = measure::take(ctx, "day", None, None, Some(revision))?;
    measure::check_unchanged(ctx, &mut measurement)?;
    Ok(measurement)
}

fn record(ctx: &Ctx, change: &Change, world: &World, measurement: &mut Measurement) -> Result<Ticked> {
    let at = ctx.now();
    let utc_date = at.date_naive();
    let from = change.fully_rolled_out_at().unwrap_or(at);
    let day = window::day_of(from, utc_date).unwrap_or(0);
    measurement.dedicate(change.id(), SnapshotPurpose::Day(day));
    let watched = evidence::watched(ctx, change)?;
    let judged = watched.as_ref().map(|it| it.watch(change, &measurement.snapshot));
    let alarms = judged.as_deref().map(watch::alarms).unwrap_or_default();
    let text = evidence::day_text(change, watched.as_ref(), &measurement.snapshot, (day, utc_date, &alarms));
    let page = Pending { role: EvidenceRole::DayReport(day), bytes: text.into_bytes() };
    let report = page.artifact(change.id());
    let event = |taken| Kind::Ticked(Tick { utc_date, day, taken, report, alarms });
    let change = measurement.record(ctx, change.id(), SnapshotPurpose::Day(day), vec![page], world, event)?;
    let is_ours = change.ticks.last().is_some_and(|tick| tick.taken.taken_at == measurement.snapshot.generated_at);
    Ok(Ticked { change, idle: (!is_ours).then_some(Idle::AlreadyMeasured) })
}

/// Reports alarms and how to roll back, for whoever reads the mail of a timer.
pub(crate) fn tell(ctx: &Ctx, ticked: &Ticked) {
    let change = &ticked.change;
    if let Some((what, _)) = commit::clock_behind(ctx, change) {
        ctx.ui.warn(&format!("{}: {what}", change.id()));
    }
    if change.open_alarms.is_empty() {
        return;
    }
    for judged in &change.open_alarms {
        ctx.error_once(&format!("{}: alarm: {}", change.id(), report::verdict::alarm_line(judged)));
    }
    let causes = fix_context::causes(ctx, change, &change.open_alarms).unwrap_or_default();
    if causes.steps().is_empty() {
        ctx.ui.tell(&format!("To roll back: {}", report::rollback::action(change)));
    }
    ctx.advise(&demand_fixes::alarm(change, &causes));
}

/// The Python tool's fields, for the first measured change if there are several, and all changes in `changes`.
pub(crate) fn answer(ctx: &Ctx, done: &[Ticked], lost: &[Finding]) -> Result<Value> {
    let all = done.iter().map(|ticked| entry(ctx, ticked)).collect::<Result<Vec<Value>>>()?;
    let first = done.iter().position(|ticked| ticked.idle.is_none()).unwrap_or(0);
    let reason = if lost.is_empty() { "no_active_monitor" } else { "records_not_known" };
    let nothing = || json!({ "skipped": true, "reason": reason, "today_utc": ctx.now().date_naive() });
    let mut answer = all.get(first).cloned().unwrap_or_else(nothing);
    answer["changes"] = Value::Array(all);
    if !lost.is_empty() {
        answer["records_not_known"] = not_known(lost);
    }
    Ok(answer)
}

fn entry(ctx: &Ctx, ticked: &Ticked) -> Result<Value> {
    let change = &ticked.change;
    let today = ctx.now().date_naive();
    let of_today = change.ticks.iter().rev().find(|tick| tick.utc_date == today);
    let raised = change.ticks.last().filter(|_| ticked.idle.is_none()).map(|tick| tick.alarms.as_slice());
    let from = change.fully_rolled_out_at();
    let measured = from.map(|from| window::ticked_days(change, from, ctx.now())).unwrap_or_default();
    Ok(json!({
        "skipped": ticked.idle.is_some(),
        "reason": ticked.idle.map(Idle::name),
        "change_id": change.id(),
        "today_utc": today,
        "day": from.and_then(|from| window::day_of(from, today)),
        "snapshot": of_today.map(|tick| &tick.taken.snapshot.path),
        "report": of_today.map(|tick| &tick.report.path),
        "runs_completed": measured.len(),
        "days": window::monitor_days(change, &ctx.policy()?),
        "raised": raised.unwrap_or_default(),
        "open_alarms": change.open_alarms,
        "rollback": report::rollback::action(change),
    }))
}
