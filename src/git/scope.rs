//! Which paths of a repository count: those of the project, without the files that a caller calls its own.
//! Must not know which files these are.

use crate::git::{FileChange, change};

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

    /// Whether a path of such a mode counts. What is no regular file counts whatever its name: a link or a submodule
    /// leads elsewhere.
    pub fn counts_as(&self, path: &[u8], mode: &str) -> bool {
        path.starts_with(self.prefix) && !(change::is_regular(mode) && (self.is_own)(path))
    }

    /// Whether a changed file counts.
    pub fn counts_change(&self, change: &FileChange) -> bool {
        change.path.starts_with(self.prefix) && !(change.is_regular() && (self.is_own)(&change.path))
    }
}
