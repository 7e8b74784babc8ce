//! One call of git: its environment, limits and output. Makes the output independent of the user's configuration,
//! language and pager.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::git::{GitError, GitVersion, NEEDED, Result};

const READ_LIMIT: Duration = Duration::from_secs(120);
/// Time limit for a walk through history or a checkout.
const LONG_LIMIT: Duration = Duration::from_secs(1800);
/// The most output that is kept in memory.
pub(crate) const OUTPUT_LIMIT: u64 = 256 * 1024 * 1024;
/// How long to wait for standard error after git has exited.
const LAST_WORDS: Duration = Duration::from_secs(2);
const STDERR_TAIL: usize = 4000;
const CHUNK: usize = 64 * 1024;
/// An empty file, on every platform.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Variables that would point git at another repository or change how it reads this one. `GIT_CONFIG_*` stay:
/// containers use them to declare a directory as safe.
const CLEARED: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_ATTR_SOURCE GIT_COMMON_DIR GIT_CONFIG GIT_DEFAULT_HASH \
    GIT_DIFF_OPTS GIT_DIR GIT_EXTERNAL_DIFF GIT_GLOB_PATHSPECS GIT_GRAFT_FILE GIT_ICASE_PATHSPECS \
    GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE GIT_LITERAL_PATHSPECS GIT_NAMESPACE GIT_NOGLOB_PATHSPECS \
    GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE";

/// Settings for every call: no colour, no background work, no quoting, no change overlooked.
const SETTINGS: [&str; 16] = [
    "core.quotepath=off",
    "core.fsmonitor=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "color.ui=false",
    "log.showSignature=false",
    "log.showRoot=true",
    "i18n.logOutputEncoding=UTF-8",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=none",
    "diff.orderFile=/dev/null",
    "trailer.separators=:=",
    // What the tool fast-forwards to is a commit of its own.
    "merge.verifySignatures=false",
    // `GIT_GRAFT_FILE` turns grafts off; without this, git prints a deprecation warning in every answer.
    "advice.graftFileDeprecated=false",
];

/// Whether a variable is removed from git's environment.
pub(crate) fn is_cleared(name: &str) -> bool {
    CLEARED.split(' ').any(|cleared| cleared == name)
}

#[derive(Debug)]
pub(crate) struct CallOutput {
    /// `None` if a signal ended git.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    args: String,
    status: String,
}

