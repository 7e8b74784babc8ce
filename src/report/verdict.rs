//! Verdicts as text: a line, or a table of criteria. Owns the wording of doubts.

use crate::judge::{CriterionRole, CriterionRow};
use crate::model::{
    Bound, Criterion, CriterionResult, Design, Doubt, Effect, Estimate, MetricId, MetricSource, Outcome, Unit, Verdict,
    Verdicts,
};
use crate::report::{Table, Text, Tone, code, doc, mark, values};

/// Stands for the bound of a difference that has none.
pub(crate) const NO_CHANGE: &str = "no change";

/// Advice against drift, if there are two builds to alternate.
const IN_PAIRS: &str = "; measure in pairs";

pub(crate) struct CriterionLine {
    role: CriterionRole,
    criterion: String,
    tone: Tone,
    word: &'static str,
    why: String,
    /// For the bar: an estimate relative to the baseline, and its bound.
    drawn: Option<(Estimate, Option<f64>, Tone)>,
}

impl CriterionLine {
    pub(crate) fn new(role: CriterionRole, criterion: &Criterion, verdict: &Verdict) -> Self {
        let (tone, word) = mark_of(role, verdict.outcome());
        let drawn = match criterion.bound {
            // Percentage points of a rate are on another scale.
            Bound::Relative { share } if !criterion.metric.is_rate() => {
                verdict.finding().and_then(Effect::share).map(|estimate| (estimate, Some(share), tone))
            }
            Bound::Relative { .. } | Bound::Absolute { .. } => None,
        };
        let why = why(role, criterion, verdict);
        // HTTP requests are not measured in pairs.
        let why = if criterion.metric.source() == Some(MetricSource::Http) { alone(&why) } else { why };
        Self { role, criterion: criterion.text.clone(), tone, word, why, drawn }
    }

    pub(crate) fn of(role: CriterionRole, judged: &CriterionResult) -> Self {
        match judged.parsed() {
            Some(criterion) => Self::new(role, &criterion, &judged.verdict),
            None => {
                let (tone, word) = mark_of(role, judged.verdict.outcome());
                let criterion = judged.criterion.clone();
                Self { role, criterion, tone, word, why: "not a criterion".to_owned(), drawn: None }
            }
        }
    }

    /// For a measurement without another build to alternate with: removes the advice to measure in pairs.
    pub(crate) fn alone(self) -> Self {
        Self { why: alone(&self.why), ..self }
    }

    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    fn line(&self) -> String {
        format!("{}: {}", self.word, self.why)
    }
}

pub(crate) fn rows(verdicts: &Verdicts) -> Vec<CriterionLine> {
    let guardrails = verdicts.guardrails.iter().map(|judged| CriterionLine::of(CriterionRole::Guardrail, judged));
    let trigger = verdicts.trigger.iter().map(|judged| CriterionLine::of(CriterionRole::Trigger, judged));
    std::iter::once(CriterionLine::of(CriterionRole::Kpi, &verdicts.kpi)).chain(guardrails).chain(trigger).collect()
}

/// Criteria with their verdicts and, if `is_drawn`, bars where possible.
pub(crate) fn table(rows: Vec<CriterionLine>, is_drawn: bool) -> Table {
    let bars = doc::on_one_scale(rows.iter().map(|row| row.drawn).collect());
    let rows = rows.into_iter().zip(bars).map(|(row, bar)| {
        let bar = is_drawn.then(|| bar.map_or_else(Text::new, Text::from));
        let start = [role(row.role).into(), code(row.criterion), mark(row.tone, row.word)];
        start.into_iter().chain(bar).chain([row.why.into()])
    });
    match is_drawn {
        true => Table::new("lllll", ["", "Criterion", "Verdict", "", "Why"], rows),
        false => Table::new("llll", ["", "Criterion", "Verdict", "Why"], rows),
    }
}

fn role(role: CriterionRole) -> &'static str {
    match role {
        CriterionRole::Kpi => "KPI",
        CriterionRole::Guardrail => "guardrail",
        CriterionRole::Trigger => "trigger",
    }
}

