//! Where everything lies: the project's root, its state directory, reports, logbook and config, and which
//! paths are the tool's own. Must not read or judge what is in the files.

use std::path::{Path, PathBuf};

use crate::os::files;
use crate::store::{StoreError, atomic};

/// The state directory.
pub const STATE_DIR: &str = ".vibeship-optimizer";
/// The state directory of old projects, used while it holds state and the other does not.
pub const LEGACY_STATE_DIR: &str = ".vibeship_optimizer";
/// The logbook.
pub const LOGBOOK: &str = "VIBESHIP_OPTIMIZER.md";
/// The logbook of old projects; `init` renames it.
pub const LEGACY_LOGBOOK: &str = "OPTIMIZATION_CHECKER.md";
/// The committed evidence, relative to the root.
pub const EVIDENCE_DIR: &str = "reports/optimizer";
/// What the name of an evidence file holds once a newer one has taken its own.
pub const SUPERSEDED: &str = ".superseded-";
/// Names of a config in the root, in order of precedence, before those in the state directory.
pub const ROOT_CONFIGS: [&str; 2] = ["vibeship_optimizer.yml", "vibeship_optimizer.yaml"];
/// Names of a config in the state directory, in order of precedence.
pub const STATE_CONFIGS: [&str; 3] = ["config.yml", "config.yaml", "config.json"];

/// What git is not to keep of the state directory.
const STATE_IGNORES: &str = "# What belongs to one checkout alone; everything else here is meant to be committed.\n\
    /lock\n/holder.json\n/active\n/cache/\n/.vibeship-*.tmp\n";

/// A project: its root and the place of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
    state_name: &'static str,
}

impl Project {
    /// Finds the project that `start` lies in: the nearest directory upwards that holds a state directory or
    /// a config, else the root of the git checkout, else `start` itself. A checkout's root is never passed:
    /// what lies above it is another project. An `explicit_root` is taken as it is.
    pub fn find(start: &Path, explicit_root: Option<&Path>) -> Result<Self, StoreError> {
        let given = explicit_root.unwrap_or(start);
        let full = files::canonical(given).map_err(|_| StoreError::NoRoot { path: given.to_owned() })?;
        if !full.is_dir() {
            return Err(StoreError::NoRoot { path: given.to_owned() });
        }
        let root = if explicit_root.is_some() { full } else { nearest_root(&full) };
        let state_name = state_name(&root);
        Ok(Self { root, state_name })
    }

