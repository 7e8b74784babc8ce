//! The size of a configured path: all bytes below it, and those of tracked files. For the latter the size in git
//! counts, whatever filters do on checkout. Links count with their own length and are not followed; the tool's own
//! files and `.git` are left out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::{fs, io};

use crate::git::{GitError, Repo, TrackedSizes, is_below};
use crate::model::{Size, own};
use crate::os::files;

/// Further warnings for one path are only counted.
const MAX_WARNINGS: usize = 5;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SizeResult {
    /// Its size, and warnings about what could not be read.
    Size(Size, Vec<String>),
    Missing,
    /// Why it cannot be read.
    Unreadable(String),
}

/// The tracked files, relative to the project's root with `/`, with their size in git; `None` if git cannot say.
pub(crate) type Tracked<'a> = Option<&'a TrackedSizes>;

fn is_tracked(tracked: Tracked<'_>, name: Option<&[u8]>) -> bool {
    tracked.zip(name).is_some_and(|(tracked, name)| tracked.contains_key(name))
}

/// Whether a file below a directory is tracked.
fn is_any_below(tracked: Tracked<'_>, dir: &[u8]) -> bool {
    let start = if dir.is_empty() { Vec::new() } else { [dir, b"/"].concat() };
    let next = tracked.and_then(|tracked| tracked.range(start.clone()..).next());
    next.is_some_and(|(name, _)| name.starts_with(&start))
}

/// The bytes of a file in git, or else on disk.
fn bytes_of(tracked: Tracked<'_>, name: Option<&[u8]>, on_disk: &fs::Metadata) -> u64 {
    let held = tracked.zip(name).and_then(|(tracked, name)| *tracked.get(name)?);
    held.unwrap_or(on_disk.len())
}

/// The tracked files of the project at `root`, with the size in git of those below the paths.
pub(crate) fn tracked_sizes(root: &Path, repo: &Repo, paths: &[String]) -> Result<TrackedSizes, GitError> {
    let prefix = repo.prefix();
    let full = |path: Vec<u8>| {
        let mut full = [prefix, path.as_slice()].concat();
        full.pop_if(|last| *last == b'/');
        full
    };
    let asked: Vec<Vec<u8>> = paths.iter().filter_map(|path| relative_to_root(root, path)).map(full).collect();
    let files = repo.tracked_sizes(prefix, &asked)?;
    if prefix.is_empty() {
        return Ok(files);
    }
    Ok(files.into_iter().map(|(mut file, bytes)| (file.split_off(prefix.len()), bytes)).collect())
}

/// Measures `path`, which is relative to `root` (or absolute).
pub(crate) fn measure(root: &Path, path: &str, tracked: Tracked<'_>) -> SizeResult {
    let start = root.join(path);
    let metadata = match fs::metadata(&start) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return SizeResult::Missing;
        }
        Err(error) => return SizeResult::Unreadable(format!("cannot read {path}: {error}")),
        Ok(metadata) => metadata,
    };
    let base = relative_to_root(root, path);
    let tracked = tracked.filter(|_| base.is_some());
    let mut tally = if metadata.is_dir() {
        let is_whole = is_tracked(tracked, base.as_deref());
        walk(Dir { path: start.clone(), name: base.clone(), is_whole }, tracked)
    } else {
        let mut tally = SizeTally::default();
        // For a link, git stores the target.
        let held = tracked.filter(|_| !start.is_symlink());
        tally.add(bytes_of(held, base.as_deref(), &metadata), is_tracked(tracked, base.as_deref()));
        tally
    };
    if let (Some(tracked), Some(base)) = (tracked, &base) {
        tally.add_absent(root, tracked, base);
    }
    if let Some(submodule) = tally.unfetched {
        return SizeResult::Unreadable(format!(
            "size of {path}: the submodule {} is not checked out: run `git submodule update --init --recursive`",
            submodule.display()
        ));
    }
    let size = Size {
        path: start.to_string_lossy().into_owned(),
        bytes: tally.bytes,
        tracked_bytes: tracked.map(|_| tally.tracked_bytes),
        files: Some(tally.files),
        tracked_files: tracked.map(|_| tally.tracked_files),
    };
    SizeResult::Size(size, tally.into_warnings(path))
}

struct Dir {
    path: PathBuf,
    /// From the project's root, if it is inside.
    name: Option<Vec<u8>>,
    /// Whether git tracks it as one entry, as it does for a submodule.
    is_whole: bool,
}

/// State shared by the threads: the directories to visit, and how many are being visited.
struct DirectoryWalk {
    open: Vec<Dir>,
    busy: usize,
    tally: SizeTally,
}

