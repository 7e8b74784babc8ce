//! Verdicts in words, a line each. Owns the wording of doubts and flaws; must not conclude anything itself.

use crate::model::{
    Bound, Criterion, Design, Doubt, Finding, Flaw, Judged, MetricId, Outcome, Unit, Unusable, Verdict, Verdicts,
};
use crate::report::{Tone, values};

/// What helps against drift where there are two builds to take turns.
const IN_PAIRS: &str = "; measure in pairs";

/// A line on a measurement that stands alone: a stage or a day has no other build to take turns with.
pub fn alone(line: &str) -> String {
    line.strip_suffix(IN_PAIRS).unwrap_or(line).to_owned()
}

/// That a stage begins although a guardrail or the trigger is undecided.
pub fn goes_on(judged: &Judged) -> String {
    format!("begun although {} is undecided: only what is violated or cannot be judged stops a stage", judged.criterion)
}

/// The outcome as a word.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Invalid => "invalid",
    }
}

/// One line: `inconclusive: +1.2 % [-0.8 %, +3.1 %] straddles ≤ +2 %; about 14 more pairs would settle it`.
pub fn line(judged: &Judged) -> String {
    format!("{}: {}", word(judged.verdict.outcome()), reason(judged))
}

/// One line with the criterion before it.
pub fn full_line(judged: &Judged) -> String {
    format!("{} is {}", judged.criterion, line(judged))
}

/// One line on an alarm: a guardrail that does not hold, or a trigger that does.
pub fn alarm_line(judged: &Judged) -> String {
    match judged.verdict.outcome() {
        // Only a trigger raises an alarm by holding.
        Outcome::Pass => format!("trigger {} {}", judged.criterion, trigger_line(judged)),
        _ => full_line(judged),
    }
}

/// One line on a rollback trigger, whose criterion holding means that it fired.
pub fn trigger_line(judged: &Judged) -> String {
    let (_, word) = trigger_mark(judged.verdict.outcome());
    format!("{word}: {}", trigger_reason(judged))
}

/// A trigger's outcome as a mark: that its criterion holds is bad.
pub fn trigger_mark(outcome: Outcome) -> (Tone, &'static str) {
    match outcome {
        Outcome::Pass => (Tone::Bad, "fired"),
        Outcome::Fail => (Tone::Good, "not fired"),
        Outcome::Inconclusive => (Tone::Unsure, "undecided"),
        Outcome::Invalid => (Tone::Broken, "cannot be judged"),
    }
}

/// What led to the verdict, without its word.
pub fn reason(judged: &Judged) -> String {
    said(judged, "violates")
}

/// What led to the verdict on a trigger, for which not to hold is no violation.
pub fn trigger_reason(judged: &Judged) -> String {
    said(judged, "does not meet")
}

fn said(judged: &Judged, violates: &str) -> String {
    let criterion = judged.criterion.criterion();
    let bound = criterion.map_or_else(|| judged.criterion.to_string(), values::bound);
    match &judged.verdict {
        Verdict::Pass(finding) => {
            format!("{} meets {bound} ({})", measured(criterion, finding), basis(finding))
        }
        Verdict::Fail(finding) => {
            format!("{} {violates} {bound} ({})", measured(criterion, finding), basis(finding))
        }
        Verdict::Inconclusive { finding, because, more_runs } => {
            let shown = finding.as_ref().map(|finding| measured(criterion, finding));
            unsettled(is_paired(finding.as_ref()), finding.as_ref(), because, *more_runs, shown, &bound)
        }
        Verdict::Invalid { because } => flaw(because),
    }
}

/// The overall verdict of a contract in one line.
pub fn overall(verdicts: &Verdicts) -> String {
    if verdicts.fired() {
        return "fail: the rollback trigger fired".to_owned();
    }
    match verdicts.not_passing().max_by_key(|judged| judged.verdict.outcome()) {
        None => "pass: KPI and every guardrail hold".to_owned(),
        Some(worst) => full_line(worst),
    }
}

