//! Running one child process: its own process group (a job object on Windows), standard input closed, output
//! bounded, a hard timeout, and what it used. Owns how a run begins and ends; must not know what it is measured for.
//!
//! The wall clock starts right before the process is created and stops when its exit is seen; preparing, draining
//! the pipes and clearing up lie outside. CPU time and memory are those that `wait4` reports for this very child
//! (the process and the descendants it waited for); on Windows those of the job.
//!
//! When the command's own process has ended, whatever it left behind in its group is ended too: a run leaves nothing
//! that could disturb the next one. A descendant that made itself a session of its own is not followed, and cannot
//! hold a run open.

mod captured;
mod invocation;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::os::Interrupt;

pub use captured::{Captured, Output};
pub use invocation::{AND_THEN, Invocation, Launch, shell_line};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// The scheduler and the accounting may differ by this much.
const CLOCK_TICK: Duration = Duration::from_micros(100);
/// How long a group has to end on its own after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait for a killed process (one stuck in the kernel may never go).
const KILL_WAIT: Duration = Duration::from_secs(5);

/// One run to be made.
#[derive(Debug, Clone)]
pub struct Spec {
    pub invocation: Invocation,
    pub cwd: PathBuf,
    /// Variables set (or, with `None`, removed) on top of this process's own environment.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// After this long the whole group is ended. [`Duration::MAX`] for never.
    pub timeout: Duration,
    pub stdout: Output,
    pub stderr: Output,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// On its own, with this exit code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    TimedOut,
    /// It was ended because the user asked to stop.
    Interrupted,
}

/// What the first thread of a run did, by the scheduler's own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstThread {
    pub on_core: Duration,
    /// Time it was ready to run and had no core.
    pub queued: Duration,
}

/// A run that has ended, and what it used.
#[derive(Debug, Clone)]
pub struct Finished {
    /// From right before the start to the moment the exit was seen.
    pub wall: Duration,
    pub user: Option<Duration>,
    pub system: Option<Duration>,
    /// Largest resident set in bytes of any process among them. Never below [`own_peak_rss`], see there.
    pub max_rss_bytes: Option<u64>,
    /// What its first thread did; `None` where the system does not tell.
    pub first_thread: Option<FirstThread>,
    pub ended: Ended,
    pub launch: Launch,
    pub stdout: Captured,
    pub stderr: Captured,
}

impl Finished {
    /// Whether it ended on its own with exit code 0.
    pub fn success(&self) -> bool {
        self.ended == Ended::Code(0)
    }

    /// How long the run was ready and had no core, where it is known to be one thread of one process: all but a fiftieth
    /// of its CPU time is that of its first thread.
    pub fn queued_alone(&self) -> Option<Duration> {
        let all = self.user? + self.system?;
        let first = self.first_thread?;
        let others = all.saturating_sub(first.on_core);
        (others <= (all / 50).max(CLOCK_TICK)).then_some(first.queued)
    }
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("the command is empty")]
    Empty,
    /// The directory to run in cannot be entered.
    #[error("cannot run in {path}: {source}", path = path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    /// The child was started but cannot be waited for.
    #[error("cannot wait for {program}: {source}")]
    Wait { program: String, source: io::Error },
}

/// Runs one child to its end.
pub fn run(spec: &Spec, interrupt: &Interrupt) -> Result<Finished, SpawnError> {
    // Creating a process in a directory that is gone fails with the same error as a missing program.
    match std::fs::metadata(&spec.cwd) {
        Ok(meta) if meta.is_dir() => platform::run(spec, interrupt),
        Ok(_) => Err(SpawnError::Directory { path: spec.cwd.clone(), source: io::ErrorKind::NotADirectory.into() }),
        Err(source) => Err(SpawnError::Directory { path: spec.cwd.clone(), source }),
    }
}

/// The least that [`Finished::max_rss_bytes`] can say here: on Linux a child's peak starts at the peak of the process
/// that created it (it survives `exec`), so a reading at or below this floor is ours, not the child's. `None` where
/// the system has no such floor.
pub fn own_peak_rss() -> Option<u64> {
    platform::own_peak_rss()
}

/// Lowers the floor of [`own_peak_rss`] to what this process holds now, where the system can.
pub fn reset_own_peak_rss() {
    platform::reset_own_peak_rss();
}

/// The value that `name` has for the child: the last setting in `spec`, else this process's own.
fn child_env(spec: &Spec, name: &str) -> Option<OsString> {
    match spec.env.iter().rev().find(|(key, _)| same_name(key, name)) {
        Some((_, value)) => value.clone(),
        None => std::env::var_os(name),
    }
}

fn same_name(key: &OsString, name: &str) -> bool {
    if cfg!(windows) { key.eq_ignore_ascii_case(name) } else { key == name }
}
