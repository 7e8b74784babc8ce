//! The sections below the verdicts: metrics, and what the original's report had (Git, sizes, timings, probes), and
//! tuneables. Must not judge.

use crate::judge::compare::MetricRow;
use crate::judge::{Comparison, Side};
use crate::model::{MetricId, Sampling, Unit};
use crate::report::compare::row;
use crate::report::{Align, CompareView, Doc, Table, Text, Tone, values};

const NONE: &str = "–";

/// Whether a metric belongs above the others: it is judged by the contract, decides about a command, is a KPI, or is a
/// rate that saw a failure.
pub fn is_headline(comparison: &Comparison, metric: &MetricRow) -> bool {
    let id = &metric.metric;
    let judged = comparison.criteria.iter().any(|it| it.criterion.metric == *id);
    let decisive = comparison.decisive.iter().any(|it| it.time.metric(&it.timing) == *id);
    let failing = metric.sampling == Sampling::Rate
        && [metric.before, metric.after].into_iter().flatten().any(|level| level.value < 1.0);
    judged || decisive || failing || id.as_str().starts_with("kpi.")
}

/// The metrics: those that matter first, the rest (but sizes, which have a section) after them.
pub fn metrics(doc: &mut Doc, view: &CompareView<'_>) {
    let all = &view.comparison.metrics;
    let (headline, rest): (Vec<&MetricRow>, Vec<&MetricRow>) =
        all.iter().partition(|metric| is_headline(view.comparison, metric));
    let rest: Vec<&MetricRow> = rest.into_iter().filter(|it| !it.metric.as_str().starts_with("size.")).collect();
    if !headline.is_empty() {
        doc.heading(2, "Metrics");
        doc.table(metric_table(&headline));
    }
    for (metric, path) in view.plots {
        doc.image(format!("Samples of {metric}, before and after"), path.as_str());
    }
    if !rest.is_empty() {
        doc.heading(2, "Other metrics");
        doc.table(metric_table(&rest));
    }
}

fn metric_table(rows: &[&MetricRow]) -> Table {
    let mut table = Table::new([
        ("Metric", Align::Left),
        ("Before", Align::Right),
        ("After", Align::Right),
        ("Change, 95 % interval", Align::Right),
        ("Measured", Align::Left),
        ("Result", Align::Left),
    ]);
    for metric in rows {
        table.row([
            Text::new().code(metric.metric.as_str()),
            row::level(metric.before, metric).into(),
            row::level(metric.after, metric).into(),
            row::difference(metric).into(),
            row::amount(metric).into(),
            row::change_text(metric),
        ]);
    }
    table
}

/// Which code was measured.
pub fn git(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Git");
    let mut table = Table::new([("", Align::Left), ("Before", Align::Left), ("After", Align::Left)]);
    let sides = [&comparison.before, &comparison.after];
    let mut add = |name: &str, of: &dyn Fn(&Side) -> Text| {
        table.row([Text::from(name), of(sides[0]), of(sides[1])]);
    };
    let code = |text: Option<&str>| text.map_or_else(|| Text::from(NONE), |text| Text::new().code(text));
    add("Label", &|side| code(Some(&side.label)));
    add("Taken", &|side| values::moment(side.generated_at).into());
    add("Branch", &|side| code(side.git.branch.as_deref()));
    add("Commit", &|side| code(side.git.commit.as_deref()));
    add("Describe", &|side| code(side.git.describe.as_deref()));
    add("Uncommitted", &|side| uncommitted(side));
    add("Snapshot", &|side| code(side.id.as_deref()));
    doc.table(table);
}

fn uncommitted(side: &Side) -> Text {
    match (side.git.is_git, side.git.dirty, side.git.dirty_count) {
        (false, ..) => Text::from("not under git"),
        (_, Some(false), _) => Text::new().mark(Tone::Good, "nothing"),
        (_, Some(true), Some(n)) => Text::new().mark(Tone::Bad, values::count(n, "path", "paths")),
        (_, Some(true), None) => Text::new().mark(Tone::Bad, "yes"),
        (true, None, _) if side.git.branch.is_some() && side.git.commit.is_none() => Text::from("no commit yet"),
        (_, None, _) => Text::new().mark(Tone::Broken, "unknown"),
    }
}

/// Sizes in bytes, and how much of each difference git tracks.
pub fn sizes(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Size deltas");
    let mut table = Table::new([
        ("Path", Align::Left),
        ("Before", Align::Right),
        ("After", Align::Right),
        ("Delta", Align::Right),
        ("Share", Align::Right),
        ("Delta of tracked files", Align::Right),
    ]);
    for (path, delta) in &comparison.deltas.sizes {
        let bytes = |value: Option<u64>| value.map_or_else(|| "not measured".to_owned(), |it| whole(it as f64));
        let difference = delta.delta_bytes.map(|it| it as f64);
        let share =
            difference.zip(delta.before_bytes.filter(|it| *it > 0)).map(|(it, of)| values::share(it / of as f64));
        table.row([
            Text::new().code(path.as_str()),
            bytes(delta.before_bytes).into(),
            bytes(delta.after_bytes).into(),
            difference.map_or_else(|| NONE.to_owned(), signed).into(),
            share.unwrap_or_else(|| NONE.to_owned()).into(),
            tracked(comparison, path).unwrap_or_else(|| "not recorded".to_owned()).into(),
        ]);
    }
    none_or(doc, table, "No size was measured.");
}

