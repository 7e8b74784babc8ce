//! Runs on Windows: a job object that ends all its processes when closed, threads that empty the pipes, and a wait in
//! slices that notices an interrupt. The only file with unsafe code: job objects have no safe interface.

#![expect(unsafe_code, reason = "job objects and waiting with a timeout have no safe interface")]

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, Read as _};
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::os::windows::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;
use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, WaitForSingleObject};

use crate::os::process::{Captured, GRACE, Invocation, KILL_WAIT, Launch, Output, child_env, plain_words};
use crate::os::{Ended, Finished, Interrupt, SpawnError, Spec};

/// How long to wait before checking for an interrupt. The exit of the process is seen at once.
const SLICE: Duration = Duration::from_millis(50);
/// The exit code of processes that we end.
const ENDED_BY_US: u32 = 1;

pub(crate) fn run(spec: &Spec, interrupt: &Interrupt) -> Result<Finished, SpawnError> {
    let (mut command, launch) = command(spec)?;
    let program = command.get_program().to_string_lossy().into_owned();
    let fail = |source| SpawnError::Start { program: program.clone(), source };
    command.current_dir(&spec.cwd).creation_flags(CREATE_NEW_PROCESS_GROUP).stdin(Stdio::null());
    for (name, value) in &spec.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let job = Job::new().map_err(fail)?;
    let (stdout, out) = Sink::open(spec.stdout).map_err(fail)?;
    let (stderr, err) = Sink::open(spec.stderr).map_err(fail)?;
    command.stdout(stdout).stderr(stderr);
    let started = Instant::now();
    let child = command.spawn().map_err(fail)?;
    // Closes our copies of the pipes' write ends.
    drop(command);
    let waited = job.adopt(&child).and_then(|()| wait(&child, &job, started, spec.timeout, interrupt));
    let finish = || -> io::Result<Finished> {
        let (seen, because) = waited.inspect_err(|_| job.end())?;
        let used = child.wait4()?;
        let times = job.cpu_times();
        job.end();
        let code = used.status.code().unwrap_or(-1);
        Ok(Finished {
            first_thread: None,
            went_on: false,
            wall: seen.saturating_duration_since(started),
            user: Some(times.map_or(used.rusage.utime, |(user, _)| user)),
            system: Some(times.map_or(used.rusage.stime, |(_, system)| system)),
            max_rss_bytes: Some(used.rusage.maxrss).filter(|bytes| *bytes > 0),
            ended: because.unwrap_or(Ended::Code(code)),
            launch,
            stdout: out.finish(),
            stderr: err.finish(),
        })
    };
    finish().map_err(|source| SpawnError::Wait { program, source })
}

fn command(spec: &Spec) -> Result<(Command, Launch), SpawnError> {
    match &spec.invocation {
        Invocation::Argv(args) => {
            let (program, rest) =
                args.split_first().filter(|(program, _)| !program.is_empty()).ok_or(SpawnError::Empty)?;
            let file = find_program(program, spec).map_or_else(|| program.clone(), PathBuf::into_os_string);
            let mut command = Command::new(file);
            command.args(rest);
            Ok((command, Launch::Direct))
        }
        Invocation::Shell(line) if line.trim().is_empty() => Err(SpawnError::Empty),
        Invocation::Shell(line) => Ok(direct(line, spec).unwrap_or_else(|| (shell(line), Launch::Shell))),
    }
}

/// The program of the line, if `cmd` would find an `.exe` and only start it.
fn direct(line: &str, spec: &Spec) -> Option<(Command, Launch)> {
    let words = plain_words(line, true)?;
    let (program, rest) = words.split_first()?;
    let file = find_program(OsStr::new(program), spec)?;
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("exe")).then(|| {
        let mut command = Command::new(file);
        command.args(rest);
        (command, Launch::Direct)
    })
}

fn shell(line: &str) -> Command {
    let shell = std::env::var_os("COMSPEC").unwrap_or_else(|| "cmd.exe".into());
    let mut command = Command::new(shell);
    // `/s` and the outer quotes pass the line to cmd exactly as written.
    command.raw_arg("/d /s /c").raw_arg(format!("\"{line}\""));
    command
}

/// The file that `cmd` would start for a name: in the directory, then in `PATH`, with the extensions of `PATHEXT`.
pub(super) fn find_program(name: &OsStr, spec: &Spec) -> Option<PathBuf> {
    let extensions = child_env(spec, "PATHEXT").unwrap_or_else(|| ".COM;.EXE;.BAT;.CMD".into());
    let extensions: Vec<String> = extensions.to_string_lossy().split(';').map(str::to_owned).collect();
    let has_extension = PathBuf::from(name).extension().is_some();
    let in_directory = |directory: PathBuf| {
        let bare = directory.join(name);
        let with = extensions.iter().map(|extension| {
            let mut file: OsString = bare.clone().into_os_string();
            file.push(extension);
            PathBuf::from(file)
        });
        let exact = has_extension.then(|| bare.clone());
        exact.into_iter().chain(with).find(|file| file.is_file())
    };
    let path = child_env(spec, "PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|directory| spec.cwd.join(directory));
    std::iter::once(spec.cwd.clone()).chain(on_path).find_map(in_directory)
}

/// Waits for the exit; ends the job on timeout or interrupt. Returns when the exit was seen and why we ended it.
fn wait(
    child: &Child,
    job: &Job,
    started: Instant,
    timeout: Duration,
    interrupt: &Interrupt,
) -> io::Result<(Instant, Option<Ended>)> {
    let deadline = started.checked_add(timeout);
    let mut ending: Option<(Ended, Instant)> = None;
    loop {
        let now = Instant::now();
        match ending {
            Some((_, give_up_at)) if now >= give_up_at => {
                return Err(io::Error::other("the process was killed and has not exited"));
            }
            Some(_) => {}
            None => {
                let because = if interrupt.requested() {
                    Some(Ended::Interrupted)
                } else {
                    deadline.filter(|deadline| now >= *deadline).map(|_| Ended::TimedOut)
                };
                if let Some(because) = because {
                    job.end();
                    ending = Some((because, now + KILL_WAIT));
                }
            }
        }
        let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(now));
        // Rounded up, or the last millisecond would be spent in waits of 0 ms.
        let slice = u32::try_from(left.min(SLICE).as_micros().div_ceil(1000)).unwrap_or(1).max(1);
        // SAFETY: the handle belongs to `child`, which outlives the call.
        match unsafe { WaitForSingleObject(child.as_raw_handle(), slice) } {
            WAIT_OBJECT_0 => return Ok((Instant::now(), ending.map(|(because, _)| because))),
            WAIT_TIMEOUT => {}
            _ => return Err(io::Error::last_os_error()),
        }
    }
}

