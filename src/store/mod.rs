//! The only writer of the state directory, the report directory and the logbook.

pub mod artifact;
pub mod atomic;
pub mod error;
pub mod guard;
pub mod layout;
pub mod lock;
pub mod logbook;
pub mod record;

pub use artifact::{Role, Standing};
pub use error::StoreError;
pub use layout::{OwnPaths, Project};
pub use lock::{Access, Exclusive, Holder};
pub use record::{Record, RecordError};