/// One call of git that has not been run yet.
#[derive(Debug)]
pub(crate) struct Call {
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
    pub(crate) fn new(dir: &Path) -> Self {
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

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Runs no hooks, whatever the configuration says.
    pub(crate) fn without_hooks(self) -> Self {
        Self { hooks: false, ..self }
    }

    /// Leaves out `--literal-pathspecs`, for commands that do not accept it.
    pub(crate) fn without_literal_paths(self) -> Self {
        Self { literal: false, ..self }
    }

    /// Allows enough time for a checkout or a walk through history.
    pub(crate) fn long(self) -> Self {
        Self { limit: LONG_LIMIT, ..self }
    }

    /// Sets standard input, which is empty otherwise.
    pub(crate) fn input(self, bytes: Vec<u8>) -> Self {
        Self { input: Some(bytes), ..self }
    }

    pub(crate) fn env(mut self, key: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key, value.as_ref().to_owned()));
        self
    }

    fn shown(&self) -> String {
        self.args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn output(self) -> Result<CallOutput> {
        let limit = self.output_limit;
        let mut stdout = Vec::new();
        let output = self.read(|reader| reader.take(limit.saturating_add(1)).read_to_end(&mut stdout).map(|_| ()))?;
        if u64::try_from(stdout.len()).unwrap_or(u64::MAX) > limit {
            return Err(GitError::TooMuch { args: output.args, limit });
        }
        Ok(CallOutput { stdout, ..output })
    }

    /// Runs git and returns its standard output; any exit code but 0 is an error.
    pub(crate) fn ok(self) -> Result<Vec<u8>> {
        self.output()?.ok()
    }

    pub(crate) fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.ok()?).into_owned())
    }

    pub(crate) fn line_bytes(self) -> Result<Vec<u8>> {
        let mut bytes = self.ok()?;
        bytes.pop_if(|last| *last == b'\n');
        Ok(bytes)
    }

    pub(crate) fn line(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.line_bytes()?).into_owned())
    }

    /// Like `ok`, for commands that answer "no" with exit code 1: returns `None` then.
    pub(crate) fn answer(self) -> Result<Option<Vec<u8>>> {
        let output = self.output()?;
        if output.code == Some(1) { Ok(None) } else { output.ok().map(Some) }
    }

    /// Parses the standard output. If `parse` returns `None`, the error names what was expected.
    pub(crate) fn parsed<T>(self, expected: &str, parse: impl FnOnce(&[u8]) -> Option<T>) -> Result<T> {
        let output = self.output()?;
        let args = output.args.clone();
        parse(&output.ok()?).ok_or_else(|| GitError::Unreadable { args, what: format!("not {expected}") })
    }

    /// Streams standard output to `consume`; git is stopped when `consume` breaks. Returns the I/O errors of `consume`,
    /// and git's failure unless `consume` broke off.
    pub(crate) fn stream(self, consume: impl FnOnce(&mut dyn BufRead) -> io::Result<ControlFlow<()>>) -> Result<()> {
        let mut stopped = false;
        let output = self.read(|reader| {
            stopped = consume(reader)?.is_break();
            Ok(())
        })?;
        if stopped { Ok(()) } else { output.ok().map(|_| ()) }
    }

    /// Starts git with stdin and stdout piped, for a conversation. Its standard error is discarded.
    pub(crate) fn spawn_piped(self) -> Result<Child> {
        let spawned = self.command(true).stderr(Stdio::null()).spawn();
        spawned.map_err(|source| GitError::io("start", &self.shown(), source))
    }

    fn read(mut self, consume: impl FnOnce(&mut dyn BufRead) -> io::Result<()>) -> Result<CallOutput> {
        let args = self.shown();
        let io_error = |action: &'static str| |source: io::Error| GitError::io(action, &args, source);
        if !self.dir.is_dir() {
            let source = io::Error::new(io::ErrorKind::NotADirectory, "no such directory");
            return Err(GitError::Io { action: format!("run git in {}", self.dir.display()), source });
        }
        let input = self.input.take();
        let deadline = Instant::now() + self.limit;
        let mut child = self.command(input.is_some()).spawn().map_err(io_error("start"))?;
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), input) {
            // Git may close its end early; if that is a failure, git reports it itself.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let complaints = child.stderr.take().map(|pipe| {
            let (send, receive) = mpsc::channel();
            std::thread::spawn(move || send.send(tail(pipe)));
            receive
        });
        let consumed = match child.stdout.take() {
            Some(pipe) => consume(&mut BufReader::with_capacity(CHUNK, Deadlined::new(pipe, deadline))),
            None => Ok(()),
        };
        let timed_out = consumed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::TimedOut);
        let status = if timed_out { None } else { wait(&mut child, deadline).map_err(io_error("wait for"))? };
        let Some(status) = status else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(GitError::TimedOut { args, limit_s: self.limit.as_secs() });
        };
        consumed.map_err(|source| GitError::Io { action: format!("read the output of git {args}"), source })?;
        // A process that git left behind may hold this pipe open for ever.
        let stderr = complaints.and_then(|said| said.recv_timeout(LAST_WORDS).ok()).unwrap_or_default();
        Ok(CallOutput { code: status.code(), stdout: Vec::new(), stderr, args, status: status.to_string() })
    }

    fn command(&self, with_input: bool) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.dir).args(["--no-pager", "--no-optional-locks", "--no-replace-objects"]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if self.literal {
            command.arg("--literal-pathspecs");
        }
        if !self.hooks {
            command.args(["-c", "core.hooksPath=/dev/null"]);
        }
        command.args(&self.args);
        for name in CLEARED.split(' ') {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("LANGUAGE", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", ":")
            .env("GIT_PAGER", "cat")
            // Otherwise `git log` flushes after each commit, which wakes the reader each time.
            .env("GIT_FLUSH", "0")
            // Grafts are local to this clone; other clones do not see the history that they make up.
            .env("GIT_GRAFT_FILE", NOWHERE)
            .envs(self.env.iter().map(|(key, value)| (*key, value)))
            .stdin(if with_input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl CallOutput {
    fn ok(self) -> Result<Vec<u8>> {
        if self.code == Some(0) { Ok(self.stdout) } else { Err(self.failed()) }
    }

    /// Turns an output with an unexpected exit code into an error.
    pub(crate) fn failed(self) -> GitError {
        let unknown = ["unrecognized argument", "unknown option", "unknown switch", "is not a git command"];
        if unknown.iter().any(|words| self.stderr.contains(words))
            && let Ok(found) = GitVersion::installed()
            && found < NEEDED
        {
            return GitError::TooOld { found, args: self.args };
        }
        let stderr = if self.stderr.is_empty() { "it gave no reason".to_owned() } else { self.stderr };
        GitError::Failed { args: self.args, status: self.status, stderr }
    }
}

/// Splits NUL-terminated output into its records.
pub(crate) fn records(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == 0).filter(|record| !record.is_empty())
}

/// A pipe that is read until a deadline. A thread does the reading, since pipes have no read timeout and a process that
/// git started may hold the pipe open after git has exited.
struct Deadlined {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    deadline: Instant,
    chunk: io::Cursor<Vec<u8>>,
}

impl Deadlined {
    fn new(mut pipe: impl Read + Send + 'static, deadline: Instant) -> Self {
        let (send, chunks) = mpsc::sync_channel(16);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0u8; CHUNK];
                let message = match pipe.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                // Nobody listens any more; closing the pipe stops git.
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        Self { chunks, deadline, chunk: io::Cursor::default() }
    }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.chunks.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => self.chunk = io::Cursor::new(chunk?),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(0),
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
        }
        self.chunk.read(buffer)
    }
}