fn tracked(comparison: &Comparison, path: &str) -> Option<String> {
    let id = MetricId::new(format!("size.{path}.tracked"));
    let row = comparison.metrics.iter().find(|row| row.metric == id)?;
    row.before.zip(row.after).map(|(before, after)| signed(after.value - before.value))
}

fn whole(bytes: f64) -> String {
    values::quantity(bytes, &Unit::bytes())
}

fn signed(bytes: f64) -> String {
    values::signed_quantity(bytes, &Unit::bytes())
}

/// Wall times as the original reports them: means and 95th percentiles of all runs of a side, without an interval.
pub fn timings(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "Timing deltas");
    let mut table = Table::new([
        ("Command", Align::Left),
        ("Mean before", Align::Right),
        ("Mean after", Align::Right),
        ("Delta", Align::Right),
        ("95th percentile before", Align::Right),
        ("after", Align::Right),
        ("Delta", Align::Right),
        ("Exit codes", Align::Left),
    ]);
    for delta in &comparison.deltas.timings {
        let seconds = Unit::seconds();
        let time = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |it| values::quantity(it, &seconds));
        let difference =
            |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |it| values::signed_quantity(it, &seconds));
        table.row([
            Text::new().code(delta.name.as_str()),
            time(delta.before_mean_s).into(),
            time(delta.after_mean_s).into(),
            difference(delta.delta_mean_s).into(),
            time(delta.before_p95_s).into(),
            time(delta.after_p95_s).into(),
            difference(delta.delta_p95_s).into(),
            exit_codes(delta.before_last_rc, delta.after_last_rc),
        ]);
    }
    none_or(doc, table, "No command was timed.");
    if !comparison.deltas.timings.is_empty() {
        doc.paragraph("Means of separate runs, as a description; the verdicts above do not rest on them.");
    }
}

fn exit_codes(before: Option<i32>, after: Option<i32>) -> Text {
    let code = |it: Option<i32>| it.map_or_else(|| NONE.to_owned(), |code| code.to_string());
    let text = format!("{} → {}", code(before), code(after));
    if before == Some(0) && after == Some(0) { text.into() } else { Text::new().mark(Tone::Bad, text) }
}

/// The probes' last answers.
pub fn http(doc: &mut Doc, comparison: &Comparison) {
    doc.heading(2, "HTTP probes");
    let mut table = Table::new([
        ("URL", Align::Left),
        ("Before", Align::Left),
        ("After", Align::Left),
        ("Error after", Align::Left),
    ]);
    for delta in &comparison.deltas.http {
        table.row([
            Text::new().code(delta.url.as_str()),
            answer(delta.before_ok, delta.before_status),
            answer(delta.after_ok, delta.after_status),
            delta.after_error.as_deref().map_or_else(|| Text::from(NONE), Text::from),
        ]);
    }
    none_or(doc, table, "No endpoint was probed.");
}

fn answer(ok: Option<bool>, status: Option<u16>) -> Text {
    let status = status.map_or_else(String::new, |status| format!(" ({status})"));
    match ok {
        Some(true) => Text::new().mark(Tone::Good, "ok").plain(status),
        Some(false) => Text::new().mark(Tone::Bad, "failed").plain(status),
        None => Text::from("not measured"),
    }
}

/// Tuneables whose effective value or layer changed.
pub fn tuneables(doc: &mut Doc, comparison: &Comparison) {
    if comparison.tuneables.is_empty() {
        return;
    }
    doc.heading(2, "Tuneables changed");
    let mut table = Table::new([("Key", Align::Left), ("Before", Align::Left), ("After", Align::Left)]);
    let shown = |value: Option<&serde_json::Value>, layer: Option<&str>| {
        let text = match value {
            Some(serde_json::Value::String(text)) => Text::new().code(text.as_str()),
            Some(value) => Text::new().code(value.to_string()),
            None => return Text::from("not set"),
        };
        layer.map_or(text.clone(), |layer| text.plain(" from ").code(layer))
    };
    for change in &comparison.tuneables {
        table.row([
            Text::new().code(change.key.as_str()),
            shown(change.old.as_ref(), change.old_layer.as_deref()),
            shown(change.new.as_ref(), change.new_layer.as_deref()),
        ]);
    }
    doc.table(table);
}

/// Watched variables whose value changed.
pub fn variables(doc: &mut Doc, comparison: &Comparison) {
    if comparison.env.is_empty() {
        return;
    }
    doc.heading(2, "Variables changed");
    let mut table = Table::new([("Variable", Align::Left), ("Before", Align::Left), ("After", Align::Left)]);
    let shown = |value: Option<&str>| value.map_or_else(|| Text::from("not set"), |value| Text::new().code(value));
    for change in &comparison.env {
        table.row([Text::new().code(change.name.as_str()), shown(change.old.as_deref()), shown(change.new.as_deref())]);
    }
    doc.table(table);
}

fn none_or(doc: &mut Doc, table: Table, none: &str) {
    if table.rows.is_empty() { doc.paragraph(none) } else { doc.table(table) }
}
