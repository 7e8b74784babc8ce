//! A problem as every part of the tool tells it: a stable code, what it is about, one sentence, and what to do.

use serde::Serialize;

use crate::model::{ChangeId, Fix};

/// How serious a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    /// Should be looked at; does not fail a check.
    Warn,
    Fail,
}

impl Severity {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A commit as problems name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CommitName {
    pub id: String,
    pub subject: String,
}

/// What a problem is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// From the project's root, with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Something that is wrong, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable, for scripts and configs of users.
    pub code: String,
    pub severity: Severity,
    pub subject: Subject,
    /// One sentence without a capital and without a period.
    pub message: String,
    /// The particulars, a line each; they do not repeat the message.
    pub details: Vec<String>,
    /// In the order in which they are to be done; empty only where waiting is all that helps.
    pub fixes: Vec<Fix>,
}

/// The stable code of one kind of problem, an enum that is tagged with it.
pub fn code(kind: &impl Serialize) -> String {
    // The tag of an internally tagged enum is always there.
    let value = serde_json::to_value(kind).unwrap_or_default();
    value["code"].as_str().unwrap_or_default().to_owned()
}