/// The estimate in the bound's own terms.
pub fn measured(criterion: Option<&Criterion>, finding: &Finding) -> String {
    let estimate = &finding.estimate;
    match criterion {
        Some(criterion) if criterion.is_relative() => difference(&criterion.metric, finding),
        Some(criterion) if values::is_rate(&criterion.metric) => values::rate_estimate(estimate),
        Some(Criterion { metric, bound: bound @ Bound::Absolute { .. }, .. }) => {
            values::quantity_estimate(estimate, &values::unit_of(metric, Some(bound)))
        }
        _ => values::quantity_estimate(estimate, &Unit::none()),
    }
}

/// A difference from the baseline: a percentage, for rates in points.
pub fn difference(metric: &MetricId, finding: &Finding) -> String {
    if values::is_rate(metric) {
        values::points_estimate(&finding.estimate)
    } else {
        values::share_estimate(&finding.estimate)
    }
}

/// How much was measured: `12 pairs`, `unpaired, 5 and 5 runs`, `exact`.
pub fn basis(finding: &Finding) -> String {
    match finding.design {
        Design::Paired => values::count(finding.n_before, "pair", "pairs"),
        Design::Unpaired => format!("unpaired, {} and {} runs", finding.n_before, finding.n_after),
        Design::Exact => "exact".to_owned(),
    }
}

/// Whether a finding is of pairs.
pub fn is_paired(finding: Option<&Finding>) -> bool {
    finding.is_some_and(|finding| finding.design == Design::Paired)
}

/// Why nothing was concluded, and how many more runs would help. `paired` is what was measured, which a doubt without a
/// finding does not tell; `shown` is the estimate, `bound` what it was held against.
pub fn unsettled(
    paired: bool,
    finding: Option<&Finding>,
    because: &Doubt,
    more_runs: Option<u32>,
    shown: Option<String>,
    bound: &str,
) -> String {
    let min_effect = finding.map_or(0.0, |finding| finding.min_effect);
    let remedy = match (more_runs, finding) {
        (Some(more), _) => remedy(more, paired),
        (None, Some(finding)) if matches!(because, Doubt::Straddles | Doubt::BelowMinEffect) => no_remedy(finding),
        (None, _) => String::new(),
    };
    let why = match finding {
        Some(finding) if *because == Doubt::BelowMinEffect && finding.estimate.value.abs() >= min_effect => {
            let shown = shown.unwrap_or_else(|| "what was measured".to_owned());
            format!(
                "{shown} comes too near to none: a change that counts leaves out half of {}",
                values::plain_share(min_effect)
            )
        }
        _ => doubt(paired, because, shown, bound, min_effect),
    };
    format!("{why}{remedy}")
}

/// Why no number of runs is named.
fn no_remedy(finding: &Finding) -> String {
    match finding.design {
        Design::Unpaired => format!("; more runs would not settle it, as two sessions lie apart anyway{IN_PAIRS}"),
        Design::Paired => "; it lies so near to the bound that no number of pairs would settle it".to_owned(),
        Design::Exact => String::new(),
    }
}

fn remedy(more: u32, paired: bool) -> String {
    match (more, paired) {
        (1, true) => "; about 1 more pair would settle it".to_owned(),
        (more, true) => format!("; about {more} more pairs would settle it"),
        (1, false) => "; about 1 more run a side would settle it".to_owned(),
        (more, false) => format!("; about {more} more runs a side would settle it"),
    }
}

/// A doubt in words.
fn doubt(paired: bool, because: &Doubt, shown: Option<String>, bound: &str, min_effect: f64) -> String {
    let shown = shown.unwrap_or_else(|| "what was measured".to_owned());
    match because {
        Doubt::Straddles => format!("{shown} straddles {bound}"),
        Doubt::TooFew { have, need } => {
            let (one, many) = if paired { ("pair", "pairs") } else { ("sample", "samples") };
            format!("{} can decide nothing; it takes at least {need}", values::count(*have, one, many))
        }
        Doubt::BelowMinEffect => {
            format!("{shown} is smaller than the least effect that counts, {}", values::plain_share(min_effect))
        }
        Doubt::Drift { ratio } => format!(
            "the machine itself moved {} between the two sessions (reference workload){IN_PAIRS}",
            values::share(ratio - 1.0)
        ),
        Doubt::NotExact => "declared exact, but the same code gave different values".to_owned(),
    }
}

