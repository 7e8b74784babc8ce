//! What is wrong with the hooks of this repository's checkouts, with the command that fixes it. Shared by `doctor` and
//! `hooks status`.

use std::path::PathBuf;

use crate::commands::{Ctx, hooks};
use crate::error::CommandError;
use crate::git::Repo;
use crate::hooks::{Fired, Row, State, Status, shim, status};
use crate::model::{CommandLine, Fix};
use crate::os::files;
use crate::store::project;

/// Something about the hooks.
pub(crate) struct Ill {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fixes: Vec<Fix>,
    /// Whether installing the hooks here fixes it.
    pub(crate) installs: bool,
    /// Whether it has to be fixed, or is only worth knowing.
    pub(crate) grave: bool,
}

fn install() -> CommandLine {
    CommandLine::tool("hooks install")
}

/// Everything that is wrong with the hooks; nothing outside git.
pub(crate) fn ills(ctx: &Ctx) -> Result<Vec<Ill>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let target = hooks::target(repo)?;
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
            found.push(Ill {
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
fn absent(status: &Status, wanted: bool) -> Ill {
    let wish = if wanted { ", and enforcement.hooks of the config wants them" } else { "" };
    let refused = status.refused.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    Ill {
        code: "HOOKS_MISSING",
        message: format!("the git hooks are not installed{wish}{refused}"),
        fixes: vec![Fix::next("", install())],
        installs: status.refused.is_none(),
        grave: wanted,
    }
}

fn silent(repo: &Repo, status: &Status) -> Result<Ill, CommandError> {
    let dir = status.place.dir.display();
    let mut message = format!("commits here pass no hook: {}; git looks in {dir}", broken(status));
    if !status.stray.is_empty() {
        let stray: Vec<String> = status.stray.iter().map(|path| path.display().to_string()).collect();
        message.push_str(&format!("; ours is where git does not look: {}", stray.join(", ")));
    }
    let fixes = silent_fixes(repo, status)?;
    let installs = fixes == [Fix::next("", install())];
    Ok(Ill { code: "HOOKS_SILENT", message, fixes, installs, grave: true })
}

/// What makes git run them again.
fn silent_fixes(repo: &Repo, status: &Status) -> Result<Vec<Fix>, CommandError> {
    let kept = status.stray.iter().find(|path| path.to_string_lossy().ends_with(shim::KEPT));
    let foreign = status.rows.iter().any(|row| row.state == State::Foreign);
    if let (Some(kept), true) = (kept, foreign) {
        let why = "another program replaced our hook; merge this one, kept from before, into its hook first";
        let remove = CommandLine::new("rm").word(kept.to_string_lossy());
        return Ok(vec![Fix::next(why, remove), Fix::then("", install())]);
    }
    if status.refused.is_none() {
        return Ok(vec![Fix::next("", install())]);
    }
    let local = repo.local_config("core.hooksPath")?.is_some();
    let setting = if local { "config --unset core.hooksPath" } else { "config core.hooksPath .githooks" };
    Ok(vec![Fix::next("", CommandLine::git(setting).and(install()))])
}

fn unproven(status: &Status) -> Option<Ill> {
    let doubtful = |row: &&Row| matches!(row.fired, Some(Fired::No { .. } | Fired::CannotAsk));
    let row = status.rows.iter().find(doubtful)?;
    let fired = row.fired.as_ref().map(hooks::fired_word).unwrap_or_default();
    Some(Ill {
        code: "HOOKS_UNPROVEN",
        message: format!("{} is {}; {fired}", row.hook.name(), hooks::state_word(row.state)),
        fixes: vec![Fix::next("", CommandLine::tool("hooks status"))],
        installs: false,
        grave: false,
    })
}

fn outdated(status: &Status) -> Option<Ill> {
    let old = status.rows.iter().filter(|row| row.state == State::Outdated).map(|row| row.hook.name());
    let old: Vec<&str> = old.collect();
    let message = format!("made for another program or version: {}", old.join(", "));
    let fixes = vec![Fix::next("", install())];
    (!old.is_empty()).then_some(Ill { code: "HOOKS_OUTDATED", message, fixes, installs: true, grave: false })
}

/// The hooks that do not work, each with its state.
fn broken(status: &Status) -> String {
    let bad = status.rows.iter().filter(|row| !row.works());
    let words = bad.map(|row| {
        let fired = row.fired.as_ref().map(|fired| format!(" ({})", hooks::fired_word(fired))).unwrap_or_default();
        format!("{} is {}{fired}", row.hook.name(), hooks::state_word(row.state))
    });
    words.collect::<Vec<_>>().join(", ")
}
