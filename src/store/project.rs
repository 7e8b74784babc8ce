//! A project: its root, and the paths of its state, evidence, logbook and config.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::model::ChangeId;
use crate::model::own::{ATTRIBUTES, STATE_DIRS};
pub(crate) use crate::model::own::{
    EVIDENCE_DIR, LEGACY_LOGBOOK, LEGACY_STATE_DIR, LOGBOOK, ROOT_CONFIGS, STATE_CONFIGS, STATE_DIR, SUPERSEDED,
    config_names,
};
use crate::os::files;
use crate::store::{Result, StoreError, atomic};

/// What git must ignore in the state directory.
const STATE_IGNORES: &str = "# What belongs to one checkout alone; everything else here is meant to be committed.\n\
    /lock\n/holder.json\n/active\n/cache/\n.vibeship-*.tmp\n";
/// Evidence is compared byte by byte, so git must not convert line ends.
const NO_CONVERSION: &str = "* -text linguist-generated=true\n";

pub(crate) fn record_dirs() -> &'static [String; 2] {
    static DIRS: LazyLock<[String; 2]> =
        LazyLock::new(|| [STATE_DIR, LEGACY_STATE_DIR].map(|dir| format!("{dir}/changes/")));
    &DIRS
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
    state_name: &'static str,
}

impl Project {
    /// Finds the project of `start`: the nearest directory upwards with a state directory or a config, or else the root
    /// of the git checkout, or else `start`. Directories above a checkout's root belong to other projects. An
    /// `explicit_root` is used as it is.
    pub(crate) fn find(start: &Path, explicit_root: Option<&Path>) -> Result<Self> {
        let wanted = explicit_root.unwrap_or(start);
        let no_root = || StoreError::NoRoot { path: wanted.to_owned() };
        let full = files::canonical(wanted).ok().filter(|full| full.is_dir()).ok_or_else(no_root)?;
        let root = if explicit_root.is_some() { full } else { nearest_root(&full) };
        let state = root.join(STATE_DIR);
        if state.exists() && !state.is_dir() {
            return Err(StoreError::NotADirectory { path: state });
        }
        Ok(Self { state_name: state_name(&root)?, root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.root.join(self.state_name)
    }

    /// Whether `init` was run: the state directory or a config exists.
    pub(crate) fn is_initialized(&self) -> bool {
        self.state_dir().is_dir() || self.config_path().is_some()
    }

    pub(crate) fn changes_dir(&self) -> PathBuf {
        self.state_dir().join("changes")
    }

    pub(crate) fn snapshots_dir(&self) -> PathBuf {
        self.state_dir().join("snapshots")
    }

    pub(crate) fn attestations_dir(&self) -> PathBuf {
        self.state_dir().join("attestations")
    }

    /// Can be created again; not committed.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.state_dir().join("cache")
    }

    pub(crate) fn evidence_dir(&self) -> PathBuf {
        self.root.join("reports").join("optimizer")
    }

    pub(crate) fn record_path(&self, id: &ChangeId) -> PathBuf {
        self.changes_dir().join(format!("{id}.json"))
    }

    pub(crate) fn active_path(&self) -> PathBuf {
        self.state_dir().join("active")
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.state_dir().join("lock")
    }

    pub(crate) fn holder_path(&self) -> PathBuf {
        self.state_dir().join("holder.json")
    }

    pub(crate) fn monitor_path(&self) -> PathBuf {
        self.state_dir().join("monitor.json")
    }

    /// The logbook, under its old name if only that exists.
    pub(crate) fn logbook_path(&self) -> PathBuf {
        let current = self.root.join(LOGBOOK);
        let legacy = self.root.join(LEGACY_LOGBOOK);
        if !current.exists() && legacy.is_file() { legacy } else { current }
    }

    /// Every possible config path; the first that exists is used.
    pub(crate) fn config_places(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let (root, state) = (self.root.clone(), self.state_dir());
        let in_root = ROOT_CONFIGS.iter().map(move |name| root.join(name));
        in_root.chain(STATE_CONFIGS.iter().map(move |name| state.join(name)))
    }

    /// The config in use, if any. Need not be a regular file: otherwise reading it is an error, not a missing config.
    pub(crate) fn config_path(&self) -> Option<PathBuf> {
        self.config_places().find(|path| path.symlink_metadata().is_ok())
    }

    /// The tool's own paths in a project, from the root.
    pub(crate) fn own_places(&self) -> Vec<String> {
        let places = [self.state_name, EVIDENCE_DIR, LOGBOOK, LEGACY_LOGBOOK].into_iter().chain(ROOT_CONFIGS);
        places.map(str::to_owned).collect()
    }

    pub(crate) fn config_path_or_default(&self) -> PathBuf {
        self.config_path().unwrap_or_else(|| self.default_config_path())
    }

    pub(crate) fn default_config_path(&self) -> PathBuf {
        self.state_dir().join(STATE_CONFIGS[0])
    }

    /// Every directory in which writers with the lock put files.
    pub(crate) fn written_directories(&self) -> Vec<PathBuf> {
        let in_state = STATE_DIRS.iter().chain(&["cache"]).map(|name| self.state_dir().join(name));
        [self.root.clone(), self.state_dir(), self.evidence_dir()].into_iter().chain(in_state).collect()
    }

    pub(crate) fn prepare_state(&self) -> Result<()> {
        let dir = self.state_dir();
        create_once(&dir.join(".gitignore"), STATE_IGNORES)?;
        create_once(&dir.join(ATTRIBUTES), NO_CONVERSION)
    }

    /// Creates a directory of evidence with git attributes; the state directory has them already.
    pub(crate) fn prepare_evidence(&self, dir: &Path) -> Result<()> {
        if dir == self.evidence_dir() { create_once(&dir.join(ATTRIBUTES), NO_CONVERSION) } else { Ok(()) }
    }

    /// A path as recorded: relative to the root with `/`, or unchanged if it is elsewhere.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy();
        if cfg!(windows) { relative.replace('\\', "/") } else { relative.into_owned() }
    }
}

