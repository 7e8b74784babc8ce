//! Proof that git really runs the hooks: git is asked to run each one, and it has to leave a mark. Hooks that lie
//! where nobody looks (a wrong `core.hooksPath`, no right to execute) are silent otherwise. Must not make commits.

use std::fs;

use crate::git::Repo;
use crate::hooks::{Hook, HookError, shim};

/// What asking git to run a hook showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// It ran and handed over to this program.
    Yes,
    No {
        said: String,
    },
    /// This git cannot be asked (it is older than [`HOOK_RUN`](crate::git::HOOK_RUN)).
    CannotAsk,
    /// It was not asked: the hook is another program's, and runs more than ours.
    NotAsked,
}

/// Asks git to run a hook. The hooks of others that ours are chained to are not run.
pub fn fires(repo: &Repo, hook: Hook) -> Result<Fired, HookError> {
    let temporary = std::env::temp_dir();
    let dir = tempfile::tempdir().map_err(HookError::io("create a directory in", &temporary))?;
    let mark = dir.path().join("mark");
    let message = dir.path().join("message");
    fs::write(&message, "probe\n").map_err(HookError::io("write", &message))?;
    let call = repo.git().without_literal_paths().args(["hook", "run", hook.name(), "--"]).arg(&message);
    let output = call.env(shim::PROBE, &mark).output()?;
    if fs::read_to_string(&mark).is_ok_and(|left| left.trim() == hook.name()) {
        return Ok(Fired::Yes);
    }
    if output.stderr.contains("'hook' is not a git command") {
        return Ok(Fired::CannotAsk);
    }
    Ok(Fired::No { said: output.stderr.trim().chars().take(400).collect() })
}
