//! The runs of a paired session: their order, their number, and why they end. Must not prepare arms or judge.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::config::{KpiProbe, Pin};
use crate::judge::Decision;
use crate::measure::command::{self, hide_floor};
use crate::measure::pair::blame::{blame, failed};
use crate::measure::pair::{Seat, Side, Waited, seat};
use crate::measure::{KpiError, Reference, Runner, Sample, TimingPlan, kpi};
use crate::model::scrub::scrub;
use crate::model::{Pair, PairedCommand, PairedKpi, Run, Stop};
use crate::os::{Core, Ended, process};

/// Where an arm's runs happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Directory to run in: the project's root in that arm.
    pub root: PathBuf,
    /// Variables set (or, with `None`, removed) for the arm.
    pub env: Vec<(OsString, Option<OsString>)>,
}

/// A command to be measured in both arms.
#[derive(Debug, Clone, PartialEq)]
pub struct PairPlan {
    pub name: String,
    pub cmd: String,
    /// Whether a shell reads it; see [`TimingPlan::shell`].
    pub shell: bool,
    /// Directory to run in, from the project's root in each arm; `None` is the root.
    pub cwd: Option<String>,
    /// Variables set for it in both arms.
    pub env: Vec<(OsString, Option<OsString>)>,
    pub timeout: Duration,
    /// Runs of each arm before the first pair, which do not count.
    pub warmup: u32,
    /// Whether both runs of a pair are held on one core.
    pub pin: Pin,
}

/// How many pairs, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Fewest pairs before a settled question ends the sampling.
    pub min_pairs: u32,
    pub max_pairs: u32,
    /// Time after which no further pair of this command is begun.
    pub max_time: Duration,
}

/// How far a command's pairs are; given after every pair.
#[derive(Debug)]
pub struct PairProgress<'a> {
    pub so_far: &'a PairedCommand,
    pub max_pairs: u32,
    /// About how many more would settle the question at the present noise; 0 when it is settled.
    pub more: Option<u32>,
    pub elapsed: Duration,
    pub max_time: Duration,
}

/// A command's pairs, and what else is worth telling.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredPairs {
    pub paired: PairedCommand,
    /// The end of what a failed run wrote to standard error, with the arm it failed in; scrubbed.
    pub error: Option<String>,
    /// Set where peak memory could not be told from the tool's own and was left out, see
    /// [`crate::measure::Timed::rss_floor_bytes`].
    pub rss_floor_bytes: Option<u64>,
}

/// A KPI's pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredKpi {
    pub paired: PairedKpi,
    /// The texts that the last pair's values were read from: the baseline's, the head's.
    pub raw: Option<(Vec<u8>, Vec<u8>)>,
    pub stopped: Stop,
}

/// Whether the head goes first in the pair of this number, counted from 0: A B, B A, A B, B A, …
fn after_first(pair: usize) -> bool {
    pair % 2 == 1
}

fn order(pair: usize) -> [Side; 2] {
    if after_first(pair) { [Side::After, Side::Before] } else { [Side::Before, Side::After] }
}

/// One attempt at a run.
enum Attempt {
    Made(Run),
    Failed(Run),
    Interrupted,
}

/// A session over two prepared arms.
pub struct Session<'a> {
    runner: &'a mut dyn Runner,
    before: &'a Place,
    after: &'a Place,
    reference: &'a mut dyn FnMut() -> Option<f64>,
    clock: &'a mut dyn FnMut() -> Duration,
}

/// The built-in reference workload as a session takes it: wall time in seconds.
pub fn built_in_reference() -> impl FnMut() -> Option<f64> {
    let reference = Reference::new();
    move || Some(reference.measure_once().wall_s)
}

/// A clock for a session: time since it was made.
pub fn since_now() -> impl FnMut() -> Duration {
    let started = Instant::now();
    move || started.elapsed()
}

