//! `llm`: what a language model needs to propose the exact commands: a prompt, and a bundle of what is known here.
//! Holds no value of the config that could be a secret.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::preflight;
use crate::commands::{Ctx, commit, delta, preflight as preflight_command};
use crate::config::Config;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::ChangeId;
use crate::model::scrub::scrub;
use crate::report;
use crate::workflow::view_v1;

/// Where the bundle is written unless said otherwise, as in the original.
const FILE: &str = "reports/vibeship_optimizer_llm_bundle.md";

#[derive(Debug, Subcommand)]
pub(crate) enum LlmCommand {
    /// Print a prompt that explains the workflow and its commands
    Prompt,
    /// Bundle facts about the project and its changes, without config values
    Bundle(BundleArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// Include this change
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Output file [default: reports/vibeship_optimizer_llm_bundle.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `sheet` lists the commands, as their definitions have them.
pub(crate) fn run(ctx: &Ctx, command: LlmCommand, sheet: &str) -> Result<Exit, CommandError> {
    let text = report::project::llm_prompt(&ctx.config()?.enforcement.trailer, sheet);
    match command {
        LlmCommand::Prompt => prompt(ctx, &text),
        LlmCommand::Bundle(args) => bundle(ctx, args, &text),
    }
}

fn prompt(ctx: &Ctx, text: &str) -> Result<Exit, CommandError> {
    if ctx.json(false) {
        ctx.print(&json!({ "schema": "vibeship_optimizer.llm_prompt.v1", "prompt": text }))?;
    } else {
        ctx.ui.answer(text)?;
    }
    Ok(Exit::Yes)
}

/// Writes markdown to a file and gives its path; `--format json` prints JSON.
fn bundle(ctx: &Ctx, args: BundleArgs, prompt: &str) -> Result<Exit, CommandError> {
    let id = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    let bundle = contents(ctx, id.as_ref(), prompt)?;
    let out = match args.out {
        None if ctx.json(false) => return ctx.print(&bundle).map(|()| Exit::Yes),
        None => PathBuf::from(FILE),
        Some(out) => out,
    };
    ctx.write_out(&out, &bundle, &report::project::llm_bundle(&bundle))?;
    ctx.print(&json!({ "wrote": out }))?;
    Ok(Exit::Yes)
}

fn contents(ctx: &Ctx, id: Option<&ChangeId>, prompt: &str) -> Result<Value, CommandError> {
    let found = preflight_command::findings(ctx, id)?;
    let change = match id {
        None => Value::Null,
        Some(id) => {
            let change = commit::load(ctx, id)?;
            json!({
                "change_id": change.id(),
                "title": scrub(&change.opened.title),
                "class": change.opened.class,
                "status": view_v1::status(&change),
                "contract": change.contract,
                "next": ctx.next(&change)?.next,
            })
        }
    };
    Ok(json!({
        "schema": "vibeship_optimizer.llm_bundle.v1",
        "generated_at": ctx.now(),
        "project_root": ctx.project.root(),
        "change_id": id,
        "git": delta::observe(ctx).git,
        "config_path": ctx.project.config_path().unwrap_or_else(|| ctx.project.default_config_path()),
        "config_summary": summary(ctx.config()?),
        "note": "names and counts alone; the values of the config are left out",
        "prompt": prompt,
        "preflight": preflight_command::answer(ctx, id, &found)?,
        "worst_level": preflight::worst(&found),
        "analyze": preflight_command::analysis(ctx)?,
        "config": summary(ctx.config()?),
        "change": change,
    }))
}

/// Names and counts alone: commands and URLs may hold secrets.
fn summary(config: &Config) -> Value {
    let names = |list: &mut dyn Iterator<Item = &String>| list.cloned().collect::<Vec<_>>();
    json!({
        "timings": names(&mut config.timings.iter().map(|timing| &timing.name)),
        "size_paths": config.size_paths.len(),
        "http_probes": names(&mut config.http_probes.iter().map(|probe| &probe.name)),
        "kpis": names(&mut config.kpis.iter().map(|kpi| &kpi.name)),
        "tuneable_files": config.tuneables.files.len(),
        "has_test": config.commands.test.is_some(),
        "stages": config.rollout.stages.iter().map(|stage| stage.name.name()).collect::<Vec<_>>(),
        "min_monitor_days": config.verification.min_monitor_days,
        "require_attestation": config.review.require_attestation,
        "metrics": config.measurable().iter().map(|spec| spec.id.to_string()).collect::<Vec<_>>(),
    })
}
