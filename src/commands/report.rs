//! `report`: all changes on one page that stands alone, or in short as markdown.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Args;

use crate::audit::evidence::Judgement;
use crate::commands::{Ctx, compare, demands, evidence};
use crate::error::Result;
use crate::exit::Exit;
use crate::report::plot::Strip;
use crate::report::{Entry, Format, Page, Tone, markdown, page, problem};
use crate::store::{Record, atomic, guard};
use crate::workflow::{Change, next};

const FILE: &str = "report.html";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Output file [default: report.html in the state's cache directory; markdown is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show only open changes
    #[arg(long)]
    open: bool,
}

/// Exit 2 when a record is damaged: the page says so, too.
pub(crate) fn run(ctx: &Ctx, args: ReportArgs) -> Result<Exit> {
    let (changes, problems, damaged) = read_all(ctx, args.open)?;
    let (policy, now) = (ctx.policy()?, ctx.now());
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
    let project = ctx.project.root().file_name();
    let project = project.map_or_else(|| "project".into(), |name| name.to_string_lossy());
    let mut problems: Vec<(Tone, String)> = problems.into_iter().map(|it| (Tone::Bad, it)).collect();
    if let (Some(repo), config) = (ctx.repo()?, ctx.config()?)
        && !config.budget.is_empty()
    {
        let spent = demands::budgets(repo, (config, None), changes.iter(), &repo.resolve("HEAD")?)?;
        problems.extend(spent.into_iter().map(|finding| (problem::tone(finding.level), finding.what.to_string())));
    }
    let page = Page { project: &project, now, entries, problems };
    let is_markdown = ctx.globals.format == Some(Format::Markdown);
    let text = if is_markdown { markdown::render(&page::document(&page)) } else { page::page(&page) };
    match args.out {
        None if is_markdown => ctx.ui.answer(&text)?,
        None => {
            let path = ctx.project.cache_dir().join(FILE);
            let _lock = ctx.lock()?;
            ctx.project.prepare_state()?;
            guard::write(&ctx.project, &path, text.as_bytes())?;
            ctx.wrote(&path, false)?;
        }
        Some(out) => {
            guard::guard_out_path(&ctx.project, &out, &[])?;
            atomic::write_free(&out, text.as_bytes())?;
            ctx.wrote(&out, false)?;
        }
    }
    Ok(if damaged { Exit::Trouble } else { Exit::Yes })
}

/// The changes whose records can be trusted, open ones first and the newest first within each; what is wrong with other
/// records, in words; and whether one is damaged.
fn read_all(ctx: &Ctx, open_only: bool) -> Result<(Vec<Change>, Vec<String>, bool)> {
    let (mut changes, mut problems, mut damaged) = (Vec::new(), Vec::new(), false);
    for record in Record::read_all(&ctx.project, Some)? {
        match record {
            Ok(Record::Tracked(change)) if open_only && !change.is_open() => {}
            Ok(Record::Tracked(change)) => changes.push(*change),
            Ok(Record::Legacy(legacy)) => {
                problems.push(legacy.sentence());
            }
            Err(error) => {
                damaged = true;
                ctx.ui.error(&error.to_string());
                problems.push(error.to_string());
            }
        }
    }
    changes.sort_by_key(|change| (!change.is_open(), Reverse(change.opened_at), change.id().to_string()));
    Ok((changes, problems, damaged))
}

/// The samples that the change was judged by; none where a file is missing or altered, which the page names.
fn strips(ctx: &Ctx, change: &Change) -> Vec<Strip> {
    let found = Judgement::of(change, &evidence::fetch(ctx));
    found.map(|it| compare::strips(&it.comparison, (&it.before, &it.after), it.pair.as_ref())).unwrap_or_default()
}
