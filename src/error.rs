//! How a command fails: refused by a gate, or trouble. Owns the exit code of each; must not print.

pub(crate) use crate::exit::Exit;
use crate::model::{Fix, How, Proposed};
use crate::workflow::{Change, Refusal};

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) enum CommandError {
    Refused {
        refusal: Box<Refusal>,
        /// Of which change; `None` when none was opened.
        change: Option<Box<Change>>,
        /// What was asked for, so that the advice repeats it.
        proposed: Box<Proposed>,
    },
    /// It is unclear which change is meant, or there is no such thing.
    Trouble { error: anyhow::Error, fixes: Vec<Fix> },
    /// Something that was asked for was tried, and the answer is no.
    Failed { message: String, fixes: Vec<Fix> },
}

/// What a command gives, or why it fails.
pub(crate) type Result<T, E = CommandError> = std::result::Result<T, E>;

pub(crate) fn trouble(message: impl std::fmt::Display) -> CommandError {
    CommandError::Trouble { error: anyhow::anyhow!("{message}"), fixes: Vec::new() }
}

pub(crate) fn failed(message: impl Into<String>) -> CommandError {
    CommandError::Failed { message: message.into(), fixes: Vec::new() }
}

impl CommandError {
    /// With one more step that only a person can do, in words.
    #[must_use]
    pub(crate) fn hinted(self, what: impl Into<String>) -> Self {
        self.fixed_by([Fix::decide(How::Next, what)])
    }

    #[must_use]
    pub(crate) fn fixed_by(mut self, more: impl IntoIterator<Item = Fix>) -> Self {
        if let Self::Trouble { fixes, .. } | Self::Failed { fixes, .. } = &mut self {
            fixes.extend(more);
        }
        self
    }

    /// With what was asked for, so that the advice repeats it.
    #[must_use]
    pub(crate) fn proposing(mut self, what: Proposed) -> Self {
        if let Self::Refused { proposed, .. } = &mut self {
            **proposed = what;
        }
        self
    }

    pub(crate) fn refused(refusal: Refusal, change: Option<&Change>) -> Self {
        Self::Refused { refusal: Box::new(refusal), change: change.cloned().map(Box::new), proposed: Box::default() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Refused { refusal, .. } if refusal.is_not_yet() => Exit::NotYet,
            Self::Refused { .. } | Self::Failed { .. } => Exit::No,
            Self::Trouble { .. } => Exit::Trouble,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Trouble { error: error.into(), fixes: Vec::new() }
    }
}
