//! `project`: what the project says of itself.

use serde::Serialize;

use crate::config::Section;

/// Aims and hints.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Project {
    /// What it wants to reach.
    pub goals: Vec<String>,
    /// What kinds of work are intended.
    pub intents: Vec<String>,
    /// Its languages; detected where empty.
    pub languages: Vec<String>,
    /// Python dependencies that are used although never imported.
    pub python_ignore_deps: Vec<String>,
}

impl Project {
    pub(crate) const KEYS: &'static [&'static str] = &["goals", "intents", "languages", "python_ignore_deps"];

    pub(crate) fn read(s: &Section<'_>) -> Self {
        let texts = |key| s.texts(key).unwrap_or_default();
        Self {
            goals: texts("goals"),
            intents: texts("intents"),
            languages: texts("languages"),
            python_ignore_deps: texts("python_ignore_deps"),
        }
    }
}
