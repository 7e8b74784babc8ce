//! Where the config's definitions are read from, held against the project: nothing may be measured from the tool's own
//! files, whose changes count as nothing, nor from bytes that git would not give.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::commands::Ctx;
use crate::config::Source;
use crate::error::CommandError;
use crate::git::{GitError, Repo};
use crate::model::{Contract, MetricSource};
use crate::os::files;
use crate::store::OwnPaths;

/// The sources among the tool's own files, each as `KEY (PATH)`.
pub(crate) fn own(ctx: &Ctx) -> Result<Vec<String>, CommandError> {
    let own = OwnPaths::below(b"");
    let root = ctx.project.root();
    let is_own = |source: &Source| {
        // Commands name directories to look whether they are committed; what is shared goes with all that is in it.
        let whole = source.key == "pair.share";
        within(root, source).iter().any(|path| is_among(&own, &files::path_bytes(path), whole))
    };
    let found = ctx.config()?.sources().into_iter().filter(is_own);
    Ok(found.map(|source| format!("{} ({})", source.key, source.path)).collect())
}

fn is_among(own: &OwnPaths, path: &[u8], whole: bool) -> bool {
    let holds = |dir: &[u8]| {
        let within = |name: &[u8]| [dir, name].concat();
        own.is_own(&within(b"/x.json")) || own.is_own(&within(b"/changes/x.json")) || own.is_left(&within(b"/x"))
    };
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |at| &path[..at]);
    let is_pattern = path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    let is_own = own.is_own(path) || own.is_left(path);
    is_own && (whole || !holds(path)) || is_pattern && !parent.is_empty() && holds(parent)
}

/// The paths below the root that a source may mean: as written, and where its links lead.
fn within(root: &Path, source: &Source) -> BTreeSet<PathBuf> {
    let full = root.join(&source.path);
    let real = files::canonical(&full).ok();
    let below = |path: &PathBuf| path.strip_prefix(root).ok().map(Path::to_path_buf);
    [Some(files::normal(&full)), real]
        .iter()
        .flatten()
        .filter_map(below)
        .filter(|path| path.components().count() > 0)
        .collect()
}

/// Paths whose size a contract names and that lie outside the project, or that git ignores, each with which of these.
pub(crate) fn not_in_git(ctx: &Ctx, contract: &Contract) -> Result<Vec<String>, CommandError> {
    let Some(repo) = ctx.repo()? else { return Ok(Vec::new()) };
    let root = ctx.project.root();
    let mut found = BTreeSet::new();
    let sizes = contract.criteria().filter(|criterion| criterion.metric.source() == Some(MetricSource::Size));
    for path in sizes.filter_map(|criterion| criterion.metric.subject()) {
        let full = files::normal(&root.join(path));
        if !full.starts_with(root) {
            found.insert(format!("{path} (outside the project)"));
        } else if full != root && repo.is_ignored(&full)? {
            found.insert(format!("{path} (ignored)"));
        }
    }
    Ok(found.into_iter().collect())
}

/// Why the bytes of a source are not those that git would give, if they are not: git calls the file unchanged, and would
/// not check it out as it is there.
pub(crate) fn hidden_by_filter(ctx: &Ctx, repo: &Repo) -> Result<Option<String>, GitError> {
    // An invalid config is told where it matters.
    let Ok(config) = ctx.config() else { return Ok(None) };
    let root = ctx.project.root();
    let paths: BTreeSet<PathBuf> = config.sources().iter().flat_map(|source| within(root, source)).collect();
    let is_file = |path: &PathBuf| root.join(path).symlink_metadata().is_ok_and(|meta| meta.is_file());
    let prefix = files::path_from_bytes(repo.prefix());
    let named: Vec<PathBuf> = paths.into_iter().filter(is_file).map(|path| prefix.join(path)).collect();
    let found = repo.hidden_by_filter(&named)?;
    let shown: Vec<String> = found.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    Ok((!shown.is_empty()).then(|| {
        format!(
            "it calls {} unchanged, but would not check it out as it is there (a filter in .gitattributes hides the difference; commit it without the filter, or `git checkout` the file)",
            shown.join(", ")
        )
    }))
}
