//! `preflight`: reports what would invalidate measurements. `analyze`: describes a project and lists what to ask before
//! tuning it. `llm`: writes what a language model needs to propose the exact commands, without values of the config.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::record;
use crate::commands::{Ctx, audit_here, check, choose, collect, commit, delta, doctor, measure};
use crate::config::{Config, TimingConfig};
use crate::error::{CommandError, Exit, Result};
use crate::git::{GitVersion, NEEDED};
use crate::measure::size;
use crate::model::{
    ChangeId, Class, CommandLine, Fix, How, Problem, Severity, Subject, WHAT_HAPPENED, WorkTree, count, few, fix,
    joined, scrub,
};
use crate::os::files;
use crate::project::{self, BloatDir};
use crate::report::{self, problem};
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

/// Prints the findings as JSON in a pipe, as a list on a terminal.
pub(crate) fn run(ctx: &Ctx, args: PreflightArgs) -> Result<Exit> {
    // A git that refuses is a finding.
    if ctx.repo().is_ok() {
        check::needs_project(ctx, "preflight")?;
    }
    let id = args.change_id.as_deref().map(|text| choose::find(ctx, text)).transpose()?;
    let found = findings(ctx, id.as_ref())?;
    let doc = report::day::findings(&found);
    match &args.out {
        // The list does not need the analysis, which walks the whole project.
        None if !ctx.json(true) => ctx.show(&doc)?,
        None => ctx.print(&answer(ctx, id.as_ref(), &found)?)?,
        Some(out) => {
            ctx.write_out(out, &answer(ctx, id.as_ref(), &found)?, &doc)?;
            ctx.print(&json!({ "wrote": out, "worst_level": worst(&found) }))?
        }
    };
    let is_damage = |it: &Problem| ["RECORD_", "ARTIFACT_"].iter().any(|begin| it.code.starts_with(begin));
    Ok(if found.iter().any(is_damage) { Exit::Trouble } else { Exit::Yes })
}

pub(crate) fn answer(ctx: &Ctx, id: Option<&ChangeId>, found: &[Problem]) -> Result<Value> {
    Ok(json!({
        "schema": SCHEMA,
        "generated_at": ctx.now(),
        "project_root": ctx.project.root(),
        "config_path": ctx.project.config_path_or_default(),
        "git": delta::observe(ctx).git,
        "analysis": analysis(ctx)?,
        "change_id": id,
        "worst_level": worst(found),
        "finding_count": found.len(),
        "findings": found.iter().map(problem::json).collect::<Vec<_>>(),
    }))
}

/// All problems, the most serious first; of changes, those of the named one, or else of all open ones.
pub(crate) fn findings(ctx: &Ctx, only: Option<&ChangeId>) -> Result<Vec<Problem>> {
    if let Some(id) = only {
        commit::load(ctx, id)?;
    }
    let (tracked, _) = choose::changes(ctx)?;
    ctx.config()?;
    // A named change does not depend on the records of others, and its own is read above.
    let mut found = if only.is_none() { audit_here::lost_problems(ctx)? } else { Vec::new() };
    found.extend(of_git(ctx));
    found.extend(audit_here::state_ignored(ctx)?.map(|(problem, _)| problem));
    found.extend(unfetched(ctx)?);
    found.extend(of_config(ctx, &tracked)?);
    found.extend(doctor::cannot_start(ctx)?);
    let open = |change: &&Change| change.is_open() && only.is_none_or(|id| id == change.id());
    let open: Vec<&Change> = tracked.iter().filter(open).collect();
    // Not while a change is between its baseline and its promotion, since that may be the cause.
    let being_made = open.iter().any(|change| change.baseline.is_some() && change.promotion.is_none());
    let overridden = open.iter().any(|change| change.opened.class == Class::Emergency);
    let moved = measure::tuneables_in_force(ctx, &tracked.iter().collect::<Vec<_>>())?.moved;
    if !moved.is_empty() && !being_made && !overridden {
        let keys: Vec<String> = moved.into_iter().map(|moved| moved.key).collect();
        let start = fix::start().words(["--class", "tuneable"]);
        let fixes = vec![
            Fix::decide(How::Next, "put them back"),
            Fix::or("open a change for them before anything else", start),
        ];
        found.push(Problem::warn(
            "TUNEABLES_UNRECORDED",
            format!("changed since they were last measured: {}", joined(&keys)),
            fixes,
        ));
    }
    found.extend(env_overrides(ctx, &open)?);
    for change in open {
        found.extend(review(ctx, change)?);
        let expired = record::expired(change, ctx.now()).map(|expired| expired.problem(&ctx.fix_context()));
        found.extend(expired.map(|it| Problem { message: format!("{}: {}", change.id(), it.message), ..it }));
    }
    found.sort_by_key(|problem| Reverse(problem.severity));
    Ok(found)
}

