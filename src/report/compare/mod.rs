//! A comparison as a report: the contract's verdicts first, then the metrics, then what cannot be concluded, then
//! everything that the original's report had. Must not judge: every verdict is the comparison's.

pub mod detail;
pub mod method;
pub mod row;
pub mod terminal;

use crate::judge::compare::Caveat;
use crate::judge::{Comparison, CriterionRow, Role};
use crate::model::{Artifact, ChangeId, Machine, MetricId, PairSession};
use crate::report::{Align, Doc, Table, Text, Tone, caveat, markdown, verdict};

/// A comparison and what is known beside it.
#[derive(Debug, Clone, Copy)]
pub struct CompareView<'a> {
    pub comparison: &'a Comparison,
    /// The change it belongs to, with its title.
    pub change: Option<(&'a ChangeId, &'a str)>,
    pub pair: Option<&'a PairSession>,
    /// The machine of the snapshot after the change.
    pub machine: Option<&'a Machine>,
    pub inputs: &'a [Artifact],
    /// Plots of metrics, as paths from the report's own directory.
    pub plots: &'a [(MetricId, String)],
}

/// The report as markdown.
pub fn markdown(view: &CompareView<'_>) -> String {
    markdown::render(&document(view))
}

/// The report as a document.
pub fn document(view: &CompareView<'_>) -> Doc {
    let mut doc = Doc::new();
    head(&mut doc, view);
    verdicts(&mut doc, view.comparison);
    detail::metrics(&mut doc, view);
    caveats(&mut doc, view.comparison);
    detail::git(&mut doc, view.comparison);
    detail::sizes(&mut doc, view.comparison);
    detail::timings(&mut doc, view.comparison);
    detail::http(&mut doc, view.comparison);
    detail::tuneables(&mut doc, view.comparison);
    detail::variables(&mut doc, view.comparison);
    method::section(&mut doc, view);
    doc
}

fn head(doc: &mut Doc, view: &CompareView<'_>) {
    let comparison = view.comparison;
    match view.change {
        Some((id, title)) => {
            doc.heading(1, title);
            doc.fields(vec![("Change".to_owned(), Text::new().code(id.as_str())), overall(comparison)]);
        }
        None => {
            doc.heading(1, format!("{} → {}", comparison.before.label, comparison.after.label));
            doc.fields(vec![overall(comparison)]);
        }
    }
}

/// The overall outcome as a field.
fn overall(comparison: &Comparison) -> (String, Text) {
    let word = verdict::word(comparison.outcome);
    let text = Text::new().mark(comparison.outcome.into(), word);
    let basis = if comparison.caveats.contains(&Caveat::SameSnapshot) {
        " (nothing was compared: both sides are the same snapshot)"
    } else if comparison.criteria.is_empty() {
        " (no contract: by the decisive times, rates and KPIs)"
    } else {
        " (the gravest verdict of KPI and guardrails)"
    };
    ("Outcome".to_owned(), text.plain(basis))
}

fn verdicts(doc: &mut Doc, comparison: &Comparison) {
    if comparison.criteria.is_empty() && comparison.trigger_words.is_none() {
        return;
    }
    doc.heading(2, "Verdicts");
    let mut table =
        Table::new([("", Align::Left), ("Criterion", Align::Left), ("Verdict", Align::Left), ("Why", Align::Left)]);
    for it in &comparison.criteria {
        let (tone, word) = mark(it);
        table.row([
            Text::from(role(it.role)),
            Text::new().code(it.criterion.text.as_str()),
            Text::new().mark(tone, word),
            Text::from(row::criterion_reason(it, comparison)),
        ]);
    }
    doc.table(table);
    if let Some(words) = &comparison.trigger_words {
        doc.paragraph(Text::from("Rollback trigger, which a person has to judge by: ").strong(words.as_str()));
    }
}

/// What a criterion is for, in a word.
fn role(role: Role) -> &'static str {
    match role {
        Role::Kpi => "KPI",
        Role::Guardrail => "guardrail",
        Role::Trigger => "trigger",
    }
}

/// A criterion's verdict as a mark: that a trigger holds is bad.
fn mark(it: &CriterionRow) -> (Tone, &'static str) {
    let outcome = it.result.outcome();
    match it.role {
        Role::Trigger => verdict::trigger_mark(outcome),
        _ => (outcome.into(), verdict::word(outcome)),
    }
}

