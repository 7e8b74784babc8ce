//! `hooks`: install the git hooks, remove them, show whether they are there and git runs them.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::{Ctx, audit_here, failure, hook_health};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::{HOOK_RUN, Repo};
use crate::hooks::{Done, Fired, Hook, State, Target, install, status};
use crate::report::problem;

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
    for ill in hook_health::ills(ctx)?.iter().filter(|ill| ill.grave || ill.code == "HOOKS_MISSING") {
        ctx.ui.status(&problem::lines(&ill.fixes).join("\n"));
    }
    Ok(Exit::No)
}

/// Installs the hooks, or brings them up to date.
pub(crate) fn put_in(ctx: &Ctx) -> Result<(), CommandError> {
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
        State::Outdated => "made for another program or version",
        State::NotExecutable => "not executable, so that git ignores it",
        State::HandsOver => "another program's hook that hands over",
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
        Fired::NotAsked => "not tried: what others check runs in it too".to_owned(),
    }
}