/// Waits for a child to exit; `None` if it has not by the deadline.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Reads to the end and returns the last part as text.
fn tail(mut pipe: impl Read) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => kept.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept.len() > 2 * STDERR_TAIL {
            kept.drain(..kept.len() - STDERR_TAIL);
        }
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
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
        let error = Call { output_limit: 10, ..Call::new(dir.path()).arg("--help") }.ok().unwrap_err();
        assert!(matches!(error, GitError::TooMuch { limit: 10, .. }), "{error}");
    }

    #[test]
    fn a_git_that_takes_too_long_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        // Takes longer than the limit.
        let call = Call::new(dir.path()).args(["-c", "alias.slow=!sleep 30", "slow"]);
        let call = Call { limit: Duration::from_millis(100), ..call };
        assert!(matches!(call.ok(), Err(GitError::TimedOut { .. })));
    }

    #[test]
    fn a_missing_directory_is_not_taken_for_a_missing_git() {
        let error = Call::new(Path::new("/nowhere/at/all")).arg("version").ok().unwrap_err();
        assert!(matches!(error, GitError::Io { .. }), "{error}");
    }

    #[test]
    fn a_pipe_that_stays_silent_ends_at_the_deadline() {
        let (reader, _writer) = io::pipe().unwrap();
        let mut pipe = Deadlined::new(reader, Instant::now() + Duration::from_millis(20));
        assert_eq!(pipe.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn everything_is_read_in_order() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut read = Vec::new();
        let far = Instant::now() + Duration::from_secs(60);
        Deadlined::new(io::Cursor::new(bytes.clone()), far).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn only_the_end_of_what_was_said_is_kept() {
        let text = format!("{}last words", "x".repeat(50_000));
        let kept = tail(io::Cursor::new(text));
        assert!(kept.ends_with("last words") && kept.len() <= 2 * STDERR_TAIL + 4096);
    }
}
