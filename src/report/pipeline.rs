//! How far a change has come: its gates in a row, and its monitored days.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::model::{Artifact, Check, Gate, Kind};
use crate::report::doc::Tile;
use crate::report::{Text, Tone};
use crate::workflow::{Change, End, gates, window};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Passed, and when.
    Done(Option<DateTime<Utc>>),
    Here,
    Ahead,
    /// It was tried, and its checks failed.
    Failed(DateTime<Utc>),
    /// The change ended before it, as the word says.
    Ended(Tone, &'static str),
}

impl Progress {
    fn tone_and_word(self) -> (Tone, &'static str) {
        match self {
            Self::Done(_) => (Tone::Good, "done"),
            Self::Here => (Tone::Now, "next"),
            Self::Ahead => (Tone::Quiet, "ahead"),
            Self::Failed(_) => (Tone::Bad, "failed"),
            Self::Ended(tone, word) => (tone, word),
        }
    }
}

pub(crate) fn failed_validation(change: &Change) -> Option<(DateTime<Utc>, &[Check], &Artifact)> {
    let since = change.events.iter().rev().take_while(|event| !matches!(event.what, Kind::BaselineTaken(_)));
    since.filter(|_| change.validation.is_none()).find_map(|event| {
        let Kind::ValidationFailed { checks, artifact, .. } = &event.what else { return None };
        Some((event.at, checks.as_slice(), artifact))
    })
}

/// Every gate that the change's class owes, in order.
pub(crate) fn stations(change: &Change) -> Vec<(Gate, Progress)> {
    let mut reached = true;
    let mut station = |gate: Gate| {
        let passed = reached && gates::passed(change, gate);
        let failed = failed_validation(change).filter(|_| gate == Gate::Validate);
        let progress = match (passed, reached, &change.end) {
            (true, ..) => Progress::Done(passed_at(change, gate)),
            (_, true, _) if let Some((at, ..)) = failed => Progress::Failed(at),
            (false, true, None) => Progress::Here,
            (false, true, Some(End::Held { .. })) => Progress::Ended(Tone::Quiet, "held"),
            (false, true, Some(End::Rejected { .. })) => Progress::Ended(Tone::Bad, "rejected"),
            (false, true, Some(End::RolledBack)) => Progress::Ended(Tone::Bad, "rolled back"),
            (false, true, Some(End::Verified { .. })) => Progress::Ended(Tone::Good, "verified"),
            (false, false, _) => Progress::Ahead,
        };
        reached = passed;
        (gate, progress)
    };
    change.opened.class.gates().iter().map(|gate| station(*gate)).collect()
}

pub(crate) fn tiles(change: &Change) -> Vec<Tile> {
    let tile = |(gate, progress): (Gate, Progress)| {
        let (tone, word) = progress.tone_and_word();
        let note = match progress {
            Progress::Done(Some(at)) => at.format("%Y-%m-%d").to_string(),
            Progress::Failed(at) => format!("{word} {}", at.format("%Y-%m-%d")),
            Progress::Done(None) | Progress::Here | Progress::Ahead | Progress::Ended(..) => word.to_owned(),
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
            Progress::Here | Progress::Failed(_) | Progress::Ended(..) => format!("{} ({word})", gate.name()),
            Progress::Done(_) | Progress::Ahead => gate.name().to_owned(),
        };
        text.plain(if i == 0 { "" } else { " → " }).mark(tone, name)
    })
}

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

/// No page shows more days than a year has.
const MOST_DAYS: u32 = 366;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    Measured,
    Alarm,
    Missed,
    /// Today or later, and not measured yet.
    Ahead,
}

impl Day {
    fn tone_and_word(self) -> (Tone, &'static str) {
        match self {
            Self::Measured => (Tone::Good, "measured"),
            Self::Alarm => (Tone::Bad, "alarm"),
            Self::Missed => (Tone::Unsure, "missed"),
            Self::Ahead => (Tone::Quiet, "ahead"),
        }
    }
}

/// Every day from the full rollout to the end of the window, or to the last measured day if that is later; empty before
/// the rollout. After a change has ended no day lies ahead.
pub(crate) fn days(change: &Change, now: DateTime<Utc>) -> Vec<(NaiveDate, Day)> {
    let Some(from) = change.fully_rolled_out_at() else { return Vec::new() };
    let demanded =
        change.frozen_policy().map_or(window::MIN_DAYS, |policy| policy.min_monitor_days.max(window::MIN_DAYS));
    let last_tick = change.ticks.iter().filter_map(|tick| window::day_of(from, tick.utc_date)).max().unwrap_or(0);
    let span = if change.is_open() { demanded.max(last_tick) } else { last_tick };
    let date = |n: u32| from.date_naive().checked_add_days(Days::new(u64::from(n)));
    (0..=span.min(MOST_DAYS)).filter_map(date).map(|date| (date, day(change, date, now))).collect()
}

fn day(change: &Change, date: NaiveDate, now: DateTime<Utc>) -> Day {
    let mut ticks = change.ticks.iter().filter(|tick| tick.utc_date == date).peekable();
    match ticks.peek().is_some() {
        true if ticks.any(|tick| !tick.alarms.is_empty()) => Day::Alarm,
        true => Day::Measured,
        false if date < now.date_naive() => Day::Missed,
        false => Day::Ahead,
    }
}

pub(crate) fn day_tiles(change: &Change, now: DateTime<Utc>) -> Vec<Tile> {
    let tile = |(i, (date, day)): (usize, (NaiveDate, Day))| {
        let (tone, word) = day.tone_and_word();
        Tile { tone, name: format!("Day {i}"), note: format!("{date} {word}") }
    };
    days(change, now).into_iter().enumerate().map(tile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_missed_day_is_told_from_one_that_is_still_ahead() {
        let change = fixture::passed(7);
        let of = |now| days(&change, now).into_iter().map(|(_, day)| day).collect::<Vec<_>>();
        assert_eq!(of(fixture::at(6, 9)), [Day::Measured, Day::Alarm, Day::Ahead, Day::Ahead]);
        assert_eq!(of(fixture::at(7, 9)), [Day::Measured, Day::Alarm, Day::Missed, Day::Ahead]);
        assert_eq!(days(&fixture::passed(5), fixture::at(7, 9)), []);
    }
}
