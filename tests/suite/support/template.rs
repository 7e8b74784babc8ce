//! The directories that tests work in, and a directory kept in memory, so that the common beginnings are created once
//! per process and then copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A new temporary directory, in memory if the system has such a place and allows programs to run there: on a disk,
/// half of a test's time is waiting for it.
pub(crate) fn scratch() -> tempfile::TempDir {
    // Programs for Windows see the mounts of the system around them, where they cannot work.
    let mounts = if cfg!(unix) { fs::read_to_string("/proc/mounts").unwrap_or_default() } else { String::new() };
    let suits = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let options: Vec<&str> = fields.get(3).unwrap_or(&"").split(',').collect();
        fields[1..3] == ["/dev/shm", "tmpfs"] && options.contains(&"rw") && !options.contains(&"noexec")
    };
    let in_memory = mounts.lines().any(suits).then(|| tempfile::tempdir_in("/dev/shm"));
    in_memory.and_then(Result::ok).unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Sets the modification time of a directory, if the system can open directories.
pub(crate) fn set_changed(dir: &Path, time: SystemTime) {
    if let Ok(dir) = fs::File::open(dir) {
        dir.set_modified(time).unwrap();
    }
}

/// The directories with their modification times and the files with their content, by relative path.
pub(crate) struct Template {
    dirs: Vec<(PathBuf, SystemTime)>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Template {
    /// Reads a directory, except for the samples that git puts into new repositories.
    pub(crate) fn of(root: &Path) -> Self {
        let mut template = Self { dirs: Vec::new(), files: Vec::new() };
        let mut open = vec![PathBuf::new()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(root.join(&dir)).unwrap() {
                let entry = entry.unwrap();
                let path = dir.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    open.push(path);
                } else if path.extension().is_none_or(|extension| extension != "sample") {
                    template.files.push((path, fs::read(entry.path()).unwrap()));
                }
            }
            let changed = fs::metadata(root.join(&dir)).unwrap().modified().unwrap();
            template.dirs.push((dir, changed));
        }
        template
    }

    /// Writes it to a path that does not exist yet.
    pub(crate) fn write(&self, root: &Path) {
        for (dir, _) in &self.dirs {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for (path, bytes) in &self.files {
            fs::write(root.join(path), bytes).unwrap();
        }
        for (dir, changed) in &self.dirs {
            set_changed(&root.join(dir), *changed);
        }
    }
}
