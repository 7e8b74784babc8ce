//! Writes files atomically: a crash leaves either the old or the new content. Also removes leftover temporary files.

use std::fs::{self, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::own::{FREE_PREFIX, LOCKED_PREFIX, is_temporary};
use crate::os::files;
use crate::store::{Result, StoreError};

/// No write takes that long.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// More links than any sensible chain has.
const MAX_LINKS: usize = 32;

/// Replaces a file's content, or creates the file and its directories. Requires the exclusive lock if the directory is
/// cleaned by [`remove_stale`]. Keeps the permissions of an existing file; writes through symbolic links.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes, LOCKED_PREFIX)
}

/// Like `write`, without the lock, for a path chosen by the user. Writes directly to a device or pipe, which cannot be
/// replaced.
pub(crate) fn write_free(path: &Path, bytes: &[u8]) -> Result<()> {
    match fs::metadata(path) {
        Ok(meta) if !meta.is_file() && !meta.is_dir() => {
            let mut device = fs::OpenOptions::new().write(true).open(path).map_err(StoreError::io("open", path))?;
            device.write_all(bytes).map_err(StoreError::io("write", path))
        }
        _ => replace(path, bytes, FREE_PREFIX),
    }
}

/// Replaces a file that may be lost in a system crash but is never partial.
pub(crate) fn write_cache(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = prepare_directory(path)?;
    let mut temporary = files::temporary_in(&dir, LOCKED_PREFIX).map_err(StoreError::io("write", path))?;
    temporary.write_all(bytes).map_err(StoreError::io("write", path))?;
    files::replace(temporary, path).map_err(StoreError::io("replace", path))
}

/// Creates a file and its directories. The file appears with all its content or not at all, and never replaces another,
/// even if two processes try at once.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> Result<()> {
    create(path, bytes, LOCKED_PREFIX)
}

pub(crate) fn create_free(path: &Path, bytes: &[u8]) -> Result<()> {
    create(path, bytes, FREE_PREFIX)
}

fn create(path: &Path, bytes: &[u8], prefix: &str) -> Result<()> {
    let dir = prepare_directory(path)?;
    let temporary = filled(&dir, path, bytes, prefix)?;
    step();
    temporary.persist_noclobber(path).map_err(|failed| {
        if failed.error.kind() == io::ErrorKind::AlreadyExists {
            return StoreError::Exists { path: path.to_owned() };
        }
        StoreError::Io { action: "create", path: path.to_owned(), source: failed.error }
    })?;
    files::sync_directory(&dir).map_err(StoreError::io("sync", &dir))
}

/// Reads a file of at most `limit` bytes; `None` if it does not exist.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    read_seen(path, fs::metadata(path), limit)
}

pub(crate) fn read_seen(path: &Path, seen: io::Result<Metadata>, limit: u64) -> Result<Option<Vec<u8>>> {
    // Opening a pipe would block; a directory opens on Unix and fails only when read.
    let length = match seen {
        Ok(meta) if !meta.is_file() => return Err(StoreError::NotAFile { path: path.to_owned() }),
        Ok(meta) => meta.len().min(limit),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(source) => return Err(StoreError::Io { action: "read", path: path.to_owned(), source }),
    };
    let file = fs::File::open(path).map_err(StoreError::io("read", path))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(StoreError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}

/// Removes temporary files that killed writers left in a directory: all of those written under the lock, others after a
/// day. Requires the exclusive lock. Errors are ignored: leftovers are harmless, and the next holder tries again.
pub(crate) fn remove_stale(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !is_temporary(name) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let written = entry.metadata().and_then(|meta| meta.modified());
        let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > A_DAY));
        if is_old || name.starts_with(LOCKED_PREFIX.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn replace(path: &Path, bytes: &[u8], prefix: &str) -> Result<()> {
    let target = follow_links(path)?;
    let existing = match fs::metadata(&target) {
        Ok(meta) if !meta.is_file() => return Err(StoreError::NotAFile { path: path.to_owned() }),
        // A rename would bypass the protection on Unix and fail on Windows.
        Ok(meta) if meta.permissions().readonly() => {
            return Err(StoreError::WriteProtected { path: path.to_owned() });
        }
        Ok(meta) => Some(meta.permissions()),
        Err(_) => None,
    };
    let dir = prepare_directory(&target)?;
    let temporary = filled(&dir, &target, bytes, prefix)?;
    if let Some(permissions) = existing {
        temporary.as_file().set_permissions(permissions).map_err(StoreError::io("keep the permissions of", path))?;
    }
    step();
    files::replace(temporary, &target).map_err(StoreError::io("replace", path))?;
    step();
    files::sync_directory(&dir).map_err(StoreError::io("sync", &dir))
}

/// A step of writing. Tests of debug builds abort the process before one of them; release builds have no such code.
fn step() {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::{AtomicU32, Ordering};
        static STEPS: AtomicU32 = AtomicU32::new(0);
        let last = std::env::var("VIBESHIP_OPTIMIZER_TEST_LAST_STEP").ok().and_then(|step| step.parse().ok());
        if last == Some(STEPS.fetch_add(1, Ordering::Relaxed)) {
            std::process::abort();
        }
    }
}

