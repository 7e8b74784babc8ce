//! Refusals of a gate: their classification, longer messages, and corrected commands for a refused opening or contract,
//! which keep the given arguments and replace the wrong ones.

use serde::Serialize;

use crate::judge::compare;
use crate::model::{
    ChangeId, Class, CommandLine, Contract, Criterion, DeltaCommit, Fix, FixContext, Gate, How, MetricId, MetricKind,
    MetricSource, Opened, Outcome, Part, Rehearsal, SHORT_HYPOTHESIS, Trigger, WHAT_HAPPENED, count, fix, joined,
    short,
};
use crate::workflow::fixes::RefusalFixes;
use crate::workflow::{Change, Reason, VacuousCriterion};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub gate: Gate,
    pub missing: Reason,
}

impl Refusal {
    pub fn new(gate: Gate, missing: Reason) -> Self {
        Self { gate, missing }
    }

    /// Whether the refusal is because the change is not in effect, or not as validated.
    pub fn is_of_effect(&self) -> bool {
        matches!(
            self.missing,
            Reason::NotInEffect { .. } | Reason::NotAsCommitted { .. } | Reason::OtherTuneables { .. }
        )
    }

    /// Whether nothing is wrong yet, so that waiting or measuring more may pass the gate.
    pub fn is_not_yet(&self) -> bool {
        if let Reason::Unverified { demands } = &self.missing {
            // Demands that a user can meet at once are not met by waiting.
            return demands.iter().filter(|demand| !demand.met).all(|demand| demand.kind.comes_with_time());
        }
        if let Reason::Verdicts { judged } = &self.missing {
            return judged.iter().all(|judged| judged.verdict.outcome() == Outcome::Inconclusive);
        }
        matches!(self.missing, Reason::Soak { .. })
    }

