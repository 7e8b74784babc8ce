//! Pairs of other measurements than timed commands: the KPIs of one command, and an endpoint that each side serves.

use std::ops::ControlFlow;

use crate::config::{HttpProbe, KpiProbe};
use crate::judge::{StoppingDecision, Which};
use crate::measure::http::Served;
use crate::measure::kpi::{self, KpiError, Sample};
use crate::measure::pair::pin::{CorePinning, Waited};
use crate::measure::pair::proof::{self, Did};
use crate::measure::pair::session::{PairBudget, Session, after_first, order};
use crate::model::{FirstRuns, Kpi, MetricId, MetricKind, PairedKpi, Sampling, Stop, Unit, scrub};
use crate::os::Core;

#[derive(Debug)]
pub(crate) enum Group<'g> {
    Kpis(Vec<&'g KpiProbe>),
    Http(&'g HttpProbe),
}

impl Group<'_> {
    pub(crate) fn metrics(&self) -> Vec<MetricId> {
        match self {
            Self::Kpis(group) => group.iter().map(|kpi| MetricId::kpi(&kpi.name)).collect(),
            Self::Http(probe) => vec![MetricKind::Latency.of(&probe.name)],
        }
    }

    fn unmeasured(&self, budget: PairBudget) -> Vec<PairedKpi> {
        let of = |kpi: Kpi, http: bool| PairedKpi {
            kpi,
            http,
            min_pairs: budget.min_pairs,
            max_pairs: budget.max_pairs,
            pairs: Vec::new(),
            first_runs: FirstRuns::default(),
        };
        match self {
            Self::Kpis(group) => group.iter().map(|config| of(kpi::unmeasured(config), false)).collect(),
            Self::Http(probe) => {
                let config = KpiProbe { name: probe.name.clone(), unit: Unit::seconds(), ..KpiProbe::default() };
                vec![of(kpi::unmeasured(&config), true)]
            }
        }
    }
}

/// The counts next to each side's numbers; empty if they vary between runs.
type Counted = [Vec<String>; 2];

fn keep_steady(kept: &mut Option<Counted>, new: [&Vec<String>; 2]) {
    let kept = kept.get_or_insert_with(|| new.map(Clone::clone));
    for (kept, new) in kept.iter_mut().zip(new) {
        kept.truncate(new.len());
        kept.iter_mut().zip(new).filter(|(kept, new)| kept != new).for_each(|(kept, _)| kept.clear());
    }
}

/// The first count that is constant on each side but differs between them.
fn differing([before, after]: &Counted) -> Option<[String; 2]> {
    let mut both = before.iter().zip(after).filter(|(before, after)| !before.is_empty() && !after.is_empty());
    both.find(|(before, after)| before != after).map(|(before, after)| [before.clone(), after.clone()])
}

fn is_exact(paired: &PairedKpi) -> bool {
    paired.kpi.sampling == Sampling::Exact
}

