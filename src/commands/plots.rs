//! Which samples are drawn: those of the metrics that a comparison turns on, in pairs where there are pairs.
//! Must not draw.

use std::path::{Path, PathBuf};

use crate::judge::{Comparison, series};
use crate::model::{MetricId, PairSession, Snapshot};
use crate::os::files;
use crate::report::compare::is_headline;
use crate::report::plot::Strip;
use crate::store::{Project, artifact};

/// A strip for every metric of the contract and every decisive time that has samples to show.
pub(crate) fn strips(comparison: &Comparison, sides: (&Snapshot, &Snapshot), pair: Option<&PairSession>) -> Vec<Strip> {
    let (before, after) = (series::metrics(sides.0), series::metrics(sides.1));
    let paired = pair.map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        _ => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let headline = comparison.metrics.iter().filter(|row| is_headline(comparison, row));
    headline.filter_map(|row| strip(&row.metric)).collect()
}

/// A picture beside a report that is no evidence.
pub struct Beside {
    metric: MetricId,
    pub path: PathBuf,
    pub svg: String,
}

/// The pictures that lie beside the report `out`, named by it: `cmp.md` has `cmp_….svg`.
pub(crate) fn beside(out: Option<&Path>, strips: &[Strip]) -> Vec<Beside> {
    let Some(out) = out else { return Vec::new() };
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let picture = |strip: &Strip| {
        let path = out.with_file_name(format!("{stem}_{}.svg", artifact::slug(strip.metric.as_str())));
        Beside { metric: strip.metric.clone(), path, svg: strip.svg() }
    };
    strips.iter().map(picture).collect()
}

/// Where a report at `out` finds the pictures that are evidence; `None` for one outside the project.
pub fn kept(project: &Project, out: &Path) -> Option<String> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = files::canonical(project.root()).ok()?;
    let parent = files::canonical(parent).ok()?;
    let depth = parent.strip_prefix(&root).ok()?.components().count();
    Some(format!("{}{}/", "../".repeat(depth), project.relative(&project.evidence_dir())))
}

/// The pictures as the report beside them names them.
pub fn named(pictures: &[Beside]) -> Vec<(MetricId, String)> {
    let name = |it: &Beside| it.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pictures.iter().map(|it| (it.metric.clone(), name(it))).collect()
}
