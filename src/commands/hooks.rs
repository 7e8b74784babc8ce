//! `hooks`: install the git hooks, remove them, show whether they are there and git runs them, and what is wrong with them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::{Ctx, audit_here, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::{HOOK_RUN, Repo};
use crate::hooks::{Done, Fired, Hook, Row, State, Status, Target, install, shim, status};
use crate::model::{CommandLine, Fix};
use crate::os::files;
use crate::report::problem;
use crate::store::project;

/// Install, remove or check the git hooks
#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    /// Install the hooks; an existing hook is kept and runs first
    Install(NoArgs),
    /// Remove the hooks and restore those that were there before
    Uninstall(NoArgs),
    /// Show the hooks and check that git runs them
    Status(NoArgs),
}

/// No options of its own
#[derive(Debug, Args)]
pub(crate) struct NoArgs {}

/// Sends each to its function.
pub(crate) fn run(ctx: &Ctx, command: HooksCommand) -> Result<Exit, CommandError> {
    let repo =
        ctx.repo()?.ok_or_else(|| CommandError::trouble("hooks need a git repository, and there is none here"))?;
    match command {
        HooksCommand::Install(_) => {
            tell(ctx, &install::install(repo, &target(repo)?)?)?;
            if install::place(repo)?.relative {
                ctx.ui.warn("core.hooksPath is relative: each checkout needs the directory, and install once in each");
            }
            audit_here::tell_hidden(ctx)?;
            Ok(Exit::Yes)
        }
        HooksCommand::Uninstall(_) => {
            tell(ctx, &install::uninstall(repo)?)?;
            Ok(Exit::Yes)
        }
        HooksCommand::Status(_) => show(ctx, repo),
    }
}

/// This program, for this project.
pub(crate) fn target(repo: &Repo) -> Result<Target, CommandError> {
    let program = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(Target { program, project: String::from_utf8_lossy(repo.prefix()).into_owned() })
}

fn tell(ctx: &Ctx, done: &[(Hook, Done)]) -> Result<(), CommandError> {
    let word = |done: Done| match done {
        Done::Installed => "installed",
        Done::Chained => "installed; the hook that was there runs first",
        Done::Updated => "brought up to date",
        Done::Unchanged => "unchanged",
        Done::Removed => "removed",
        Done::Restored => "removed; the hook from before is back",
        Done::RemovedOurPart => "our part removed; other lines stay",
    };
    if ctx.json(false) {
        let hooks: Vec<_> = done.iter().map(|(hook, done)| json!({"hook": hook.name(), "done": word(*done)})).collect();
        return Ok(ctx.ui.answer(&failure::pretty(&json!({ "hooks": hooks })))?);
    }
    let lines: Vec<String> = done.iter().map(|(hook, done)| format!("{}: {}", hook.name(), word(*done))).collect();
    Ok(ctx.ui.answer(&lines.join("\n"))?)
}

/// Exit 0 when every hook is there and git runs it.
fn show(ctx: &Ctx, repo: &Repo) -> Result<Exit, CommandError> {
    let status = status::examine(repo, &target(repo)?)?;
    let good = status.works();
    let dir = status.place.dir.display().to_string();
    if ctx.json(false) {
        let row = |row: &crate::hooks::Row| {
            let fires = row.fired.as_ref().map(fired_word);
            json!({"hook": row.hook.name(), "state": state_word(row.state), "fires": fires})
        };
        let hooks: Vec<_> = status.rows.iter().map(row).collect();
        let stray: Vec<_> = status.stray.iter().map(|path| path.display().to_string()).collect();
        let answer = json!({ "ok": good, "directory": dir, "refused": status.refused, "hooks": hooks, "stray": stray });
        ctx.ui.answer(&failure::pretty(&answer))?;
    } else {
        let mut lines = vec![format!("directory: {dir}")];
        lines.extend(status.rows.iter().map(|row| {
            let fired = row.fired.as_ref().map(|fired| format!("; {}", fired_word(fired))).unwrap_or_default();
            format!("{}: {}{fired}", row.hook.name(), state_word(row.state))
        }));
        lines.extend(status.stray.iter().map(|path| format!("git does not run: {}", path.display())));
        ctx.ui.answer(&lines.join("\n"))?;
    }
    if good {
        return Ok(Exit::Yes);
    }
    if let Some(reason) = &status.refused {
        ctx.ui.warn(reason);
    }
    for found in hook_problems(ctx)?.iter().filter(|it| it.grave || it.code == "HOOKS_MISSING") {
        ctx.ui.status(&problem::lines(&found.fixes).join("\n"));
    }
    Ok(Exit::No)
}

/// Installs the hooks, or brings them up to date.
pub(crate) fn install_here(ctx: &Ctx) -> Result<(), CommandError> {
    if let Some(repo) = ctx.repo()? {
        install::install(repo, &target(repo)?)?;
    }
    Ok(())
}

/// The state in words, after "the hook is".
pub(crate) fn state_word(state: State) -> &'static str {
    match state {
        State::Installed { chained: false } => "installed",
        State::Installed { chained: true } => "installed, after the hook that was there",
        State::Outdated => "installed for another path or version of vibeship-optimizer",
        State::NotExecutable => "not executable, so that git ignores it",
        State::HandsOver => "another program's hook that calls ours",
        State::Foreign => "another program's hook, without ours",
        State::Missing => "missing",
    }
}

