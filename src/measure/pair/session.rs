//! The runs of a paired session: their order, their number, and why they end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::config::{Pin, TimingConfig};
use crate::judge::{StoppingDecision, Which};
use crate::measure::http::Served;
use crate::measure::pair::Proof;
use crate::measure::pair::pin::{CorePinning, waited};
use crate::measure::pair::proof::{self, Did};
use crate::measure::{Place, Reference, Runner, command, profile};
use crate::model::{FirstRuns, Grown, Pair, PairedCommand, Printed, Run, Stop, scrub};
use crate::os::process::Output;
use crate::os::{Core, Ended, Finished, SpawnError, process};
use crate::stats::median;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairBudget {
    /// Fewest pairs before a decided question ends the sampling.
    pub min_pairs: u32,
    pub max_pairs: u32,
    /// No further pair of this command is started after this time.
    pub max_time: Duration,
}

/// The progress of a command's pairs, reported after each one.
#[derive(Debug)]
pub struct PairProgress<'a> {
    pub so_far: &'a PairedCommand,
    /// About how many more pairs would settle the question at the present noise; 0 if it is settled.
    pub more: Option<u32>,
}

/// The pairs of a command, with notes.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredPairs {
    pub paired: PairedCommand,
    /// The end of a failed run's standard error, scrubbed, and the side that failed.
    pub error: Option<String>,
    /// Set if peak memory could not be distinguished from the tool's own and was left out.
    pub rss_floor_bytes: Option<u64>,
}

/// A session with two prepared places.
pub struct Session<'a> {
    pub(crate) runner: &'a mut dyn Runner,
    places: [&'a Place; 2],
    pub(crate) pin: Pin,
    /// Observes the first runs of the sides.
    pub(crate) proof: Option<Proof>,
    /// The workload before each run; returns its wall time in seconds.
    reference: Box<dyn FnMut() -> Option<f64> + 'a>,
    /// The elapsed time.
    pub(crate) clock: Box<dyn FnMut() -> Duration + 'a>,
    /// The servers of the measured endpoint.
    pub(crate) served: [Option<Served>; 2],
    /// The last answer of the server that was started last.
    pub(crate) answered: Option<Printed>,
}

impl<'a> Session<'a> {
    /// `pin` says whether both runs of a pair are pinned to one core.
    pub fn new(runner: &'a mut dyn Runner, (before, after): (&'a Place, &'a Place), pin: Pin) -> Self {
        let places = [before, after];
        let (reference, started) = (Reference::new(), Instant::now());
        let reference = Box::new(move || Some(reference.measure_once().wall_s));
        let clock = Box::new(move || started.elapsed());
        Self { runner, places, pin, proof: None, reference, clock, served: [None, None], answered: None }
    }

    /// Sets the observer of the sides' first runs.
    #[must_use]
    pub(crate) fn proven(self, proof: Option<Proof>) -> Self {
        Self { proof, ..self }
    }

