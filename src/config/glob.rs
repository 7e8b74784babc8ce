//! Globs of the config, over paths with `/`: `*` stays within one part of a path, `**` crosses parts.

use globset::{Error, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// One glob.
pub fn one(pattern: &str) -> Result<Glob, Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

/// A set of globs.
pub fn set<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(one(pattern.as_ref())?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_one_part_of_a_path() {
        let set = set(["docs/*.md", "src/**"]).unwrap();
        assert!(set.is_match("docs/a.md") && set.is_match("src/a/b.rs"));
        assert!(!set.is_match("docs/old/a.md"));
    }
}