impl<'a> Session<'a> {
    /// A session whose runs are made by `runner`, with `reference` before each of them; `clock` tells the time that
    /// has gone by.
    pub fn new(
        runner: &'a mut dyn Runner,
        before: &'a Place,
        after: &'a Place,
        reference: &'a mut dyn FnMut() -> Option<f64>,
        clock: &'a mut dyn FnMut() -> Duration,
    ) -> Self {
        Self { runner, before, after, reference, clock }
    }

    /// Measures one command in pairs until `decide` calls its question settled (asked from `budget.min_pairs` on), the
    /// budget ends, a run fails, or the user asks to stop. A pair with a failed run is kept as the last one; a pair
    /// that was not finished is not kept.
    pub fn command(
        &mut self,
        plan: &PairPlan,
        budget: Budget,
        decide: &mut dyn FnMut(&PairedCommand) -> Decision,
        progress: &mut dyn FnMut(PairProgress<'_>),
    ) -> MeasuredPairs {
        process::reset_own_peak_rss();
        let mut error = None;
        let mut paired = PairedCommand {
            name: plan.name.clone(),
            cmd: scrub(&plan.cmd),
            timeout_s: plan.timeout.as_secs_f64(),
            min_pairs: budget.min_pairs,
            max_pairs: budget.max_pairs,
            pairs: Vec::new(),
            stopped: Stop::MaxPairs,
        };
        let began = (self.clock)();
        let mut seat = Seat::new(plan.pin);
        paired.stopped = match self.warm_up(plan, &mut paired, &mut seat, &mut error) {
            Some(stop) => stop,
            None => loop {
                let made = paired.pairs.len();
                if made >= budget.max_pairs as usize {
                    break Stop::MaxPairs;
                }
                if (self.clock)().saturating_sub(began) >= budget.max_time {
                    break Stop::MaxTime;
                }
                match self.pair(plan, made, seat.take(), &mut error) {
                    None => break Stop::Interrupted,
                    Some((pair, ok)) => {
                        seat.made(seat::waited(&pair));
                        paired.pairs.push(pair);
                        if !ok {
                            break Stop::Failed;
                        }
                    }
                }
                let decision = decide(&paired);
                let settled = decision == Decision::Settled && made + 1 >= budget.min_pairs as usize;
                let more = match decision {
                    Decision::Settled => Some(0),
                    Decision::Continue { more } => more,
                };
                let elapsed = (self.clock)().saturating_sub(began);
                let (max_pairs, max_time) = (budget.max_pairs, budget.max_time);
                progress(PairProgress { so_far: &paired, max_pairs, more, elapsed, max_time });
                if settled {
                    break Stop::Settled;
                }
            },
        };
        let rss_floor_bytes = process::own_peak_rss().filter(|floor| hide_floor(both(&mut paired.pairs), *floor));
        MeasuredPairs { paired, error, rss_floor_bytes }
    }

    /// Runs both arms without counting; where one fails, that pair of runs is the evidence of it.
    fn warm_up(
        &mut self,
        plan: &PairPlan,
        paired: &mut PairedCommand,
        seat: &mut Seat,
        error: &mut Option<String>,
    ) -> Option<Stop> {
        for turn in 0..plan.warmup {
            match self.pair(plan, turn as usize, None, error) {
                None => return Some(Stop::Interrupted),
                Some((pair, true)) => seat.warmed_up(seat::waited(&pair)),
                Some((pair, false)) => {
                    paired.pairs.push(pair);
                    return Some(Stop::Failed);
                }
            }
        }
        None
    }

    /// One pair, and whether both runs succeeded; `None` when the user asked to stop. The reference workload runs where
    /// the runs do.
    fn pair(
        &mut self,
        plan: &PairPlan,
        number: usize,
        core: Option<Core>,
        error: &mut Option<String>,
    ) -> Option<(Pair, bool)> {
        let held = core.and_then(Core::hold);
        let core = core.filter(|_| held.is_some()).map(Core::number);
        let mut references = [None, None];
        let mut runs = [None, None];
        let mut ok = true;
        for (turn, side) in order(number).into_iter().enumerate() {
            references[turn] = (self.reference)();
            // The other arm runs even when the first has failed: whether both do is worth knowing.
            runs[turn] = match self.attempt(plan, side, error) {
                Attempt::Made(run) => Some(run),
                Attempt::Failed(run) => {
                    ok = false;
                    Some(run)
                }
                Attempt::Interrupted => return None,
            };
        }
        let after_first = after_first(number);
        let [first, second] = runs;
        let (before, after) = if after_first { (second?, first?) } else { (first?, second?) };
        let reference_s = match references {
            [Some(one), Some(other)] => Some(f64::midpoint(one, other)),
            _ => None,
        };
        Some((Pair { before, after, after_first, reference_s, core }, ok))
    }

    fn attempt(&mut self, plan: &PairPlan, side: Side, error: &mut Option<String>) -> Attempt {
        let place = self.place(side);
        let timing = TimingPlan {
            name: plan.name.clone(),
            cmd: plan.cmd.clone(),
            shell: plan.shell,
            runs: 1,
            warmup: 0,
            timeout: plan.timeout,
            cwd: plan.cwd.as_ref().map_or_else(|| place.root.clone(), |cwd| place.root.join(cwd)),
            // The arm's own variables last: they keep the arms apart.
            env: plan.env.iter().chain(&place.env).cloned().collect(),
        };
        match self.runner.run(&timing.spec()) {
            Ok(finished) if finished.ended == Ended::Interrupted => Attempt::Interrupted,
            Ok(finished) if finished.success() => Attempt::Made(command::run_of(&finished)),
            Ok(finished) => {
                blame(error, side, &failed(&finished));
                Attempt::Failed(command::run_of(&finished))
            }
            Err(failure) => {
                blame(error, side, &scrub(&failure.to_string()));
                Attempt::Failed(command::run_not_started())
            }
        }
    }

    fn place(&self, side: Side) -> &'a Place {
        match side {
            Side::Before => self.before,
            Side::After => self.after,
        }
    }

