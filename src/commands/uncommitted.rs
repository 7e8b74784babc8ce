//! What no commit holds yet: evidence, with the command that commits it, and work, by name.

use std::path::Path;

use crate::commands::{Ctx, delta};
use crate::error::CommandError;
use crate::git::Repo;
use crate::measure::revision;
use crate::model::{CommandLine, Uncommitted};
use crate::os::files;
use crate::workflow::Change;

/// Tells how to commit the change's evidence, where any of it is not. That git does not answer is told elsewhere.
pub(crate) fn hint(ctx: &Ctx, change: &Change) {
    if let Ok(Some(command)) = command(ctx, change) {
        ctx.ui.hint(&format!("the evidence is not committed yet: {command}"));
    }
}

/// The command; `None` where everything is committed, or there is no repository to commit to.
fn command(ctx: &Ctx, change: &Change) -> Result<Option<CommandLine>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(None) };
    let prefix = files::path_from_bytes(repo.prefix());
    let evidence: Vec<_> = change.artifacts().into_iter().map(|artifact| prefix.join(&artifact.path)).collect();
    if !repo.is_any_uncommitted(&evidence)? {
        return Ok(None);
    }
    let own = ctx.fix_context().own;
    let commit = CommandLine::git("commit -m").word(format!("Evidence of {}", change.id())).word("--").words(own);
    Ok(Some(stage(ctx).and(commit)))
}

/// The command that stages records and evidence.
pub(crate) fn stage(ctx: &Ctx) -> CommandLine {
    let root = ctx.project.root();
    let add = CommandLine::git("add").words(ctx.fix_context().own);
    if is_here(root) { add } else { CommandLine::new("cd").word(root.to_string_lossy()).and(add) }
}

/// What is uncommitted in the project, by name. Where git does not tell, nothing is named.
pub(crate) fn paths(ctx: &Ctx) -> Uncommitted {
    let Ok(Some(repo)) = ctx.repo() else { return Uncommitted::default() };
    let paths = outside_own(repo).unwrap_or_default();
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    Uncommitted { prefix: text(repo.prefix()), paths: paths.iter().map(|path| text(path)).collect() }
}

/// Uncommitted paths that are not the tool's own.
fn outside_own(repo: &Repo) -> Result<Vec<Vec<u8>>, CommandError> {
    Ok(delta::telling_own(|own| revision::uncommitted(repo, own))?)
}

/// Files of the change itself that are not as they are committed: what is measured with them is not the change. What
/// the KPIs are read from is output, and changes with every measurement.
pub(crate) fn of_change(ctx: &Ctx, change: &Change) -> Result<Vec<String>, CommandError> {
    let (Some(repo), Some(validation)) = (ctx.repo()?, &change.validation) else { return Ok(Vec::new()) };
    let paths = outside_own(repo)?;
    let sources: Vec<&str> = ctx.config()?.kpis.iter().filter_map(|kpi| kpi.file.as_deref()).collect();
    let is_source = |path: &str| sources.iter().any(|file| file.strip_prefix("./").unwrap_or(file) == path);
    let below = |path: &Vec<u8>| String::from_utf8_lossy(path.strip_prefix(repo.prefix()).unwrap_or(path)).into_owned();
    let mut found: Vec<String> = paths.iter().map(below).collect();
    found.retain(|path| validation.delta.files.contains(path) && !is_source(path));
    Ok(found)
}

fn is_here(root: &Path) -> bool {
    std::env::current_dir().and_then(|here| here.canonicalize()).ok() == root.canonicalize().ok()
}