    /// Measures one command in pairs until `decide` calls its question settled (asked from `budget.min_pairs` on), the
    /// budget ends, a run fails, or the user interrupts. A pair with a failed run is kept as the last one; an
    /// unfinished pair is dropped. With a `prior` session, `budget` counts its pairs too.
    pub fn command(
        &mut self,
        (plan, prior): (&TimingConfig, Option<PairedCommand>),
        budget: PairBudget,
        decide: &mut dyn FnMut(&PairedCommand) -> StoppingDecision,
        progress: &mut dyn FnMut(PairProgress<'_>),
    ) -> MeasuredPairs {
        // The error probability reserved for a planned end can be spent only once, so no end is planned any more.
        let prior = prior.map(|prior| PairedCommand { max_pairs: 0, ..prior });
        let paired = prior.unwrap_or_else(|| no_pairs(plan, budget));
        process::reset_own_peak_rss();
        let began = (self.clock)();
        let mut pinning = CorePinning::new(self.pin);
        let made = paired.pairs.len();
        let mut measured = MeasuredPairs { paired, error: None, rss_floor_bytes: None };
        let warmed_up = (0..plan.warmup).try_for_each(|turn| {
            let mut seen = (turn == 0 && self.proof.is_some()).then(Vec::new);
            let pair = self.pair(plan, turn as usize, None, &mut measured, &mut seen)?;
            pinning.warmed_up(waited(&pair));
            self.prove(plan, seen, &mut measured.paired)
        });
        measured.paired.stopped = match warmed_up {
            ControlFlow::Break(stop) => stop,
            ControlFlow::Continue(()) => self.sample_pairs(began, made, budget, &mut |session, made| {
                let pair = session.pair(plan, made, pinning.core(), &mut measured, &mut None)?;
                pinning.measured(waited(&pair));
                measured.paired.pairs.push(pair);
                let decision = decide(&measured.paired);
                let more = match decision {
                    StoppingDecision::Stop => Some(0),
                    StoppingDecision::Continue { more } => more,
                };
                progress(PairProgress { so_far: &measured.paired, more });
                ControlFlow::Continue(decision)
            }),
        };
        let lasting = median_ratio(&measured.paired.pairs);
        let first = &mut measured.paired.first_runs.once;
        *first = first.filter(|first| lasting.is_some_and(|ratio| proof::is_first_alone(*first, ratio)));
        measured.rss_floor_bytes = command::hide_rss_floor(runs(&mut measured.paired.pairs));
        measured
    }

    /// Makes pairs after the `made` existing ones until the budget ends, a pair ends them, or the question is settled.
    pub(crate) fn sample_pairs(
        &mut self,
        began: Duration,
        made: usize,
        budget: PairBudget,
        pair: &mut dyn FnMut(&mut Self, usize) -> ControlFlow<Stop, StoppingDecision>,
    ) -> Stop {
        for made in made..budget.max_pairs as usize {
            if (self.clock)().saturating_sub(began) >= budget.max_time {
                return Stop::MaxTime;
            }
            match pair(self, made) {
                ControlFlow::Break(stop) => return stop,
                ControlFlow::Continue(StoppingDecision::Stop) if made + 1 >= budget.min_pairs as usize => {
                    return Stop::Settled;
                }
                ControlFlow::Continue(StoppingDecision::Stop | StoppingDecision::Continue { .. }) => {}
            }
        }
        Stop::MaxPairs
    }

    /// Runs one pair, with the reference workload before each run. A pair with a failed run is stored here as the last
    /// one.
    fn pair(
        &mut self,
        plan: &TimingConfig,
        number: usize,
        core: Option<Core>,
        measured: &mut MeasuredPairs,
        seen: &mut Option<Vec<Did>>,
    ) -> ControlFlow<Stop, Pair> {
        let pin = core.and_then(Core::hold);
        let core = core.filter(|_| pin.is_some()).map(Core::number);
        let mut one = |side: Which| {
            let reference = (self.reference)();
            let (run, failure) = match seen {
                None => self.run(plan, side)?,
                Some(seen) => {
                    let (run, failure, did) = self.seen_run(plan, side)?;
                    seen.push(did);
                    (run, failure)
                }
            };
            ControlFlow::Continue((reference, run, failure.map(|why| format!("{}: {why}", side.name()))))
        };
        // The second one runs even if the first failed: it is worth knowing whether both fail.
        let [first_side, second_side] = order(number);
        let (first, second) = (one(first_side)?, one(second_side)?);
        let reference_s = first.0.zip(second.0).map(|(one, other)| f64::midpoint(one, other));
        let failures: Vec<String> = first.2.into_iter().chain(second.2).collect();
        let after_first = after_first(number);
        let (before, after) = if after_first { (second.1, first.1) } else { (first.1, second.1) };
        let pair = Pair { before, after, after_first, reference_s, core };
        if failures.is_empty() {
            return ControlFlow::Continue(pair);
        }
        measured.error = Some(failures.join("; "));
        measured.paired.pairs.push(pair);
        ControlFlow::Break(Stop::Failed)
    }

    fn run(&mut self, plan: &TimingConfig, side: Which) -> ControlFlow<Stop, (Run, Option<String>)> {
        let spec = command::spec(plan, self.place(side));
        let result = command::run_once(self.runner, plan, &spec);
        let (run, failure) = filed(&result)?;
        let instructions = if failure.is_none() { profile::count(self.runner, plan, &spec) } else { None };
        ControlFlow::Continue((Run { instructions, ..run }, failure))
    }

    /// Like a normal run, while observing what the side opens and prints.
    fn seen_run(&mut self, plan: &TimingConfig, side: Which) -> ControlFlow<Stop, (Run, Option<String>, Did)> {
        let mut spec = command::spec(plan, self.place(side));
        spec.stdout = Output::Keep { head_bytes: proof::OUTPUT_BYTES, tail_bytes: 0 };
        let _ = self.opened(side);
        let result = command::run_once(self.runner, plan, &spec);
        let mut did = self.opened(side);
        did.printed = result.as_ref().ok().map(|finished| proof::printed(finished, self.place(side)));
        let (run, failure) = filed(&result)?;
        ControlFlow::Continue((run, failure, did))
    }

    /// What a side opened since the last call.
    pub(crate) fn opened(&mut self, side: Which) -> Did {
        self.proof.as_mut().map(|proof| proof.opened(side)).unwrap_or_default()
    }

    /// Decides from the observations whether there is anything to compare.
    fn prove(&mut self, plan: &TimingConfig, seen: Option<Vec<Did>>, paired: &mut PairedCommand) -> ControlFlow<Stop> {
        let Some([before, after]) = seen.as_deref() else { return ControlFlow::Continue(()) };
        let mut stop = None;
        paired.first_runs = proof::conclude(before, after, &mut |side| {
            if let Some(proof) = &mut self.proof {
                proof.watch();
            }
            match self.seen_run(plan, side) {
                ControlFlow::Continue((_, _, did)) => Some(did),
                ControlFlow::Break(why) => {
                    stop = Some(why);
                    None
                }
            }
        });
        match (stop, paired.first_runs.flaw()) {
            (Some(why), _) => ControlFlow::Break(why),
            (None, Some(_)) => ControlFlow::Break(Stop::Failed),
            (None, None) => ControlFlow::Continue(()),
        }
    }

    /// The functions whose share of the command's time grew, from one more pair of runs; or why that is not known.
    pub(crate) fn grown(&mut self, plan: &TimingConfig) -> Result<Vec<Grown>, String> {
        let [before, after] = self.places;
        profile::grown(self.runner, plan, before, after)
    }

    pub(crate) fn place(&self, side: Which) -> &'a Place {
        self.places[side as usize]
    }
}

