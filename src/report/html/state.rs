//! The states by which the page is filtered: coarser than a change's status. Must not decide.

use crate::workflow::{Change, End};

/// A group of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// Fully rolled out, and not verified yet.
    Monitoring,
    Verified,
    Held,
    Rejected,
    RolledBack,
}

impl State {
    /// Every state, in the order in which it is offered.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Monitoring, Self::Verified, Self::Held, Self::Rejected, Self::RolledBack];

    /// The state of a change.
    pub fn of(change: &Change) -> Self {
        match &change.end {
            Some(End::Verified { .. }) => Self::Verified,
            Some(End::Held { .. }) => Self::Held,
            Some(End::Rejected { .. }) => Self::Rejected,
            Some(End::RolledBack) => Self::RolledBack,
            None if change.fully_rolled_out_at().is_some() => Self::Monitoring,
            None => Self::Open,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Monitoring => "monitoring",
            Self::Verified => "verified",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::RolledBack => "rolled back",
        }
    }

    /// Its name in classes and ids.
    pub fn class(self) -> &'static str {
        match self {
            Self::RolledBack => "rolled-back",
            state => state.name(),
        }
    }
}
