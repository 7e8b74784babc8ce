//! Directories of dependencies, caches and build output that lie about in a project: they blow up the sizes that are
//! measured without being part of any change.

use std::path::Path;

use serde::Serialize;
use walkdir::WalkDir;

/// Name of the directory, and what writes it.
const BLOAT: &[(&str, &str)] = &[
    (".cache", "caches"),
    (".gradle", "Gradle"),
    (".mypy_cache", "mypy"),
    (".next", "Next.js"),
    (".nuxt", "Nuxt"),
    (".parcel-cache", "Parcel"),
    (".pytest_cache", "pytest"),
    (".ruff_cache", "Ruff"),
    (".tox", "tox"),
    (".turbo", "Turborepo"),
    (".venv", "a Python environment"),
    ("__pycache__", "compiled Python"),
    ("build", "build output"),
    ("coverage", "coverage reports"),
    ("dist", "build output"),
    ("htmlcov", "coverage reports"),
    ("node_modules", "installed packages"),
    ("target", "build output"),
    ("venv", "a Python environment"),
];

/// One such directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BloatDir {
    /// Path from the project's root, with `/` on every platform.
    pub path: String,
    pub what: String,
    /// The configured size path that it lies in, and whose all-bytes size it therefore moves.
    pub in_size_path: Option<String>,
}

/// The bloat directories at the project's root and within the configured size paths, in order of their paths. A
/// directory inside another one is not told apart, and neither is one that is itself configured to be measured.
pub fn find(root: &Path, size_paths: &[String]) -> Vec<BloatDir> {
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
            let what = BLOAT.iter().find(|(name, _)| entry.file_name() == *name).map(|(_, what)| *what);
            if what.is_some() || entry.file_name() == ".git" {
                walk.skip_current_dir();
            }
            let (Some(what), Ok(below)) = (what, entry.path().strip_prefix(root)) else { continue };
            let path = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            if !is_configured(&path, size_paths) && !found.iter().any(|dir| dir.path == path) {
                found.push(BloatDir { path, what: what.to_owned(), in_size_path: size_path.cloned() });
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
    fn bloat_is_found_at_the_root_and_in_the_measured_paths() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["node_modules/a/build", "lib/x/__pycache__", "docs/__pycache__", "dist", ".git/build", "src"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("build"), "a file").unwrap();
        let found = find(dir.path(), &["lib".to_owned(), "dist/".to_owned(), "absent".to_owned()]);
        let told: Vec<(&str, Option<&str>)> =
            found.iter().map(|dir| (dir.path.as_str(), dir.in_size_path.as_deref())).collect();
        assert_eq!(told, [("lib/x/__pycache__", Some("lib")), ("node_modules", None)]);
    }
}
