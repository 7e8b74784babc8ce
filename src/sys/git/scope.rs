//! Which paths of a repository count: those of the project, without the files that a caller calls its own.
//! Must not know which files these are.

use crate::sys::git::change::FileChange;

/// The mode of a plain file in git's trees.
const PLAIN: &str = "100644";
/// The mode of what is not there.
const NOTHING: &str = "000000";

/// The part of a repository that a question is about.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The project's root below the repository's, with a `/` at its end; empty when the two are the same.
    pub prefix: &'a [u8],
    /// Whether a path (from the repository's root, with `/`) is to be left out.
    pub is_own: &'a dyn Fn(&[u8]) -> bool,
}

impl Scope<'_> {
    /// The whole repository.
    pub const ALL: Scope<'static> = Scope { prefix: b"", is_own: &|_| false };

    /// Whether a path counts.
    pub fn counts(&self, path: &[u8]) -> bool {
        path.starts_with(self.prefix) && !(self.is_own)(path)
    }

    /// Whether an entry of a tree counts. Only a plain file can be left out: a link, a submodule or a program is
    /// code, whatever its name.
    pub fn counts_entry(&self, path: &[u8], mode: &str) -> bool {
        self.counts(path) || (path.starts_with(self.prefix) && mode != PLAIN)
    }

    /// Whether a changed file counts, by what it was and by what it is.
    pub fn counts_change(&self, change: &FileChange) -> bool {
        self.counts(&change.path) || (change.path.starts_with(self.prefix) && !is_plain(change))
    }
}

/// Whether a changed file is a plain one before and after, as far as it is there.
pub fn is_plain(change: &FileChange) -> bool {
    [&change.old_mode, &change.new_mode].into_iter().all(|mode| mode == PLAIN || mode == NOTHING)
}
