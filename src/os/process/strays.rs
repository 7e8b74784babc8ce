//! Orphaned descendants in sessions of their own, which Linux makes children of this process.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::os::process::{GRACE, KILL_WAIT};

/// The children of this process; from the first call on, this includes orphaned descendants.
pub(crate) fn children() -> BTreeSet<i32> {
    static ADOPTS: Once = Once::new();
    // If this fails, orphans are not followed.
    ADOPTS.call_once(|| {
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    });
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let listed = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    listed.collect::<String>().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether children live besides those of `before` and `leader`; after `leader` has exited, these are what it left.
pub(crate) fn any(before: &BTreeSet<i32>, leader: Pid) -> bool {
    let lives = |pid: &i32| field(&pid.to_string(), 0).is_some_and(|state| !matches!(state.as_str(), "Z" | "X"));
    children().difference(before).any(|pid| *pid != leader.as_raw_pid() && lives(pid))
}

/// Ends the children in sessions of their own, except those of `before`.
pub(crate) fn end(before: &BTreeSet<i32>) {
    let asked = Instant::now();
    while asked.elapsed() < GRACE + KILL_WAIT {
        let own = session("self");
        let is_stray = |pid: &Pid| session(&pid.as_raw_pid().to_string()).is_some_and(|session| Some(session) != own);
        let new = children().difference(before).filter_map(|pid| Pid::from_raw(*pid)).collect::<Vec<_>>();
        let strays: Vec<Pid> = new.into_iter().filter(is_stray).collect();
        if strays.is_empty() {
            return;
        }
        let signal = if asked.elapsed() < GRACE { Signal::TERM } else { Signal::KILL };
        for pid in strays {
            // One that has exited only needs to be reaped.
            let _ = rustix::process::kill_process(pid, signal);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The session of a process; 0 if a container hides its leader (neither rustix's `Pid` nor `getsid` can express that).
fn session(process: &str) -> Option<i32> {
    field(process, 3)?.parse().ok()
}

/// A field of `/proc/PID/stat`, counted after the program name, which is in parentheses and may hold any character.
fn field(process: &str, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number).map(str::to_owned)
}
