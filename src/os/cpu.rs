//! Processor cores: which there are, and holding the calling thread, with all that it starts meanwhile, on one of them.
//! On a virtual machine each core has a speed of its own at any moment, as others use the physical one.

use std::marker::PhantomData;

/// A core that this process may use, by the system's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core(usize);

/// Holds the thread that made it until it is dropped; it belongs to that thread.
#[derive(Debug)]
pub struct Held {
    #[cfg(target_os = "linux")]
    before: rustix::thread::CpuSet,
    of_thread: PhantomData<*const ()>,
}

impl Core {
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// Holds the calling thread, and every process that it starts meanwhile, on this core; `None` where the system cannot.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold(self) -> Option<Held> {
        let before = rustix::thread::sched_getaffinity(None).ok()?;
        let mut only = rustix::thread::CpuSet::new();
        only.set(self.0);
        rustix::thread::sched_setaffinity(None, &only).ok()?;
        Some(Held { before, of_thread: PhantomData })
    }

    /// Holds the calling thread, and every process that it starts meanwhile, on this core; `None` where the system cannot.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn hold(self) -> Option<Held> {
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for Held {
    fn drop(&mut self) {
        // What was allowed a moment ago is allowed still, or the system has narrowed it itself.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}

/// The cores that the calling thread may use, the one it is on first; none where the system cannot hold it on one.
#[cfg(target_os = "linux")]
pub(crate) fn allowed() -> Vec<Core> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    let current = rustix::thread::sched_getcpu();
    let all = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
    let (rest, first): (Vec<usize>, Vec<usize>) = all.partition(|core| *core != current);
    first.into_iter().chain(rest).map(Core).collect()
}

/// The cores that the calling thread may use; none where the system cannot hold it on one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed() -> Vec<Core> {
    Vec::new()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_held_on_one_core_with_what_it_starts_and_is_free_again() {
        let all = allowed();
        assert_eq!(all.first().map(|core| core.number()), Some(rustix::thread::sched_getcpu()));
        let last = *all.last().unwrap();
        let held = last.hold().unwrap();
        assert_eq!(allowed(), [last]);
        let status = std::process::Command::new("cat").arg("/proc/self/status").output().unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(status.lines().any(|line| line == format!("Cpus_allowed_list:\t{}", last.number())), "{status}");
        drop(held);
        assert_eq!(allowed().len(), all.len());
    }
}
