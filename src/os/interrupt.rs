//! The user's wish to stop: the first signal raises a flag, so that the running command is ended and the work unwinds; the
//! second quits hard, taking the running group with it.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A shared flag that is raised once and stays up. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    requested: Arc<AtomicBool>,
    /// The process group that is running now, 0 for none.
    #[cfg(unix)]
    group: std::sync::atomic::AtomicU32,
    /// Readable (at its end) once the flag is up.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows waits in slices and looks at the flag"))]
    wake: PipeReader,
    keep_asleep: Mutex<Option<PipeWriter>>,
}

impl Interrupt {
    /// A flag that no signal raises, for work that is never interrupted and for tests.
    pub fn new() -> io::Result<Self> {
        let (wake, writer) = io::pipe()?;
        Ok(Self(Arc::new(Shared {
            requested: Arc::new(AtomicBool::new(false)),
            #[cfg(unix)]
            group: std::sync::atomic::AtomicU32::new(0),
            wake,
            keep_asleep: Mutex::new(Some(writer)),
        })))
    }

    /// A flag raised by Ctrl-C, SIGTERM, SIGHUP and SIGQUIT. To be called once per process, before the first run.
    /// A signal that was ignored when the process began (as under `nohup`) stays ignored.
    pub fn install() -> io::Result<Self> {
        let interrupt = Self::new()?;
        signals::install(&interrupt)?;
        Ok(interrupt)
    }

    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Raises the flag and wakes whoever waits on it.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        // Closing the only writer makes the reader ready for good, for any number of waiters.
        drop(self.0.keep_asleep.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Names the process group that a hard quit must take along; 0 for none.
    #[cfg(unix)]
    pub(crate) fn set_group(&self, group: u32) {
        self.0.group.store(group, Ordering::SeqCst);
    }

    #[cfg(unix)]
    pub(crate) fn wake(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0.wake)
    }
}

/// A file that grows beyond the limit of `ulimit -f` is then an error that can be reported, and not the end of the process.
/// What this process starts meets the limit as ever.
pub(crate) fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        let number = rustix::process::Signal::XFSZ.as_raw();
        // Where it cannot be had, the signal ends the process.
        let _ = signal_hook::flag::register(number, Arc::new(AtomicBool::new(false)));
    }
}

#[cfg(unix)]
mod signals {
    use std::io::{self, Read as _};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::process::{Pid, Signal, kill_process_group};

    use crate::os::Interrupt;

    const ASKING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

    pub(crate) fn install(interrupt: &Interrupt) -> io::Result<()> {
        let last = Arc::new(AtomicUsize::new(0));
        let (reader, writer) = io::pipe()?;
        let ignored = ignored_signals();
        for signal in ASKING {
            let number = signal.as_raw();
            if ignored & (1 << (number - 1)) != 0 {
                continue;
            }
            signal_hook::flag::register_usize(number, Arc::clone(&last), number.unsigned_abs() as usize)?;
            // Seen at once by a loop that looks at the flag, even before the watcher wakes.
            signal_hook::flag::register(number, Arc::clone(&interrupt.0.requested))?;
            signal_hook::low_level::pipe::register(number, OwnedFd::from(writer.try_clone()?))?;
        }
        let interrupt = interrupt.clone();
        std::thread::Builder::new()
            .name("interrupt".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || watch(reader, &interrupt, &last))?;
        Ok(())
    }

    /// Each signal writes one byte: the first asks, the second quits.
    fn watch(mut reader: io::PipeReader, interrupt: &Interrupt, last: &AtomicUsize) {
        let mut byte = [0];
        let mut asked = false;
        while reader.read_exact(&mut byte).is_ok() {
            if !asked {
                asked = true;
                interrupt.request();
                continue;
            }
            let group = i32::try_from(interrupt.0.group.load(Ordering::SeqCst)).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                // A group that is gone already needs no killing.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let number = i32::try_from(last.load(Ordering::SeqCst)).unwrap_or(Signal::INT.as_raw());
            // Ends the process as the signal itself would have, so that the shell sees it.
            let _ = signal_hook::low_level::emulate_default_handler(number);
            signal_hook::low_level::exit(128 + number);
        }
    }

    /// Bit `n - 1` is set where signal `n` was ignored from the start; 0 where the system does not say.
    fn ignored_signals() -> u64 {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(windows)]
mod signals {
    use std::io;
    use std::sync::Arc;

    use crate::os::Interrupt;

    /// SIGINT of the C runtime, which is Ctrl-C.
    const CTRL_C: i32 = 2;

    pub(crate) fn install(interrupt: &Interrupt) -> io::Result<()> {
        // The second one leaves at once; the job object ends the running group with us.
        signal_hook::flag::register_conditional_shutdown(CTRL_C, 130, Arc::clone(&interrupt.0.requested))?;
        signal_hook::flag::register(CTRL_C, Arc::clone(&interrupt.0.requested))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stays_up_and_is_seen_by_every_clone() {
        let interrupt = Interrupt::new().unwrap();
        let other = interrupt.clone();
        assert!(!other.requested());
        interrupt.request();
        interrupt.request();
        assert!(other.requested());
    }
}
