//! Digests of file content in a directory tree, streamed. Must not know git, nor which files are whose.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use crate::os::files;

/// Directories that hold what was built, downloaded or cached, not the project's own files. They are left out
/// of the digest of a project that is not under git (there nothing else says what is a source).
pub const LITTER: [&str; 20] = [
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "node_modules",
    "target",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".gradle",
    ".next",
    ".cache",
    ".direnv",
    ".idea",
    ".vs",
];

/// A hash over fields whose bounds are part of it, so that no two lists of fields hash alike.
#[derive(Default)]
pub struct FieldHasher(Sha256);

impl FieldHasher {
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The SHA-256 of all fields as 64 lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// What a directory tree holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeDigest {
    /// SHA-256 over paths, kinds and content, as 64 hexadecimal digits.
    pub sha256: String,
    pub files: u64,
    pub bytes: u64,
}

/// Digest of all files below `root` but those that `leave_out` names (by path from `root`, with `/`) and
/// those in directories of [`LITTER`]. Links count by where they point, and are not followed.
pub fn digest_directory(root: &Path, leave_out: &dyn Fn(&[u8]) -> bool) -> io::Result<TreeDigest> {
    let mut entries = Vec::new();
    let walk = WalkDir::new(root).follow_links(false).into_iter().filter_entry(|entry| {
        let relative = relative_bytes(root, entry.path());
        let is_dir = entry.file_type().is_dir();
        let litter = is_dir && entry.file_name().to_str().is_some_and(|name| LITTER.contains(&name));
        entry.depth() == 0 || !(litter || leave_out(&relative))
    });
    for entry in walk {
        let entry = entry.map_err(io::Error::from)?;
        if !entry.file_type().is_dir() {
            entries.push((relative_bytes(root, entry.path()), entry.into_path()));
        }
    }
    entries.sort();
    let mut hasher = FieldHasher::default();
    let mut total = TreeDigest { sha256: String::new(), files: 0, bytes: 0 };
    for (relative, path) in &entries {
        let content = digest_path(path)?;
        hasher.field(relative);
        hasher.field(content.kind.as_bytes());
        hasher.field(content.sha256.as_bytes());
        total.files += 1;
        total.bytes += content.bytes;
    }
    total.sha256 = hasher.finish();
    Ok(total)
}

/// What lies at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// `file`, `executable`, `link`, `directory`, `other` or `absent`.
    pub kind: &'static str,
    /// SHA-256 of a file's bytes or of a link's target as 64 hexadecimal digits; empty otherwise.
    pub sha256: String,
    /// Length of a file's bytes or of a link's target.
    pub bytes: u64,
}

/// Digest of the file or link at `path`; the content is streamed, so its size does not matter.
pub fn digest_path(path: &Path) -> io::Result<Content> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Content { kind: "absent", sha256: String::new(), bytes: 0 });
        }
        Err(e) => return Err(with_path(e, path)),
    };
    let kind = meta.file_type();
    if kind.is_symlink() {
        let target = files::path_bytes(&fs::read_link(path).map_err(|e| with_path(e, path))?);
        return Ok(Content { kind: "link", sha256: hex(&Sha256::digest(&target)), bytes: target.len() as u64 });
    }
    if kind.is_file() {
        let (sha256, bytes) = digest_file(path).map_err(|e| with_path(e, path))?;
        let kind = if is_executable(&meta) { "executable" } else { "file" };
        return Ok(Content { kind, sha256, bytes });
    }
    // A pipe or a device has no content that could be read to its end.
    Ok(Content { kind: if kind.is_dir() { "directory" } else { "other" }, sha256: String::new(), bytes: 0 })
}

fn digest_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hex(&hash.finalize()), bytes)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn is_executable(meta: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        meta.permissions().mode() & 0o100 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        false
    }
}

fn relative_bytes(root: &Path, path: &Path) -> Vec<u8> {
    files::path_bytes(path.strip_prefix(root).unwrap_or(path))
}

fn with_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((first.files, first.bytes), (1, 1));
        write(dir.path(), "own/record", "x");
        write(dir.path(), "src/__pycache__/a.pyc", "x");
        write(dir.path(), "node_modules/m/index.js", "x");
        assert_eq!(digest(), first);
        write(dir.path(), "src/a", "2");
        let second = digest();
        assert_ne!(second.sha256, first.sha256);
        fs::rename(dir.path().join("src/a"), dir.path().join("src/b")).unwrap();
        assert_ne!(digest().sha256, second.sha256);
    }

    #[test]
    fn a_file_named_like_a_litter_directory_counts() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "target", "1");
        assert_eq!(digest_directory(dir.path(), &|_| false).unwrap().files, 1);
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
        let first = digest_directory(dir.path(), &|_| false).unwrap();
        assert_eq!(first.files, 1);
        fs::remove_file(dir.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("loop")).unwrap();
        assert_ne!(digest_directory(dir.path(), &|_| false).unwrap().sha256, first.sha256);
    }
}
