//! Runs on Unix: a process group and one thread that polls the exit, the pipes and the interrupt.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use wait4::Wait4 as _;

use crate::os::process::{Captured, GRACE, Invocation, KILL_WAIT, Launch, Output, program, strays};
use crate::os::{Ended, Finished, FirstThread, Interrupt, SpawnError, Spec};

/// Bytes read from a pipe at once, and after the child has exited; only a surviving writer can exceed it.
const DRAIN_LIMIT: usize = 1 << 20;

pub(crate) fn run(spec: &Spec, interrupt: &Interrupt) -> Result<Finished, SpawnError> {
    run_watched(spec, interrupt, ExitWatch::new)
}

fn run_watched(spec: &Spec, interrupt: &Interrupt, watch: Watch) -> Result<Finished, SpawnError> {
    let before = if spec.alone { strays::children() } else { BTreeSet::new() };
    let (command, mut launch) = program::command(spec)?;
    let mut name = command.get_program().to_string_lossy().into_owned();
    let mut sinks = Sinks::default();
    let mut started = start(command, spec, &mut sinks);
    if let (Err(_), Launch::Direct, Invocation::Shell(line)) = (&started, launch, &spec.invocation) {
        // The shell handles files that the kernel does not run (no `#!`), with its own exit codes.
        let command = program::shell(line, spec);
        name = command.get_program().to_string_lossy().into_owned();
        launch = Launch::Shell;
        started = start(command, spec, &mut sinks);
    }
    let (child, started) = match started {
        Ok(started) => started,
        Err(source) => return Err(SpawnError::Start { program: name, source }),
    };
    let running = Running { pid: Pid::from_child(&child), child, started, sinks, interrupt };
    let finished = running.finish(spec, &before, launch, watch);
    // A run that left no processes behind has no daemons either.
    let is_over = |it: &Finished| !it.went_on && matches!(it.ended, Ended::Code(_));
    if spec.alone && !finished.as_ref().is_ok_and(is_over) {
        strays::end(&before);
    }
    finished.map_err(|source| SpawnError::Wait { program: name, source })
}

fn start(mut command: Command, spec: &Spec, sinks: &mut Sinks) -> io::Result<(Child, Instant)> {
    let (stdout, out) = Sink::open(spec.stdout)?;
    let (stderr, err) = Sink::open(spec.stderr)?;
    *sinks = Sinks { out, err };
    command.stdin(null()?).stdout(stdout).stderr(stderr);
    let started = Instant::now();
    let child = command.spawn()?;
    // Dropping `command` here closes our copies of the pipes' write ends.
    Ok((child, started))
}

#[derive(Clone, Copy)]
enum Phase {
    Running { deadline: Option<Instant> },
    Asked { because: Ended, kill_at: Instant },
    Killed { because: Ended, give_up_at: Instant },
}

impl Phase {
    fn until(self) -> Option<Instant> {
        match self {
            Self::Running { deadline } => deadline,
            Self::Asked { kill_at, .. } => Some(kill_at),
            Self::Killed { give_up_at, .. } => Some(give_up_at),
        }
    }
}

struct ObservedExit {
    seen: Instant,
    because: Option<Ended>,
    group_killed: bool,
}

struct Ready {
    exited: bool,
    interrupted: bool,
}

struct Running<'a> {
    pid: Pid,
    child: Child,
    started: Instant,
    sinks: Sinks,
    interrupt: &'a Interrupt,
}