/// Everything below a directory. Reading the size of a file is a system call and takes most of the time, so one thread
/// per core does it.
fn walk(start: Dir, tracked: Tracked<'_>) -> SizeTally {
    let shared = Mutex::new(DirectoryWalk { open: vec![start], busy: 0, tally: SizeTally::default() });
    let changed = Condvar::new();
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        let mut walk = lock();
        while walk.busy > 0 || !walk.open.is_empty() {
            let Some(dir) = walk.open.pop() else {
                walk = changed.wait(walk).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            walk.busy += 1;
            drop(walk);
            let (found, below) = look(dir, tracked);
            walk = lock();
            walk.busy -= 1;
            walk.tally.join(found);
            walk.open.extend(below);
            changed.notify_all();
        }
    };
    let others = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8)) - 1;
    std::thread::scope(|scope| {
        (0..others).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    shared.into_inner().unwrap_or_else(PoisonError::into_inner).tally
}

fn look(Dir { path: dir, name: base, is_whole }: Dir, tracked: Tracked<'_>) -> (SizeTally, Vec<Dir>) {
    let (mut tally, mut below) = (SizeTally::default(), Vec::new());
    let mut entries = match fs::read_dir(&dir) {
        Ok(entries) => entries.peekable(),
        Err(error) => {
            tally.unread(&dir, &error);
            return (tally, below);
        }
    };
    if is_tracked(tracked, base.as_deref()) && entries.peek().is_none() {
        tally.unfetched = Some(dir);
        return (tally, below);
    }
    let are_names_needed = base.as_deref().is_some_and(|base| own::may_be_in(base) || is_any_below(tracked, base));
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tally.unread(&dir, &error);
                continue;
            }
        };
        let (file, kind) = (entry.file_name(), entry.file_type());
        let is_dir = kind.as_ref().is_ok_and(fs::FileType::is_dir);
        let named = base.as_deref().filter(|_| is_dir || are_names_needed);
        let name = named.map(|base| joined([OsStr::as_encoded_bytes(&file)], base));
        let is_left = |name: &[u8]| own::is_left(name) && !is_tracked(tracked, Some(name));
        if file == ".git" || name.as_deref().is_some_and(|name| own::is_own(name) || is_left(name)) {
            continue;
        }
        if is_dir {
            let is_whole = is_whole || is_tracked(tracked, name.as_deref());
            below.push(Dir { path: entry.path(), name, is_whole });
            continue;
        }
        match kind.and_then(|_| entry.metadata()) {
            Ok(metadata) => {
                let bytes = bytes_of(tracked, name.as_deref(), &metadata);
                tally.add(bytes, is_whole || is_tracked(tracked, name.as_deref()));
            }
            Err(error) => tally.unread(&entry.path(), &error),
        }
    }
    (tally, below)
}

#[derive(Default)]
struct SizeTally {
    bytes: u64,
    files: u64,
    tracked_bytes: u64,
    tracked_files: u64,
    unread: Vec<String>,
    /// A submodule that is not checked out.
    unfetched: Option<PathBuf>,
}

impl SizeTally {
    fn add(&mut self, bytes: u64, is_tracked: bool) {
        self.bytes += bytes;
        self.files += 1;
        if is_tracked {
            self.tracked_bytes += bytes;
            self.tracked_files += 1;
        }
    }

    /// Adds the tracked files below a path that a sparse checkout leaves out.
    fn add_absent(&mut self, root: &Path, tracked: &TrackedSizes, base: &[u8]) {
        let held = tracked.iter().filter(|(name, _)| is_below(name, base) && !own::is_own(name));
        let held: Vec<(&[u8], u64)> = held.filter_map(|(name, bytes)| Some((name.as_slice(), (*bytes)?))).collect();
        if held.len() as u64 <= self.tracked_files {
            return;
        }
        for (name, bytes) in held {
            if root.join(files::path_from_bytes(name)).symlink_metadata().is_err() {
                self.add(bytes, true);
            }
        }
    }

    fn unread(&mut self, path: &Path, error: &io::Error) {
        self.unread.push(format!("{}: {error}", path.display()));
    }

    fn join(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.files += other.files;
        self.tracked_bytes += other.tracked_bytes;
        self.tracked_files += other.tracked_files;
        self.unread.extend(other.unread);
        self.unfetched = self.unfetched.take().or(other.unfetched);
    }