    /// The root, without links, `.` and `..`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state directory, whether or not it exists yet.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(self.state_name)
    }

    /// Whether `init` has been run: the state directory or a config exists.
    pub fn is_initialized(&self) -> bool {
        self.state_dir().is_dir() || self.config_path().is_some()
    }

    /// The records of the changes.
    pub fn changes_dir(&self) -> PathBuf {
        self.state_dir().join("changes")
    }

    /// Snapshots that belong to no change.
    pub fn snapshots_dir(&self) -> PathBuf {
        self.state_dir().join("snapshots")
    }

    /// Review attestations.
    pub fn attestations_dir(&self) -> PathBuf {
        self.state_dir().join("attestations")
    }

    /// Review bundles.
    pub fn review_bundles_dir(&self) -> PathBuf {
        self.state_dir().join("review_bundles")
    }

    /// Reports of monitor days, as the original keeps them.
    pub fn state_reports_dir(&self) -> PathBuf {
        self.state_dir().join("reports")
    }

    /// What can be made again: not committed.
    pub fn cache_dir(&self) -> PathBuf {
        self.state_dir().join("cache")
    }

    /// The committed evidence.
    pub fn evidence_dir(&self) -> PathBuf {
        self.root.join("reports").join("optimizer")
    }

    /// The record of a change.
    pub fn record_path(&self, id: &str) -> Result<PathBuf, StoreError> {
        Ok(self.changes_dir().join(format!("{}.json", safe_name(id)?)))
    }

    /// The file that names this checkout's active change.
    pub fn active_path(&self) -> PathBuf {
        self.state_dir().join("active")
    }

    /// The lock file.
    pub fn lock_path(&self) -> PathBuf {
        self.state_dir().join("lock")
    }

    /// The note of who holds the lock.
    pub fn holder_path(&self) -> PathBuf {
        self.state_dir().join("holder.json")
    }

    /// The original's single monitor state.
    pub fn monitor_path(&self) -> PathBuf {
        self.state_dir().join("monitor.json")
    }

    /// The logbook: under its old name while only that exists.
    pub fn logbook_path(&self) -> PathBuf {
        let current = self.root.join(LOGBOOK);
        let legacy = self.root.join(LEGACY_LOGBOOK);
        if !current.exists() && legacy.is_file() { legacy } else { current }
    }

    /// Every place where a config may lie; the first that exists is in force.
    pub fn config_places(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let (root, state) = (self.root.clone(), self.state_dir());
        let in_root = ROOT_CONFIGS.iter().map(move |name| root.join(name));
        in_root.chain(STATE_CONFIGS.iter().map(move |name| state.join(name)))
    }

    /// The config in force, if there is one; whatever lies there, since it is then an error and not no config.
    pub fn config_path(&self) -> Option<PathBuf> {
        self.config_places().find(|path| path.symlink_metadata().is_ok())
    }

    /// Where `init` writes a config when there is none.
    pub fn default_config_path(&self) -> PathBuf {
        self.state_dir().join(STATE_CONFIGS[0])
    }

    /// Every directory that writers under the lock put files in.
    pub fn written_directories(&self) -> Vec<PathBuf> {
        vec![
            self.root.clone(),
            self.state_dir(),
            self.changes_dir(),
            self.snapshots_dir(),
            self.attestations_dir(),
            self.review_bundles_dir(),
            self.state_reports_dir(),
            self.cache_dir(),
            self.state_dir().join("legacy"),
            self.state_dir().join("calibration"),
            self.evidence_dir(),
        ]
    }

    /// Creates the state directory with the list of what git is not to keep of it. Leaves a list that a
    /// person has edited alone.
    pub fn prepare_state(&self) -> Result<(), StoreError> {
        let ignores = self.state_dir().join(".gitignore");
        if ignores.exists() {
            return Ok(());
        }
        match atomic::create_new(&ignores, STATE_IGNORES.as_bytes()) {
            Err(StoreError::Exists { .. }) => Ok(()),
            other => other,
        }
    }

    /// A path as records hold it: relative to the root and with `/`, or as it is when it lies elsewhere.
    pub fn relative(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy();
        if cfg!(windows) { relative.replace('\\', "/") } else { relative.into_owned() }
    }
}

/// Tells the tool's own files from the project's, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnPaths {
    prefix: Vec<u8>,
}

impl OwnPaths {
    /// For a project whose root is `prefix` (with or without the last `/`) below the root that the paths
    /// are relative to; empty when the two are the same.
    pub fn below(prefix: &[u8]) -> Self {
        let mut prefix = prefix.to_vec();
        if prefix.last().is_some_and(|last| *last != b'/') {
            prefix.push(b'/');
        }
        Self { prefix }
    }

    /// Whether a relative path (with `/`) is one of the files or directories that the tool itself writes to stay: state,
    /// evidence, logbook; under their old names too. Anything else that somebody puts beside them is the project's, or
    /// code could hide there; so is what is no regular file, which the path does not tell.
    pub fn is_own(&self, path: &[u8]) -> bool {
        let Some(path) = self.relative(path) else { return false };
        [STATE_DIR, LEGACY_STATE_DIR].into_iter().any(|dir| within(path, dir).is_some_and(is_state))
            || within(path, EVIDENCE_DIR).is_some_and(is_evidence)
            || path == LOGBOOK.as_bytes()
            || path == LEGACY_LOGBOOK.as_bytes()
    }

    /// Whether a relative path is one that the tool leaves lying and nobody commits: what can be made again, and what a
    /// killed write left. Its own only while it is untracked, or code could be committed under such a name.
    pub fn is_left(&self, path: &[u8]) -> bool {
        let Some(path) = self.relative(path) else { return false };
        let (dir, name) =
            path.iter().rposition(|byte| *byte == b'/').map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        let in_state = |rest: &[u8]| rest == b"cache" || rest.starts_with(b"cache/");
        let written = |rest: &[u8]| rest.is_empty() || STATE_DIRS.iter().any(|known| known.as_bytes() == rest);
        let states = || [STATE_DIR, LEGACY_STATE_DIR].into_iter();
        states().any(|state| within(path, state).is_some_and(in_state))
            || atomic::is_temporary(name)
                && (dir.is_empty()
                    || dir == EVIDENCE_DIR.as_bytes()
                    || states().any(|state| within(dir, state).is_some_and(written)))
    }

    fn relative<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let path = path.strip_prefix(self.prefix.as_slice())?;
        Some(path.strip_suffix(b"/").unwrap_or(path))
    }
}

