//! The report on a comparison: the contract's verdicts, the metrics, what cannot be concluded, and then the sections of
//! the Python tool's report. All verdicts are those of the comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::evidence::Judgement;
use crate::judge::{Caveat, ComparedSnapshot, Comparison, MetricRow};
use crate::model::{
    Artifact, ChangeId, Estimate, GitV1, Machine, MetricId, MetricKind, MetricSource, PairSession, Sampling, Unit,
};
use crate::report::verdict::CriterionLine;
use crate::report::{Doc, Table, Text, Tone, code, doc, mark, markdown, method, metric, values, verdict};
use crate::workflow::Change;

#[derive(Debug, Clone, Copy)]
pub(crate) struct CompareView<'a> {
    pub(crate) comparison: &'a Comparison,
    pub(crate) change: Option<(&'a ChangeId, &'a str)>,
    pub(crate) pair: Option<&'a PairSession>,
    pub(crate) machine: Option<&'a Machine>,
    pub(crate) inputs: &'a [Artifact],
    /// Path of the picture of the samples, relative to the report's directory.
    pub(crate) picture: Option<&'a str>,
}

impl<'a> CompareView<'a> {
    pub(crate) fn of(
        judged: &'a Judgement,
        change: Option<&'a Change>,
        inputs: &'a [Artifact],
        picture: Option<&'a str>,
    ) -> Self {
        Self {
            comparison: &judged.comparison,
            change: change.map(|change| (change.id(), change.opened.title.as_str())),
            pair: judged.pair.as_ref(),
            machine: judged.after.machine.as_ref(),
            inputs,
            picture,
        }
    }
}

pub(crate) fn markdown(view: &CompareView<'_>) -> String {
    markdown::render(&document(view))
}

pub(crate) fn document(view: &CompareView<'_>) -> Doc {
    let comparison = view.comparison;
    let mut doc = Doc::new();
    match view.change {
        Some((id, title)) => {
            doc.heading(1, title);
            doc.field("Change", code(id.as_str()));
        }
        None => doc.heading(1, format!("{} → {}", comparison.before.label, comparison.after.label)),
    }
    outcome(&mut doc, comparison);
    if !comparison.criteria.is_empty() || comparison.trigger_words.is_some() {
        doc.heading(2, "Verdicts");
        doc.table(verdict::table(criteria(comparison), false));
        trigger_words(&mut doc, comparison);
    }
    metrics(&mut doc, view);
    doc.heading(2, "What cannot be concluded");
    if comparison.caveats.is_empty() {
        doc.paragraph("No objection to these numbers was found.");
    }
    let instructions = method::instructions(comparison.metrics.iter().map(|row| &row.metric));
    doc.list(comparison.caveats.iter().map(method::caveat).chain(instructions));
    git(&mut doc, comparison);
    sizes(&mut doc, comparison);
    timings(&mut doc, comparison);
    http(&mut doc, comparison);
    changed_settings(&mut doc, comparison);
    method::section(&mut doc, view);
    doc
}

