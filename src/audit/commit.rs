//! A commit as an audit sees it, and what its message says of itself. Must not run git.

use crate::model::Commit;

/// A commit of the range, with the project's files; for a merge, those that differ from its first parent.
pub type CommitFacts = Commit<FileFact>;

/// A file that a commit changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFact {
    /// Path from the project's root, with `/`.
    pub path: String,
    pub own: bool,
    /// Whether it is new: for a merge, in no parent.
    pub new: bool,
    /// Mode and object of what was there, in git's words.
    pub before: String,
    /// Mode and object of what is there afterwards.
    pub after: String,
}

/// How subjects of commits begin that are meant to be squashed into others.
pub const FIXUPS: [&str; 3] = ["fixup!", "squash!", "amend!"];

impl CommitFacts {
    /// The paths that it changes outside the tool's own files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|file| !file.own).map(|file| file.path.as_str())
    }

    /// Whether it changes nothing but the tool's own files (or nothing at all): it is no change to the code.
    pub fn is_evidence_only(&self) -> bool {
        self.paths().next().is_none()
    }

    /// The marker with which it asks to be squashed.
    pub fn fixup(&self) -> Option<&'static str> {
        fixup(&self.subject)
    }
}

/// The marker with which a subject asks for its commit to be squashed.
pub fn fixup(subject: &str) -> Option<&'static str> {
    FIXUPS.into_iter().find(|marker| subject.starts_with(marker))
}

/// The commits that a message says that it reverts, in git's own words: `This reverts commit HASH.` Of rollbacks that
/// older versions made, `Rolls back HASH` is read too.
pub fn reverted(message: &str) -> Vec<String> {
    let said = |words: &str| -> Vec<String> {
        let after = message.split(words).skip(1);
        after
            .map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>())
            .filter(|hash| (7..=64).contains(&hash.len()))
            .collect()
    };
    let reverted = said("This reverts commit ");
    if reverted.is_empty() { said("\nRolls back ") } else { reverted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reverted_is_read_from_gits_own_sentence() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let message = format!("Revert \"x\"\n\nThis reverts commit {hash}.\n");
        assert_eq!(reverted(&message), [hash]);
        let of_merge = format!("This reverts commit {hash}, reversing\nchanges made to 1234567.");
        assert_eq!(reverted(&of_merge), [hash]);
        assert!(reverted("This reverts commit that was wrong.").is_empty());
        assert!(reverted("no revert").is_empty());
        assert_eq!(reverted(&format!("Revert \"x\"\n\nRolls back {hash}: it hurt\n")), [hash]);
    }

    #[test]
    fn only_a_marker_at_the_start_makes_a_fixup() {
        assert_eq!(fixup("fixup! x"), Some("fixup!"));
        assert_eq!(fixup("squash! x"), Some("squash!"));
        assert_eq!(fixup("amend! x"), Some("amend!"));
        assert_eq!(fixup("Explain fixup! commits"), None);
    }
}