fn filed(result: &Result<Finished, SpawnError>) -> ControlFlow<Stop, (Run, Option<String>)> {
    match result {
        Ok(finished) if finished.ended == Ended::Interrupted => ControlFlow::Break(Stop::Interrupted),
        Ok(finished) => ControlFlow::Continue((command::run_of(finished), failure(finished))),
        Err(error) => ControlFlow::Continue((command::run_not_started(), Some(scrub(&error.to_string())))),
    }
}

/// The median ratio of the sides' wall times.
fn median_ratio(pairs: &[Pair]) -> Option<f64> {
    let ratios: Vec<f64> = pairs.iter().map(|pair| pair.after.wall_s / pair.before.wall_s).collect();
    median(&ratios)
}

/// Whether the head goes first in this pair, counted from 0: A B, B A, A B, B A, …
pub(crate) fn after_first(pair: usize) -> bool {
    pair % 2 == 1
}

pub(crate) fn order(pair: usize) -> [Which; 2] {
    if after_first(pair) { [Which::After, Which::Before] } else { [Which::Before, Which::After] }
}

fn no_pairs(plan: &TimingConfig, budget: PairBudget) -> PairedCommand {
    PairedCommand {
        name: plan.name.clone(),
        cmd: scrub(plan.command()),
        timeout_s: plan.timeout_s,
        min_pairs: budget.min_pairs,
        max_pairs: budget.max_pairs,
        pairs: Vec::new(),
        grown: Vec::new(),
        stopped: Stop::MaxPairs,
        first_runs: FirstRuns::default(),
    }
}

/// The end of a failed run's standard error, or how it ended if that is empty.
fn failure(finished: &Finished) -> Option<String> {
    let said = Some(command::error_tail(finished)).filter(|said| !said.is_empty());
    command::failure(finished.ended, finished.wall).map(|how| said.unwrap_or(how))
}

