//! Interrupts by the user: the first signal sets a flag, so that the running command is stopped and the work unwinds;
//! the second exits at once and kills the running process group.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A flag that is set once and stays set. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    requested: Arc<AtomicBool>,
    /// The running process group, 0 for none.
    #[cfg(unix)]
    group: std::sync::atomic::AtomicU32,
    /// At end of file once the flag is set.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows waits in slices and looks at the flag"))]
    pipe_reader: PipeReader,
    pipe_writer: Mutex<Option<PipeWriter>>,
}

impl Interrupt {
    /// A flag that no signal sets, for work that is never interrupted and for tests.
    pub fn new() -> io::Result<Self> {
        let (pipe_reader, writer) = io::pipe()?;
        Ok(Self(Arc::new(Shared {
            requested: Arc::new(AtomicBool::new(false)),
            #[cfg(unix)]
            group: std::sync::atomic::AtomicU32::new(0),
            pipe_reader,
            pipe_writer: Mutex::new(Some(writer)),
        })))
    }

    /// A flag set by Ctrl-C, SIGTERM, SIGHUP and SIGQUIT. Call it once per process, before the first run. A signal that
    /// was ignored at start (as under `nohup`) stays ignored.
    pub fn install() -> io::Result<Self> {
        let interrupt = Self::new()?;
        signals::install(&interrupt)?;
        Ok(interrupt)
    }

    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Sets the flag and wakes all waiters.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        // Closing the only writer makes the reader ready for good, for any number of waiters.
        drop(self.0.pipe_writer.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Sets the process group to kill on a hard quit; 0 for none.
    #[cfg(unix)]
    pub(crate) fn set_group(&self, group: u32) {
        self.0.group.store(group, Ordering::SeqCst);
    }

    #[cfg(unix)]
    pub(crate) fn wake(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0.pipe_reader)
    }
}

/// Turns a write beyond `ulimit -f` into an error that can be reported, where the signal would end the process. Child
/// processes are not affected.
pub(crate) fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        let number = rustix::process::Signal::XFSZ.as_raw();
        // If this fails, the signal ends the process as before.
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

    const HANDLED: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

    pub(crate) fn install(interrupt: &Interrupt) -> io::Result<()> {
        let last = Arc::new(AtomicUsize::new(0));
        let (reader, writer) = io::pipe()?;
        let ignored = ignored_signals();
        for signal in HANDLED {
            let number = signal.as_raw();
            if ignored & (1 << (number - 1)) != 0 {
                continue;
            }
            signal_hook::flag::register_usize(number, Arc::clone(&last), number.unsigned_abs() as usize)?;
            // For loops that check the flag, even before the watcher wakes.
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

    /// Each signal writes one byte: the first sets the flag, the second quits.
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
                // The group may already be gone.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let number = i32::try_from(last.load(Ordering::SeqCst)).unwrap_or(Signal::INT.as_raw());
            // Ends the process as the signal itself would have, so that the shell sees it.
            let _ = signal_hook::low_level::emulate_default_handler(number);
            signal_hook::low_level::exit(128 + number);
        }
    }

    /// Bit `n - 1` is set if signal `n` was ignored at start; 0 if the system does not say.
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
        // The second one exits at once; the job object then ends the running group.
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
