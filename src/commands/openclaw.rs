//! `openclaw cron-setup`: a daily tick by an OpenClaw agent: the job as data and as a command, and with `--apply`, run
//! without any shell.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::commands::{Ctx, choose, parse};
use crate::error::{Result, trouble};
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::model::scrub::scrub;
use crate::os::process::{self, Invocation, Output, shell_line};
use crate::os::{Ended, Spec};
use crate::store::Project;

/// Adding a job takes a moment; more than this and it hangs.
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

pub(crate) fn run(ctx: &Ctx, OpenclawCommand::CronSetup(args): OpenclawCommand) -> Result<Exit> {
    let named = args.change_id.as_deref();
    let (project, id) = match &args.project_root {
        // The change is another project's, whose records are not read here.
        Some(root) => (Project::find(root, Some(root))?, named.map(str::parse).transpose()?),
        None => (ctx.project.clone(), named.map(|text| choose::find(ctx, text)).transpose()?),
    };
    let root = project.root().display().to_string();
    let name = args.name.clone().unwrap_or_else(|| {
        let of = id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        format!("vibeship-optimizer autopilot tick{of}")
    });
    for (flag, text) in [("--name", &name), ("--cron", &args.cron), ("--tz", &args.tz), ("--project-root", &root)] {
        parse::title(text).map_err(|_| trouble(format!("{flag}: {text:?} is not one short line of text")))?;
    }
    let message = message(&root, id.as_ref());
    let argv = argv(&args, &name, &message);
    // `null` where the shell here has no way to write it.
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
        ctx.print(&json!({ "spec": spec, "command": command, "applied": false }))?;
        return Ok(Exit::Yes);
    }
    let mut result = added(ctx, &argv)?;
    let ok = result["ok"] == true;
    if let Some(error) = result["error"].as_str() {
        ctx.ui.error(error);
        let what = "install openclaw and put it on PATH; without --apply the command is printed";
        ctx.hint(what);
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

/// What adding the job came to, in the original's words.
fn added(ctx: &Ctx, argv: &[String]) -> Result<Value> {
    let keep = Output::Keep { head_bytes: 0, tail_bytes: 2000 };
    let spec = Spec {
        invocation: Invocation::Argv(argv.iter().map(OsString::from).collect()),
        cwd: ctx.project.root().to_owned(),
        env: Vec::new(),
        timeout: TIMEOUT,
        stdout: keep,
        stderr: keep,
        alone: false,
        stays: false,
    };
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
