//! The gates of a change in a row, with where it stands.

use chrono::{DateTime, Utc};

use crate::model::{Gate, Kind};
use crate::report::doc::Tile;
use crate::report::{Text, Tone};
use crate::workflow::{Change, End, gates};

/// Where a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Passed, and when.
    Done(Option<DateTime<Utc>>),
    Here,
    Ahead,
    Stopped,
}

impl Progress {
    fn tone_and_word(self) -> (Tone, &'static str) {
        match self {
            Self::Done(_) => (Tone::Good, "done"),
            Self::Here => (Tone::Now, "next"),
            Self::Ahead => (Tone::Quiet, "ahead"),
            Self::Stopped => (Tone::Bad, "not reached"),
        }
    }
}

/// Every gate that the change's class owes, in order.
pub(crate) fn stations(change: &Change) -> Vec<(Gate, Progress)> {
    let mut reached = true;
    let mut station = |gate: Gate| {
        let passed = reached && gates::passed(change, gate);
        let progress = match (passed, reached, change.is_open()) {
            (true, _, _) => Progress::Done(passed_at(change, gate)),
            (false, true, true) => Progress::Here,
            (false, true, false) => Progress::Stopped,
            (false, false, _) => Progress::Ahead,
        };
        reached = passed;
        (gate, progress)
    };
    change.opened.class.gates().iter().map(|gate| station(*gate)).collect()
}

/// The gates as a page shows them.
pub(crate) fn tiles(change: &Change) -> Vec<Tile> {
    let tile = |(gate, progress): (Gate, Progress)| {
        let (tone, word) = progress.tone_and_word();
        let note = match progress {
            Progress::Done(Some(at)) => at.format("%Y-%m-%d").to_string(),
            Progress::Done(None) | Progress::Here | Progress::Ahead | Progress::Stopped => word.to_owned(),
        };
        Tile { tone, name: format!("{} {}", gate.number(), gate.name()), note }
    };
    stations(change).into_iter().map(tile).collect()
}

/// The gates in one line: `✓ open → ✓ contract → ▸ baseline (next) → · validate`.
pub(crate) fn line(change: &Change) -> Text {
    stations(change).into_iter().enumerate().fold(Text::new(), |text, (i, (gate, progress))| {
        let (tone, word) = progress.tone_and_word();
        let name = match progress {
            Progress::Here | Progress::Stopped => format!("{} ({word})", gate.name()),
            Progress::Done(_) | Progress::Ahead => gate.name().to_owned(),
        };
        text.plain(if i == 0 { "" } else { " → " }).mark(tone, name)
    })
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
            Some(End::Verified { at, .. }) => Some(*at),
            Some(End::Held { .. } | End::Rejected { .. } | End::RolledBack) | None => None,
        },
    }
}
