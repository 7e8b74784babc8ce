//! The answer of a paired measurement without a change: which arms, what changed by how much, and how sure that is.

use crate::judge::compare::PairRow;
use crate::judge::compare::caveat::cpu_against_wall;
use crate::judge::{Change, Decisive, Settings};
use crate::model::{Arm, PairSession};
use crate::report::compare::method;
use crate::report::compare::row::change_mark;
use crate::report::{Align, Doc, Table, Text, bar, caveat, values, verdict};

/// The whole answer.
pub fn document(session: &PairSession, rows: &[PairRow], settings: &Settings) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("{} → {}", arm(&session.before), arm(&session.after)));
    let mut table = Table::new([
        ("Metric", Align::Left),
        ("Before", Align::Right),
        ("After", Align::Right),
        ("Change", Align::Right),
        ("Pairs", Align::Right),
        ("Verdict", Align::Left),
    ]);
    for row in rows {
        table.row(cells(row));
    }
    doc.table(table);
    bar::list(
        &mut doc,
        &rows.iter().filter_map(|row| Some((&row.metric, row.change.finding()?.estimate))).collect::<Vec<_>>(),
    );
    for command in &session.commands {
        let decisive = rows.iter().find(|row| row.command.as_ref() == Some(&command.name) && row.decisive);
        if decisive.is_some_and(|row| !matches!(row.change, Change::Invalid { .. })) {
            doc.paragraph(Text::new().code(command.name.as_str()).plain(format!(
                " is decided by {}. Sampling ended because {}. Cores: {}.",
                method::decisive(Decisive::of_pairs(command)),
                method::stopped(command.stopped),
                method::cores(command)
            )));
        }
        let changed = |end: &str| {
            let is_it =
                |row: &&PairRow| row.command.as_ref() == Some(&command.name) && row.metric.as_str().ends_with(end);
            rows.iter().find(is_it).map(|row| &row.change)
        };
        let both = changed(".cpu").zip(changed(".wall"));
        if let Some(found) = both.and_then(|(cpu, wall)| cpu_against_wall(&command.name, cpu, wall)) {
            doc.paragraph(caveat::text(&found));
        }
    }
    doc.paragraph(format!(
        "Alternating pairs in one session; intervals hold 95 %. A change under {} counts as none{}.",
        values::plain_share(settings.min_effect),
        if settings.noise_floors.is_empty() { "" } else { ", nor one under the noise floor of its metric" }
    ));
    doc.paragraph(noise_floors(rows, settings));
    doc
}

/// What this machine is known to make of no change at all.
fn noise_floors(rows: &[PairRow], settings: &Settings) -> Text {
    let known = rows.iter().filter_map(|row| Some((&row.metric, settings.noise_floors.get(&row.metric)?)));
    let floors: Vec<String> =
        known.map(|(metric, floor)| format!("{metric} {}", values::plain_share(*floor))).collect();
    if floors.is_empty() {
        let hint = "Noise floor: not known for this command on this machine; measure it once with ";
        return Text::new().plain(hint).code("vibeship-optimizer calibrate");
    }
    Text::from(format!("Noise floor on this machine: {}.", floors.join(", ")))
}

fn arm(arm: &Arm) -> String {
    match &arm.commit {
        Some(commit) if *commit != arm.rev => format!("{} ({})", arm.rev, commit.chars().take(12).collect::<String>()),
        _ => arm.rev.chars().take(40).collect(),
    }
}

fn cells(row: &PairRow) -> Vec<Text> {
    let level = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| values::quantity(value, &row.unit));
    let change = row.change.finding().map(|finding| values::share_estimate(&finding.estimate));
    let (tone, word) = change_mark(&row.change);
    let mut text = Text::new().mark(tone, word);
    match &row.change {
        Change::Inconclusive { finding, because, more_runs } => {
            let why = verdict::unsettled(true, finding.as_ref(), because, *more_runs, change.clone(), "no change");
            text = text.plain(format!(": {why}"));
        }
        Change::Invalid { because } => text = text.plain(format!(": {}", verdict::flaw(because))),
        _ => {}
    }
    let name = Text::new().code(row.metric.as_str());
    vec![
        if row.decisive { name.plain(" *") } else { name },
        level(row.before).into(),
        level(row.after).into(),
        change.unwrap_or_else(|| "–".to_owned()).into(),
        row.pairs.to_string().into(),
        text,
    ]
}
