//! `doctor`: what of the setup is missing or out of date, and with `--apply`, putting it right. Shows what the config
//! measures, too.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{Ctx, Ill, choose, commit, failure, hook_health, hooks, init, onboard};
use crate::config::Timing;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::{NEEDED, Version};
use crate::report;
use crate::store::{Record, atomic, logbook, project};
use crate::workflow::Change;

/// Schema name of the answer.
const SCHEMA: &str = "vibeship_optimizer.doctor.v1";

/// The largest logbook that is read.
const LOGBOOK_LIMIT: u64 = 64 * 1024 * 1024;

/// Find what is missing in the project's setup, and put it right with --apply
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Put it right
    #[arg(long)]
    apply: bool,
}

/// Something that is missing, and what puts it right.
struct Ailment {
    code: &'static str,
    message: String,
    remedy: Remedy,
}

/// What puts something right.
enum Remedy {
    /// This.
    Apply(fn(&Ctx) -> Result<(), CommandError>),
    /// A command that is for a person to decide on.
    Run(String),
}

/// Exit 0 when nothing is missing any more, 1 when something is. What is only worth knowing counts for nothing.
pub fn run(ctx: &Ctx, args: DoctorArgs) -> Result<Exit, CommandError> {
    let mut actions: Vec<Value> = Vec::new();
    let (ailments, notes) = examine(ctx)?;
    for ailment in ailments {
        let mut changed = false;
        let mut heal = None;
        match ailment.remedy {
            Remedy::Apply(remedy) if args.apply => {
                remedy(ctx)?;
                changed = true;
            }
            Remedy::Apply(_) => {}
            Remedy::Run(command) => heal = Some(command),
        }
        let mut action = json!({ "code": ailment.code, "changed": changed, "message": ailment.message });
        if let Some(heal) = heal {
            action["heal"] = json!(heal);
        }
        actions.push(action);
    }
    let left = if args.apply { examine(ctx)?.0.len() } else { actions.len() };
    let note = |ill: Ill| json!({ "code": ill.code, "message": ill.message, "heal": ill.heal });
    let warnings: Vec<Value> = notes.into_iter().map(note).collect();
    let measurable = ctx.config()?.measurable();
    let measures: Vec<Value> = measurable
        .iter()
        .map(|spec| json!({ "metric": spec.id, "unit": spec.unit, "better": spec.better, "sampling": spec.sampling }))
        .collect();
    let answer = json!({
        "schema": SCHEMA,
        "generated_at": ctx.now(),
        "applied": args.apply,
        "actions": actions,
        "warnings": warnings,
        "measures": measures,
        "git": git(),
    });
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        ctx.show(&report::project::doctor(&answer))?;
    }
    let applicable = actions_of(&answer).any(|action| action["heal"].is_null());
    if left > 0 && !args.apply && applicable {
        ctx.ui.hint("put it right: vibeship-optimizer doctor --apply");
    }
    Ok(if left == 0 { Exit::Yes } else { Exit::No })
}

/// The git on PATH and the one that is needed.
fn git() -> Value {
    let (version, problem) = match Version::installed() {
        Ok(found) if found < NEEDED => (Some(found), Some(format!("older than {}", NEEDED))),
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(error.to_string())),
    };
    json!({
        "version": version.map(|found| found.to_string()),
        "needed": NEEDED.to_string(),
        "problem": problem,
    })
}

fn actions_of(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["actions"].as_array().into_iter().flatten()
}