    fn into_warnings(mut self, path: &str) -> Vec<String> {
        self.unread.sort();
        let further = self.unread.len().saturating_sub(MAX_WARNINGS);
        let mut warnings: Vec<String> =
            self.unread.iter().take(MAX_WARNINGS).map(|unread| format!("size of {path}: {unread}")).collect();
        if further > 0 {
            warnings.push(format!("size of {path}: {further} further paths unread"));
        }
        warnings
    }
}

/// The configured path relative to the root, without `.` and `..`; `None` if it leads out of the project.
fn relative_to_root(root: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path);
    let path = if path.is_absolute() { path.strip_prefix(root).ok()? } else { path };
    let mut parts: Vec<&OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(joined(parts.into_iter().map(OsStr::as_encoded_bytes), b""))
}

/// Appends the parts to `base`, separated by `/`.
fn joined<'p>(parts: impl IntoIterator<Item = &'p [u8]>, base: &[u8]) -> Vec<u8> {
    parts.into_iter().fold(base.to_vec(), |mut name, part| {
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(part);
        name
    })
}

/// How placeholders for data that is stored elsewhere start, what they are, and the command that fetches the data.
const STAND_INS: [(&[u8], &str, &str); 3] = [
    (b"version https://git-lfs.github.com/spec/v1", "are git-lfs pointers in place of the data", "git lfs pull"),
    (b"/annex/objects/", "are git-annex pointers in place of the data", "git annex get ."),
    (b"\0GITCRYPT\0", "are still encrypted by git-crypt", "git crypt unlock"),
];

/// Missing data of tracked files, each with the command that fetches it: placeholders for data stored elsewhere, and
/// empty directories of submodules.
pub(crate) fn unfetched(root: &Path, tracked: impl Iterator<Item = PathBuf>) -> Vec<(String, &'static str)> {
    let tracked: Vec<PathBuf> = tracked.collect();
    let beside = [".gitattributes", ".git/info/attributes"].map(PathBuf::from);
    let mut attributes = tracked.iter().filter(|path| path.ends_with(".gitattributes")).chain(&beside);
    let is_filtered =
        attributes.any(|file| fs::read(root.join(file)).is_ok_and(|it| it.windows(7).any(|it| it == b"filter=")));
    // Git fetches only submodules listed in `.gitmodules` in the root of the repository.
    let has_submodules = root.ancestors().any(|above| above.join(".gitmodules").exists());
    let mut found: BTreeMap<(&str, &str), Vec<PathBuf>> = BTreeMap::new();
    for path in &tracked {
        if let Some(how) = missing(root, path, is_filtered, has_submodules) {
            found.entry(how).or_default().push(path.clone());
        }
    }
    let described = |((what, command), paths): ((&str, &'static str), Vec<PathBuf>)| {
        let example = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        (format!("{} of the tracked files, such as {example}, {what}", paths.len()), command)
    };
    found.into_iter().map(described).collect()
}

fn missing(root: &Path, path: &Path, is_filtered: bool, has_submodules: bool) -> Option<(&'static str, &'static str)> {
    if path.extension().is_some_and(|end| end == "dvc") && !root.join(path).with_extension("").exists() {
        return Some(("stand for data that DVC has not fetched", "dvc pull"));
    }
    if !is_filtered && !has_submodules {
        return None;
    }
    let path = &root.join(path);
    let metadata = path.symlink_metadata().ok()?;
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if metadata.is_dir() && has_submodules && is_empty() {
        return Some(("are submodules that were not fetched", "git submodule update --init --recursive"));
    }
    let mut begin = Vec::new();
    if is_filtered && metadata.is_symlink() && !path.exists() {
        begin = fs::read_link(path)
            .ok()?
            .to_string_lossy()
            .split_once(".git")
            .map(|(_, rest)| rest.into())
            .unwrap_or_default();
    } else if is_filtered && metadata.is_file() {
        fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut begin)).ok()?;
    }
    STAND_INS.iter().find(|(start, ..)| begin.starts_with(start)).map(|(_, what, command)| (*what, *command))
}