/// A job whose processes all end when it is closed, even if this process is killed.
struct Job(OwnedHandle);

impl Job {
    fn new() -> io::Result<Self> {
        // SAFETY: both arguments may be null: default security, no name.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just created and belongs to nobody else.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = u32::try_from(size_of_val(&limits)).unwrap_or(u32::MAX);
        // SAFETY: the pointer and the size describe `limits`, which is of the type that this class demands.
        let set = unsafe {
            SetInformationJobObject(job.raw(), JobObjectExtendedLimitInformation, (&raw const limits).cast(), size)
        };
        if set == 0 { Err(io::Error::last_os_error()) } else { Ok(job) }
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    fn adopt(&self, child: &Child) -> io::Result<()> {
        // SAFETY: both handles are open.
        let adopted = unsafe { AssignProcessToJobObject(self.raw(), child.as_raw_handle()) };
        // SAFETY: the handle is open. A child that has exited already cannot and need not be adopted.
        let ended = adopted == 0 && unsafe { WaitForSingleObject(child.as_raw_handle(), 0) } == WAIT_OBJECT_0;
        if adopted != 0 || ended { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn end(&self) {
        // SAFETY: the handle is open. The job may already be empty.
        unsafe { TerminateJobObject(self.raw(), ENDED_BY_US) };
    }

    /// User and system time of all processes that were ever in the job.
    fn cpu_times(&self) -> Option<(Duration, Duration)> {
        let mut info = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let size = u32::try_from(size_of_val(&info)).ok()?;
        // SAFETY: the pointer and the size describe `info`, which is of the type that this class fills.
        let filled = unsafe {
            QueryInformationJobObject(
                self.raw(),
                JobObjectBasicAccountingInformation,
                (&raw mut info).cast(),
                size,
                std::ptr::null_mut(),
            )
        };
        // Counted in units of 100 ns.
        let time = |ticks: i64| Duration::from_nanos(u64::try_from(ticks).unwrap_or(0).saturating_mul(100));
        (filled != 0 && info.TotalProcesses > 0).then(|| (time(info.TotalUserTime), time(info.TotalKernelTime)))
    }
}

struct Sink {
    captured: Arc<Mutex<Captured>>,
    done: Option<mpsc::Receiver<()>>,
}

impl Sink {
    fn open(output: Output) -> io::Result<(Stdio, Self)> {
        let captured = Arc::new(Mutex::new(Captured::new(output)));
        if output == Output::Discard {
            return Ok((Stdio::null(), Self { captured, done: None }));
        }
        let (reader, writer) = io::pipe()?;
        let (finished, done) = mpsc::channel();
        let filling = Arc::clone(&captured);
        std::thread::Builder::new().spawn(move || {
            fill(reader, &filling);
            // Nobody listens any more if the run was given up.
            let _ = finished.send(());
        })?;
        Ok((Stdio::from(writer), Self { captured, done: Some(done) }))
    }

    /// Returns the output once the pipe is closed, or after a short wait if a process outside the job holds it.
    fn finish(self) -> Captured {
        if let Some(done) = self.done {
            let _ = done.recv_timeout(GRACE);
        }
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn fill(mut reader: PipeReader, captured: &Mutex<Captured>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => captured.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

pub(crate) fn own_peak_rss() -> Option<u64> {
    None
}

pub(crate) fn reset_own_peak_rss() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(line: &str, timeout: Duration) -> Finished {
        let keep = Output::Keep { head_bytes: 1 << 16, tail_bytes: 0 };
        let spec = Spec {
            invocation: Invocation::Shell(line.to_owned()),
            cwd: std::env::temp_dir(),
            env: vec![("GREETING".into(), Some("good day".into()))],
            timeout,
            stdout: keep,
            stderr: keep,
            alone: false,
            stays: false,
        };
        run(&spec, &Interrupt::new().unwrap()).unwrap()
    }

    #[test]
    fn a_run_reports_its_code_and_output() {
        let f = go("echo \"%GREETING%\"& exit 7", Duration::from_secs(60));
        assert_eq!((f.ended, f.launch), (Ended::Code(7), Launch::Shell));
        assert_eq!(f.stdout.tail_text(99).trim(), "\"good day\"");
    }

    #[test]
    fn a_timeout_ends_the_grandchildren_that_hold_the_pipe() {
        let f = go("cmd /c \"for /l %i in (0,0,1) do @rem\"", Duration::from_millis(300));
        assert_eq!(f.ended, Ended::TimedOut);
    }
}
