//! The gates of a change in a row, with where it stands: shown by the logbook, the status and the page. Must not
//! work out what may happen next.

use chrono::{DateTime, Utc};

use crate::model::{Gate, Kind};
use crate::report::Tone;
use crate::workflow::{Change, gates};

/// Where a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Done,
    Here,
    Ahead,
    Stopped,
}

/// One gate of a change's class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    pub gate: Gate,
    pub progress: Progress,
    /// When it was passed, where it was.
    pub at: Option<DateTime<Utc>>,
}

impl Progress {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Here => "next",
            Self::Ahead => "ahead",
            Self::Stopped => "not reached",
        }
    }

    /// With its symbol.
    pub fn tone(self) -> Tone {
        match self {
            Self::Done => Tone::Good,
            Self::Here => Tone::Now,
            Self::Ahead => Tone::Quiet,
            Self::Stopped => Tone::Bad,
        }
    }
}

/// Every gate that the change's class owes, in order.
pub fn stations(change: &Change) -> Vec<Station> {
    let mut reached = true;
    let mut list = Vec::new();
    for gate in change.opened.class.gates().iter().copied() {
        let passed = reached && gates::passed(change, gate);
        let progress = match (passed, reached, change.is_open()) {
            (true, _, _) => Progress::Done,
            (false, true, true) => Progress::Here,
            (false, true, false) => Progress::Stopped,
            (false, false, _) => Progress::Ahead,
        };
        reached = passed;
        list.push(Station { gate, progress, at: passed.then(|| passed_at(change, gate)).flatten() });
    }
    list
}

/// When a passed gate was passed.
fn passed_at(change: &Change, gate: Gate) -> Option<DateTime<Utc>> {
    match gate {
        Gate::Open => Some(change.opened_at),
        Gate::Contract => {
            let written = change.events.iter().rev().find(|event| matches!(event.what, Kind::ContractSet { .. }));
            written.map(|event| event.at)
        }
        Gate::Baseline => change.baseline.as_ref().map(|baseline| baseline.at),
        Gate::Validate => change.validation.as_ref().map(|validation| validation.at),
        Gate::After => change.after.as_ref().map(|after| after.at),
        Gate::Compare => change.comparison.as_ref().map(|comparison| comparison.at),
        Gate::Decide => change.promotion.as_ref().map(|promotion| promotion.at),
        Gate::Rollout => change.fully_rolled_out_at(),
        Gate::Verify => match &change.end {
            Some(crate::workflow::End::Verified { at, .. }) => Some(*at),
            _ => None,
        },
    }
}
