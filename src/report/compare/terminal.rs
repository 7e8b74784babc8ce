//! A comparison for a terminal: the outcome, each criterion and metric with its interval drawn to one scale, and what
//! cannot be concluded. The whole report is the markdown.

use crate::judge::compare::MetricRow;
use crate::judge::{Comparison, CriterionRow};
use crate::model::{Bound, Estimate, Finding, Sampling, Verdict};
use crate::report::compare::detail::is_headline;
use crate::report::compare::{mark, overall, role, row};
use crate::report::{Align, Axis, CompareView, Doc, Table, Text, bar, caveat, values};

/// Below this width the reasons of the criteria and the levels of the metrics do not stand in columns of their own.
const ROOM_FOR_ALL: usize = 110;
const NARROW_BAR: usize = 17;
const MIDDLE_BAR: usize = 21;

/// The comparison as a document for a terminal of `width` columns.
pub fn document(view: &CompareView<'_>, width: Option<usize>) -> Doc {
    let comparison = view.comparison;
    let mut doc = Doc::new();
    let title = view.change.map_or_else(
        || format!("{} → {}", comparison.before.label, comparison.after.label),
        |(id, title)| format!("{title} ({})", id.as_str()),
    );
    doc.heading(1, title);
    doc.fields(vec![overall(comparison)]);
    let bars = match width {
        Some(width) if width < ROOM_FOR_ALL => NARROW_BAR,
        Some(width) if width < 130 => MIDDLE_BAR,
        _ => bar::WIDTH,
    };
    criteria(&mut doc, comparison, bars);
    let metrics: Vec<&MetricRow> = comparison.metrics.iter().filter(|it| is_headline(comparison, it)).collect();
    metric_rows(&mut doc, &metrics, bars);
    let drawn =
        metrics.iter().any(|it| drawable(it).is_some()) || comparison.criteria.iter().any(|it| relative(it).is_some());
    if drawn {
        doc.paragraph(bar::legend(comparison.criteria.iter().any(|it| relative(it).is_some())));
    }
    if !comparison.caveats.is_empty() {
        doc.heading(2, "What cannot be concluded");
        doc.list(comparison.caveats.iter().map(caveat::text).collect());
    }
    doc
}

fn criteria(doc: &mut Doc, comparison: &Comparison, width: usize) {
    let findings = comparison.criteria.iter().filter_map(|it| relative(it).map(|(finding, _)| &finding.estimate));
    let bounds = comparison.criteria.iter().filter_map(|it| relative(it).map(|(_, bound)| bound));
    let axis = Axis::over(findings, bounds);
    let mut table = Table::new([
        ("", Align::Left),
        ("Criterion", Align::Left),
        ("Verdict", Align::Left),
        ("", Align::Left),
        ("Why", Align::Left),
    ]);
    let is_narrow = width == NARROW_BAR;
    if is_narrow {
        table.columns.pop();
    }
    let mut reasons = Vec::new();
    for it in &comparison.criteria {
        let (tone, word) = mark(it);
        let drawn = relative(it).map(|(finding, bound)| bar::bar(&finding.estimate, Some(bound), axis, width));
        let mut cells =
            vec![Text::from(role(it.role)), Text::new().code(it.criterion.text.as_str()), Text::new().mark(tone, word)];
        cells.push(drawn.unwrap_or_default().into());
        let reason = row::criterion_reason(it, comparison);
        if is_narrow {
            reasons.push(Text::new().code(it.criterion.text.as_str()).plain(format!(": {reason}")));
        } else {
            cells.push(reason.into());
        }
        table.row(cells);
    }
    doc.table(table);
    doc.list(reasons);
    if let Some(words) = &comparison.trigger_words {
        doc.paragraph(Text::from("Rollback trigger, which a person has to judge by: ").strong(words.as_str()));
    }
}

/// The numbers of a criterion with a bound relative to the baseline; points of a rate are on another scale.
fn relative(it: &CriterionRow) -> Option<(&Finding, f64)> {
    let Bound::Relative { share } = it.criterion.bound else { return None };
    if values::is_rate(&it.criterion.metric) {
        return None;
    }
    let finding = match &it.result {
        Verdict::Pass(finding) | Verdict::Fail(finding) => finding,
        Verdict::Inconclusive { finding, .. } => finding.as_ref()?,
        Verdict::Invalid { .. } => return None,
    };
    Some((finding, share))
}

/// The estimate of a metric that has one; points of a rate and shares of a baseline have no scale in common.
fn drawable(it: &MetricRow) -> Option<Estimate> {
    it.result.finding().filter(|_| it.sampling != Sampling::Rate).map(|finding| finding.estimate)
}

fn metric_rows(doc: &mut Doc, metrics: &[&MetricRow], width: usize) {
    let estimates: Vec<Estimate> = metrics.iter().filter_map(|it| drawable(it)).collect();
    let axis = Axis::over(estimates.iter(), std::iter::empty());
    let mut table = Table::new([
        ("Metric", Align::Left),
        ("Before", Align::Right),
        ("After", Align::Right),
        ("", Align::Left),
        ("Change", Align::Right),
        ("Result", Align::Left),
    ]);
    let is_narrow = width == NARROW_BAR;
    if is_narrow {
        table.columns.drain(1..3);
    }
    for metric in metrics {
        let (tone, word) = row::change_mark(&metric.result);
        let drawn = drawable(metric).map(|estimate| bar::bar(&estimate, None, axis, width));
        let median = |side| row::level(side, metric).split(" [").next().unwrap_or_default().to_owned();
        let name = Text::new().code(metric.metric.as_str());
        let (before, after) = (median(metric.before), median(metric.after));
        let mut cells = match is_narrow {
            true => vec![name.plain(format!("\n{before} → {after}"))],
            false => vec![name, before.into(), after.into()],
        };
        cells.push(drawn.unwrap_or_default().into());
        cells.push(row::difference(metric).into());
        cells.push(Text::new().mark(tone, word));
        table.row(cells);
    }
    doc.table(table);
}
