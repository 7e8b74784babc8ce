//! One metric, or one criterion, of a comparison in words. Must not judge.

use crate::judge::compare::{Level, MetricRow};
use crate::judge::{Change, Comparison, CriterionRow, Role};
use crate::model::{Bound, Estimate, Judged, Sampling, Verdict};
use crate::report::{Text, Tone, values, verdict};

/// Why a criterion got its verdict. Unlike a record, a comparison knows every metric's unit.
pub fn criterion_reason(row: &CriterionRow, comparison: &Comparison) -> String {
    let metric = comparison.metrics.iter().find(|it| it.metric == row.criterion.metric);
    let finding = match &row.result {
        Verdict::Pass(finding) | Verdict::Fail(finding) => Some(finding),
        Verdict::Inconclusive { finding, .. } => finding.as_ref(),
        Verdict::Invalid { .. } => None,
    };
    let judged = Judged { criterion: row.criterion.clone().into(), verdict: row.result.clone() };
    let plain = if row.role == Role::Trigger { verdict::trigger_reason(&judged) } else { verdict::reason(&judged) };
    let (Some(metric), Some(finding), Bound::Absolute { .. }) = (metric, finding, &row.criterion.bound) else {
        return plain;
    };
    if metric.sampling == Sampling::Rate {
        return plain;
    }
    // The sentence is the record's; only the number is shown in the unit that was measured.
    let by_name = verdict::measured(Some(&row.criterion), finding);
    let by_unit = values::quantity_estimate(&finding.estimate, &metric.unit);
    plain.replacen(&by_name, &by_unit, 1)
}

/// What became of a metric, as a mark.
pub fn change_mark(change: &Change) -> (Tone, &'static str) {
    match change {
        Change::Improved(_) => (Tone::Good, "improved"),
        Change::Regressed(_) => (Tone::Bad, "regressed"),
        Change::NoDifference(_) => (Tone::Quiet, "no difference"),
        Change::Inconclusive { .. } => (Tone::Unsure, "inconclusive"),
        Change::Invalid { .. } => (Tone::Broken, "invalid"),
    }
}

/// The mark, and the reason where nothing was concluded.
pub fn change_text(row: &MetricRow) -> Text {
    let (tone, word) = change_mark(&row.result);
    let text = Text::new().mark(tone, word);
    match &row.result {
        Change::Improved(_) | Change::Regressed(_) | Change::NoDifference(_) => text,
        Change::Inconclusive { .. } if never_failed(row) => Text::new().mark(Tone::Quiet, "nothing failed"),
        Change::Inconclusive { finding, because, more_runs } => {
            let shown = finding.as_ref().map(|finding| verdict::difference(&row.metric, finding));
            let why = verdict::unsettled(
                verdict::is_paired(finding.as_ref()),
                finding.as_ref(),
                because,
                *more_runs,
                shown,
                "no change",
            );
            text.plain(format!(": {why}"))
        }
        Change::Invalid { because } => text.plain(format!(": {}", verdict::flaw(because))),
    }
}

/// A rate at which nothing failed on either side: that no finite number of runs proves a rate of 100 % helps nobody.
fn never_failed(row: &MetricRow) -> bool {
    let all = |side: Option<Level>| side.is_none_or(|level| level.value >= 1.0);
    let still = row.result.finding().is_some_and(|finding| finding.estimate.value == 0.0);
    row.sampling == Sampling::Rate && still && all(row.before) && all(row.after)
}

/// The difference with its interval, or a dash.
pub fn difference(row: &MetricRow) -> String {
    match row.result.finding() {
        Some(finding) if row.sampling == Sampling::Rate => values::points_estimate(&finding.estimate),
        Some(finding) => values::share_estimate(&finding.estimate),
        None => raw_difference(row).unwrap_or_else(|| "–".to_owned()),
    }
}

/// Where there is no estimate, the bare difference of the medians, in parentheses: it proves nothing.
fn raw_difference(row: &MetricRow) -> Option<String> {
    let (before, after) = row.before.zip(row.after)?;
    let share = (after.value - before.value) / before.value.abs();
    (row.sampling != Sampling::Rate && share.is_finite()).then(|| format!("({})", values::share(share)))
}

/// A side's median, with its interval where there is one.
pub fn level(side: Option<Level>, row: &MetricRow) -> String {
    let Some(level) = side else { return "–".to_owned() };
    if row.sampling == Sampling::Rate {
        return values::plain_share(level.value);
    }
    let (low, high) = level.interval.unwrap_or((level.value, level.value));
    values::quantity_estimate(&Estimate { value: level.value, low, high, confidence: 0.95 }, &row.unit)
}

/// How much was measured: `12 pairs`, or the samples of each side.
pub fn amount(row: &MetricRow) -> String {
    match row.result.finding() {
        Some(finding) => verdict::basis(finding),
        None if row.pairs.is_some() => values::count(row.pairs.unwrap_or_default(), "pair", "pairs"),
        None => {
            let n = |side: Option<Level>| side.map_or(0, |level| level.n);
            format!("{} and {} runs", n(row.before), n(row.after))
        }
    }
}
