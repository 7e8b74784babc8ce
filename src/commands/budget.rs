//! The budgets of the config against the records and the history of one commit: each promoted change may get worse within its
//! own guardrail, and ten of them add up.

use std::collections::BTreeSet;

use anyhow::Context as _;

use crate::audit::{Finding, FindingKind, Severity};
use crate::config::{Budget, Config};
use crate::error::Result;
use crate::git::Repo;
use crate::model::{Better, ChangeId, MetricId, MetricSpec};
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
        let of = || format!("budget of {metric}");
        let since = repo.resolve_only(&budget.since).context(of())?;
        repo.needs_whole(Some(&since), head).context(of())?;
        let commits = repo.git().args(["rev-list", head, &format!("^{since}")]).long().ok()?;
        let commits: BTreeSet<&str> = std::str::from_utf8(&commits).unwrap_or_default().lines().collect();
        let is_since = |change: &&Change| change.commits().iter().any(|commit| commits.contains(commit.as_str()));
        let in_effect: Vec<&Change> = changes.clone().filter(is_since).collect();
        found.extend(spent(budget, spec, &in_effect));
    }
    Ok(found)
}

/// What is spent; `None` where nothing is. `in_effect` are the changes whose commits came since.
fn spent(budget: &Budget, spec: &MetricSpec, in_effect: &[&Change]) -> Option<Finding> {
    let mut costs: Vec<(f64, &ChangeId)> = Vec::new();
    let mut unjudged = 0;
    for change in in_effect.iter().filter(|change| change.promotion.is_some() && change.rollback.is_none()) {
        match cost(spec, change) {
            Some(cost) => costs.push((cost, change.id())),
            None => unjudged += 1,
        }
    }
    // What gets better pays back what got worse.
    let spent = costs.iter().map(|(cost, _)| 1.0 + cost).product::<f64>() - 1.0;
    costs.retain(|(cost, _)| *cost != 0.0);
    if costs.is_empty() {
        return None;
    }
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let finding = Finding::warn(FindingKind::Budget {
        metric: spec.id.clone(),
        since: budget.since.clone(),
        spent,
        at_most: budget.at_most,
        changes: costs.into_iter().map(|(_, id)| id.clone()).collect(),
        unjudged,
    });
    let level = if spent > budget.at_most { Severity::Fail } else { Severity::Info };
    Some(Finding { level, ..finding })
}

/// The share by which a change made the metric worse, by what was judged of it.
fn cost(spec: &MetricSpec, change: &Change) -> Option<f64> {
    let verdicts = &change.comparison.as_ref()?.verdicts;
    let mut judged = std::iter::once(&verdicts.kpi).chain(&verdicts.guardrails).chain(&verdicts.trigger);
    let share = judged.find_map(|judged| {
        let criterion = judged.criterion.criterion()?;
        let of_it = criterion.metric == spec.id && criterion.is_relative();
        judged.verdict.finding()?.share().filter(|_| of_it)
    })?;
    Some(match spec.better {
        Better::Lower => share.value,
        Better::Higher => 1.0 / (1.0 + share.value) - 1.0,
    })
}
