//! The ways in which a command fails, and the exit code of each. Must not print.

pub(crate) use crate::exit::Exit;
use crate::model::{Fix, How, Proposed};
use crate::workflow::{Change, Refusal};

/// The failure of a command.
#[derive(Debug)]
pub(crate) enum CommandError {
    Refused {
        refusal: Box<Refusal>,
        /// The refused change; `None` if none was opened.
        change: Option<Box<Change>>,
        /// What the command proposed, which the advice repeats.
        proposed: Box<Proposed>,
    },
    /// Wrong usage or input, or a failure of the system: exit code 2.
    Trouble { error: anyhow::Error, fixes: Vec<Fix> },
    /// The request was understood and the answer is no: exit code 1.
    Failed { message: String, fixes: Vec<Fix> },
}

/// The result of a command.
pub(crate) type Result<T, E = CommandError> = std::result::Result<T, E>;

pub(crate) fn trouble(message: impl std::fmt::Display) -> CommandError {
    CommandError::Trouble { error: anyhow::anyhow!("{message}"), fixes: Vec::new() }
}

pub(crate) fn failed(message: impl Into<String>) -> CommandError {
    CommandError::Failed { message: message.into(), fixes: Vec::new() }
}

impl CommandError {
    /// Adds a step that only a person can do, in words.
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

    /// Appends a fix if it has some already.
    #[must_use]
    pub(crate) fn then(self, fix: Fix) -> Self {
        let (Self::Trouble { fixes, .. } | Self::Failed { fixes, .. }) = &self else { return self };
        if fixes.is_empty() { self } else { self.fixed_by([fix]) }
    }

    /// Sets what the command proposed, which the advice repeats.
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
