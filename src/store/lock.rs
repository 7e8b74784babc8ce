//! One lock per state directory. All changes require [`Exclusive`]; reading needs no lock, since every file is replaced
//! atomically. Handles the lock file and the note about its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{Project, Result, StoreError, atomic, guard};

pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// The environment variable that overrides it, in seconds.
pub(crate) const WAIT_VARIABLE: &str = "VIBESHIP_OPTIMIZER_LOCK_WAIT_S";

const POLL: Duration = Duration::from_millis(20);
const HOLDER_LIMIT: u64 = 16 * 1024;

/// Who holds the lock, for messages to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
    pub host: String,
    pub since: DateTime<Utc>,
}

pub(crate) fn parse_wait(text: &str) -> Result<Duration> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(StoreError::BadWait { value: text.chars().take(40).collect() }),
    }
}

#[derive(Debug)]
pub struct Exclusive {
    project: Project,
    note: PathBuf,
    // Dropping the file releases the lock; `File::unlock` reports false errors on some systems.
    _file: File,
}

impl Exclusive {
    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// Waits until the lock is free and takes it. Creates the state directory, and removes what killed writers left.
    pub(crate) fn acquire(project: &Project, holder: &Holder, wait: Duration) -> Result<Self> {
        let path = project.lock_path();
        for written in project.written_directories().iter().chain([&path]) {
            guard::inside(project, written)?;
        }
        project.prepare_state()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        wait_for(&file, project, wait)?;
        // In a separate file: on Windows, nobody else can read a locked file.
        let note = project.holder_path();
        // A holder that was killed left its note and its temporary files. Checking every directory each time would take
        // longer with more evidence.
        let left = if note.exists() { project.written_directories() } else { vec![project.state_dir()] };
        left.iter().for_each(|dir| atomic::remove_stale(dir));
        if let Ok(text) = serde_json::to_vec(holder) {
            // The note describes the current holder, so it need not survive a system crash.
            guard::inside(project, &note)?;
            atomic::write_cache(&note, &text)?;
        }
        Ok(Self { project: project.clone(), note, _file: file })
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // The lock is still held: the fields are dropped after this.
        let _ = std::fs::remove_file(&self.note);
    }
}

fn wait_for(file: &File, project: &Project, wait: Duration) -> Result<()> {
    let start = Instant::now();
    let path = project.lock_path();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() >= wait => return Err(locked(project, path, wait)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL.min(wait)),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                let source = io::Error::new(io::ErrorKind::Unsupported, "this file system has no file locks");
                return Err(StoreError::Io { action: "lock", path, source });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { action: "lock", path, source }),
        }
    }
}

fn locked(project: &Project, path: PathBuf, wait: Duration) -> StoreError {
    let note = atomic::read(&project.holder_path(), HOLDER_LIMIT).ok().flatten();
    let holder = match note.and_then(|text| serde_json::from_slice::<Holder>(&text).ok()) {
        Some(h) => format!(
            "process {} on {} ({:?}, since {})",
            h.pid,
            printable(&h.host),
            printable(&h.command),
            h.since.format("%Y-%m-%dT%H:%M:%SZ")
        ),
        None => "another process".to_owned(),
    };
    StoreError::Locked { path, holder, waited_s: wait.as_secs_f64() }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let project = Project::find(dir.path(), Some(dir.path())).unwrap();
        (dir, project)
    }

    fn holder() -> Holder {
        Holder { pid: 4711, command: "change start".into(), host: "box".into(), since: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_second_writer_is_told_who_holds_the_lock() {
        let (_dir, project) = project();
        let held = Exclusive::acquire(&project, &holder(), DEFAULT_WAIT).unwrap();
        let error = Exclusive::acquire(&project, &holder(), Duration::from_millis(30)).unwrap_err().to_string();
        for part in ["4711", "box", "change start", "1970-01-01T00:00:00Z"] {
            assert!(error.contains(part), "{part} is missing in {error}");
        }
        drop(held);
        // A process that another test is starting may hold it a moment longer.
        Exclusive::acquire(&project, &holder(), DEFAULT_WAIT).unwrap();
    }

    #[test]
    fn a_writer_waits_for_another_to_finish() {
        let (_dir, project) = project();
        let held = Exclusive::acquire(&project, &holder(), Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Exclusive::acquire(&project, &holder(), DEFAULT_WAIT).map(|_| ()));
            std::thread::sleep(Duration::from_millis(40));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn many_that_begin_at_once_all_get_their_turn() {
        for _ in 0..10 {
            let (_dir, project) = project();
            std::thread::scope(|scope| {
                let begin = || Exclusive::acquire(&project, &holder(), DEFAULT_WAIT).map(|_| ());
                let all: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
                all.into_iter().for_each(|one| one.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn taking_the_lock_removes_what_killed_writers_left() {
        let (_dir, project) = project();
        drop(Exclusive::acquire(&project, &holder(), Duration::ZERO).unwrap());
        let litter = project.changes_dir().join(".vibeship-write-dead.tmp");
        std::fs::create_dir_all(project.changes_dir()).unwrap();
        std::fs::write(&litter, b"half").unwrap();
        std::fs::write(project.holder_path(), b"{}").unwrap();
        drop(Exclusive::acquire(&project, &holder(), DEFAULT_WAIT).unwrap());
        assert!(!litter.exists());
    }

    #[test]
    fn a_waiting_time_is_seconds() {
        assert_eq!(parse_wait(" 0.5 ").unwrap(), Duration::from_millis(500));
        for bad in ["", "x", "-1", "NaN", "inf", "1e9"] {
            assert!(parse_wait(bad).is_err(), "{bad}");
        }
    }
}
