//! What else than a change may be the cause of a verdict on it: later commits, and a config that measures in another way.

use crate::commands::{Ctx, GitHistory, delta, demands};
use crate::config::yaml;
use crate::error::Result;
use crate::git::{Commit, FileChange, Walk, is_below};
use crate::judge::compare;
use crate::model::{Causes, Flaw, Judged, MetricId, MetricSource, Unusable, Verdict, scrub};
use crate::store::project;
use crate::workflow::Change;

/// None if git fails, which is reported elsewhere.
pub(crate) fn of(ctx: &Ctx, change: &Change, judged: &[Judged]) -> Causes {
    find(ctx, change, judged).unwrap_or_default()
}

fn find(ctx: &Ctx, change: &Change, judged: &[Judged]) -> Result<Causes> {
    let (config, Some(repo), false) = (ctx.config()?, ctx.repo()?, judged.is_empty()) else {
        return Ok(Causes::default());
    };
    let history = GitHistory::new(repo, &config.enforcement.trailer);
    let metric = |it: &'_ Judged| it.parsed().map(|it| it.metric);
    let metrics: Vec<MetricId> = judged.iter().filter_map(metric).collect();
    let is_redefined =
        |it: &&Judged| matches!(&it.verdict, Verdict::Invalid { because: Flaw::After { reason: Unusable::Redefined } });
    let redefined: Vec<MetricId> = judged.iter().filter(is_redefined).filter_map(metric).collect();
    let reads = |file: &FileChange| {
        let name = file.name();
        let is_code = || demands::code(config, &[name.to_owned()]).is_ok_and(|code| !code.is_empty());
        let of = |metric: &MetricId| match metric.subject().filter(|_| metric.source() == Some(MetricSource::Size)) {
            Some(path) => is_below(name.as_bytes(), path.trim_end_matches('/').as_bytes()),
            None => is_code(),
        };
        let is_config = || project::config_names().iter().any(|known| known == name);
        !file.own && metrics.iter().any(of) || !redefined.is_empty() && is_config()
    };
    let measured = change.after.as_ref().and_then(|after| after.taken.revision.commit.as_deref());
    let is_here = |commit: &&str| matches!(delta::head_with(repo, &[(*commit).to_owned()]), Ok(Some(_)));
    let from = measured.filter(is_here).or(change.baseline_commit().filter(is_here));
    let mut commits = match (from, repo.head()?.at) {
        (Some(from), Some(head)) => repo.commits(Some(from), &head.commit, &Walk::all(&config.enforcement.trailer))?,
        (None, _) | (_, None) => Vec::new(),
    };
    commits.retain(|commit| {
        let is_own = commit.ids.iter().any(|id| id == change.id().as_str()) || change.commits().contains(&commit.id);
        !is_own && history.of_project(commit.files.clone()).iter().any(reads)
    });
    Ok(Causes {
        commits: commits.iter().rev().map(Commit::name).collect(),
        keys: keys(ctx, change, &history, &redefined)?,
    })
}

/// The keys of the config that define these metrics and say something else than at the baseline.
fn keys(ctx: &Ctx, change: &Change, history: &GitHistory<'_>, redefined: &[MetricId]) -> Result<Vec<String>> {
    let stems = ctx.config()?.definitions().into_keys();
    let stems = stems.filter(|stem| redefined.iter().any(|metric| compare::governs(stem, metric)));
    let below: Vec<String> = stems.map(|stem| format!("{}.", demands::key_of(&stem))).collect();
    let (Some(before), Some(path), false) = (change.baseline_commit(), ctx.project.config_path(), below.is_empty())
    else {
        return Ok(Vec::new());
    };
    // What cannot be read was reported when the config was.
    let now = yaml::parse(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
    let differing = demands::differences(&history.config_value(before)?, &now).into_iter();
    let named = differing.filter(|it| below.iter().any(|key| it.key.starts_with(key)));
    Ok(named.map(|it| scrub(&it.to_string())).collect())
}