impl Session<'_> {
    /// Measures a group in pairs until `decide` calls all of it settled or the budget ends; exact KPIs once. A KPI that
    /// cannot be read gets the reason and no pairs. There is no warm-up, so the first pair, which is not pinned,
    /// decides whether the others are. With a `prior` session (equally many pairs of each KPI), `budget` counts its
    /// pairs too.
    pub(crate) fn kpis(
        &mut self,
        (group, prior): (&Group<'_>, Option<Vec<PairedKpi>>),
        budget: PairBudget,
        decide: &mut dyn FnMut(&PairedKpi) -> StoppingDecision,
    ) -> (Vec<PairedKpi>, Stop) {
        let prior = prior.map(|prior| prior.into_iter().map(|it| PairedKpi { max_pairs: 0, ..it }).collect());
        let mut paired: Vec<PairedKpi> = prior.unwrap_or_else(|| group.unmeasured(budget));
        let first = paired.iter().map(|it| it.pairs.len()).max().unwrap_or_default();
        let began = (self.clock)();
        let mut pinning = CorePinning::new(self.pin);
        let mut counted = vec![None; paired.len()];
        let max_pairs = if paired.iter().all(is_exact) { 1 } else { budget.max_pairs };
        let stopped = self.sample_pairs(began, first, PairBudget { max_pairs, ..budget }, &mut |session, made| {
            let waited = session.kpi_pair(group, made, pinning.core(), (&mut paired, &mut counted))?;
            if made == first {
                if paired.iter().any(|it| it.first_runs.flaw().is_some()) {
                    return ControlFlow::Break(Stop::Failed);
                }
                pinning.warmed_up(waited);
            } else {
                pinning.measured(waited);
            }
            if paired.iter().all(|it| it.kpi.error.is_some()) {
                return ControlFlow::Break(Stop::Failed);
            }
            let open = paired.iter().filter(|it| it.kpi.error.is_none() && !is_exact(it));
            let undecided = open.map(&mut *decide).find(|decision| *decision != StoppingDecision::Stop);
            ControlFlow::Continue(undecided.unwrap_or(StoppingDecision::Stop))
        });
        self.served = [None, None];
        for (it, counted) in paired.iter_mut().zip(&counted).filter(|(it, _)| it.pairs.len() > 1) {
            if let Some(differing) = counted.as_ref().and_then(differing) {
                it.first_runs.beside.get_or_insert(differing);
            }
        }
        (paired, stopped)
    }

    fn kpi_run(&mut self, group: &Group<'_>, side: Which, is_first: bool) -> (Vec<Result<Sample, KpiError>>, Did) {
        let _ = self.opened(side);
        let place = self.place(side);
        let samples = match group {
            Group::Kpis(group) => kpi::samples(self.runner, place, group),
            Group::Http(probe) => vec![self.latency(probe, side, is_first)],
        };
        let did = self.opened(side);
        (samples, Did { printed: self.answered.take(), ..did })
    }

    /// The median latency of one run's requests. The first call starts the server and discards the first answers.
    fn latency(&mut self, probe: &HttpProbe, side: Which, is_first: bool) -> Result<Sample, KpiError> {
        let place = self.place(side);
        let runner = &*self.runner;
        let server = &mut self.served[side as usize];
        let stop = || runner.stopped();
        let failed = |why: String| if stop() { KpiError::Interrupted } else { KpiError::NoValue(why) };
        if is_first || server.is_none() {
            *server = None;
            let cmd = probe.start.as_deref().unwrap_or_default();
            let started = Served::start(probe, cmd, place, &stop).map_err(failed)?;
            let _warm = started.ask(place, &stop);
            self.answered = started.printed();
            *server = Some(started);
        }
        let answer = server.as_ref().map(|server| server.ask(place, &stop));
        match answer {
            Some(answer) if answer.ok && !stop() => {
                let values = answer.requests.iter().map(|request| request.latency_s).collect();
                Ok(Sample { values, raw: Vec::new(), waited: None, beside: None, said: None })
            }
            answer => Err(failed(answer.and_then(|answer| answer.error).unwrap_or_default())),
        }
    }

    /// Runs one pair and reads every KPI that needs another one.
    fn kpi_pair(
        &mut self,
        group: &Group<'_>,
        number: usize,
        core: Option<Core>,
        (paired, counted): (&mut [PairedKpi], &mut [Option<Counted>]),
    ) -> ControlFlow<Stop, Waited> {
        let _held = core.and_then(Core::hold);
        let [(first, did), (second, other)] = order(number).map(|side| self.kpi_run(group, side, number == 0));
        if number == 0 && self.proof.is_some() {
            let mut first_runs = proof::conclude(&did, &other, &mut |side| {
                if let Some(proof) = &mut self.proof {
                    proof.watch();
                }
                Some(self.kpi_run(group, side, true).1)
            });
            // A server gets many requests, so the time of one answer means nothing.
            (first_runs.once, first_runs.unshown) = (None, None);
            paired.iter_mut().for_each(|it| it.first_runs = first_runs.clone());
        }
        let (before, after) = if after_first(number) { (second, first) } else { (first, second) };
        let mut waited: Waited = [None, None];
        for (((it, counted), before), after) in paired.iter_mut().zip(counted).zip(before).zip(after) {
            if it.kpi.error.is_some() || is_exact(it) && !it.pairs.is_empty() {
                continue;
            }
            match (before, after) {
                (Ok(before), Ok(after)) => {
                    waited = [before.waited, after.waited];
                    if let (Some(old), Some(new)) = (&before.beside, &after.beside) {
                        if old.words != new.words && !old.words.is_empty() && !new.words.is_empty() {
                            it.first_runs.beside.get_or_insert_with(|| [old.words.clone(), new.words.clone()]);
                        }
                        keep_steady(counted, [&old.counts, &new.counts]);
                    }
                    it.pairs.push((before.middle(), after.middle()));
                }
                (Err(KpiError::Interrupted), _) | (_, Err(KpiError::Interrupted)) => {
                    return ControlFlow::Break(Stop::Interrupted);
                }
                (Err(KpiError::NoValue(why)), _) => fail(it, Which::Before, &why),
                (Ok(_), Err(KpiError::NoValue(why))) => fail(it, Which::After, &why),
            }
        }
        ControlFlow::Continue(waited)
    }
}

fn fail(paired: &mut PairedKpi, side: Which, why: &str) {
    paired.kpi.error = Some(format!("{}: {}", side.name(), scrub(why)));
    paired.pairs.clear();
}