    /// Measures a KPI in pairs: once where it is exact, else until `decide` calls it settled or the budget ends. A value
    /// that cannot be had ends it; the KPI then carries the reason and no pairs. There is no warm-up, so it is the first
    /// pair, free to move, that shows whether the others are held on one core.
    pub fn kpi(
        &mut self,
        config: &KpiProbe,
        pin: Pin,
        budget: Budget,
        decide: &mut dyn FnMut(&PairedKpi) -> Decision,
    ) -> MeasuredKpi {
        let mut measured = MeasuredKpi {
            paired: PairedKpi {
                kpi: kpi::unmeasured(config),
                min_pairs: budget.min_pairs,
                max_pairs: budget.max_pairs,
                pairs: Vec::new(),
            },
            raw: None,
            stopped: Stop::MaxPairs,
        };
        let began = (self.clock)();
        let mut seat = Seat::new(pin);
        let max_pairs = if config.exact { 1 } else { budget.max_pairs as usize };
        measured.stopped = loop {
            let made = measured.paired.pairs.len();
            if made >= max_pairs {
                break Stop::MaxPairs;
            }
            if (self.clock)().saturating_sub(began) >= budget.max_time {
                break Stop::MaxTime;
            }
            match self.kpi_pair(config, made, seat.take()) {
                Ok((before, after)) => {
                    let waited: Waited = [before.waited, after.waited];
                    if made == 0 {
                        seat.warmed_up(waited)
                    } else {
                        seat.made(waited)
                    }
                    measured.paired.pairs.push((before.value, after.value));
                    measured.raw = Some((before.raw, after.raw));
                }
                Err((_, KpiError::Interrupted)) => break Stop::Interrupted,
                Err((side, error)) => {
                    measured.paired.kpi.error = Some(format!("{}: {}", side.name(), scrub(&error.to_string())));
                    measured.paired.pairs.clear();
                    measured.raw = None;
                    break Stop::Failed;
                }
            }
            if decide(&measured.paired) == Decision::Settled && made + 1 >= budget.min_pairs as usize {
                break Stop::Settled;
            }
        };
        measured
    }

