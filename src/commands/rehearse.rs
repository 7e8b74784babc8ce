//! Trying the rollback before it is needed.

use crate::change::facts::Rehearsal;
use crate::change::state::Change;
use crate::commands::Ctx;
use crate::commands::delta;
use crate::error::CommandError;
use crate::sys::git::revert::Reverted;

/// Reverts the change's commits in a scratch worktree on top of the present head.
///
/// # Errors
/// When git fails otherwise than by a conflict.
pub fn revert(ctx: &Ctx, change: &Change) -> Result<Rehearsal, CommandError> {
    let mut newest_first = change.commits();
    newest_first.reverse();
    let Some(repo) = ctx.repo()?.filter(|_| !newest_first.is_empty()) else { return Ok(Rehearsal::NotApplicable) };
    let Some(head) = repo.head()?.at else { return Ok(Rehearsal::NotApplicable) };
    let own = delta::own(Some(repo));
    let reverted = repo.rehearse_revert(&head.commit, &newest_first, &|path| own.is_own(path))?;
    Ok(match reverted {
        Reverted::Applies { .. } => Rehearsal::Applies { commits: newest_first },
        Reverted::Conflicts { paths, .. } => {
            let shown = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned());
            Rehearsal::Conflicts { paths: shown.collect() }
        }
        // Somebody has taken it back already: there is nothing left to roll back.
        Reverted::Nothing => Rehearsal::Conflicts { paths: Vec::new() },
    })
}