/// A flaw in words.
pub fn flaw(because: &Flaw) -> String {
    match because {
        Flaw::Before { reason } => format!("the baseline has no usable value: {}", unusable(reason)),
        Flaw::After { reason } => format!("the state after has no usable value: {}", unusable(reason)),
        Flaw::OtherMachine { parts } => {
            format!("the two sides come from different machines ({} differ)", parts.join(", "))
        }
        Flaw::SameCode => {
            "both sides measured the same code and the same tuneables: there is no change to judge".into()
        }
        Flaw::NotComparable { what } => format!("the two sides cannot be compared: {what}"),
        Flaw::ZeroBaseline => "the baseline is zero, so there is no share of it; use an absolute bound".into(),
        Flaw::Altered { path } => format!("{path} is not what was recorded"),
    }
}

/// Why a metric has no usable value, in words.
pub fn unusable(reason: &Unusable) -> String {
    match reason {
        Unusable::NotMeasured => "it was not measured".to_owned(),
        Unusable::Redefined => "the config measures it in another way than in the baseline".to_owned(),
        Unusable::CommandFailed { failed, runs, code } => {
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
            format!("{failed} of {} failed, the last {code}", values::count(*runs, "run", "runs"))
        }
        Unusable::TimedOut { timeout_s } => format!("a run was ended at its timeout of {timeout_s} s"),
        Unusable::MissingPath { path } => format!("the path {path} does not exist"),
        Unusable::MissingOrEmpty { path } => {
            format!("{path} was recorded as 0 bytes, which may mean empty or missing")
        }
        Unusable::NoValue { message } => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Estimate;

    fn finding(value: f64, low: f64, high: f64) -> Finding {
        Finding {
            estimate: Estimate { value, low, high, confidence: 0.95 },
            design: Design::Paired,
            n_before: 12,
            n_after: 12,
            p_value: Some(0.01),
            min_effect: 0.02,
        }
    }

    fn said(criterion: &str, verdict: Verdict) -> String {
        line(&Judged { criterion: criterion.to_owned().into(), verdict })
    }

    fn doubted(because: Doubt, more_runs: Option<u32>) -> String {
        let verdict = Verdict::Inconclusive { finding: Some(finding(0.0123, -0.0081, 0.0312)), because, more_runs };
        said("timing.tests.wall <= +2%", verdict)
    }

    #[test]
    fn every_outcome_says_its_numbers_and_its_bound() {
        let pass = Verdict::Pass(finding(-0.123, -0.141, -0.102));
        assert_eq!(said("timing.t.wall <= -10%", pass), "pass: -12.3 % [-14.1 %, -10.2 %] meets ≤ -10 % (12 pairs)");
        let unpaired = Finding { design: Design::Unpaired, n_after: 5, ..finding(0.061, 0.04, 0.082) };
        assert_eq!(
            said("timing.t.wall <= +2%", Verdict::Fail(unpaired)),
            "fail: +6.1 % [+4.0 %, +8.2 %] violates ≤ +2 % (unpaired, 12 and 5 runs)"
        );
        let exact = Finding { estimate: Estimate::exact(1_258_291.2), design: Design::Exact, ..finding(0.0, 0.0, 0.0) };
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
        let drift = doubted(Doubt::Drift { ratio: 1.081 }, None);
        assert!(alone(&drift).ends_with("between the two sessions (reference workload)"), "{drift}");
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
        let judged = Judged {
            criterion: "timing.t.wall > +20%".to_owned().into(),
            verdict: Verdict::Pass(finding(0.31, 0.25, 0.38)),
        };
        assert_eq!(trigger_line(&judged), "fired: +31 % [+25 %, +38 %] meets > +20 % (12 pairs)");
    }
}
