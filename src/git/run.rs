//! Starting git: its environment, its time limit, its output. Owns what makes an answer independent of the
//! user's configuration, language and pager; must not interpret the answer.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::git::pipe::{tail, wait};
use crate::git::version::{self, NEEDED};
use crate::git::{Deadlined, GitError};

/// Time limit of a call that only reads.
pub const READ_LIMIT: Duration = Duration::from_secs(120);
/// Time limit of a walk through history or a checkout.
pub const LONG_LIMIT: Duration = Duration::from_secs(1800);
/// The most output that is held in memory.
pub const OUTPUT_LIMIT: u64 = 256 * 1024 * 1024;
/// How long after git's end its standard error may still come.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Variables that would point git at another repository or change how it reads this one. Configuration
/// variables stay: that is how containers declare a directory as safe.
pub const CLEARED: [&str; 21] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DEFAULT_HASH",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Options that go before the verb: no colour, no pager, no background work, nothing quoted, no path a pattern.
const FIXED: [&str; 33] = [
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.quotepath=off",
    "-c",
    "core.fsmonitor=false",
    "-c",
    // A work tree that was told to overlook changes is not clean.
    "core.trustctime=true",
    "-c",
    "core.checkStat=default",
    "-c",
    "color.ui=false",
    "-c",
    "log.showSignature=false",
    "-c",
    "log.showRoot=true",
    "-c",
    "i18n.logOutputEncoding=UTF-8",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "submodule.recurse=false",
    "-c",
    "diff.ignoreSubmodules=none",
    "-c",
    "diff.orderFile=/dev/null",
    "-c",
    "trailer.separators=:",
    "-c",
    // That no grafts are read is said with a file of them, which git would warn about in every answer.
    "advice.graftFileDeprecated=false",
    "--no-replace-objects",
];

/// A file without content, on every platform.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// How a call ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; `None` when ended by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    status: String,
}

