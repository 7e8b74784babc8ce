//! Checks by the first runs' opened files and output that the sides are different programs doing the same work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use walkdir::WalkDir;

use crate::git::{GitError, Repo};
use crate::judge::Which;
use crate::measure::Place;
use crate::measure::opened::{FileWatch, OpenedFiles, source_of};
use crate::measure::pair::Checkouts;
use crate::model::{Digest, FirstRuns, Printed};
use crate::os::{Finished, Opens, files};

/// How many bytes of an output are compared, from its beginning.
pub(crate) const OUTPUT_BYTES: usize = 16 << 20;

/// Watches the user's own checkout while a side runs. A side that opens tracked files there runs that code.
#[derive(Debug)]
pub(crate) struct Proof {
    checkout: FileWatch,
    sees: bool,
    /// Each side's own directory, the files in it before its first run, and which of them are opened; `None` if that is
    /// not known.
    homes: [PathBuf; 2],
    present: BTreeSet<PathBuf>,
    own: Option<Opens>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Did {
    /// Tracked files of the user's checkout that were opened.
    pub(crate) tracked: BTreeSet<String>,
    pub(crate) untracked: BTreeSet<String>,
    /// Whether none of its own files was opened.
    pub(crate) elsewhere: bool,
    /// Whether all opened own files are the same on the other side.
    pub(crate) untouched: bool,
    /// An opened own file that differs on the other side.
    pub(crate) differing: Option<String>,
    /// Shared files that were altered while preparing the sides.
    pub(crate) altered: BTreeSet<String>,
    pub(crate) printed: Option<Printed>,
}

impl Proof {
    /// Watches the checkout of `repo` and both sides. `shared`: the shared paths, and the altered files in them.
    pub(crate) fn new(
        repo: &Repo,
        shared: (&[PathBuf], BTreeSet<PathBuf>),
        checkouts: &Checkouts,
    ) -> Result<Self, GitError> {
        let homes = [&checkouts.before, &checkouts.after].map(|side| side.home.clone());
        // The other work trees of the repository have the same code.
        let is_side =
            |path: &PathBuf| homes.iter().any(|home| files::canonical(home).is_ok_and(|it| path.starts_with(it)));
        let worktrees = repo.worktrees()?.into_iter().filter_map(|path| files::canonical(&path).ok());
        let roots: Vec<PathBuf> =
            [repo.root().to_owned()].into_iter().chain(worktrees.filter(|it| !is_side(it))).collect();
        let checkout = FileWatch::new(&roots, repo.tracked_with_submodules(b"")?.iter(), shared);
        let present = homes.iter().flat_map(WalkDir::new).flatten().filter(|entry| entry.file_type().is_file());
        let present = present.map(walkdir::DirEntry::into_path).collect();
        let mut proof = Self { checkout, sees: false, homes, present, own: None };
        proof.watch();
        Ok(proof)
    }

    pub(crate) fn sees(&self) -> bool {
        self.sees
    }

    /// Starts or restarts watching.
    pub(crate) fn watch(&mut self) {
        self.sees = self.checkout.begin();
        let homes = self.homes.iter().flat_map(WalkDir::new).flatten();
        let own = homes.filter(|entry| entry.file_type().is_dir()).map(walkdir::DirEntry::into_path).collect();
        self.own = Opens::watch(&own);
    }

