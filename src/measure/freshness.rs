//! Checks that numbers come from the current code: files that are read for them, and files that their commands open,
//! must not be older than the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::git::TrackedSizes;
use crate::measure::opened::{FileWatch, OpenedFiles};
use crate::measure::snapshot::SnapshotPlan;
use crate::model::{Digest, ReadFile, own};
use crate::os::files;

/// Files written within this time of each other count as written together.
const TOGETHER: Duration = Duration::from_secs(2);
/// How many bytes are hashed to detect whether a file was rewritten; a log may be larger than memory.
const HASHED: u64 = 64 << 20;
/// Extensions of programs that need not be marked as executable.
const PROGRAMS: [&str; 16] =
    ["class", "cjs", "dll", "dylib", "exe", "jar", "js", "mjs", "php", "pl", "py", "pyc", "rb", "sh", "so", "wasm"];

pub(crate) struct Freshness<'a> {
    plan: &'a SnapshotPlan<'a>,
    /// The most recently written file of the project's code, before anything was measured.
    newest: Option<(SystemTime, PathBuf)>,
    watch: Option<FileWatch>,
    began: SystemTime,
    opened: OpenedFiles,
}

impl<'a> Freshness<'a> {
    pub(crate) fn new(plan: &'a SnapshotPlan<'a>) -> Self {
        let mut new =
            Self { plan, newest: None, watch: None, began: SystemTime::now(), opened: OpenedFiles::default() };
        // If only sizes are measured, nothing can be outdated.
        let is_needed = !plan.config.timings.is_empty() || !plan.config.kpis.is_empty();
        let sources = plan
            .tracked
            .filter(|_| is_needed)
            .into_iter()
            .flat_map(TrackedSizes::keys)
            .filter(|path| !own::is_own(path));
        let sources = sources.map(|path| files::path_from_bytes(path)).filter(|path| (plan.is_code)(path));
        new.newest = sources.filter_map(|path| Some((new.written(&path)?, path))).max();
        new
    }

    /// Starts watching what a command opens in its first run.
    pub(crate) fn watch(&mut self) {
        let Some(tracked) = self.plan.tracked.filter(|_| self.newest.is_some()) else { return };
        let root = self.plan.root;
        let shared = || self.plan.config.pair.share.iter().map(|path| root.join(path)).collect::<Vec<_>>();
        let watch = self
            .watch
            .take()
            .unwrap_or_else(|| FileWatch::new(&[root.to_owned()], tracked.keys(), (&shared(), BTreeSet::new())));
        self.began = SystemTime::now();
        self.watch.insert(watch).begin();
        self.opened = OpenedFiles::default();
    }

    /// Called when this many runs are done.
    pub(crate) fn seen(&mut self, runs: u32) {
        if let (1, Some(watch)) = (runs, &mut self.watch) {
            self.opened = watch.opened();
        }
    }

