//! Which files of a checkout are opened while a command runs: tracked ones, and untracked ones except dependencies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::os::{Opens, files};

/// The maximum number of untracked directories that are watched.
const MOST_UNTRACKED: usize = 5_000;
/// Caches of compiled Python, next to their sources.
const PYTHON_CACHE: &str = "__pycache__";

#[derive(Debug)]
pub(crate) struct FileWatch {
    root: PathBuf,
    tracked: BTreeSet<PathBuf>,
    /// Directories of untracked files, without the shared ones.
    untracked: BTreeSet<PathBuf>,
    /// Paths that may be opened, except for the files in `altered`, which were built from the code.
    shared: Vec<PathBuf>,
    altered: BTreeSet<PathBuf>,
    opens: Option<Opens>,
}

/// Files, relative to the checkout's root.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OpenedFiles {
    pub(crate) tracked: BTreeSet<String>,
    pub(crate) untracked: BTreeSet<String>,
    pub(crate) altered: BTreeSet<String>,
}

impl FileWatch {
    /// `roots` are checkouts in which git tracks these files; the user's own comes first. Files in `shared` may be
    /// opened, except those in `altered`.
    pub(crate) fn new<'t>(
        roots: &[PathBuf],
        tracked: impl Iterator<Item = &'t Vec<u8>> + Clone,
        (shared, altered): (&[PathBuf], BTreeSet<PathBuf>),
    ) -> Self {
        let roots: Vec<PathBuf> =
            roots.iter().map(|root| files::canonical(root).unwrap_or_else(|_| root.clone())).collect();
        let root = roots.first().cloned().unwrap_or_default();
        let tracked = roots.iter().flat_map(|root| tracked.clone().map(|path| root.join(files::path_from_bytes(path))));
        let tracked: BTreeSet<PathBuf> = tracked.filter(|path| !files::is_of_git(path)).collect();
        // Dependencies are not built from the project.
        let is_left = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            let own = [".git", "node_modules", ".vibeship-optimizer", PYTHON_CACHE].iter().any(|left| name == *left);
            own || shared.iter().any(|shared| path == shared) || path.join("pyvenv.cfg").exists()
        };
        let walk =
            WalkDir::new(&root).into_iter().filter_entry(|entry| entry.file_type().is_dir() && !is_left(entry.path()));
        let untracked = walk.flatten().map(walkdir::DirEntry::into_path).take(MOST_UNTRACKED).collect();
        Self { root, tracked, untracked, shared: shared.to_vec(), altered, opens: None }
    }

    /// Starts watching, or restarts, as there may be new caches. Returns whether the system reports opened files.
    pub(crate) fn begin(&mut self) -> bool {
        let sources: BTreeSet<PathBuf> =
            self.tracked.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        let caches = sources.iter().map(|dir| dir.join(PYTHON_CACHE)).filter(|dir| dir.is_dir());
        let altered = self.altered.iter().filter_map(|file| Some(file.parent()?.to_owned()));
        let all = caches.chain(altered).chain(sources.iter().cloned()).chain(self.untracked.iter().cloned()).collect();
        self.opens = Opens::watch(&all);
        self.opens.is_some()
    }

    /// The files opened since the start or the last call.
    pub(crate) fn opened(&mut self) -> OpenedFiles {
        let mut found = OpenedFiles::default();
        let (opened, _) = self.opens.as_mut().map(Opens::opened).unwrap_or_default();
        for path in opened {
            let source = source_of(&path).unwrap_or_else(|| path.clone());
            let name = source.strip_prefix(&self.root).unwrap_or(&source).display().to_string();
            if self.altered.contains(&path) {
                found.altered.insert(name);
            } else if self.tracked.contains(&source) {
                found.tracked.insert(name);
            } else if !self.shared.iter().any(|shared| path.starts_with(shared)) {
                found.untracked.insert(name);
            }
        }
        found
    }
}

/// The source of a file in a cache: `pk/__pycache__/a.cpython-312.pyc` comes from `pk/a.py`.
pub(crate) fn source_of(path: &Path) -> Option<PathBuf> {
    let cache = path.parent().filter(|dir| dir.file_name().is_some_and(|name| name == PYTHON_CACHE))?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(cache.parent()?.join(format!("{}.py", name.split('.').next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiled_file_stands_for_its_source_and_an_own_path_for_nothing() {
        assert_eq!(source_of(Path::new("pk/__pycache__/a.cpython-312.pyc")), Some(PathBuf::from("pk/a.py")));
        assert_eq!(source_of(Path::new("pk/a.py")), None);
    }
}