impl Running<'_> {
    fn finish(mut self, spec: &Spec, before: &BTreeSet<i32>, launch: Launch, watch: Watch) -> io::Result<Finished> {
        self.interrupt.set_group(self.child.id());
        let waited = watch(self.pid).and_then(|exit| self.wait(exit, spec.timeout));
        let exit = match waited {
            Ok(exit) => exit,
            Err(error) => {
                self.signal(Signal::KILL);
                self.interrupt.set_group(0);
                // Not waited for: it may never exit.
                let _ = self.child.try_wait4();
                return Err(error);
            }
        };
        let went_on = spec.alone && exit.because.is_none() && strays::any(before, self.pid);
        let stays = spec.stays && exit.because.is_none();
        if !stays {
            // The child is not reaped yet, so its id cannot have become another group's.
            self.signal(Signal::TERM);
            self.signal(Signal::CONT);
        }
        let first_thread = first_thread(self.pid);
        let used = self.child.wait4()?;
        if !exit.group_killed && !stays {
            end_leftovers(self.pid);
        }
        self.interrupt.set_group(0);
        self.sinks.out.drain(DRAIN_LIMIT);
        self.sinks.err.drain(DRAIN_LIMIT);
        Ok(Finished {
            wall: exit.seen.saturating_duration_since(self.started),
            user: Some(used.rusage.utime),
            system: Some(used.rusage.stime),
            max_rss_bytes: Some(used.rusage.maxrss).filter(|bytes| *bytes > 0),
            first_thread,
            went_on,
            ended: exit.because.unwrap_or_else(|| ended(used.status)),
            launch,
            stdout: self.sinks.out.captured,
            stderr: self.sinks.err.captured,
        })
    }

    /// Waits for the exit; ends the group on timeout or interrupt.
    fn wait(&mut self, exit: ExitWatch, timeout: Duration) -> io::Result<ObservedExit> {
        let mut phase = Phase::Running { deadline: self.started.checked_add(timeout) };
        loop {
            let running = matches!(phase, Phase::Running { .. });
            let ready = self.poll(&exit, running, phase.until())?;
            let now = Instant::now();
            if ready.exited {
                let because = match phase {
                    Phase::Running { .. } => None,
                    Phase::Asked { because, .. } | Phase::Killed { because, .. } => Some(because),
                };
                let group_killed = matches!(phase, Phase::Killed { .. });
                return Ok(ObservedExit { seen: exit.seen_at(now), because, group_killed });
            }
            phase = match phase {
                Phase::Running { .. } if ready.interrupted => self.ask(Ended::Interrupted, now),
                Phase::Running { deadline: Some(at) } if now >= at => self.ask(Ended::TimedOut, now),
                Phase::Asked { because, kill_at } if now >= kill_at => {
                    self.signal(Signal::KILL);
                    Phase::Killed { because, give_up_at: now + KILL_WAIT }
                }
                Phase::Killed { give_up_at, .. } if now >= give_up_at => {
                    return Err(io::Error::other("the process was killed and has not exited"));
                }
                Phase::Running { .. } | Phase::Asked { .. } | Phase::Killed { .. } => phase,
            };
        }
    }

    fn ask(&self, because: Ended, now: Instant) -> Phase {
        self.signal(Signal::TERM);
        // A stopped process gets its signals only when it continues.
        self.signal(Signal::CONT);
        Phase::Asked { because, kill_at: now + GRACE }
    }

    fn signal(&self, signal: Signal) {
        // The group may already be gone.
        let _ = rustix::process::kill_process_group(self.pid, signal);
    }

    /// Waits until something happens or `until` is reached, and empties the pipes.
    fn poll(&mut self, exit: &ExitWatch, heed_user: bool, until: Option<Instant>) -> io::Result<Ready> {
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now())).map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i32::MAX.into()),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::from_borrowed_fd(exit.fd(), PollFlags::IN));
        if heed_user {
            fds.push(PollFd::from_borrowed_fd(self.interrupt.wake(), PollFlags::IN));
        }
        let pipes = [&self.sinks.out, &self.sinks.err].into_iter().filter_map(|sink| sink.pipe.as_ref());
        fds.extend(pipes.map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready { exited: false, interrupted: false }),
            Err(error) => return Err(error.into()),
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let found = Ready { exited: ready(0), interrupted: heed_user && ready(1) };
        if !found.exited {
            self.sinks.out.drain(DRAIN_LIMIT);
            self.sinks.err.drain(DRAIN_LIMIT);
        }
        Ok(found)
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Code(-1),
    }
}

