//! Git, run as a program and never through a shell. A git that is missing or fails is an error: no caller can
//! take it for "clean" or "no repository". Must not know changes or evidence.
//!
//! [`repo::Repo`] is the way in; the other files add to it.

pub mod batch;
pub mod change;
pub mod diff;
pub mod error;
pub mod facts;
pub mod faithful;
pub mod history;
mod memo;
pub mod objects;
mod pipe;
pub mod remerge;
pub mod repo;
pub mod revert;
pub mod run;
pub mod scope;
pub mod status;
pub mod version;
pub mod worktree;

#[cfg(test)]
pub(crate) mod sandbox;
#[cfg(test)]
pub(crate) use sandbox::Sandbox;

pub use batch::Batch;
pub use change::FileChange;
pub use diff::{LineCount, Side};
pub use error::GitError;
pub use facts::Operation;
pub use history::{Commit, Walk};
pub(crate) use memo::Memo;
pub use objects::TreeEntry;
pub(crate) use pipe::Deadlined;
pub use remerge::Remerge;
pub use repo::Repo;
pub use revert::Reverted;
pub use run::{Call, Flow};
pub use scope::Scope;
pub use version::Version;
pub use worktree::Scratch;
