//! The answer of a paired measurement without a change: which sides, what changed by how much, and how sure that is.

use crate::judge::caveat::cpu_against_wall;
use crate::judge::{Change, Decisive, PairRow, Settings};
use crate::model::{Finding, MetricKind, PairSession, SideRevision};
use crate::report::{Doc, Table, Text, Tone, bar, caveat, code, method, metric, values};

/// The whole answer.
pub(crate) fn document(session: &PairSession, rows: &[PairRow], settings: &Settings) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("{} → {}", side(&session.before), side(&session.after)));
    let mut table = Table::new("lrrrrl", ["Metric", "Before", "After", "Change", "Pairs", "Verdict"]);
    for row in rows {
        table.row(cells(row));
    }
    doc.table(table);
    bars(&mut doc, rows);
    for command in &session.commands {
        let of_command = || rows.iter().filter(|row| row.command.as_ref() == Some(&command.name));
        let decisive = of_command().find(|row| row.decisive);
        if decisive.is_some_and(|row| !matches!(row.change, Change::Invalid { .. })) {
            doc.paragraph(code(command.name.as_str()).plain(format!(
                " is decided by {}. Sampling ended because {}. Cores: {}.",
                method::decisive(Decisive::of_pairs(command)),
                method::stopped(command.stopped),
                method::cores(command)
            )));
        }
        let changed =
            |kind: MetricKind| of_command().find(|row| row.metric.kind() == Some(kind)).map(|row| &row.change);
        let both = changed(MetricKind::Cpu).zip(changed(MetricKind::Wall));
        if let Some(found) = both.and_then(|(cpu, wall)| cpu_against_wall(&command.name, cpu, wall)) {
            doc.paragraph(caveat::text(&found));
        }
    }
    doc.paragraph(format!(
        "Alternating pairs in one session; intervals hold 95 %. {} A change under {} counts as none{}.",
        metric::MEDIANS,
        values::plain_share(settings.min_effect),
        if settings.noise_floors.is_empty() { "" } else { ", nor one under the noise floor of its metric" }
    ));
    doc.paragraph(noise_floors(rows, settings));
    doc
}

/// A bar for each metric, all on one scale, with what their characters mean.
fn bars(doc: &mut Doc, rows: &[PairRow]) {
    let estimate =
        |row: &PairRow| row.change.finding().and_then(Finding::share).map(|share| (share, None, Tone::Quiet));
    let mut table = Table::new("ll", ["Metric", "Change, 95 % interval"]);
    for (row, bar) in rows.iter().zip(bar::on_one_scale(rows.iter().map(estimate).collect())) {
        if let Some(bar) = bar {
            table.row([code(row.metric.as_str()), bar.into()]);
        }
    }
    if !table.rows.is_empty() {
        doc.table(table);
        doc.paragraph(bar::legend(false));
    }
}

/// What this machine is known to make of no change at all.
fn noise_floors(rows: &[PairRow], settings: &Settings) -> Text {
    let known = rows.iter().filter_map(|row| Some((&row.metric, settings.noise_floors.get(&row.metric)?)));
    let floors: Vec<String> =
        known.map(|(metric, floor)| format!("{metric} {}", values::plain_share(*floor))).collect();
    if floors.is_empty() {
        let hint = "Noise floor: not known for this command on this machine; measure it once with ";
        return Text::from(hint).code("vibeship-optimizer calibrate");
    }
    Text::from(format!("Noise floor on this machine: {}.", floors.join(", ")))
}

fn side(side: &SideRevision) -> String {
    match &side.commit {
        Some(commit) if *commit != side.rev => format!("{} ({})", side.rev, values::short_sha(commit)),
        _ => side.rev.chars().take(40).collect(),
    }
}

fn cells(row: &PairRow) -> Vec<Text> {
    let level = |value: Option<f64>| value.map(|value| values::quantity(value, &row.unit)).into();
    let change = row.change.finding().map(values::change);
    let name = code(row.metric.as_str());
    vec![
        if row.decisive { name.plain(" *") } else { name },
        level(row.before),
        level(row.after),
        change.clone().into(),
        row.pairs.to_string().into(),
        metric::change_text(&row.change, true, change),
    ]
}
