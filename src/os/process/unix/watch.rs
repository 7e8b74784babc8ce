//! Seeing a child's exit on Unix without reaping it: a pidfd on Linux; elsewhere, and on kernels without one, a thread
//! that waits. Must not signal.

use std::io::{self, PipeReader};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions};

pub(crate) type Watch = fn(Pid) -> io::Result<ExitWatch>;

/// Something that becomes ready when the child has exited, without reaping it.
pub(crate) enum ExitWatch {
    #[cfg(target_os = "linux")]
    Pidfd(OwnedFd),
    Thread {
        ready: PipeReader,
        waiter: JoinHandle<Instant>,
    },
}

impl ExitWatch {
    pub(crate) fn new(pid: Pid) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            return Ok(Self::Pidfd(fd));
        }
        Self::thread(pid)
    }

    pub(crate) fn thread(pid: Pid) -> io::Result<Self> {
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

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Pidfd(fd) => fd.as_fd(),
            Self::Thread { ready, .. } => ready.as_fd(),
        }
    }

    /// When the exit was seen, given when the poll returned.
    pub(crate) fn seen_at(self, polled: Instant) -> Instant {
        match self {
            #[cfg(target_os = "linux")]
            Self::Pidfd(_) => polled,
            Self::Thread { waiter, .. } => waiter.join().unwrap_or(polled),
        }
    }
}