/// What is to be put right, and what is only worth knowing.
fn examine(ctx: &Ctx) -> Result<(Vec<Ailment>, Vec<Ill>), CommandError> {
    let mut found = Vec::new();
    if !ctx.project.is_initialized() || ctx.project.config_path().is_none() {
        let message = "there is no config yet".to_owned();
        found.push(Ailment { code: "INIT", message, remedy: Remedy::Apply(init::ensure) });
        return Ok((found, Vec::new()));
    }
    let root = ctx.project.root();
    if root.join(project::LEGACY_LOGBOOK).is_file() && !root.join(project::LOGBOOK).exists() {
        let message = format!("{} is the logbook's old name", project::LEGACY_LOGBOOK);
        found.push(Ailment {
            code: "LOGBOOK_RENAME",
            message,
            remedy: Remedy::Apply(|ctx| Ok(logbook::adopt_legacy(&ctx.lock()?).map(drop)?)),
        });
    }
    if !ctx.project.state_dir().join(".gitignore").exists() {
        let message = "git is not told what belongs to one checkout alone (lock, cache, active change)".to_owned();
        found.push(Ailment {
            code: "STATE_GITIGNORE",
            message,
            remedy: Remedy::Apply(|ctx| Ok(ctx.project.prepare_state()?)),
        });
    }
    if !ctx.config()?.timings.iter().any(Timing::is_measurable) && onboard::would_fill(ctx)? {
        let message = "the project's test command can be filled into the config".to_owned();
        found.push(Ailment { code: "TIMINGS_FILL", message, remedy: Remedy::Apply(onboard::fill_guess) });
    }
    let stale = stale_sections(ctx)?;
    if !stale.is_empty() {
        let names: Vec<&str> = stale.iter().map(|change| change.id().as_str()).collect();
        let message = format!("the logbook's sections of {} are not what their records say", names.join(", "));
        found.push(Ailment { code: "LOGBOOK_RENDER", message, remedy: Remedy::Apply(render_sections) });
    }
    let (grave, notes): (Vec<Ill>, Vec<Ill>) = hook_health::ills(ctx)?.into_iter().partition(|ill| ill.grave);
    for ill in grave {
        let remedy = if ill.installs { Remedy::Apply(hooks::put_in) } else { Remedy::Run(ill.heal) };
        found.push(Ailment { code: ill.code, message: ill.message, remedy });
    }
    Ok((found, unproving(ctx)?.into_iter().chain(notes).collect()))
}

/// What of the config proves nothing: no test, nothing timed, one run.
fn unproving(ctx: &Ctx) -> Result<Vec<Ill>, CommandError> {
    let config = ctx.config()?;
    let note =
        |code, message: String, heal: &str| Ill { code, message, heal: heal.to_owned(), grave: false, installs: false };
    let fill = "vibeship-optimizer onboard --timing-cmd \"COMMAND\"";
    let mut notes = Vec::new();
    if config.commands.test.is_none() {
        let message = "the config has no test command, without which no change of class code is validated";
        notes.push(note("NO_TEST", message.to_owned(), fill));
    }
    if !config.timings.iter().any(Timing::is_measurable) {
        notes.push(note("NO_TIMING", "the config times no command".to_owned(), fill));
    }
    for timing in config.timings.iter().filter(|timing| timing.cmd.is_some() && timing.runs == 1) {
        let message = format!("the timing {} has one run, which proves nothing", timing.name);
        notes.push(note("ONE_RUN", message, "set `runs: 10` there, and see docs/measurement.md"));
    }
    Ok(notes)
}

/// The changes whose section of the logbook is missing or not the one that their record gives.
fn stale_sections(ctx: &Ctx) -> Result<Vec<Change>, CommandError> {
    let text = atomic::read(&ctx.project.logbook_path(), LOGBOOK_LIMIT)?.unwrap_or_default();
    // Line ends may have become those of Windows on checkout.
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
    let (records, _) = choose::records(ctx)?;
    let tracked = records.into_iter().filter_map(|record| match record {
        Record::Tracked(change) => Some(*change),
        Record::Legacy(_) => None,
    });
    Ok(tracked.filter(|change| !text.contains(report::logbook::section(change).trim())).collect())
}

fn render_sections(ctx: &Ctx) -> Result<(), CommandError> {
    let stale = stale_sections(ctx)?;
    let lock = ctx.lock()?;
    for change in &stale {
        commit::note_down(ctx, &lock, change);
    }
    Ok(())
}