/// Environment variables that override tuneables or are watched, and are set here without an open emergency.
pub(crate) fn env_overrides(ctx: &Ctx, open: &[&Change]) -> Result<Option<Problem>> {
    let watched = &ctx.config()?.tuneables;
    let is_set = |name: &&String| std::env::var_os(name).is_some();
    let set: Vec<&String> = watched.env.values().chain(&watched.watch_env).filter(is_set).collect();
    let message = format!("set in this environment, and measured with: {}", joined(&set));
    let emergency =
        fix::start().words(["--class", "emergency"]).ask("--incident", WHAT_HAPPENED).words(["--expires", "24h"]);
    let fixes = vec![Fix::decide(How::Next, "unset it"), Fix::or("put the override on record", emergency)];
    let is_on_record = open.iter().any(|change| change.opened.class == Class::Emergency);
    Ok((!set.is_empty() && !is_on_record).then(|| Problem::warn("ENV_OVERRIDES", message, fixes)))
}

/// The most serious level; `info` if nothing was found, as in the Python tool.
pub(crate) fn worst(found: &[Problem]) -> Severity {
    found.iter().map(|problem| problem.severity).max().unwrap_or(Severity::Info)
}

fn of_git(ctx: &Ctx) -> Vec<Problem> {
    if let Err(CommandError::Trouble { error, .. }) = ctx.repo() {
        let first = "fix that first: nothing can be measured of code that git does not tell apart";
        let fixes = vec![Fix::decide(How::Next, first)];
        return vec![Problem::of_setup(Severity::Fail, "GIT_TROUBLE", error.to_string(), fixes)];
    }
    let seen = delta::observe(ctx);
    if !seen.git.is_git {
        return vec![not_under_git()];
    }
    let mut found = Vec::new();
    let status = |purpose: &str| vec![Fix::next(purpose, CommandLine::git("status"))];
    if seen.revision.commit.is_none() {
        found.push(Problem::warn("GIT_NO_COMMIT", "there is no commit yet", vec![commit_once()]));
    }
    let dirty = match &seen.revision.work_tree {
        WorkTree::Clean | WorkTree::Unversioned => None,
        WorkTree::Dirty { paths, .. } => {
            Some(format!("{} besides the tool's own", count(*paths, "uncommitted file", "uncommitted files")))
        }
        WorkTree::Unknown { .. } => Some("git cannot say what is uncommitted".to_owned()),
    };
    found.extend(dirty.map(|message| Problem::warn("GIT_DIRTY", message, status("commit or stash what this shows"))));
    // In a repository of many projects, uncommitted work elsewhere is normal; but what is measured may read it.
    let outside = &seen.git.dirty_outside;
    if !outside.is_empty() {
        let message = format!("uncommitted outside the project's directory: {}", few(outside));
        let purpose = "commit or stash what the measured commands read: no commit would hold what ran";
        found.push(Problem::info("GIT_DIRTY_OUTSIDE", message, status(purpose)));
    }
    found
}

pub(crate) fn commit_once() -> Fix {
    Fix::next("commit once", CommandLine::git("add -A").and(CommandLine::git("commit -m").word("Start")))
}

pub(crate) fn not_under_git() -> Problem {
    let why = "without commits nothing ties a measurement to a change";
    let (what, step) = match GitVersion::installed() {
        Ok(_) => ("the project is not under git", Fix::next(why, CommandLine::git("init"))),
        Err(_) => ("git is not installed", Fix::decide(How::Next, format!("install git {NEEDED} or newer: {why}"))),
    };
    Problem::warn("GIT_NOT_FOUND", what, vec![step])
}

