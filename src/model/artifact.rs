//! A reference to an evidence file: its path in the project and the digest of its bytes. Must not read files.

use serde::{Deserialize, Serialize};

use crate::model::Digest;

/// A file that proves something, and what its bytes were when it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Path from the project's root, with `/` between its parts on every platform.
    pub path: String,
    pub sha256: Digest,
}

/// The name under which an evidence file is kept when the `number`th newer one takes its own.
pub fn superseded_name(path: &str, number: u32) -> String {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    match path[name_at..].rfind('.').filter(|at| *at > 0) {
        Some(at) => format!("{}.superseded-{number}{}", &path[..name_at + at], &path[name_at + at..]),
        None => format!("{path}.superseded-{number}"),
    }
}
