//! How a comparison was measured: the design, the pairs and why sampling ended, the settings, the machine, the inputs.
//! Must not claim more than the files say.

use crate::judge::{Comparison, CpuReason, Decisive, WallReason};
use crate::model::{Machine, PairSession, PairedCommand, Stop, Unit};
use crate::report::{Align, CompareView, Doc, Table, Text, values};

/// The section.
pub fn section(doc: &mut Doc, view: &CompareView<'_>) {
    doc.heading(2, "How it was measured");
    match view.pair {
        Some(pair) => doc.paragraph(format!(
            "In alternating pairs in one session from {} to {}: each command ran on the baseline and on the head in \
             turn, changing which went first. The estimate is the middle of the paired ratios with a 95 % interval.",
            values::moment(pair.started_at),
            values::moment(pair.generated_at)
        )),
        None => doc.paragraph(format!(
            "In two separate sessions, without pairs. Every interval of a sampled metric is widened by what the \
             reference workload moved between them and by {}, by which sessions differ anyway.",
            values::plain_share(view.comparison.settings.session_floor)
        )),
    }
    if let Some(reason) = &view.comparison.not_paired {
        doc.paragraph(Text::new().strong("Not measured in pairs:").plain(format!(" {reason}")));
    }
    commands(doc, view);
    settings(doc, view);
    inputs(doc, view);
}

fn commands(doc: &mut Doc, view: &CompareView<'_>) {
    let mut table = Table::new([
        ("Command", Align::Left),
        ("Decided by", Align::Left),
        ("Pairs", Align::Right),
        ("Cores", Align::Left),
        ("Sampling ended because", Align::Left),
    ]);
    for row in &view.comparison.decisive {
        let paired = view.pair.and_then(|pair| pair.commands.iter().find(|command| command.name == row.timing));
        let pairs = paired.map_or_else(|| "–".to_owned(), |command| command.pairs.len().to_string());
        table.row([
            Text::new().code(row.timing.as_str()),
            decisive(row.time).into(),
            pairs.into(),
            paired.map_or_else(|| "–".to_owned(), cores).into(),
            paired.map_or("–", |command| stopped(command.stopped)).into(),
        ]);
    }
    doc.table(table);
}

/// Which time decides, and why.
pub fn decisive(time: Decisive) -> &'static str {
    match time {
        Decisive::Cpu(CpuReason::CpuBound) => "CPU time, since it computes and waits for nothing",
        Decisive::Wall(WallReason::Waits) => "wall time, since it waits for more than a core",
        Decisive::Wall(WallReason::Parallel) => "wall time, since it works on several cores",
        Decisive::Wall(WallReason::NoCpuTime) => "wall time, since CPU time was not recorded",
    }
}

/// Where the runs of a pair were held, and how much of their time they waited for a core, where that is known.
pub fn cores(command: &PairedCommand) -> String {
    let held = command.pairs.iter().all(|pair| pair.core.is_some()) && !command.pairs.is_empty();
    let runs = || command.pairs.iter().flat_map(|pair| [&pair.before, &pair.after]);
    let queued: Option<f64> = runs().map(|run| run.queued_s).sum();
    let place = if held { "one for both runs of a pair" } else { "any" };
    match queued.filter(|_| !command.pairs.is_empty()) {
        Some(queued) => {
            let waited = queued / runs().map(|run| run.wall_s).sum::<f64>().max(f64::MIN_POSITIVE);
            format!("{place}; ready without a core for {} of the time", values::plain_share(waited))
        }
        None => place.to_owned(),
    }
}

/// Why sampling ended.
pub fn stopped(stop: Stop) -> &'static str {
    match stop {
        Stop::Settled => "every question was settled at a planned look",
        Stop::MaxPairs => "the most pairs that were asked for were taken",
        Stop::MaxTime => "the time budget ended",
        Stop::Failed => "a run failed",
        Stop::Interrupted => "it was interrupted",
    }
}

fn settings(doc: &mut Doc, view: &CompareView<'_>) {
    let comparison: &Comparison = view.comparison;
    let field = |name: &str, text: String| (name.to_owned(), Text::from(text));
    let mut fields = vec![field("Least effect that counts", values::plain_share(comparison.settings.min_effect))];
    for (metric, floor) in &comparison.settings.noise_floors {
        fields.push((
            "Noise floor".to_owned(),
            Text::new().code(metric.as_str()).plain(format!(" {}", values::plain_share(*floor))),
        ));
    }
    let drift = comparison.circumstances.reference_ratio;
    let drift = drift.map_or_else(|| "not recorded".to_owned(), |ratio| values::share(ratio - 1.0));
    fields.push(field("Reference workload, after against before", drift));
    if let Some(pair) = view.pair {
        fields.push(arms(pair));
    }
    fields.extend(view.machine.map(|it| field("Machine", machine(it))));
    doc.fields(fields);
    let warnings = view.pair.iter().flat_map(|pair| &pair.warnings).map(|it| Text::from(it.as_str()));
    doc.list(warnings.collect());
}

fn arms(pair: &PairSession) -> (String, Text) {
    let arm = |text: Text, arm: &crate::model::Arm| {
        let commit: String = arm.commit.as_deref().unwrap_or("files").chars().take(12).collect();
        text.code(arm.rev.as_str()).plain(" at ").code(commit)
    };
    let text = arm(Text::new(), &pair.before).plain(" against ");
    ("Arms".to_owned(), arm(text, &pair.after))
}

/// A machine in one line; what is unknown is left out.
pub fn machine(machine: &Machine) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(machine.cpu.clone());
    parts.extend(machine.cores.map(|n| values::count(n, "core", "cores")));
    #[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^53 bytes")]
    parts.extend(machine.memory_bytes.map(|bytes| values::quantity(bytes as f64, &Unit::bytes())));
    parts.push([machine.os.as_str(), &machine.arch].join(" ").trim().to_owned());
    parts.extend(machine.virtualization.clone());
    parts.extend(machine.governor.as_ref().map(|governor| format!("governor {governor}")));
    parts.extend(machine.load_1m.map(|load| format!("load {load:.2}")));
    parts.extend(machine.on_battery.filter(|on| *on).map(|_| "on battery".to_owned()));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn inputs(doc: &mut Doc, view: &CompareView<'_>) {
    if view.inputs.is_empty() {
        return;
    }
    doc.heading(2, "Inputs");
    let mut table = Table::new([("File", Align::Left), ("SHA-256", Align::Left)]);
    for input in view.inputs {
        table.row([Text::new().code(input.path.as_str()), Text::new().code(input.sha256.as_str())]);
    }
    doc.table(table);
}
