//! Rendering: every answer is a [`Doc`], and every format a renderer of it. Never prints, never decides.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod compare;
pub(crate) mod day;
pub(crate) mod doc;
pub(crate) mod findings;
pub(crate) mod logbook;
pub(crate) mod markdown;
pub(crate) mod method;
pub(crate) mod metric;
pub(crate) mod page;
pub(crate) mod pair;
pub(crate) mod pipeline;
pub(crate) mod plot;
pub(crate) mod problem;
pub(crate) mod project;
pub(crate) mod review;
pub(crate) mod rollback;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod values;
pub(crate) mod verdict;
pub(crate) mod visible;

pub(crate) use compare::CompareView;
pub(crate) use day::{DayDecision, DayOpen, DayView, Probed};
pub(crate) use doc::{Align, Bar, Block, Doc, Span, Table, Text, Tone, code, codes, mark};
pub(crate) use page::{Entry, Page};
pub(crate) use problem::StepCommand;
pub(crate) use review::{BundleView, CommitDiff};
pub(crate) use status::{Progressed, StatusAnswer, StatusLine, StatusView, StepView};
pub(crate) use terminal::Terminal;

/// How the answer is printed
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    Text,
    /// JSON for programs
    Json,
    /// Markdown, for commands that answer with a report
    #[value(alias = "md")]
    Markdown,
    /// GitHub annotations and a step summary, for `check`
    Github,
    /// JUnit XML, only for `check`
    Junit,
    /// An HTML page, only for `report`
    Html,
}

impl Format {
    /// For a format of a single command: that command, and the message for other commands.
    pub(crate) fn only_for(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Junit => Some(("check", "junit is for `check`, whose answer is a list of findings")),
            Self::Html => Some(("report", "html is for `report`, whose answer is a page")),
            Self::Github => Some(("check", "github is for `check`, whose answer is a list of findings")),
            Self::Text | Self::Json | Self::Markdown => None,
        }
    }
}

#[cfg(test)]
#[path = "../../tests/suite/support/enums.rs"]
#[expect(clippy::disallowed_methods, reason = "a test reads the source")]
mod enums;
#[cfg(test)]
#[path = "../../tests/unit/changes.rs"]
pub(crate) mod fixture;