pub(crate) fn unfetched(ctx: &Ctx) -> Result<Vec<Problem>> {
    let tracked = if ctx.repo().is_ok() { delta::tracked(ctx)? } else { None };
    let paths = tracked.into_iter().flatten().map(|path| files::path_from_bytes(&path));
    let fetch = |command| vec![Fix::next("fetch the data", CommandLine::verbatim(command))];
    let found = size::unfetched(ctx.project.root(), paths).into_iter();
    Ok(found.map(|(what, command)| Problem::warn("DATA_UNFETCHED", what, fetch(command))).collect())
}

fn of_config(ctx: &Ctx, changes: &[Change]) -> Result<Vec<Problem>> {
    let config = ctx.config()?;
    let mut found = Vec::new();
    let run = |purpose: &str, command: &str| vec![Fix::next(purpose, CommandLine::tool(command))];
    let edit = |purpose: &str, key: &str, line: &str| vec![Fix::edit(How::Next, purpose, "the config", key, line)];
    if ctx.project.config_path().is_none() {
        found.push(Problem::of_setup(Severity::Fail, "CONFIG_MISSING", "there is no config", run("", "init")));
    }
    if config.timings.is_empty() {
        // A command from the config is not repeated: findings also go into bundles for language models.
        let onboard = CommandLine::tool("onboard");
        let onboard = match &config.commands.test {
            Some(_) => onboard.ask("--timing-cmd", "COMMAND"),
            None => onboard,
        };
        found.push(Problem::warn("TIMINGS_EMPTY", "no command is timed", vec![Fix::next("", onboard)]));
    } else if !config.timings.iter().any(TimingConfig::is_measurable) {
        let message = format!("none of {} timings has a command or results to read", config.timings.len());
        found.push(Problem::warn("TIMINGS_NO_CMDS", message, run("", "onboard")));
    }
    if config.size_paths.is_empty() {
        let paths = project::guess(ctx.project.root()).size_paths;
        let line = format!("- {}", paths.first().map_or("PATH", String::as_str));
        let list = edit("list paths if their size matters", "size_paths", &line);
        found.push(Problem::warn("SIZE_PATHS_EMPTY", "no size is measured", list));
    }
    if config.http_probes.is_empty() {
        let line = "- {name: health, url: \"http://127.0.0.1:8080/health\"}";
        let add = edit("add a health endpoint if there is one", "http_probes", line);
        found.push(Problem::info("HTTP_PROBES_EMPTY", "no HTTP endpoint is probed", add));
    }
    let in_store = std::fs::read_dir(ctx.project.snapshots_dir()).is_ok_and(|mut entries| entries.next().is_some());
    if !in_store && changes.iter().all(|change| change.baseline.is_none() && change.rollout.is_empty()) {
        found.push(Problem::info("NO_SNAPSHOTS", "nothing was measured yet", run("see the next step", "status")));
    }
    for dir in unignored(ctx, project::bloat_dirs(ctx.project.root(), &config.size_paths))? {
        let severity = if dir.in_size_path.is_some() { Severity::Warn } else { Severity::Info };
        let within = dir.in_size_path.map(|path| format!(" within the measured {path}")).unwrap_or_default();
        let message = format!("{} is build output{within}", dir.path);
        let purpose = "let git ignore it; sizes of tracked files leave it out";
        let ignore = Fix::edit(How::Next, purpose, ".gitignore", "any line", &format!("{}/", dir.path));
        found.push(Problem::of_setup(severity, "BLOAT_DIR_PRESENT", message, vec![ignore]));
    }
    Ok(found)
}

/// The directories that git does not ignore yet; outside git, all of them.
fn unignored(ctx: &Ctx, mut dirs: Vec<BloatDir>) -> Result<Vec<BloatDir>> {
    if let Ok(Some(repo)) = ctx.repo() {
        let paths: Vec<&str> = dirs.iter().map(|dir| dir.path.as_str()).collect();
        let ignored: Vec<String> = repo.ignored(&paths)?.into_iter().map(str::to_owned).collect();
        dirs.retain(|dir| !ignored.contains(&dir.path));
    }
    Ok(dirs)
}

