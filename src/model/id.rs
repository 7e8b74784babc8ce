//! Change ids: which texts are valid (they become file names), and how an id is generated from a title.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::text::slug;

/// Longest id in characters; the Python tool generates at most 56, users write longer ones.
const MAX_ID: usize = 120;
/// Longest slug of a generated id in characters, as in the Python tool.
const MAX_SLUG: usize = 36;

/// An id such as `chg-20260218-123900-faster-cache`: safe as a file name on every platform and as a trailer value.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChangeId(String);

/// The beginning of a text that is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid change id {0:?}: ids begin with \"chg-\" and hold at most {MAX_ID} letters, digits, '-' and '_', like \
     chg-20260218-123900-faster-cache"
)]
pub struct BadId(String);

impl ChangeId {
    /// Generates an id from time and title: `chg-YYYYMMDD-HHMMSS-slug`. `attempt` 0 gives the plain id; higher attempts
    /// give numbered variants, for when the id is taken.
    pub fn generate(at: DateTime<Utc>, title: &str, attempt: u32) -> Self {
        let suffix = if attempt == 0 { String::new() } else { format!("-{}", attempt + 1) };
        let words: String = slug(title).chars().take(MAX_SLUG - suffix.len().min(MAX_SLUG)).collect();
        let slug = words.trim_end_matches('-');
        let stamp = at.format("%Y%m%d-%H%M%S");
        let name = if slug.is_empty() { format!("chg-{stamp}{suffix}") } else { format!("chg-{stamp}-{slug}{suffix}") };
        Self(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The timestamp and the slug of a generated id; `None` for an id of another form.
    pub fn time_and_slug(&self) -> Option<(&str, &str)> {
        const STAMP: usize = "20260218-123900".len();
        let (stamp, slug) = self.0.strip_prefix("chg-")?.split_at_checked(STAMP)?;
        let is_stamp = stamp.bytes().enumerate().all(|(at, b)| if at == 8 { b == b'-' } else { b.is_ascii_digit() });
        Some((stamp, slug.strip_prefix('-')?)).filter(|_| is_stamp)
    }

    /// Whether a text could be part of an id: not too long, and only with characters that ids may have.
    pub fn could_hold(text: &str) -> bool {
        text.len() <= MAX_ID && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }
}

impl FromStr for ChangeId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let begins =
            text.strip_prefix("chg-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
        if begins && Self::could_hold(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChangeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn moment() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 2, 15, 14, 29, 35).unwrap()
    }

    #[test]
    fn a_generated_id_holds_the_moment_and_a_slug_of_at_most_36_characters() {
        let id = ChangeId::generate(moment(), "Step1: advisory speed, default FORCE_programmatic", 0);
        assert_eq!(id.as_str(), "chg-20260215-142935-step1-advisory-speed-default-force_p");
    }

    #[test]
    fn the_second_of_two_equal_titles_in_one_second_is_numbered() {
        assert_eq!(ChangeId::generate(moment(), "cache", 1).as_str(), "chg-20260215-142935-cache-2");
    }

    #[test]
    fn ids_seen_in_the_field_are_ids() {
        for id in ["chg-20260218-123900", "chg-advisory-source-roles-realignment"] {
            assert_eq!(id.parse::<ChangeId>().unwrap().as_str(), id);
        }
    }

    #[test]
    fn nothing_that_could_leave_the_directory_is_an_id() {
        for id in [
            "../../x",
            "chg-../x",
            "chg-a/b",
            "chg-a\\b",
            "-chg-a",
            "chg--a",
            "chg-",
            "",
            "chg-a\n",
            "chg-a\u{0}",
            "chg-é",
        ] {
            assert!(id.parse::<ChangeId>().is_err(), "{id:?}");
        }
        assert!(format!("chg-{}", "a".repeat(200)).parse::<ChangeId>().is_err());
    }

    proptest! {
        #[test]
        fn every_title_gives_a_valid_id(title in ".{0,200}", attempt in 0u32..20) {
            let id = ChangeId::generate(moment(), &title, attempt);
            prop_assert_eq!(id.as_str().parse::<ChangeId>().unwrap(), id);
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in any::<String>()) {
            let _ = text.parse::<ChangeId>();
        }
    }
}