    /// The fixes; empty only if all the user can do is wait. `change` is `None` if opening was refused.
    pub fn fixes(&self, change: Option<&Change>, ctx: &FixContext) -> Vec<Fix> {
        match change {
            Some(change) => self.missing.fixes(&RefusalFixes { gate: self.gate, change, ctx }),
            None => opening(&self.missing, ctx),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "opening is refused for no other reason")]
fn opening(reason: &Reason, ctx: &FixContext) -> Vec<Fix> {
    match reason {
        Reason::OtherOpen { ids } => {
            let go_on = ids.iter().map(|id| Fix::next("continue with that one", fix::on(id, "status")));
            let second = open(ctx, None, None).word("--parallel");
            go_on.chain([Fix::or("open a second one; their effects may mix", second)]).collect()
        }
        Reason::IncidentNote | Reason::Expiry => vec![Fix::next("", open(ctx, Some(Class::Emergency), Some("24h")))],
        Reason::ExpiryTooLate { days, .. } => {
            vec![Fix::next("", open(ctx, Some(Class::Emergency), Some(&format!("{days}d"))))]
        }
        Reason::TuneablesUnknown => {
            vec![Fix::next("add tuneables to the config, or open a change of code", open(ctx, Some(Class::Code), None))]
        }
        Reason::ContractSense { criterion, why } => {
            vec![Fix::next("with another criterion", other_criterion(None, criterion, *why, ctx))]
        }
        _ => vec![Fix::next("", CommandLine::tool("status"))],
    }
}

pub(crate) fn foreign(commit: &DeltaCommit, shared: bool) -> String {
    let ids = joined(&commit.change_ids);
    if shared {
        return format!("commit {} names several changes ({ids}), and a commit belongs to one", short(&commit.sha));
    }
    format!("the commit since the baseline belongs to another change ({ids})")
}

pub(crate) fn no_delta(outputs: &[String], unnamed: &[DeltaCommit]) -> String {
    if !unnamed.is_empty() {
        return format!("no commit since the baseline names this change; without an id: {}", joined(unnamed));
    }
    if outputs.is_empty() {
        return "nothing has changed since the baseline: no commit, tuneable or file of this change".to_owned();
    }
    format!(
        "the change alters only the file that its numbers are read from ({}), not the code that produces them",
        joined(outputs)
    )
}

pub(crate) fn redefined(what: &[String]) -> String {
    let (general, measured): (Vec<&String>, Vec<&String>) = what.iter().partition(|key| compare::is_general(key));
    let measured = (!measured.is_empty()).then(|| {
        let names = joined(measured);
        format!("the config measures {names} in another way than the baseline did, so the two cannot be compared")
    });
    let general = (!general.is_empty()).then(|| {
        let are = if general.len() == 1 { "is" } else { "are" };
        let keys = joined(general);
        format!("{keys} of the config {are} not as at the baseline, which fixed how the change is built and checked")
    });
    measured.into_iter().chain(general).collect::<Vec<_>>().join("; ")
}

pub(crate) fn rehearsed(rehearsal: &Rehearsal) -> String {
    match rehearsal {
        Rehearsal::Applies { .. } => "the rollback applies".to_owned(),
        Rehearsal::NotApplicable => "there is no commit to revert".to_owned(),
        Rehearsal::Conflicts { paths } => {
            let paths = count(paths.len() as u64, "path", "paths");
            format!("the rollback does not apply: `git revert` conflicts in {paths}")
        }
        Rehearsal::ChecksFail { names } => format!(
            "the rollback applies, but in a clean checkout of its result, which holds only what git tracks, checks fail: {}",
            joined(names)
        ),
    }
}

/// `change start` with the given arguments, but with `class` and `expires` in place of refused ones.
pub(crate) fn open(ctx: &FixContext, class: Option<Class>, expires: Option<&str>) -> CommandLine {
    let given = ctx.proposed.opened.as_ref();
    let line = CommandLine::tool("change start");
    let mut line = match given {
        Some(opened) => line.word("--title").word(&opened.title),
        None => line.ask("--title", SHORT_HYPOTHESIS),
    };
    let class = class.or(given.map(|opened| opened.class).filter(|class| *class != Class::Code));
    line = class.iter().fold(line, |line, class| line.words(["--class", class.name()]));
    if class == Some(Class::Emergency) {
        line = match given.and_then(|opened| opened.incident.as_ref()) {
            Some(incident) => line.word("--incident").word(incident),
            None => line.ask("--incident", WHAT_HAPPENED),
        };
        let given = given.and_then(|opened| opened.expires).map(|at| at.to_rfc3339());
        line = line.word("--expires").word(expires.map(str::to_owned).or(given).unwrap_or_else(|| "24h".to_owned()));
    }
    for (flag, text) in given.iter().flat_map(|opened| plans(opened)).filter(|(_, text)| !text.is_empty()) {
        line = line.word(flag).word(text);
    }
    parts(line, &ctx.proposed.parts, &|criterion| criterion.text.clone())
}

fn plans(opened: &Opened) -> [(&'static str, &str); 4] {
    [
        ("--risk", &opened.risk),
        ("--validation-today", &opened.validation_today),
        ("--validation-next-days", &opened.validation_next_days),
        ("--from", opened.from.as_ref().map_or("", ChangeId::as_str)),
    ]
}

/// Appends the parts of a contract as flags; `shown` formats a criterion.
fn parts(line: CommandLine, contract: &Contract, shown: &dyn Fn(&Criterion) -> String) -> CommandLine {
    let written = |flag, text: &String| Some((flag, text.clone())).filter(|(_, text)| !text.is_empty());
    let trigger = contract.trigger.iter().map(|trigger| match trigger {
        Trigger::Measured(trigger) => ("--trigger", shown(trigger)),
        Trigger::Words(words) => ("--trigger", words.clone()),
    });
    let given = written("--hypothesis", &contract.hypothesis).into_iter();
    let given = given.chain(contract.kpi.iter().map(|kpi| ("--kpi", shown(kpi))));
    let given = given.chain(contract.guardrails.iter().map(|it| ("--guardrail", shown(it)))).chain(trigger);
    let given = given.chain(written("--rollback", &contract.rollback));
    let given = given.chain(contract.min_effect.map(|share| ("--min-effect", format!("{}%", share * 100.0))));
    given.fold(line, |line, (flag, value)| line.word(flag).word(value))
}

/// The given contract, with unknown metrics replaced by the nearest known ones.
pub(crate) fn other_names<'a>(
    change: &Change,
    unknown: impl Iterator<Item = (&'a MetricId, Option<&'a MetricId>)> + Clone,
    ctx: &FixContext,
) -> CommandLine {
    let line = fix::on(change.id(), "change contract");
    if ctx.proposed.parts == Contract::default() {
        return line.word("--kpi").word(&ctx.criteria[0]);
    }
    let renamed = |criterion: &Criterion| {
        let known = unknown.clone().find(|(metric, _)| **metric == criterion.metric);
        let nearest = known.map(|(_, nearest)| nearest.map_or("METRIC", MetricId::as_str));
        let rest = criterion.text.strip_prefix(criterion.metric.as_str()).unwrap_or_default();
        nearest.map_or_else(|| criterion.text.clone(), |nearest| format!("{nearest}{rest}"))
    };
    parts(line, &ctx.proposed.parts, &renamed)
}

/// The given contract, or the opening with it, with the vacuous criterion replaced.
pub(crate) fn other_criterion(
    change: Option<&Change>,
    criterion: &str,
    why: VacuousCriterion,
    ctx: &FixContext,
) -> CommandLine {
    let mut ctx = ctx.clone();
    let given = &mut ctx.proposed.parts;
    let part = match why {
        VacuousCriterion::NoImprovement | VacuousCriterion::MetAlready | VacuousCriterion::CannotHold { kpi: true } => {
            Some(Part::Kpi)
        }
        VacuousCriterion::FiresOnGood | VacuousCriterion::CannotFire => Some(Part::Trigger),
        VacuousCriterion::NoCommit => Some(Part::Rollback),
        VacuousCriterion::NoShare => None,
        VacuousCriterion::LooserThanKpi
        | VacuousCriterion::CannotFail
        | VacuousCriterion::CannotHold { kpi: false } => Some(Part::Guardrails),
    };
    match part {
        None => given.min_effect = Some(0.02),
        Some(Part::Kpi) => given.kpi = None,
        Some(Part::Guardrails) => given.guardrails.retain(|guardrail| guardrail.text != criterion),
        Some(Part::Trigger) => given.trigger = None,
        Some(Part::Rollback) => given.rollback.clear(),
        Some(Part::Hypothesis) => {}
    }
    let kpi = given.kpi.as_ref().or(change.and_then(|change| change.contract.kpi.as_ref()));
    // If the proposed guardrail is on the metric of the given KPI, a guardrail on the proposed KPI's metric replaces
    // it.
    if let (Some(kpi), [Ok(proposed), Ok(guardrail), _]) = (kpi, ctx.criteria.each_ref().map(|it| Criterion::parse(it)))
        && guardrail.metric == kpi.metric
        && proposed.metric != kpi.metric
    {
        let op = proposed.op.symbol();
        ctx.criteria[1] = format!("{} {op} {}", proposed.metric, if op.starts_with('<') { "+2%" } else { "-2%" });
        ctx.bounds[1] = ctx.bounds[0].clone();
    }
    let line = match change {
        Some(change) => {
            let line = fix::on(change.id(), "change contract");
            parts(line, &ctx.proposed.parts, &|criterion| criterion.text.clone())
        }
        None => open(&ctx, None, None),
    };
    let opened = change.map(|change| &change.opened).or(ctx.proposed.opened.as_ref());
    let class = opened.map_or(Class::Code, |opened| opened.class);
    part.map_or(line.clone(), |part| ctx.contract_parts(line, class, &[part]))
}

impl RefusalFixes<'_> {
    pub(crate) fn unmeasured(&self, metrics: &[MetricId]) -> Vec<Fix> {
        let again = Fix::next("fix what gave no value, then", self.pass(self.gate));
        // After the baseline the contract is frozen, so its metrics cannot be replaced.
        let stashed = self.ctx.uncommitted.stashed.then(|| {
            let needed = "if it reads a file that was stashed: bring that back, and let git ignore it";
            Fix::or(needed, CommandLine::git("stash pop"))
        });
        let other = if self.gate == Gate::Baseline {
            stashed.or_else(|| on_other_metrics(self.change, metrics, self.ctx))
        } else {
            Some(self.reject("if it is gone for good, drop it and start over with another contract"))
        };
        // A peak memory below that of the tool itself cannot be measured, so trying again does not help.
        let stays = metrics.iter().all(|metric| metric.kind() == Some(MetricKind::MaxRss));
        match other {
            Some(other) if stays => vec![Fix { how: How::Next, ..other }, Fix { how: How::Or, ..again }],
            other => std::iter::once(again).chain(other).collect(),
        }
    }

