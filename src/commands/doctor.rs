//! `doctor`: reports what is wrong with the setup, fixes it with `--apply`, and lists what the config measures.

use std::ffi::OsStr;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::{
    Ctx, audit_here, choose, commit, demands, evidence as of_change, hooks, init, monitor, preflight, relink,
    uncommitted, validate,
};
use crate::config::TimingConfig;
use crate::error::{Exit, Result};
use crate::git::{GitVersion, NEEDED};
use crate::measure::command::Place;
use crate::model::{Artifact, CommandLine, Fix, How, MetricSpec, Problem, Severity, is_page, joined};
use crate::os::{Spec, process};
use crate::report::{self, problem};
use crate::store::{Integrity, Record, atomic, evidence, logbook, project};
use crate::workflow::Change;

const SCHEMA: &str = "vibeship_optimizer.doctor.v1";

const APPLY: &str = "doctor --apply";
const LOGBOOK_LIMIT: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Fix what can be fixed
    #[arg(long)]
    apply: bool,
}

/// A problem, and the function by which `--apply` fixes it; `None` if only a person can.
type ToDo = (Problem, Option<fn(&Ctx) -> Result<()>>);

/// Exits with 0 if nothing but notes is left, 1 if something is, 2 if a record or its evidence cannot be relied on.
pub(crate) fn run(ctx: &Ctx, args: DoctorArgs) -> Result<Exit> {
    let (todo, notes) = examine(ctx)?;
    if args.apply {
        todo.iter().filter_map(|(_, apply)| *apply).try_for_each(|apply| apply(ctx))?;
    }
    let after = if args.apply { Some(examine(ctx)?.0) } else { None };
    let left = after.as_ref().unwrap_or(&todo).len();
    let stays = |it: &Problem| after.iter().flatten().any(|(left, _)| left == it);
    let done = |(mut problem, apply): ToDo| {
        let is_done = args.apply && (apply.is_some() || !stays(&problem));
        let again = |fix: &Fix| fix.command() == Some(&CommandLine::tool(APPLY));
        if args.apply && problem.fixes.iter().any(again) {
            problem.fixes = vec![Fix::decide(How::Next, "it cannot be made again: what it is made of is gone, too")];
        }
        (problem, is_done)
    };
    let actions: Vec<(Problem, bool)> = todo.into_iter().map(done).collect();
    let damaged = !audit_here::damaged(ctx)?.is_empty();
    let (git, measurable) = (git(), ctx.measurable()?);
    let one = |spec: &MetricSpec| json!({ "metric": spec.id, "unit": spec.unit, "better": spec.better, "sampling": spec.sampling });
    let answer = json!({
        "schema": SCHEMA,
        "generated_at": ctx.now(),
        "apply": args.apply,
        "applied": args.apply,
        "config_path": ctx.project.config_path_or_default(),
        "note": "only the tool's own files are written, never the project's code",
        "actions": actions.iter().map(|(problem, changed)| entry(problem, Some(*changed))).collect::<Vec<_>>(),
        "warnings": notes.iter().map(|note| entry(note, None)).collect::<Vec<_>>(),
        "measures": measurable.iter().map(one).collect::<Vec<_>>(),
        "git": git,
    });
    ctx.answer(true, &answer, &report::project::doctor(&actions, &notes, &git, &measurable))?;
    if left > 0 && !args.apply && actions.iter().any(|(problem, _)| problem.fixes.is_empty()) {
        ctx.advise(&[Fix::next("put it right", CommandLine::tool(APPLY))]);
    }
    if let Some(commit) = uncommitted::paths(ctx).commit_setup().filter(|_| args.apply) {
        ctx.advise(&[Fix::next("commit the setup", commit)]);
    }
    Ok(match left {
        _ if damaged => Exit::Trouble,
        0 => Exit::Yes,
        _ => Exit::No,
    })
}

fn entry(problem: &Problem, changed: Option<bool>) -> Value {
    let mut entry = problem::json(problem);
    entry["heal"] = entry["hint"].clone();
    if let Some(changed) = changed {
        entry["changed"] = json!(changed);
    }
    entry
}

