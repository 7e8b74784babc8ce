//! What promoted changes cost together: each may get worse within its own guardrail, and ten of them add up.

use crate::audit::{Finding, FindingKind, Severity};
use crate::model::{Better, ChangeId, MetricId};
use crate::workflow::Change;

/// What is allowed of one metric.
pub(crate) struct Allowed<'a> {
    pub metric: MetricId,
    pub since: &'a str,
    /// A share.
    pub at_most: f64,
    pub better: Better,
}

/// What is spent; `None` where nothing is. `in_effect` are the changes whose commits came since.
pub(crate) fn spent(allowed: &Allowed<'_>, in_effect: &[&Change]) -> Option<Finding> {
    let mut costs: Vec<(f64, &ChangeId)> = Vec::new();
    let mut unjudged = 0;
    for change in in_effect.iter().filter(|change| change.promotion.is_some() && change.rollback.is_none()) {
        match cost(allowed, change) {
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
        metric: allowed.metric.clone(),
        since: allowed.since.to_owned(),
        spent,
        at_most: allowed.at_most,
        changes: costs.into_iter().map(|(_, id)| id.clone()).collect(),
        unjudged,
    });
    let level = if spent > allowed.at_most { Severity::Fail } else { Severity::Info };
    Some(Finding { level, ..finding })
}

/// The share by which a change made the metric worse, by what was judged of it.
fn cost(allowed: &Allowed<'_>, change: &Change) -> Option<f64> {
    let verdicts = &change.comparison.as_ref()?.verdicts;
    let mut judged = std::iter::once(&verdicts.kpi).chain(&verdicts.guardrails).chain(&verdicts.trigger);
    let share = judged.find_map(|judged| {
        let criterion = judged.criterion.criterion()?;
        let of_it = criterion.metric == allowed.metric && criterion.is_relative();
        judged.verdict.finding()?.share().filter(|_| of_it)
    })?;
    Some(match allowed.better {
        Better::Lower => share.value,
        Better::Higher => 1.0 / (1.0 + share.value) - 1.0,
    })
}
