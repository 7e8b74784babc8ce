//! The only writer of the state directory, the report directory and the logbook.

pub(crate) mod atomic;
mod error;
pub(crate) mod evidence;
pub(crate) mod guard;
mod legacy;
pub(crate) mod lock;
pub(crate) mod logbook;
pub(crate) mod project;
pub mod record;
mod unsettled;

pub use error::StoreError;
pub use evidence::{Integrity, Role};
pub use legacy::Legacy;
pub use lock::{Exclusive, Holder};
pub use project::{OwnPaths, Project};
pub use record::{Record, RecordError};
pub(crate) use unsettled::Unsettled;
