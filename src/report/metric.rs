//! Text about a single metric: its levels, its change, the result, and why it has no usable value.

use crate::judge::{MetricChange, compare::Level, compare::MetricRow, series};
use crate::model::text::excerpt;
use crate::model::{
    Design, Effect, Estimate, MetricId, MetricKind, MetricSource, Sampling, Snapshot, Timing, Unusable,
};
use crate::report::{Text, Tone, mark, values, verdict};

pub(crate) fn change_mark(change: &MetricChange) -> Text {
    match change {
        MetricChange::Improved(_) => mark(Tone::Good, "improved"),
        MetricChange::Regressed(_) => mark(Tone::Bad, "regressed"),
        MetricChange::NoDifference(_) => mark(Tone::Quiet, "no difference"),
        MetricChange::Inconclusive { .. } => mark(Tone::Unsure, "inconclusive"),
        MetricChange::Invalid { .. } => mark(Tone::Broken, "invalid"),
    }
}

/// Explains why the levels of a paired metric may seem to contradict its change.
pub(crate) const MEDIANS: &str =
    "Before and after are medians of a side, the change is that within the pairs, so the two may differ.";

/// The mark, and the reason if it is inconclusive or invalid. `shown` is the formatted difference.
pub(crate) fn change_text(change: &MetricChange, paired: bool, shown: Option<String>) -> Text {
    let text = change_mark(change);
    match change {
        MetricChange::Improved(_) | MetricChange::Regressed(_) | MetricChange::NoDifference(_) => text,
        MetricChange::Inconclusive { finding, because, more_runs } => {
            let why =
                verdict::why_inconclusive(paired, finding.as_ref(), because, *more_runs, shown, verdict::NO_CHANGE);
            text.plain(format!(": {why}"))
        }
        MetricChange::Invalid { because } => text.plain(format!(": {}", because)),
    }
}

pub(crate) fn result(row: &MetricRow) -> Text {
    // No number of runs proves a rate of 100 %, so "inconclusive" would not help here.
    let still = row.result.finding().is_some_and(|finding| finding.estimate.value == 0.0);
    if matches!(row.result, MetricChange::Inconclusive { .. }) && still && row.never_failed() {
        return mark(Tone::Quiet, "nothing failed");
    }
    let finding = row.result.finding();
    let paired = finding.is_some_and(|finding| finding.design == Design::Paired);
    change_text(&row.result, paired, finding.map(|finding| verdict::difference(&row.metric, finding, None)))
}

/// The difference with its interval. Without an estimate, the difference of the medians in parentheses, as it proves
/// nothing.
pub(crate) fn difference(row: &MetricRow) -> Text {
    let bare = || {
        let (before, after) = row.before.zip(row.after)?;
        let share = (after.value - before.value) / before.value.abs();
        (row.sampling != Sampling::Rate && share.is_finite()).then(|| format!("({})", values::share(share)))
    };
    let shown = |finding: &Effect| match row.sampling {
        Sampling::Rate => values::points_estimate(&finding.estimate, None),
        Sampling::Sampled | Sampling::Exact => values::change(finding, None),
    };
    row.result.finding().map(shown).or_else(bare).into()
}

/// A side's median, with its interval if there is one.
pub(crate) fn level(side: Option<Level>, row: &MetricRow) -> Text {
    level_text(side, row).into()
}

fn level_text(side: Option<Level>, row: &MetricRow) -> Option<String> {
    let Level { value, interval, .. } = side?;
    if row.sampling == Sampling::Rate {
        return Some(values::plain_share(value));
    }
    let (low, high) = interval.unwrap_or((value, value));
    Some(values::quantity_estimate(&Estimate { value, low, high, confidence: 0.95 }, &row.unit, None))
}

/// A side's median alone, with as many digits as in [`level`].
pub(crate) fn median(side: Option<Level>, row: &MetricRow) -> Text {
    level_text(side, row).map(|text| text.split(" [").next().unwrap_or_default().to_owned()).into()
}

/// The amount of data: `12 pairs`, or the number of samples per side.
pub(crate) fn amount(row: &MetricRow) -> String {
    match (row.result.finding(), row.pairs) {
        (Some(finding), _) => verdict::basis(finding),
        (None, Some(pairs)) => values::count(pairs, "pair", "pairs"),
        (None, None) => {
            let n = |side: Option<Level>| side.map_or(0, |level| level.n);
            format!("{} and {} runs", n(row.before), n(row.after))
        }
    }
}

/// Characters of a command's standard error that are shown.
const SAID: usize = 200;

pub(crate) fn why(snapshot: &Snapshot, id: &MetricId, reason: &Unusable) -> String {
    let text = reason.to_string();
    let is_of_timing = id.source() == Some(MetricSource::Timing);
    let timing = snapshot.timings.iter().find(|timing| is_of_timing && id.subject() == Some(&timing.name));
    match (reason, timing, snapshot.rss_floor_bytes) {
        (Unusable::CommandFailed { .. } | Unusable::TimedOut { .. }, Some(timing), _) => {
            format!("{text}{}", said(timing))
        }
        (Unusable::NotMeasured, Some(timing), Some(floor)) if id.kind() == Some(MetricKind::MaxRss) => format!(
            "peak memory of {} is below this tool's own {} KiB and cannot be told apart from it",
            timing.name,
            floor / 1024
        ),
        _ => text,
    }
}

/// The end of the command's standard error, in one line.
fn said(timing: &Timing) -> String {
    let lines = excerpt(&timing.last_err, SAID);
    let text = lines.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { text } else { format!(": {text}") }
}

/// A line for every timing, KPI, path and probe of a snapshot without a usable value.
pub(crate) fn warnings(snapshot: &Snapshot) -> Vec<String> {
    let all = series::metrics(snapshot);
    let of = |kind: &str, name: &str, id: MetricId| {
        let reason = series::reading(&all, &id).err()?;
        Some(format!("{kind} {name} has no usable value: {}", why(snapshot, &id, &reason)))
    };
    let timings = snapshot.timings.iter();
    let timings = timings.filter_map(|timing| of("timing", &timing.name, MetricKind::Wall.of(&timing.name)));
    let kpis = snapshot.kpis.iter().filter_map(|kpi| of("KPI", &kpi.name, MetricId::kpi(&kpi.name)));
    let sizes = snapshot.missing_sizes.iter().filter_map(|path| of("size", path, MetricKind::Bytes.of(path)));
    let failed = snapshot.http.iter().filter(|http| !http.ok);
    let probes = failed.map(|http| {
        let why = http.error.as_deref().unwrap_or("no answer as expected");
        format!("HTTP probe {} fails: {why}", http.name.as_ref().unwrap_or(&http.url))
    });
    timings.chain(kpis).chain(sizes).chain(probes).collect()
}