fn caveats(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "What cannot be concluded");
    if comparison.caveats.is_empty() {
        doc.paragraph("Nothing is held against these numbers.");
    }
    doc.list(comparison.caveats.iter().map(caveat::text).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::compare::compare;
    use crate::judge::{Change, Settings};
    use crate::model::{Contract, Criterion, Trigger, Verdict, ingest};
    use crate::report::{Terminal, fixture, terminal as plain};

    fn demands() -> Contract {
        let criterion = |text| Criterion::parse(text).unwrap();
        Contract {
            kpi: Some(criterion("timing.tests.cpu <= -10%")),
            guardrails: vec![criterion("kpi.advisory_p95_ms <= 250ms"), criterion("http.health.ok >= 100%")],
            trigger: Some(Trigger::parse("timing.tests.wall > +10%").unwrap()),
            ..Contract::default()
        }
    }

    fn view(comparison: &Comparison) -> CompareView<'_> {
        CompareView { comparison, change: None, pair: None, machine: None, inputs: &[], plots: &[] }
    }

    /// What the intervals are is the statistics' to say; here they are given, so that only the words are tested.
    fn fix_intervals(comparison: &mut Comparison) {
        let fix = |finding: &mut crate::model::Finding| {
            if finding.design == crate::model::Design::Paired && finding.estimate.value < 0.0 {
                (finding.estimate.value, finding.estimate.low, finding.estimate.high) = (-0.1458, -0.149, -0.1431);
            }
        };
        for row in &mut comparison.criteria {
            if let Verdict::Pass(finding) | Verdict::Fail(finding) = &mut row.result {
                fix(finding);
            }
        }
        for row in &mut comparison.metrics {
            if let Change::Improved(finding) = &mut row.result {
                fix(finding);
            }
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the expected text is long")]
    fn a_paired_comparison_says_the_verdicts_first_and_how_they_were_reached() {
        let (before, after) =
            (fixture::snapshot("before", 2.0, 3, 4000, 1), fixture::snapshot("after", 1.7, 3, 8760, 2));
        let pair = fixture::pairs(0.85, 20);
        let mut comparison = compare(&before, &after, Some(&pair), &demands(), &Settings::default());
        fix_intervals(&mut comparison);
        let id = "chg-1".parse().unwrap();
        let full = CompareView {
            change: Some((&id, fixture::HOSTILE)),
            pair: Some(&pair),
            machine: after.machine.as_ref(),
            inputs: &[fixture::artifact("before_snapshot.json"), fixture::artifact("after_snapshot.json")],
            plots: &[(MetricId::new("timing.tests.cpu"), "chg-1_tests_cpu.svg".to_owned())],
            ..view(&comparison)
        };
        insta::assert_snapshot!(markdown(&full), @r"
        # x \| y<br>\# z \<script\>alert(1)\</script\> --\> \`c\` \*b\* \[l\](u) @<!-- -->octocat \\u{1b}\[31m\\u{202e}

        - **Change:** `chg-1`
        - **Outcome:** ✗ **fail** (the gravest verdict of KPI and guardrails)

        ## Verdicts

        |  | Criterion | Verdict | Why |
        | --- | --- | --- | --- |
        | KPI | `timing.tests.cpu <= -10%` | ✓ **pass** | -14.58 % \[-14.90 %, -14.31 %\] meets ≤ -10 % (20 pairs) |
        | guardrail | `kpi.advisory_p95_ms <= 250ms` | ✓ **pass** | 170 ms meets ≤ 250 ms (exact) |
        | guardrail | `http.health.ok >= 100%` | ✗ **fail** | 50 % \[9 %, 91 %\] violates ≥ 100 % (unpaired, 2 and 2 runs) |
        | trigger | `timing.tests.wall > +10%` | ✓ **not fired** | -14.58 % \[-14.90 %, -14.31 %\] does not meet \> +10 % (20 pairs) |

        ## Metrics

        | Metric | Before | After | Change, 95 % interval | Measured | Result |
        | --- | ---: | ---: | ---: | --- | --- |
        | `http.health.ok` | 100 % | 50 % | -50 points \[-91 points, +27 points\] | unpaired, 2 and 2 runs | ? **inconclusive**: -50 points \[-91 points, +27 points\] straddles no change; about 3 more runs a side would settle it |
        | `kpi.advisory_p95_ms` | 200 ms | 170 ms | -15.0 % | exact | ✓ **improved** |
        | `timing.tests.cpu` | 1.9 s | 1.6231 s \[1.6182 s, 1.6263 s\] | -14.58 % \[-14.90 %, -14.31 %\] | 20 pairs | ✓ **improved** |
        | `timing.tests.wall` | 2 s | 1.7085 s \[1.7034 s, 1.7119 s\] | -14.58 % \[-14.90 %, -14.31 %\] | 20 pairs | ✓ **improved** |

        ![Samples of timing.tests.cpu, before and after](chg-1_tests_cpu.svg)

        ## Other metrics

        | Metric | Before | After | Change, 95 % interval | Measured | Result |
        | --- | ---: | ---: | ---: | --- | --- |
        | `http.health.latency` | 11 ms | 10 ms | (-9.1 %) | 2 and 1 runs | ? **inconclusive**: 1 sample can decide nothing; it takes at least 4; about 3 more runs a side would settle it |
        | `timing.tests.max_rss` | 47.68 MiB | 47.68 MiB | (+0.00 %) | 3 and 3 runs | ? **inconclusive**: 3 samples can decide nothing; it takes at least 4; about 1 more run a side would settle it |
        | `timing.tests.ok` | 100 % | 100 % | +0 points \[-16 points, +16 points\] | 20 pairs | · **nothing failed** |

        ## What cannot be concluded

        - `http.health.latency`: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.
        - `timing.tests.max_rss`: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; alternating pairs would narrow them.

        ## Git

        |  | Before | After |
        | --- | --- | --- |
        | Label | `before` | `after` |
        | Taken | 2026-02-01 10:00 UTC | 2026-02-02 10:00 UTC |
        | Branch | `main` | `main` |
        | Commit | `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` | `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb` |
        | Describe | – | – |
        | Uncommitted | ✓ **nothing** | ✓ **nothing** |
        | Snapshot | `0190-before` | `0190-after` |

        ## Size deltas

        | Path | Before | After | Delta | Share | Delta of tracked files |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | `lib` | 3.906 KiB | 8.555 KiB | +4.648 KiB | +119.0 % | +0 B |

        ## Timing deltas

        | Command | Mean before | Mean after | Delta | 95th percentile before | after | Delta | Exit codes |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
        | `tests` | 2 s | 1.7 s | -300 ms | 2 s | 1.7 s | -300 ms | 0 → 0 |

        Means of separate runs, as a description; the verdicts above do not rest on them.

        ## HTTP probes

        | URL | Before | After | Error after |
        | --- | --- | --- | --- |
        | `http://localhost:8787/health` | ✓ **ok** (200) | ✓ **ok** (200) | – |

        ## Tuneables changed

        | Key | Before | After |
        | --- | --- | --- |
        | `advisory.cooldown_s` | `2.0` from `tuneables.json` | `1.7` from `tuneables.json` |

        ## How it was measured

        In alternating pairs in one session from 2026-02-02 10:00 UTC to 2026-02-02 11:00 UTC: each command ran on the baseline and on the head in turn, changing which went first. The estimate is the middle of the paired ratios with a 95 % interval.

        | Command | Decided by | Pairs | Cores | Sampling ended because |
        | --- | --- | ---: | --- | --- |
        | `tests` | CPU time, since it computes and waits for nothing | 20 | any | every question was settled at a planned look |

        - **Least effect that counts:** 1 %
        - **Reference workload, after against before:** +0.00 %
        - **Arms:** `HEAD~1` at `aaaaaaaaaaaa` against `HEAD` at `bbbbbbbbbbbb`
        - **Machine:** Example CPU, 8 cores, 16 GiB, linux x86\_64, load 0.40

        ## Inputs

        | File | SHA-256 |
        | --- | --- |
        | `reports/optimizer/chg-1_before_snapshot.json` | `8fc9b7cec2d0e0247ff1bdf630b74074210862dfa832b2707e206ecb93250f20` |
        | `reports/optimizer/chg-1_after_snapshot.json` | `94388d847a3d886dab01174dc2ad61b8cadc3791b05215ea8cce2a13d7004e86` |
        ");
        let shown = plain::render(&terminal::document(&full, Some(140)), Terminal { width: Some(140), color: false });
        insta::assert_snapshot!(shown, @r"
        x | y ⏎ # z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e} (chg-1)

        Outcome  ✗ fail (the gravest verdict of KPI and guardrails)

                   Criterion                     Verdict                                       Why
        KPI        timing.tests.cpu <= -10%      ✓ pass       ·├●····┊··········│············  -14.58 % [-14.90 %, -14.31 %] meets ≤ -10 % (20
                                                                                               pairs)
        guardrail  kpi.advisory_p95_ms <= 250ms  ✓ pass                                        170 ms meets ≤ 250 ms (exact)
        guardrail  http.health.ok >= 100%        ✗ fail                                        50 % [9 %, 91 %] violates ≥ 100 % (unpaired, 2 and 2
                                                                                               runs)
        trigger    timing.tests.wall > +10%      ✓ not fired  ·├●···············│··········┊·  -14.58 % [-14.90 %, -14.31 %] does not meet > +10 %
                                                                                               (20 pairs)

        Metric               Before     After                                                                Change  Result
        http.health.ok        100 %      50 %                                   -50 points [-91 points, +27 points]  ? inconclusive
        kpi.advisory_p95_ms  200 ms    170 ms  ·●···························│·                              -15.0 %  ✓ improved
        timing.tests.cpu      1.9 s  1.6231 s  ··●┤·························│·        -14.58 % [-14.90 %, -14.31 %]  ✓ improved
        timing.tests.wall       2 s  1.7085 s  ··●┤·························│·        -14.58 % [-14.90 %, -14.31 %]  ✓ improved

        In the bars: ● estimate, ├─┤ 95 % interval, │ no change, ┊ bound.

        What cannot be concluded

        - http.health.latency: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.
        - timing.tests.max_rss: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; alternating
          pairs would narrow them.
        ");
        for (width, bars) in [(80, 5), (40, 5), (30, 5)] {
            let of = Terminal { width: Some(width), color: false };
            let narrow = plain::render(&terminal::document(&full, Some(width)), of);
            assert_eq!(narrow.lines().filter(|line| line.contains("··")).count(), bars, "{narrow}");
            let widest = narrow.lines().skip(3).map(crate::report::visible::width).max().unwrap();
            assert!(widest <= width, "{widest} in {width}: {narrow}");
            for word in ["timing.tests.cpu", "kpi.advisory_p95_ms", "inconclusive", "├┤", "●"] {
                assert!(narrow.contains(word) || word == "├┤", "{word}: {narrow}");
            }
        }
    }

    #[test]
    fn single_runs_conclude_nothing_and_say_so() {
        let (before, after) =
            (fixture::snapshot("before", 2.0, 1, 4000, 1), fixture::snapshot("after", 1.0, 1, 4000, 2));
        let none = Contract { trigger: Some(Trigger::Words("users complain".into())), ..Contract::default() };
        let mut comparison = compare(&before, &after, None, &none, &Settings::default());
        comparison.not_paired = Some("there are no commits".to_owned());
        let text = markdown(&view(&comparison));
        assert!(text.contains("**Not measured in pairs:** there are no commits"), "{text}");
        assert!(text.contains("A single run cannot tell a change from chance"), "{text}");
        assert!(text.contains("Rollback trigger, which a person has to judge by: **users complain**"), "{text}");
        assert!(text.contains("| (-50.0 %) | 1 and 1 runs | ? **inconclusive**"), "{text}");
        assert!(text.contains("In two separate sessions, without pairs."), "{text}");
    }

    #[test]
    fn real_evidence_of_the_original_is_reported_without_a_claim() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/spark");
        let read = |name: &str| {
            #[expect(clippy::disallowed_methods, reason = "a test reads its data")]
            let bytes = std::fs::read(dir.join(format!("chg-20260215-132034_{name}_snapshot.json"))).ok()?;
            ingest::parse_snapshot(&bytes).ok()
        };
        let (Some(before), Some(after)) = (read("before"), read("after")) else { return };
        let comparison = compare(&before, &after, None, &Contract::default(), &Settings::default());
        let text = markdown(&view(&comparison));
        assert!(text.contains("- **Outcome:** ? **inconclusive**"), "{text}");
        for section in ["## Git", "## Size deltas", "## Timing deltas", "## HTTP probes", "## What cannot be concluded"]
        {
            assert!(text.contains(section), "{section} in\n{text}");
        }
        assert!(!text.contains("improved") && !text.contains("regressed"), "{text}");
    }
}
