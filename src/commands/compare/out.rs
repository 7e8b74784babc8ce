//! The files of a comparison: the report, its picture, the data.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::Ctx;
use crate::error::CommandError;
use crate::judge::{Comparison, series};
use crate::model::{MetricId, PairSession, Snapshot};
use crate::os::files;
use crate::report::compare::is_headline;
use crate::report::plot::Strip;
use crate::report::{self, CompareView};
use crate::store::{Project, atomic, guard};

/// More metrics than this in one picture are not looked at.
const MOST: usize = 12;

/// Where the report and the data are to be written.
#[derive(Clone, Copy)]
pub(super) struct Outs<'a> {
    pub(super) report: Option<&'a Path>,
    pub(super) data: Option<&'a Path>,
}

impl Outs<'_> {
    /// Refuses paths that may not be written, before anything is measured.
    pub(super) fn guard(self, ctx: &Ctx, inputs: &[&Path]) -> Result<(), CommandError> {
        let picture = self.report.map(beside);
        for out in self.report.into_iter().chain(self.data).chain(picture.as_deref()) {
            guard::guard_out_path(&ctx.project, out, inputs)?;
        }
        Ok(())
    }

    /// Writes what was asked for. A report whose view names no picture gets this one beside it.
    pub(super) fn write(self, view: CompareView<'_>, svg: Option<&str>) -> Result<(), CommandError> {
        if let Some(out) = self.report {
            let picture = beside(out);
            let svg = svg.filter(|_| view.picture.is_none());
            if let Some(svg) = svg {
                atomic::write_free(&picture, svg.as_bytes())?;
            }
            let name = picture.file_name().unwrap_or_default().to_string_lossy();
            let view = CompareView { picture: view.picture.or(svg.map(|_| &*name)), ..view };
            atomic::write_free(out, report::compare::markdown(&view).as_bytes())?;
        }
        if let Some(out) = self.data {
            atomic::write_free(out, &json(view.comparison)?)?;
        }
        Ok(())
    }
}

/// The picture of the report `cmp.md` is `cmp_samples.svg` beside it.
fn beside(report: &Path) -> PathBuf {
    report.with_file_name(format!("{}_samples.svg", report.file_stem().unwrap_or_default().to_string_lossy()))
}

/// Where a report at `out` finds the evidence; `None` for one outside the project.
pub(super) fn to_evidence(project: &Project, out: &Path) -> Option<String> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = files::canonical(project.root()).ok()?;
    let parent = files::canonical(parent).ok()?;
    let depth = parent.strip_prefix(&root).ok()?.components().count();
    Some(format!("{}{}/", "../".repeat(depth), project.relative(&project.evidence_dir())))
}

pub(super) fn json(evidence: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = serde_json::to_vec_pretty(evidence)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Which samples are drawn: those of the contract's metrics, or without a contract of what decides, in pairs where there
/// are pairs.
pub(crate) fn strips(comparison: &Comparison, sides: (&Snapshot, &Snapshot), pair: Option<&PairSession>) -> Vec<Strip> {
    let (before, after) = (series::metrics(sides.0), series::metrics(sides.1));
    let paired = pair.map(series::pair_metrics).unwrap_or_default();
    let strip = |id: &MetricId| match paired.get(id) {
        Some(Ok(series)) => Strip::of_pairs(series),
        Some(Err(_)) | None => Strip::of_sides(series::reading(&before, id).ok()?, series::reading(&after, id).ok()?),
    };
    let judged = |id: &MetricId| comparison.criteria.iter().any(|row| row.criterion.metric == *id);
    let rows = comparison.metrics.iter().filter(|row| match comparison.criteria.is_empty() {
        true => is_headline(comparison, row),
        false => judged(&row.metric),
    });
    rows.filter_map(|row| strip(&row.metric)).take(MOST).collect()
}
