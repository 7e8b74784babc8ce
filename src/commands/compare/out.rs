//! The files that a comparison is asked to write: the report, its picture beside it, the data.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::Ctx;
use crate::commands::compare::CompareArgs;
use crate::error::CommandError;
use crate::os::files;
use crate::report::{self, CompareView};
use crate::store::{Project, atomic, guard};

/// Where to write, all of it allowed.
#[derive(Default)]
pub(super) struct Outs {
    pub(super) report: Option<PathBuf>,
    pub(super) data: Option<PathBuf>,
}

/// What the flags ask for; a path that may not be written is told before anything is measured.
pub(super) fn asked(ctx: &Ctx, args: &CompareArgs, inputs: &[&Path]) -> Result<Outs, CommandError> {
    let picture = args.out.as_deref().map(beside);
    for out in args.out.iter().chain(&args.json_out).chain(&picture) {
        guard::guard_out_path(&ctx.project, out, inputs)?;
    }
    Ok(Outs { report: args.out.clone(), data: args.json_out.clone() })
}

/// The picture of the report `cmp.md` is `cmp_samples.svg` beside it.
fn beside(report: &Path) -> PathBuf {
    report.with_file_name(format!("{}_samples.svg", report.file_stem().unwrap_or_default().to_string_lossy()))
}

/// Writes what was asked for. A report whose view names no picture gets this one beside it.
pub(super) fn write(outs: &Outs, view: CompareView<'_>, svg: Option<&str>) -> Result<(), CommandError> {
    if let Some(out) = &outs.report {
        let picture = beside(out);
        let svg = svg.filter(|_| view.picture.is_none());
        if let Some(svg) = svg {
            atomic::write_free(&picture, svg.as_bytes())?;
        }
        let name = picture.file_name().unwrap_or_default().to_string_lossy();
        let view = CompareView { picture: view.picture.or(svg.map(|_| &*name)), ..view };
        atomic::write_free(out, report::compare::markdown(&view).as_bytes())?;
    }
    if let Some(out) = &outs.data {
        atomic::write_free(out, &json(view.comparison)?)?;
    }
    Ok(())
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
