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
