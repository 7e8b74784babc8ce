//! Records of changes on disk: one file a change. Owns reading them with all their checks, and writing them whole.
//! Must not decide what may happen to a change.

pub mod legacy;
pub mod read;
pub mod write;

use std::path::PathBuf;

use crate::change::chain::Broken;
use crate::change::id::BadId;
use crate::change::id::ChangeId;
use crate::change::state::Change;
use crate::change::state::NotARecord;
use crate::evidence::strict_json::JsonError;
use crate::store::error::StoreError;
use crate::store::record::legacy::Legacy;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// One of ours.
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
    /// There is none.
    #[error("there is no change {id} (looked for {})", path.display())]
    Unknown {
        /// The id asked for.
        id: ChangeId,
        /// Where it would be.
        path: PathBuf,
    },
    /// The file is not acceptable JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: JsonError,
    },
    /// The file holds something else, or something newer.
    #[error("{}: its schema is {found:?}; this version reads vibeship_optimizer.change.v1 and .v2{}", path.display(), if *newer { " and leaves newer ones alone: upgrade the tool" } else { "" })]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema found.
        found: String,
        /// Whether it looks like a later version of ours.
        newer: bool,
    },
    /// The chain of events is broken.
    #[error("{} was altered: {source}; restore it from git (`git log -- {}` shows its history)", path.display(), path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: Broken,
    },
    /// A field of the original's part does not say what the events say.
    #[error("{} was altered: field {field:?} says {found} where its events say {expected}; restore it from git", path.display())]
    View {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What it says, cut.
        found: String,
        /// What it should, cut.
        expected: String,
    },
    /// An event is of a kind or shape that this version does not know.
    #[error("{}: event {seq} cannot be read ({message}); it may come from a newer version of this tool", path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// Its place.
        seq: usize,
        /// The parser's words.
        message: String,
    },
    /// The events are no change.
    #[error("{}: {source}", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: NotARecord,
    },
    /// The file's name is not the id inside it.
    #[error("{} holds the record of {inside:?}: a record's file is named after its id", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// The id inside.
        inside: String,
    },
    /// A file in the records' directory whose name is no id.
    #[error("{}: {source}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: BadId,
    },
    /// Somebody else recorded something between reading and writing.
    #[error("{} changed while this command ran: another command recorded something; run it again", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
