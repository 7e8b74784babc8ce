//! Why a snapshot holds no usable value of something, in words, with the command's own words. Must not judge.

use crate::judge::series;
use crate::model::{MetricId, MetricKind, MetricSource, Snapshot, Timing, Unusable};
use crate::report::verdict;

/// Characters of a command's standard error that are repeated.
const SAID: usize = 200;

/// Why `id` has no usable value in `snapshot`, where `reason` is what its reading says.
pub(crate) fn why(snapshot: &Snapshot, id: &MetricId, reason: &Unusable) -> String {
    let text = verdict::unusable(reason);
    let timing = snapshot.timings.iter().find(|timing| belongs(id, &timing.name));
    match (reason, timing, snapshot.rss_floor_bytes) {
        (Unusable::CommandFailed { .. } | Unusable::TimedOut { .. }, Some(timing), _) => {
            format!("{text}{}", said(timing))
        }
        (Unusable::NotMeasured, Some(timing), Some(floor)) if id.kind() == Some(MetricKind::MaxRss) => format!(
            "peak memory is below this tool's own {} KiB and cannot be told apart from it; take timing.{}.cpu",
            floor / 1024,
            timing.name
        ),
        _ => text,
    }
}

fn belongs(id: &MetricId, timing: &str) -> bool {
    id.source() == Some(MetricSource::Timing) && id.subject() == Some(timing)
}

/// The end of what the command said on standard error, in one line.
fn said(timing: &Timing) -> String {
    let words: Vec<&str> = timing.last_err.split_whitespace().collect();
    let text = words.join(" ");
    let skipped = text.chars().count().saturating_sub(SAID);
    if text.is_empty() { String::new() } else { format!(": {}", text.chars().skip(skipped).collect::<String>()) }
}

/// A line on every timing, KPI and path of a snapshot that gave no usable value.
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
    timings.chain(kpis).chain(sizes).collect()
}