pub(crate) fn unfetched_warnings(root: &Path, tracked: impl Iterator<Item = PathBuf>) -> Vec<String> {
    unfetched(root, tracked).into_iter().map(|(what, command)| format!("{what}: run `{command}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Project(tempfile::TempDir);

    impl Project {
        fn new(files: &[(&str, usize)]) -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            for (name, bytes) in files {
                project.write(name, *bytes);
            }
            project
        }

        fn write(&self, name: &str, bytes: usize) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; bytes]).unwrap();
        }

        fn measure(&self, path: &str, tracked: &[&str]) -> (Size, Vec<String>) {
            let tracked: TrackedSizes = tracked.iter().map(|name| (name.as_bytes().to_vec(), None)).collect();
            match measure(self.0.path(), path, Some(&tracked)) {
                SizeResult::Size(size, warnings) => (size, warnings),
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    fn outcome(root: &Path, path: &str) -> SizeResult {
        measure(root, path, None)
    }

    #[test]
    fn all_bytes_and_tracked_bytes_are_counted_apart() {
        let project = Project::new(&[("lib/a.py", 10), ("lib/sub/b.py", 5), ("lib/__pycache__/a.pyc", 100), ("x", 7)]);
        for spelling in ["lib", "./lib", "lib/", "lib/../lib"] {
            let (size, warnings) = project.measure(spelling, &["lib/a.py", "lib/sub/b.py", "lib/gone.py", "x"]);
            assert_eq!((size.bytes, size.files), (115, Some(3)), "{spelling}");
            assert_eq!((size.tracked_bytes, size.tracked_files), (Some(15), Some(2)), "{spelling}");
            assert!(warnings.is_empty());
        }
        let (file, _) = project.measure("x", &["x"]);
        assert_eq!((file.bytes, file.files, file.tracked_bytes), (7, Some(1), Some(7)));
    }

    #[test]
    fn what_is_missing_is_missing_and_not_zero() {
        let project = Project::new(&[("x", 1)]);
        assert_eq!(outcome(project.0.path(), "nothing"), SizeResult::Missing);
        assert_eq!(outcome(project.0.path(), "x/below"), SizeResult::Missing);
        fs::create_dir(project.0.path().join("empty")).unwrap();
        assert_eq!(project.measure("empty", &[]).0.bytes, 0);
    }

    #[test]
    fn own_files_and_git_are_left_out_at_the_root() {
        let project = Project::new(&[("a", 3), (".git/objects/x", 50), (".vibeship-optimizer/config.yml", 70)]);
        project.write("sub/.git", 9);
        let (size, _) = project.measure(".", &["a"]);
        assert_eq!((size.bytes, size.files, size.tracked_bytes), (3, Some(1), Some(3)));
    }

    #[test]
    fn without_git_or_outside_the_project_nothing_is_claimed_of_tracked_bytes() {
        let project = Project::new(&[("root/a", 3), ("b", 4)]);
        let SizeResult::Size(size, _) = outcome(project.0.path(), "b") else { panic!() };
        assert_eq!(size.tracked_bytes, None);
        let tracked = TrackedSizes::from([(b"b".to_vec(), None)]);
        let SizeResult::Size(size, _) = measure(&project.0.path().join("root"), "../b", Some(&tracked)) else {
            panic!()
        };
        assert_eq!((size.bytes, size.tracked_bytes), (4, None));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_counted_and_not_followed_and_loops_end() {
        use std::os::unix::fs::symlink;
        let project = Project::new(&[("lib/a", 10), ("big/b", 1000)]);
        let root = project.0.path();
        symlink("../big", root.join("lib/link")).unwrap();
        symlink(".", root.join("lib/loop")).unwrap();
        symlink("nowhere", root.join("lib/dangling")).unwrap();
        symlink("lib", root.join("alias")).unwrap();
        let expected = (10 + "../big".len() + ".".len() + "nowhere".len()) as u64;
        assert_eq!(project.measure("lib", &[]).0.bytes, expected);
        assert_eq!(project.measure("alias", &[]).0.bytes, expected);
        symlink("gone", root.join("broken")).unwrap();
        assert_eq!(outcome(root, "broken"), SizeResult::Missing);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_utf8_are_counted_and_recognized() {
        use std::os::unix::ffi::OsStrExt as _;
        let project = Project::new(&[("lib/a", 1)]);
        let name = OsStr::from_bytes(b"\xff.bin");
        if fs::write(project.0.path().join("lib").join(name), "12345").is_err() {
            return; // Some file systems accept only UTF-8.
        }
        let tracked = TrackedSizes::from([(b"lib/\xff.bin".to_vec(), None)]);
        let SizeResult::Size(size, _) = measure(project.0.path(), "lib", Some(&tracked)) else { panic!() };
        assert_eq!((size.bytes, size.tracked_bytes), (6, Some(5)));
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_read_is_a_warning() {
        use std::os::unix::fs::PermissionsExt as _;
        let project = Project::new(&[("lib/a", 1), ("lib/closed/b", 2)]);
        let closed = project.0.path().join("lib/closed");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let may_read_all = fs::read_dir(&closed).is_ok();
        let (size, warnings) = project.measure("lib", &[]);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        if may_read_all {
            return; // Root can read everything.
        }
        assert_eq!((size.bytes, warnings.len()), (1, 1), "{warnings:?}");
    }
}
