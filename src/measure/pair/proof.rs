//! That the two sides are two programs, and do the same work: what they open and print in their first runs is looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::git::{GitError, Repo};
use crate::measure::Place;
use crate::measure::pair::Side;
use crate::model::{Digest, FirstRuns, Printed};
use crate::os::{Finished, Opens, files};

/// Bytes of an output that are compared; of more, the beginning.
pub(crate) const OUTPUT_BYTES: usize = 16 << 20;
/// More directories that git does not track are not watched.
const MOST_UNTRACKED: usize = 5_000;
/// Caches of compiled Python, beside what they were compiled from.
const PYTHON_CACHE: &str = "__pycache__";

/// Watches the user's own checkout while a side runs. A side that opens tracked files there runs the code there.
#[derive(Debug)]
pub(crate) struct Proof {
    root: PathBuf,
    tracked: BTreeSet<PathBuf>,
    /// Directories of files that git does not track, without those that are shared.
    untracked: BTreeSet<PathBuf>,
    opens: Option<Opens>,
}

/// What one side did in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Did {
    /// Tracked files of the checkout that were opened.
    pub(crate) tracked: BTreeSet<String>,
    /// Programs there that git does not track.
    pub(crate) programs: BTreeSet<String>,
    pub(crate) printed: Option<Printed>,
}

impl Proof {
    /// Of the checkout that `repo` is in. What is `shared` is meant to be opened.
    pub(crate) fn new(repo: &Repo, shared: &[PathBuf]) -> Result<Self, GitError> {
        let root = files::canonical(repo.root()).unwrap_or_else(|_| repo.root().to_owned());
        let listed = repo.tracked(b"")?;
        let tracked = listed.iter().map(|path| root.join(files::path_from_bytes(path)));
        let tracked: BTreeSet<PathBuf> = tracked.filter(|path| !files::is_of_git(path)).collect();
        // Dependencies are no builds of the project.
        let is_left = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            let own = [".git", "node_modules", ".vibeship-optimizer", PYTHON_CACHE].iter().any(|left| name == *left);
            own || shared.iter().any(|shared| path == shared) || path.join("pyvenv.cfg").exists()
        };
        let walk =
            WalkDir::new(&root).into_iter().filter_entry(|entry| entry.file_type().is_dir() && !is_left(entry.path()));
        let walked = walk.flatten().map(walkdir::DirEntry::into_path).take(MOST_UNTRACKED);
        let mut proof = Self { root, tracked, untracked: walked.collect(), opens: None };
        proof.watch();
        Ok(proof)
    }

    /// Whether the system tells what is opened.
    pub(crate) fn sees(&self) -> bool {
        self.opens.is_some()
    }

    /// Begins to watch, or starts over: caches may have been made.
    pub(crate) fn watch(&mut self) {
        let sources: BTreeSet<PathBuf> =
            self.tracked.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        let caches = sources.iter().map(|dir| dir.join(PYTHON_CACHE)).filter(|dir| dir.is_dir());
        let all = caches.chain(sources.iter().cloned()).chain(self.untracked.iter().cloned()).collect();
        self.opens = Opens::watch(&all);
    }

    /// What was opened since it was asked last.
    pub(crate) fn opened(&mut self) -> Did {
        let mut did = Did::default();
        let opened = self.opens.as_mut().map(Opens::opened).unwrap_or_default();
        for path in opened {
            let source = source_of(&path).unwrap_or_else(|| path.clone());
            let name = source.strip_prefix(&self.root).unwrap_or(&source).display().to_string();
            if self.tracked.contains(&source) {
                did.tracked.insert(name);
            } else if files::is_executable(&path) {
                did.programs.insert(name);
            }
        }
        did
    }
}

/// What a file in a cache was compiled from: `pk/__pycache__/a.cpython-312.pyc` is of `pk/a.py`.
fn source_of(path: &Path) -> Option<PathBuf> {
    let cache = path.parent().filter(|dir| dir.file_name().is_some_and(|name| name == PYTHON_CACHE))?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(cache.parent()?.join(format!("{}.py", name.split('.').next()?)))
}

/// What a side printed; where it names its own place, the other side would name another.
pub(crate) fn printed(finished: &Finished, place: &Place) -> Printed {
    let output = finished.stdout.whole().unwrap_or_default();
    let own =
        place.env.iter().filter_map(|(_, value)| value.as_ref().map(PathBuf::from)).filter(|path| path.is_absolute());
    let mut text = output.clone();
    for path in own.chain([place.root.clone()]) {
        text = without(&text, &files::path_bytes(&path));
    }
    Printed { bytes: output.len() as u64, sha256: Digest::of_bytes(&text), seconds: finished.wall.as_secs_f64() }
}

fn without(text: &[u8], part: &[u8]) -> Vec<u8> {
    let mut left = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if !part.is_empty() && text[at..].starts_with(part) {
            at += part.len();
        } else {
            left.push(text[at]);
            at += 1;
        }
    }
    left
}

/// Asks a side again what it did: once may be a coincidence, as other programs open files, too.
pub(crate) type Again<'a> = dyn FnMut(Side) -> Option<Did> + 'a;

/// What is concluded from the first run of each side.
pub(crate) fn conclude(before: &Did, after: &Did, again: &mut Again<'_>) -> FirstRuns {
    let mut found = FirstRuns::default();
    for (side, did) in [(Side::Before, before), (Side::After, after)] {
        if found.opened.is_none() && !did.tracked.is_empty() {
            let same = again(side).unwrap_or_default();
            found.opened = did.tracked.intersection(&same.tracked).next().cloned();
        }
    }
    found.program = before.programs.intersection(&after.programs).next().cloned();
    if let (Some(old), Some(new)) = (&before.printed, &after.printed)
        && old.sha256 != new.sha256
        && found.opened.is_none()
    {
        let repeats = again(Side::Before).and_then(|did| did.printed).is_some_and(|it| it.sha256 == old.sha256);
        found.printed = repeats.then(|| [old.clone(), new.clone()]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(tracked: &[&str], printed: &str) -> Did {
        let printed =
            Printed { bytes: printed.len() as u64, sha256: Digest::of_bytes(printed.as_bytes()), seconds: 1.0 };
        Did { tracked: tracked.iter().map(|&name| name.to_owned()).collect(), printed: Some(printed), ..Did::default() }
    }

    #[test]
    fn what_is_opened_once_is_a_coincidence_and_what_is_opened_twice_is_not() {
        let (one, none) = (did(&["a.py", "b.py"], "x"), did(&[], "x"));
        let of = |again: &Did| conclude(&none, &one, &mut |_| Some(again.clone())).opened;
        assert_eq!(of(&did(&["b.py", "c.py"], "x")).as_deref(), Some("b.py"));
        assert_eq!(of(&none), None);
    }

    #[test]
    fn another_output_is_told_where_a_side_repeats_itself() {
        let of = |again: &str| conclude(&did(&[], "x"), &did(&[], "yy"), &mut |_| Some(did(&[], again))).printed;
        assert_eq!(of("x").map(|[old, new]| (old.bytes, new.bytes)), Some((1, 2)));
        assert_eq!(of("z"), None);
    }

    #[test]
    fn a_compiled_file_stands_for_its_source_and_an_own_path_for_nothing() {
        assert_eq!(source_of(Path::new("pk/__pycache__/a.cpython-312.pyc")), Some(PathBuf::from("pk/a.py")));
        assert_eq!(source_of(Path::new("pk/a.py")), None);
        assert_eq!(without(b"in /t/a/x, /t/a", b"/t/a"), b"in /x, ");
    }
}
