//! `hooks`: installs and removes the git hooks, shows whether they are installed and git runs them, and reports
//! problems.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::commands::{Ctx, audit_here, check};
use crate::error::{CommandError, Exit, Result};
use crate::git::Repo;
use crate::hooks::{self, Done, Fired, Hook, HookError, Row, State, Status, Target, status};
use crate::model::{CommandLine, Fix, Problem, Severity};
use crate::os::files;
use crate::store::project;

#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    /// Install the hooks; an existing hook is kept and runs first
    Install,
    /// Remove the hooks and restore those that were there before
    Uninstall,
    /// Show the hooks and check that git runs them
    Status,
}

pub(crate) fn run(ctx: &Ctx, command: HooksCommand) -> Result<Exit> {
    let repo = ctx.needed_repo("hooks need")?;
    match command {
        HooksCommand::Install => {
            check::needs_project(ctx, "hooks install")?;
            let target = target(repo)?;
            match hooks::install(repo, &target) {
                Ok(done) => tell(ctx, &done)?,
                Err(error @ (HookError::Io { .. } | HookError::Git(_))) => return Err(error.into()),
                Err(error) => {
                    let here = status::examine(repo, &target)?;
                    return Err(CommandError::from(error).fixed_by(fixes(repo, &here)?));
                }
            }
            if hooks::place(repo)?.relative {
                ctx.ui.warn("core.hooksPath is relative: each checkout needs the directory, and install once in each");
            }
            audit_here::tell_hidden(ctx)?;
            Ok(Exit::Yes)
        }
        HooksCommand::Uninstall => {
            tell(ctx, &hooks::uninstall(repo)?)?;
            Ok(Exit::Yes)
        }
        HooksCommand::Status => show(ctx, repo),
    }
}

pub(crate) fn target(repo: &Repo) -> Result<Target> {
    let program = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(Target { program, project: String::from_utf8_lossy(repo.prefix()).into_owned() })
}

fn tell(ctx: &Ctx, done: &[(Hook, Done)]) -> Result<()> {
    let hooks: Vec<_> = done.iter().map(|(hook, done)| json!({"hook": hook.name(), "done": done})).collect();
    let lines: Vec<String> = done.iter().map(|(hook, done)| format!("{}: {done}", hook.name())).collect();
    ctx.say(false, &json!({ "hooks": hooks }), &lines.join("\n"))
}

fn show(ctx: &Ctx, repo: &Repo) -> Result<Exit> {
    let status = status::examine(repo, &target(repo)?)?;
    let good = status.works();
    let dir = status.place.dir.display().to_string();
    let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
    let (mut hooks, mut lines) = (Vec::new(), vec![format!("directory: {dir}")]);
    for row in &status.rows {
        let (hook, state, fires) = (row.hook.name(), row.state, row.fired.as_ref().map(ToString::to_string));
        hooks.push(json!({"hook": hook, "state": state.to_string(), "fires": fires}));
        lines.push(format!("{hook}: {state}{}", fires.map(|fires| format!("; {fires}")).unwrap_or_default()));
    }
    lines.extend(stray.iter().map(|path| format!("git does not run: {path}")));
    let answer = json!({ "ok": good, "directory": dir, "refused": status.refused, "hooks": hooks, "stray": stray });
    ctx.say(false, &answer, &lines.join("\n"))?;
    if good {
        return Ok(Exit::Yes);
    }
    if let Some(reason) = &status.refused {
        ctx.ui.warn(reason);
    }
    for found in problems(ctx)? {
        ctx.advise(&found.fixes);
    }
    Ok(Exit::No)
}

pub(crate) fn install_here(ctx: &Ctx) -> Result<()> {
    if let Some(repo) = ctx.repo()? {
        hooks::install(repo, &target(repo)?)?;
    }
    Ok(())
}

fn install_line() -> CommandLine {
    CommandLine::tool("hooks install")
}

pub(crate) fn installs(problem: &Problem) -> bool {
    problem.fixes == [Fix::next("", install_line())]
}

/// All problems with the hooks; none outside git. Mere notes have [`Severity::Info`].
pub(crate) fn problems(ctx: &Ctx) -> Result<Vec<Problem>> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let target = target(repo)?;
    let here = status::examine(repo, &target)?;
    if here.is_absent() {
        return Ok(vec![absent(repo, &here, ctx.config()?.enforcement.hooks)?]);
    }
    if here.rows.iter().any(|row| row.state == State::OtherProject) {
        let message = "the hooks of this repository serve another project in it, and check no commit of this one";
        return Ok(vec![Problem::info("HOOKS_OTHER_PROJECT", message, fixes(repo, &here)?)]);
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
        // A checkout from before the project used this tool needs no hooks.
        if project.join(project::STATE_DIR).is_dir() {
            let in_checkout = CommandLine::tool("-C").word(project.to_string_lossy()).words(["hooks", "install"]);
            let checkout = other.root.display();
            let message = format!("commits in the checkout {checkout} pass no hook: {}", broken(&other));
            let fixes = vec![Fix::next("", in_checkout)];
            found.push(Problem::warn("HOOKS_SILENT", message, fixes));
        }
    }
    Ok(found)
}

