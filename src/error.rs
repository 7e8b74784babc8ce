//! How a command fails: refused by a gate, or trouble. Owns the exit code of each; must not print.

use std::io;

use crate::exit::Exit;
use crate::workflow::{Change, Refusal};

/// A command that did not do what was asked.
#[derive(Debug)]
pub enum CommandError {
    Refused {
        refusal: Box<Refusal>,
        /// Of which change; `None` when none was opened.
        change: Option<Box<Change>>,
    },
    /// It cannot be told which change is meant, or there is no such thing.
    Trouble { error: anyhow::Error, hints: Vec<String> },
    /// Something that was asked for was tried, and the answer is no.
    Failed { message: String, hints: Vec<String> },
    /// Nobody reads the answer any more; not an error.
    ClosedPipe,
}

impl CommandError {
    /// Trouble with a message.
    pub fn trouble(message: impl std::fmt::Display) -> Self {
        Self::Trouble { error: anyhow::anyhow!("{message}"), hints: Vec::new() }
    }

    /// With one more line on what to do.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        if let Self::Trouble { hints, .. } = &mut self {
            hints.push(hint.into());
        }
        self
    }

    /// A refusal on a change.
    pub fn refused(refusal: Refusal, change: Option<&Change>) -> Self {
        Self::Refused { refusal: Box::new(refusal), change: change.cloned().map(Box::new) }
    }

    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused { refusal, .. } if refusal.is_not_yet() => Exit::NotYet,
            Self::Refused { .. } | Self::Failed { .. } => Exit::No,
            Self::Trouble { .. } => Exit::Trouble,
            Self::ClosedPipe => Exit::Yes,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        let error = error.into();
        let closed = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
        if error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(closed) {
            return Self::ClosedPipe;
        }
        Self::Trouble { error, hints: Vec::new() }
    }
}
