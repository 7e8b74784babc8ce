//! Lists processor cores and pins the calling thread and its child processes to one of them. On a virtual machine, the
//! speed of each core varies independently, since others use the physical one.

use std::marker::PhantomData;

/// A core that this process may use, by the system's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core(usize);

/// Keeps the thread that created it pinned until dropped.
#[derive(Debug)]
pub struct PinnedThread {
    #[cfg(target_os = "linux")]
    before: rustix::thread::CpuSet,
    of_thread: PhantomData<*const ()>,
}

impl Core {
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// Pins the calling thread, and every process that it starts meanwhile, to this core; `None` if the system cannot.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold(self) -> Option<PinnedThread> {
        let before = rustix::thread::sched_getaffinity(None).ok()?;
        let mut only = rustix::thread::CpuSet::new();
        only.set(self.0);
        rustix::thread::sched_setaffinity(None, &only).ok()?;
        Some(PinnedThread { before, of_thread: PhantomData })
    }

    /// Pins the calling thread, and every process that it starts meanwhile, to this core; `None` if the system cannot.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn hold(self) -> Option<PinnedThread> {
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for PinnedThread {
    fn drop(&mut self) {
        // Fails only if the system has restricted the allowed cores meanwhile.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}

/// The cores that the calling thread may use, the current one first; none if the system cannot pin threads.
#[cfg(target_os = "linux")]
pub(crate) fn allowed() -> Vec<Core> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    let current = rustix::thread::sched_getcpu();
    let all = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
    let (rest, first): (Vec<usize>, Vec<usize>) = all.partition(|core| *core != current);
    first.into_iter().chain(rest).map(Core).collect()
}

/// The cores that the calling thread may use; none if the system cannot pin threads.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed() -> Vec<Core> {
    Vec::new()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_its_children_are_pinned_until_it_is_dropped() {
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
