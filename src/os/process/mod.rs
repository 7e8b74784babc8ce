//! Runs one child process in its own process group (a job object on Windows) with closed standard input, bounded output
//! and a hard timeout, and measures what it uses. The wall clock runs from right before the process is created until
//! its exit is seen; CPU time and memory are those of the child and the descendants that it waited for (on Windows, of
//! the job). Processes that it left in its group are ended, so that they do not disturb the next run. A descendant in a
//! session of its own cannot keep a run open; after a run with [`Spec::alone`] it is ended too (on Linux).

#[cfg(unix)]
mod program;
#[cfg(target_os = "linux")]
mod strays;
/// Other systems do not follow orphans.
#[cfg(all(unix, not(target_os = "linux")))]
mod strays {
    use std::collections::BTreeSet;

    use rustix::process::Pid;

    pub(crate) fn children() -> BTreeSet<i32> {
        BTreeSet::new()
    }

    pub(crate) fn any(_: &BTreeSet<i32>, _: Pid) -> bool {
        false
    }

    pub(crate) fn end(_: &BTreeSet<i32>) {}
}
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

/// How a configured command line is started. A shell costs about as much as a small program and adds noise that would
/// hide a 2 % effect. So a line of plain words that names a program file is started directly, as the shell would do
/// with the same arguments. Everything else goes to `/bin/sh -c`, or `cmd` on Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// A shell line, which is started directly if the shell would add nothing.
    Shell(String),
    /// A program and its arguments; the program is looked up on `PATH`.
    Argv(Vec<OsString>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    Direct,
    Shell,
}

/// Words that a shell interprets itself: POSIX reserved words, special and regular built-ins, and extensions of common
/// shells. `true`, `echo` and others exist as files too, but may differ from the built-in.
const SHELL_WORDS: &str = "! . : [ [[ alias bg bind break builtin caller case cd chdir command compgen complete continue coproc \
    declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for function \
    getopts hash help history if in jobs kill let local logout mapfile popd print printf pushd pwd read \
    readarray readonly return select set shift shopt source suspend test then time times trap true type \
    typeset ulimit umask unalias unset until wait whence while";

/// The same for `cmd.exe`.
const CMD_WORDS: &str = "assoc break call cd chdir cls color copy date del dir dpath echo endlocal erase exit for ftype goto if \
    keys md mkdir mklink move path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start \
    time title type ver verify vol";

/// The words of a line that any shell would take literally; `None` if the line needs a shell.
pub(crate) fn plain_words(line: &str, windows: bool) -> Option<Vec<String>> {
    let literal = |c: char| {
        c.is_ascii_alphanumeric() || "_-./:+@".contains(c) || if windows { c == '\\' } else { "%,=".contains(c) }
    };
    let words: Vec<String> = line.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let program = words.first()?;
    let plain = words.iter().all(|word| word.chars().all(literal));
    // A leading `a=b` is an assignment; a slash in cmd's first word is an option.
    let plain = plain && !program.contains('=') && !(windows && program.contains('/'));
    let own = if windows { CMD_WORDS } else { SHELL_WORDS };
    let lower = program.to_ascii_lowercase();
    let name = if windows { lower.as_str() } else { program.as_str() };
    (plain && !own.split(' ').any(|word| word == name)).then_some(words)
}

/// Joins two commands that the shell runs in sequence, whether or not the first succeeds.
pub const AND_THEN: &str = if cfg!(windows) { " & " } else { " ; " };

/// Quotes words as a shell line; `None` if they cannot be quoted.
pub(crate) fn shell_line(words: &[String]) -> Option<String> {
    if !cfg!(windows) {
        return shlex::try_join(words.iter().map(String::as_str)).ok();
    }
    // `cmd` cannot escape a quote within quotes, and expands text between percent signs.
    let writable = words.iter().all(|word| !word.contains(['"', '%', '\n']));
    writable.then(|| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" "))
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

    #[test]
    fn plain_words_need_no_shell() {
        let words = plain_words("  cargo test\t--features=a,b ./x:y ", false).unwrap();
        assert_eq!(words, ["cargo", "test", "--features=a,b", "./x:y"]);
    }

    #[test]
    fn whatever_the_shell_would_touch_goes_to_the_shell() {
        let lines = [
            "a | b", "a && b", "a; b", "a &", "a > f", "a $X", "a `b`", "a 'b'", "a \"b\"", "a \\b", "a *", "a ?",
            "a [b]", "~/a", "a ~", "a {b,c}", "(a)", "a # b", "X=1 a", "! a", "a\nb", "a\rb", "", " ", "é",
        ];
        for line in lines {
            assert_eq!(plain_words(line, false), None, "{line:?}");
        }
    }

    #[test]
    fn a_word_of_the_shell_itself_goes_to_the_shell() {
        for line in ["cd x", "exit 3", "test -f x", "echo x", "true", ". ./env", "time make"] {
            assert_eq!(plain_words(line, false), None, "{line:?}");
        }
        assert_eq!(plain_words("DIR", true), None);
        assert!(plain_words("/bin/true", false).is_some());
    }

    #[test]
    fn windows_has_its_own_characters() {
        assert!(plain_words(r"tools\run.exe -x", true).is_some());
        for line in ["a %X%", "a ^b", "a,b", "./a", "a=b"] {
            assert_eq!(plain_words(line, true), None, "{line:?}");
        }
    }
}
