//! `report`: all changes on one page that stands alone, or in short as markdown.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, Format, compare, evidence, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::plot::Strip;
use crate::report::{Entry, Page, markdown, page, summary};
use crate::store::{Record, atomic, guard};
use crate::workflow::{Change, next};

/// Name of the page where nothing else is said.
const FILE: &str = "report.html";

/// Show all changes on one page: HTML by default, markdown with `--format markdown`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The file [default: report.html in the state's cache directory, which git ignores; markdown is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave the ended changes out
    #[arg(long)]
    open: bool,
}

/// Exit 2 when a record is damaged: the page says so, too.
pub fn run(ctx: &Ctx, args: ReportArgs) -> Result<Exit, CommandError> {
    let Read { changes, problems, damaged } = read_all(ctx, args.open)?;
    let policy = ctx.policy()?;
    let now = ctx.now();
    let mut entries = Vec::new();
    for change in &changes {
        entries.push(Entry {
            change,
            step: next::next(change, &policy, now),
            fixes: ctx.fix_context(),
            plots: strips(ctx, change),
            faults: evidence::faults(ctx, change)?.into_iter().map(|fault| fault.path).collect(),
        });
    }
    let project = name(ctx);
    let page = Page { project: &project, now, entries, problems };
    let markdown = ctx.format() == Some(Format::Markdown);
    match (args.out, markdown) {
        (None, true) => ctx.ui.answer(&markdown::render(&summary::document(&page)))?,
        (Some(out), true) => wrote(ctx, out, &markdown::render(&summary::document(&page)))?,
        (Some(out), false) => wrote(ctx, out, &page::page(&page))?,
        (None, false) => {
            let path = ctx.project.cache_dir().join(FILE);
            let _lock = ctx.lock()?;
            ctx.project.prepare_state()?;
            guard::write(&ctx.project, &path, page::page(&page).as_bytes())?;
            tell(ctx, &path)?;
        }
    }
    Ok(if damaged { Exit::Trouble } else { Exit::Yes })
}

fn wrote(ctx: &Ctx, out: PathBuf, text: &str) -> Result<(), CommandError> {
    guard::guard_out_path(&ctx.project, &out, &[])?;
    atomic::write_free(&out, text.as_bytes())?;
    tell(ctx, &out)
}

/// The path alone, or `{"wrote": P}` where JSON was asked for.
fn tell(ctx: &Ctx, path: &std::path::Path) -> Result<(), CommandError> {
    if ctx.json(false) {
        return Ok(ctx.ui.answer(&failure::pretty(&json!({ "wrote": path })))?);
    }
    Ok(ctx.ui.answer(&path.display().to_string())?)
}

/// The records, as far as they can be trusted.
struct Read {
    changes: Vec<Change>,
    problems: Vec<String>,
    damaged: bool,
}

/// Open ones first, the newest first within each.
fn read_all(ctx: &Ctx, open_only: bool) -> Result<Read, CommandError> {
    let mut found = Read { changes: Vec::new(), problems: Vec::new(), damaged: false };
    for record in Record::read_all(&ctx.project)? {
        match record {
            Ok(Record::Tracked(change)) if open_only && !change.is_open() => {}
            Ok(Record::Tracked(change)) => found.changes.push(*change),
            Ok(Record::Legacy(legacy)) => {
                found
                    .problems
                    .push(format!("{}: a record of the original's, which proves nothing; left out", legacy.id));
            }
            Err(error) => {
                found.damaged = true;
                ctx.ui.error(&error.to_string());
                found.problems.push(error.to_string());
            }
        }
    }
    found.changes.sort_by_key(|change| (!change.is_open(), Reverse(change.opened_at), change.id().to_string()));
    Ok(found)
}

fn name(ctx: &Ctx) -> String {
    ctx.project.root().file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The samples that the change was judged by; none where a file is missing or altered, which the page names.
fn strips(ctx: &Ctx, change: &Change) -> Vec<Strip> {
    let read = || -> Option<Vec<Strip>> {
        let recorded = change.comparison.as_ref()?;
        let before = evidence::snapshot(ctx, &change.baseline.as_ref()?.taken.snapshot).ok()?;
        let after = evidence::snapshot(ctx, &change.after.as_ref()?.taken.snapshot).ok()?;
        let comparison = evidence::comparison_file(ctx, &recorded.json).ok()?;
        let pair = recorded.pair.as_ref().and_then(|artifact| evidence::pair(ctx, artifact).ok());
        Some(compare::strips(&comparison, (&before, &after), pair.as_ref()))
    };
    read().unwrap_or_default()
}