/// The mark of a verdict; for a trigger, a pass is bad.
fn mark_of(role: CriterionRole, outcome: Outcome) -> (Tone, &'static str) {
    match (role, outcome) {
        (CriterionRole::Kpi | CriterionRole::Guardrail, outcome) => (outcome.into(), outcome.name()),
        (CriterionRole::Trigger, Outcome::Pass) => (Tone::Bad, "fired"),
        (CriterionRole::Trigger, Outcome::Fail) => (Tone::Good, "not fired"),
        (CriterionRole::Trigger, Outcome::Inconclusive) => (Tone::Unsure, "undecided"),
        (CriterionRole::Trigger, Outcome::Invalid) => (Tone::Broken, "cannot be judged"),
    }
}

/// Removes the advice to measure in pairs from a line.
pub(crate) fn alone(line: &str) -> String {
    line.strip_suffix(IN_PAIRS).unwrap_or(line).to_owned()
}

/// The note that a stage begins although a guardrail or the trigger is undecided.
pub(crate) fn goes_on(judged: &CriterionResult) -> String {
    format!("begun although {} is undecided: only what is violated or cannot be judged stops a stage", judged.criterion)
}

pub(crate) fn row_line(row: &CriterionRow) -> String {
    CriterionLine::new(row.role, &row.criterion, &row.result).line()
}

/// One line: `CRITERION is inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it`.
pub(crate) fn full_line(judged: &CriterionResult) -> String {
    format!("{} is {}", judged.criterion, CriterionLine::of(CriterionRole::Guardrail, judged).line())
}

/// One line about an alarm: a guardrail that does not pass, or a fired trigger.
pub(crate) fn alarm_line(judged: &CriterionResult) -> String {
    match judged.verdict.outcome() {
        // Only a trigger raises an alarm with a pass.
        Outcome::Pass => format!("trigger {} {}", judged.criterion, trigger_line(judged)),
        Outcome::Fail | Outcome::Inconclusive | Outcome::Invalid => full_line(judged),
    }
}

/// One line about a rollback trigger, which has fired if its criterion holds.
pub(crate) fn trigger_line(judged: &CriterionResult) -> String {
    CriterionLine::of(CriterionRole::Trigger, judged).line()
}

/// The overall verdict of a contract, and the reason.
pub(crate) fn overall(verdicts: &Verdicts) -> (Outcome, String) {
    if verdicts.fired() {
        return (Outcome::Fail, ": the rollback trigger fired".to_owned());
    }
    match verdicts.not_passing().max_by_key(|judged| judged.verdict.outcome()) {
        None => (Outcome::Pass, ": KPI and every guardrail hold".to_owned()),
        Some(worst) => (worst.verdict.outcome(), format!(": {}", full_line(worst))),
    }
}

fn why(role: CriterionRole, criterion: &Criterion, verdict: &Verdict) -> String {
    let bound = values::bound(criterion);
    let shown = |finding: &Effect| measured(criterion, finding);
    match verdict {
        Verdict::Pass(finding) => format!("{} meets {bound} ({})", shown(finding), basis(finding)),
        Verdict::Fail(finding) => {
            let violates = if role == CriterionRole::Trigger { "does not meet" } else { "violates" };
            format!("{} {violates} {bound} ({})", shown(finding), basis(finding))
        }
        Verdict::Inconclusive { finding, because, more_runs } => {
            let is_paired = finding.as_ref().is_some_and(|finding| finding.design == Design::Paired);
            why_inconclusive(is_paired, finding.as_ref(), because, *more_runs, finding.as_ref().map(shown), &bound)
        }
        Verdict::Invalid { because } => because.to_string(),
    }
}

fn measured(criterion: &Criterion, finding: &Effect) -> String {
    match &criterion.bound {
        Bound::Relative { share } => difference(&criterion.metric, finding, Some(*share)),
        Bound::Absolute { .. } if criterion.metric.is_rate() => values::rate_estimate(&finding.estimate),
        Bound::Absolute { value, unit: written } => {
            // Early versions recorded no unit; that of a metric that is no KPI follows from its kind.
            let known = || criterion.metric.kind().map(|kind| Unit::new(kind.row().unit));
            let unit = finding.unit.clone().or_else(known).unwrap_or(Unit::none());
            let factor = written.as_ref().map_or(Some(1.0), |written| written.factor_to(&unit));
            values::quantity_estimate(&finding.estimate, &unit, factor.map(|factor| value * factor))
        }
    }
}