/// The problem that the hooks were never installed: a note, unless the config wants them.
fn absent(repo: &Repo, status: &Status, wanted: bool) -> Result<Problem> {
    let (severity, wish) = match wanted {
        true => (Severity::Warn, ", and enforcement.hooks of the config wants them"),
        false => (Severity::Info, ""),
    };
    let refused = status.refused.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    let message = format!("the git hooks are not installed{wish}{refused}");
    Ok(Problem::of_setup(severity, "HOOKS_MISSING", message, fixes(repo, status)?))
}

fn silent(repo: &Repo, status: &Status) -> Result<Problem> {
    let dir = status.place.dir.display();
    let held = status.rows.iter().any(|row| row.hook == Hook::CommitMsg && row.works());
    let what = if held { "not every hook is here" } else { "commits here pass no hook" };
    let mut message = format!("{what}: {}; git looks in {dir}", broken(status));
    if !status.stray.is_empty() {
        let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
        message.push_str(&format!("; ours is where git does not look: {}", stray.join(", ")));
    }
    Ok(Problem::warn("HOOKS_SILENT", message, fixes(repo, status)?))
}

fn fixes(repo: &Repo, status: &Status) -> Result<Vec<Fix>> {
    if status.rows.iter().any(|row| row.state == State::OtherProject) {
        let out = Fix::next("let them serve this project in place of the other", CommandLine::tool("hooks uninstall"));
        return Ok(vec![out, Fix::then("", install_line())]);
    }
    let kept = status.stray.iter().find(|path| path.to_string_lossy().ends_with(hooks::KEPT));
    let foreign = status.rows.iter().any(|row| row.state == State::Foreign);
    if let (Some(kept), true) = (kept, foreign) {
        let why = "another program replaced our hook; merge this one, kept from before, into its hook";
        let (kept, aside) = (kept.to_string_lossy(), format!("{}.old", kept.display()));
        let put_aside = CommandLine::new("mv").word(kept).word(aside);
        return Ok(vec![Fix::next(why, put_aside), Fix::then("", install_line())]);
    }
    if status.place.dir.ends_with(".husky/_") {
        let add = |row: &Row| {
            let line = format!("vibeship-optimizer hook-run {} \"$@\"", row.hook.name());
            let file = status.root.join(".husky").join(row.hook.name());
            CommandLine::new("printf").word("%s\\n").word(line).append_to(&file.to_string_lossy())
        };
        let all = status.rows.iter().filter(|row| !row.works()).map(add).reduce(CommandLine::and);
        let purpose = "husky runs the files in .husky: add our line to them, and commit them";
        return Ok(all.map(|all| Fix::next(purpose, all)).into_iter().collect());
    }
    if status.refused.is_none() {
        return Ok(vec![Fix::next("", install_line())]);
    }
    let local = repo.local_config("core.hooksPath")?.is_some();
    let setting = if local { "config --unset core.hooksPath" } else { "config core.hooksPath .githooks" };
    Ok(vec![Fix::next("", CommandLine::git(setting).and(install_line()))])
}

fn unproven(status: &Status) -> Option<Problem> {
    let doubtful = |row: &&Row| matches!(row.fired, Some(Fired::No { .. } | Fired::CannotAsk));
    let (row, fired) = status.rows.iter().filter(doubtful).find_map(|row| Some((row, row.fired.as_ref()?)))?;
    let message = format!("{} is {}; {fired}", row.hook.name(), row.state);
    let fixes = vec![Fix::next("", CommandLine::tool("hooks status"))];
    Some(Problem::info("HOOKS_UNPROVEN", message, fixes))
}

fn outdated(status: &Status) -> Option<Problem> {
    let old = status.rows.iter().filter(|row| row.state == State::Outdated).map(|row| row.hook.name());
    let old: Vec<&str> = old.collect();
    let message = format!("installed for another path or version of vibeship-optimizer: {}", old.join(", "));
    let fixes = vec![Fix::next("", install_line())];
    (!old.is_empty()).then(|| Problem::info("HOOKS_OUTDATED", message, fixes))
}

fn broken(status: &Status) -> String {
    let bad = status.rows.iter().filter(|row| !row.works());
    let words = bad.map(|row| {
        let fired = row.fired.as_ref().map(|fired| format!(" ({fired})")).unwrap_or_default();
        format!("{} is {}{fired}", row.hook.name(), row.state)
    });
    words.collect::<Vec<_>>().join(", ")
}