/// The short form for a terminal: the outcome, each criterion and metric with its interval as a bar, and what cannot be
/// concluded.
pub(crate) fn short(view: &CompareView<'_>) -> Doc {
    let comparison = view.comparison;
    let mut doc = Doc::new();
    doc.heading(
        1,
        match view.change {
            Some((id, title)) => format!("{title} ({})", id.as_str()),
            None => format!("{} → {}", comparison.before.label, comparison.after.label),
        },
    );
    outcome(&mut doc, comparison);
    let criteria = criteria(comparison);
    let has_bounds = criteria.iter().any(CriterionLine::is_drawn);
    doc.table(verdict::table(criteria, true));
    trigger_words(&mut doc, comparison);
    let is_headline = headline(comparison);
    let headline: Vec<&MetricRow> = comparison.metrics.iter().filter(|it| is_headline(it)).collect();
    // Percentage points of a rate and shares of a baseline have no common scale.
    let estimate = |it: &&MetricRow| -> Option<(Estimate, Option<f64>, Tone)> {
        let finding = it.result.finding().filter(|_| it.sampling != Sampling::Rate)?;
        Some((finding.share()?, None, Tone::Quiet))
    };
    let bars = doc::on_one_scale(headline.iter().map(estimate).collect());
    let has_bars = has_bounds || bars.iter().any(Option::is_some);
    let rows = headline.into_iter().zip(bars).map(|(row, bar)| {
        let [before, after] = [row.before, row.after].map(|level| metric::median(level, row));
        let bar = bar.map_or_else(Text::new, Text::from);
        [code(row.metric.as_str()), before, after, bar, metric::difference(row), metric::change_mark(&row.result)]
    });
    doc.table(Table::new("lrrlrl", ["Metric", "Before", "After", "", "Change", "Result"], rows));
    if has_bars {
        doc.paragraph(doc::legend(has_bounds));
    }
    if comparison.pair_id.is_some() {
        doc.paragraph(metric::MEDIANS);
    }
    doc.section(2, "What cannot be concluded", |doc| doc.list(comparison.caveats.iter().map(method::caveat)));
    doc
}

fn outcome(doc: &mut Doc, comparison: &Comparison) {
    let basis = if comparison.caveats.contains(&Caveat::SameSnapshot) {
        " (nothing was compared: both sides are the same snapshot)"
    } else if comparison.criteria.is_empty() {
        " (no contract: by the decisive times, rates and KPIs)"
    } else {
        " (the worst verdict among KPI and guardrails)"
    };
    doc.field("Outcome", Text::from(comparison.outcome).plain(basis));
}

fn criteria(comparison: &Comparison) -> Vec<CriterionLine> {
    comparison.criteria.iter().map(|it| CriterionLine::new(it.role, &it.criterion, &it.result)).collect()
}

fn trigger_words(doc: &mut Doc, comparison: &Comparison) {
    if let Some(words) = &comparison.trigger_words {
        doc.paragraph(Text::from("Rollback trigger, which a person has to judge by: ").strong(words.as_str()));
    }
}

/// Returns a predicate for the metrics shown first: those in the contract, decisive times, KPIs, and rates with a
/// failure.
pub(crate) fn headline(comparison: &Comparison) -> impl Fn(&MetricRow) -> bool + use<> {
    let judged = comparison.criteria.iter().map(|it| it.criterion.metric.clone());
    let named: BTreeSet<MetricId> =
        judged.chain(comparison.decisive.iter().map(|it| it.time.metric(&it.timing))).collect();
    move |row| {
        let failing = row.sampling == Sampling::Rate && !row.never_failed();
        named.contains(&row.metric) || failing || row.metric.source() == Some(MetricSource::Kpi)
    }
}

/// The metrics: the headline ones first, then the others, except sizes, which have a section of their own.
fn metrics(doc: &mut Doc, view: &CompareView<'_>) {
    let (all, is_headline) = (&view.comparison.metrics, headline(view.comparison));
    let (headline, mut rest): (Vec<&MetricRow>, Vec<&MetricRow>) = all.iter().partition(|metric| is_headline(metric));
    rest.retain(|row| row.metric.source() != Some(MetricSource::Size));
    if !headline.is_empty() {
        doc.heading(2, "Metrics");
        doc.table(metric_table(headline.iter().copied()));
        if headline.iter().any(|row| row.pairs.is_some()) {
            doc.paragraph(metric::MEDIANS);
        }
    }
    if let Some(path) = view.picture {
        doc.image("Samples before and after", path);
    }
    doc.section(2, "Other metrics", |doc| doc.table(metric_table(rest.into_iter())));
}

pub(crate) fn measured(comparison: &Comparison) -> Table {
    let is_headline = headline(comparison);
    metric_table(comparison.metrics.iter().filter(|row| is_headline(row)))
}