/// A synced temporary file next to `target` with this content.
fn filled(dir: &Path, target: &Path, bytes: &[u8], prefix: &str) -> Result<tempfile::NamedTempFile> {
    let mut temporary = files::temporary_in(dir, prefix).map_err(StoreError::io("write", target))?;
    step();
    temporary.write_all(bytes).map_err(StoreError::io("write", target))?;
    temporary.as_file().sync_all().map_err(StoreError::io("sync", target))?;
    Ok(temporary)
}

/// Follows symbolic links, even if the last one points to nothing yet.
fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut current = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&current) {
            Ok(meta) if meta.file_type().is_symlink() => {
                let next = fs::read_link(&current).map_err(StoreError::io("follow", &current))?;
                current = current.parent().map_or_else(|| next.clone(), |dir| dir.join(&next));
            }
            _ => return Ok(current),
        }
    }
    Err(StoreError::Io { action: "follow", path: path.to_owned(), source: io::Error::other("too many symbolic links") })
}

/// Creates the file's directory, and syncs the new entries on the way to it.
fn prepare_directory(path: &Path) -> Result<PathBuf> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let missing: Vec<&Path> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
    fs::create_dir_all(&dir).map_err(StoreError::io("create", &dir))?;
    for parent in missing.iter().filter_map(|d| d.parent()).filter(|p| !p.as_os_str().is_empty()) {
        files::sync_directory(parent).map_err(StoreError::io("sync", parent))?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_with_its_directories_and_replaced_without_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn create_new_never_overwrites_and_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        create_new(&path, b"one").unwrap();
        let error = create_new(&path, b"two").unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error}");
        assert!(error.to_string().contains("x.json"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_one_of_many_racing_creators_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        let won: usize = std::thread::scope(|scope| {
            let path = &path;
            let racers: Vec<_> = (0..16u8).map(|n| scope.spawn(move || create_new(path, &[n; 4096]).is_ok())).collect();
            racers.into_iter().map(|r| usize::from(r.join().unwrap())).sum()
        });
        assert_eq!(won, 1);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 4096 && bytes.iter().all(|b| *b == bytes[0]));
    }

    #[test]
    fn a_directory_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(matches!(write(&path, b"x"), Err(StoreError::NotAFile { .. })));
        assert!(matches!(read(&path, 10), Err(StoreError::NotAFile { .. })));
    }

    #[test]
    fn reading_is_bounded_and_a_missing_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(read(&path, 3).unwrap().is_none());
        write(&path, b"1234").unwrap();
        assert!(matches!(read(&path, 3), Err(StoreError::TooLarge { limit: 3, .. })));
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"1234");
    }

    #[test]
    fn litter_of_locked_writers_and_old_litter_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".vibeship-write-abc.tmp", ".vibeship-out-abc.tmp", ".vibeship-out-old.tmp", "notes.tmp"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let old = fs::File::options().write(true).open(dir.path().join(".vibeship-out-old.tmp")).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * A_DAY).unwrap();
        remove_stale(dir.path());
        assert!(!dir.path().join(".vibeship-write-abc.tmp").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_write_protected_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, b"one").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        assert!(matches!(write(&path, b"two"), Err(StoreError::WriteProtected { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_links_are_written_through() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real/file");
        write(&real, b"one").unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, b"").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&real), mode(&plain), "a new file is no more private than any other");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("real/file", &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"two");
        assert_eq!(mode(&real), 0o640);

        let dangling = dir.path().join("dangling");
        std::os::unix::fs::symlink("new/there", &dangling).unwrap();
        write(&dangling, b"three").unwrap();
        assert_eq!(fs::read(dir.path().join("new/there")).unwrap(), b"three");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays_a_device() {
        use std::os::unix::fs::FileTypeExt as _;
        write_free(Path::new("/dev/null"), b"x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
