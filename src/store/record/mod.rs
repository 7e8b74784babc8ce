//! Records of changes on disk: one file a change. Owns reading them with all their checks, and writing them whole.
//! Must not decide what may happen to a change.

pub mod legacy;
pub mod read;
pub mod write;

pub use legacy::Legacy;

use std::path::PathBuf;

use crate::model::{BadId, ChangeId, JsonError};
use crate::store::StoreError;
use crate::workflow::{Broken, Change, NotARecord};

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Tracked(Box<Change>),
    /// One of the original's: shown, and continued as one of ours when it is next written.
    Legacy(Legacy),
}

impl Record {
    /// Its id as written.
    pub fn id(&self) -> &ChangeId {
        match self {
            Self::Tracked(change) => change.id(),
            Self::Legacy(legacy) => &legacy.id,
        }
    }
}

/// A record that cannot be read, or must not be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("there is no change {id} (looked for {})", path.display())]
    Unknown { id: ChangeId, path: PathBuf },
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: JsonError },
    /// The file holds something else, or something newer.
    #[error("{}: its schema is {found:?}; this version reads vibeship_optimizer.change.v1 and .v2{}", path.display(), if *newer { " and leaves newer ones alone: upgrade the tool" } else { "" })]
    Schema {
        path: PathBuf,
        found: String,
        /// Whether it looks like a later version of ours.
        newer: bool,
    },
    #[error("{} was altered: {source}; restore it from git (`git log -- {}` shows its history)", path.display(), path.display())]
    Chain { path: PathBuf, source: Broken },
    /// A field of the original's part does not say what the events say.
    #[error("{} was altered: field {field:?} says {found} where its events say {expected}; restore it from git", path.display())]
    View { path: PathBuf, field: String, found: String, expected: String },
    /// An event is of a kind or shape that this version does not know.
    #[error("{}: event {seq} cannot be read ({message}); it may come from a newer version of this tool", path.display())]
    Event { path: PathBuf, seq: usize, message: String },
    #[error("{}: {source}", path.display())]
    NotARecord { path: PathBuf, source: NotARecord },
    /// The file's name is not the id inside it.
    #[error("{} holds the record of {inside:?}: a record's file is named after its id", path.display())]
    Misnamed { path: PathBuf, inside: String },
    /// A file in the records' directory whose name is no id.
    #[error("{}: {source}", path.display())]
    Name { path: PathBuf, source: BadId },
    /// Somebody else recorded something between reading and writing.
    #[error("{} changed while this command ran: another command recorded something; run it again", path.display())]
    Moved { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}
