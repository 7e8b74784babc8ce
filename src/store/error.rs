//! What can go wrong in the store. Every message names the file; must not decide what to do about it.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file that must be new is there already.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file is write-protected.
    #[error("{} is write-protected; make it writable first", path.display())]
    WriteProtected {
        /// The file.
        path: PathBuf,
    },
    /// A directory (or another thing without content) stands where a file should be.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{} is locked by {holder}; waited {waited_s:.0} s, try again when it is done", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as is known.
        holder: String,
        /// How long it was waited for, in seconds.
        waited_s: f64,
    },
    /// The waiting time for the lock is no number of seconds.
    #[error("{value:?} is not a number of seconds between 0 and 86400 to wait for the lock")]
    BadWait {
        /// What was given.
        value: String,
    },
    /// The project's root is no directory.
    #[error("project root {} is not a directory", path.display())]
    NoRoot {
        /// What was given.
        path: PathBuf,
    },
    /// A name that may not become part of a file's name.
    #[error("{name:?} cannot be part of a file name: {reason}")]
    UnsafeName {
        /// The name.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Output would overwrite something that the tool must keep.
    #[error("{} is {what} and is never overwritten; choose another path", path.display())]
    Protected {
        /// The path asked for.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Output would go where a directory is.
    #[error("{} is a directory; name a file", path.display())]
    Directory {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path of the tool's own leads out of the project.
    #[error("{} leads out of the project, to {}, where nothing is read or written: remove the link", path.display(), target.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The logbook is in an encoding that sections cannot be added to.
    #[error("{} is UTF-16; save it as UTF-8 first", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any that the tool writes.
    #[error("{} is larger than {limit} bytes and is not read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
}

impl StoreError {
    /// Names the action and the path of an I/O error; made for `map_err`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
