//! Normalises output so that it is the same on every machine and in every run: paths, hashes, identifiers, durations.

use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Digests, commits (full and short), UUIDs and measured seconds, in the order in which they are replaced.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[UUID]"),
        (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
        (r"\b[0-9a-f]{40}\b", "[COMMIT]"),
        (r"\b[0-9a-f]{12}\b", "[SHORT]"),
        (r"\b\d+\.\d+ ?(?:s|ms)\b", "[TIME]"),
        (r"\bpid \d+", "pid [PID]"),
        (r"vibeship-optimizer\.exe", "vibeship-optimizer"),
    ];
    patterns.into_iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), name)).collect()
});

/// Replaces everything that differs between runs; `places` are directories and their placeholders.
pub(crate) fn normal(text: &str, places: &[(&Path, &str)]) -> String {
    let mut text = text.replace("\r\n", "\n");
    for (path, name) in places {
        let shown = path.display().to_string();
        text = text.replace(&shown, name);
        if cfg!(windows) {
            text = text.replace(&shown.replace('\\', "\\\\"), name).replace(&shown.replace('\\', "/"), name);
        }
    }
    if cfg!(windows) {
        let below = Regex::new(r"\[(?:PROJECT|TEMP)\][^\s:]*").unwrap();
        text = below
            .replace_all(&text, |found: &Captures<'_>| found[0].replace(r"\\", "/").replace('\\', "/"))
            .into_owned();
    }
    PATTERNS.iter().fold(text, |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
}
