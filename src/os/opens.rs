//! Observes which files in some directories are opened, by any process. Works on Linux only.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// The maximum number of directories that are watched: the kernel limits the watches of all programs of a user
/// together.
#[cfg(target_os = "linux")]
const MOST: usize = 20_000;

#[derive(Debug)]
pub struct Opens {
    #[cfg(target_os = "linux")]
    inotify: std::os::fd::OwnedFd,
    #[cfg(target_os = "linux")]
    directories: std::collections::BTreeMap<i32, PathBuf>,
}

#[cfg(target_os = "linux")]
impl Opens {
    /// Watches these directories, not their subdirectories; `None` if the system does not allow it.
    pub fn watch(directories: &BTreeSet<PathBuf>) -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        if directories.len() > MOST {
            return None;
        }
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let watch = |path: &PathBuf| match add_watch(&inotify, path, WatchFlags::OPEN | WatchFlags::ONLYDIR) {
            Ok(number) => Some(Some((number, path.clone()))),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Some(None),
            Err(_) => None,
        };
        let directories = directories.iter().map(watch).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
        Some(Self { inotify, directories })
    }

    /// The files opened since the last call, and whether events were lost because the queue was full.
    pub fn opened(&mut self) -> (BTreeSet<PathBuf>, bool) {
        use rustix::fs::inotify::{ReadFlags, Reader};
        use std::os::unix::ffi::OsStrExt as _;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 << 10];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let (mut found, mut lost) = (BTreeSet::new(), false);
        while let Ok(event) = events.next() {
            lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            let directory = self.directories.get(&event.wd()).filter(|_| !event.events().contains(ReadFlags::ISDIR));
            if let Some((directory, name)) = directory.zip(event.file_name()) {
                found.insert(directory.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
            }
        }
        (found, lost)
    }
}

#[cfg(not(target_os = "linux"))]
impl Opens {
    pub fn watch(_directories: &BTreeSet<PathBuf>) -> Option<Self> {
        None
    }

    pub fn opened(&mut self) -> (BTreeSet<PathBuf>, bool) {
        (BTreeSet::new(), true)
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_file_is_reported_once_and_a_listed_directory_never() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let mut opens = Opens::watch(&[dir.path().to_owned(), dir.path().join("none")].into()).unwrap();
        let _ = (std::fs::read(&file).unwrap(), std::fs::read_dir(dir.path().join("sub")).unwrap());
        assert_eq!(opens.opened(), ([file].into(), false));
        assert_eq!(opens.opened(), (BTreeSet::new(), false));
    }
}