/// A difference from the baseline: a percentage, or percentage points for rates.
pub(crate) fn difference(metric: &MetricId, finding: &Effect, bound: Option<f64>) -> String {
    if metric.is_rate() { values::points_estimate(&finding.estimate, bound) } else { values::change(finding, bound) }
}

/// The amount of data: `12 pairs`, `unpaired, 5 and 5 runs`, `exact`.
pub(crate) fn basis(finding: &Effect) -> String {
    match finding.design {
        Design::Paired => values::count(finding.n_before, "pair", "pairs"),
        Design::Unpaired => format!("unpaired, {} and {} runs", finding.n_before, finding.n_after),
        Design::Exact => "exact".to_owned(),
    }
}

/// Why a verdict is inconclusive, and how many more runs would help. `paired` is the design, needed for a doubt without
/// a finding; `shown` is the formatted estimate, `bound` what it was compared with.
pub(crate) fn why_inconclusive(
    paired: bool,
    finding: Option<&Effect>,
    because: &Doubt,
    more_runs: Option<u32>,
    shown: Option<String>,
    bound: &str,
) -> String {
    let shown = shown.unwrap_or_else(|| "what was measured".to_owned());
    let min_effect = finding.map_or(0.0, |finding| finding.min_effect);
    let least = values::plain_share(min_effect);
    let why = match because {
        Doubt::Straddles if bound == NO_CHANGE => format!("{shown} may as well be no change"),
        Doubt::Straddles => format!("{shown} straddles {bound}"),
        Doubt::TooFew { have, need } => {
            let (one, many) = if paired { ("pair", "pairs") } else { ("sample", "samples") };
            format!("{} can decide nothing; it takes at least {need}", values::count(*have, one, many))
        }
        Doubt::BelowMinEffect if finding.is_some_and(|it| it.estimate.value.abs() >= min_effect) => {
            format!("{shown} is too close to no change: to count, its whole interval must lie beyond half of {least}")
        }
        Doubt::BelowMinEffect => format!("{shown} is smaller than the least effect that counts, {least}"),
        Doubt::Drift { ratio } => format!(
            "the machine itself moved {} between the two sessions (reference workload){IN_PAIRS}",
            values::share(ratio - 1.0)
        ),
        Doubt::NotExact => "declared exact, but the same code gave different values".to_owned(),
    };
    let is_close = matches!(because, Doubt::Straddles | Doubt::BelowMinEffect);
    format!("{why}{}", what_helps(more_runs, paired, finding.filter(|_| is_close)))
}

