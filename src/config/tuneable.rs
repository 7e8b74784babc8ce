//! `tuneables`: the files and variables that hold the project's operating knobs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Section;

/// Where the tuneables live.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tuneables {
    /// JSON, YAML or TOML files in layer order: later ones win. `~` stands for the home directory.
    pub files: Vec<String>,
    /// Variables that override a key: flattened key (`advisor.max_items`) to variable name.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are recorded beside the tuneables.
    pub watch_env: Vec<String>,
}

impl Tuneables {
    pub(crate) const KEYS: &'static [&'static str] = &["files", "env", "watch_env"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let files = s.texts("files").unwrap_or_default();
        for file in &files {
            let lower = file.to_ascii_lowercase();
            if ![".json", ".yml", ".yaml", ".toml"].iter().any(|ending| lower.ends_with(ending)) {
                s.problem("files", &format!("{file:?} ends in none of .json, .yml, .yaml, .toml"));
            }
        }
        Self { files, env: s.variables("env"), watch_env: s.texts("watch_env").unwrap_or_default() }
    }
}
