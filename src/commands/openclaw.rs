//! `openclaw cron-setup`: a daily tick by an OpenClaw agent: the job as data and as a command, and with `--apply`, run
//! without any shell.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::{Ctx, commit, failure, parse};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::model::scrub::scrub;
use crate::os::process::{self, Invocation, Output, shell_line};
use crate::os::{Ended, Spec};

/// Adding a job takes a moment; more than this and it hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Let an OpenClaw agent run the daily tick
#[derive(Debug, Subcommand)]
pub(crate) enum OpenclawCommand {
    /// Print the job for a daily tick by an OpenClaw agent; add it with `--apply`
    CronSetup(CronArgs),
}

/// Print the job for a daily tick by an OpenClaw agent; add it with `--apply`
#[derive(Debug, Args)]
pub(crate) struct CronArgs {
    /// Tick this change only [default: every change that is rolled out]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Directory of the project [default: this one]
    #[arg(long, value_name = "DIR")]
    project_root: Option<PathBuf>,
    /// Name of the job
    #[arg(long, value_name = "NAME", default_value = "vibeship-optimizer daily tick")]
    name: String,
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

/// What helps where the job could not be added.
const HINT: &str = "is openclaw installed and on PATH? without --apply the command is printed";

/// Exit 1 when openclaw did not add the job, 2 when it could not be run.
pub(crate) fn run(ctx: &Ctx, OpenclawCommand::CronSetup(args): OpenclawCommand) -> Result<Exit, CommandError> {
    let id = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    if let Some(id) = id.as_ref().filter(|_| args.project_root.is_none()) {
        commit::load(ctx, id)?;
    }
    let root = match &args.project_root {
        Some(root) => std::path::absolute(root)?,
        None => ctx.project.root().to_owned(),
    };
    let root = root.display().to_string();
    for (flag, text) in [("--name", &args.name), ("--cron", &args.cron), ("--tz", &args.tz), ("--project-root", &root)]
    {
        parse::title(text)
            .map_err(|_| CommandError::trouble(format!("{flag}: {text:?} is not one short line of text")))?;
    }
    let message = message(&root, id.as_ref());
    let argv = argv(&args, &message);
    // `null` where the shell here has no way to write it.
    let command = shell_line(&argv);
    let spec = json!({
        "name": args.name,
        "schedule": { "kind": "cron", "expr": args.cron, "tz": args.tz },
        "sessionTarget": "isolated",
        "payload": {
            "kind": "agentTurn",
            "message": message,
            "thinking": args.thinking,
            "model": args.model,
        },
        "delivery": {
            "mode": if args.no_deliver { "none" } else { "announce" },
            "channel": args.channel,
            "to": args.to,
        },
    });
    if args.apply {
        add(ctx, &argv)?;
        ctx.ui.status("The job is added.");
    }
    ctx.ui.answer(&failure::pretty(&json!({ "spec": spec, "command": command, "applied": args.apply })))?;
    Ok(Exit::Yes)
}

fn message(root: &str, id: Option<&ChangeId>) -> String {
    let about = id.map(|id| format!(" --change-id {id}")).unwrap_or_default();
    format!(
        "In the directory {root} run `vibeship-optimizer autopilot tick --ok-on-pending --format json{about}`. \
         Report in a few lines what was measured, every alarm with the rollback command that was printed, and what \
         verification still demands. Do not roll back, resolve, attest or verify anything yourself: those are a \
         person's decisions."
    )
}

fn argv(args: &CronArgs, message: &str) -> Vec<String> {
    let delivered = |value| if args.no_deliver { None } else { value };
    let options = [
        ("--name", Some(args.name.as_str())),
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

fn add(ctx: &Ctx, argv: &[String]) -> Result<(), CommandError> {
    let keep = Output::Keep { head_bytes: 0, tail_bytes: 2000 };
    let spec = Spec {
        invocation: Invocation::Argv(argv.iter().map(OsString::from).collect()),
        cwd: ctx.project.root().to_owned(),
        env: Vec::new(),
        timeout: TIMEOUT,
        stdout: keep,
        stderr: keep,
    };
    let failed = |message: String| CommandError::failed(message).hinted(HINT);
    let finished = process::run(&spec, ctx.interrupt()?).map_err(|error| CommandError::trouble(error).hinted(HINT))?;
    if finished.ended == Ended::Code(0) {
        return Ok(());
    }
    let tail = scrub(finished.stderr.tail_text(500).trim());
    Err(failed(format!("openclaw cron add did not succeed: {tail}")))
}