/// Creates a file if there is none; an edited one is kept.
fn create_once(path: &Path, text: &str) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    // Not every caller has the lock yet.
    match atomic::create_free(path, text.as_bytes()) {
        Err(StoreError::Exists { .. }) => Ok(()),
        other => other,
    }
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

/// The state directory in use. An error if both contain state, since using one would hide the other.
fn state_name(root: &Path) -> Result<&'static str> {
    let holds_state = |name: &str| {
        let entries = std::fs::read_dir(root.join(name)).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|e| !matches!(e.file_name().to_str(), Some(".gitignore" | ATTRIBUTES | "lock" | "holder.json")))
    };
    match (holds_state(STATE_DIR), holds_state(LEGACY_STATE_DIR)) {
        (true, true) => Err(StoreError::TwoStates { one: root.join(STATE_DIR), other: root.join(LEGACY_STATE_DIR) }),
        (false, true) => Ok(LEGACY_STATE_DIR),
        (_, false) => Ok(STATE_DIR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn legacy_state_is_used_while_it_alone_holds_state_and_two_that_do_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let name = || Project::find(temp.path(), Some(temp.path())).unwrap().state_dir();
        std::fs::create_dir(temp.path().join(LEGACY_STATE_DIR)).unwrap();
        assert!(name().ends_with(STATE_DIR), "an empty one holds no state");
        touch(&temp.path().join(LEGACY_STATE_DIR).join("config.yml"));
        assert!(name().ends_with(LEGACY_STATE_DIR));
        touch(&temp.path().join(STATE_DIR).join(".gitignore"));
        assert!(name().ends_with(LEGACY_STATE_DIR));
        touch(&temp.path().join(STATE_DIR).join("config.yml"));
        let refused = Project::find(temp.path(), Some(temp.path())).unwrap_err().to_string();
        assert!(refused.contains(STATE_DIR) && refused.contains(LEGACY_STATE_DIR), "{refused}");
    }

    #[test]
    fn a_root_that_is_no_directory_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let error = Project::find(temp.path(), Some(&temp.path().join("nowhere"))).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
