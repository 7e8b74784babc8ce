//! What differs between platforms when files are written and named: temporary files, replacing, syncing a
//! directory, canonical paths. Must not know which files these are.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::NamedTempFile;

/// A new temporary file in `dir` named `PREFIX…tmp`, readable as any new file would be (not private, as
/// temporary files otherwise are).
pub fn temporary_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The process's umask still applies, as it does for any file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Renames a temporary file over `target`, replacing what is there.
pub fn replace(temporary: NamedTempFile, target: &Path) -> io::Result<()> {
    // On Windows a scanner or a reader may hold the target open for a moment.
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

/// Renames a temporary file to `target` unless something is there already.
pub fn place_new(temporary: NamedTempFile, target: &Path) -> io::Result<()> {
    temporary.persist_noclobber(target).map(|_| ()).map_err(|failed| failed.error)
}

/// Lets everybody who may read a file run it too. Windows knows no such right.
pub fn make_executable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode();
        fs::set_permissions(path, fs::Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
    }
    #[cfg(not(unix))]
    fs::metadata(path).map(|_| ())
}

/// Whether a file exists and somebody may run it; on Windows, whether it exists.
pub fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Makes a directory's entries durable where the platform can (Windows cannot, nor can some file systems).
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match fs::File::open(dir)?.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

/// The path without links, `.` and `..`; on Windows in the plain form (`C:\x`, not `\\?\C:\x`) where there is
/// one, since other programs do not take the long form.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
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

/// A path as the bytes that git uses for it: raw on Unix, UTF-8 with `/` on Windows.
pub fn path_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        path.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

/// The path that git means by some bytes; the inverse of [`path_bytes`].
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Makes `target` lead to `source`: by a symbolic link, or by a copy where links need a privilege (Windows).
pub fn link_or_copy(source: &Path, target: &Path) -> io::Result<()> {
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
    for entry in walkdir::WalkDir::new(source).follow_links(true) {
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

/// Lets the owner enter and change a directory. Where it is not ours to change, what follows fails and says so.
pub fn make_enterable(dir: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
    }
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
}
