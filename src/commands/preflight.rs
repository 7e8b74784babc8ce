//! `preflight`: problems that would invalidate measurements; a report, which exits 0 whatever it finds, as the original.
//! `analyze`: what a project is made of, and what to ask before it is tuned. `llm`: what a language model needs to propose the
//! exact commands, with no value of the config that could be a secret.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::{Demanded, World, preflight};
use crate::commands::{Ctx, audit_here, choose, commit, delta, measure};
use crate::config::Config;
use crate::error::{CommandError, Result};
use crate::exit::Exit;
use crate::measure::size;
use crate::model::scrub::scrub;
use crate::model::{ChangeId, Problem, WorkTree};
use crate::os::files;
use crate::project;
use crate::report::{self, problem};
use crate::store::OwnPaths;
use crate::workflow::{Change, view_v1};

const SCHEMA: &str = "vibeship_optimizer.preflight.v1";

#[derive(Debug, Args)]
pub(crate) struct PreflightArgs {
    /// Check only this change [default: every open change]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Write the findings to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The findings as JSON in a pipe, as a list on a terminal.
pub(crate) fn run(ctx: &Ctx, args: PreflightArgs) -> Result<Exit> {
    let id = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    let found = findings(ctx, id.as_ref())?;
    let doc = report::day::findings(&found);
    match &args.out {
        // The analysis walks the whole project.
        None if !ctx.json(true) => ctx.show(&doc)?,
        None => ctx.print(&answer(ctx, id.as_ref(), &found)?)?,
        Some(out) => {
            ctx.write_out(out, &answer(ctx, id.as_ref(), &found)?, &doc)?;
            ctx.print(&json!({ "wrote": out, "worst_level": preflight::worst(&found) }))?;
        }
    }
    Ok(Exit::Yes)
}

pub(crate) fn answer(ctx: &Ctx, id: Option<&ChangeId>, found: &[Problem]) -> Result<Value> {
    Ok(json!({
        "schema": SCHEMA,
        "generated_at": ctx.now(),
        "project_root": ctx.project.root(),
        "config_path": ctx.project.config_path().unwrap_or_else(|| ctx.project.default_config_path()),
        "git": delta::observe(ctx).git,
        "analysis": analysis(ctx)?,
        "change_id": id,
        "worst_level": preflight::worst(found),
        "finding_count": found.len(),
        "findings": found.iter().map(problem::json).collect::<Vec<_>>(),
    }))
}

pub(crate) fn findings(ctx: &Ctx, only: Option<&ChangeId>) -> Result<Vec<Problem>> {
    if let Some(id) = only {
        crate::commands::commit::load(ctx, id)?;
    }
    let (tracked, _) = choose::changes(ctx)?;
    let all: Vec<&Change> = tracked.iter().collect();
    let open: Vec<&Change> =
        tracked.iter().filter(|change| change.is_open() && only.is_none_or(|id| id == change.id())).collect();
    let mut world = world(ctx, &all)?;
    // What a named change needs is not what another's record holds, and its own is read above.
    if only.is_none() {
        world.lost = audit_here::lost(ctx)?;
    }
    let review = &ctx.config()?.review;
    let allows = |tool: &str, mode: &str| !review.enforce_recommended_modes || review.allows(tool, mode);
    Ok(preflight::findings(&world, &open, &allows, ctx.now(), &ctx.fix_context()))
}

fn world(ctx: &Ctx, changes: &[&Change]) -> Result<World> {
    let config = ctx.config()?;
    let seen = delta::observe(ctx);
    let dirty = match &seen.revision.work_tree {
        WorkTree::Clean | WorkTree::Unversioned => Some(0),
        WorkTree::Dirty { paths, .. } => Some(*paths),
        WorkTree::Unknown { .. } => None,
    };
    let attestation = match (config.review.require_attestation, config.review.recommended) {
        (true, _) => Some(Demanded::Required),
        (false, true) => Some(Demanded::Recommended),
        (false, false) => None,
    };
    let bloat = project::bloat_dirs(ctx.project.root(), &config.size_paths);
    let tuneables = measure::tuneables_in_force(ctx, changes)?;
    let in_store = std::fs::read_dir(ctx.project.snapshots_dir()).is_ok_and(|mut entries| entries.next().is_some());
    Ok(World {
        is_git: seen.git.is_git,
        git_trouble: match ctx.repo() {
            Err(CommandError::Trouble { error, .. }) => Some(error.to_string()),
            _ => None,
        },
        lost: Vec::new(),
        has_commit: seen.revision.commit.is_some(),
        dirty,
        outside: seen.git.dirty_outside.clone(),
        ignored: if ctx.repo().is_ok() { audit_here::hidden(ctx)? } else { Default::default() },
        unfetched: unfetched(ctx)?,
        has_config: ctx.project.config_path().is_some(),
        timings: (config.timings.len(), config.timings.iter().filter(|timing| timing.is_measurable()).count()),
        size_paths: config.size_paths.len(),
        http_probes: config.http_probes.len(),
        has_snapshots: in_store || changes.iter().any(|change| change.baseline.is_some() || !change.rollout.is_empty()),
        bloat: bloat.into_iter().map(|dir| (dir.path, dir.in_size_path)).collect(),
        moved_tuneables: tuneables.moved.into_iter().map(|moved| moved.key).collect(),
        attestation,
    })
}

#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Write the analysis to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The original's JSON in a pipe, a document on a terminal, `{"wrote": P}` with `--out`.
pub(crate) fn analyze(ctx: &Ctx, args: AnalyzeArgs) -> Result<Exit> {
    let value = analysis(ctx)?;
    let doc = report::project::analysis(&value);
    match args.out {
        None => ctx.answer(true, &value, &doc)?,
        Some(out) => {
            ctx.write_out(&out, &value, &doc)?;
            ctx.print(&json!({ "wrote": out }))?;
        }
    }
    Ok(Exit::Yes)
}

pub(crate) fn analysis(ctx: &Ctx) -> Result<Value> {
    let own = OwnPaths::below(b"");
    let is_own = |path: &[u8]| own.is_own(path) || own.is_left(path);
    Ok(serde_json::to_value(project::analyze(ctx.project.root(), &ctx.config()?.project, &is_own, ctx.now()))?)
}

/// Where the bundle is written unless said otherwise, as in the original.
const BUNDLE: &str = "reports/vibeship_optimizer_llm_bundle.md";

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
pub(crate) fn llm(ctx: &Ctx, command: LlmCommand, sheet: &str) -> Result<Exit> {
    let prompt = report::project::llm_prompt(&ctx.config()?.enforcement.trailer, sheet);
    match command {
        LlmCommand::Prompt => {
            ctx.say(false, &json!({ "schema": "vibeship_optimizer.llm_prompt.v1", "prompt": prompt }), &prompt)?;
            Ok(Exit::Yes)
        }
        LlmCommand::Bundle(args) => bundle(ctx, args, &prompt),
    }
}

/// Writes markdown to a file and gives its path; `--format json` prints JSON.
fn bundle(ctx: &Ctx, args: BundleArgs, prompt: &str) -> Result<Exit> {
    let id = args.change_id.as_deref().map(str::parse::<ChangeId>).transpose()?;
    let bundle = contents(ctx, id.as_ref(), prompt)?;
    let out = match args.out {
        None if ctx.json(false) => return ctx.print(&bundle).map(|()| Exit::Yes),
        None => PathBuf::from(BUNDLE),
        Some(out) => out,
    };
    ctx.write_out(&out, &bundle, &report::project::llm_bundle(&bundle))?;
    ctx.print(&json!({ "wrote": out }))?;
    Ok(Exit::Yes)
}

fn contents(ctx: &Ctx, id: Option<&ChangeId>, prompt: &str) -> Result<Value> {
    let found = findings(ctx, id)?;
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
        "preflight": answer(ctx, id, &found)?,
        "worst_level": preflight::worst(&found),
        "analyze": analysis(ctx)?,
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

/// What is not here of the tracked files.
pub(crate) fn unfetched(ctx: &Ctx) -> Result<Vec<(String, &'static str)>> {
    let tracked = if ctx.repo().is_ok() { delta::tracked(ctx)? } else { None };
    let paths = tracked.into_iter().flatten().map(|path| files::path_from_bytes(&path));
    Ok(size::unfetched(ctx.project.root(), paths))
}