/// How many more runs would help, or why none would for a finding that is `close` to the bound.
fn what_helps(more_runs: Option<u32>, paired: bool, close: Option<&Effect>) -> String {
    match (more_runs, paired, close.map(|finding| finding.design)) {
        (Some(1), true, _) => "; about 1 more pair would settle it".to_owned(),
        (Some(more), true, _) => format!("; about {more} more pairs would settle it"),
        (Some(1), false, _) => "; about 1 more run a side would settle it".to_owned(),
        (Some(more), false, _) => format!("; about {more} more runs a side would settle it"),
        (None, _, Some(Design::Unpaired)) => {
            format!("; more runs would not settle it, as two sessions differ anyway{IN_PAIRS}")
        }
        (None, _, Some(Design::Paired)) => "; too close to the bound to decide, however many pairs".to_owned(),
        (None, _, Some(Design::Exact) | None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Estimate, Flaw, Unusable};

    fn finding(value: f64, low: f64, high: f64) -> Effect {
        Effect {
            estimate: Estimate { value, low, high, confidence: 0.95 },
            design: Design::Paired,
            n_before: 12,
            n_after: 12,
            p_value: Some(0.01),
            min_effect: 0.02,
            from_zero: false,
            unit: None,
        }
    }

    fn said(criterion: &str, verdict: Verdict) -> String {
        CriterionLine::of(CriterionRole::Guardrail, &CriterionResult { criterion: criterion.to_owned(), verdict })
            .line()
    }

    fn doubted(because: Doubt, more_runs: Option<u32>) -> String {
        let verdict = Verdict::Inconclusive { finding: Some(finding(0.0123, -0.0081, 0.0312)), because, more_runs };
        said("timing.tests.wall <= +2%", verdict)
    }

    #[test]
    fn every_outcome_says_its_numbers_and_its_bound() {
        let pass = Verdict::Pass(finding(-0.123, -0.141, -0.102));
        assert_eq!(said("timing.t.wall <= -10%", pass), "pass: -12.3 % [-14.1 %, -10.2 %] meets ≤ -10 % (12 pairs)");
        let unpaired = Effect { design: Design::Unpaired, n_after: 5, ..finding(0.061, 0.04, 0.082) };
        assert_eq!(
            said("timing.t.wall <= +2%", Verdict::Fail(unpaired)),
            "fail: +6.1 % [+4.0 %, +8.2 %] violates ≤ +2 % (unpaired, 12 and 5 runs)"
        );
        let exact = Effect { estimate: Estimate::exact(1_258_291.2), design: Design::Exact, ..finding(0.0, 0.0, 0.0) };
        assert_eq!(said("size.lib <= 40MiB", Verdict::Pass(exact)), "pass: 1.2 MiB meets ≤ 40 MiB (exact)");
    }

    #[test]
    fn every_doubt_says_what_would_help() {
        insta::assert_snapshot!([
            doubted(Doubt::Straddles, Some(14)),
            doubted(Doubt::TooFew { have: 1, need: 10 }, None),
            doubted(Doubt::BelowMinEffect, Some(1)),
            doubted(Doubt::Drift { ratio: 1.081 }, None),
            doubted(Doubt::NotExact, None),
        ].join("\n"), @r"
        inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it
        inconclusive: 1 pair can decide nothing; it takes at least 10
        inconclusive: +1.2 % [-0.8 %, +3.1 %] is smaller than the least effect that counts, 2 %; about 1 more pair would settle it
        inconclusive: the machine itself moved +8.1 % between the two sessions (reference workload); measure in pairs
        inconclusive: declared exact, but the same code gave different values
        ");
        let drift = Verdict::Inconclusive { finding: None, because: Doubt::Drift { ratio: 1.081 }, more_runs: None };
        let drift = CriterionLine::of(
            CriterionRole::Kpi,
            &CriterionResult { criterion: "timing.tests.wall <= +2%".to_owned(), verdict: drift },
        );
        assert!(drift.alone().why.ends_with("between the two sessions (reference workload)"));
    }

    #[test]
    fn every_flaw_is_named() {
        let failed = Unusable::CommandFailed { failed: 3, runs: 10, code: Some(1) };
        let flaws = [
            Flaw::Before { reason: failed },
            Flaw::After { reason: Unusable::TimedOut { timeout_s: 60.0 } },
            Flaw::After { reason: Unusable::MissingOrEmpty { path: "lib".into() } },
            Flaw::OtherMachine { parts: vec!["cpu".into(), "cores".into()] },
            Flaw::SameCode,
            Flaw::NotComparable { what: "the command differs".into() },
            Flaw::ZeroBaseline,
            Flaw::Altered { path: "reports/optimizer/x.json".into() },
        ];
        let lines = flaws.map(|because| said("size.lib <= +0%", Verdict::Invalid { because }));
        insta::assert_snapshot!(lines.join("\n"), @r"
        invalid: the baseline has no usable value: 3 of 10 runs failed, the last with exit code 1
        invalid: the state after has no usable value: a run was ended at its timeout of 60 s
        invalid: the state after has no usable value: lib was recorded as 0 bytes, which may mean empty or missing
        invalid: the two sides come from different machines (cpu, cores differ)
        invalid: both sides measured the same code and the same tuneables: there is no change to judge
        invalid: the two sides cannot be compared: the command differs
        invalid: the baseline is zero, so there is no share of it; use an absolute bound
        invalid: reports/optimizer/x.json is not what was recorded
        ");
    }

    #[test]
    fn a_trigger_that_holds_has_fired() {
        let judged = CriterionResult {
            criterion: "timing.t.wall > +20%".to_owned(),
            verdict: Verdict::Pass(finding(0.31, 0.25, 0.38)),
        };
        assert_eq!(trigger_line(&judged), "fired: +31 % [+25 %, +38 %] meets > +20 % (12 pairs)");
    }
}
