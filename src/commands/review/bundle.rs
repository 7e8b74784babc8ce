//! `review bundle`: everything that a reviewer has to see in one file: the record, the verdicts, the diff of the
//! change's own commits, without secrets.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::commands::{Ctx, choose, commit, delta, failure};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::git::{GitError, Repo, Scope, Side};
use crate::model::scrub::scrub;
use crate::report::{BundleView, CommitDiff, review};
use crate::store::{atomic, guard};
use crate::workflow::Change;

/// Characters of all diffs together that a bundle holds, as in the original.
const DIFF_LIMIT: usize = 120_000;
/// Bytes of a diff that are read: its secrets are masked before it is cut.
const READ_LIMIT: u64 = 4 * DIFF_LIMIT as u64;

/// Write everything that a reviewer has to see into one file
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The change [default: VIBESHIP_CHANGE_ID, the only open change, or the one chosen with `change use`]
    #[arg(long, value_name = "ID")]
    change_id: Option<String>,
    /// The file [default: review_bundles/<id>.md in the state directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `{"wrote": P}`, as the original.
pub fn run(ctx: &Ctx, args: BundleArgs) -> Result<Exit, CommandError> {
    let id = choose::change(ctx, args.change_id.as_deref())?;
    let change = commit::load(ctx, &id)?;
    let diffs = diffs(ctx, &change)?;
    let seen = delta::observe(ctx);
    ctx.config()?;
    let (fixes, at) = (ctx.fix_context(), ctx.now());
    let view = BundleView { change: &change, git: &seen.git, revision: &seen.revision, diffs: &diffs, fixes, at };
    // The record holds what people wrote; the diff is masked already, before it was cut.
    let text = format!("{}\n{}", scrub(&review::context(&view)), review::diff(&view));
    let path = match args.out {
        Some(out) => {
            guard::guard_out_path(&ctx.project, &out, &[])?;
            atomic::write_free(&out, text.as_bytes())?;
            out
        }
        None => {
            let path = ctx.project.review_bundles_dir().join(format!("{id}.md"));
            let _lock = ctx.lock()?;
            guard::write(&ctx.project, &path, text.as_bytes())?;
            path
        }
    };
    if ctx.json(true) {
        ctx.ui.answer(&failure::pretty(&json!({ "wrote": path })))?;
    } else {
        ctx.ui.answer(&path.display().to_string())?;
    }
    Ok(Exit::Yes)
}

/// The change's own commits, and nothing else of what lies between them.
fn diffs(ctx: &Ctx, change: &Change) -> Result<Vec<CommitDiff>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let mut room = DIFF_LIMIT;
    let mut list = Vec::new();
    for sha in change.commits() {
        match diff(repo, &sha, room) {
            Ok(diff) => {
                room = room.saturating_sub(diff.text.chars().count());
                list.push(diff);
            }
            Err(GitError::UnknownRevision { .. }) => list.push(CommitDiff { sha, ..CommitDiff::default() }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(list)
}

fn diff(repo: &Repo, sha: &str, room: usize) -> Result<CommitDiff, GitError> {
    repo.resolve(sha)?;
    let parent = match repo.resolve(&format!("{sha}^")) {
        Err(GitError::UnknownRevision { .. }) => repo.empty_tree()?,
        other => other?,
    };
    let own = delta::own(Some(repo));
    let is_own = |path: &[u8]| own.is_own(path);
    let scope = Scope { prefix: repo.prefix(), is_own: &is_own };
    let counts = repo.line_counts(&parent, Side::Commit(sha), &scope)?;
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let stat = counts.iter().map(|count| (shown(&count.path), count.added.zip(count.deleted))).collect();
    let whole = repo.diff_text(&parent, Side::Commit(sha), &scope, READ_LIMIT)?;
    let masked = scrub(&whole.text);
    let text: String = masked.chars().take(room).collect();
    let cut = whole.truncated || text.len() < masked.len();
    Ok(CommitDiff { sha: sha.to_owned(), found: true, stat, text, cut })
}