    fn kpi_pair(
        &mut self,
        config: &KpiProbe,
        number: usize,
        core: Option<Core>,
    ) -> Result<(Sample, Sample), (Side, KpiError)> {
        let _held = core.and_then(Core::hold);
        let [first, second] = order(number).map(|side| {
            let place = self.place(side);
            let place = kpi::Place { root: &place.root, env: &place.env };
            kpi::sample(self.runner, place, config).map_err(|error| (side, error))
        });
        let (first, second) = (first?, second?);
        Ok(if after_first(number) { (second, first) } else { (first, second) })
    }
}

fn both(pairs: &mut [Pair]) -> Vec<&mut Run> {
    pairs.iter_mut().flat_map(|pair| [&mut pair.before, &mut pair.after]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::command::scripted::Script;

    const BUDGET: Budget = Budget { min_pairs: 3, max_pairs: 5, max_time: Duration::from_secs(100) };

    fn place(root: &str) -> Place {
        Place { root: root.into(), env: vec![("ARM".into(), Some(root.into()))] }
    }

    fn go_on(_: &PairedCommand) -> Decision {
        Decision::Continue { more: None }
    }

    struct Outcome {
        measured: MeasuredPairs,
        script: Script,
        /// Which arm each run was in, `r` for the reference workload.
        trace: String,
    }

    /// The reference workload counts up in seconds; each look at the clock takes one second.
    fn measure(
        mut script: Script,
        warmup: u32,
        budget: Budget,
        decide: &mut dyn FnMut(&PairedCommand) -> Decision,
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
        let mut session = Session::new(&mut script, &before, &after, &mut reference, &mut clock);
        let measured = session.command(&plan, budget, decide, &mut |_| {});
        let trace = script.seen.iter().map(|spec| spec.cwd.to_str().unwrap()).collect();
        Outcome { measured, script, trace }
    }

    fn plan(warmup: u32) -> PairPlan {
        let (name, cmd) = ("t".to_owned(), "make".to_owned());
        PairPlan {
            name,
            cmd,
            shell: true,
            cwd: None,
            env: Vec::new(),
            timeout: Duration::from_secs(9),
            warmup,
            pin: Pin::Auto,
        }
    }

    #[test]
    fn runs_alternate_as_a_b_b_a_after_one_warm_up_each() {
        let outcome = measure(Script::default(), 1, BUDGET, &mut go_on);
        assert_eq!(outcome.trace, "ababbaabbaab");
        let pairs = &outcome.measured.paired.pairs;
        let first: Vec<bool> = pairs.iter().map(|pair| pair.after_first).collect();
        assert_eq!(first, [false, true, false, true, false]);
        assert_eq!(outcome.measured.paired.stopped, Stop::MaxPairs);
        // The mean of the two before each pair: 3 and 4, 5 and 6, …
        let references: Vec<f64> = pairs.iter().filter_map(|pair| pair.reference_s).collect();
        assert_eq!(references, [3.5, 5.5, 7.5, 9.5, 11.5]);
        assert_eq!(outcome.script.seen[1].env, [("ARM".into(), Some("b".into()))]);
    }

    #[test]
    fn each_run_is_filed_under_its_own_arm() {
        let ok = Ended::Code(0);
        let script = Script::of(&[(1, ok, ""), (2, ok, ""), (20, ok, ""), (10, ok, "")]);
        let outcome = measure(script, 0, Budget { max_pairs: 2, ..BUDGET }, &mut go_on);
        let walls: Vec<(f64, f64)> =
            outcome.measured.paired.pairs.iter().map(|pair| (pair.before.wall_s, pair.after.wall_s)).collect();
        assert_eq!(walls, [(0.001, 0.002), (0.01, 0.02)]);
    }

    #[test]
    fn a_settled_question_ends_it_but_not_before_the_fewest_pairs() {
        let outcome = measure(Script::default(), 0, BUDGET, &mut |_| Decision::Settled);
        assert_eq!((outcome.measured.paired.pairs.len(), outcome.measured.paired.stopped), (3, Stop::Settled));
    }

    #[test]
    fn the_time_budget_ends_it() {
        let budget = Budget { max_time: Duration::from_secs(6), max_pairs: 99, ..BUDGET };
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
    fn progress_tells_the_pairs_and_how_many_more() {
        let (before, after) = (place("a"), place("b"));
        let mut script = Script::default();
        let (mut reference, mut clock) = (|| None, || Duration::ZERO);
        let plan = plan(0);
        let mut told = Vec::new();
        let mut session = Session::new(&mut script, &before, &after, &mut reference, &mut clock);
        let mut decide = |_: &PairedCommand| Decision::Continue { more: Some(7) };
        let measured = session.command(&plan, BUDGET, &mut decide, &mut |p| told.push((p.so_far.pairs.len(), p.more)));
        assert_eq!(told, [(1, Some(7)), (2, Some(7)), (3, Some(7)), (4, Some(7)), (5, Some(7))]);
        assert!(measured.paired.pairs.iter().all(|pair| pair.reference_s.is_none()));
    }

    #[test]
    fn memory_at_the_floor_is_left_out_of_all_pairs() {
        let outcome = measure(Script::default(), 0, BUDGET, &mut go_on);
        let mut pairs = outcome.measured.paired.pairs;
        assert!(!hide_floor(both(&mut pairs), 1));
        assert!(hide_floor(both(&mut pairs), 1 << 40));
        assert!(pairs.iter().all(|pair| pair.before.max_rss_bytes.is_none() && pair.after.max_rss_bytes.is_none()));
    }
    fn kpi_in(values: [&str; 2], exact: bool) -> MeasuredKpi {
        let dir = tempfile::tempdir().unwrap();
        let places = ["a", "b"].map(|arm| Place { root: dir.path().join(arm), env: Vec::new() });
        for (place, value) in places.iter().zip(values) {
            std::fs::create_dir(&place.root).unwrap();
            std::fs::write(place.root.join("value"), value).unwrap();
        }
        let config = KpiProbe {
            name: "score".into(),
            cmd: None,
            file: Some("value".into()),
            extract: crate::config::Extract::Whole,
            unit: crate::model::Unit::none(),
            better: crate::model::Better::Higher,
            exact,
            runs: 1,
            timeout_s: 9.0,
            artifact: None,
        };
        let (mut script, mut reference, mut clock) = (Script::default(), || None, || Duration::ZERO);
        let mut session = Session::new(&mut script, &places[0], &places[1], &mut reference, &mut clock);
        session.kpi(&config, Pin::Auto, BUDGET, &mut |_| Decision::Continue { more: None })
    }

    #[test]
    fn a_kpi_is_taken_in_each_arm_and_an_exact_one_once() {
        let measured = kpi_in(["1", "2.5"], false);
        assert_eq!((measured.paired.pairs, measured.stopped), (vec![(1.0, 2.5); 5], Stop::MaxPairs));
        assert_eq!(kpi_in(["1", "2"], true).paired.pairs, [(1.0, 2.0)]);
    }

    #[test]
    fn a_kpi_without_a_value_in_one_arm_has_no_pairs_and_names_the_arm() {
        let measured = kpi_in(["1", "none"], false);
        assert_eq!((measured.paired.pairs.len(), measured.stopped), (0, Stop::Failed));
        assert!(measured.paired.kpi.error.unwrap().starts_with("after: "));
    }
}
