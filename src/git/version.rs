//! Which git is there, and which one is needed: the one place that names versions. Must not run anything but
//! `git --version`.

use std::fmt;

use crate::git::{Call, GitError};

/// A version of git, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32);

/// The oldest git that everything but the two below works with; it brought `--diff-merges`.
pub const NEEDED: Version = Version(2, 31);
/// `git hook run`; an older git cannot be asked whether the hooks fire.
pub const HOOK_RUN: Version = Version(2, 36);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The git on PATH.
pub fn installed() -> Result<Version, GitError> {
    let said = Call::new(&std::env::temp_dir()).without_literal_paths().arg("--version").line()?;
    let unreadable = || GitError::Unreadable { args: "--version".to_owned(), what: said.chars().take(80).collect() };
    parse(&said).ok_or_else(unreadable)
}

/// Out of `git version 2.39.3 (Apple Git-146)`, `git version 2.47.1.windows.1`.
fn parse(said: &str) -> Option<Version> {
    let mut parts = said.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some(Version(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_every_build_of_git_says_them() {
        assert_eq!(parse("git version 2.39.3 (Apple Git-146)"), Some(Version(2, 39)));
        assert_eq!(parse("git version 2.47.1.windows.1"), Some(Version(2, 47)));
        assert_eq!(parse("git version 2.31.0-rc2"), Some(Version(2, 31)));
        assert_eq!(parse("hub version 2"), None);
        assert!(Version(2, 9) < NEEDED && NEEDED < HOOK_RUN && installed().unwrap() >= NEEDED);
    }

    #[test]
    fn the_documents_name_the_same_versions() {
        let read = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            std::fs::read_to_string(path).unwrap()
        };
        assert!(read("README.md").contains(&format!("git {NEEDED} or newer")));
        assert!(read("docs/enforcement.md").contains(&format!("git {HOOK_RUN} or newer")));
    }
}
