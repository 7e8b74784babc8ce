//! What takes up space in a project: its well-known directories, its largest files, and directories of dependencies and
//! build output within what is measured. Links are not followed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use walkdir::WalkDir;

use crate::project::{KNOWN, is_foreign};

/// How many of the largest files are told.
const LARGEST: usize = 25;

/// What takes up space.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    /// Bytes of each well-known directory that exists, everything below it included.
    pub(crate) dir_sizes: BTreeMap<String, u64>,
    /// The largest files of the project's own, largest first.
    pub(crate) largest_files: Vec<FileSize>,
    /// How many paths could not be read.
    pub(crate) unread: u64,
}

/// A file and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FileSize {
    /// Path from the project's root, with `/` on every platform.
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

impl Footprint {
    /// Walks the project at `root`. Files in hidden directories, dependencies and build output count towards the
    /// directories, but are not among the largest files; nor are those that `is_own` says are the tool's.
    pub(crate) fn measure(root: &Path, is_own: &dyn Fn(&[u8]) -> bool) -> Self {
        let mut footprint = Self::default();
        for name in KNOWN.directories.well_known.iter().filter(|name| root.join(name).is_dir()) {
            footprint.dir_sizes.insert(name.clone(), 0);
        }
        for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
            let Ok(entry) = entry else {
                footprint.unread += 1;
                continue;
            };
            if entry.file_type().is_dir() {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                footprint.unread += 1;
                continue;
            };
            let Ok(below) = entry.path().strip_prefix(root) else { continue };
            let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if let Some(bytes) = footprint.dir_sizes.get_mut(&parts[0]).filter(|_| parts.len() > 1) {
                *bytes += metadata.len();
            }
            let dirs = &parts[..parts.len() - 1];
            let path = parts.join("/");
            let is_projects = !dirs.iter().any(|dir| dir.starts_with('.') || is_foreign(dir));
            if is_projects && metadata.is_file() && !is_own(path.as_bytes()) {
                footprint.keep_if_large(FileSize { path, bytes: metadata.len() });
            }
        }
        footprint
    }

    fn keep_if_large(&mut self, file: FileSize) {
        let place = self.largest_files.partition_point(|other| other.bytes >= file.bytes);
        if place < LARGEST {
            self.largest_files.insert(place, file);
            self.largest_files.truncate(LARGEST);
        }
    }
}

/// A directory of dependencies, caches or build output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BloatDir {
    /// Path from the project's root, with `/` on every platform.
    pub path: String,
    /// The configured size path that it is in, and whose all-bytes size it therefore moves.
    pub in_size_path: Option<String>,
}

/// The bloat directories at the project's root and within the configured size paths, in order of their paths. A
/// directory inside another one is not told apart, and neither is one that is itself configured to be measured.
pub(crate) fn bloat_dirs(root: &Path, size_paths: &[String]) -> Vec<BloatDir> {
    let mut found: Vec<BloatDir> = Vec::new();
    let starts = size_paths.iter().map(|path| (path.as_str(), Some(path), usize::MAX));
    for (start, size_path, depth) in starts.chain([("", None, 1)]) {
        let mut walk = WalkDir::new(root.join(start)).min_depth(1).max_depth(depth).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            // What cannot be read is the size probe's to report.
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_dir() {
                continue;
            }
            let is_bloat = KNOWN.directories.bloat.iter().any(|name| entry.file_name() == name.as_str());
            if is_bloat || entry.file_name() == ".git" {
                walk.skip_current_dir();
            }
            let (true, Ok(below)) = (is_bloat, entry.path().strip_prefix(root)) else { continue };
            let path = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if !is_configured(&path, size_paths) && !found.iter().any(|dir| dir.path == path) {
                found.push(BloatDir { path, in_size_path: size_path.cloned() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn is_configured(path: &str, size_paths: &[String]) -> bool {
    size_paths.iter().any(|size_path| size_path.trim_start_matches("./").trim_end_matches('/') == path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn directories_and_the_largest_files_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        };
        for i in 0..30 {
            write(&format!("src/f{i:02}"), i);
        }
        write("node_modules/x/big.js", 1000);
        write("VIBESHIP_OPTIMIZER.md", 500);
        write("top.bin", 29);
        let footprint = Footprint::measure(dir.path(), &|path| path == b"VIBESHIP_OPTIMIZER.md");
        assert_eq!(footprint.dir_sizes, BTreeMap::from([("node_modules".to_owned(), 1000), ("src".to_owned(), 435)]));
        assert_eq!(footprint.largest_files.len(), LARGEST);
        assert_eq!(footprint.largest_files[0], FileSize { path: "src/f29".to_owned(), bytes: 29 });
        assert_eq!(footprint.largest_files[1].path, "top.bin");
        assert_eq!(footprint.unread, 0);
    }

    #[test]
    fn bloat_is_found_at_the_root_and_in_the_measured_paths() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["node_modules/a/build", "lib/x/__pycache__", "docs/__pycache__", "dist", ".git/build", "src"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("build"), "a file").unwrap();
        let found = bloat_dirs(dir.path(), &["lib".to_owned(), "dist/".to_owned(), "absent".to_owned()]);
        let told: Vec<(&str, Option<&str>)> =
            found.iter().map(|dir| (dir.path.as_str(), dir.in_size_path.as_deref())).collect();
        assert_eq!(told, [("lib/x/__pycache__", Some("lib")), ("node_modules", None)]);
    }
}