fn metric_table<'a>(rows: impl Iterator<Item = &'a MetricRow>) -> Table {
    let cells = |row: &MetricRow| {
        let [before, after] = [row.before, row.after].map(|level| metric::level(level, row));
        let (change, amount) = (metric::difference(row), metric::amount(row).into());
        [code(row.metric.as_str()), before, after, change, amount, metric::result(row)]
    };
    let titles = ["Metric", "Before", "After", "Change, 95 % interval", "Measured", "Result"];
    Table::new("lrrrll", titles, rows.map(cells))
}

fn git(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Git");
    let row =
        |name: &str, of: fn(&ComparedSnapshot) -> Text| [name.into(), of(&comparison.before), of(&comparison.after)];
    let rows = [
        row("Label", |side| code(side.label.as_str())),
        row("Taken", |side| values::moment(side.generated_at).into()),
        row("Branch", |side| code_or_dash(side.git.branch.as_deref())),
        row("Commit", |side| code_or_dash(side.git.commit.as_deref())),
        row("Describe", |side| code_or_dash(side.git.describe.as_deref())),
        row("Uncommitted", |side| uncommitted(&side.git)),
        row("Snapshot", |side| code_or_dash(side.id.as_deref())),
    ];
    doc.table(Table::new("lll", ["", "Before", "After"], rows));
}

fn code_or_dash(text: Option<&str>) -> Text {
    text.map_or_else(|| None.into(), code)
}

pub(crate) fn uncommitted(git: &GitV1) -> Text {
    match (git.is_git, git.dirty, git.dirty_count) {
        (false, ..) => "not under git".into(),
        (_, Some(false), _) => mark(Tone::Good, "nothing"),
        (_, Some(true), Some(n)) => mark(Tone::Bad, values::count(n, "path", "paths")),
        (_, Some(true), None) => mark(Tone::Bad, "yes"),
        (true, None, _) if git.branch.is_some() && git.commit.is_none() => "no commit yet".into(),
        (_, None, _) => mark(Tone::Broken, "unknown"),
    }
}

/// Sizes, and the difference of the tracked bytes.
fn sizes(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Size deltas");
    let signed = |bytes: f64| values::signed_quantity(bytes, &Unit::bytes());
    let bytes = |value: Option<u64>| {
        value.map_or_else(|| "not measured".into(), |it| values::quantity(it as f64, &Unit::bytes()).into())
    };
    let of: BTreeMap<&MetricId, &MetricRow> = comparison.metrics.iter().map(|row| (&row.metric, row)).collect();
    let rows = comparison.deltas.sizes.iter().map(|(path, delta)| {
        let difference = delta.delta_bytes.map(|it| it as f64);
        let share = difference.zip(delta.before_bytes.filter(|it| *it > 0)).map(|(it, of)| it / of as f64);
        let id = MetricKind::TrackedBytes.of(path);
        let tracked = of.get(&id).and_then(|row| row.before.zip(row.after));
        let tracked = tracked.map(|(old, new)| signed(new.value - old.value));
        [
            code(path.as_str()),
            bytes(delta.before_bytes),
            bytes(delta.after_bytes),
            difference.map(signed).into(),
            share.map(values::share).into(),
            tracked.unwrap_or_else(|| "not recorded".to_owned()).into(),
        ]
    });
    let titles = ["Path", "Before", "After", "Delta", "Share", "Delta of tracked files"];
    doc.table_or(Table::new("lrrrrr", titles, rows), "No size was measured.");
}

