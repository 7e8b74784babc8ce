//! The budgets of the config against the records and the history of one commit.

use std::collections::BTreeSet;

use crate::audit::Finding;
use crate::audit::budget::{self, Allowed};
use crate::config::Config;
use crate::error::{Result, trouble};
use crate::git::Repo;
use crate::model::{MetricId, fix};
use crate::workflow::Change;

/// What is spent of each budget by the changes in the history of `head`.
pub(crate) fn findings<'a>(
    repo: &Repo,
    config: &Config,
    changes: impl Iterator<Item = &'a Change> + Clone,
    head: &str,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let measurable = config.measurable();
    for budget in &config.budget {
        let metric = MetricId::new(&budget.metric);
        let Some(spec) = measurable.iter().find(|spec| spec.id == metric) else { continue };
        let since = repo.resolve_only(&budget.since).map_err(|error| {
            trouble(format!("budget of {metric}: {error}")).fixed_by([fix::fetch(repo.is_shallow())])
        })?;
        let commits = repo.git().args(["rev-list", head, &format!("^{since}")]).long().ok()?;
        let commits: BTreeSet<&str> = std::str::from_utf8(&commits).unwrap_or_default().lines().collect();
        let is_since = |change: &&Change| change.commits().iter().any(|commit| commits.contains(commit.as_str()));
        let in_effect: Vec<&Change> = changes.clone().filter(is_since).collect();
        let allowed = Allowed { metric, since: &budget.since, at_most: budget.at_most, better: spec.better };
        found.extend(budget::spent(&allowed, &in_effect));
    }
    Ok(found)
}