    pub(crate) fn not_in_git(&self) -> Vec<Fix> {
        let sizes = self.change.contract.criteria().map(|criterion| criterion.metric.clone());
        let sizes: Vec<_> = sizes.filter(|metric| metric.source() == Some(MetricSource::Size)).collect();
        let other = on_other_metrics(self.change, &sizes, self.ctx).map(|it| Fix { how: How::Next, ..it });
        let build = "to measure build output, define a KPI whose cmd builds it; then";
        other.into_iter().chain([Fix::or(build, fix::baseline(self.change.id()))]).collect()
    }
}

/// Rewrites the parts of the contract that name any of `metrics` to other metrics; other guardrails stay.
pub(crate) fn on_other_metrics(change: &Change, metrics: &[MetricId], ctx: &FixContext) -> Option<Fix> {
    let contract = &change.contract;
    let named = |criterion: &Criterion| metrics.contains(&criterion.metric);
    let kpi = contract.kpi.iter().any(named).then_some(Part::Kpi);
    let (lost, kept): (Vec<&Criterion>, Vec<&Criterion>) = contract.guardrails.iter().partition(|it| named(it));
    let guardrails = (!lost.is_empty() && kept.is_empty()).then_some(Part::Guardrails);
    let trigger = contract.measured_trigger().filter(|it| named(it)).map(|_| Part::Trigger);
    let parts: Vec<Part> = kpi.into_iter().chain(guardrails).chain(trigger).collect();
    // The config's proposals are unusable if they name a metric without a value.
    let is_of = |text: &String| Criterion::parse(text).is_ok_and(|it| metrics.contains(&it.metric));
    let shapes = || FixContext { criteria: FixContext::shapes("OTHER_METRIC"), ..ctx.clone() };
    let proposed = if ctx.criteria.iter().any(is_of) { shapes() } else { ctx.clone() };
    let stay = kept.into_iter().filter(|_| !lost.is_empty()).flat_map(|it| ["--guardrail", it.text.as_str()]);
    let command = || proposed.contract(change.id(), change.opened.class, &parts).words(stay);
    (!parts.is_empty() || !lost.is_empty())
        .then(|| Fix::or("write the contract on metrics that have a value", command()))
}