fn git() -> Value {
    let (version, problem) = match GitVersion::installed() {
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

fn examine(ctx: &Ctx) -> Result<(Vec<ToDo>, Vec<Problem>)> {
    let mut found: Vec<ToDo> = Vec::new();
    let mut add = |code, message: String, apply: fn(&Ctx) -> Result<()>| {
        found.push((Problem::warn(code, message, Vec::new()), Some(apply)));
    };
    if !ctx.project.is_initialized() || ctx.project.config_path().is_none() {
        add("INIT", "there is no config yet".to_owned(), init::ensure);
        return Ok((found, without_git(ctx).into_iter().collect()));
    }
    let root = ctx.project.root();
    if root.join(project::LEGACY_LOGBOOK).is_file() && !root.join(project::LOGBOOK).exists() {
        let message = format!("{} is the logbook's old name", project::LEGACY_LOGBOOK);
        add("LOGBOOK_RENAME", message, |ctx| Ok(logbook::adopt_legacy(&ctx.lock()?).map(drop)?));
    }
    if !ctx.project.state_dir().join(".gitignore").exists() {
        let message = "git is not told what belongs to one checkout alone (lock, cache, active change)".to_owned();
        add("STATE_GITIGNORE", message, |ctx| Ok(ctx.project.prepare_state()?));
    }
    if let Some((ignored, _)) = audit_here::state_ignored(ctx)? {
        add("STATE_IGNORED", ignored.message, audit_here::keep_hidden);
    }
    if !ctx.config()?.timings.iter().any(TimingConfig::is_measurable) && init::would_fill(ctx) {
        let message = "the project's test command can be filled into the config".to_owned();
        add("TIMINGS_FILL", message, init::fill_guess);
    }
    let (stale, torn) = stale_sections(ctx)?;
    if torn {
        let message = "the logbook has torn sections or conflict markers, as a merge leaves them".to_owned();
        add("LOGBOOK_RENDER", message, render_sections);
    } else if !stale.is_empty() {
        let names = joined(stale.iter().map(Change::id));
        let message = format!("the logbook's sections of {names} are not what their records say");
        add("LOGBOOK_RENDER", message, render_sections);
    }
    if !recoverable_evidence(ctx)?.is_empty() {
        let message =
            "evidence is not what was recorded, and what was recorded is kept or can be rendered again".to_owned();
        add("EVIDENCE_UNRECORDED", message, put_back);
    }
    let (grave, notes): (Vec<Problem>, Vec<Problem>) =
        hooks::problems(ctx)?.into_iter().partition(|it| it.severity == Severity::Warn);
    let by_hand = |problem| (problem, None);
    found.extend(audit_here::lost_problems(ctx)?.into_iter().map(by_hand));
    found.extend(grave.into_iter().map(|problem| match hooks::installs(&problem) {
        true => (Problem { fixes: Vec::new(), ..problem }, Some(hooks::install_here as fn(&Ctx) -> Result<()>)),
        false => by_hand(problem),
    }));
    found.extend(preflight::unfetched(ctx)?.into_iter().chain(cannot_start(ctx)?).map(by_hand));
    found.extend(old_git().into_iter().chain(unknown_since(ctx)?).map(by_hand));
    let notes = without_git(ctx).into_iter().chain(missing_paths(ctx)?).chain(notes);
    Ok((found, config_notes(ctx)?.into_iter().chain(legacy(ctx)?).chain(notes).collect()))
}

fn without_git(ctx: &Ctx) -> Option<Problem> {
    let is_outside = matches!(ctx.repo(), Ok(None));
    is_outside.then(|| Problem { severity: Severity::Info, ..preflight::not_under_git() })
}

fn missing_paths(ctx: &Ctx) -> Result<Vec<Problem>> {
    let (config, root) = (ctx.config()?, ctx.project.root());
    let of = |key: &'static str, paths: &[String]| paths.iter().map(|path| (key, path.clone())).collect::<Vec<_>>();
    let cwds: Vec<String> = config.timings.iter().filter_map(|timing| timing.cwd.clone()).collect();
    let lists = [
        ("size_paths", config.size_paths.as_slice()),
        ("timings: cwd", cwds.as_slice()),
        ("tuneables.files", config.tuneables.files.as_slice()),
        ("pair.share", config.pair.share.as_slice()),
    ];
    let named = lists.into_iter().flat_map(|(key, paths)| of(key, paths));
    let problem = |(key, path): (&str, String)| {
        let why = match () {
            () if path.contains(['*', '?']) => "; patterns are not read: name the file or its directory",
            () if path.contains('\\') => "; write the path with /",
            () => "",
        };
        let build = Fix::decide(How::Next, "correct it, or make what it names before anything is measured");
        Problem::info("PATH_MISSING", format!("{key} names {path}, which does not exist{why}"), vec![build])
    };
    Ok(named.filter(|(_, path)| !root.join(path).exists()).map(problem).collect())
}

fn old_git() -> Option<Problem> {
    let found = GitVersion::installed().ok().filter(|found| *found < NEEDED)?;
    let message = format!("git {found} is too old: it cannot say all that is asked of it");
    let install = Fix::decide(How::Next, format!("install git {NEEDED} or newer"));
    Some(Problem::warn("GIT_TOO_OLD", message, vec![install]))
}

fn unknown_since(ctx: &Ctx) -> Result<Option<Problem>> {
    let (Some(since), Some(repo)) = (&ctx.config()?.enforcement.since, ctx.repo()?) else { return Ok(None) };
    let problem = |message: String, fixes| Problem::warn("SINCE_UNKNOWN", message, fixes);
    Ok(demands::unknown_since(repo, since)?.map(|(message, fixes)| problem(message, fixes)))
}

fn legacy(ctx: &Ctx) -> Result<Vec<Problem>> {
    let unproven = |record: Record| match record {
        Record::Legacy(legacy) => Some(Problem::info("RECORD_UNPROVEN", legacy.sentence(), legacy.fixes())),
        Record::Tracked(_) => None,
    };
    let (mut notes, _) = choose::records_as(ctx, unproven)?;
    if let Some(monitor) = monitor::legacy(ctx)? {
        notes.push(Problem::info("MONITOR_STOPPED", monitor::legacy_text(ctx, &monitor), Vec::new()));
    }
    Ok(notes)
}

fn config_notes(ctx: &Ctx) -> Result<Vec<Problem>> {
    let config = ctx.config()?;
    let fill = |flag| vec![Fix::next("", CommandLine::tool("onboard").ask(flag, "COMMAND"))];
    let mut notes = Vec::new();
    if config.commands.test.is_none() {
        let message = "the config has no test command, without which no change of class code is validated";
        notes.push(Problem::info("NO_TEST", message, fill("--test-cmd")));
    }
    if !config.timings.iter().any(TimingConfig::is_measurable) {
        notes.push(Problem::info("NO_TIMING", "the config times no command", fill("--timing-cmd")));
    }
    for timing in config.timings.iter().filter(|timing| timing.cmd.is_some() && timing.runs == 1) {
        let message = format!("the timing {} has one run, which proves nothing", timing.name);
        let more = Fix::edit(How::Next, "see docs/measurement.md", "the config", &timing.name, "runs: 10");
        notes.push(Problem::info("ONE_RUN", message, vec![more]));
    }
    Ok(notes)
}

/// The changes whose section of the logbook is not what their record says: all of them if sections are torn.
fn stale_sections(ctx: &Ctx) -> Result<(Vec<Change>, bool)> {
    let text = atomic::read(&ctx.project.logbook_path(), LOGBOOK_LIMIT)?.unwrap_or_default();
    let torn = logbook::without_torn(&text, &commit::sections(ctx)).is_some();
    // A checkout may convert line ends to those of Windows.
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
    let (mut changes, _) = choose::changes(ctx)?;
    changes.retain(|change| torn || !text.contains(report::logbook::section(change).trim()));
    Ok((changes, torn))
}

/// Recorded evidence whose file has other content, with the recorded bytes: of a copy, or of a page rendered again.
fn recoverable_evidence(ctx: &Ctx) -> Result<Vec<(Artifact, Vec<u8>)>> {
    let mut found = Vec::new();
    for change in choose::changes(ctx)?.0 {
        let mut is_lost = false;
        for artifact in change.artifacts() {
            match evidence::verify(&ctx.project, artifact)? {
                Integrity::Superseded { bytes, .. } => found.push((artifact.clone(), bytes)),
                Integrity::Missing | Integrity::Altered { .. } => is_lost |= is_page(&artifact.path),
                Integrity::Intact(_) => {}
            }
        }
        if is_lost {
            let fetch = of_change::fetch(ctx);
            let pages = of_change::rendered_again(&change, &fetch).into_iter();
            let is_lost = |(page, text): &(Artifact, Vec<u8>)| page.holds(text) && fetch(page).is_none();
            found.extend(pages.filter(is_lost));
        }
    }
    Ok(found)
}

fn put_back(ctx: &Ctx) -> Result<()> {
    let lock = ctx.lock()?;
    for (artifact, bytes) in recoverable_evidence(ctx)? {
        lock.put_back(&artifact, &bytes)?;
    }
    Ok(())
}

fn render_sections(ctx: &Ctx) -> Result<()> {
    // In a conflict, the sections of both sides are damaged: one side is taken whole, and the others are rendered
    // again.
    if let Some(repo) = ctx.repo()?.filter(|repo| repo.operation().is_some()) {
        relink::join(ctx, repo, None)?;
        ctx.advise(&ctx.go_on(repo));
    }
    let (stale, _) = stale_sections(ctx)?;
    let lock = ctx.lock()?;
    for change in &stale {
        commit::note_down(ctx, &lock, change);
    }
    Ok(())
}

/// A Python program that exits with 3 if a module does not exist, without importing it.
const HAS_MODULE: &str =
    "import importlib.util, sys; sys.exit(3 if importlib.util.find_spec(sys.argv[1]) is None else 0)";

/// The problems with commands that cannot be started, each with its places in the config.
pub(crate) fn cannot_start(ctx: &Ctx) -> Result<Vec<Problem>> {
    let config = ctx.config()?;
    let checks = validate::commands(config).map(|(name, _, cmd, _)| (format!("the check {name}"), cmd));
    // Variables of a timing may change where its programs are found.
    let timings = config.timings.iter().filter(|timing| timing.env.is_empty());
    let timings = timings.filter_map(|timing| Some((format!("the timing {}", timing.name), timing.cmd.as_ref()?)));
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for (place, cmd) in checks.chain(timings) {
        let Some(missing) = missing(ctx, cmd)? else { continue };
        match found.iter_mut().find(|(other, _)| *other == missing) {
            Some((_, places)) => places.push(place),
            None => found.push((missing, vec![place])),
        }
    }
    let problem = |(missing, places): (String, Vec<String>)| {
        let message = format!("{missing} is not installed here: {} cannot start", joined(&places));
        let other = CommandLine::tool("onboard --force").ask("--test-cmd", "COMMAND").ask("--timing-cmd", "COMMAND");
        let fixes = vec![Fix::decide(How::Next, "install it"), Fix::or("name other commands", other)];
        Problem::warn("COMMAND_NOT_FOUND", message, fixes)
    };
    Ok(found.into_iter().map(problem).collect())
}

/// The missing program or Python module that the last part of a command needs, if any.
fn missing(ctx: &Ctx, cmd: &str) -> Result<Option<String>> {
    let last = cmd.rsplit("&&").next().unwrap_or(cmd);
    let Some(words) = process::plain_words(last, cfg!(windows)) else { return Ok(None) };
    let place = Place { root: ctx.project.root().to_owned(), env: Vec::new() };
    let spec = place.shell(last, Duration::from_secs(10));
    let program = &words[0];
    // An earlier part of the command may create a program file of the project.
    if program.contains(['/', '\\']) {
        return Ok(None);
    }
    if !process::is_found(OsStr::new(program), &spec) {
        return Ok(Some(program.clone()));
    }
    let [_, flag, module, ..] = words.as_slice() else { return Ok(None) };
    if !program.starts_with("python") || flag != "-m" {
        return Ok(None);
    }
    let package = module.split('.').next().unwrap_or(module);
    let asked = [program.as_str(), "-c", HAS_MODULE, package];
    let spec = Spec { invocation: process::Invocation::Argv(asked.map(Into::into).into()), ..spec };
    let is_missing = process::run(&spec, ctx.interrupt()?).is_ok_and(|it| it.ended == process::Ended::Code(3));
    Ok(is_missing.then(|| format!("the module {package} of {program}")))
}