/// Wall times as in the Python tool's report: means and 95th percentiles of all runs of a side, without intervals.
fn timings(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Timing deltas");
    let titles =
        ["Command", "Mean before", "Mean after", "Delta", "95th percentile before", "after", "Delta", "Exit codes"];
    let time = |value: Option<f64>| value.map(|it| values::quantity(it, &Unit::seconds())).into();
    let signed = |value: Option<f64>| value.map(|it| values::signed_quantity(it, &Unit::seconds())).into();
    let rows = comparison.deltas.timings.iter().map(|delta| {
        [
            code(delta.name.as_str()),
            time(delta.before_mean_s),
            time(delta.after_mean_s),
            signed(delta.delta_mean_s),
            time(delta.before_p95_s),
            time(delta.after_p95_s),
            signed(delta.delta_p95_s),
            exit_codes(delta.before_last_rc, delta.after_last_rc),
        ]
    });
    doc.table_or(Table::new("lrrrrrrl", titles, rows), "No command was timed.");
    if !comparison.deltas.timings.is_empty() {
        doc.paragraph("Means of separate runs, as a description; the verdicts above do not rest on them.");
    }
}

fn exit_codes(before: Option<i32>, after: Option<i32>) -> Text {
    let code = |it: Option<i32>| it.map_or_else(|| "–".to_owned(), |code| code.to_string());
    let text = format!("{} → {}", code(before), code(after));
    if before == Some(0) && after == Some(0) { text.into() } else { mark(Tone::Bad, text) }
}

fn http(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "HTTP probes");
    let answer = |ok: Option<bool>, status: Option<u16>| {
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        match ok {
            Some(true) => mark(Tone::Good, "ok").plain(status),
            Some(false) => mark(Tone::Bad, "failed").plain(status),
            None => "not measured".into(),
        }
    };
    let rows = comparison.deltas.http.iter().map(|delta| {
        let before = answer(delta.before_ok, delta.before_status);
        let after = answer(delta.after_ok, delta.after_status);
        [code(delta.url.as_str()), before, after, delta.after_error.clone().into()]
    });
    doc.table_or(Table::new("llll", ["URL", "Before", "After", "Error after"], rows), "No endpoint was probed.");
}

/// Tuneables whose effective value or layer changed, and watched variables whose value changed.
fn changed_settings(doc: &mut Doc, comparison: &Comparison) {
    let shown = |value: &Option<serde_json::Value>, layer: &Option<String>| match (value, layer) {
        (Some(_), Some(layer)) => setting(value.as_ref()).plain(" from ").code(layer.as_str()),
        _ => setting(value.as_ref()),
    };
    let rows = comparison
        .tuneables
        .iter()
        .map(|it| [code(it.key.as_str()), shown(&it.old, &it.old_layer), shown(&it.new, &it.new_layer)]);
    doc.section(2, "Tuneables changed", |doc| doc.table(Table::new("lll", ["Key", "Before", "After"], rows)));
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".into(), code);
    let rows = comparison.env.iter().map(|it| [code(it.name.as_str()), shown(&it.old), shown(&it.new)]);
    doc.section(2, "Variables changed", |doc| doc.table(Table::new("lll", ["Variable", "Before", "After"], rows)));
}

