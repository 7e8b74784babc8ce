//! Platform differences in writing and naming files (temporary files, replacing, syncing a directory, canonical paths),
//! and digests of their content, streamed.

use std::fs;
use std::io::{self, BufRead as _, Read as _};
#[cfg(unix)]
use std::os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _, fs::PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

use crate::model::Digest;
use crate::model::digest::{FieldHasher, hex};

/// A new temporary file in `dir` named `PREFIX…tmp`, with the permissions of any new file (temporary files are usually
/// private).
pub(crate) fn temporary_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(".tmp");
    #[cfg(unix)]
    {
        // The umask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Renames a temporary file over `target`, replacing what is there.
pub(crate) fn replace(temporary: NamedTempFile, target: &Path) -> io::Result<()> {
    // On Windows, a scanner or a reader may hold the target open for a moment.
    let mut left = if cfg!(windows) { 20 } else { 0 };
    let mut temporary = temporary;
    loop {
        match temporary.persist(target) {
            Ok(_) => return Ok(()),
            Err(failed) if left > 0 && failed.error.kind() == io::ErrorKind::PermissionDenied => {
                left -= 1;
                temporary = failed.file;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(failed) => return Err(failed.error),
        }
    }
}

/// Makes a file executable for everybody who may read it. Does nothing on Windows.
pub(crate) fn make_executable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let mode = fs::metadata(path)?.permissions().mode();
        fs::set_permissions(path, fs::Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
    }
    #[cfg(not(unix))]
    fs::metadata(path).map(|_| ())
}

/// Whether a file only configures git, such as `.gitignore`.
pub(crate) fn is_of_git(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".git"))
}

/// Whether a file exists and is executable; on Windows, whether it exists.
pub(crate) fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Makes a directory's entries durable if the platform can (Windows and some file systems cannot).
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match fs::File::open(dir)?.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

/// Logs a call of `canonical` for tests, since each one costs a system call per path component.
#[cfg(debug_assertions)]
fn count(path: &Path) {
    use std::io::Write as _;
    let Some(trace) = std::env::var_os("VIBESHIP_OPTIMIZER_TEST_CANONICAL") else { return };
    let file = fs::OpenOptions::new().create(true).append(true).open(trace);
    let _ = file.and_then(|mut file| writeln!(file, "{}", path.display()));
}

/// The path without links, `.` and `..`; on Windows in the plain form (`C:\x`, not `\\?\C:\x`) if possible, since other
/// programs do not accept the long form.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    #[cfg(debug_assertions)]
    count(path);
    let full = fs::canonicalize(path)?;
    if cfg!(windows)
        && let Some(text) = full.to_str()
        && let Some(plain) = text.strip_prefix(r"\\?\")
        && plain.as_bytes().get(1) == Some(&b':')
        && plain.len() < 250
    {
        return Ok(PathBuf::from(plain));
    }
    Ok(full)
}

/// A path as the bytes that git uses: raw on Unix, UTF-8 with `/` on Windows.
pub(crate) fn path_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        path.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

/// The path for bytes from git; the inverse of [`path_bytes`].
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// When a file was last changed, in seconds and nanoseconds since 1970; on Unix the ctime, which nobody can set.
pub(crate) fn changed_at(metadata: &fs::Metadata) -> Option<(i64, i64)> {
    #[cfg(unix)]
    {
        Some((metadata.ctime(), metadata.ctime_nsec()))
    }
    #[cfg(not(unix))]
    {
        let written = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some((written.as_secs().try_into().ok()?, written.subsec_nanos().into()))
    }
}

/// Makes `target` a symbolic link to `source`, or a copy where links need a privilege (Windows).
pub(crate) fn link_or_copy(source: &Path, target: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(source, target)
    }
    #[cfg(not(unix))]
    {
        copy(source, target)
    }
}

