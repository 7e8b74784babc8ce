//! What takes up space in a project: its well-known directories and its largest files, in one walk. Links are not
//! followed; what cannot be read is counted and told.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use walkdir::WalkDir;

use crate::project::marker;

/// Top-level directories whose size is worth telling.
const WELL_KNOWN: &[&str] = &[
    ".git",
    ".next",
    ".venv",
    "app",
    "apps",
    "assets",
    "benchmarks",
    "build",
    "cmd",
    "crates",
    "data",
    "dist",
    "docs",
    "internal",
    "lib",
    "node_modules",
    "packages",
    "pkg",
    "public",
    "scripts",
    "services",
    "src",
    "static",
    "target",
    "test",
    "tests",
    "vendor",
    "venv",
];
/// How many of the largest files are told.
pub const LARGEST: usize = 25;

/// What takes up space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of each well-known directory that exists, everything below it included.
    pub dir_sizes: BTreeMap<String, u64>,
    /// The largest files of the project's own, largest first.
    pub largest_files: Vec<FileSize>,
    /// How many paths could not be read.
    pub unread: u64,
}

/// A file and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSize {
    /// Path from the project's root, with `/` on every platform.
    pub path: String,
    pub bytes: u64,
}

/// Walks the project at `root`. Files in hidden directories, dependencies and build output count towards the
/// directories, but are not among the largest files; nor are those that `is_own` says are the tool's.
pub fn measure(root: &Path, is_own: &dyn Fn(&[u8]) -> bool) -> Footprint {
    let mut footprint = Footprint::default();
    for name in WELL_KNOWN.iter().filter(|name| root.join(name).is_dir()) {
        footprint.dir_sizes.insert((*name).to_owned(), 0);
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
        let is_projects = !dirs.iter().any(|dir| dir.starts_with('.') || marker::is_foreign(dir));
        if is_projects && metadata.is_file() && !is_own(path.as_bytes()) {
            footprint.keep_if_large(FileSize { path, bytes: metadata.len() });
        }
    }
    footprint
}

impl Footprint {
    fn keep_if_large(&mut self, file: FileSize) {
        let place = self.largest_files.partition_point(|other| other.bytes >= file.bytes);
        if place < LARGEST {
            self.largest_files.insert(place, file);
            self.largest_files.truncate(LARGEST);
        }
    }
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
        let footprint = measure(dir.path(), &|path| path == b"VIBESHIP_OPTIMIZER.md");
        assert_eq!(footprint.dir_sizes, BTreeMap::from([("node_modules".to_owned(), 1000), ("src".to_owned(), 435)]));
        assert_eq!(footprint.largest_files.len(), LARGEST);
        assert_eq!(footprint.largest_files[0], FileSize { path: "src/f29".to_owned(), bytes: 29 });
        assert_eq!(footprint.largest_files[1].path, "top.bin");
        assert_eq!(footprint.unread, 0);
    }
}