/// What asking git showed, in words.
pub(crate) fn fired_word(fired: &Fired) -> String {
    match fired {
        Fired::Yes => "git runs it".to_owned(),
        Fired::No { said } if said.is_empty() => "git does not run it".to_owned(),
        Fired::No { said } => format!("git does not run it: {said}"),
        Fired::CannotAsk => format!("not proven: git is older than {HOOK_RUN}"),
        Fired::NotAsked => "not tested, since it would run other checks too".to_owned(),
    }
}

/// Something about the hooks.
pub(crate) struct HookProblem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fixes: Vec<Fix>,
    /// Whether installing the hooks here fixes it.
    pub(crate) installs: bool,
    /// Whether it has to be fixed, or is only worth knowing.
    pub(crate) grave: bool,
}

fn install_line() -> CommandLine {
    CommandLine::tool("hooks install")
}

/// Everything that is wrong with the hooks; nothing outside git.
pub(crate) fn hook_problems(ctx: &Ctx) -> Result<Vec<HookProblem>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let target = target(repo)?;
    let here = status::examine(repo, &target)?;
    if here.is_absent() {
        return Ok(vec![absent(&here, ctx.config()?.enforcement.hooks)]);
    }
    let mut found = Vec::new();
    if here.works() {
        found.extend(unproven(&here));
        found.extend(outdated(&here));
    } else {
        found.push(silent(repo, &here)?);
    }
    for other in status::elsewhere(repo, &target)?.into_iter().filter(|other| !other.works()) {
        // Joining an empty prefix would leave a slash at the end.
        let project: PathBuf = other.root.join(files::path_from_bytes(repo.prefix())).components().collect();
        // A checkout from before the project used this tool needs none.
        if project.join(project::STATE_DIR).is_dir() {
            let in_checkout = CommandLine::tool("-C").word(project.to_string_lossy()).words(["hooks", "install"]);
            found.push(HookProblem {
                code: "HOOKS_SILENT",
                message: format!("commits in the checkout {} pass no hook: {}", other.root.display(), broken(&other)),
                fixes: vec![Fix::next("", in_checkout)],
                installs: false,
                grave: true,
            });
        }
    }
    Ok(found)
}

/// Nobody installed them: worth knowing, and wrong only where the config wants them.
fn absent(status: &Status, wanted: bool) -> HookProblem {
    let wish = if wanted { ", and enforcement.hooks of the config wants them" } else { "" };
    let refused = status.refused.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    HookProblem {
        code: "HOOKS_MISSING",
        message: format!("the git hooks are not installed{wish}{refused}"),
        fixes: vec![Fix::next("", install_line())],
        installs: status.refused.is_none(),
        grave: wanted,
    }
}

fn silent(repo: &Repo, status: &Status) -> Result<HookProblem, CommandError> {
    let dir = status.place.dir.display();
    let mut message = format!("commits here pass no hook: {}; git looks in {dir}", broken(status));
    if !status.stray.is_empty() {
        let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
        message.push_str(&format!("; ours is where git does not look: {}", stray.join(", ")));
    }
    let fixes = silent_fixes(repo, status)?;
    let installs = fixes == [Fix::next("", install_line())];
    Ok(HookProblem { code: "HOOKS_SILENT", message, fixes, installs, grave: true })
}

/// What makes git run them again.
fn silent_fixes(repo: &Repo, status: &Status) -> Result<Vec<Fix>, CommandError> {
    let kept = status.stray.iter().find(|path| path.to_string_lossy().ends_with(shim::KEPT));
    let foreign = status.rows.iter().any(|row| row.state == State::Foreign);
    if let (Some(kept), true) = (kept, foreign) {
        let why = "another program replaced our hook; merge this one, kept from before, into its hook first";
        let remove = CommandLine::new("rm").word(kept.to_string_lossy());
        return Ok(vec![Fix::next(why, remove), Fix::then("", install_line())]);
    }
    if status.refused.is_none() {
        return Ok(vec![Fix::next("", install_line())]);
    }
    let local = repo.local_config("core.hooksPath")?.is_some();
    let setting = if local { "config --unset core.hooksPath" } else { "config core.hooksPath .githooks" };
    Ok(vec![Fix::next("", CommandLine::git(setting).and(install_line()))])
}

fn unproven(status: &Status) -> Option<HookProblem> {
    let doubtful = |row: &&Row| matches!(row.fired, Some(Fired::No { .. } | Fired::CannotAsk));
    let row = status.rows.iter().find(doubtful)?;
    let fired = row.fired.as_ref().map(fired_word).unwrap_or_default();
    Some(HookProblem {
        code: "HOOKS_UNPROVEN",
        message: format!("{} is {}; {fired}", row.hook.name(), state_word(row.state)),
        fixes: vec![Fix::next("", CommandLine::tool("hooks status"))],
        installs: false,
        grave: false,
    })
}

fn outdated(status: &Status) -> Option<HookProblem> {
    let old = status.rows.iter().filter(|row| row.state == State::Outdated).map(|row| row.hook.name());
    let old: Vec<&str> = old.collect();
    let message = format!("installed for another path or version of vibeship-optimizer: {}", old.join(", "));
    let fixes = vec![Fix::next("", install_line())];
    (!old.is_empty()).then_some(HookProblem { code: "HOOKS_OUTDATED", message, fixes, installs: true, grave: false })
}

/// The hooks that do not work, each with its state.
fn broken(status: &Status) -> String {
    let bad = status.rows.iter().filter(|row| !row.works());
    let words = bad.map(|row| {
        let fired = row.fired.as_ref().map(|fired| format!(" ({})", fired_word(fired))).unwrap_or_default();
        format!("{} is {}{fired}", row.hook.name(), state_word(row.state))
    });
    words.collect::<Vec<_>>().join(", ")
}
