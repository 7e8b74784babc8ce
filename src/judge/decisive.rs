//! Whether CPU or wall time is decisive for a command, and the stopping rule of paired measurement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::{Circumstances, MetricChange, MetricReadings, PairedReading, rule, series};
use crate::model::{Better, Criterion, Flaw, MetricId, MetricKind, PairedCommand, PairedKpi, Run, Unusable, Verdict};
use crate::stats::LookPlan;

/// Least ratio of CPU time to wall time of an undisturbed command that waits for nothing.
const CPU_BOUND: f64 = 0.85;
/// Ratio of CPU time to wall time above which a command runs on several cores.
const PARALLEL: f64 = 1.15;

/// Which time decides about a command, and why.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decisive", content = "because", rename_all = "snake_case")]
pub enum Decisive {
    Cpu(CpuReason),
    Wall(WallReason),
}

/// Why CPU time decides.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuReason {
    /// The command computes on one core and waits for nothing: both times are the same, and CPU time is disturbed less.
    CpuBound,
}

/// Why wall time decides.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WallReason {
    /// The command waits (for disk, network, a clock), which CPU time does not see.
    Waits,
    /// The command works on several cores, so that their summed CPU time is not what a user waits for.
    Parallel,
    NoCpuTime,
}

impl Decisive {
    pub fn metric(self, name: &str) -> MetricId {
        match self {
            Self::Cpu(_) => MetricKind::Cpu.of(name),
            Self::Wall(_) => MetricKind::Wall.of(name),
        }
    }

    /// Decides from the runs. Other load on the machine only adds to wall time: known time waiting for a core is
    /// subtracted, and otherwise the upper quartile of the ratio represents the undisturbed runs.
    pub fn by_runs<'a>(runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut shares = Vec::new();
        for run in runs {
            let Some(cpu) = run.cpu_s() else { return Self::Wall(WallReason::NoCpuTime) };
            if run.unqueued_s() > 0.0 {
                shares.push(cpu / run.unqueued_s());
            }
        }
        shares.sort_by(f64::total_cmp);
        match shares.get(shares.len() * 3 / 4) {
            None => Self::Wall(WallReason::NoCpuTime),
            Some(share) if *share < CPU_BOUND => Self::Wall(WallReason::Waits),
            Some(share) if *share > PARALLEL => Self::Wall(WallReason::Parallel),
            Some(_) => Self::Cpu(CpuReason::CpuBound),
        }
    }

    pub fn of_pairs(command: &PairedCommand) -> Self {
        Self::by_runs(command.pairs.iter().flat_map(|pair| [&pair.before, &pair.after]))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum StoppingDecision {
    /// Stop: every question is settled at a planned look.
    Stop,
    /// Continue; about `more` pairs would settle it at the present noise, if that can be estimated.
    Continue { more: Option<u32> },
}

/// Whether a command's pairs settle the criteria on its metrics or, without any, whether its decisive time changed.
/// Settled only at planned looks, whatever the data say between them.
pub fn stopping_decision(command: &PairedCommand, criteria: &[Criterion], known: &Circumstances) -> StoppingDecision {
    let metrics: BTreeMap<MetricId, PairedReading> = series::command_pairs(command).into_iter().collect();
    let asked = criteria.iter().filter_map(|criterion| Some((criterion, metrics.get(&criterion.metric)?)));
    let open = still_open(asked, || live(command, known).1, known);
    at_look(LookPlan::new(command.min_pairs, command.max_pairs), command.pairs.len(), open)
}

pub fn stopping_decision_of_kpi(
    measured: &PairedKpi,
    criteria: &[Criterion],
    known: &Circumstances,
) -> StoppingDecision {
    let reading = series::kpi_pairs(measured);
    let id = measured.metric();
    let asked = criteria.iter().filter(|criterion| criterion.metric == id).map(|criterion| (criterion, &reading));
    let change = || rule::change(MetricReadings::of_pairs(&reading), measured.kpi.better, known);
    let open = still_open(asked, change, known);
    at_look(LookPlan::new(measured.min_pairs, measured.max_pairs), measured.pairs.len(), open)
}

/// The number of pairs of the first look with at least `pairs` pairs.
pub(crate) fn look_with(pairs: u32) -> u32 {
    let look = LookPlan::default().next_look(pairs.saturating_sub(1) as usize);
    look.and_then(|look| u32::try_from(look).ok()).unwrap_or(pairs)
}

/// The number of pairs that each undecided criterion still needs; without criteria, that the change itself needs.
fn still_open<'a>(
    asked: impl Iterator<Item = (&'a Criterion, &'a PairedReading)>,
    change: impl FnOnce() -> MetricChange,
    known: &Circumstances,
) -> Vec<Option<u32>> {
    let mut asked = asked.peekable();
    if asked.peek().is_none() {
        return match change() {
            MetricChange::Inconclusive { more_runs, .. } => vec![more_runs],
            MetricChange::Improved(_)
            | MetricChange::Regressed(_)
            | MetricChange::NoDifference(_)
            | MetricChange::Invalid { .. } => Vec::new(),
        };
    }
    let undecided = |(criterion, reading)| match rule::judge(criterion, MetricReadings::of_pairs(reading), known) {
        Verdict::Inconclusive { more_runs, .. } => Some(more_runs),
        Verdict::Pass(_) | Verdict::Fail(_) | Verdict::Invalid { .. } => None,
    };
    asked.filter_map(undecided).collect()
}

