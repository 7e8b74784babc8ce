//! Runs one child process in its own process group (a job object on Windows) with closed standard input, bounded output
//! and a hard timeout, and measures what it uses. The wall clock runs from right before the process is created until
//! its exit is seen; CPU time and memory are those of the child and the descendants that it waited for (on Windows, of
//! the job). Processes that it left in its group are ended, so that they do not disturb the next run. A descendant in a
//! session of its own cannot keep a run open; after a run with [`Spec::alone`] it is ended too (on Linux).

mod invocation;
#[cfg(unix)]
mod program;
#[cfg(unix)]
mod strays;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::os::Interrupt;

pub use invocation::{AND_THEN, Invocation, Launch};
pub(crate) use invocation::{plain_words, shell_line};
/// The lower limit of [`Finished::max_rss_bytes`], and a way to lower it: on Linux a child's peak starts at the peak of
/// the process that created it, so a reading at or below this floor is our own. `None` if there is no such limit.
pub(crate) use platform::{own_peak_rss, reset_own_peak_rss};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// Tolerance between the scheduler's times and the accounting.
const CLOCK_TICK: Duration = Duration::from_micros(100);
/// How long a group may take to exit after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait for a killed process (one stuck in the kernel may never exit).
const KILL_WAIT: Duration = Duration::from_secs(5);

/// Whether [`run`] would find a program of this name.
pub(crate) fn is_found(name: &OsStr, spec: &Spec) -> bool {
    #[cfg(unix)]
    use program as platform;
    platform::find_program(name, spec).is_some()
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub invocation: Invocation,
    pub cwd: PathBuf,
    /// Variables to set (or, with `None`, remove) in this process's environment.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// The whole group is ended after this time. [`Duration::MAX`] for never.
    pub timeout: Duration,
    pub stdout: Output,
    pub stderr: Output,
    /// Whether daemons that it starts are ended with it; a command that prepares other runs may start some for them.
    pub alone: bool,
    /// Whether processes left in its group keep running (on Unix), unless the run had to be ended.
    pub stays: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    /// By a signal that we did not send.
    Signal(i32),
    TimedOut,
    /// Ended because the user asked to stop.
    Interrupted,
}

/// What the first thread of a run did, as counted by the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstThread {
    pub on_core: Duration,
    /// Time in which it was ready to run but had no core.
    pub queued: Duration,
}

#[derive(Debug, Clone)]
pub struct Finished {
    /// From right before the start until the exit was seen.
    pub wall: Duration,
    pub user: Option<Duration>,
    pub system: Option<Duration>,
    /// Largest resident set of any process of the run, in bytes. Never below [`own_peak_rss`].
    pub max_rss_bytes: Option<u64>,
    /// What its first thread did; `None` if the system does not report it.
    pub first_thread: Option<FirstThread>,
    /// Whether processes that it started outlived it and were ended. Known for runs with [`Spec::alone`] on Linux.
    pub went_on: bool,
    pub ended: Ended,
    pub launch: Launch,
    pub stdout: Captured,
    pub stderr: Captured,
}

impl Finished {
    pub fn success(&self) -> bool {
        self.ended == Ended::Code(0)
    }

    /// How long the run was ready without a core, if it was a single thread of one process: all but a fiftieth of the
    /// CPU time is that of its first thread.
    pub fn queued_alone(&self) -> Option<Duration> {
        let all = self.user? + self.system?;
        let first = self.first_thread?;
        let others = all.saturating_sub(first.on_core);
        (others <= (all / 50).max(CLOCK_TICK)).then_some(first.queued)
    }
}

/// What to do with one of a run's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Goes to the null device; costs the run nothing.
    Discard,
    /// Keeps the first `head_bytes` and the last `tail_bytes`; bytes between are counted and dropped.
    Keep {
        head_bytes: usize,
        /// Bytes kept from the end, after those of the beginning.
        tail_bytes: usize,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    total: u64,
}

impl Captured {
    pub fn new(output: Output) -> Self {
        match output {
            Output::Discard => Self::default(),
            Output::Keep { head_bytes, tail_bytes } => {
                Self { head_limit: head_bytes, tail_limit: tail_bytes, ..Self::default() }
            }
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = self.head_limit.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.tail_limit)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    pub fn truncated(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// The whole output; `None` if some was dropped.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (!self.truncated()).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// The end of the output as text of at most `chars` characters; invalid UTF-8 shows as U+FFFD.
    pub fn tail_text(&self, chars: usize) -> String {
        // If bytes were dropped, the head is not part of the end.
        let from_head: &[u8] = if self.truncated() && self.tail_limit > 0 { &[] } else { &self.head };
        let bytes: Vec<u8> = from_head.iter().chain(&self.tail).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let skip = text.chars().count().saturating_sub(chars);
        text.chars().skip(skip).collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("the command is empty")]
    Empty,
    #[error("cannot run in {path}: {source}", path = path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot wait for {program}: {source}")]
    Wait { program: String, source: io::Error },
}

pub fn run(spec: &Spec, interrupt: &Interrupt) -> Result<Finished, SpawnError> {
    // Creating a process in a missing directory fails with the same error as a missing program.
    match std::fs::metadata(&spec.cwd) {
        Ok(meta) if meta.is_dir() => platform::run(spec, interrupt),
        Ok(_) => Err(SpawnError::Directory { path: spec.cwd.clone(), source: io::ErrorKind::NotADirectory.into() }),
        Err(source) => Err(SpawnError::Directory { path: spec.cwd.clone(), source }),
    }
}

/// The value of `name` for the child: the last setting in `spec`, or else this process's own.
fn child_env(spec: &Spec, name: &str) -> Option<OsString> {
    match spec.env.iter().rev().find(|(key, _)| same_name(key, name)) {
        Some((_, value)) => value.clone(),
        None => std::env::var_os(name),
    }
}

fn same_name(key: &OsString, name: &str) -> bool {
    if cfg!(windows) { key.eq_ignore_ascii_case(name) } else { key == name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(head_bytes: usize, tail_bytes: usize, pieces: &[&str]) -> Captured {
        let mut captured = Captured::new(Output::Keep { head_bytes, tail_bytes });
        pieces.iter().for_each(|piece| captured.push(piece.as_bytes()));
        captured
    }

    #[test]
    fn what_fits_is_whole() {
        let c = captured(4, 4, &["ab", "cdef", "gh"]);
        assert_eq!(c.whole().unwrap(), b"abcdefgh");
        assert!(!c.truncated());
        assert_eq!(c.tail_text(3), "fgh");
    }

    #[test]
    fn the_middle_is_dropped() {
        let c = captured(2, 3, &["abc", "defg", "h"]);
        assert_eq!(c.whole(), None);
        assert!(c.truncated());
        assert_eq!(c.tail_text(99), "fgh");
    }

    #[test]
    fn a_stream_with_no_tail_keeps_its_beginning() {
        let c = captured(3, 0, &["ab", "cdef"]);
        assert_eq!((c.truncated(), c.tail_text(99)), (true, "abc".to_owned()));
    }

    #[test]
    fn a_character_cut_in_two_does_not_break_the_text() {
        assert_eq!(captured(0, 3, &["é€"]).tail_text(9), "€");
        assert_eq!(captured(0, 2, &["é€"]).tail_text(9).chars().last(), Some('\u{fffd}'));
    }
}