    /// What this side opened since the last call.
    pub(crate) fn opened(&mut self, side: Which) -> Did {
        let OpenedFiles { tracked, untracked, altered } = self.checkout.opened();
        let mut did = Did { tracked, untracked, altered, ..Did::default() };
        if let Some((own, false)) = self.own.as_mut().map(Opens::opened) {
            did.elsewhere = own.is_empty();
            let [before, after] = &self.homes;
            let (home, other) = if side == Which::Before { (before, after) } else { (after, before) };
            let sources = own.into_iter().map(|path| source_of(&path).unwrap_or(path));
            let below = sources.filter(|path| self.present.contains(path) && !files::is_of_git(path));
            let below: BTreeSet<PathBuf> =
                below.filter_map(|path| Some(path.strip_prefix(home).ok()?.into())).collect();
            let mut differing = below.iter().filter(|path| !is_same(&home.join(path), &other.join(path))).peekable();
            did.untouched = differing.peek().is_none();
            let both = differing.find(|path| other.join(path).exists());
            did.differing = both.map(|path| path.components().skip(1).collect::<PathBuf>().display().to_string());
        }
        did
    }
}

/// Whether two files have the same content.
fn is_same(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| path.metadata().map(|metadata| metadata.len()).ok();
    let read = |path: &Path| files::read_file(path, u64::MAX).ok();
    length(one).is_some() && length(one) == length(other) && read(one) == read(other)
}

/// A side's output without its own paths, which differ on the other side.
pub(crate) fn printed(finished: &Finished, place: &Place) -> Printed {
    let output = finished.stdout.whole().unwrap_or_default();
    let own =
        place.env.iter().filter_map(|(_, value)| value.as_ref().map(PathBuf::from)).filter(|path| path.is_absolute());
    let mut text = output.clone();
    for path in own.chain([place.root.clone()]) {
        text = without(&text, &files::path_bytes(&path));
    }
    // On a busy machine, an idle run may wait as long as another one works.
    let queued = finished.first_thread.map_or(Duration::ZERO, |thread| thread.queued);
    let seconds = finished.wall.saturating_sub(queued).as_secs_f64();
    Printed { bytes: output.len() as u64, sha256: Digest::of_bytes(&text), seconds, went_on: finished.went_on }
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

/// Runs a side again: once may be a coincidence, since other programs open files, too.
pub(crate) type Again<'a> = dyn FnMut(Which) -> Option<Did> + 'a;

pub(crate) fn conclude(before: &Did, after: &Did, again: &mut Again<'_>) -> FirstRuns {
    let mut found = FirstRuns::default();
    for (side, did) in [(Which::Before, before), (Which::After, after)] {
        if found.opened.is_none() && !did.tracked.is_empty() {
            let same = again(side).unwrap_or_default();
            found.opened = did.tracked.intersection(&same.tracked).next().cloned();
        }
    }
    // If nothing else that they run differs, both run what was built last.
    if found.opened.is_none() && before.untouched && after.untouched {
        found.opened = before.altered.intersection(&after.altered).next().cloned();
    }
    if found.opened.is_some() {
        return found;
    }
    let both: BTreeSet<String> = before.untracked.intersection(&after.untracked).cloned().collect();
    if !both.is_empty() {
        let same = again(Which::After).unwrap_or_default();
        found.program = both.intersection(&same.untracked).next().cloned();
    }
    found.elsewhere = before.elsewhere && after.elsewhere;
    found.untouched = before.untouched && after.untouched;
    found.alone = match (before.untouched, after.untouched) {
        (true, false) => after.differing.clone(),
        (false, true) => before.differing.clone(),
        (true, true) | (false, false) => None,
    };
    if let (Some(old), Some(new)) = (&before.printed, &after.printed) {
        compare(old, new, again, &mut found);
    }
    found
}

/// Whether the first runs differ in another way than the later ones, whose time ratio is `lasting`: then the head does
/// less work once it has run. First runs are often slow, so this needs one that took at least half of the baseline's
/// time.
pub(crate) fn is_first_alone([before, after]: [f64; 2], lasting: f64) -> bool {
    after >= before / 2.0 && after >= 4.0 * lasting * before
}

/// Compares the output of the sides. Output shows that a side works if both print the same.
fn compare(old: &Printed, new: &Printed, again: &mut Again<'_>, found: &mut FirstRuns) {
    // A process may just be about to exit; a daemon must be seen twice.
    found.went_on = [(Which::Before, old), (Which::After, new)].into_iter().any(|(side, did)| {
        did.went_on && again(side).and_then(|again| again.printed).is_some_and(|again| again.went_on)
    });
    if old.sha256 != new.sha256 {
        let mut repeated = |side, did: &Printed| {
            let again = again(side).and_then(|again| again.printed)?;
            (again.sha256 == did.sha256).then(|| Printed { seconds: did.seconds.min(again.seconds), ..again })
        };
        // One run may be slow for any reason, so a side without output is not called idle or busy after a single run.
        found.printed = repeated(Which::Before, old).map(|old| {
            let once = new.clone();
            [old, if new.bytes == 0 { repeated(Which::After, new).unwrap_or(once) } else { once }]
        });
    }
    // The baseline ran first, so the files that both read were cached for the head.
    found.once = Some([old.seconds, new.seconds]);
    let shown = old.sha256 == new.sha256 && old.bytes > 0;
    if found.printed.is_none() && !shown && new.is_idle_beside(old.seconds) {
        // The first run may have been slow because of a cold cache.
        let again = again(Which::Before).and_then(|did| did.printed);
        found.unshown = again.filter(|again| new.is_idle_beside(again.seconds)).map(|_| [old.seconds, new.seconds]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(tracked: &[&str], printed: &str) -> Did {
        let printed = Printed {
            bytes: printed.len() as u64,
            sha256: Digest::of_bytes(printed.as_bytes()),
            seconds: 1.0,
            went_on: false,
        };
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
    fn a_different_output_is_reported_if_a_side_repeats_its_own() {
        let of = |again: &str| conclude(&did(&[], "x"), &did(&[], "yy"), &mut |_| Some(did(&[], again))).printed;
        assert_eq!(of("x").map(|[old, new]| (old.bytes, new.bytes)), Some((1, 2)));
        assert_eq!(of("z"), None);
    }

    #[test]
    fn a_quick_side_is_reported_unless_equal_output_shows_its_work() {
        let timed = |text: &str, seconds: f64| {
            let mut did = did(&[], text);
            did.printed = did.printed.map(|it| Printed { seconds, ..it });
            did
        };
        let of = |old: &str, new: &str, again: f64| {
            conclude(&timed(old, 1.0), &timed(new, 0.1), &mut |_| Some(timed("again", again))).unshown
        };
        assert_eq!(of("", "", 1.0), Some([1.0, 0.1]));
        assert_eq!(of("12:01", "12:02", 1.0), Some([1.0, 0.1]));
        assert_eq!(of("42", "42", 1.0), None);
        assert_eq!(of("", "", 0.2), None, "slow for want of a warm cache");
    }

    #[test]
    fn running_something_else_is_reported_only_if_both_sides_do() {
        let of = |before: bool, after: bool| {
            let [one, other] = [before, after].map(|elsewhere| Did { elsewhere, ..did(&[], "x") });
            conclude(&one, &other, &mut |_| None).elsewhere
        };
        assert_eq!([of(true, true), of(true, false), of(false, true)], [true, false, false]);
    }

    #[test]
    fn a_file_of_both_that_only_one_side_opens_is_reported() {
        let of = |name: Option<&str>| Did { differing: name.map(str::to_owned), ..did(&[], "x") };
        let none = Did { untouched: true, ..did(&[], "x") };
        let alone = |one: &Did, other: &Did| conclude(one, other, &mut |_| None).alone;
        assert_eq!(alone(&of(Some("a")), &none).as_deref(), Some("a"));
        assert_eq!(alone(&none, &of(Some("a"))).as_deref(), Some("a"));
        assert_eq!(alone(&of(None), &none), None, "a file that the change adds or removes");
        assert_eq!(alone(&of(Some("a")), &of(Some("b"))), None);
    }

    #[test]
    fn a_shared_build_is_reported_if_nothing_else_differs() {
        let built = Did { altered: ["dist/app".to_owned()].into(), untouched: true, ..did(&[], "x") };
        let of = |one: &Did| conclude(one, &built, &mut |_| None).opened;
        assert_eq!(of(&built).as_deref(), Some("dist/app"));
        assert_eq!(of(&Did { untouched: false, ..built.clone() }), None);
        assert_eq!(of(&Did { altered: BTreeSet::new(), ..built.clone() }), None);
    }

    #[test]
    fn a_path_of_the_side_itself_is_no_other_output() {
        assert_eq!(without(b"in /t/a/x, /t/a", b"/t/a"), b"in /x, ");
    }
}
