//! The only writer of the state directory, the report directory and the logbook.

pub mod artifact;
pub mod atomic;
pub mod error;
pub mod guard;
pub mod layout;
pub mod lock;
pub mod logbook;
pub mod record;