/// For a child that has exited and is not reaped yet; see the kernel's documentation of `schedstat`.
#[cfg(target_os = "linux")]
fn first_thread(pid: Pid) -> Option<FirstThread> {
    let counted = std::fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).ok()?;
    let mut numbers = counted.split_ascii_whitespace().map(|number| number.parse().map(Duration::from_nanos));
    Some(FirstThread { on_core: numbers.next()?.ok()?, queued: numbers.next()?.ok()? })
}

#[cfg(not(target_os = "linux"))]
fn first_thread(_: Pid) -> Option<FirstThread> {
    None
}

/// Waits for the processes left in the group, which got SIGTERM, and kills those that remain. While any of them lives,
/// the group id is not reused.
fn end_leftovers(group: Pid) {
    let asked = Instant::now();
    let mut pause = Duration::from_micros(100);
    while rustix::process::test_kill_process_group(group).is_ok() {
        // If orphans become children of this process, they disappear once reaped.
        while let Ok(Some(_)) = rustix::process::waitpgid(group, WaitOptions::NOHANG) {}
        if asked.elapsed() >= GRACE {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn own_peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn own_peak_rss() -> Option<u64> {
    None
}

pub(crate) fn reset_own_peak_rss() {
    // 5 resets the peak (proc_pid_clear_refs(5)); if it cannot be written, the floor stays.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The null device, opened once.
fn null() -> io::Result<Stdio> {
    static NULL: OnceLock<File> = OnceLock::new();
    let file = match NULL.get() {
        Some(file) => file,
        None => {
            let opened = File::options().read(true).write(true).open("/dev/null")?;
            NULL.get_or_init(|| opened)
        }
    };
    Ok(Stdio::from(file.try_clone()?))
}

/// One output stream. It keeps a writer open: otherwise the pipe would reach its end when the child closes its files,
/// and the wait for the exit would wake twice, which is measurable.
#[derive(Default)]
struct Sink {
    pipe: Option<(PipeReader, PipeWriter)>,
    captured: Captured,
}

#[derive(Default)]
struct Sinks {
    out: Sink,
    err: Sink,
}

impl Sink {
    fn open(output: Output) -> io::Result<(Stdio, Self)> {
        if output == Output::Discard {
            return Ok((null()?, Self::default()));
        }
        let (reader, writer) = io::pipe()?;
        let flags = rustix::fs::fcntl_getfl(&reader)?;
        rustix::fs::fcntl_setfl(&reader, flags | rustix::fs::OFlags::NONBLOCK)?;
        let held = writer.try_clone()?;
        Ok((Stdio::from(writer), Self { pipe: Some((reader, held)), captured: Captured::new(output) }))
    }

    fn drain(&mut self, limit: usize) {
        let Some((pipe, _)) = &mut self.pipe else { return };
        let mut buffer = [0; 16 * 1024];
        let mut left = limit;
        while left > 0 {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => {
                    self.captured.push(&buffer[..n]);
                    left = left.saturating_sub(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }
}

type Watch = fn(Pid) -> io::Result<ExitWatch>;

/// Becomes ready when the child has exited, without reaping it.
enum ExitWatch {
    #[cfg(target_os = "linux")]
    Pidfd(OwnedFd),
    Thread {
        ready: PipeReader,
        waiter: JoinHandle<Instant>,
    },
}

impl ExitWatch {
    fn new(pid: Pid) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            return Ok(Self::Pidfd(fd));
        }
        Self::thread(pid)
    }

    fn thread(pid: Pid) -> io::Result<Self> {
        let (ready, done) = io::pipe()?;
        let waiter = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(rustix::process::waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
            let at = Instant::now();
            drop(done);
            at
        })?;
        Ok(Self::Thread { ready, waiter })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Pidfd(fd) => fd.as_fd(),
            Self::Thread { ready, .. } => ready.as_fd(),
        }
    }

    /// When the exit was seen; `polled` is when the poll returned.
    fn seen_at(self, polled: Instant) -> Instant {
        match self {
            #[cfg(target_os = "linux")]
            Self::Pidfd(_) => polled,
            Self::Thread { waiter, .. } => waiter.join().unwrap_or(polled),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WATCHES: [Watch; 2] = [ExitWatch::new, ExitWatch::thread];

    fn spec(line: &str) -> Spec {
        Spec {
            invocation: Invocation::Shell(line.to_owned()),
            cwd: std::env::temp_dir(),
            env: Vec::new(),
            timeout: Duration::from_secs(60),
            stdout: Output::Keep { head_bytes: 1 << 16, tail_bytes: 0 },
            stderr: Output::Keep { head_bytes: 0, tail_bytes: 400 },
            alone: false,
            stays: false,
        }
    }

    fn go(spec: &Spec, watch: Watch) -> Finished {
        run_watched(spec, &Interrupt::new().unwrap(), watch).unwrap()
    }

    fn text(captured: &Captured) -> String {
        String::from_utf8(captured.whole().unwrap()).unwrap()
    }

    fn gone(pid: &str) -> bool {
        // A zombie that is not reaped yet has ended too.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z")
    }

    #[test]
    fn a_run_reports_its_code_output_and_use() {
        for watch in WATCHES {
            let f = go(&spec("echo out; echo err >&2; exit 7"), watch);
            assert_eq!((f.ended, f.launch), (Ended::Code(7), Launch::Shell));
            assert_eq!((text(&f.stdout), f.stderr.tail_text(99)), ("out\n".to_owned(), "err\n".to_owned()));
            assert!(f.user.is_some() && f.system.is_some() && f.max_rss_bytes.unwrap() > 0);
            assert!(f.wall > Duration::ZERO);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_single_threaded_run_is_distinguished_from_others() {
        let work = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        if go(&spec(work), ExitWatch::new).first_thread.is_none() {
            return; // not supported by this kernel
        }
        assert!(go(&spec(work), ExitWatch::new).queued_alone().is_some());
        assert!(go(&spec(&format!("({work}); true")), ExitWatch::new).queued_alone().is_none());
    }

    #[test]
    fn standard_input_is_closed() {
        assert_eq!(text(&go(&spec("cat; echo end"), ExitWatch::new).stdout), "end\n");
    }

    #[test]
    fn a_signal_is_no_exit_code() {
        for watch in WATCHES {
            assert_eq!(go(&spec("kill -9 $$"), watch).ended, Ended::Signal(9));
        }
    }

    #[test]
    fn a_timeout_ends_grandchildren_that_ignore_the_request_and_hold_the_pipe() {
        for watch in WATCHES {
            let line = "trap '' TERM; (trap '' TERM; sleep 1000) & echo $!; sleep 1000";
            let f = go(&Spec { timeout: Duration::from_millis(200), ..spec(line) }, watch);
            assert_eq!(f.ended, Ended::TimedOut);
            let orphan = text(&f.stdout);
            // It was killed; the kernel and its new parent may need a moment to reap it.
            assert!((0..500).any(|_| gone(orphan.trim()) || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }));
        }
    }

    #[test]
    fn a_stopped_process_is_ended_at_its_timeout() {
        let f = go(&Spec { timeout: Duration::from_millis(100), ..spec("kill -STOP $$") }, ExitWatch::new);
        assert_eq!(f.ended, Ended::TimedOut);
    }

    #[test]
    fn what_a_command_leaves_behind_is_ended_and_cannot_hold_the_run() {
        for watch in WATCHES {
            let f = go(&spec("sleep 1000 & echo $!"), watch);
            assert_eq!(f.ended, Ended::Code(0));
            assert!(gone(text(&f.stdout).trim()));
        }
    }

    #[test]
    fn a_daemon_in_its_own_session_cannot_hold_the_run() {
        let f = go(&spec("setsid sleep 3 >&1 & exit 0"), ExitWatch::new);
        assert_eq!(f.ended, Ended::Code(0));
        assert!(f.wall < Duration::from_secs(3));
    }

    #[test]
    fn what_prepares_a_run_may_leave_something_running_for_it() {
        let left = |stays: bool| {
            let line = "sleep 1000 >&- 2>&- <&- & echo $!";
            let ended = go(&Spec { stays, ..spec(line) }, ExitWatch::new);
            text(&ended.stdout).trim().to_owned()
        };
        assert!(gone(&left(false)));
        let pid = left(true);
        assert!(!gone(&pid));
        go(&spec(&format!("kill -9 {pid}")), ExitWatch::new);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_daemon_ends_with_a_run_that_is_to_be_alone() {
        let line = "setsid sh -c 'echo $$; exec sleep 1000 <&- 2>&-' & sleep 0.2";
        let ended = go(&Spec { alone: true, ..spec(line) }, ExitWatch::new);
        assert!(gone(text(&ended.stdout).trim()));
    }

    #[test]
    fn an_interrupt_ends_the_whole_group() {
        for watch in WATCHES {
            let interrupt = Interrupt::new().unwrap();
            let asking = interrupt.clone();
            let asker = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                asking.request();
            });
            let f = run_watched(&spec("sleep 1000 & echo $!; wait"), &interrupt, watch).unwrap();
            asker.join().unwrap();
            assert_eq!(f.ended, Ended::Interrupted);
            assert!(gone(text(&f.stdout).trim()));
        }
    }

    #[test]
    fn more_output_than_a_pipe_holds_is_bounded_and_does_not_block() {
        let f = go(&spec("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"), ExitWatch::new);
        assert_eq!(f.ended, Ended::Code(0));
        assert_eq!((f.stdout.total, f.stderr.total), (3_000_000, 3_000_000));
        assert!(f.stdout.truncated() && f.stderr.tail_text(9999).len() == 400);
    }

    #[test]
    fn a_plain_line_is_started_without_a_shell_and_behaves_as_with_one() {
        let direct = go(&spec("env"), ExitWatch::new);
        let shell = go(&spec("env;"), ExitWatch::new);
        assert_eq!((direct.launch, shell.launch), (Launch::Direct, Launch::Shell));
        let lines = |f: &Finished| -> BTreeSet<String> {
            let of_shells = ["_=", "SHLVL=", "OLDPWD="];
            let all = text(&f.stdout);
            all.lines().filter(|l| !of_shells.iter().any(|own| l.starts_with(own))).map(str::to_owned).collect()
        };
        assert_eq!(lines(&direct), lines(&shell));
    }

    #[test]
    fn a_missing_program_fails_as_the_shell_says() {
        let f = go(&spec("surely-no-such-program --x"), ExitWatch::new);
        assert_eq!((f.ended, f.launch), (Ended::Code(127), Launch::Shell));
    }

    #[test]
    fn a_script_without_an_interpreter_line_runs_as_in_the_shell() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "echo from script\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let f = go(&Spec { cwd: dir.path().to_owned(), ..spec("./script") }, ExitWatch::new);
        assert_eq!((f.ended, f.launch, text(&f.stdout).as_str()), (Ended::Code(0), Launch::Shell, "from script\n"));
    }

    #[test]
    fn the_childs_path_finds_the_program_and_variables_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/usr/bin/env", dir.path().join("my-env")).unwrap();
        let env = vec![("PATH".into(), Some(dir.path().as_os_str().to_owned())), ("HOME".into(), None)];
        let f = go(&Spec { env, ..spec("my-env") }, ExitWatch::new);
        assert_eq!((f.ended, f.launch), (Ended::Code(0), Launch::Direct));
        assert!(!text(&f.stdout).contains("\nHOME="));
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let spec = Spec { cwd: "/no/such/directory".into(), ..spec("env") };
        let error = crate::os::process::run(&spec, &Interrupt::new().unwrap()).unwrap_err();
        assert!(error.to_string().contains("/no/such/directory"), "{error}");
    }

    #[test]
    fn an_argument_list_is_passed_as_it_is() {
        let invocation = Invocation::Argv(["printf", "%s|", "a b", "$X", "'"].map(OsString::from).to_vec());
        let f = go(&Spec { invocation, ..spec("") }, ExitWatch::new);
        assert_eq!(text(&f.stdout), "a b|$X|'|");
    }
}