/// One call of git that has not been made yet.
#[derive(Debug)]
pub struct Call {
    dir: PathBuf,
    args: Vec<OsString>,
    hooks: bool,
    literal: bool,
    limit: Duration,
    output_limit: u64,
    input: Option<Vec<u8>>,
    env: Vec<(&'static str, OsString)>,
}

impl Call {
    /// A call that will run in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            args: Vec::new(),
            hooks: true,
            literal: true,
            limit: READ_LIMIT,
            output_limit: OUTPUT_LIMIT,
            input: None,
            env: Vec::new(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Runs no hook, whatever the configuration says.
    pub fn without_hooks(mut self) -> Self {
        self.hooks = false;
        self
    }

    /// Leaves out the option that makes paths no patterns, for the commands that do not know it.
    pub fn without_literal_paths(mut self) -> Self {
        self.literal = false;
        self
    }

    /// Allows the time that a checkout or a walk through history takes.
    pub fn long(mut self) -> Self {
        self.limit = LONG_LIMIT;
        self
    }

    /// Sets the time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the most bytes of output that [`Call::output`] takes.
    pub fn output_limit(mut self, bytes: u64) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Gives standard input; without it there is none.
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key, value.as_ref().to_owned()));
        self
    }

    /// The arguments as a person would type them.
    pub fn shown(&self) -> String {
        self.args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it; any exit code is an answer.
    pub fn output(self) -> Result<Output, GitError> {
        let limit = self.output_limit;
        let shown = self.shown();
        let mut stdout = Vec::new();
        let mut too_much = false;
        let mut output = self.read(|reader| {
            let mut limited = reader.take(limit.saturating_add(1));
            limited.read_to_end(&mut stdout)?;
            too_much = u64::try_from(stdout.len()).unwrap_or(u64::MAX) > limit;
            Ok(())
        })?;
        if too_much {
            return Err(GitError::TooMuch { args: shown, limit });
        }
        output.stdout = stdout;
        Ok(output)
    }

    /// Runs it and takes its standard output; any exit code but 0 is an error.
    pub fn ok(self) -> Result<Vec<u8>, GitError> {
        let shown = self.shown();
        let output = self.output()?;
        if output.code == Some(0) { Ok(output.stdout) } else { Err(output.failed(shown)) }
    }

    /// The same as text without the last line end.
    pub fn line(self) -> Result<String, GitError> {
        let stdout = self.ok()?;
        let text = String::from_utf8_lossy(&stdout);
        Ok(text.strip_suffix('\n').map_or(&*text, |t| t.strip_suffix('\r').unwrap_or(t)).to_owned())
    }

    /// Runs it and hands its standard output over while it comes. When `consume` stops early, git is stopped.
    /// An I/O error that `consume` returns is returned; so is git's failure after output that ended normally.
    pub fn stream(self, consume: impl FnOnce(&mut dyn BufRead) -> io::Result<Flow>) -> Result<(), GitError> {
        let shown = self.shown();
        let mut stopped = false;
        let output = self.read(|reader| {
            stopped = consume(reader)? == Flow::Stop;
            Ok(())
        })?;
        if stopped || output.code == Some(0) { Ok(()) } else { Err(output.failed(shown)) }
    }

    /// Starts it with both pipes open, for a conversation. Its complaints go nowhere.
    pub fn spawn_piped(self) -> io::Result<Child> {
        self.command(true).stderr(Stdio::null()).spawn()
    }

    fn read(mut self, consume: impl FnOnce(&mut dyn BufRead) -> io::Result<()>) -> Result<Output, GitError> {
        let shown = self.shown();
        let io_error = |action: &str| {
            let action = format!("{action} git {shown}");
            move |source: io::Error| match source.kind() {
                io::ErrorKind::NotFound => GitError::Missing,
                _ => GitError::Io { action, source },
            }
        };
        if !self.dir.is_dir() {
            let source = io::Error::new(io::ErrorKind::NotADirectory, "no such directory");
            return Err(GitError::Io { action: format!("run git in {}", self.dir.display()), source });
        }
        let input = self.input.take();
        let deadline = Instant::now() + self.limit;
        let mut child = self.command(input.is_some()).spawn().map_err(io_error("start"))?;
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), input) {
            // Git may have heard enough and closed its end; what it makes of that it says itself.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let complaints = child.stderr.take().map(|pipe| {
            let (send, receive) = mpsc::channel();
            std::thread::spawn(move || send.send(tail(pipe)));
            receive
        });
        let consumed = match child.stdout.take() {
            Some(pipe) => consume(&mut Deadlined::new(pipe, deadline)),
            None => Ok(()),
        };
        let timed_out = consumed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::TimedOut);
        let status = if timed_out { None } else { wait(&mut child, deadline).map_err(io_error("wait for"))? };
        let Some(status) = status else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(GitError::TimedOut { args: shown, limit_s: self.limit.as_secs() });
        };
        consumed.map_err(|source| GitError::Io { action: format!("read the output of git {shown}"), source })?;
        // Something that git left behind may hold this pipe open for ever.
        let stderr = complaints.and_then(|said| said.recv_timeout(LAST_WORDS).ok()).unwrap_or_default();
        Ok(Output { code: status.code(), stdout: Vec::new(), stderr, status: status.to_string() })
    }

    fn command(&self, with_input: bool) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.dir).args(FIXED);
        if self.literal {
            command.arg("--literal-pathspecs");
        }
        if !self.hooks {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        command.args(&self.args);
        for name in CLEARED {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("LANGUAGE", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", ":")
            .env("GIT_PAGER", "cat")
            // Grafts are of this clone alone; no other would see the history that they make up.
            .env("GIT_GRAFT_FILE", NOWHERE)
            .envs(self.env.iter().map(|(key, value)| (*key, value)))
            .stdin(if with_input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Output {
    /// The error that this is when the exit code is not one of the expected ones.
    pub fn failed(self, args: String) -> GitError {
        let unknown = ["unrecognized argument", "unknown option", "unknown switch", "is not a git command"];
        if unknown.iter().any(|words| self.stderr.contains(words))
            && let Ok(found) = version::installed()
            && found < NEEDED
        {
            return GitError::TooOld { found, args };
        }
        let stderr = if self.stderr.is_empty() { "it gave no reason".to_owned() } else { self.stderr };
        GitError::Failed { args, status: self.status, stderr }
    }
}

/// Whether a reader wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Done,
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_git_is_an_error_that_says_what_git_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = Call::new(dir.path()).arg("no-such-verb").ok().unwrap_err();
        assert!(error.to_string().contains("no-such-verb"), "{error}");
        assert!(matches!(error, GitError::Failed { .. }));
    }

    #[test]
    fn output_beyond_the_limit_is_an_error_and_not_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let error = Call::new(dir.path()).arg("--help").output_limit(10).ok().unwrap_err();
        assert!(matches!(error, GitError::TooMuch { limit: 10, .. }), "{error}");
    }

    #[test]
    fn a_git_that_takes_too_long_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        // Waits for input that does not come to an end within the limit.
        let call = Call::new(dir.path()).args(["-c", "alias.slow=!sleep 30", "slow"]).limit(Duration::from_millis(100));
        assert!(matches!(call.ok(), Err(GitError::TimedOut { .. })));
    }

    #[test]
    fn a_missing_directory_is_not_taken_for_a_missing_git() {
        let error = Call::new(Path::new("/nowhere/at/all")).arg("version").ok().unwrap_err();
        assert!(matches!(error, GitError::Io { .. }), "{error}");
    }
}