/// Directories in the state directory that hold the tool's files.
const STATE_DIRS: [&str; 7] =
    ["changes", "snapshots", "attestations", "review_bundles", "reports", "legacy", "calibration"];
/// Files in the state directory.
const STATE_FILES: [&str; 5] = [".gitignore", "lock", "holder.json", "active", "monitor.json"];
/// Endings of reports and their data. Nothing with another ending is evidence, wherever it lies: it could be code.
const ENDINGS: [&str; 10] = ["json", "jsonl", "md", "svg", "txt", "html", "xml", "csv", "png", "log"];

/// What of a path lies below a directory; empty for the directory itself.
fn within<'a>(path: &'a [u8], dir: &str) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(dir.as_bytes())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

fn is_state(rest: &[u8]) -> bool {
    let mut parts = rest.splitn(2, |byte| *byte == b'/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let named = |names: &[&str]| names.iter().any(|name| name.as_bytes() == first);
    match second {
        None => first.is_empty() || named(&STATE_DIRS) || named(&STATE_FILES) || named(&STATE_CONFIGS),
        Some(file) => named(&STATE_DIRS) && !file.contains(&b'/') && is_written(file),
    }
}

fn is_evidence(rest: &[u8]) -> bool {
    rest.is_empty() || (!rest.contains(&b'/') && is_written(rest))
}

fn is_written(file: &[u8]) -> bool {
    let ending = file.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    ENDINGS.iter().any(|known| known.as_bytes() == ending)
}

/// Returns the name if it can be one part of a file's name on every platform.
pub fn safe_name(name: &str) -> Result<&str, StoreError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > 128 {
        "it is longer than 128 bytes"
    } else if name.starts_with(['.', '-']) {
        "it starts with a dot or a dash"
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        "only letters, digits, '-', '_' and '.' are allowed"
    } else if name.contains("..") || name.ends_with('.') {
        "it has two dots in a row or ends with one"
    } else if is_device(name) {
        "Windows keeps this name for a device"
    } else {
        return Ok(name);
    };
    Err(StoreError::UnsafeName { name: name.chars().take(80).collect(), reason })
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let numbered =
        |kind: &str| stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

fn nearest_root(start: &Path) -> PathBuf {
    for dir in start.ancestors() {
        let has_state = [STATE_DIR, LEGACY_STATE_DIR].iter().any(|name| dir.join(name).is_dir());
        let has_config = ROOT_CONFIGS.iter().any(|name| dir.join(name).is_file());
        // `.git` is a file in linked worktrees and submodules.
        if has_state || has_config || dir.join(".git").exists() {
            return dir.to_owned();
        }
    }
    start.to_owned()
}

fn state_name(root: &Path) -> &'static str {
    let holds_state = |name: &str| {
        let entries = std::fs::read_dir(root.join(name)).into_iter().flatten().flatten();
        entries.into_iter().any(|e| !matches!(e.file_name().to_str(), Some(".gitignore" | "lock" | "holder.json")))
    };
    if !holds_state(STATE_DIR) && holds_state(LEGACY_STATE_DIR) { LEGACY_STATE_DIR } else { STATE_DIR }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }

    fn found(start: &Path) -> PathBuf {
        Project::find(start, None).unwrap().root().to_owned()
    }

    #[test]
    fn the_root_is_the_nearest_state_then_the_checkout_then_the_start() {
        let temp = tempfile::tempdir().unwrap();
        let base = files::canonical(temp.path()).unwrap();
        let deep = base.join("mono/packages/api/src");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(found(&deep), deep);
        std::fs::create_dir_all(base.join("mono/.git")).unwrap();
        assert_eq!(found(&deep), base.join("mono"));
        std::fs::create_dir_all(base.join("mono/packages/api").join(STATE_DIR)).unwrap();
        assert_eq!(found(&deep), base.join("mono/packages/api"));
    }

    #[test]
    fn state_above_the_checkout_is_another_projects() {
        let temp = tempfile::tempdir().unwrap();
        let base = files::canonical(temp.path()).unwrap();
        touch(&base.join(STATE_DIR).join("config.yml"));
        touch(&base.join("work/.git"));
        assert_eq!(found(&base.join("work")), base.join("work"));
    }

    #[test]
    fn a_config_in_the_root_marks_it_and_comes_first() {
        let temp = tempfile::tempdir().unwrap();
        let base = files::canonical(temp.path()).unwrap();
        touch(&base.join("a/b/x"));
        touch(&base.join("vibeship_optimizer.yaml"));
        let project = Project::find(&base.join("a/b"), None).unwrap();
        assert_eq!(project.root(), base);
        touch(&project.state_dir().join("config.json"));
        assert_eq!(project.config_path().unwrap(), base.join("vibeship_optimizer.yaml"));
        touch(&base.join("vibeship_optimizer.yml"));
        assert_eq!(project.config_path().unwrap(), base.join("vibeship_optimizer.yml"));
    }

    #[test]
    fn legacy_state_is_used_only_while_it_alone_holds_state() {
        let temp = tempfile::tempdir().unwrap();
        let name = || Project::find(temp.path(), Some(temp.path())).unwrap().state_dir();
        std::fs::create_dir(temp.path().join(LEGACY_STATE_DIR)).unwrap();
        assert!(name().ends_with(STATE_DIR), "an empty one holds no state");
        touch(&temp.path().join(LEGACY_STATE_DIR).join("config.yml"));
        assert!(name().ends_with(LEGACY_STATE_DIR));
        touch(&temp.path().join(STATE_DIR).join(".gitignore"));
        assert!(name().ends_with(LEGACY_STATE_DIR));
        touch(&temp.path().join(STATE_DIR).join("config.yml"));
        assert!(name().ends_with(STATE_DIR));
    }

    #[test]
    fn a_root_that_is_no_directory_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let error = Project::find(temp.path(), Some(&temp.path().join("nowhere"))).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }

    #[test]
    fn own_paths_are_state_evidence_and_logbook_alone() {
        let own = OwnPaths::default();
        for path in [
            ".vibeship-optimizer/changes/x.json",
            ".vibeship-optimizer/",
            ".vibeship_optimizer/config.yml",
            ".vibeship-optimizer/.gitignore",
            "reports/optimizer/x.md",
            "VIBESHIP_OPTIMIZER.md",
            "OPTIMIZATION_CHECKER.md",
        ] {
            assert!(own.is_own(path.as_bytes()) && !own.is_left(path.as_bytes()), "{path}");
        }
        for path in [
            ".vibeship-optimizer/cache/arms/x.bin",
            ".vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/.vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/changes/.vibeship-write-a1b2c3.tmp",
            "reports/optimizer/.vibeship-write-a1b2c3.tmp",
        ] {
            assert!(own.is_left(path.as_bytes()) && !own.is_own(path.as_bytes()), "{path}");
        }
        for path in [
            "src/.vibeship-optimizer/x",
            ".vibeship-optimizer/run.sh",
            ".vibeship-optimizer/lib/a.json",
            ".vibeship-optimizer/changes/a.py",
            "reports/optimizer/app.py",
            "reports/optimizer/deep/x.md",
            ".vibeship-optimizer2/x",
            "reports/optimizers",
            "reports/x",
            "docs/VIBESHIP_OPTIMIZER.md",
            "VIBESHIP_OPTIMIZER.md/x",
            "vibeship_optimizer.yml",
            ".vibeship-write-x/y.tmp",
            "src/.vibeship-write-a1b2c3.tmp",
            ".vibeship-optimizer/lib/.vibeship-write-a1b2c3.tmp",
        ] {
            assert!(!own.is_own(path.as_bytes()) && !own.is_left(path.as_bytes()), "{path}");
        }
        let nested = OwnPaths::below(b"packages/api");
        assert!(nested.is_own(b"packages/api/VIBESHIP_OPTIMIZER.md"));
        assert!(!nested.is_own(b"VIBESHIP_OPTIMIZER.md"));
        assert!(!nested.is_own(b"packages/api2/VIBESHIP_OPTIMIZER.md"));
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for bad in ["", "../x", "a/b", "a\\b", ".x", "-x", "a..b", "x.", "a b", "a\n", "con", "NUL.txt", "com1", "ü"] {
            assert!(safe_name(bad).is_err(), "{bad:?}");
        }
        for good in ["chg-20260218-123900", "chg-advisory-source-roles-realignment", "chg-20260101-000000-a_b", "com10"]
        {
            assert!(safe_name(good).is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn a_record_never_lies_outside_its_directory(id in "\\PC*") {
            let project = Project { root: PathBuf::from("/p"), state_name: STATE_DIR };
            if let Ok(path) = project.record_path(&id) {
                let dir = project.changes_dir();
                prop_assert_eq!(path.parent().unwrap(), dir.as_path());
                prop_assert_eq!(path.components().count(), 5);
            }
        }
    }
}
