//! Pieces of sentences: counted nouns, moments, lists, short hashes.

use chrono::{DateTime, Utc};

/// `1 pair`, `3 pairs`.
pub fn count(n: impl Into<u64>, one: &str, many: &str) -> String {
    let n = n.into();
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A moment to the minute.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// All of them.
pub fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more there are.
pub fn few<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    let more = items.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", joined(items.iter().take(SHOWN).map(ToString::to_string)))
}

/// The beginning of a text that anybody may have written.
pub fn cut(text: &str, length: usize) -> String {
    let mut shown: String = text.chars().take(length).collect();
    if text.chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

/// As many digits of a commit's hash as commands take.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
