//! How a comparison was measured: the design, the pairs and why sampling ended, the settings, the machine, the inputs.

use crate::judge::{CpuReason, Decisive, WallReason};
use crate::model::{Machine, PairedCommand, SideRevision, Stop, Unit};
use crate::report::{CompareView, Doc, Table, Text, code, values};

pub(crate) fn section(doc: &mut Doc, view: &CompareView<'_>) {
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
    if !view.inputs.is_empty() {
        doc.heading(2, "Inputs");
        let mut table = Table::new("ll", ["File", "SHA-256"]);
        for input in view.inputs {
            table.row([code(input.path.as_str()), code(input.sha256.as_str())]);
        }
        doc.table(table);
    }
}

fn commands(doc: &mut Doc, view: &CompareView<'_>) {
    let mut table = Table::new("llrll", ["Command", "Decided by", "Pairs", "Cores", "Sampling ended because"]);
    for row in &view.comparison.decisive {
        let paired = view.pair.and_then(|pair| pair.commands.iter().find(|command| command.name == row.timing));
        table.row([
            code(row.timing.as_str()),
            decisive(row.time).into(),
            paired.map(|command| command.pairs.len().to_string()).into(),
            paired.map(cores).into(),
            paired.map(|command| stopped(command.stopped).to_owned()).into(),
        ]);
    }
    doc.table(table);
}

/// Which time decides, and why.
pub(crate) fn decisive(time: Decisive) -> &'static str {
    match time {
        Decisive::Cpu(CpuReason::CpuBound) => "CPU time, since it computes and waits for nothing",
        Decisive::Wall(WallReason::Waits) => "wall time, since it waits for more than a core",
        Decisive::Wall(WallReason::Parallel) => "wall time, since it works on several cores",
        Decisive::Wall(WallReason::NoCpuTime) => "wall time, since CPU time was not recorded",
    }
}

/// Where the runs of a pair were held, and how much of their time they waited for a core, where that is known.
pub(crate) fn cores(command: &PairedCommand) -> String {
    let held = command.pairs.iter().all(|pair| pair.core.is_some()) && !command.pairs.is_empty();
    let place = if held { "one for both runs of a pair" } else { "any" };
    let runs = || command.pairs.iter().flat_map(|pair| [&pair.before, &pair.after]);
    let queued: Option<f64> = runs().map(|run| run.queued_s).sum();
    match queued.filter(|_| !command.pairs.is_empty()) {
        Some(queued) => {
            let waited = queued / runs().map(|run| run.wall_s).sum::<f64>().max(f64::MIN_POSITIVE);
            format!("{place}; ready without a core for {} of the time", values::plain_share(waited))
        }
        None => place.to_owned(),
    }
}

/// Why sampling ended.
pub(crate) fn stopped(stop: Stop) -> &'static str {
    match stop {
        Stop::Settled => "every question was settled at a planned look",
        Stop::MaxPairs => "the most pairs that were asked for were taken",
        Stop::MaxTime => "the time budget ended",
        Stop::Failed => "a run failed",
        Stop::Interrupted => "it was interrupted",
    }
}

fn settings(doc: &mut Doc, view: &CompareView<'_>) {
    let comparison = view.comparison;
    doc.field("Least effect that counts", values::plain_share(comparison.settings.min_effect));
    for (metric, floor) in &comparison.settings.noise_floors {
        doc.field("Noise floor", code(metric.as_str()).plain(format!(" {}", values::plain_share(*floor))));
    }
    let drift = comparison.circumstances.reference_ratio;
    let drift = drift.map_or_else(|| "not recorded".to_owned(), |ratio| values::share(ratio - 1.0));
    doc.field("Reference workload, after against before", drift);
    if let Some(pair) = view.pair {
        let side = |side: &SideRevision| {
            let commit = values::short_sha(side.commit.as_deref().unwrap_or("files"));
            code(side.rev.as_str()).plain(" at ").code(commit)
        };
        doc.field("Sides", side(&pair.before).plain(" against ").text(side(&pair.after)));
    }
    if let Some(it) = view.machine {
        doc.field("Machine", machine(it));
    }
    doc.list(view.pair.iter().flat_map(|pair| &pair.warnings).map(|it| Text::from(it.as_str())));
}

/// A machine in one line; what is unknown is left out.
fn machine(machine: &Machine) -> String {
    #[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^53 bytes")]
    let memory = |bytes| values::quantity(bytes as f64, &Unit::bytes());
    let parts = [
        machine.cpu.clone(),
        machine.cores.map(|n| values::count(n, "core", "cores")),
        machine.memory_bytes.map(memory),
        Some([machine.os.as_str(), &machine.arch].join(" ").trim().to_owned()),
        machine.virtualization.clone(),
        machine.governor.as_ref().map(|governor| format!("governor {governor}")),
        machine.load_1m.map(|load| format!("load {load:.2}")),
        machine.on_battery.filter(|on| *on).map(|_| "on battery".to_owned()),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