pub(crate) fn setting(value: Option<&serde_json::Value>) -> Text {
    match value {
        Some(serde_json::Value::String(text)) => code(text.as_str()),
        Some(value) => code(value.to_string()),
        None => "not set".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::compare::compare;
    use crate::judge::{MetricChange, Settings};
    use crate::model::{Contract, Criterion, Trigger, Verdict, ingest};
    use crate::report::{Terminal, fixture, terminal};

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
        CompareView { comparison, change: None, pair: None, machine: None, inputs: &[], picture: None }
    }

    /// Sets fixed intervals, so that only the wording is tested and not the statistics.
    fn fix_intervals(comparison: &mut Comparison) {
        let fix = |finding: &mut crate::model::Effect| {
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
            if let MetricChange::Improved(finding) = &mut row.result {
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
            picture: Some("chg-1_compare.svg"),
            ..view(&comparison)
        };
        insta::assert_snapshot!(markdown(&full), @r"
        # x \| y<br>\# z \<script\>alert(1)\</script\> --\> \`c\` \*b\* \[l\](u) @<!-- -->octocat \\u{1b}\[31m\\u{202e}

        - **Change:** `chg-1`
        - **Outcome:** ✗ **fail** (the worst verdict among KPI and guardrails)

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
        | `http.health.ok` | 100 % | 50 % | -50 points \[-91 points, +27 points\] | unpaired, 2 and 2 runs | ? **inconclusive**: -50 points \[-91 points, +27 points\] may as well be no change; about 3 more runs a side would settle it |
        | `kpi.advisory_p95_ms` | 200 ms | 170 ms | -15.0 % | exact | ✓ **improved** |
        | `timing.tests.cpu` | 1.9 s | 1.6231 s \[1.6182 s, 1.6263 s\] | -14.58 % \[-14.90 %, -14.31 %\] | 20 pairs | ✓ **improved** |
        | `timing.tests.wall` | 2 s | 1.7085 s \[1.7034 s, 1.7119 s\] | -14.58 % \[-14.90 %, -14.31 %\] | 20 pairs | ✓ **improved** |

        Before and after are medians of a side, the change is that within the pairs, so the two may differ.

        ![Samples before and after](chg-1_compare.svg)

        ## Other metrics

        | Metric | Before | After | Change, 95 % interval | Measured | Result |
        | --- | ---: | ---: | ---: | --- | --- |
        | `http.health.latency` | 11 ms | 10 ms | (-9.1 %) | 2 and 1 runs | ? **inconclusive**: 1 sample can decide nothing; it takes at least 4; about 3 more runs a side would settle it |
        | `timing.tests.max_rss` | 47.68 MiB | 47.68 MiB | (+0.00 %) | 3 and 3 runs | ? **inconclusive**: 3 samples can decide nothing; it takes at least 4; about 1 more run a side would settle it |
        | `timing.tests.ok` | 100 % | 100 % | +0 points \[-16 points, +16 points\] | 20 pairs | · **nothing failed** |

        ## What cannot be concluded

        - `http.health.latency`: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.
        - `timing.tests.max_rss`: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; alternating pairs would narrow them.
        - `health`: asked as it was running; nothing shows that the server ran the code of either side. Restart it with the change, or give the probe a `start` command, so that each side is served by its own code.

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
        - **Sides:** `HEAD~1` at `aaaaaaaaaaaa` against `HEAD` at `bbbbbbbbbbbb`
        - **Machine:** Example CPU, 8 cores, 16 GiB, linux x86\_64, load 0.40

        ## Inputs

        | File | SHA-256 |
        | --- | --- |
        | `reports/optimizer/chg-1_before_snapshot.json` | `8fc9b7cec2d0e0247ff1bdf630b74074210862dfa832b2707e206ecb93250f20` |
        | `reports/optimizer/chg-1_after_snapshot.json` | `94388d847a3d886dab01174dc2ad61b8cadc3791b05215ea8cce2a13d7004e86` |
        ");
        let shown = terminal::render(&short(&full), Terminal { width: Some(140), color: false });
        insta::assert_snapshot!(shown, @r"
        x | y ⏎ # z <script>alert(1)</script> --> `c` *b* [l](u) @octocat \u{1b}[31m\u{202e} (chg-1)

        Outcome  ✗ fail (the worst verdict among KPI and guardrails)

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

        Before and after are medians of a side, the change is that within the pairs, so the two may differ.

        What cannot be concluded

        - http.health.latency: one run on a side. A single run cannot tell a change from chance, so nothing follows from these numbers.
        - timing.tests.max_rss: measured in two separate sessions. A machine is never quite the same twice, so the intervals are wide; alternating
          pairs would narrow them.
        - health: asked as it was running; nothing shows that the server ran the code of either side. Restart it with the change, or give the probe
          a start command, so that each side is served by its own code.
        ");
        for (width, bars) in [(80, 5), (40, 5), (30, 5)] {
            let of = Terminal { width: Some(width), color: false };
            let narrow = terminal::render(&short(&full), of);
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
