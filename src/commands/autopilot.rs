//! `autopilot tick`: one command for timers, which measures what is due, looks for problems and reports which changes
//! can be verified. Leaves every decision to a person. `openclaw cron-setup`: runs it daily by an agent.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::Finding;
use crate::commands::{
    Ctx, Ticked, check, choose, collect, commit, decide, monitor, parse, preflight, tick, uncommitted,
};
use crate::error::{CommandError, Exit, Result};
use crate::measure::Place;
use crate::model::{ChangeId, Gate, Problem, Severity, scrub};
use crate::os::Ended;
use crate::os::process::{self, Invocation, shell_line};
use crate::report::{self, problem};
use crate::store::Project;
use crate::workflow::{Change, Demand, DemandKind, End, gates, window};

const SCHEMA: &str = "vibeship_optimizer.autopilot_tick.v1";

#[derive(Debug, Subcommand)]
pub(crate) enum AutopilotCommand {
    /// Measure what is due, then list problems and what is left before verification
    Tick(AutopilotArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AutopilotArgs {
    #[command(flatten)]
    tick: tick::TickArgs,
    /// Exit 0 instead of 3 while nothing is wrong and only time or a person's decision is missing
    #[arg(long)]
    ok_on_pending: bool,
}

struct Verified {
    change: Change,
    demands: Vec<Demand>,
    warnings: Vec<String>,
}

/// Exits with 0 if all is well, 3 if something is pending, 1 on an alarm, a failed demand or a severe finding, 2 for an
/// unknown change.
pub(crate) fn run(ctx: &Ctx, AutopilotCommand::Tick(args): AutopilotCommand) -> Result<Exit> {
    check::needs_project(ctx, "autopilot tick")?;
    if let Err(error) = choose::named(ctx, args.tick.change_id.as_deref()) {
        let Some(unknown) = decide::unknown(&error) else { return Err(error) };
        let mut answer = answer(ctx, (&[], &[]), &preflight::findings(ctx, None)?, &[], Exit::Trouble)?;
        answer["change_id"] = unknown["change_id"].clone();
        answer["verify"] = unknown;
        show(ctx, &answer)?;
        return Ok(Exit::Trouble);
    }
    let done = match tick::tick(ctx, args.tick.change_id.as_deref(), args.tick.force) {
        // A change that is not rolled out has no monitor, which is not a failure.
        Err(CommandError::Refused { refusal, .. }) if !refusal.is_of_effect() => Vec::new(),
        other => other?,
    };
    let mut changes: Vec<Change> = done.iter().map(|ticked| ticked.change.clone()).collect();
    if let (true, Some(id)) = (changes.is_empty(), choose::named(ctx, args.tick.change_id.as_deref())?) {
        changes.push(commit::load(ctx, &id)?);
    }
    let only = changes.first().map(Change::id).filter(|_| args.tick.change_id.is_some());
    let found = preflight::findings(ctx, only)?;
    let verified = changes.into_iter().map(|change| {
        Ok(Verified { demands: demands(ctx, &change)?, warnings: decide::warnings(ctx, &change), change })
    });
    let verified = verified.collect::<Result<Vec<_>>>()?;
    let lost = tick::lost(ctx, args.tick.change_id.as_deref())?;
    let exit = exit(&done, &found, &verified, args.ok_on_pending);
    show(ctx, &answer(ctx, (&done, &lost), &found, &verified, exit)?)?;
    if let Some(legacy) = monitor::legacy(ctx)?.filter(|_| done.is_empty()) {
        ctx.ui.warn(&monitor::legacy_text(ctx, &legacy));
    }
    for ticked in &done {
        tick::tell(ctx, ticked);
    }
    ctx.advise(&uncommitted::steps_of(ctx, done.iter().map(|ticked| &ticked.change)));
    Ok(exit)
}

/// Prints the lines of the Python tool, also in a pipe; one block per change.
fn show(ctx: &Ctx, answer: &Value) -> Result<Exit> {
    let tick = |at: usize| answer["monitor"]["changes"].get(at).unwrap_or(&answer["monitor"]);
    let all = answer["changes"].as_array().filter(|all| !all.is_empty());
    let verified = all.map_or(std::slice::from_ref(&answer["verify"]), Vec::as_slice);
    let blocks = verified.iter().enumerate().map(|(at, verify)| block(answer, tick(at), verify));
    ctx.say(false, answer, &blocks.collect::<Vec<_>>().join("\n"))
}

fn block(answer: &Value, monitor: &Value, verify: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let id = verify["change_id"].as_str().or(answer["change_id"].as_str()).unwrap_or("no change");
    let preflight = &answer["preflight"];
    let (failures, warnings) = (list(&verify["failures"]), list(&verify["warnings"]));
    let mut lines = vec![format!("vibeship-optimizer autopilot tick: {id}")];
    lines.push(match monitor["skipped"] == true {
        true => format!("- monitor: skipped ({})", word(&monitor["reason"])),
        false => format!("- monitor: day={} report={}", monitor["day"], word(&monitor["report"])),
    });
    let codes: Vec<String> = list(&preflight["findings"]).iter().map(|found| word(&found["code"])).collect();
    let named = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    let (worst, count) = (word(&preflight["worst_level"]), &preflight["finding_count"]);
    lines.push(format!("- preflight: worst={worst} findings={count}{named}"));
    let ok = if verify["ok"] == true { "True" } else { "False" };
    lines.push(format!("- verify: ok={ok} failures={} warnings={}", failures.len(), warnings.len()));
    let further = [("Failures:", failures), ("Warnings:", warnings)];
    for (title, texts) in further.into_iter().filter(|(_, texts)| !texts.is_empty()) {
        lines.push(title.to_owned());
        lines.extend(texts.iter().map(|text| format!("- {}", word(text))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn demands(ctx: &Ctx, change: &Change) -> Result<Vec<Demand>> {
    if matches!(change.end, Some(End::Verified { .. })) {
        return Ok(Vec::new());
    }
    let world = collect::world(ctx, change, Gate::Verify)?;
    // A day that was measured before the change was reverted says nothing about the present.
    if change.is_open() && change.fully_rolled_out_at().is_some() {
        commit::ask(ctx, change, gates::may_tick(change, &world))?;
    }
    Ok(window::demands(change, &world, ctx.now()))
}

fn exit(done: &[Ticked], found: &[Problem], verified: &[Verified], ok_on_pending: bool) -> Exit {
    let grave = found.iter().any(|it| it.severity == Severity::Fail);
    let stands = |at: Exit| verified.iter().any(|it| standing(&it.demands) == at);
    match tick::exit(done) {
        ticked if ticked == Exit::No || grave || stands(Exit::No) => Exit::No,
        Exit::Yes if !stands(Exit::NotYet) || ok_on_pending => Exit::Yes,
        Exit::Yes | Exit::No | Exit::NotYet | Exit::Trouble => Exit::NotYet,
    }
}

/// Yes if every demand is met, not yet if only time is missing. As long as days are missing, a review or a follow-up is
/// not late; once only these are missing, waiting does not help.
fn standing(demands: &[Demand]) -> Exit {
    let unmet: Vec<&DemandKind> = demands.iter().filter(|demand| !demand.met).map(|demand| &demand.kind).collect();
    let waiting = unmet.iter().any(|kind| kind.comes_with_time());
    let of_a_person = |kind: &DemandKind| {
        matches!(kind, DemandKind::Attestation { .. } | DemandKind::FollowUp | DemandKind::CleanGit)
    };
    match unmet.iter().all(|kind| kind.comes_with_time() || (waiting && of_a_person(kind))) {
        true if unmet.is_empty() => Exit::Yes,
        true => Exit::NotYet,
        false => Exit::No,
    }
}

fn answer(
    ctx: &Ctx,
    (done, lost): (&[Ticked], &[Finding]),
    found: &[Problem],
    verified: &[Verified],
    exit: Exit,
) -> Result<Value> {
    let one = |it: &Verified| {
        let mut fields = report::show::verify(&it.change, &it.demands, &it.warnings, None);
        fields["pending"] = json!(standing(&it.demands) == Exit::NotYet);
        fields
    };
    let failures: Vec<String> = lost.iter().map(Finding::named).collect();
    let warning =
        if lost.is_empty() { "no change is monitored" } else { "it is not known whether a change is monitored" };
    let nothing = json!({ "ok": lost.is_empty(), "failures": failures, "warnings": [warning], "pending": false });
    Ok(json!({
        "schema": SCHEMA,
        "generated_at": ctx.now(),
        "change_id": verified.first().map(|it| it.change.id()),
        "exit": exit.code(),
        "monitor": tick::answer(ctx, done, lost)?,
        "preflight": {
            "worst_level": preflight::worst(found),
            "finding_count": found.len(),
            "findings": found.iter().map(problem::json).collect::<Vec<_>>(),
        },
        "verify": verified.first().map_or(nothing, one),
        "changes": verified.iter().map(one).collect::<Vec<_>>(),
    }))
}

/// Time limit for adding a job, which normally takes a moment.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum OpenclawCommand {
    /// Print the job for a daily tick by an OpenClaw agent; add it with `--apply`
    CronSetup(CronArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CronArgs {
    /// Tick this change only [default: every change that is rolled out]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Directory of the project [default: this one]
    #[arg(long, value_name = "DIR")]
    project_root: Option<PathBuf>,
    /// Name of the job [default: vibeship-optimizer autopilot tick (ID)]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Schedule, as a cron expression
    #[arg(long, value_name = "CRON", default_value = "0 7 * * *")]
    cron: String,
    /// Time zone of the schedule
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Thinking level of the agent
    #[arg(long, value_name = "LEVEL", default_value = "xhigh")]
    thinking: String,
    /// Model of the agent [default: the agent's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Channel to report the result on
    #[arg(long, value_name = "CHANNEL", default_value = "last")]
    channel: String,
    /// Recipient of the report
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// Do not report the result
    #[arg(long)]
    no_deliver: bool,
    /// Add the job now
    #[arg(long)]
    apply: bool,
}

pub(crate) fn openclaw(ctx: &Ctx, OpenclawCommand::CronSetup(args): OpenclawCommand) -> Result<Exit> {
    let named = args.change_id.as_deref();
    let (project, id) = match &args.project_root {
        // The change belongs to another project, whose records are not read here.
        Some(root) => (Project::find(root, Some(root))?, named.map(str::parse).transpose()?),
        None => (ctx.project.clone(), named.map(|text| choose::find(ctx, text)).transpose()?),
    };
    let root = project.root().display().to_string();
    let name = args.name.clone().unwrap_or_else(|| {
        let of = id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        format!("vibeship-optimizer autopilot tick{of}")
    });
    for (flag, text) in [("--name", &name), ("--cron", &args.cron), ("--tz", &args.tz), ("--project-root", &root)] {
        parse::line(flag, text)?;
    }
    let message = message(&root, id.as_ref());
    let argv = argv(&args, &name, &message);
    // `null` if the shell here cannot express it.
    let command = shell_line(&argv);
    let spec = json!({
        "name": name,
        "cron": args.cron,
        "tz": args.tz,
        "project_root": root,
        "change_id": id,
        "thinking": args.thinking,
        "model": args.model.clone().unwrap_or_default(),
        "announce": !args.no_deliver,
        "channel": args.channel,
        "to": args.to.clone().unwrap_or_default(),
        "schedule": { "kind": "cron", "expr": args.cron, "tz": args.tz },
        "sessionTarget": "isolated",
        "payload": { "kind": "agentTurn", "message": message, "thinking": args.thinking, "model": args.model },
        "delivery": {
            "mode": if args.no_deliver { "none" } else { "announce" },
            "channel": args.channel,
            "to": args.to,
        },
    });
    if !args.apply {
        return ctx.print(&json!({ "spec": spec, "command": command, "applied": false }));
    }
    let mut result = added(ctx, &argv)?;
    let ok = result["ok"] == true;
    if let Some(error) = result["error"].as_str() {
        ctx.ui.error(error);
        ctx.hint("install openclaw and put it on PATH; without --apply the command is printed");
    }
    result["command"] = json!(command);
    result["argv"] = json!(argv);
    ctx.print(&json!({ "spec": spec, "command": command, "applied": ok, "result": result }))?;
    Ok(if ok { Exit::Yes } else { Exit::Trouble })
}

fn message(root: &str, id: Option<&ChangeId>) -> String {
    let about = id.map(|id| format!(" --change-id {id}")).unwrap_or_default();
    format!(
        "In the directory `{root}` run `vibeship-optimizer autopilot tick --ok-on-pending --format json{about}`. \
         Report in a few lines what was measured, every alarm with the rollback command that was printed, and what \
         verification still demands. Do not roll back, resolve, attest or verify anything yourself: those are a \
         person's decisions."
    )
}

fn argv(args: &CronArgs, name: &str, message: &str) -> Vec<String> {
    let delivered = |value| if args.no_deliver { None } else { value };
    let options = [
        ("--name", Some(name)),
        ("--cron", Some(&args.cron)),
        ("--tz", Some(&args.tz)),
        ("--session", Some("isolated")),
        ("--message", Some(message)),
        ("--thinking", Some(&args.thinking)),
        ("--model", args.model.as_deref()),
        ("--channel", delivered(Some(args.channel.as_str()))),
        ("--to", delivered(args.to.as_deref())),
    ];
    let options = options.into_iter().filter_map(|(flag, value)| Some([flag, value?])).flatten();
    let deliver = if args.no_deliver { "--no-deliver" } else { "--announce" };
    ["openclaw", "cron", "add"].into_iter().chain(options).chain([deliver]).map(str::to_owned).collect()
}

fn added(ctx: &Ctx, argv: &[String]) -> Result<Value> {
    let mut spec = Place { root: ctx.project.root().to_owned(), env: Vec::new() }.shell("", TIMEOUT);
    spec.invocation = Invocation::Argv(argv.iter().map(OsString::from).collect());
    spec.stdout = spec.stderr;
    let began = std::time::Instant::now();
    let finished = match process::run(&spec, ctx.interrupt()?) {
        Ok(finished) => finished,
        Err(error) => return Ok(json!({ "ok": false, "error": format!("openclaw CLI could not be run: {error}") })),
    };
    let ok = finished.ended == Ended::Code(0);
    let stderr = scrub(finished.stderr.tail_text(2000).trim());
    let mut result = json!({
        "ok": ok,
        "rc": if let Ended::Code(code) = finished.ended { Some(code) } else { None },
        "stdout": scrub(finished.stdout.tail_text(2000).trim()),
        "stderr": stderr,
        "elapsed_s": began.elapsed().as_secs_f64(),
    });
    if !ok {
        result["error"] = json!(format!("openclaw cron add did not succeed: {stderr}"));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(kinds: impl IntoIterator<Item = DemandKind>) -> Exit {
        standing(&kinds.into_iter().map(|kind| Demand { met: false, kind }).collect::<Vec<_>>())
    }

    #[test]
    fn a_missing_review_is_late_only_once_every_day_is_in() {
        let review = || DemandKind::Attestation { stale: false, objection: None };
        let days = || DemandKind::Ticks { need: 3, have: Vec::new() };
        assert_eq!(unmet([]), Exit::Yes);
        assert_eq!(unmet([days()]), Exit::NotYet);
        assert_eq!(unmet([days(), review()]), Exit::NotYet);
        assert_eq!(unmet([review()]), Exit::No);
        assert_eq!(unmet([days(), DemandKind::Reproduced]), Exit::No);
    }
}
