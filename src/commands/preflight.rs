//! `preflight`: problems that would invalidate measurements; a report, which exits 0 whatever it finds, as the original.
//! `analyze`: what a project is made of, what takes up space in it, and what to ask before it is tuned.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::audit::{Demanded, World, preflight};
use crate::commands::{Ctx, audit_here, choose, delta, tuneables};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::model::{ChangeId, Problem, WorkTree};
use crate::project;
use crate::report::{self, problem};
use crate::store::OwnPaths;
use crate::workflow::Change;

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
pub(crate) fn run(ctx: &Ctx, args: PreflightArgs) -> Result<Exit, CommandError> {
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

pub(crate) fn answer(ctx: &Ctx, id: Option<&ChangeId>, found: &[Problem]) -> Result<Value, CommandError> {
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

pub(crate) fn findings(ctx: &Ctx, only: Option<&ChangeId>) -> Result<Vec<Problem>, CommandError> {
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

fn world(ctx: &Ctx, changes: &[&Change]) -> Result<World, CommandError> {
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
    let tuneables = tuneables::read(ctx, changes)?;
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
pub(crate) fn analyze(ctx: &Ctx, args: AnalyzeArgs) -> Result<Exit, CommandError> {
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

pub(crate) fn analysis(ctx: &Ctx) -> Result<Value, CommandError> {
    let own = OwnPaths::below(b"");
    let is_own = |path: &[u8]| own.is_own(path) || own.is_left(path);
    Ok(serde_json::to_value(project::analyze(ctx.project.root(), &ctx.config()?.project, &is_own, ctx.now()))?)
}
