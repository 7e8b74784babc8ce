//! Trying the rollback before it is needed.

use std::path::Path;

use crate::commands::{Bar, Ctx, checks, delta};
use crate::error::CommandError;
use crate::git::Reverted;
use crate::model::Rehearsal;
use crate::os::files;
use crate::workflow::Change;

/// Reverts the change's commits in a scratch worktree on top of the present head and, where the config wants it, runs the
/// project's checks on what comes of it.
pub fn revert(ctx: &Ctx, change: &Change) -> Result<Rehearsal, CommandError> {
    let mut newest_first = change.commits();
    newest_first.reverse();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else { return Ok(Rehearsal::NotApplicable) };
    let Some(head) = repo.head()?.at else { return Ok(Rehearsal::NotApplicable) };
    let own = delta::own(Some(repo));
    let config = ctx.config()?;
    let project = files::path_from_bytes(repo.prefix());
    let mut checked = Ok(Vec::new());
    let reverted =
        repo.rehearse_revert(&head.commit, &newest_first, &|path| own.is_own(path), &mut |root: &Path| {
            if config.validation.rehearse_checks {
                checked = checks::commands(ctx, config, &root.join(&project), &mut Bar::new(&ctx.ui));
            }
        })?;
    let failed = checked?.into_iter().filter(|check| !check.passed).map(|check| check.name);
    let names: Vec<String> = failed.collect();
    Ok(match reverted {
        Reverted::Applies { .. } if !names.is_empty() => Rehearsal::ChecksFail { names },
        Reverted::Applies { .. } => Rehearsal::Applies { commits: newest_first },
        Reverted::Conflicts { paths, .. } => {
            let shown = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned());
            Rehearsal::Conflicts { paths: shown.collect() }
        }
        // Somebody has taken it back already: there is nothing left to roll back.
        Reverted::Nothing => Rehearsal::Conflicts { paths: Vec::new() },
    })
}
