//! The only module that writes the state, the reports and the logbook. Its errors name the file.

pub(crate) mod atomic;
pub(crate) mod evidence;
pub(crate) mod guard;
pub(crate) mod lock;
pub(crate) mod logbook;
pub(crate) mod project;
pub mod record;
mod unsettled;

pub use evidence::{EvidenceRole, Integrity};
pub use lock::{Exclusive, Holder};
pub use project::Project;
pub use record::{Legacy, Record, RecordError};
pub(crate) use unsettled::UnfinishedList;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} exists already and is not overwritten", path.display())]
    Exists { path: PathBuf },
    #[error("{} is write-protected; make it writable first", path.display())]
    WriteProtected { path: PathBuf },
    /// A directory or a special file is in place of a file.
    #[error("{} is not a file; move it away, or name another", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is locked by {holder}; waited {waited_s:.0} s, try again when it is done", path.display())]
    Locked { path: PathBuf, holder: String, waited_s: f64 },
    #[error("{} is not a directory; move it away", path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "{}={value:?} is not a number of seconds between 0 and 86400 to wait for the lock: unset it",
        lock::WAIT_VARIABLE
    )]
    BadWait { value: String },
    #[error("project root {} is not a directory", path.display())]
    NoRoot { path: PathBuf },
    #[error("{} and {} both hold state, and only one can be used: move what you need into one of them and remove the other", one.display(), other.display())]
    TwoStates { one: PathBuf, other: PathBuf },
    #[error("{} is {what} and is never overwritten; choose another path", path.display())]
    Protected { path: PathBuf, what: &'static str },
    #[error("{} is a directory; name a file", path.display())]
    Directory { path: PathBuf },
    #[error("{} leads out of the project, to {}, where nothing is read or written: remove the link", path.display(), target.display())]
    Outside { path: PathBuf, target: PathBuf },
    #[error("{} is UTF-16; save it as UTF-8 first", path.display())]
    Utf16 { path: PathBuf },
    #[error("{} is larger than {limit} bytes and is not read", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

/// The sorted names in a directory; empty if it does not exist. Names that are not Unicode are skipped.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io("list", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(StoreError::io("list", dir))?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

impl StoreError {
    /// Adds the action and path to an I/O error, for `map_err`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
