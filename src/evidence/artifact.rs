//! A reference to an evidence file: its path in the project and the digest of its bytes. Must not read files.

use serde::Deserialize;
use serde::Serialize;

use crate::evidence::digest::Digest;

/// A file that proves something, and what its bytes were when it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Path from the project's root, with `/` between its parts on every platform.
    pub path: String,
    /// Digest of the file's bytes.
    pub sha256: Digest,
}
