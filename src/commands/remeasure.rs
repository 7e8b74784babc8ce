//! `check --remeasure`: a change's commit and its parent built and measured on this machine, held against the verdicts that
//! the record has. What was made up whole agrees with itself, and not with another measurement.

use crate::audit::evidence::{EXACT_TOLERANCE, Judgement};
use crate::audit::{Finding, FindingKind};
use crate::commands::pairing::{self, Ask, Pairing, Probes};
use crate::commands::{Ctx, GitHistory, evidence, pair};
use crate::error::Result;
use crate::judge::{Comparison, CriterionRow, Role, Settings, compare};
use crate::measure::pair::Versions;
use crate::model::{Bound, Design, MetricId, Outcome, Sampling, Verdict};
use crate::report::verdict;
use crate::workflow::{Change, End};

/// Whether there is a verdict that another measurement can contradict.
pub(crate) fn can_be(change: &Change) -> bool {
    change.comparison.is_some() && !matches!(change.end, Some(End::Rejected { .. } | End::RolledBack))
}

/// Measures the change again, by the config that it began on: its own commit may hold another. Nothing of what was recorded is judged again: the numbers are
/// those of the two checkouts alone.
pub(crate) fn findings(ctx: &Ctx, change: &Change) -> Result<Vec<Finding>> {
    let not = |why: String| vec![Finding::warn(FindingKind::NotRemeasured { why })];
    let (commits, Some(repo)) = (change.commits(), ctx.repo()?) else { return Ok(Vec::new()) };
    let history = GitHistory::new(repo, "");
    // What was measured is measured again, where it is known here: after a rebase its commits stand on others' work.
    let own = change.validation.iter().flat_map(|validation| validation.delta.own_commits());
    let measured: Vec<String> = own.map(|own| own.sha.clone()).collect();
    let was_moved = measured != commits;
    let is_known = !measured.is_empty() && measured.iter().all(|commit| history.known(commit).is_some());
    let commits = if is_known { measured } else { commits };
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else {
        return Ok(not("the record names no commit of it".to_owned()));
    };
    let parent = format!("{first}^");
    let mut config = None;
    for commit in [parent.as_str(), last].into_iter().filter_map(|commit| history.known(commit)) {
        config = if config.is_none() { history.config(&commit)? } else { config };
    }
    let (Some(config), Some(recorded)) = (config, Judgement::of(change, &evidence::fetch(ctx))) else {
        return Ok(not("its commit, the config there or its evidence is missing".to_owned()));
    };
    let stored = recorded.comparison;
    let settings = Settings {
        min_effect: stored.settings.min_effect,
        sizes_in_git: stored.settings.sizes_in_git,
        ..Settings::default()
    };
    let probes = Probes { kpis: config.kpis.iter().collect(), ..Probes::of(&config) }.asked_by(change);
    let budget = pair::budget(&config, None, None)?;
    let ask = Ask::new(&config, Versions::of(&parent, last), &settings, budget).for_change(change);
    let session = match pairing::run(ctx, &Ask { probes, of_commit: true, ..ask })? {
        Pairing::Measured(session) => session,
        Pairing::Impossible(why) | Pairing::SameCode(why) => return Ok(not(why)),
    };
    pairing::warn(ctx, &session);
    let again = compare::compare(&recorded.before, &recorded.after, Some(&session), &change.contract, &settings);
    let found = stored.criteria.iter().zip(&again.criteria).filter_map(|(one, other)| {
        let found = held_against(one, other)?;
        let does_as_much = was_moved && !is_known && does_as_much(&stored, &again, &one.criterion.metric);
        Some(if does_as_much { undecided(other) } else { found })
    });
    Ok(found.collect())
}

/// Whether an exact value changes by as much as recorded: what it is a share of may have grown with others' work.
fn does_as_much(recorded: &Comparison, again: &Comparison, metric: &MetricId) -> bool {
    let by = |all: &Comparison| {
        let row = all.metrics.iter().find(|row| row.metric == *metric && row.sampling == Sampling::Exact)?;
        Some(row.after?.value - row.before?.value)
    };
    let (Some(recorded), Some(again)) = (by(recorded), by(again)) else { return false };
    (recorded - again).abs() <= EXACT_TOLERANCE * recorded.abs()
}

fn undecided(again: &CriterionRow) -> Finding {
    let why = format!("`{}`: {}", again.criterion.text, verdict::row_line(again));
    Finding::warn(FindingKind::NotRemeasured { why })
}

/// A criterion that was recorded in favour of the change, and does not come out so here.
fn held_against(recorded: &CriterionRow, again: &CriterionRow) -> Option<Finding> {
    let (good, bad) = match recorded.role {
        Role::Kpi | Role::Guardrail => (Outcome::Pass, Outcome::Fail),
        Role::Trigger => (Outcome::Fail, Outcome::Pass),
    };
    let now = again.result.outcome();
    if recorded.result.outcome() != good || now == good {
        return None;
    }
    // A time or a rate in its own unit was agreed for the machine that it was measured on.
    let varies =
        |verdict: &Verdict| matches!(verdict, Verdict::Pass(it) | Verdict::Fail(it) if it.design != Design::Exact);
    let of_the_machine = matches!(recorded.criterion.bound, Bound::Absolute { .. }) && varies(&again.result);
    if now == bad && !of_the_machine {
        let (criterion, measured) = (recorded.criterion.text.clone(), verdict::row_line(again));
        let recorded = verdict::row_line(recorded);
        return Some(Finding::fail(FindingKind::RemeasuredDifferently { criterion, recorded, measured }));
    }
    Some(undecided(again))
}
