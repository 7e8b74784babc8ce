//! YAML as JSON values, under the same budget as the config file. Must not know what the values mean.

use serde_json::Value;

use crate::config::node;

/// Why a text is no YAML that JSON could say, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong there.
    pub message: String,
}

/// The value of a YAML text; a byte order mark is accepted.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = node::parse(text).map_err(|error| YamlError {
        line: error.at.line,
        column: error.at.column,
        message: error.message,
    })?;
    tree.to_json().map_err(|at| YamlError {
        line: at.line,
        column: at.column,
        message: "a number that is not finite, or too large".to_owned(),
    })
}