fn runs(pairs: &mut [Pair]) -> Vec<&mut Run> {
    pairs.iter_mut().flat_map(|pair| [&mut pair.before, &mut pair.after]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KpiProbe;
    use crate::measure::command::scripted::Script;
    use crate::measure::pair::Group;
    use crate::model::PairedKpi;

    const BUDGET: PairBudget = PairBudget { min_pairs: 3, max_pairs: 5, max_time: Duration::from_secs(100) };

    fn place(root: &str) -> Place {
        Place { root: root.into(), env: vec![("SIDE".into(), Some(root.into()))] }
    }

    fn scripted<'a>(
        runner: &'a mut dyn Runner,
        (before, after): (&'a Place, &'a Place),
        reference: &'a mut dyn FnMut() -> Option<f64>,
        clock: &'a mut dyn FnMut() -> Duration,
    ) -> Session<'a> {
        Session {
            proof: None,
            runner,
            places: [before, after],
            pin: Pin::Auto,
            reference: Box::new(reference),
            clock: Box::new(clock),
            served: [None, None],
            answered: None,
        }
    }

    fn go_on(_: &PairedCommand) -> StoppingDecision {
        StoppingDecision::Continue { more: None }
    }

    struct Outcome {
        measured: MeasuredPairs,
        script: Script,
        /// The side of each run; `r` for the reference workload.
        trace: String,
    }

    /// The reference workload counts up in seconds; each reading of the clock takes one second.
    fn measure(
        mut script: Script,
        warmup: u32,
        budget: PairBudget,
        decide: &mut dyn FnMut(&PairedCommand) -> StoppingDecision,
    ) -> Outcome {
        let (before, after) = (place("a"), place("b"));
        let (mut references, mut seconds) = (0.0, 0);
        let mut reference = || {
            references += 1.0;
            Some(references)
        };
        let mut clock = || {
            seconds += 1;
            Duration::from_secs(seconds)
        };
        let plan = plan(warmup);
        let measured = scripted(&mut script, (&before, &after), &mut reference, &mut clock).command(
            (&plan, None),
            budget,
            decide,
            &mut |_| {},
        );
        let trace = script.seen.iter().map(|spec| spec.cwd.to_str().unwrap()).collect();
        Outcome { measured, script, trace }
    }

    fn plan(warmup: u32) -> TimingConfig {
        TimingConfig { shell: true, warmup, ..TimingConfig::once("t".to_owned(), "make".to_owned(), 9.0) }
    }

    #[test]
    fn runs_alternate_as_a_b_b_a_after_one_warm_up_each() {
        let outcome = measure(Script::default(), 1, BUDGET, &mut go_on);
        assert_eq!(outcome.trace, "ababbaabbaab");
        let pairs = &outcome.measured.paired.pairs;
        let first: Vec<bool> = pairs.iter().map(|pair| pair.after_first).collect();
        assert_eq!(first, [false, true, false, true, false]);
        assert_eq!(outcome.measured.paired.stopped, Stop::MaxPairs);
        // The mean of the two in each pair: 3 and 4, 5 and 6, …
        let references: Vec<f64> = pairs.iter().filter_map(|pair| pair.reference_s).collect();
        assert_eq!(references, [3.5, 5.5, 7.5, 9.5, 11.5]);
        assert_eq!(outcome.script.seen[1].env, [("SIDE".into(), Some("b".into()))]);
    }

    #[test]
    fn each_run_is_filed_under_its_own_side() {
        let ok = Ended::Code(0);
        let script = Script::of(&[(1, ok, ""), (2, ok, ""), (20, ok, ""), (10, ok, "")]);
        let outcome = measure(script, 0, PairBudget { max_pairs: 2, ..BUDGET }, &mut go_on);
        let walls: Vec<(f64, f64)> =
            outcome.measured.paired.pairs.iter().map(|pair| (pair.before.wall_s, pair.after.wall_s)).collect();
        assert_eq!(walls, [(0.001, 0.002), (0.01, 0.02)]);
    }

    #[test]
    fn a_settled_question_ends_it_but_not_before_the_fewest_pairs() {
        let outcome = measure(Script::default(), 0, BUDGET, &mut |_| StoppingDecision::Stop);
        assert_eq!((outcome.measured.paired.pairs.len(), outcome.measured.paired.stopped), (3, Stop::Settled));
    }

    #[test]
    fn the_time_budget_ends_it() {
        let budget = PairBudget { max_time: Duration::from_secs(4), max_pairs: 99, ..BUDGET };
        let outcome = measure(Script::default(), 0, budget, &mut go_on);
        assert_eq!((outcome.measured.paired.pairs.len(), outcome.measured.paired.stopped), (3, Stop::MaxTime));
    }

    #[test]
    fn a_failed_run_ends_it_with_the_pair_and_its_reason() {
        let ok = Ended::Code(0);
        let script = Script::of(&[(1, ok, ""), (1, ok, ""), (1, Ended::Code(3), "token=abcdefg12 no\n"), (1, ok, "")]);
        let outcome = measure(script, 0, BUDGET, &mut go_on);
        let MeasuredPairs { paired, error, .. } = outcome.measured;
        assert_eq!((paired.pairs.len(), paired.stopped, outcome.trace.as_str()), (2, Stop::Failed, "abba"));
        assert_eq!((paired.pairs[1].after.exit_code, paired.pairs[1].before.exit_code), (Some(3), Some(0)));
        assert_eq!(error.as_deref(), Some("after: token=*** no"));
    }

    #[test]
    fn a_warm_up_that_fails_is_the_evidence() {
        let outcome = measure(Script::of(&[(1, Ended::TimedOut, "")]), 1, BUDGET, &mut go_on);
        let paired = outcome.measured.paired;
        assert_eq!((paired.pairs.len(), paired.stopped, outcome.trace.as_str()), (1, Stop::Failed, "ab"));
        assert!(paired.pairs[0].before.timed_out);
    }

    #[test]
    fn a_command_that_cannot_be_started_is_a_failed_run() {
        let outcome = measure(Script { broken_from: Some(0), ..Script::default() }, 0, BUDGET, &mut go_on);
        assert_eq!(outcome.measured.paired.stopped, Stop::Failed);
        assert_eq!(outcome.measured.paired.pairs[0].before.exit_code, Some(command::NOT_STARTED));
    }

    #[test]
    fn an_unfinished_pair_is_dropped_when_the_user_stops() {
        let ok = Ended::Code(0);
        let script = Script::of(&[(1, ok, ""), (1, ok, ""), (1, ok, ""), (1, Ended::Interrupted, "")]);
        let outcome = measure(script, 0, BUDGET, &mut go_on);
        assert_eq!((outcome.measured.paired.pairs.len(), outcome.measured.paired.stopped), (1, Stop::Interrupted));
    }

    #[test]
    fn progress_reports_the_pairs_and_how_many_more() {
        let (before, after) = (place("a"), place("b"));
        let mut script = Script::default();
        let (mut reference, mut clock) = (|| None, || Duration::ZERO);
        let plan = plan(0);
        let mut reported = Vec::new();
        let mut session = scripted(&mut script, (&before, &after), &mut reference, &mut clock);
        let mut decide = |_: &PairedCommand| StoppingDecision::Continue { more: Some(7) };
        let measured =
            session.command((&plan, None), BUDGET, &mut decide, &mut |p| reported.push((p.so_far.pairs.len(), p.more)));
        assert_eq!(reported, [(1, Some(7)), (2, Some(7)), (3, Some(7)), (4, Some(7)), (5, Some(7))]);
        assert!(measured.paired.pairs.iter().all(|pair| pair.reference_s.is_none()));
    }

    #[test]
    fn memory_at_the_floor_is_left_out_of_all_pairs() {
        let outcome = measure(Script::default(), 0, BUDGET, &mut go_on);
        let mut pairs = outcome.measured.paired.pairs;
        assert!(!command::hide_floor(runs(&mut pairs), 1));
        assert!(command::hide_floor(runs(&mut pairs), 1 << 40));
        assert!(pairs.iter().all(|pair| pair.before.max_rss_bytes.is_none() && pair.after.max_rss_bytes.is_none()));
    }

    fn kpi_in(values: [&str; 2], exact: bool) -> (PairedKpi, Stop) {
        let dir = tempfile::tempdir().unwrap();
        let places = ["a", "b"].map(|side| Place { root: dir.path().join(side), env: Vec::new() });
        for (place, value) in places.iter().zip(values) {
            std::fs::create_dir(&place.root).unwrap();
            std::fs::write(place.root.join("value"), value).unwrap();
        }
        let config = KpiProbe {
            name: "score".into(),
            file: Some("value".into()),
            better: crate::model::Better::Higher,
            exact,
            runs: 1,
            ..KpiProbe::default()
        };
        let (mut script, mut reference, mut clock) = (Script::default(), || None, || Duration::ZERO);
        let mut session = scripted(&mut script, (&places[0], &places[1]), &mut reference, &mut clock);
        let (mut paired, stopped) = session
            .kpis((&Group::Kpis(vec![&config]), None), BUDGET, &mut |_| StoppingDecision::Continue { more: None });
        (paired.remove(0), stopped)
    }

    #[test]
    fn a_kpi_is_taken_on_each_side_and_an_exact_one_once() {
        let measured = kpi_in(["1", "2.5"], false);
        assert_eq!((measured.0.pairs, measured.1), (vec![(1.0, 2.5); 5], Stop::MaxPairs));
        assert_eq!(kpi_in(["1", "2"], true).0.pairs, [(1.0, 2.0)]);
    }

    #[test]
    fn a_kpi_without_a_value_on_one_side_has_no_pairs_and_names_the_side() {
        let measured = kpi_in(["1", "none"], false);
        assert_eq!((measured.0.pairs.len(), measured.1), (0, Stop::Failed));
        assert!(measured.0.kpi.error.unwrap().starts_with("after: "));
    }
}