/// Settled if nothing is open at a look; otherwise the most pairs that any open question needs.
fn at_look(plan: LookPlan, pairs: usize, open: Vec<Option<u32>>) -> StoppingDecision {
    if open.is_empty() && plan.is_look(pairs) {
        return StoppingDecision::Stop;
    }
    let to_look = plan.next_look(pairs).and_then(|look| u32::try_from(look - pairs).ok());
    // Sampling can only stop at a look. If one need cannot be estimated, the total is unknown.
    let needed: Option<u32> = open.into_iter().try_fold(0, |most, more| Some(most.max(more?)));
    StoppingDecision::Continue { more: needed.map(|needed| to_look.map_or(needed, |least| needed.max(least))) }
}

/// The decisive metric of a command and its change by the pairs so far; also shown while they run.
pub fn live(command: &PairedCommand, known: &Circumstances) -> (MetricId, MetricChange) {
    by(Decisive::of_pairs(command), command, known)
}

/// Like [`live`], with the decisive time given.
pub fn by(time: Decisive, command: &PairedCommand, known: &Circumstances) -> (MetricId, MetricChange) {
    let id = time.metric(&command.name);
    let found = series::command_pairs(command).into_iter().find(|(name, _)| *name == id);
    let reading = found.map_or(Err(Flaw::Before { reason: Unusable::NotMeasured }), |(_, reading)| reading);
    let change = rule::change(MetricReadings::of_pairs(&reading), Better::Lower, known);
    (id, change)
}

#[cfg(test)]
mod tests {
    use crate::model::{FirstRuns, Pair, Stop};

    use super::*;

    fn command(n: u32, ratio: f64, cpu_share: f64) -> PairedCommand {
        let run = |wall_s: f64| Run {
            wall_s,
            user_s: Some(wall_s * cpu_share),
            system_s: Some(0.0),
            max_rss_bytes: None,
            queued_s: None,
            instructions: None,
            exit_code: Some(0),
            timed_out: false,
        };
        let pair = |i: u32| {
            let noise = 1.0 + f64::from((i * 7) % 11) / 1000.0;
            Pair { before: run(1.0), after: run(ratio * noise), after_first: i % 2 == 1, reference_s: None, core: None }
        };
        let pairs = (0..n).map(pair).collect();
        PairedCommand {
            first_runs: FirstRuns::default(),
            name: "t".into(),
            cmd: "c".into(),
            timeout_s: 9.0,
            min_pairs: 0,
            max_pairs: 0,
            pairs,
            stopped: Stop::Settled,
            grown: Vec::new(),
        }
    }

    fn known() -> Circumstances {
        Circumstances { min_effect: 0.01, ..Circumstances::default() }
    }

    fn criteria(text: &str) -> Vec<Criterion> {
        vec![Criterion::parse(text).unwrap()]
    }

    #[test]
    fn sampling_stops_only_at_planned_looks() {
        assert_eq!(
            stopping_decision(&command(9, 1.5, 1.0), &[], &known()),
            StoppingDecision::Continue { more: Some(1) }
        );
        assert_eq!(stopping_decision(&command(10, 1.5, 1.0), &[], &known()), StoppingDecision::Stop);
        assert_eq!(
            stopping_decision(&command(11, 1.5, 1.0), &[], &known()),
            StoppingDecision::Continue { more: Some(9) }
        );
    }

    #[test]
    fn an_undecided_criterion_continues_sampling_with_an_estimate() {
        let settles = stopping_decision(&command(10, 1.0, 1.0), &criteria("timing.t.cpu <= +5%"), &known());
        assert_eq!(settles, StoppingDecision::Stop);
        let StoppingDecision::Continue { more: Some(more) } =
            stopping_decision(&command(10, 1.0, 1.0), &criteria("timing.t.cpu <= +0.6%"), &known())
        else {
            panic!("the bound lies within the interval");
        };
        assert!(more >= 5, "{more}");
    }

    #[test]
    fn without_criteria_on_its_metrics_a_command_is_settled_by_its_change() {
        assert_eq!(
            stopping_decision(&command(10, 1.5, 1.0), &criteria("size.lib <= +5%"), &known()),
            StoppingDecision::Stop
        );
    }

    #[test]
    fn cpu_time_decides_if_a_command_only_waits_for_a_core() {
        let mut crowded = command(6, 1.0, 0.3);
        assert_eq!(Decisive::of_pairs(&crowded), Decisive::Wall(WallReason::Waits));
        for run in crowded.pairs.iter_mut().flat_map(|pair| [&mut pair.before, &mut pair.after]) {
            run.queued_s = Some(run.wall_s * 0.69);
        }
        assert_eq!(Decisive::of_pairs(&crowded), Decisive::Cpu(CpuReason::CpuBound));
    }

    #[test]
    fn cpu_time_decides_if_a_command_computes_and_wall_time_if_it_waits() {
        assert_eq!(Decisive::of_pairs(&command(6, 1.0, 0.99)), Decisive::Cpu(CpuReason::CpuBound));
        assert_eq!(Decisive::of_pairs(&command(6, 1.0, 0.3)), Decisive::Wall(WallReason::Waits));
        assert_eq!(Decisive::of_pairs(&command(6, 1.0, 1.9)), Decisive::Wall(WallReason::Parallel));
        let mut without = command(6, 1.0, 1.0);
        without.pairs[0].before.user_s = None;
        assert_eq!(Decisive::of_pairs(&without), Decisive::Wall(WallReason::NoCpuTime));
        assert_eq!(live(&command(6, 1.0, 0.3), &known()).0.as_str(), "timing.t.wall");
    }
}
