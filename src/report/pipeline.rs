//! The progress of a change: its gates and its monitored days.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::model::{Artifact, Check, Gate, Kind, MIN_DAYS};
use crate::report::{Text, Tone};
use crate::workflow::{Change, End, window};

/// A gate of the change's class, and its state.
pub(crate) struct Station {
    pub(crate) gate: Gate,
    pub(crate) tone: Tone,
    /// `done`, `next`, `ahead`, `failed`, or how the change ended before this gate.
    pub(crate) word: &'static str,
    /// When it was passed, or its checks failed.
    pub(crate) at: Option<DateTime<Utc>>,
}

impl Station {
    pub(crate) fn is_done(&self) -> bool {
        self.word == "done"
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.gate.number(), self.gate.name())
    }
}

pub(crate) fn failed_validation(change: &Change) -> Option<(DateTime<Utc>, &[Check], &Artifact)> {
    let since = change.events.iter().rev().take_while(|event| !matches!(event.what, Kind::BaselineTaken(_)));
    since.filter(|_| change.validation.is_none()).find_map(|event| {
        let Kind::ValidationFailed { checks, artifact, .. } = &event.what else { return None };
        Some((event.at, checks.as_slice(), artifact))
    })
}

/// Every gate of the change's class, in order.
pub(crate) fn stations(change: &Change) -> Vec<Station> {
    let mut reached = true;
    let mut station = |gate: Gate| {
        let passed = reached && change.passed(gate);
        let failed = failed_validation(change).filter(|_| gate == Gate::Validate);
        let (tone, word, at) = match (passed, reached, failed, &change.end) {
            (true, ..) => (Tone::Good, "done", passed_at(change, gate)),
            (false, false, ..) => (Tone::Quiet, "ahead", None),
            (false, true, Some((at, ..)), _) => (Tone::Bad, "failed", Some(at)),
            (false, true, None, None) => (Tone::Now, "next", None),
            (false, true, None, Some(end)) => (end.into(), end.words(), None),
        };
        reached = passed;
        Station { gate, tone, word, at }
    };
    change.opened.class.gates().iter().map(|gate| station(*gate)).collect()
}

pub(crate) fn tiles(change: &Change) -> Vec<(Tone, String, String)> {
    let tile = |it: Station| {
        let date = it.at.map(|at| at.format("%Y-%m-%d").to_string());
        let word = if it.is_done() && date.is_some() { None } else { Some(it.word.to_owned()) };
        let note = word.into_iter().chain(date).collect::<Vec<_>>().join(" ");
        (it.tone, it.name(), note)
    };
    stations(change).into_iter().map(tile).collect()
}

/// The gates in one line: `✓ open → ✓ contract → ▸ baseline (next) → · validate`.
pub(crate) fn line(change: &Change) -> Text {
    stations(change).into_iter().enumerate().fold(Text::new(), |text, (i, it)| {
        let is_plain = it.is_done() || it.word == "ahead";
        let name = if is_plain { it.gate.name().to_owned() } else { format!("{} ({})", it.gate.name(), it.word) };
        text.plain(if i == 0 { "" } else { " → " }).mark(it.tone, name)
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

const MOST_DAYS: u32 = 366;

/// Every day from the full rollout, which need not be measured, to the end of the window, or to the last measured day if that
/// is later, with its state in a word. Empty before the rollout; an ended change has no days after its last measured one.
pub(crate) fn days(change: &Change, now: DateTime<Utc>) -> Vec<(NaiveDate, Tone, &'static str)> {
    let Some(from) = change.fully_rolled_out_at() else { return Vec::new() };
    let demanded = change.frozen_policy().map_or(MIN_DAYS, |policy| policy.min_monitor_days.max(MIN_DAYS));
    let last_tick = change.ticks.iter().filter_map(|tick| window::day_of(from, tick.utc_date)).max().unwrap_or(0);
    let span = if change.is_open() { demanded.max(last_tick) } else { last_tick };
    let date = |n: u32| from.date_naive().checked_add_days(Days::new(u64::from(n)));
    let day = |date: NaiveDate| {
        let mut ticks = change.ticks.iter().filter(|tick| tick.utc_date == date).peekable();
        let (tone, word) = match ticks.peek().is_some() {
            true if ticks.any(|tick| !tick.alarms.is_empty()) => (Tone::Bad, "alarm"),
            true => (Tone::Good, "measured"),
            false if date == from.date_naive() => (Tone::Quiet, "rolled out"),
            false if date < now.date_naive() => (Tone::Unsure, "missed"),
            false => (Tone::Quiet, "ahead"),
        };
        (date, tone, word)
    };
    (0..=span.min(MOST_DAYS)).filter_map(date).map(day).collect()
}

pub(crate) fn day_tiles(change: &Change, now: DateTime<Utc>) -> Vec<(Tone, String, String)> {
    let days = days(change, now).into_iter().enumerate();
    days.map(|(i, (date, tone, word))| (tone, format!("Day {i}"), format!("{date} {word}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_missed_day_differs_from_one_still_ahead() {
        let change = fixture::passed(7);
        let of = |now| days(&change, now).into_iter().map(|(.., word)| word).collect::<Vec<_>>();
        assert_eq!(of(fixture::at(6, 9)), ["measured", "alarm", "ahead", "ahead"]);
        assert_eq!(of(fixture::at(7, 9)), ["measured", "alarm", "missed", "ahead"]);
        assert_eq!(days(&fixture::passed(5), fixture::at(7, 9)), []);
        let unmeasured = Change { ticks: Vec::new(), ..change };
        assert_eq!(days(&unmeasured, fixture::at(7, 9))[0].2, "rolled out");
    }
}