#[cfg_attr(unix, cfg(test))]
fn copy(source: &Path, target: &Path) -> io::Result<()> {
    for entry in WalkDir::new(source).follow_links(true) {
        let entry = entry?;
        let below = entry.path().strip_prefix(source).unwrap_or(Path::new(""));
        let to = if below.as_os_str().is_empty() { target.to_owned() } else { target.join(below) };
        if entry.file_type().is_dir() {
            fs::create_dir_all(&to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Lets the owner enter and change a directory. Errors are ignored: the next access reports them.
pub(crate) fn make_enterable(dir: &Path) {
    #[cfg(unix)]
    {
        let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
    }
}

/// Directories of build output, downloads and caches. They are left out of the digest of a project that is not under
/// git, where nothing else says which files are sources.
const LITTER: &str = ".git .hg .svn .jj node_modules target .venv venv __pycache__ .pytest_cache .mypy_cache .ruff_cache .tox \
    .nox .gradle .next .cache .direnv .idea .vs";

/// Digest of the paths, kinds and content of all files below `root`, without those that `leave_out` matches (by path
/// from `root`, with `/`) and those in directories of [`LITTER`]. Links count by their target and are not followed.
pub(crate) fn digest_directory(root: &Path, leave_out: &dyn Fn(&[u8]) -> bool) -> io::Result<Digest> {
    let mut entries = Vec::new();
    let walk = WalkDir::new(root).into_iter().filter_entry(|entry| {
        let is_dir = entry.file_type().is_dir();
        let is_litter = |name: &str| LITTER.split(' ').any(|litter| litter == name);
        let litter = is_dir && entry.file_name().to_str().is_some_and(is_litter);
        entry.depth() == 0 || !(litter || leave_out(&relative_bytes(root, entry.path())))
    });
    for entry in walk {
        let entry = entry.map_err(io::Error::from)?;
        if !entry.file_type().is_dir() {
            entries.push((relative_bytes(root, entry.path()), entry.into_path()));
        }
    }
    entries.sort();
    let mut hasher = FieldHasher::default();
    for (relative, path) in &entries {
        hasher.field(relative);
        hash_path(path, &mut hasher)?;
    }
    Ok(hasher.finish())
}

/// The first `limit` bytes of a file. Fails for a pipe, which might never end, and for a device.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Adds a path to a digest: its kind (`file`, `executable`, `link`, `directory`, `other` or `absent`, which is
/// returned) and the SHA-256 of a file's content (streamed) or of a link's target.
pub(crate) fn hash_path(path: &Path, hasher: &mut FieldHasher) -> io::Result<&'static str> {
    let (kind, sha256) = match fs::symlink_metadata(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            ("absent", String::new())
        }
        Err(e) => return Err(with_path(e, path)),
        Ok(meta) if meta.is_symlink() => {
            let target = path_bytes(&fs::read_link(path).map_err(|e| with_path(e, path))?);
            ("link", hex(&Sha256::digest(&target)))
        }
        Ok(meta) if meta.is_file() => {
            let sha256 = digest_file(path).map_err(|e| with_path(e, path))?;
            (if owner_may_run(&meta) { "executable" } else { "file" }, sha256)
        }
        // A pipe or device has no content that could be read to its end.
        Ok(meta) => (if meta.is_dir() { "directory" } else { "other" }, String::new()),
    };
    hasher.field(kind.as_bytes());
    hasher.field(sha256.as_bytes());
    Ok(kind)
}

fn digest_file(path: &Path) -> io::Result<String> {
    let mut file = io::BufReader::with_capacity(64 * 1024, fs::File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = match file.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if bytes.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

fn owner_may_run(meta: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        meta.permissions().mode() & 0o100 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        false
    }
}

fn relative_bytes(root: &Path, path: &Path) -> Vec<u8> {
    path_bytes(path.strip_prefix(root).unwrap_or(path))
}

fn with_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Removes `.` and `..` from a path without looking at the disk.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_everything() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("from/sub")).unwrap();
        fs::write(dir.path().join("from/sub/one"), "1").unwrap();
        copy(&dir.path().join("from"), &dir.path().join("to")).unwrap();
        assert_eq!(fs::read(dir.path().join("to/sub/one")).unwrap(), b"1");
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_digest_follows_content_and_names_but_not_litter_or_what_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let digest = || digest_directory(dir.path(), &|path| path == b"own").unwrap();
        write(dir.path(), "src/a", "1");
        let first = digest();
        write(dir.path(), "own/record", "x");
        write(dir.path(), "src/__pycache__/a.pyc", "x");
        write(dir.path(), "node_modules/m/index.js", "x");
        assert_eq!(digest(), first);
        write(dir.path(), "src/a", "2");
        let second = digest();
        assert_ne!(second, first);
        fs::rename(dir.path().join("src/a"), dir.path().join("src/b")).unwrap();
        assert_ne!(digest(), second);
    }

    #[test]
    fn a_file_named_like_a_litter_directory_counts() {
        let dir = tempfile::tempdir().unwrap();
        let digest = || digest_directory(dir.path(), &|_| false).unwrap();
        let empty = digest();
        write(dir.path(), "target", "1");
        assert_ne!(digest(), empty);
    }

    #[test]
    fn the_bounds_of_fields_are_part_of_the_hash() {
        let hash = |fields: &[&[u8]]| {
            let mut hasher = FieldHasher::default();
            fields.iter().for_each(|f| hasher.field(f));
            hasher.finish()
        };
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }

    #[cfg(unix)]
    #[test]
    fn links_count_by_their_target_and_circles_end() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
        let digest = || digest_directory(dir.path(), &|_| false).unwrap();
        let first = digest();
        fs::remove_file(dir.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("loop")).unwrap();
        assert_ne!(digest(), first);
    }
}
