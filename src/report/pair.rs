//! Reports on measurements without a change: two revisions in pairs, a calibration, and a self-test.

use crate::judge::compare::caveats::cpu_against_wall;
use crate::judge::{Calibration, Decisive, MetricChange, PairRow, SelftestRow, Settings, effect};
use crate::model::{Effect, MetricId, MetricKind, PairSession, SideRevision};
use crate::report::{Doc, Table, Text, Tone, code, doc, method, metric, values};

/// `calibrates`: whether the config has the measured command, so that it can be calibrated.
pub(crate) fn document(session: &PairSession, rows: &[PairRow], settings: &Settings, calibrates: bool) -> Doc {
    let mut doc = Doc::new();
    doc.heading(1, format!("{} → {}", side(&session.before), side(&session.after)));
    let titles = ["Metric", "Before", "After", "Change", "Pairs", "Verdict"];
    doc.table(Table::new("lrrrrl", titles, rows.iter().map(cells)));
    bars(&mut doc, rows);
    let instructions = method::instructions(rows.iter().map(|row| &row.metric));
    doc.list(effect::several_machines(session).iter().map(method::caveat).chain(instructions));
    for command in &session.commands {
        let of_command = || rows.iter().filter(|row| row.command.as_ref() == Some(&command.name));
        let decisive = of_command().find(|row| row.decisive);
        if decisive.is_some_and(|row| !matches!(row.change, MetricChange::Invalid { .. })) {
            doc.paragraph(code(command.name.as_str()).plain(format!(
                " is decided by {}. Sampling ended because {}. Cores: {}.",
                method::decisive(Decisive::of_pairs(command)),
                method::stopped(command.stopped),
                method::cores(command)
            )));
        }
        doc.list(method::grown(command));
        let changed =
            |kind: MetricKind| of_command().find(|row| row.metric.kind() == Some(kind)).map(|row| &row.change);
        let both = changed(MetricKind::Cpu).zip(changed(MetricKind::Wall));
        if let Some(found) = both.and_then(|(cpu, wall)| cpu_against_wall(&command.name, cpu, wall)) {
            doc.paragraph(method::caveat(&found));
        }
    }
    doc.paragraph(format!(
        "Alternating pairs in one session; intervals hold 95 %. {} A change under {} counts as none{}.",
        metric::MEDIANS,
        values::plain_share(settings.min_effect),
        if settings.noise_floors.is_empty() { "" } else { ", nor one under the noise floor of its metric" }
    ));
    if let Some(floors) = noise_floors(rows, settings, calibrates) {
        doc.paragraph(floors);
    }
    doc
}

/// A bar for each metric, all on one scale, with a legend.
fn bars(doc: &mut Doc, rows: &[PairRow]) {
    let estimate = |row: &PairRow| row.change.finding().and_then(Effect::share).map(|share| (share, None, Tone::Quiet));
    let bars = rows.iter().zip(doc::on_one_scale(rows.iter().map(estimate).collect()));
    let drawn = bars.filter_map(|(row, bar)| Some([code(row.metric.as_str()), bar?.into()]));
    let table = Table::new("ll", ["Metric", "Change, 95 % interval"], drawn);
    if !table.rows.is_empty() {
        doc.table(table);
        doc.paragraph(doc::legend(false));
    }
}

fn noise_floors(rows: &[PairRow], settings: &Settings, calibrates: bool) -> Option<Text> {
    let known = rows.iter().filter_map(|row| Some((&row.metric, settings.noise_floors.get(&row.metric)?)));
    let floors: Vec<String> =
        known.map(|(metric, floor)| format!("{metric} {}", values::plain_share(*floor))).collect();
    if floors.is_empty() {
        let hint = "Noise floor: not known for this command on this machine; measure it once with ";
        return calibrates.then(|| Text::from(hint).code("vibeship-optimizer calibrate"));
    }
    Some(Text::from(format!("Noise floor on this machine: {}.", floors.join(", "))))
}

fn side(side: &SideRevision) -> String {
    match &side.commit {
        Some(commit) if *commit != side.rev => format!("{} ({})", side.rev, values::short(commit)),
        _ => side.rev.chars().take(40).collect(),
    }
}

fn cells(row: &PairRow) -> Vec<Text> {
    let level = |value: Option<f64>| value.map(|value| values::quantity(value, &row.unit)).into();
    let change = row.change.finding().map(|finding| values::change(finding, None));
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

pub(crate) fn calibration(found: &Calibration) -> Doc {
    let floor = |(n, metric, floor): (u32, &MetricId, &f64)| {
        [code(metric.as_str()), n.to_string().into(), values::plain_share(*floor).into()]
    };
    let floors = found.commands.iter().flat_map(|it| it.floors.iter().map(move |(id, floor)| (it.pairs, id, floor)));
    let apart =
        found.commands.iter().flat_map(|it| it.session_floors.iter().map(move |(id, by)| (it.sessions, id, by)));
    let injected = found.commands.iter().filter_map(|command| {
        let it = command.injected.as_ref()?;
        let seen = it.seen.finding().map(|finding| &finding.estimate);
        // The whole interval is above the added share.
        let is_more = seen.is_some_and(|seen| seen.low > it.share);
        let verdict = metric::change_mark(&it.seen).plain(if is_more { ": more than was added" } else { "" });
        let seen = seen.map(|seen| values::share_estimate(seen, None)).into();
        Some([code(command.name.as_str()), values::share(it.share).into(), code(it.metric.as_str()), seen, verdict])
    });
    let mut doc = Doc::new();
    doc.heading(1, "Calibration");
    doc.table(Table::new("lrr", ["Metric", "Pairs", "Noise floor"], floors.map(floor)));
    doc.table(Table::new("lrr", ["Metric", "Sessions", "Differ by"], apart.map(floor)));
    doc.table(Table::new("lrlrl", ["Command", "Added", "Decided by", "Seen", "Verdict"], injected));
    doc.paragraph(
        "On this machine no difference below a command's noise floor counts as a change. The added slowdown is this tool's own \
         work, run after the command on one side; starting it costs both sides the same, so less than was added may \
         show; more shows where other work on the machine slows what was added, too.",
    );
    doc
}

pub(crate) fn selftest(rows: &[SelftestRow], min_effect: f64) -> Doc {
    let titles = [
        "Metric",
        "True change",
        "Trials",
        "Says slower",
        "Says faster",
        "Says no difference",
        "Undecided",
        "Changed, any size",
        "Error of 9 in 10",
    ];
    let rows = rows.iter().map(|row| {
        let tally = &row.tally;
        let part = |n: u32| values::plain_share(f64::from(n) / f64::from(tally.trials.max(1))).into();
        [
            code(row.metric.as_str()),
            values::share(row.slowdown).into(),
            tally.trials.to_string().into(),
            part(tally.slower),
            part(tally.faster),
            part(tally.same),
            part(tally.open),
            values::plain_share(row.without_min_effect.share_changed()).into(),
            row.error_90.map(values::plain_share).into(),
        ]
    });
    let mut doc = Doc::new();
    doc.heading(1, "Self-test");
    doc.table(Table::new("lrrrrrrrr", titles, rows));
    doc.paragraph(format!(
        "A true change of 0 % is the program against itself: there, \"slower\" and \"faster\" are false alarms. With the \
         minimum effect of {} unless said otherwise; such an alarm is to come in at most 5 % of trials, and the exit code is \
         1 where they are more than chance explains or a verdict has the wrong direction. Each trial ends at the first \
         planned look that settles it.",
        values::plain_share(min_effect)
    ));
    doc
}