    /// After a command that opened files of the project, all older than its code: returns one that the numbers depend
    /// on. If the command also runs tracked files, this is only a note.
    pub(crate) fn of_run(&self, stale_ok: Option<&str>) -> Option<ReadFile> {
        let (newest, code) = self.newest.as_ref()?;
        let is_old = |path: &Path| self.written(path).is_some_and(|written| written + TOGETHER < *newest);
        // A file written during the run is its output, unless it is a program.
        let is_input =
            |path: &Path| self.is_program(path) || self.written(path).is_none_or(|written| written < self.began);
        let inputs: Vec<&Path> = self.opened.untracked.iter().map(Path::new).filter(|path| is_input(path)).collect();
        // `package.json` says how a program is run but does not build it.
        let mut tracked = self.opened.tracked.iter().map(Path::new).filter(|path| !path.ends_with("package.json"));
        let runs_tracked = tracked.clone().next().is_some();
        if !inputs.iter().all(|path| is_old(path)) || tracked.any(|path| !is_old(path)) {
            return None;
        }
        let program = inputs.iter().find(|path| self.is_program(path));
        // A build that rewrote other programs in the directory left this one as it was.
        let is_built = |path: &Path| !is_old(path) && self.is_program(path) && !self.is_tracked(path);
        let dir = program.and_then(|program| program.parent());
        let siblings = dir.map(|dir| (dir, fs::read_dir(self.plan.root.join(dir)))).into_iter();
        let mut siblings =
            siblings.flat_map(|(dir, all)| all.into_iter().flatten().flatten().map(|it| dir.join(it.file_name())));
        if siblings.any(|path| is_built(&path)) {
            return None;
        }
        let path = program.or(inputs.first().filter(|_| !runs_tracked))?;
        let runs_other = || runs_tracked.then(|| "the command runs files that git tracks, too".to_owned());
        let stale_ok = stale_ok.map(str::to_owned).or_else(runs_other);
        Some(ReadFile { older_than: Some(code.display().to_string()), stale_ok, ..self.read(path)? })
    }

    /// For a file without a command: what it holds, when it was written, and which project file changed later, so that
    /// the results in it are not for that code.
    pub(crate) fn of_file(&self, file: &str, stale_ok: Option<&str>) -> Option<ReadFile> {
        let read = self.read(Path::new(file))?;
        let modified = SystemTime::from(read.modified);
        let written_again = self.newest.as_ref().is_some_and(|(written, _)| modified > *written + TOGETHER);
        let changed = match self.committed_code_since(file) {
            // Reviewers know the committed state of a baseline; after the change, the file must be fresh.
            Some(changed) => changed.filter(|_| !written_again && !self.plan.is_baseline),
            None => self.newest.clone().filter(|(written, _)| *written > modified + TOGETHER).map(|(_, path)| path),
        };
        let older_than = changed.map(|path| path.display().to_string());
        Some(ReadFile { older_than, stale_ok: stale_ok.map(str::to_owned), ..read })
    }

    fn read(&self, path: &Path) -> Option<ReadFile> {
        let full = self.plan.root.join(path);
        Some(ReadFile {
            path: path.display().to_string(),
            sha256: Digest::of_bytes(&files::read_file(&full, HASHED).ok()?),
            modified: fs::metadata(&full).and_then(|metadata| metadata.modified()).ok()?.into(),
            older_than: None,
            stale_ok: None,
        })
    }

    fn written(&self, path: &Path) -> Option<SystemTime> {
        fs::symlink_metadata(self.plan.root.join(path)).and_then(|metadata| metadata.modified()).ok()
    }

    fn is_tracked(&self, path: &Path) -> bool {
        self.plan.tracked.is_some_and(|tracked| tracked.contains_key(&files::path_bytes(path)))
    }

    fn is_program(&self, path: &Path) -> bool {
        let ends = path.extension().is_some_and(|end| PROGRAMS.iter().any(|program| end == *program));
        ends || files::is_executable(&self.plan.root.join(path))
    }

    /// For a committed file, whose time on disk only says when it was checked out: a project file that differs from the
    /// commit that last changed `file`, if there is one. `None` if the file is not as committed.
    fn committed_code_since(&self, file: &str) -> Option<Option<PathBuf>> {
        let own = files::path_bytes(Path::new(file.strip_prefix("./").unwrap_or(file)));
        self.plan.tracked?.get(&own)?;
        let repo = self.plan.repo?;
        let names = repo.changed_since_commit_of(&[repo.prefix(), &own].concat()).ok()??;
        let below = |name: &Vec<u8>| name.strip_prefix(repo.prefix()).map(<[u8]>::to_vec);
        let names = names.iter().filter_map(below).filter(|name| !own::is_own(name));
        let mut paths = names.map(|name| files::path_from_bytes(&name));
        Some(paths.find(|path| (self.plan.is_code)(path)))
    }
}
