//! The monitored days of a change: measured, with an alarm, missed, or still to come.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::report::Tone;
use crate::report::doc::Tile;
use crate::workflow::{Change, window};

/// No page shows more days than a year has.
const MOST_DAYS: u32 = 366;

/// What a day came to.
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

/// The days as a page shows them.
pub(crate) fn tiles(change: &Change, now: DateTime<Utc>) -> Vec<Tile> {
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