fn review(ctx: &Ctx, change: &Change) -> Result<Option<Problem>> {
    let (id, wanted) = (change.id(), &ctx.config()?.review);
    let attested = change.attestation.as_ref();
    let forbidden = attested.filter(|it| collect::mode_objection(wanted, &it.tool, &it.reasoning_mode).is_some());
    let (severity, code, message) = if let Some(it) = forbidden {
        let (tool, mode) = (&it.tool, &it.reasoning_mode);
        let message = format!("{id} was reviewed by {tool} in the mode {mode}, which the config does not allow");
        (Severity::Fail, "REVIEW_MODE_NOT_ALLOWED", message)
    } else if change.is_attested() || (change.comparison.is_none() && change.rollout.is_empty()) {
        // Without a comparison there is nothing to review.
        return Ok(None);
    } else if wanted.require_attestation {
        let message = format!("the present state of {id} has no attested review");
        // The last gate requires it, but no measurement depends on it.
        (Severity::Info, "REVIEW_ATTESTATION_MISSING", message)
    } else if wanted.recommended {
        (Severity::Info, "REVIEW_ATTESTATION_RECOMMENDED", format!("a review of {id} would be good to have"))
    } else {
        return Ok(None);
    };
    let problem = Problem::of_setup(severity, code, message, ctx.fix_context().reviewed(id));
    Ok(Some(Problem { subject: Subject { change: Some(id.clone()), ..Subject::default() }, ..problem }))
}

#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Write the analysis to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the Python tool's JSON in a pipe, a document on a terminal, or `{"wrote": P}` with `--out`.
pub(crate) fn analyze(ctx: &Ctx, args: AnalyzeArgs) -> Result<Exit> {
    let value = analysis(ctx)?;
    let doc = report::project::analysis(&value);
    match args.out {
        None => ctx.answer(true, &value, &doc),
        Some(out) => {
            ctx.write_out(&out, &value, &doc)?;
            ctx.print(&json!({ "wrote": out }))
        }
    }
}

pub(crate) fn analysis(ctx: &Ctx) -> Result<Value> {
    Ok(serde_json::to_value(project::analyze(ctx.project.root(), &ctx.config()?.project, ctx.now()))?)
}

/// The default path of the bundle, as in the Python tool.
const BUNDLE: &str = "reports/vibeship_optimizer_llm_bundle.md";

#[derive(Debug, Subcommand)]
pub(crate) enum LlmCommand {
    /// Print a prompt that explains the workflow and its commands
    Prompt,
    /// Bundle facts about the project and its changes, without config values
    Bundle(LlmBundleArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LlmBundleArgs {
    /// Include this change
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// Output file [default: reports/vibeship_optimizer_llm_bundle.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn llm(ctx: &Ctx, command: LlmCommand, sheet: &str) -> Result<Exit> {
    let prompt = report::project::llm_prompt(&ctx.config()?.enforcement.trailer, sheet);
    match command {
        LlmCommand::Prompt => {
            ctx.say(false, &json!({ "schema": "vibeship_optimizer.llm_prompt.v1", "prompt": prompt }), &prompt)
        }
        LlmCommand::Bundle(args) => bundle(ctx, args, &prompt),
    }
}

/// Writes the bundle to a file and prints its path; with `--format json` and no path, prints the bundle as JSON.
fn bundle(ctx: &Ctx, args: LlmBundleArgs, prompt: &str) -> Result<Exit> {
    let id = args.change_id.as_deref().map(|text| choose::find(ctx, text)).transpose()?;
    let bundle = contents(ctx, id.as_ref(), prompt)?;
    let out = match args.out {
        None if ctx.json(false) => return ctx.print(&bundle),
        None => PathBuf::from(BUNDLE),
        Some(out) => out,
    };
    ctx.write_out(&out, &bundle, &report::project::llm_bundle(&bundle))?;
    ctx.print(&json!({ "wrote": out }))
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
        "config_path": ctx.project.config_path_or_default(),
        "config_summary": summary(ctx.config()?),
        "note": "names and counts alone; the values of the config are left out",
        "prompt": prompt,
        "preflight": answer(ctx, id, &found)?,
        "worst_level": worst(&found),
        "analyze": analysis(ctx)?,
        "config": summary(ctx.config()?),
        "change": change,
    }))
}

/// Names and counts only: commands and URLs may hold secrets.
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
